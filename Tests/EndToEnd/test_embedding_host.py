"""A program that has gates in it and a loop of its own: it may be busy elsewhere, nothing of its process is changed, and whatever comes and goes
leaves it as it was.

The program is Tests/Embedder. It ignores no signal and sets no umask.
"""

import os
import pathlib
import re

import pytest

from embedded import ALLOW_OPEN, ALLOW_SHUT, OBSERVED, Host, Measure, PlayedBus, Taken, host, let_pass, outcome, outer, service  # noqa: F401
from harness import EVERYTHING, PATIENCE
from service import expect_rest, flood
from test_endurance import visit
from wire import ACCESS_DENIED, SHUT, RawBus, call, eventually, raw_bus
from wire import signal as signal_message

pytestmark = pytest.mark.one_bus("gates come and go by the server's own doing; what they do with either bus is the subject of the other files")


# A host that is busy

def test_a_host_that_does_not_dispatch_for_seconds_loses_nothing(outer, bus, service):
    gate = outer.add("one", ALLOW_OPEN, bus, "hello-timeout=1000")
    client, serials = gate.join(), range(100, 300)
    outer.ask("hold")
    client.send(b"".join(call(serial, service.name, "Ask") for serial in serials))
    late = gate.knock()
    let_pass(2)
    outer.ask("go")
    for _ in serials:
        service.answer(service.receive_member("Ask"), "u", [7])
    for serial in serials:
        assert client.receive_reply(serial).args == [7]
    late.finish_handshake()
    late.finish_hello()
    assert outcome(late, service) is True


def test_what_is_changed_while_a_host_does_not_dispatch_holds_for_what_waits(outer, bus, service):
    gate, gone = outer.add("one", ALLOW_OPEN, bus), outer.add("gone", ALLOW_OPEN, bus)
    client, other = gate.join(), gone.join()
    outer.ask("hold")
    client.send(call(7, service.name, "Ask", SHUT) + call(8, service.name, "Ask"))
    other.send(call(7, service.name, "Other"))
    gate.policy(ALLOW_SHUT)
    gone.remove()
    other.expect_end()
    outer.ask("go")
    assert client.receive_reply(8).error == ACCESS_DENIED
    assert [one.interface for one in service.receive_until(lambda one: one.member == "Ask")] == [SHUT]
    assert service.round_trip() == []


def test_a_host_of_gates_that_have_nothing_to_do_sleeps(outer, bus, service):
    gate = outer.add("one", OBSERVED, bus)
    assert outcome(gate.join(), service) is True
    expect_rest(outer)
    before = outer.ask("dispatches")
    expect_rest(outer)
    assert outer.ask("dispatches") == before


# Again and again

def test_gates_that_come_and_go_a_thousand_times_leave_nothing_while_another_one_serves(host, bus, service):
    client, measure = host.add("stays", ALLOW_OPEN, bus).join(), Measure(host)
    measure.begin()
    for number in range(1000):
        gate = host.add("comes", [ALLOW_OPEN, OBSERVED][number % 3 == 0], bus)
        visitor = gate.join() if number % 5 == 0 else None
        if visitor:
            denied = visitor.ask(service.name, "Ask", "org.example.Denied")
            assert denied.error == ACCESS_DENIED  # and logged
        if number % 50 == 0:
            assert outcome(visitor, service) is True
            assert outcome(client, service) is True
        gate.remove([0, 10_000][number % 2])
        if visitor:
            visitor.expect_end()
            visitor.close()
        host.await_gates("stays")
        if number == 200:
            measure.begin()
    measure.expect_as_before()
    assert outcome(client, service) is True
    assert sorted(os.listdir(host.path("stays").parent)) == ["stays"]


def test_gates_that_come_and_go_within_one_turn_of_the_loop_leave_nothing(host, bus, service):
    client, measure = host.add("stays", ALLOW_OPEN, bus).join(), Measure(host)
    for count in (200, 800):
        measure.begin()
        for rules in (ALLOW_OPEN, OBSERVED):
            host.ask("times", count, *host.gate_words("comes", rules, bus))
        assert host.gates() == ["stays"]
    measure.expect_as_before()
    assert outcome(client, service) is True


def test_policies_that_change_a_thousand_times_leave_nothing(host, bus, service):
    gate, measure = host.add("one", ALLOW_OPEN, bus), Measure(host)
    client = gate.join()
    for number in range(1000):
        if number % 200 == 0:
            gate.policy([ALLOW_SHUT, OBSERVED][number % 3 == 0])
            client.round_trip()
            gate.policy(ALLOW_OPEN)
            assert (outcome(client, service), outcome(client, service, SHUT)) == (True, ACCESS_DENIED)
        gate.policy([ALLOW_SHUT, ALLOW_OPEN, OBSERVED][number % 3])
        if number == 200:
            gate.policy(ALLOW_OPEN)
            client.round_trip()
            measure.begin()
    gate.policy(ALLOW_OPEN)
    client.round_trip()
    measure.expect_as_before()


def test_ten_thousand_clients_one_after_the_other_and_two_hundred_at_once_leave_nothing(outer, bus):
    gate, measure = outer.add("one", EVERYTHING, bus, "connections-max=300"), Measure(outer)

    def crowd():
        clients = [gate.join() for _ in range(200)]
        for client in clients:
            client.close()

    measure.begin()
    empty = measure.count
    visit(gate.path, 500)
    crowd()
    outer.expect_descriptors(empty)
    measure.begin()
    visit(gate.path, 9500)
    crowd()
    measure.expect_as_before()
    assert measure.count == empty
    gate.join()
    assert not outer.log.matching("turned away")


