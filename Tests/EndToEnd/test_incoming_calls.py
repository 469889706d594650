"""Calls to the client: none that was forwarded loses its answer, however many there are; one past a bound is refused at its caller, at once; and neither
a noisy caller nor those that left take the places of the others."""

import pytest

from harness import EVERYTHING, rule
from proxies import NamesProxy
from wire import (DRIVER, ERROR, LIMITS_EXCEEDED, METHOD_RETURN, OPEN, call, driver_call, introduce, join, message, raw_bus, signal)

ME, CALLER, OTHER = ":1.7", ":1.2", ":1.3"
MANY = 300


def native(workshop, bus):
    return workshop.gate(EVERYTHING, bus)


def classic(workshop, bus):
    proxy = workshop.proxy(bus)
    proxy.configure('{"dbus-gateway-config-session": [{"direction": "*", "interface": "*", "object-path": "*", "method": "*"}]}')
    return proxy


def names(workshop, bus):
    return workshop.keep(NamesProxy(workshop.directory, bus.address, "--filter"))


def unfiltered(workshop, bus):
    return workshop.keep(NamesProxy(workshop.directory, bus.address))


def limits(**values):
    return [part for name, value in values.items() for part in ("--limit", f"{name.replace('_', '-')}={value}")]


def ask(caller, service, serials):
    caller.send(b"".join(call(serial, service.name, "Ask") for serial in serials))


def asked(service, count):
    """So many calls that arrived."""
    return [service.receive_member("Ask") for _ in range(count)]


def answer(service, calls):
    service.send(b"".join(message(METHOD_RETURN, service.next_serial(), reply=one.serial, destination=one.sender, signature="u", args=[one.serial])
                          for one in calls))


def replies(caller, count):
    """So many answers: by serial, their value or their error."""
    got = {}
    while len(got) < count:
        one = caller.receive_until(lambda one: one.reply)[-1]
        got[one.reply] = one.error or one.args[0]
    return got


# None is lost

@pytest.mark.parametrize("gate", [native, classic, names, unfiltered])
def test_of_many_calls_of_one_caller_all_are_answered(workshop, bus, gate):
    service = join(workshop, gate(workshop, bus).path)
    service.round_trip()  # dbus-proxy's rules are in force
    caller = join(workshop, bus.path)
    serials = range(1000, 1000 + MANY)
    ask(caller, service, serials)
    calls = asked(service, MANY)
    answer(service, reversed(calls))
    assert replies(caller, MANY) == {serial: serial for serial in serials}


def test_of_thousands_of_calls_that_come_before_the_first_answer_all_are_answered(workshop, bus):
    service = join(workshop, native(workshop, bus).path)
    callers = [join(workshop, bus.path) for _ in range(3)]
    serials = range(1000, 5000)
    for caller in callers:
        ask(caller, service, serials)
    answer(service, asked(service, len(callers) * len(serials)))
    for caller in callers:
        assert replies(caller, len(serials)) == {serial: serial for serial in serials}


def test_a_call_that_came_twice_is_good_for_two_answers_and_not_for_three(workshop):
    bus = raw_bus(workshop)
    client, side = introduce(workshop, workshop.gate(EVERYTHING, bus), bus, name=ME)
    for member in ("First", "Second"):
        side.send(call(5, ME, member, sender=CALLER))
        client.receive_member(member)
    client.send(b"".join(message(METHOD_RETURN, serial, reply=5, destination=CALLER) for serial in (10, 11, 12)) + signal(13, "Marker"))
    assert [one.serial for one in side.receive_until(lambda one: one.member == "Marker")] == [10, 11, 13]


# The bounds

