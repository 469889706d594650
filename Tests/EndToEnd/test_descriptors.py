"""File descriptors: to the right message, or closed. After each test the gate has as many open as before."""

import contextlib
import os
import pathlib
import resource
import shutil
import socket
import threading

import pytest

from harness import BUSGATE, EVERYTHING, rule
from scene import RawScene
from wire import (ACCESS_DENIED, ERROR, LIMITS_EXCEEDED, METHOD_CALL, METHOD_RETURN, NO_REPLY_EXPECTED, OBJECT, OPEN, OWN_UID, SHUT, SIGNAL,
                  Client, Ended, call, eventually, expect_descriptors, hello, introduce, join, message, raw_bus, signal)

SERVICE = "com.example.Service"
# Limits of the contract.
PER_MESSAGE, IN_FLIGHT, KERNEL = 16, 64, 253


class Files:
    """Descriptors that can be told apart by what is in them."""

    def __init__(self):
        self.open = []

    def make(self, *contents):
        made = []
        for content in contents:
            descriptor = os.memfd_create(str(content))
            os.write(descriptor, str(content).encode())
            made.append(descriptor)
        self.open += made
        return made

    def close(self):
        for descriptor in self.open:
            os.close(descriptor)


@pytest.fixture
def files():
    made = Files()
    yield made
    made.close()


def contents(message):
    """What is in a message's descriptors, which are closed."""
    found = []
    for descriptor in message.fds:
        found.append(os.pread(descriptor, 100, 0).decode())
        os.close(descriptor)
    return found


def texts(*numbers):
    return [str(number) for number in numbers]


class BystanderScene(RawScene):
    """A gate that opens com.example.Open; its first client only stands by."""

    def __init__(self, workshop, *arguments):
        super().__init__(workshop, [rule(interface=OPEN)], *arguments, name=":1.1")
        self.before = self.gate.descriptors()

    def pair(self, **options):
        return introduce(self.workshop, self.gate, self.bus, **options)

    def expect_closed(self, client, side):
        """Both sides are closed, nobody else noticed, and no descriptor is left."""
        client.expect_end()
        side.expect_end()
        client.close()
        side.close()
        self.expect_unnoticed()

    def expect_unnoticed(self):
        self.client.send(call(9, SERVICE, "Still", flags=NO_REPLY_EXPECTED))
        assert self.side.receive().member == "Still"
        expect_descriptors(self.gate, self.before)

    def end(self, client, side):
        client.close()
        side.expect_end()
        side.close()
        self.expect_unnoticed()


@pytest.fixture
def scene(workshop):
    return BystanderScene(workshop, "--limit", f"fds-per-message-max={PER_MESSAGE}", "--limit", f"fds-in-flight-max={IN_FLIGHT}")


def with_files(serial, count, member="Take", **more):
    return call(serial, SERVICE, member, fds=count, flags=NO_REPLY_EXPECTED, **more)


@contextlib.contextmanager
def sending(peer, *messages):
    """Sends in the background, for what no socket takes at once."""
    thread = threading.Thread(target=lambda: [peer.send(data, fds) for data, fds in messages])
    thread.start()
    yield
    thread.join()


def test_each_message_gets_its_own_descriptors_in_both_directions(scene, files):
    client, side = scene.pair()
    for sender, receiver, make in ((client, side, with_files), (side, client, arriving)):
        for serial, count in enumerate((1, 0, 3, PER_MESSAGE, 0, 2), 10):
            names = [f"{serial}.{i}" for i in range(count)]
            sender.send(make(serial, count), files.make(*names))
            got = receiver.receive()
            assert (got.serial, contents(got)) == (serial, names)
    scene.end(client, side)


def arriving(serial, count, **more):
    return signal(serial, "Take", sender=":1.2", fds=count, **more)


@pytest.mark.parametrize("counts", [(1, 1), (2, 0, 1), (0, 1, 1), (1, 2, 3, 4)])
def test_cve_2014_3533_descriptors_of_messages_sent_at_once_are_not_mixed_up(scene, files, counts):
    client, side = scene.pair()
    for sender, receiver, make in ((client, side, with_files), (side, client, arriving)):
        data, sent = b"", []
        for serial, count in enumerate(counts, 10):
            data += make(serial, count)
            sent.append([f"{serial}.{i}" for i in range(count)])
        sender.send(data, files.make(*sum(sent, [])))
        assert [contents(receiver.receive()) for _ in counts] == sent
    scene.end(client, side)


