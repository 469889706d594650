"""Gates in a program that has a loop of its own: they come and go while others serve, and nothing of them stays.

The program is Tests/Embedder. It polls the server's descriptor and calls dispatch(); it ignores no signal and sets no umask.
"""

import os
import socket

import pytest

from embedded import ALLOW_OPEN, ALLOW_SHUT, OBSERVED, Host, PlayedBus, let_pass, outcome
from harness import EVERYTHING, PATIENCE
from service import expect_rest, flood, is_asleep
from test_endurance import visit
from wire import ACCESS_DENIED, SHUT, Client, RawBus, call, eventually, join, raw_bus
from wire import signal as signal_message

pytestmark = pytest.mark.one_bus("gates come and go by the server's own doing; what they do with either bus is the subject of the other files")

# KiB of its own that a host may have more, since whole pages are kept or given back as chance has them lie. Measured: 0 to 4 after 800 gates,
# -24 to 28 after ten thousand clients. It is 164 bytes a gate, 13 a client.
TOLERANCE = 128


@pytest.fixture(params=["between calls of dispatch", "in a handler"])
def host(workshop, request):
    """One that is told what to do in either of the two ways that there are."""
    return workshop.keep(Host(workshop, is_inside=request.param == "in a handler"))


@pytest.fixture
def outer(workshop):
    """One that is told between two calls of dispatch()."""
    return workshop.keep(Host(workshop))


@pytest.fixture
def service(workshop, bus):
    return join(workshop, bus.path)


# Gates come

def test_a_gate_that_is_added_to_a_running_host_serves(host, bus, service):
    gate = host.add("one", ALLOW_OPEN, bus)
    client = gate.join()
    assert outcome(client, service) is True
    assert outcome(client, service, SHUT) == ACCESS_DENIED


def test_gates_of_one_host_each_have_their_own_policy(host, bus, service):
    gates = [host.add("one", ALLOW_OPEN, bus), host.add("two", ALLOW_SHUT, bus)]
    one, two = (gate.join() for gate in gates)
    assert (outcome(one, service), outcome(one, service, SHUT)) == (True, ACCESS_DENIED)
    assert (outcome(two, service), outcome(two, service, SHUT)) == (ACCESS_DENIED, True)


def test_a_gate_may_be_the_bus_of_another_one_of_the_same_host(host, bus, service):
    behind = host.add("behind", EVERYTHING, bus)
    behind.address = f"unix:path={behind.path}"
    client = host.add("before", ALLOW_OPEN, behind).join()
    assert (outcome(client, service), outcome(client, service, SHUT)) == (True, ACCESS_DENIED)
    behind.remove()
    client.expect_end()


def test_a_policy_that_is_put_in_force_while_clients_are_connected_decides_their_next_message(host, bus, service):
    gate = host.add("one", ALLOW_OPEN, bus)
    clients = [gate.join() for _ in range(3)]
    for client in clients:
        assert (outcome(client, service), outcome(client, service, SHUT)) == (True, ACCESS_DENIED)
    gate.policy(ALLOW_SHUT)
    for client in clients:
        assert (outcome(client, service), outcome(client, service, SHUT)) == (ACCESS_DENIED, True)


def test_a_label_that_is_used_already_is_an_error_that_changes_nothing(host, bus, service):
    gate = host.add("one", ALLOW_OPEN, bus)
    client, before = gate.join(), host.descriptors()
    assert "there is a gate one already" in host.refuse("add", *host.gate_words("one", EVERYTHING, bus, path=host.path("two")))
    assert not host.path("two").exists() and host.descriptors() == before
    assert (outcome(client, service), outcome(gate.join(), service, SHUT)) == (True, ACCESS_DENIED)


@pytest.mark.parametrize("rules", [ALLOW_OPEN, OBSERVED], ids=["plain", "observed"])
def test_a_path_that_is_in_use_is_an_error_that_changes_nothing(host, bus, service, rules):
    gate = host.add("one", ALLOW_OPEN, bus)
    client, before = gate.join(), host.descriptors()
    assert "another process listens on" in host.refuse("add", *host.gate_words("two", rules, bus, path=gate.path))
    host.expect_descriptors(before)
    assert host.gates() == ["one"]
    assert (outcome(client, service), outcome(gate.join(), service, SHUT)) == (True, ACCESS_DENIED)
    # The label is free, and so is a bus that only the gate had which came to nothing.
    assert outcome(host.add("two", ALLOW_SHUT, bus).join(), service, SHUT) is True


