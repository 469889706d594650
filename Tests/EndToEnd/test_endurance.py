"""Ten thousand clients, and buses that answer slowly, half, or never: the gate lives, and serves whom it can."""

import os
import select
import signal
import socket

import pytest

from harness import EVERYTHING, PATIENCE
from service import flood, is_asleep, spent_meanwhile, start
from wire import GUID, METHOD_RETURN, OWN_UID, Client, RawBus, call, eventually, hello, introduce, join, raw_bus
from wire import signal as signal_message

pytestmark = pytest.mark.one_bus("the bus that does wrong is the test's own, and the real one only a bystander")

OPENING = b"\0AUTH EXTERNAL " + OWN_UID + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"


def visit(path, count, at_once=16):
    """So many clients, some at a time: each says everything in one write, is told its name, and leaves."""
    opening = OPENING + hello(1)
    poll = select.epoll()
    open_ends, begun, ended = {}, 0, 0
    while ended < count:
        while begun < count and len(open_ends) < at_once:
            end = socket.socket(socket.AF_UNIX)
            end.connect(str(path))
            end.send(opening)
            poll.register(end, select.EPOLLIN)
            open_ends[end.fileno()] = (end, bytearray())
            begun += 1
        ready = poll.poll(PATIENCE)
        assert ready, f"{ended} of {count} were served"
        for number, _ in ready:
            end, got = open_ends[number]
            data = end.recv(4096)
            assert data, got
            got += data
            if b"NameAcquired" in got:
                poll.unregister(end)
                end.close()
                del open_ends[number]
                ended += 1
    poll.close()


@pytest.mark.both_buses
def test_ten_thousand_clients_one_after_the_other_leave_memory_and_descriptors_as_they_were(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus)

    def at_rest():
        eventually(lambda: gate.descriptors() == before and is_asleep(gate), lambda: f"{gate.descriptors()} descriptors, {before} before")
        return gate.resident_kib()

    before = gate.descriptors()
    visit(gate.path, 500)
    settled = at_rest()
    visit(gate.path, 9500)
    assert at_rest() - settled <= 256
    join(workshop, gate.path)
    assert len(gate.log.matching("busgate:")) == 1, "where it listens"


# Buses that are no good

@pytest.fixture
def scene(workshop, bus_program):
    return TwoGates(workshop)


class TwoGates:
    """Two gates in one process: one of a bus that does what the test says, one of a bus that works."""

    def __init__(self, workshop, *arguments):
        self.workshop = workshop
        self.bad = raw_bus(workshop)
        self.good = workshop.bus()
        self.paths = workshop.directory / "gates/bad", workshop.directory / "gates/good"
        self.gate = start(workshop, "--config", workshop.config({"dbus-gateway-config-session": EVERYTHING}),
                          "--listen", f"bad={self.paths[0]}", "--policy", "bad=session", "--bus", f"bad={self.bad.address}",
                          "--listen", f"good={self.paths[1]}", "--policy", "good=session", "--bus", f"good={self.good.address}",
                          *(arguments or ("--limit", "hello-timeout=400ms")))
        self.service = join(workshop, self.good.path)

    def knock(self):
        client = self.workshop.keep(Client(self.paths[0]))
        client.send(OPENING + hello(1))
        return client

    def others_are_served(self):
        client = join(self.workshop, self.paths[1])
        client.send(call(50, self.service.name, "Ask"))
        self.service.answer(self.service.receive_member("Ask"), "s", ["there"])
        assert client.receive_reply(50).args == ["there"]
        client.close()

    def introduce(self):
        self.path = self.paths[0]
        return introduce(self.workshop, self, self.bad)


WORDS = {
    "nothing": b"", "half-ok": b"OK 01234", "ok-only": b"OK " + GUID.encode() + b"\r\n", "no-line-end": b"x" * 5000,
    "agreed-and-silent": b"OK " + GUID.encode() + b"\r\nAGREE_UNIX_FD\r\n",
}


@pytest.mark.parametrize("word", WORDS)
def test_a_bus_that_says_half_of_what_is_due_or_nothing_is_given_up_and_the_others_are_served_meanwhile(scene, word):
    before = scene.gate.descriptors()
    clients = [scene.knock() for _ in range(3)]
    sides = [scene.bad.accept() for _ in clients]
    for side in sides:
        side.send(WORDS[word])
    for _ in range(5):
        scene.others_are_served()
    for end in (*clients, *sides):
        end.expect_end()
        end.close()
    eventually(lambda: scene.gate.descriptors() == before, "descriptors are left")
    client, side = scene.introduce()
    side.send(signal_message(5, "Served", sender=":1.2"))
    assert client.receive().member == "Served"