def test_a_denied_message_between_others_takes_its_own_descriptors_with_it(scene, files):
    client, side = scene.pair()
    data = (with_files(10, 1) + call(11, SERVICE, "Refused", SHUT, fds=2) + message(77, 12, fds=1)
            + call(13, SERVICE, "Refused", SHUT, fds=1, flags=NO_REPLY_EXPECTED) + with_files(14, 2))
    client.send(data, files.make(1, 2, 3, 4, 5, 6, 7))
    assert contents(side.receive()) == texts(1)
    assert contents(side.receive()) == texts(6, 7)
    assert client.receive_reply(11).error == ACCESS_DENIED
    scene.end(client, side)


@pytest.mark.parametrize("claimed, sent", [(0, 1), (1, 2), (1, 0), (2, 1), (PER_MESSAGE, 1), (17, 0), (17, 16), (0xFFFFFFFF, 1), (0, 64),
                                           (0, KERNEL)])
@pytest.mark.parametrize("from_bus", [False, True])
def test_a_message_with_more_or_fewer_descriptors_than_it_says_closes_both_sides(scene, files, claimed, sent, from_bus):
    client, side = scene.pair()
    sender, receiver, make = (side, client, arriving) if from_bus else (client, side, with_files)
    sender.send(make(10, 1), files.make("first"))
    sender.send(make(11, claimed), files.make(*range(sent)))
    assert contents(receiver.receive()) == ["first"]
    scene.expect_closed(client, side)
    scene.gate.log.wait_for(f"{'bus' if from_bus else 'client'} sent file descriptors that do not match UNIX_FDS")


@pytest.mark.parametrize("interface, kind", [(SHUT, METHOD_CALL), (OPEN, METHOD_RETURN), (OPEN, 9)])
def test_a_message_that_would_not_pass_anyway_must_have_its_descriptors_too(scene, files, interface, kind):
    for claimed, sent in ((1, 2), (2, 1), (0, 1), (1, 0)):
        client, side = scene.pair()
        data = message(kind, 10, path=OBJECT, interface=interface, member="Refused", destination=SERVICE, fds=claimed, reply=5)
        client.send(data, files.make(*range(sent)))
        scene.expect_closed(client, side)


@pytest.mark.parametrize("kind", [METHOD_RETURN, SIGNAL, 9])
def test_a_message_that_is_dropped_takes_its_descriptors_with_it(scene, files, kind):
    client, side = scene.pair()
    client.send(message(kind, 10, path=OBJECT, interface=SHUT, member="Dropped", reply=5, destination=":1.5", fds=3), files.make(1, 2, 3))
    client.send(with_files(11, 1), files.make(4))
    got = side.receive()
    assert (got.serial, contents(got)) == (11, ["4"])
    scene.end(client, side)


@pytest.mark.parametrize("count", [PER_MESSAGE + 1, IN_FLIGHT, KERNEL])
def test_cve_2014_3635_more_descriptors_than_a_message_may_have_are_answered_and_the_connection_lives(scene, files, count):
    client, side = scene.pair()
    client.send(call(10, SERVICE, "Take", fds=count), files.make(*range(count)))
    refused = client.receive_reply(10)
    assert refused.error == LIMITS_EXCEEDED and "fds-per-message-max" in refused.args[0]
    client.send(signal(11, "Take", fds=count), files.make(*range(count)))
    client.send(with_files(12, PER_MESSAGE), files.make(*range(PER_MESSAGE)))
    got = side.receive()
    assert (got.serial, contents(got)) == (12, texts(*range(PER_MESSAGE)))
    scene.end(client, side)


def test_a_call_from_outside_with_too_many_descriptors_is_answered_through_the_bus(scene, files):
    client, side = scene.pair()
    side.send(call(10, ":1.7", "Take", sender=":1.2", fds=17), files.make(*range(17)))
    refused = side.receive()
    assert (refused.error, refused.reply, refused.destination) == (LIMITS_EXCEEDED, 10, ":1.2")
    side.send(call(11, ":1.7", "Take", sender=":1.2", fds=1), files.make("one"))
    got = client.receive()
    assert (got.serial, contents(got)) == (11, ["one"])
    scene.end(client, side)