def test_a_path_in_use_leaves_nothing_of_a_bus_that_no_other_gate_has(workshop, host):
    bus = raw_bus(workshop)
    path = workshop.directory / "taken"
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(path))
        taken.listen()
        before = host.descriptors()
        host.refuse("add", *host.gate_words("one", OBSERVED, bus, path=path))
        host.expect_descriptors(before)
        assert host.gates() == [] and path.exists()


class Taken:
    """A path that somebody else listens on."""

    def __init__(self, host, label):
        self.path = host.path(label)
        self.path.parent.mkdir(exist_ok=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(self.path))
        self.socket.listen()

    def free(self):
        self.path.unlink(missing_ok=True)
        self.socket.close()


def test_a_gate_that_tries_again_accepts_when_its_path_becomes_free(host, bus, service):
    taken = Taken(host, "one")
    host.refuse("add", *host.gate_words("one", ALLOW_OPEN, bus))
    gate = host.add("one", ALLOW_OPEN, bus, "retrying")
    other = host.add("two", ALLOW_SHUT, bus)
    assert host.gates() == ["one", "two"] and not host.out.matching("listening")
    assert outcome(other.join(), service, SHUT) is True
    gate.policy(ALLOW_SHUT)
    taken.free()
    assert host.out.wait_for("listening one") == "listening one"
    assert outcome(gate.join(), service, SHUT) is True, "it has the policy that it was given meanwhile"


def test_a_gate_that_tries_again_says_when_it_is_for_another_reason(host, bus):
    taken = Taken(host, "one")
    host.add("one", EVERYTHING, bus, "retrying")
    taken.free()
    taken.path.write_text("")
    assert "exists and is no socket" in host.out.wait_for("listening one")
    taken.path.unlink()
    host.out.wait_until(lambda: "listening one" in host.out.lines)


def test_a_gate_that_is_removed_does_not_try_again(host, bus):
    before = host.descriptors()
    first, second = Taken(host, "first"), Taken(host, "second")
    gone, gate = (host.add(label, EVERYTHING, bus, "retrying") for label in ("first", "second"))
    gone.remove()
    assert host.gates() == ["second"]
    first.free()
    second.free()
    host.out.wait_for("listening second")  # whose turn comes later
    assert not gone.path.exists()
    gate.remove()
    host.expect_descriptors(before)


def test_a_gate_may_be_removed_as_soon_as_it_listens_at_last(host, bus):
    before, taken = host.descriptors(), Taken(host, "one")
    host.add("one", EVERYTHING, bus, "retrying", "shy")
    taken.free()
    host.out.wait_for("listening one")
    assert not taken.path.exists() and host.gates() == []
    host.expect_descriptors(before)
    host.add("one", EVERYTHING, bus).join()


# Gates go

def test_a_gate_that_is_removed_at_once_closes_its_clients_and_nobody_elses(host, bus, service):
    gone, stays = host.add("gone", ALLOW_OPEN, bus), host.add("stays", ALLOW_OPEN, bus)
    clients, bystander = [gone.join() for _ in range(3)], stays.join()
    bystander.send(call(50, service.name, "Ask"))
    asked = service.receive_member("Ask")
    gone.remove()
    for client in clients:
        client.expect_end()
    assert not gone.path.exists() and stays.path.exists() and host.gates() == ["stays"]
    service.answer(asked, "s", ["there"])
    assert bystander.receive_reply(50).args == ["there"]
    assert outcome(stays.join(), service) is True


def test_a_gate_that_drains_delivers_what_was_allowed_to_a_client_that_reads_slowly(workshop, host):
    bus = raw_bus(workshop)
    gate = host.add("one", EVERYTHING, bus)
    client, side = gate.introduce(bus)
    idle, _ = gate.introduce(bus)
    flood(gate, side)
    gate.remove(drain=60_000)
    idle.expect_end()
    assert not gate.path.exists() and host.gates() == ["one"]
    got = client.receive_all()
    assert [one.serial for one in got] == list(range(1000, 1000 + len(got))) and len(got) >= 8
    assert not client.buffer, "the last message was cut"
    host.await_gates()


