"""What the bus does with a message is what the gate judged, for messages whose bytes were changed: on the bus stand a service and two
listeners, whose match rules let the bus itself say which interface it reads. How many, and from which seed: BUSGATE_ORACLE_SECONDS and
BUSGATE_ORACLE_SEED, as in Tests/OracleTests."""

import json
import os
import random
import signal as signal_module
import struct

import pytest

from harness import EVERYTHING, PATIENCE, rule
from wire import (BIG, ERROR, INTERFACE, LITTLE, MEMBER, METHOD_CALL, METHOD_RETURN, NO_REPLY_EXPECTED, OBJECT, OPEN, PATH, SHUT, SIGNAL,
                  Ended, Message, join, message)

SEED = int(os.environ.get("BUSGATE_ORACLE_SEED", 20260101))
SECONDS = float(os.environ.get("BUSGATE_ORACLE_SECONDS", 60))
CASES = max(200, int(600 * SECONDS / 60))
SERVICE = "com.example.Service"
TYPES = {METHOD_CALL: "method_call", METHOD_RETURN: "method_return", ERROR: "error", SIGNAL: "signal"}


def base(generator, service, number):
    """A call or a signal; some are none before a byte is changed."""
    def pick(*choices):
        return generator.choice(choices)

    interface = pick(OPEN, OPEN, OPEN, OPEN, SHUT, SHUT, SHUT, None, OPEN + "s", "com.example.Ope", "com.example", "a.b", "com.example.Open.Shut")
    more = []
    while generator.random() < 0.25:
        more.append(pick((INTERFACE, "s", OPEN), (INTERFACE, "s", SHUT), (MEMBER, "s", "Other"), (PATH, "o", "/other"), (5, "u", 1), (5, "u", 77),
                         (4, "s", "a.b"), (7, "s", service), (9, "u", 0), (99, "s", SHUT), (0, "s", SHUT), (10, "o", "/a"), (2, "o", "/a"),
                         (INTERFACE, "v", ("s", OPEN))))
    signature, args = pick((None, ()), ("s", ["x"]), ("u", [7]), ("a{sv}", [[("k", ("s", SHUT))]]), ("as", [[OPEN, SHUT]]))
    generator.shuffle(more)
    kind = pick(METHOD_CALL, METHOD_CALL, SIGNAL, SIGNAL, METHOD_RETURN, ERROR, 5)
    destination = pick(SERVICE, service, None, None) if kind == SIGNAL else pick(SERVICE, service)
    fields = dict(path=OBJECT, interface=interface, member=f"{pick('Ask', 'Tell')}{number}", destination=destination)
    if kind in (METHOD_RETURN, ERROR):
        fields.update(reply=pick(1, 2, 77))
    return message(kind, generator.randrange(1000, 1 << 32), flags=pick(NO_REPLY_EXPECTED, NO_REPLY_EXPECTED | 2, NO_REPLY_EXPECTED | 4),
                   order=pick(LITTLE, BIG), signature=signature, args=args, fields=more, **fields)


def mutated(generator, data):
    """The same message with up to three bytes changed; no more and no fewer bytes, so that the stream behind it stays one."""
    data = bytearray(data)
    for _ in range(generator.choice((0, 0, 1, 1, 2, 3))):
        # Not the lengths of the frame: who changes those waits for bytes that never come.
        at = generator.choice([generator.randrange(0, 4), generator.randrange(8, 12), *[generator.randrange(16, len(data))] * 6])
        if at == 0:
            continue
        data[at] = generator.choice((data[at] ^ 1 << generator.randrange(8), generator.randrange(256), 0, data[at] + 1 & 255,
                                     generator.choice(b"ilos./:a0A_\x01\x02\x08")))
    if not data[2] & NO_REPLY_EXPECTED:
        data[2] |= NO_REPLY_EXPECTED  # an answer of nobody would come late
    return bytes(data)