def test_whoever_waits_for_a_reply_with_too_many_descriptors_is_told_so_in_its_place(scene, files):
    client, side = scene.pair()
    side.send(call(10, ":1.7", "Give", sender=":1.2"))
    asked = client.receive()
    client.send(message(METHOD_RETURN, 5, reply=asked.serial, destination=":1.2", fds=17), files.make(*range(17)))
    refused = side.receive()
    assert (refused.type, refused.error, refused.reply, refused.destination) == (ERROR, LIMITS_EXCEEDED, 10, ":1.2")
    client.send(call(6, ":1.2", "Give"))
    asked = side.receive()
    side.reply(asked, sender=":1.2", fds=17)  # claims them only: to be refused they have to be there
    scene.expect_closed(client, side)
    client, side = scene.pair()
    client.send(call(6, ":1.2", "Give"))
    asked = side.receive()
    side.send(message(METHOD_RETURN, 7, reply=asked.serial, sender=":1.2", destination=":1.7", fds=17), files.make(*range(17)))
    assert client.receive_reply(6).error == LIMITS_EXCEEDED
    scene.end(client, side)


def test_descriptors_may_come_with_any_byte_of_their_message(scene, files):
    client, side = scene.pair()
    data = with_files(10, 2, signature="ay", body=bytes(100))
    for first in (1, 15, 16, 100, len(data) - 101, len(data) - 2):
        for second in {first + 1, len(data) - 1}:
            client.send(data[:first], files.make("a"))
            client.await_read()
            client.send(data[first:second])
            client.await_read()
            client.send(data[second:], files.make("b"))
            assert contents(side.receive()) == ["a", "b"]
    scene.end(client, side)


@pytest.mark.parametrize("size", [300_000, 1 << 20])
def test_descriptors_of_a_body_that_streams_through_arrive_with_it(scene, files, size):
    client, side = scene.pair()
    body = os.urandom(size)
    for sender, receiver, make in ((client, side, with_files), (side, client, arriving)):
        with sending(sender, (make(10, 2, signature="ay", body=body), files.make("a", "b")), (make(11, 1), files.make("c"))):
            first, second = receiver.receive(), receiver.receive()
        assert (contents(first), first.body[-size:] == body, contents(second)) == (["a", "b"], True, ["c"])
    scene.end(client, side)


def test_a_body_that_is_skipped_takes_its_descriptors_with_it_whenever_they_come(scene, files):
    client, side = scene.pair()
    data = call(10, SERVICE, "Refused", SHUT, fds=2, signature="ay", body=bytes(1 << 20))
    client.send(data[:600_000], files.make("a", "b"))
    client.send(data[600_000:])
    client.send(data[:600_000], files.make("a"))
    client.send(data[600_000:], files.make("b"))
    client.send(data[:600_000])
    client.send(data[600_000:], files.make("a", "b"))
    client.send(with_files(11, 1), files.make("c"))
    got = side.receive()
    assert (got.serial, contents(got)) == (11, ["c"])
    scene.end(client, side)


def test_a_body_that_streams_through_brings_no_more_descriptors_than_it_says(scene, files):
    client, side = scene.pair()
    data = with_files(10, 1, signature="ay", body=bytes(100_000))
    client.send(data[:50_000], files.make("a"))
    client.await_read()
    client.send(data[50_000:], files.make("b"))
    scene.expect_closed(client, side)


def test_a_body_that_is_skipped_brings_all_descriptors_that_it_says(scene, files):
    client, side = scene.pair()
    data = call(10, SERVICE, "Refused", SHUT, fds=2, signature="ay", body=bytes(1 << 20))
    client.send(data[:600_000], files.make("a"))
    client.send(data[600_000:])
    scene.expect_closed(client, side)


def test_a_long_header_takes_its_descriptors_with_it(workshop, files):
    scene = BystanderScene(workshop, "--limit", "header-bytes-max=1024")
    client, side = scene.pair()
    client.send(with_files(10, 3, path="/" + "a" * 300_000), files.make(1, 2, 3))
    client.send(with_files(11, 1), files.make(4))
    got = side.receive()
    assert (got.serial, contents(got)) == (11, ["4"])
    scene.end(client, side)


@pytest.mark.parametrize("claimed, sent", [(1, 1), (1, 0), (0, 1)])
def test_a_client_that_agreed_to_no_descriptors_may_send_none(scene, files, claimed, sent):
    client, side = scene.pair(fds=False)
    client.send(with_files(10, 0))
    assert side.receive().serial == 10
    client.send(with_files(11, claimed), files.make(*range(sent)))
    scene.expect_closed(client, side)