# The host's process

def test_nothing_of_the_process_is_changed(workshop, host, bus, service):
    def process():
        lines = pathlib.Path(f"/proc/{host.pid}/status").read_text().splitlines()
        limits = pathlib.Path(f"/proc/{host.pid}/limits").read_text()
        return [line for line in lines if line.startswith(("Sig", "Shd", "Umask", "Threads"))], limits

    host.gates()
    before = process()
    gate = host.add("one", ALLOW_OPEN, bus)
    assert outcome(gate.join(), service) is True
    gate.remove()
    host.await_gates()
    assert process() == before


def test_no_descriptor_is_left_to_a_program_that_the_host_starts(workshop, host):
    silent, bus = raw_bus(workshop), PlayedBus(workshop, "played-bus")
    host.add("asks", EVERYTHING, silent).knock()
    workshop.keep(silent.accept_any())
    gate = host.add("one", OBSERVED, bus)
    workshop.keep(bus.accept_observer())
    client, side = gate.introduce(bus.bus)
    read, write = os.pipe()
    side.send(signal_message(7, "Half", sender=":1.2", fds=2)[:20], fds=[read, write])
    side.await_read()
    os.close(read)
    os.close(write)
    inherited = []
    for number in map(int, os.listdir(f"/proc/{host.pid}/fd")):
        info = pathlib.Path(f"/proc/{host.pid}/fdinfo/{number}").read_text()
        is_closed = int(re.search(r"^flags:\s+(\d+)$", info, re.M)[1], 8) & os.O_CLOEXEC
        inherited += [] if is_closed else [number]
    assert sorted(inherited) == [0, 1, 2]


@pytest.mark.parametrize("sender", ["client", "bus"])
def test_peers_that_leave_in_the_middle_of_large_messages_do_not_end_a_host_that_has_sigpipe_at_its_default(workshop, host, sender):
    bus = raw_bus(workshop)
    gate = host.add("one", EVERYTHING, bus)
    other, others_side = gate.introduce(bus)
    for number in range(20):
        client, side = gate.introduce(bus)
        sending, receiving = (client, side) if sender == "client" else (side, client)
        large = signal_message(7, "Large", sender=":1.2", signature="ay", args=[bytes(300_000)])
        sending.send(large)
        assert receiving.receive().member == "Large"
        sending.socket.setblocking(False)
        try:
            while True:
                sending.socket.send(large)
        except BlockingIOError:
            receiving.close()
        sending.close()
    others_side.send(signal_message(5, "Still", sender=":1.2"))
    assert other.receive().member == "Still"


def test_a_reader_of_the_log_that_is_gone_does_not_end_a_host_that_has_sigpipe_at_its_default(workshop):
    read, write = os.pipe()
    host = workshop.keep(Host(workshop, stderr=write))
    os.close(write)
    os.close(read)
    away = raw_bus(workshop)
    away.close()
    gate = host.add("one", EVERYTHING, away)
    for _ in range(3):
        gate.knock().expect_end()
    assert host.gates() == ["one"]


@pytest.mark.xfail(strict=True, reason="nobody waits for what unixexec: starts: the program ignores SIGCHLD, a host need not")
def test_programs_that_are_a_bus_leave_no_zombies(workshop, host):
    bus = raw_bus(workshop)
    bus.address = "unixexec:path=/bin/true"
    gate = host.add("one", EVERYTHING, bus)
    for _ in range(3):
        gate.knock().expect_end()
    gate.remove()

    def children():
        """Those of the host, and whether they have ended."""
        numbers = pathlib.Path(f"/proc/{host.pid}/task/{host.pid}/children").read_text().split()
        return [pathlib.Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z" for number in numbers]

    eventually(lambda: all(children()), "the programs do not end")
    assert children() == []


def test_a_host_that_stops_ends_as_the_program_does(workshop, host):
    bus = raw_bus(workshop)
    gate, other = host.add("one", EVERYTHING, bus), host.add("two", EVERYTHING, bus)
    client, side = gate.introduce(bus)
    flood(gate, side)
    host.ask("stop")
    assert "is stopping" in host.refuse("add", *host.gate_words("late", EVERYTHING, bus))
    assert not gate.path.exists() and not other.path.exists() and host.process.poll() is None
    got = client.receive_all()
    assert got and not client.buffer, "the last message was cut"
    assert host.process.wait(PATIENCE) == 0


def test_a_server_that_is_dropped_leaves_nothing_whatever_was_in_progress(workshop, outer):
    before = outer.descriptors()
    silent, bus = raw_bus(workshop), workshop.keep(RawBus(workshop.directory, "other-bus"))
    asked = outer.add("asked", EVERYTHING, silent)
    ends = [asked.knock(), workshop.keep(silent.accept_any())]
    observed = outer.add("observed", OBSERVED, bus)
    ends.append(workshop.keep(bus.accept()))
    client, side = observed.introduce(bus)
    side.send(signal_message(7, "Half", sender=":1.2", fds=3)[:20], fds=[0, 1, 2])
    taken = Taken(outer, "tries")
    outer.add("tries", EVERYTHING, bus, "retrying")
    draining = outer.add("drains", EVERYTHING, bus)
    ends += draining.introduce(bus)
    flood(draining, ends[-1])
    draining.remove(drain=60_000)
    outer.ask("renew")
    for end in [*ends, client, side]:
        end.expect_end()
    outer.expect_descriptors(before)
    assert outer.gates() == [] and not asked.path.exists() and not observed.path.exists() and taken.path.exists()
    taken.free()
