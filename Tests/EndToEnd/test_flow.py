"""Flow control: what cannot be sent is not read, nothing is lost or reordered by that, and no two waits hold each other."""

import select
import threading
import zlib

import pytest

from harness import EVERYTHING, PATIENCE, rule
from scene import RawScene
from service import is_asleep
from wire import (ACCESS_DENIED, METHOD_RETURN, NO_REPLY_EXPECTED, OPEN, OWN_UID, SHUT, Client, Ended, call, driver_call, eventually,
                  expect_descriptors, hello, introduce, join, signal)

SERVICE = "com.example.Service"
ME, CALLER = ":1.7", ":1.2"
MIB = 1 << 20
OPENING = b"\0AUTH EXTERNAL " + OWN_UID + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
# One read buffer of 256 KiB for each direction, two socket buffers, and what the program itself may come to need.
SMALL_KIB = 2048


class TrafficScene(RawScene):
    """A gate that opens com.example.Open, with messages for both directions."""

    def __init__(self, workshop, *arguments):
        super().__init__(workshop, [rule(interface=OPEN)], "--log", "none", *arguments, name=ME)

    def traffic(self, direction):
        """Who sends and who receives, and how a message that passes and one that is denied look there."""
        if direction == "outgoing":
            return (self.client, self.side, lambda serial, **more: call(serial, SERVICE, "Go", flags=NO_REPLY_EXPECTED, **more),
                    lambda serial: call(serial, SERVICE, "Refused", SHUT))
        return (self.side, self.client, lambda serial, **more: signal(serial, "Go", sender=CALLER, **more),
                lambda serial: call(serial, ME, "Refused", SHUT, sender=CALLER))


@pytest.fixture
def scene(workshop):
    return TrafficScene(workshop)


DIRECTIONS = pytest.mark.parametrize("direction", ["outgoing", "incoming"])


class Flood:
    """Sends one message after the other in the background, until there is an end, the socket is closed, or ``stop``."""

    def __init__(self, peer, messages):
        self.sent = 0
        self.bytes = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._run, args=(peer, messages), daemon=True)
        self._thread.start()

    def _run(self, peer, messages):
        try:
            for data in messages:
                if self._stopped:
                    return
                peer.socket.sendall(data)
                self.sent += 1
                self.bytes += len(data)
        except OSError:
            pass

    def stop(self):
        self._stopped = True

    def join(self):
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def batches(make, count, size=50):
    """``count`` messages with serials from 10 on, some at a time."""
    for first in range(10, 10 + count, size):
        yield b"".join(make(serial) for serial in range(first, min(first + size, 10 + count)))


def followed_by(rest, messages):
    """What was left of a message, and the messages behind it."""
    if rest:
        yield rest
    yield from messages


def takes_more(gate, peer):
    """Whether there is room for more, or will be: a gate that sleeps with a full socket before it has stopped to read."""
    def is_writable():
        return bool(select.select([], [peer.socket], [], 0)[1])

    eventually(lambda: is_writable() or is_asleep(gate), "the gate does not come to rest")
    return is_writable()


def send_until_stopped(gate, peer, messages, limit):
    """Sends until nobody takes more. Returns the bytes that went, and what was left of the message that did not go whole."""
    total = 0
    peer.socket.setblocking(False)
    try:
        for data in messages:
            view = memoryview(data)
            while view:
                if not takes_more(gate, peer):
                    return total, bytes(view)
                sent = peer.socket.send(view)
                total += sent
                view = view[sent:]
                assert total < limit, "the gate reads without end"
    finally:
        peer.socket.settimeout(PATIENCE)
    return total, b""


# Stalled receivers

@DIRECTIONS
def test_a_receiver_that_does_not_read_stops_the_sender_costs_one_buffer_and_then_gets_everything_in_order(scene, direction):
    sender, receiver, passing, _ = scene.traffic(direction)
    before = scene.gate.resident_kib()
    body = bytes(65536)
    count = 4096  # 256 MiB

    def messages():
        return (passing(serial, signature="ay", body=body) for serial in range(1, count + 1))

    stream = messages()
    sent, rest = send_until_stopped(scene.gate, sender, stream, 4 * MIB)
    assert sent < 2 * MIB
    assert scene.gate.resident_kib() - before < SMALL_KIB
    flood = Flood(sender, followed_by(rest, stream))
    for serial in range(1, count + 1):
        got = receiver.receive()
        assert got.serial == serial and len(got.bytes) > 65536
    flood.join()
    assert scene.gate.resident_kib() - before < SMALL_KIB