def test_at_the_bound_of_a_caller_all_are_answered_and_the_one_past_it_is_refused_at_once(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, *limits(pending_incoming_per_caller_max=5))
    service, caller, other = join(workshop, gate.path), join(workshop, bus.path), join(workshop, bus.path)
    ask(caller, service, range(1000, 1006))
    ask(other, service, [1000])
    refused = caller.receive_reply(1005)  # while the others wait
    assert (refused.type, refused.error) == (ERROR, LIMITS_EXCEEDED) and "pending-incoming-per-caller-max" in refused.args[0]
    gate.log.wait_for("deny ", "direction=incoming", "reason=pending-incoming-per-caller-max")
    answer(service, asked(service, 6))
    assert replies(caller, 5) == {serial: serial for serial in range(1000, 1005)} and replies(other, 1) == {1000: 1000}
    ask(caller, service, [1006])  # and there is room again
    answer(service, asked(service, 1))
    assert replies(caller, 1) == {1006: 1006}


def test_at_the_bound_in_all_every_call_is_answered_and_the_one_past_it_is_refused_at_once(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, *limits(pending_incoming_max=8))
    service, callers = join(workshop, gate.path), [join(workshop, bus.path) for _ in range(2)]
    for serial in range(1000, 1004):
        for caller in callers:
            ask(caller, service, [serial])
            caller.round_trip()
    calls = asked(service, 8)
    ask(callers[0], service, [1004])
    refused = callers[0].receive_reply(1004)
    assert refused.error == LIMITS_EXCEEDED and "pending-incoming-max" in refused.args[0]
    answer(service, calls)
    for caller in callers:
        assert replies(caller, 4) == {serial: serial for serial in range(1000, 1004)}


def test_one_noisy_caller_does_not_keep_the_others_out(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, *limits(pending_incoming_max=40))
    service, noisy, quiet = join(workshop, gate.path), join(workshop, bus.path), join(workshop, bus.path)
    ask(noisy, service, range(1000, 1030))
    first = asked(service, 30)
    ask(quiet, service, [2000])
    second = asked(service, 1)
    # Above three quarters it gets no more, though there are places left; the other one does.
    ask(noisy, service, range(1030, 1050))
    assert set(replies(noisy, 20).values()) == {LIMITS_EXCEEDED}
    ask(quiet, service, range(2001, 2010))
    third = asked(service, 9)
    ask(quiet, service, [2010])
    assert quiet.receive_reply(2010).error == LIMITS_EXCEEDED
    answer(service, first + second + third)
    assert replies(noisy, 30) == {serial: serial for serial in range(1000, 1030)}
    assert replies(quiet, 10) == {serial: serial for serial in range(2000, 2010)}


def test_a_caller_alone_may_use_all_places(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, *limits(pending_incoming_max=40))
    service, caller = join(workshop, gate.path), join(workshop, bus.path)
    ask(caller, service, range(1000, 1041))
    assert caller.receive_reply(1040).error == LIMITS_EXCEEDED
    answer(service, asked(service, 40))
    assert replies(caller, 40) == {serial: serial for serial in range(1000, 1040)}


# Callers that leave

def test_callers_that_left_free_their_places(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, *limits(pending_incoming_max=16), "--log", "none")
    service, staying = join(workshop, gate.path), join(workshop, bus.path)
    ask(staying, service, [500])
    kept = asked(service, 1)
    for number in range(100):
        caller = join(workshop, bus.path)
        ask(caller, service, [1000])
        arrived = service.receive_until(lambda one: one.member == "Ask")[-1]
        assert arrived.sender == caller.name, number
        caller.close()
    last = join(workshop, bus.path)
    ask(last, service, [1000])
    answer(service, kept + asked(service, 1))
    assert replies(last, 1) == {1000: 1000} and replies(staying, 1) == {500: 500}


def test_callers_that_stay_keep_their_places_for_as_long_as_the_client_takes(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, *limits(pending_incoming_max=8))
    service, callers = join(workshop, gate.path), [join(workshop, bus.path) for _ in range(8)]
    for caller in callers:
        ask(caller, service, [1000])
        caller.round_trip()
    calls, late = asked(service, 8), join(workshop, bus.path)
    for serial in range(1000, 1050):
        ask(late, service, [serial])
        assert late.receive_reply(serial).error == LIMITS_EXCEEDED
    answer(service, calls)
    for caller in callers:
        assert replies(caller, 1) == {1000: 1000}