@pytest.mark.parametrize("word", [word for word in WORDS if word != "agreed-and-silent"])  # that is all it is asked
def test_a_bus_that_does_not_say_who_it_is_is_given_up_and_all_who_wait_for_that_are_told(scene, word):
    before = scene.gate.descriptors()
    clients = [scene.knock() for _ in range(3)]
    probe = scene.bad.accept_any()
    probe.send(WORDS[word])
    for _ in range(5):
        scene.others_are_served()
    for end in (*clients, probe):
        end.expect_end()
        end.close()
    assert not scene.bad.is_asked()  # the one question was everybody's
    scene.gate.log.wait_for("no Hello was answered within hello-timeout")
    eventually(lambda: scene.gate.descriptors() == before, "descriptors are left")
    scene.introduce()


def test_a_bus_that_does_not_even_accept_keeps_nobody_else_waiting(scene):
    clients = [scene.knock() for _ in range(20)]  # more than may be without a Hello, so some wait for their turn
    for _ in range(5):
        scene.others_are_served()
    for client in clients:
        client.expect_end()
    scene.others_are_served()


def test_a_bus_whose_queue_is_full_keeps_nobody_else_waiting_and_costs_no_processor(workshop, bus_program):
    scene = TwoGates(workshop, "--limit", "auth-timeout=60s")
    scene.bad.listener.listen(0)
    waiting = []
    try:
        while True:
            end = socket.socket(socket.AF_UNIX)
            end.setblocking(False)
            end.connect(str(scene.bad.path))
            waiting.append(end)
    except BlockingIOError:
        pass
    client = scene.knock()
    scene.others_are_served()
    assert spent_meanwhile(workshop, scene.good, scene.gate.pid) < 60_000_000  # it tries again and again, but seldom
    for end in waiting:
        scene.bad.accept_any().close()
        end.close()
    side = workshop.keep(scene.bad.accept())
    side.handshake()
    side.answer_hello()
    client.finish_handshake()
    client.finish_hello()


def test_a_bus_that_speaks_byte_by_byte_is_understood_and_the_others_are_served_between_any_two(scene):
    client = scene.knock()
    side = scene.workshop.keep(scene.bad.accept())
    assert side.buffer == OPENING + hello(1)
    del side.buffer[:len(OPENING)]
    answer = b"OK " + GUID.encode() + b"\r\nAGREE_UNIX_FD\r\n"
    for number, byte in enumerate(answer):
        side.send(bytes([byte]))
        if number % 16 == 0:
            scene.others_are_served()
    client.finish_handshake()
    side.answer_hello()
    client.finish_hello()
    data = signal_message(9, "Slow", sender=":1.2")
    for number, byte in enumerate(data):
        side.send(bytes([byte]))
        if number % 32 == 0:
            scene.others_are_served()
    assert client.receive().member == "Slow"


def test_half_a_message_of_the_bus_holds_up_its_client_only(scene):
    client, side = scene.introduce()
    data = signal_message(9, "Half", sender=":1.2", signature="ay", body=bytes(50_000))
    side.send(data[:30_000])
    for _ in range(5):
        scene.others_are_served()
    client.send(call(60, ":1.2", "Ask"))  # the other way is free
    asked = side.receive()
    side.send(data[30_000:])
    side.reply(asked, sender=":1.2")
    assert client.receive().member == "Half"
    assert client.receive().type == METHOD_RETURN


def test_a_bus_that_stops_reading_holds_up_its_client_only(scene):
    client, side = scene.introduce()
    flood(scene.gate, client)
    for _ in range(5):
        scene.others_are_served()
    side.send(signal_message(9, "OtherWay", sender=":1.2"))
    assert client.receive().member == "OtherWay"
    assert side.receive().serial == 1000


@pytest.mark.both_buses
def test_a_stopped_bus_daemon_that_goes_on_later_serves_those_who_waited(workshop, bus_program):
    """A frozen bus, as under a debugger: the kernel accepts, and nobody answers."""
    scene = TwoGates(workshop, "--limit", "hello-timeout=60s")
    frozen = workshop.bus(name="frozen")
    path = workshop.directory / "gates/frozen"
    start(workshop, "--config", workshop.config(EVERYTHING), "--session", path, "--bus", f"session={frozen.address}")
    os.kill(frozen.pid, signal.SIGSTOP)
    clients = []
    for _ in range(5):
        client = workshop.keep(Client(path))
        client.send(OPENING + hello(1))
        clients.append(client)
    scene.others_are_served()
    assert not any(client.is_readable() for client in clients)
    os.kill(frozen.pid, signal.SIGCONT)
    for client in clients:
        client.finish_handshake()
        assert client.finish_hello().startswith(":")


def test_a_bus_that_dies_takes_its_clients_and_nobody_elses(scene):
    client, side = scene.introduce()
    bystander = join(scene.workshop, scene.paths[1])
    scene.bad.close()
    side.close()
    client.expect_end()
    bystander.round_trip()
    refused = scene.knock()
    refused.expect_end()
    scene.others_are_served()
    again = scene.workshop.keep(RawBus(scene.workshop.directory))
    scene.bad = again
    scene.introduce()