def test_a_bus_that_agreed_to_no_descriptors_is_sent_none(workshop, files):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    client, side = introduce(workshop, gate, bus, agree=False)
    client.send(with_files(10, 1), files.make("a"))
    client.expect_end()
    side.expect_end()


def test_for_a_client_that_takes_no_descriptors_the_bus_is_not_asked_for_any(workshop, files):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    before = gate.descriptors()
    client, side = introduce(workshop, gate, bus, fds=False)
    assert b"NEGOTIATE_UNIX_FD" not in side.opening
    side.send(arriving(12, 0))
    assert client.receive().serial == 12
    side.send(arriving(10, 1), files.make("a"))
    client.expect_end()
    side.expect_end()
    client.close()
    expect_descriptors(gate, before)


def test_cve_2014_3636_and_7824_what_a_half_received_header_may_hold_is_bounded(scene, files):
    client, side = scene.pair()
    held = files.make(*range(16))
    data = with_files(10, PER_MESSAGE)
    try:
        for at in range(10):
            client.send(data[at:at + 1], held)
            client.await_read()
            assert scene.gate.descriptors() <= scene.before + 2 + IN_FLIGHT + PER_MESSAGE
    except (BrokenPipeError, ConnectionResetError):
        pass
    scene.expect_closed(client, side)


@pytest.mark.parametrize("length", [1, 15, 16, 60, -1])
def test_a_client_that_ends_in_the_middle_of_a_message_leaves_no_descriptors(scene, files, length):
    client, side = scene.pair()
    client.send(with_files(10, 4, signature="ay", body=bytes(10))[:length], files.make(1, 2, 3))
    client.await_read()
    scene.end(client, side)


def test_cve_2014_3637_a_client_that_sends_its_own_socket_with_half_a_message_and_leaves_is_given_up(workshop, files):
    scene = BystanderScene(workshop, "--limit", "partial-message-timeout=700ms")
    data = with_files(10, 1)
    for half in (data[:10], data[:-3]):
        client, side = scene.pair()
        client.send(half, [client.fileno()])
        client.await_read()
        client.close()  # which nobody can tell: the gate itself keeps the socket open
        side.expect_end()
        side.close()
        scene.gate.log.wait_for("left a message unfinished")
        scene.expect_unnoticed()
    # the twins: half a message without descriptors may take its time, and one with them may be finished
    patient, patients_side = scene.pair(name=":1.8")
    patient.send(data[:10])
    client, side = scene.pair()
    client.send(data[:10], files.make("a"))
    client.await_read()
    client.send(data[10:])
    assert contents(side.receive()) == ["a"]
    clock, clocks_side = scene.pair(name=":1.9")
    clock.send(data[:10], files.make("b"))
    clock.expect_end()
    client.send(data, files.make("c"))
    assert contents(side.receive()) == ["c"]
    patient.send(data[10:], files.make("d"))
    assert contents(patients_side.receive()) == ["d"]


def test_a_client_that_ends_while_the_bus_takes_nothing_leaves_no_descriptors(scene, files):
    client, side = scene.pair()
    held = files.make(*range(PER_MESSAGE))
    client.socket.settimeout(0.2)  # as long as the gate still takes some
    try:
        for serial in range(10, 100):
            client.send(with_files(serial, PER_MESSAGE), held)
    except (TimeoutError, socket.timeout):
        pass
    client.close()
    side.close()
    scene.expect_unnoticed()


def test_no_more_descriptors_are_under_way_than_allowed_and_then_the_rest_follows(scene, files):
    client, side = scene.pair()
    rounds = 12
    for number in range(rounds):
        client.send(with_files(10 + number, PER_MESSAGE), files.make(*(f"{number}.{i}" for i in range(PER_MESSAGE))))
    eventually(side.is_readable, "nothing came")
    # What the gate has not sent it holds: no more than the next message's, since it reads no further.
    assert scene.gate.descriptors() <= scene.before + 2 + PER_MESSAGE
    for number in range(rounds):
        assert contents(side.receive()) == [f"{number}.{i}" for i in range(PER_MESSAGE)]
    scene.end(client, side)