def test_what_the_gate_asks_about_callers_is_nothing_to_the_client(workshop):
    bus = raw_bus(workshop)
    client, side = introduce(workshop, workshop.gate(EVERYTHING, bus, *limits(pending_incoming_max=4)), bus, name=ME)
    for number in (2, 3, 4):
        side.send(call(5, ME, "Ask", sender=f":1.{number}"))
        client.receive_member("Ask")
    question, other = side.receive_member("NameHasOwner"), side.receive_member("NameHasOwner")
    assert (question.destination, question.args, other.args) == (DRIVER, [":1.2"], [":1.3"])
    # A call of the client's with that serial waits for the answer, which stays here.
    client.send(driver_call(question.serial, "GetId"))
    side.reply(other, ME, signature="b", args=[True])
    side.reply(question, ME, signature="b", args=[False])
    got = side.receive_member("GetId")
    assert got.serial == question.serial
    side.reply(got, ME, signature="s", args=["id"])
    assert client.receive().args == ["id"]
    # Who left gets no answer; who stayed does.
    client.send(b"".join(message(METHOD_RETURN, 10 + number, reply=5, destination=f":1.{number}") for number in (2, 3, 4)) + signal(20, "Marker"))
    assert [one.serial for one in side.receive_until(lambda one: one.member == "Marker")] == [13, 14, 20]


def test_a_change_of_owners_that_the_client_is_told_frees_the_places_of_who_left(workshop):
    bus = raw_bus(workshop)
    client, side = introduce(workshop, workshop.gate(EVERYTHING, bus), bus, name=ME)
    side.send(call(5, ME, "Ask", sender=CALLER) + call(5, ME, "Ask", sender=OTHER))
    asked(client, 2)
    change = dict(destination=None, interface=DRIVER, path="/org/freedesktop/DBus", sender=DRIVER, signature="sss")
    whole = signal(6, "NameOwnerChanged", args=[CALLER, CALLER, ""], **change)
    side.send_parts(whole[:-3], whole[-3:])
    client.receive_member("NameOwnerChanged")
    side.send(signal(7, "NameOwnerChanged", args=["com.example.Name", OTHER, ""], **change))
    client.receive_member("NameOwnerChanged")
    client.send(b"".join(message(METHOD_RETURN, 10 + at, reply=5, destination=name) for at, name in enumerate((CALLER, OTHER))) + signal(20, "Marker"))
    assert [one.serial for one in side.receive_until(lambda one: one.member == "Marker")] == [11, 20]


# All connections of a gate

def test_the_connections_of_a_gate_share_what_waits_and_each_is_good_for_its_share(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, *limits(pending_replies_total=16, connections_max=4))
    outside = join(workshop, bus.path)
    greedy, modest = join(workshop, gate.path), join(workshop, gate.path)
    for caller, serials, fit in ((greedy, range(1000, 1020), 10), (modest, range(1000, 1010), 2)):
        ask(caller, outside, serials)
        got = replies(caller, len(serials) - fit)
        assert set(got) == set(serials[fit:]) and set(got.values()) == {LIMITS_EXCEEDED}
        gate.log.wait_for("deny ", "direction=outgoing", "reason=pending-replies-total")
    answer(outside, asked(outside, 12))
    assert len(replies(greedy, 10)) == 10 and len(replies(modest, 2)) == 2
    # What was given back is anybody's; the other direction has places of its own.
    ask(modest, outside, range(2000, 2010))
    calls, another = asked(outside, 10), join(workshop, bus.path)
    ask(another, modest, range(3000, 3011))
    assert another.receive_reply(3010).error == LIMITS_EXCEEDED
    answer(outside, calls)
    assert len(replies(modest, 10)) == 10


def test_what_a_connection_had_is_free_when_it_ends(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, *limits(pending_replies_total=8, connections_max=2), "--log", "none")
    outside = join(workshop, bus.path)
    for _ in range(5):
        client = join(workshop, gate.path)
        ask(client, outside, range(1000, 1007))
        assert client.receive_reply(1006).error == LIMITS_EXCEEDED
        asked(outside, 6)
        client.close()
        outside.round_trip()
        while outside.ask_driver("NameHasOwner", signature="s", args=[client.name]).args != [False]:
            pass