def seen(one):
    """What is judged of a message, as whoever receives it reads it."""
    return (one.type, one.interface, one.path, one.member, one.error, one.reply, one.destination, one.signature, one.body)


def is_stopped_by_every_gate(data):
    """What the buses pass and a gate does not, whatever the rules say: only a bus may write CONTAINER_INSTANCE; and a unique name has two
    elements (`uniqueNameElements` of Tests/OracleTests/Disagreement.swift)."""
    try:
        one = Message(data)
    except (ValueError, IndexError, KeyError, struct.error):
        return False
    names = [name for name in (one.destination, one.sender) if isinstance(name, str) and name.startswith(":")]
    return one.container is not None or any("." not in name[2:] for name in names)


class Street:
    """One way to the bus, through a gate or not, with a client that is replaced when it is closed."""

    def __init__(self, workshop, path, gate=None):
        self.workshop, self.path, self.gate = workshop, path, gate
        self.client = None

    def send(self, data):
        """Whether the connection lives on after it."""
        if self.client is None:
            self.client = join(self.workshop, self.path)
        try:
            self.client.send(data)
            self.client.round_trip()
            return True
        except (Ended, BrokenPipeError, ConnectionResetError):
            self.workshop._children.remove(self.client)
            self.client.close()
            self.client = None
            return False


class Audience:
    """A bus with a service that hears everything, and two listeners to whom the bus gives what it takes for their interface."""

    def __init__(self, workshop, bus):
        self.workshop, self.bus = workshop, bus
        self.service = join(workshop, bus.path)
        self.service.request_name(SERVICE)
        self.service.add_match("type='signal'")
        self.listeners = {interface: join(workshop, bus.path) for interface in (OPEN, SHUT)}
        for interface, listener in self.listeners.items():
            listener.add_match(f"type='signal',interface='{interface}'")

    def street(self, rules, *arguments):
        gate = self.workshop.gate(rules, self.bus, *arguments, socket=f"gate-{len(self.workshop._children)}/bus")
        return Street(self.workshop, gate.path, gate)

    def arrived(self):
        """What came to the service, and what the bus gave the listener of each interface."""
        def of(peer):
            return [one for one in peer.round_trip() if one.sender != "org.freedesktop.DBus"]

        # Not what a changed byte addressed to a listener itself, which no match rule lets to it.
        heard = {interface: [one for one in of(listener) if one.destination is None] for interface, listener in self.listeners.items()}
        return of(self.service), heard

    def run(self, street, data):
        lives = street.send(data)
        service, heard = self.arrived()
        return lives, service, heard


@pytest.fixture
def scene(workshop, bus, not_forever):
    signal_module.alarm(int(2 * PATIENCE + SECONDS))  # as long as was asked for
    return Audience(workshop, bus)


def cases(purpose, scene, count=CASES):
    generator = random.Random(f"{SEED} {purpose} {scene.bus.program}")
    for number in range(count):
        data = mutated(generator, base(generator, scene.service.name, number))
        yield f"seed {SEED}, case {number} of {purpose}: {data!r}", data


def test_through_a_gate_that_allows_everything_a_message_fares_as_without_it(scene):
    """Neither does the gate let pass what the bus then reads in another way, nor does it stop what the bus takes."""
    bare, gated = Street(scene.workshop, scene.bus.path), scene.street(EVERYTHING)
    passed = 0
    for name, data in cases("everything", scene):
        without, service, heard = scene.run(bare, data)
        through, gated_service, gated_heard = scene.run(gated, data)
        expected = [seen(one) for one in service]
        if data[1] in (METHOD_RETURN, ERROR) or data[1] > SIGNAL:
            # Nobody asked the client anything, and what nobody knows nobody judges.
            assert gated_service == [], name
            continue
        if is_stopped_by_every_gate(data):
            assert gated_service == [], name
            continue
        assert [seen(one) for one in gated_service] == expected, name
        assert {key: len(value) for key, value in gated_heard.items()} == {key: len(value) for key, value in heard.items()}, name
        assert through == without, name
        passed += len(expected)
    assert passed > CASES / 10