@DIRECTIONS
def test_who_does_not_read_the_errors_that_it_causes_is_stopped_and_then_gets_every_one(scene, direction):
    sender, receiver, passing, denied = scene.traffic(direction)
    before = scene.gate.resident_kib()
    count = 30_000
    stream = batches(denied, count)
    sent, rest = send_until_stopped(scene.gate, sender, stream, 64 * MIB)
    assert rest, "the gate takes calls without end"
    assert scene.gate.resident_kib() - before < SMALL_KIB
    flood = Flood(sender, followed_by(rest, stream))
    for serial in range(10, 10 + count):
        got = sender.receive()
        assert (got.error, got.reply) == (ACCESS_DENIED, serial)
    flood.join()
    # and the other side has not noticed
    sender.send(passing(5))
    assert receiver.receive().serial == 5


def test_both_sides_that_do_not_read_the_errors_they_cause_stop_only_themselves(scene):
    floods, ends = [], [scene.traffic("outgoing"), scene.traffic("incoming")]
    count = 20_000
    for sender, receiver, passing, denied in ends:
        stream = batches(denied, count)
        _, rest = send_until_stopped(scene.gate, sender, stream, 64 * MIB)
        floods.append(Flood(sender, followed_by(rest, stream)))
    for sender, receiver, passing, denied in ends:
        for serial in range(10, 10 + count):
            assert sender.receive().reply == serial
    for flood in floods:
        flood.join()


@DIRECTIONS
def test_errors_and_messages_for_one_receiver_do_not_mix(scene, direction):
    """The errors that a sender causes and the messages that it gets share its socket; each arrives whole, in order."""
    sender, receiver, passing, denied = scene.traffic(direction)
    _, _, other_passing, _ = scene.traffic("incoming" if direction == "outgoing" else "outgoing")
    count = 3000
    flood = Flood(sender, (denied(serial) for serial in range(10, 10 + count)))
    other = Flood(receiver, (other_passing(serial, signature="ay", body=bytes(serial % 5000)) for serial in range(10, 10 + count)))
    errors, messages = [], []
    while len(errors) < count or len(messages) < count:
        got = sender.receive()
        errors.append(got.reply) if got.error else messages.append(got.serial)
    assert errors == messages == list(range(10, 10 + count))
    flood.join()
    other.join()


# Unfinished messages

@DIRECTIONS
def test_an_unfinished_message_that_keeps_errors_waiting_is_given_up(workshop, direction):
    scene = TrafficScene(workshop, "--limit", "partial-message-timeout=300ms")
    before = scene.gate.descriptors()
    waiting, slow, passing = (*reversed(scene.traffic(direction)[:2]), scene.traffic(direction)[2])
    _, _, _, denied = scene.traffic("incoming" if direction == "outgoing" else "outgoing")
    data = passing(5, signature="ay", body=bytes(1000))
    slow.send(data[:-1])
    while len(waiting.buffer) < len(data) - 1:
        waiting.fill()
    waiting.send(denied(10))
    waiting.expect_end()
    slow.expect_end()
    assert len(waiting.buffer) == len(data) - 1  # and no error in the middle of the message
    scene.client.close()
    scene.side.close()
    expect_descriptors(scene.gate, before - 2)


@DIRECTIONS
def test_an_unfinished_message_that_keeps_nobody_waiting_or_is_finished_in_time_is_not_given_up(workshop, direction):
    scene = TrafficScene(workshop, "--limit", "partial-message-timeout=1s")
    sender, receiver, passing, _ = scene.traffic(direction)
    _, _, _, denied = scene.traffic("incoming" if direction == "outgoing" else "outgoing")
    data = passing(5, signature="ay", body=bytes(1000))
    sender.send(data[:-1])  # nobody waits for its end
    while len(receiver.buffer) < len(data) - 1:
        receiver.fill()
    # The clock: another connection whose unfinished message is given up, begun later.
    clock, clocks_side = introduce(workshop, scene.gate, scene.bus, name=":1.8")
    clock.send(data[:-1] if direction == "outgoing" else call(5, SERVICE, "Go", signature="ay", body=bytes(1000))[:-1])
    clocks_side.fill()
    clocks_side.send(call(10, ":1.8", "Refused", SHUT, sender=CALLER))
    clock.expect_end()
    sender.send(data[-1:])
    assert receiver.receive().serial == 5
    # One that is finished in time: then the error follows it.
    sender.send(data[:-1])
    while len(receiver.buffer) < len(data) - 1:
        receiver.fill()
    receiver.send(denied(10))
    receiver.await_read()
    sender.send(data[-1:])
    assert receiver.receive().serial == 5
    assert receiver.receive().reply == 10