def test_a_gate_that_drains_gives_up_after_its_time(workshop, host):
    bus = raw_bus(workshop)
    before = host.descriptors()
    gate = host.add("one", EVERYTHING, bus)
    client, side = gate.introduce(bus)
    flood(gate, side)
    gate.remove(drain=200)
    assert host.gates() == ["one"]
    side.expect_end()
    host.await_gates()
    host.log.wait_for("drain-timeout", "1 connections are closed that were not done")
    host.expect_descriptors(before)


def test_a_drain_has_all_of_its_time_though_the_host_had_nothing_to_do_before(workshop, host):
    bus = raw_bus(workshop)
    gate = host.add("one", EVERYTHING, bus)
    client, side = gate.introduce(bus)
    flood(gate, side)
    let_pass(2.5)
    gate.remove(drain=2000)
    assert host.gates() == ["one"]
    got = client.receive_all()
    assert got and not client.buffer, "the last message was cut"
    host.await_gates()
    assert not host.log.matching("drain-timeout")


def test_a_drain_may_take_for_ever(workshop, host):
    bus = raw_bus(workshop)
    gate = host.add("one", EVERYTHING, bus)
    client, side = gate.introduce(bus)
    flood(gate, side)
    gate.remove(drain=2**64 - 1)
    assert host.gates() == ["one"]
    assert client.receive_all() and not client.buffer
    host.await_gates()


def test_a_gate_that_drains_may_be_removed_at_once_after_all(workshop, host):
    bus = raw_bus(workshop)
    gate = host.add("one", EVERYTHING, bus)
    _, side = gate.introduce(bus)
    flood(gate, side)
    gate.remove(drain=60_000)
    assert "there is a gate one already" in host.refuse("add", *host.gate_words("one", EVERYTHING, bus))
    gate.remove()
    side.expect_end()
    host.await_gates()
    gate.remove()  # it is gone already
    host.add("one", EVERYTHING, bus).introduce(bus)


def test_a_label_and_a_path_may_be_used_again_with_another_policy(host, bus, service):
    gate = host.add("one", ALLOW_OPEN, bus)
    client = gate.join()
    assert outcome(client, service) is True
    gate.remove()
    client.expect_end()
    client = host.add("one", ALLOW_SHUT, bus).join()
    assert (outcome(client, service), outcome(client, service, SHUT)) == (ACCESS_DENIED, True)


# What is in progress when a gate goes

@pytest.mark.parametrize("drain", [0, 60_000])
class TestAtABusThatSaysNothing:
    """Nothing was allowed yet, so that draining ends at once too."""

    def test_clients_that_wait_to_be_told_which_bus_it_is(self, workshop, host, drain):
        bus, before = raw_bus(workshop), host.descriptors()
        gate = host.add("one", EVERYTHING, bus)
        clients = [gate.knock() for _ in range(3)]
        question = workshop.keep(bus.accept_any())
        gate.remove(drain)
        self.all_end(host, [*clients, question], before)

    def test_clients_that_wait_for_the_answer_to_hello(self, workshop, host, drain):
        bus, before = raw_bus(workshop), host.descriptors()
        gate = host.add("one", EVERYTHING, bus)
        clients = [gate.knock() for _ in range(12)]  # of which helloPendingMax, 8, are connected and the others wait for that
        for client in clients:
            client.await_read()
        expect_rest(host)  # all wait for one question, so that no other one comes later
        sides = [workshop.keep(bus.accept()) for _ in range(8)]
        gate.remove(drain)
        self.all_end(host, clients + sides, before)
        assert not bus.is_asked()

    def test_clients_that_wait_for_the_observer(self, workshop, host, drain):
        bus, before = raw_bus(workshop), host.descriptors()
        gate = host.add("one", OBSERVED, bus)
        observer = workshop.keep(bus.accept())
        client, side = gate.introduce(bus)
        client.send(call(7, ":1.9", "Do"))
        client.await_read()
        gate.remove(drain)
        self.all_end(host, [client, side, observer], before)

    def test_clients_that_have_said_nothing(self, workshop, host, drain):
        bus, before = raw_bus(workshop), host.descriptors()
        gate = host.add("one", EVERYTHING, bus)
        clients = [workshop.keep(Client(gate.path)) for _ in range(3)]
        clients[0].send(b"\0AUTH")
        clients[0].await_read()
        gate.remove(drain)
        self.all_end(host, clients, before)

    def all_end(self, host, ends, before):
        for end in ends:
            end.expect_end()
            end.close()
        host.await_gates()
        host.expect_descriptors(before)