def test_the_interface_that_a_rule_allows_is_the_only_one_that_the_bus_reads(scene):
    """Said by the bus itself: what came to the service, what its match rules let to the listeners; and by the gate's log."""
    street = scene.street([rule("outgoing", OPEN)], "--log", "all", "--log-format", "json", "--log-fold", "0", "--log-rate", "1000000")
    passed = 0
    for name, data in cases("one interface", scene):
        _, service, heard = scene.run(street, data)
        assert heard[SHUT] == [], name
        assert {one.interface for one in service} <= {OPEN}, name
        assert len(heard[OPEN]) == len([one for one in service if one.type == SIGNAL and one.destination is None]), name
        for one in service:
            # What the gate says of this message, which has a member of its own.
            line = street.gate.log.wait_for('"verdict":"allow"', '"direction":"outgoing"', f'"{one.member}"')
            entry = json.loads(line)
            assert (entry["type"], entry["interface"], entry["path"], entry["member"]) == (
                TYPES[one.type], one.interface, one.path, one.member), name
        passed += len(service)
    assert passed > CASES / 40
    entries = [json.loads(line) for line in street.gate.log.matching('"verdict":"allow"', '"direction":"outgoing"')]
    assert {entry["interface"] for entry in entries if entry.get("destination") != "org.freedesktop.DBus"} == {OPEN}


def test_the_interface_that_a_rule_denies_is_never_the_one_that_the_bus_reads(scene):
    street = scene.street([rule("outgoing"), rule("outgoing", SHUT, action="deny")])
    passed = 0
    for name, data in cases("all but one interface", scene):
        _, service, heard = scene.run(street, data)
        assert heard[SHUT] == [], name
        # A call without interface may mean any, the denied one too.
        assert not [one for one in service if one.interface in (SHUT, None)], name
        passed += len(service)
    assert passed > CASES / 40


def test_on_the_bare_bus_both_interfaces_arrive(scene):
    """The twin: it is the gate that stops one of them."""
    bare = Street(scene.workshop, scene.bus.path)
    interfaces, heard_shut = set(), 0
    for _, data in cases("the bare bus", scene, 400):
        _, service, heard = scene.run(bare, data)
        interfaces |= {one.interface for one in service}
        heard_shut += len(heard[SHUT])
    assert {OPEN, SHUT, None} <= interfaces and heard_shut


# What Tests/OracleTests/Disagreement.swift says of libdbus, as the buses have it: whether the service hears it from a client without a gate.
DEEP = "a" * 20 + "(" + "a" * 20 + "y)"
DISAGREEMENTS = {
    "arraysInStructs": (dict(signature=DEEP, body=bytes(4)), {"dbus-daemon": True, "dbus-broker": False}, False),
    "uniqueNameElements": (dict(sender=":42"), {"dbus-daemon": True, "dbus-broker": False}, False),
    "localPrefix": (dict(path="/org/freedesktop/DBus/Locale"), {"dbus-daemon": False, "dbus-broker": True}, True),
}


@pytest.mark.parametrize("name", DISAGREEMENTS)
def test_a_known_disagreement_lets_no_more_through_than_the_bus_would(scene, name):
    changes, without, is_let_through = DISAGREEMENTS[name]
    parts = dict(path=OBJECT, interface=OPEN, member="Ask", destination=SERVICE, flags=NO_REPLY_EXPECTED)
    parts.update(changes)
    data = message(METHOD_CALL, 77, **parts)
    _, bare, _ = scene.run(Street(scene.workshop, scene.bus.path), data)
    _, gated, _ = scene.run(scene.street(EVERYTHING), data)
    assert bool(bare) == without[scene.bus.program]
    assert bool(gated) == (is_let_through and without[scene.bus.program])