@DIRECTIONS
def test_errors_that_wait_for_a_receiver_that_does_not_read_are_not_the_senders_fault(workshop, direction):
    scene = TrafficScene(workshop, "--limit", "partial-message-timeout=300ms")
    sender, receiver, passing, _ = scene.traffic(direction)
    _, _, _, denied = scene.traffic("incoming" if direction == "outgoing" else "outgoing")
    data = passing(5, signature="ay", body=bytes(8 * MIB))
    flood = Flood(sender, [data])  # all of it is on offer; the receiver takes none
    eventually(receiver.is_readable, "nothing of the message came")
    receiver.send(denied(10))
    receiver.await_read()
    clock, clocks_side = introduce(workshop, scene.gate, scene.bus, name=":1.8")
    clock.send(call(5, SERVICE, "Go", signature="ay", body=bytes(1000))[:-1])
    clocks_side.fill()
    clocks_side.send(call(10, ":1.8", "Refused", SHUT, sender=CALLER))
    clock.expect_end()
    assert len(receiver.receive().body) == 8 * MIB
    assert receiver.receive().reply == 10
    flood.join()


def test_two_unfinished_messages_that_keep_each_others_errors_waiting_are_given_up(workshop):
    scene = TrafficScene(workshop, "--limit", "partial-message-timeout=300ms")
    for sender, receiver, passing, _ in (scene.traffic("outgoing"), scene.traffic("incoming")):
        sender.send(passing(5, signature="ay", body=bytes(1000))[:-1])
        receiver.fill()
    # Neither can cause an error before its own message is finished: both only wait, which harms nobody...
    client, side = introduce(workshop, scene.gate, scene.bus, name=":1.8")
    client.close()
    side.expect_end()
    # ... and each may finish.
    for sender, receiver, passing, denied in (scene.traffic("outgoing"), scene.traffic("incoming")):
        sender.send(passing(5, signature="ay", body=bytes(1000))[-1:] + denied(10))
        assert receiver.receive().serial == 5
    assert scene.client.receive().reply == 10
    assert scene.side.receive().reply == 10


def test_errors_in_both_directions_behind_half_a_message_in_each_end_in_time(workshop):
    scene = TrafficScene(workshop, "--limit", "partial-message-timeout=300ms")
    half = {}
    for direction in ("outgoing", "incoming"):
        sender, receiver, passing, denied = scene.traffic(direction)
        half[direction] = passing(5, signature="ay", body=bytes(1000))
        sender.send(denied(10) + half[direction][:-1])  # the error for this one may have to wait for the other's half
    scene.client.expect_end()
    scene.side.expect_end()


# Large messages

@DIRECTIONS
def test_the_largest_message_passes_in_one_buffer(scene, direction):
    sender, receiver, passing, _ = scene.traffic(direction)
    before = scene.gate.resident_kib()
    frame = len(passing(5, signature="ay", body=b""))
    block = bytes(range(256)) * 4096  # 1 MiB
    header = passing(5, signature="ay", body=b"", body_length=128 * MIB - frame)

    def parts():
        yield header
        left = 128 * MIB - frame
        while left > 0:
            yield block[:left]
            left -= len(block)

    checksum = length = 0
    for part in parts():
        checksum = zlib.crc32(part, checksum)
    flood = Flood(sender, parts())
    received = most = 0
    while length < 128 * MIB:
        receiver.fill()
        most = max(most, scene.gate.resident_kib())
        received = zlib.crc32(receiver.buffer, received)
        length += len(receiver.buffer)
        receiver.buffer.clear()
    assert received == checksum
    flood.join()
    assert most - before < SMALL_KIB
    sender.send(passing(6))
    assert receiver.receive().serial == 6