def test_the_last_gate_of_a_bus_takes_the_observer_with_it_and_one_that_asks_for_names_keeps_it(workshop, host):
    bus, before = raw_bus(workshop), host.descriptors()
    gates = [host.add(label, OBSERVED, bus) for label in ("one", "two")]
    observer = workshop.keep(bus.accept())
    gates[0].remove()
    gates[1].introduce(bus)
    assert not observer.is_hung_up() and not bus.is_asked(), "it is the one of both"
    gates[1].remove()
    observer.expect_end()
    host.expect_descriptors(before)


@pytest.mark.parametrize("how", ["removed", "drained", "policy"])
def test_the_observer_goes_with_the_last_policy_that_asks_for_names_though_the_bus_has_other_gates(workshop, host, how):
    bus = PlayedBus(workshop)
    asks, stays = host.add("asks", OBSERVED, bus), host.add("stays", EVERYTHING, bus)
    observer = bus.serve_observer(bus.accept_observer())  # so that nothing else is due for which the loop would wake
    expect_rest(host)
    asks.policy(EVERYTHING) if how == "policy" else asks.remove(60_000 if how == "drained" else 0)
    observer.expect_end()
    stays.introduce(bus.bus)


def test_an_observer_has_all_of_its_time_though_the_host_had_nothing_to_do_before(workshop, host):
    bus = raw_bus(workshop)
    let_pass(1.2)
    host.add("one", OBSERVED, bus, "hello-timeout=1000")
    observer = workshop.keep(bus.accept())
    observer.handshake()
    observer.answer_hello(":1.2")
    assert observer.receive().member  # what the gate asks next
    assert not host.log.matching("observer")


# A host that is busy

def test_a_host_that_does_not_dispatch_for_seconds_loses_nothing(host, bus, service):
    if host.is_inside:
        pytest.skip("within dispatch it can't be told to dispatch again")
    gate = host.add("one", ALLOW_OPEN, bus, "hello-timeout=1000")
    client, serials = gate.join(), range(100, 300)
    host.ask("hold")
    client.send(b"".join(call(serial, service.name, "Ask") for serial in serials))
    late = gate.knock()
    let_pass(2)
    host.ask("go")
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

class Measure:
    """Descriptors and memory of a host, once it is at rest."""

    def __init__(self, host):
        self.host, self.count, self.memory = host, None, None

    def begin(self):
        eventually(lambda: is_asleep(self.host), "the host does not come to rest")
        self.count, self.memory = self.host.descriptors(), self.host.resident_kib()

    def expect_as_before(self):
        self.host.expect_descriptors(self.count)
        eventually(lambda: is_asleep(self.host), "the host does not come to rest")
        more = self.host.resident_kib() - self.memory
        print(f"{more} KiB more")
        assert more <= TOLERANCE


def test_gates_that_come_and_go_a_thousand_times_leave_nothing_while_another_one_serves(host, bus, service):
    client, measure = host.add("stays", ALLOW_OPEN, bus).join(), Measure(host)
    measure.begin()
    for number in range(1000):
        gate = host.add("comes", [ALLOW_OPEN, OBSERVED][number % 3 == 0], bus)
        visitor = gate.join() if number % 5 == 0 else None
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
        lines = open(f"/proc/{host.pid}/status").read().splitlines()
        limits = open(f"/proc/{host.pid}/limits").read()
        return [line for line in lines if line.startswith(("Sig", "Shd", "Umask", "Threads"))], limits

    host.gates()
    before = process()
    gate = host.add("one", ALLOW_OPEN, bus)
    assert outcome(gate.join(), service) is True
    gate.remove()
    host.await_gates()
    assert process() == before


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
    children = lambda: open(f"/proc/{host.pid}/task/{host.pid}/children").read().split()
    eventually(lambda: children() == [], lambda: f"children are left: {children()}")


def test_a_host_that_stops_ends_as_the_program_does(workshop, host):
    bus = raw_bus(workshop)
    gate, other = host.add("one", EVERYTHING, bus), host.add("two", EVERYTHING, bus)
    client, side = gate.introduce(bus)
    flood(gate, side)
    host.ask("stop")
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