def limit_descriptors(gate, count):
    _, hard = resource.prlimit(gate.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(gate.pid, resource.RLIMIT_NOFILE, (count, hard))


def highest_descriptor(gate):
    return max(int(name) for name in os.listdir(f"/proc/{gate.pid}/fd"))


def test_cve_2014_3636_and_7824_descriptors_that_the_gate_has_no_room_for_close_that_connection_only(scene, files):
    client, side = scene.pair()
    client.send(with_files(9, 0))
    assert side.receive().serial == 9
    limit_descriptors(scene.gate, highest_descriptor(scene.gate) + 5)
    client.send(with_files(10, 10), files.make(*range(10)))
    client.expect_end()
    side.expect_end()
    scene.gate.log.wait_for("descriptors", "lost")
    limit_descriptors(scene.gate, 1024)
    client.close()
    side.close()
    scene.expect_unnoticed()


def test_dbus_broker_435_a_gate_without_descriptors_for_new_clients_serves_the_old_ones_and_recovers(scene):
    limit_descriptors(scene.gate, highest_descriptor(scene.gate) + 1)
    used = scene.gate.cpu_nanoseconds()
    waiting = [scene.workshop.keep(Client(scene.gate.path)) for _ in range(5)]
    scene.gate.log.wait_for("limit=descriptors", "accepting pauses")
    for _ in range(100):
        scene.client.send(call(9, SERVICE, "Still", flags=NO_REPLY_EXPECTED))
        assert scene.side.receive().member == "Still"
    assert not any(client.is_readable() for client in waiting)
    limit_descriptors(scene.gate, 1024)
    for client in waiting:
        client.send(b"\0AUTH\r\n")
        assert client.line() == "REJECTED EXTERNAL"
    assert scene.gate.cpu_nanoseconds() - used < 200_000_000
    for client in waiting:
        client.close()
    scene.expect_unnoticed()


def test_clients_that_use_up_all_descriptors_before_their_bus_is_reached_do_not_hold_each_other_for_ever(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, "--limit", "hello-timeout=500ms")
    first = join(workshop, gate.path)
    limit_descriptors(gate, highest_descriptor(gate) + 20)
    crowd = [workshop.keep(Client(gate.path)) for _ in range(19)]
    for client in crowd:
        client.send(b"\0AUTH EXTERNAL " + OWN_UID + b"\r\nBEGIN\r\n" + hello(1))
    # Nobody leaves by itself; those for whom there is no second descriptor are closed, and each of the others is served.
    first.round_trip()
    served = 0
    for client in crowd:
        try:
            assert client.line().startswith("OK")
            client.finish_hello()
            served += 1
        except Ended:
            client.close()
    assert served
    first.round_trip()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_cve_2014_3532_what_the_kernel_refuses_to_carry_is_answered_and_nothing_is_lost_but_that_message(workshop, files):
    workshop.let_others_in()
    workshop.directory.chmod(0o777)
    program = pathlib.Path(shutil.copy(BUSGATE, workshop.directory))  # the checkout may be in a directory that is root's alone
    program.chmod(0o755)
    bus = raw_bus(workshop)
    bus.path.chmod(0o666)
    nobody = 65534
    # The kernel lets a user have as many under way as one of its processes may have open, and then one message more.
    allowed = 3 * PER_MESSAGE - 1
    gate = workshop.gate([rule(interface=OPEN)], bus, executable=program, user=nobody, group=nobody, extra_groups=[],
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed)))
    pairs = [introduce(workshop, gate, bus, name=f":1.{n}") for n in range(6)]
    before = gate.descriptors()
    for number, (client, side) in enumerate(pairs[:4]):
        client.send(with_files(10, PER_MESSAGE), files.make(*(f"{number}.{i}" for i in range(PER_MESSAGE))))
        client.await_read()
    client, side = pairs[5]
    client.send(call(10, SERVICE, "Take", fds=PER_MESSAGE) + with_files(11, 0), files.make(*range(PER_MESSAGE)))
    refused = client.receive_reply(10)
    assert refused.error == LIMITS_EXCEEDED and "kernel" in refused.args[0]
    assert side.receive().serial == 11
    client.send(call(12, SERVICE, "Take", fds=PER_MESSAGE, signature="ay", body=bytes(500_000)), files.make(*range(PER_MESSAGE)))
    assert client.receive_reply(12).error == LIMITS_EXCEEDED
    for number, (_, side) in enumerate(pairs[:3]):
        assert contents(side.receive()) == [f"{number}.{i}" for i in range(PER_MESSAGE)]
    client, side = pairs[5]
    client.send(call(13, SERVICE, "Take", fds=1), files.make("again"))
    got = side.receive()
    assert (got.serial, contents(got)) == (13, ["again"])
    expect_descriptors(gate, before)