@DIRECTIONS
@pytest.mark.parametrize("sent", [10, 1000, 300_000])
def test_a_message_is_on_its_way_before_all_of_it_is_there(scene, direction, sent):
    sender, receiver, passing, _ = scene.traffic(direction)
    data = passing(5, signature="ay", body=bytes(1 * MIB))
    first = len(data) - MIB + sent
    flood = Flood(sender, [data[:first]])
    while len(receiver.buffer) < first:
        receiver.fill()
    flood.join()
    flood = Flood(sender, [data[first:]])
    assert receiver.receive().serial == 5
    flood.join()


# One beside another

def test_a_client_that_floods_does_not_hold_up_a_quiet_one(scene):
    flooder, drain = scene.client, scene.side
    quiet, quiet_side = introduce(scene.workshop, scene.gate, scene.bus, name=":1.8")

    def endless():
        data = call(9, SERVICE, "Flood", flags=NO_REPLY_EXPECTED, signature="ay", body=bytes(30_000)) * 8
        while True:
            yield data

    draining = threading.Thread(target=_drain, args=(drain,), daemon=True)
    draining.start()
    flood = Flood(flooder, endless())
    eventually(lambda: flood.bytes > 4 * MIB, "the flood does not start")
    for serial in range(10, 110):
        before = flood.bytes
        quiet.send(call(serial, CALLER, "Ask"))
        asked = quiet_side.receive()
        quiet_side.reply(asked, ":1.8", sender=CALLER)
        assert quiet.receive_reply(serial).type == METHOD_RETURN
        if serial % 10 == 0:
            eventually(lambda: flood.bytes > before, "the flood has stopped")
    flood.stop()
    flood.join()


def _drain(peer):
    try:
        while True:
            peer.fill()
            peer.buffer.clear()
    except (Ended, OSError, ValueError):
        pass


def test_a_client_that_does_not_read_does_not_hold_up_another(scene):
    stalled, stalled_side = scene.client, scene.side
    send_until_stopped(scene.gate, stalled_side, (signal(serial, "Go", sender=CALLER, signature="ay", body=bytes(65536)) for serial in range(1, 100)),
                       4 * MIB)
    quiet, quiet_side = introduce(scene.workshop, scene.gate, scene.bus, name=":1.8")
    for serial in range(10, 60):
        quiet_side.send(signal(serial, "Go", sender=CALLER))
        assert quiet.receive().serial == serial


# Ends

def test_a_client_that_sends_and_exits_at_once_loses_nothing(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus)
    service = join(workshop, bus.path)
    service.request_name(SERVICE)
    before = gate.descriptors()
    rounds, each = 200, 20
    for number in range(rounds):
        client = Client(gate.path)
        client.send(OPENING + hello(1) + b"".join(
            call(2 + serial, SERVICE, "Tell", flags=NO_REPLY_EXPECTED, signature="u", args=[number * each + serial]) for serial in range(each)))
        if number % 2:
            client.finish_handshake()  # half of them stay a moment longer
        client.close()
    arrived = {service.receive_member("Tell").args[0] for _ in range(rounds * each)}
    assert len(arrived) == rounds * each
    expect_descriptors(gate, before)


def test_what_a_client_sent_before_it_left_arrives_at_a_bus_that_reads_later(scene):
    client, side = scene.client, scene.side
    flood = Flood(client, (call(serial, SERVICE, "Tell", flags=NO_REPLY_EXPECTED, signature="ay", body=bytes(10_000)) for serial in range(1, 301)))
    first = side.receive()
    assert first.serial == 1
    for serial in range(2, 280):
        assert side.receive().serial == serial
    flood.join()
    client.close()
    assert [one.serial for one in side.receive_all()] == list(range(280, 301))


def test_what_a_bus_sent_before_it_left_arrives_at_a_client_that_reads_later(scene):
    client, side = scene.client, scene.side
    flood = Flood(side, (signal(serial, "Told", sender=CALLER, signature="ay", body=bytes(10_000)) for serial in range(1, 301)))
    for serial in range(1, 280):
        assert client.receive().serial == serial
    flood.join()
    side.close()
    assert [one.serial for one in client.receive_all()] == list(range(280, 301))


