"""Gates in a program that has a loop of its own: they come, change and go while others serve, and nothing of them stays.

The program is Tests/Embedder. It polls the server's descriptor and calls dispatch(). test_embedding_host.py is about the program itself.
"""

import resource
import socket

import pytest

from embedded import ALLOW_OPEN, ALLOW_SHUT, OBSERVED, PlayedBus, Taken, host, let_pass, outcome, service  # noqa: F401
from harness import EVERYTHING
from service import expect_rest, flood
from wire import ACCESS_DENIED, SHUT, Client, call, join, raw_bus

pytestmark = pytest.mark.one_bus("gates come and go by the server's own doing; what they do with either bus is the subject of the other files")


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


def test_a_gate_for_which_there_are_no_descriptors_is_an_error_that_changes_nothing(host, bus, service):
    client, before = host.add("one", ALLOW_OPEN, bus).join(), host.descriptors()
    usual = resource.prlimit(host.pid, resource.RLIMIT_NOFILE)
    # Each number of descriptors that are left leaves another step without.
    for left in range(3):
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (before + left, usual[1]))
        answer = host.answer(host.tell("add", *host.gate_words(f"more-{left}", OBSERVED, bus)))
        assert outcome(client, service) is True
        if answer == "ok":
            host.ask("remove", f"more-{left}", 0)
        else:
            assert "Too many open files" in answer
        assert left > 0 or answer != "ok"
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, usual)
        host.expect_descriptors(before)
        assert host.gates() == ["one"] and not host.path(f"more-{left}").exists()
    assert outcome(host.add("more", ALLOW_SHUT, bus).join(), service, SHUT) is True


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


def test_the_path_of_a_gate_that_drains_may_be_anothers(workshop, host):
    bus = raw_bus(workshop)
    old = host.add("old", EVERYTHING, bus)
    client, side = old.introduce(bus)
    flood(old, side)
    old.remove(drain=60_000)
    new = host.add("new", EVERYTHING, bus, path=old.path)
    new.path = old.path
    new.introduce(bus)
    assert client.receive_all()
    host.await_gates("new")
    new.introduce(bus)
    assert new.path.exists(), "the old one has removed the file of the new one"


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


@pytest.mark.parametrize("drain", [0, 60_000])
def test_the_places_at_the_bus_that_a_gate_had_are_there_for_the_others(workshop, host, drain):
    bus = raw_bus(workshop)
    gone, stays = host.add("gone", EVERYTHING, bus), host.add("stays", EVERYTHING, bus)
    gone.introduce(bus)
    clients = [gone.knock() for _ in range(8)]
    sides = [workshop.keep(bus.accept()) for _ in clients]
    waits = stays.knock()
    waits.await_read()
    expect_rest(host)
    assert not bus.is_asked(), "as many as may be have no answer to Hello"
    gone.remove(drain)
    side = workshop.keep(bus.accept())
    side.handshake()
    side.answer_hello()
    waits.finish_handshake()
    waits.finish_hello()
    for end in clients + sides:
        end.expect_end()


def test_the_limit_of_a_gate_that_is_removed_holds_no_longer_for_the_bus(workshop, host):
    bus = raw_bus(workshop)
    strict, stays = host.add("strict", EVERYTHING, bus, "hello-pending-max=1"), host.add("stays", EVERYTHING, bus)
    stays.introduce(bus)
    first, second = stays.knock(), stays.knock()
    side = workshop.keep(bus.accept())
    second.await_read()
    expect_rest(host)
    assert not bus.is_asked(), "the smallest limit counts"
    strict.remove()
    workshop.keep(bus.accept())
    assert not first.is_hung_up() and not second.is_hung_up() and not side.is_hung_up()


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
