"""Messages of every sort interleaved into streams, made from a seed, cut anywhere: what arrives is what would if each had been sent alone."""

import os
import random
import threading

import pytest

from harness import rule
from wire import (ACCESS_DENIED, BIG, LIMITS_EXCEEDED, LITTLE, METHOD_CALL, METHOD_RETURN, NO_REPLY_EXPECTED, OBJECT, OPEN, SHUT,
                  SIGNAL, expect_descriptors, introduce, message, raw_bus)

SERVICE, CALLER, ME = "com.example.Service", ":1.2", ":1.7"
HEADER_BYTES_MAX, FDS_MAX = 4096, 16
MESSAGES = 300


class Expected:
    """What is to arrive at the receiver, as bytes and contents of descriptors, and which errors go back, by serial."""

    def __init__(self):
        self.arrivals = []
        self.errors = {}


def interleaving(chance, from_client):
    """Messages as (bytes, contents of their descriptors), and what is expected of them."""
    expected, stream = Expected(), []
    for serial in range(100, 100 + MESSAGES):
        kind = chance.choice(["passes"] * 6 + ["denied"] * 3 + ["dropped", "unknown", "long header", "too many descriptors"])
        count = chance.choice([0, 0, 0, 1, 2, FDS_MAX])
        parts = dict(order=chance.choice([LITTLE, BIG]), member=chance.choice(["A", "Member", "M" * 200]),
                     flags=chance.choice([0, NO_REPLY_EXPECTED]), path=chance.choice(["/", OBJECT, "/" + "p" * 1000]), interface=OPEN)
        if from_client:
            parts["destination"] = SERVICE
        else:
            parts.update(destination=ME, sender=CALLER)
        kind_of_message = METHOD_CALL
        if chance.random() < 0.5:
            size = chance.choice([1, 7, 100, 5000, 70_000, 300_000])
            parts.update(signature="ay", body=chance.randbytes(size))
        error = None
        if kind == "denied":
            parts["interface"], error = SHUT, ACCESS_DENIED
            kind_of_message = chance.choice([METHOD_CALL, SIGNAL])
        elif kind == "dropped":
            parts["reply"], kind_of_message = 7, METHOD_RETURN
        elif kind == "unknown":
            kind_of_message = chance.randrange(5, 256)
        elif kind == "long header":
            # From the bus nobody is told: a header that was not read names nobody.
            parts["path"], error, count = "/" + "p" * HEADER_BYTES_MAX, LIMITS_EXCEEDED if from_client else None, 0
        elif kind == "too many descriptors":
            count, error = FDS_MAX + 1, LIMITS_EXCEEDED
        data = message(kind_of_message, serial, fds=count or None, **parts)
        contents = [f"{serial}.{number}" for number in range(count)]
        stream.append((data, contents))
        if kind == "passes":
            expected.arrivals.append((data, contents))
        elif error and kind_of_message == METHOD_CALL and not parts["flags"] & NO_REPLY_EXPECTED:
            expected.errors[serial] = error
    return stream, expected


def send(peer, stream, chance):
    """Sends the messages in pieces of any length; descriptors go with the first byte of their message."""
    waiting = b""
    for data, contents in stream:
        if contents:
            if waiting:
                peer.send(waiting)
            descriptors = [made(content) for content in contents]
            first = chance.randrange(1, len(data) + 1)
            peer.send(data[:first], descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            waiting = data[first:]
        else:
            waiting += data
        while len(waiting) > 1 and chance.random() < 0.7:
            cut = chance.randrange(1, len(waiting))
            peer.send(waiting[:cut])
            waiting = waiting[cut:]
            if chance.random() < 0.3:
                peer.await_read()
    if waiting:
        peer.send(waiting)


def made(content):
    descriptor = os.memfd_create(content)
    os.write(descriptor, content.encode())
    return descriptor


def taken(descriptor):
    content = os.pread(descriptor, 100, 0).decode()
    os.close(descriptor)
    return content


@pytest.mark.parametrize("seed", range(4))
def test_interleaved_messages_cut_anywhere_arrive_as_if_each_came_alone(workshop, seed):
    bus = raw_bus(workshop)
    gate = workshop.gate([rule(interface=OPEN)], bus, "--log", "none", "--limit", f"header-bytes-max={HEADER_BYTES_MAX}",
                         "--limit", "fds-per-message-max=16")
    client, side = introduce(workshop, gate, bus, name=ME)
    before = gate.descriptors()
    chance = random.Random(seed)
    ends = []
    for sender, receiver, from_client in ((client, side, True), (side, client, False)):
        stream, expected = interleaving(chance, from_client)
        thread = threading.Thread(target=send, args=(sender, stream, random.Random(seed)), daemon=True)
        ends.append((receiver, expected, thread))
    found = {}

    def collect(receiver, expected, errors):
        arrivals, refused = [], {}
        while len(arrivals) < len(expected.arrivals) or len(refused) < len(errors):
            got = receiver.receive()
            if got.error:
                refused[got.reply] = got.error
            else:
                arrivals.append((got.bytes, [taken(descriptor) for descriptor in got.fds]))
        found[receiver] = arrivals, refused

    collectors = []
    for number, (receiver, expected, thread) in enumerate(ends):
        # A receiver also gets the errors that it causes as a sender.
        errors = ends[1 - number][1].errors
        collectors.append((threading.Thread(target=collect, args=(receiver, expected, errors), daemon=True), receiver, expected, errors))
    for thread in [one[2] for one in ends] + [one[0] for one in collectors]:
        thread.start()
    for thread, receiver, expected, errors in collectors:
        thread.join(60)
        assert not thread.is_alive(), f"seed {seed}: something did not arrive"
        arrivals, refused = found[receiver]
        assert arrivals == expected.arrivals
        assert refused == errors
    for _, _, thread in ends:
        thread.join(60)
    expect_descriptors(gate, before)