@DIRECTIONS
def test_a_sender_that_leaves_without_reading_its_errors_is_still_heard_to_the_end(scene, direction):
    sender, receiver, passing, denied = scene.traffic(direction)
    sender.send(b"".join(batches(denied, 1500)) + passing(5))
    sender.close()
    assert [one.serial for one in receiver.receive_all()] == [5]


@DIRECTIONS
def test_a_sender_that_leaves_while_its_errors_wait_for_the_others_half_message_is_heard_to_the_end(scene, direction):
    sender, receiver, passing, denied = scene.traffic(direction)
    _, _, other_passing, _ = scene.traffic("incoming" if direction == "outgoing" else "outgoing")
    receiver.send(other_passing(5, signature="ay", body=bytes(1000))[:-1])
    sender.fill()
    sender.send(b"".join(batches(denied, 1500)) + passing(5))
    sender.close()
    assert [one.serial for one in receiver.receive_all()] == [5]


@DIRECTIONS
def test_what_is_left_for_a_receiver_that_never_reads_goes_after_the_drain_timeout(workshop, direction):
    scene = TrafficScene(workshop, "--limit", "drain-timeout=300ms")
    before = scene.gate.descriptors()
    sender, receiver, passing, _ = scene.traffic(direction)
    send_until_stopped(scene.gate, sender, (passing(serial, signature="ay", body=bytes(65536)) for serial in range(1, 100)), 4 * MIB)
    sender.close()
    expect_descriptors(scene.gate, before - 2)
    # the twin: one that reads gets what there was
    client, side = introduce(workshop, scene.gate, scene.bus, name=":1.9")
    client.send(call(5, SERVICE, "Go", flags=NO_REPLY_EXPECTED))
    client.close()
    assert [one.serial for one in side.receive_all()] == [5]


def test_a_peer_that_never_closes_its_end_is_closed_after_the_drain_timeout(workshop):
    scene = TrafficScene(workshop, "--limit", "drain-timeout=300ms")
    before = scene.gate.descriptors()
    scene.client.close()
    scene.side.expect_end()  # told, and keeps its end open
    client, side = introduce(workshop, scene.gate, scene.bus, name=":1.9")
    side.close()
    client.expect_end()
    expect_descriptors(scene.gate, before - 2)


# Many

def settle_at(gate, descriptors, kib):
    expect_descriptors(gate, descriptors)
    assert gate.resident_kib() - kib < SMALL_KIB, f"{gate.resident_kib()} KiB are resident, {kib} were before"


def test_five_hundred_clients_at_once_are_all_served_and_leave_nothing_behind(workshop, bus):
    gate = workshop.gate([rule(interface=OPEN)], bus, "--limit", "connections-max=510")
    service = join(workshop, bus.path)
    service.request_name(SERVICE)
    join(workshop, gate.path).round_trip()
    descriptors, kib = gate.descriptors(), gate.resident_kib()
    work = OPENING + hello(1) + driver_call(2, "GetId") + call(3, SERVICE, "Refused", SHUT) + call(
        4, SERVICE, "Tell", flags=NO_REPLY_EXPECTED)
    clients = []
    for _ in range(10):
        batch = [workshop.keep(Client(gate.path)) for _ in range(50)]  # no more than may be without authentication
        for client in batch:
            client.send(work)
        for client in batch:
            client.finish_handshake()
        clients += batch
    for client in clients:
        replies = {}
        while set(replies) < {1, 2, 3}:
            got = client.receive()
            if got.reply:
                replies[got.reply] = got.error
        assert replies == {1: None, 2: None, 3: ACCESS_DENIED}
    for _ in clients:
        service.receive_member("Tell")
    for client in clients:
        client.close()
    settle_at(gate, descriptors, kib)


def test_two_thousand_clients_one_after_the_other_leave_nothing_behind(workshop, bus):
    gate = workshop.gate([rule(interface=OPEN)], bus)
    descriptors = gate.descriptors()
    for number in range(2100):
        if number == 100:
            expect_descriptors(gate, descriptors)  # the last client's departure takes the gate a moment
            kib = gate.resident_kib()
        client = Client(gate.path)
        client.send(OPENING + hello(1) + driver_call(2, "GetId") + call(3, SERVICE, "Refused", SHUT))
        client.finish_handshake()
        client.receive_reply(3) if number % 2 else client.receive_reply(2)
        client.close()
    settle_at(gate, descriptors, kib)
