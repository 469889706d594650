"""An answer passes once, to whom it is for, from whom was asked; and calls are bounded at their limits, not one sooner."""

import pytest

from harness import EVERYTHING, rule
from wire import (ACCESS_DENIED, BIG, DRIVER, DRIVER_PATH, ERROR, INVALID_ARGS, LIMITS_EXCEEDED, LITTLE, METHOD_CALL, METHOD_RETURN,
                  NO_REPLY_EXPECTED, OBJECT, OPEN, SHUT, SIGNAL, Client, call, driver_call, hello, introduce, join, message, raw_bus, signal)

SERVICE = "com.example.Service"
ME, CALLER, OTHER = ":1.7", ":1.2", ":1.3"


@pytest.fixture
def pair(workshop):
    """A client behind a gate that opens com.example.Open, and its bus."""
    return make_pair(workshop)


def make_pair(workshop, *arguments, rules=None):
    bus = raw_bus(workshop)
    return introduce(workshop, workshop.gate(rules or [rule(interface=OPEN)], bus, *arguments), bus, name=ME)


def limits(**values):
    return [part for name, value in values.items() for part in ("--limit", f"{name.replace('_', '-')}={value}")]


def answer(serial, reply, sender, **more):
    """What a bus brings as an answer to the client."""
    parts = dict(reply=reply, sender=sender, destination=ME)
    parts.update(more)
    return message(METHOD_RETURN, serial, **parts)


def failure(serial, reply, sender, **more):
    return message(ERROR, serial, reply=reply, sender=sender, destination=ME, error="com.example.Failed", **more)


def marker(serial=99):
    return signal(serial, "Marker", sender=CALLER)


def arrivals(client):
    """Serials of what came before the marker."""
    return [one.serial for one in client.receive_until(lambda one: one.member == "Marker")[:-1]]


# Answers to calls of the client

def test_an_answer_without_a_call_is_dropped(pair):
    client, side = pair
    side.send(answer(10, 5, CALLER) + failure(11, 5, CALLER) + failure(12, 5, DRIVER) + marker())
    assert arrivals(client) == []


def test_an_answer_to_another_serial_is_dropped_and_the_right_one_passes_once(pair):
    client, side = pair
    client.send(call(5, CALLER, "Ask"))
    side.receive()
    side.send(answer(10, 6, CALLER) + answer(11, 5, CALLER) + answer(12, 5, CALLER) + failure(13, 5, CALLER) + marker())
    assert arrivals(client) == [11]


def test_a_call_to_a_unique_name_is_answered_by_that_name_or_by_an_error_of_the_driver(pair):
    client, side = pair
    client.send(call(5, CALLER, "Ask") + call(6, CALLER, "Ask"))
    side.receive(), side.receive()
    side.send(answer(10, 5, OTHER) + failure(11, 5, OTHER) + answer(12, 5, DRIVER) + answer(13, 5, ":1.22") + answer(14, 5, None)
              + answer(15, 5, CALLER) + failure(16, 6, OTHER) + failure(17, 6, DRIVER) + marker())
    assert arrivals(client) == [15, 17]


def test_a_call_to_a_well_known_name_is_answered_by_whoever_owns_it(pair):
    client, side = pair
    client.send(call(5, SERVICE, "Ask"))
    side.receive()
    side.send(answer(10, 5, OTHER) + answer(11, 5, CALLER) + marker())
    assert arrivals(client) == [10]


def test_a_call_to_the_driver_is_answered_by_the_driver_only(pair):
    client, side = pair
    client.send(driver_call(5, "GetId"))
    side.receive()
    side.send(answer(10, 5, CALLER) + failure(11, 5, CALLER) + answer(12, 5, DRIVER, signature="s", args=["id"]) + marker())
    assert arrivals(client) == [12]


def test_an_answer_that_is_addressed_to_somebody_else_is_dropped(pair):
    client, side = pair
    client.send(call(5, CALLER, "Ask"))
    side.receive()
    side.send(answer(10, 5, CALLER, destination=OTHER) + answer(11, 5, CALLER, destination=None) + answer(12, 5, CALLER) + marker())
    assert arrivals(client) == [12]


def test_nobody_answers_a_call_that_wants_no_answer_or_that_was_denied(pair):
    client, side = pair
    client.send(call(5, CALLER, "Ask", flags=NO_REPLY_EXPECTED) + call(6, CALLER, "Ask", SHUT) + signal(7, "Told"))
    assert [side.receive().serial, side.receive().serial] == [5, 7]
    assert client.receive_reply(6).error == ACCESS_DENIED
    side.send(answer(10, 5, CALLER) + answer(11, 6, CALLER) + answer(12, 7, CALLER) + marker())
    assert arrivals(client) == []


def test_serials_may_come_in_any_order_and_be_answered_in_any_other(pair):
    client, side = pair
    serials = [0xFFFFFFFF, 3, 0x80000000, 2, 0x7FFFFFFF, 0xFFFFFFFE] + [2654435761 * n % 0xFFFFFFFF or 1 for n in range(1, 2000)]
    serials = list(dict.fromkeys(serials))
    client.send(b"".join(call(serial, SERVICE, "Ask") for serial in serials))
    for serial in serials:
        assert side.receive().serial == serial
    side.send(b"".join(answer(number, serial, CALLER) for number, serial in enumerate(sorted(serials), 10)))
    for serial in sorted(serials):
        assert client.receive().reply == serial


def test_a_serial_that_still_waits_for_its_answer_cannot_be_used_again_until_then(pair):
    client, side = pair
    for serial in (5, 0xFFFFFFFF):
        client.send(call(serial, SERVICE, "First") + call(serial, SERVICE, "Second"))
        refused = client.receive_reply(serial)
        assert refused.error == INVALID_ARGS
        assert side.receive().member == "First"
        side.send(answer(10, serial, CALLER))
        assert client.receive_reply(serial).type == METHOD_RETURN
        client.send(call(serial, SERVICE, "Third"))
        assert side.receive().member == "Third"


def test_as_many_calls_as_the_limit_wait_for_answers_and_one_more_is_refused(workshop):
    client, side = make_pair(workshop, *limits(pending_replies_max=3))
    client.send(b"".join(call(serial, SERVICE, "Ask") for serial in range(10, 14)) + call(20, SERVICE, "Tell", flags=NO_REPLY_EXPECTED)
                + driver_call(21, "GetId"))
    for serial in (13, 21):
        refused = client.receive_reply(serial)
        assert refused.error == LIMITS_EXCEEDED and "pending-replies-max" in refused.args[0]
    assert [side.receive().serial for _ in range(4)] == [10, 11, 12, 20]
    side.send(answer(30, 11, CALLER))
    assert client.receive_reply(11).type == METHOD_RETURN
    client.send(call(14, SERVICE, "Ask") + call(15, SERVICE, "Ask"))
    assert side.receive().serial == 14
    assert client.receive_reply(15).error == LIMITS_EXCEEDED


# Answers of the client

def reply_to(serial, reply, destination, **more):
    return message(METHOD_RETURN, serial, reply=reply, destination=destination, **more)


def test_two_callers_with_one_serial_both_get_their_answers_and_each_only_once(pair):
    client, side = pair
    side.send(call(5, ME, "Ask", sender=CALLER) + call(5, ME, "Ask", sender=OTHER))
    client.receive(), client.receive()
    client.send(reply_to(10, 5, OTHER) + reply_to(11, 5, CALLER) + reply_to(12, 5, CALLER) + reply_to(13, 5, OTHER) + signal(14, "Marker"))
    assert arrivals(side) == [10, 11]


def test_the_client_answers_nothing_that_it_was_not_asked(pair):
    client, side = pair
    side.send(call(5, ME, "Ask", sender=CALLER, flags=NO_REPLY_EXPECTED) + call(6, ME, "Ask", SHUT, sender=CALLER)
              + signal(7, "Told", sender=CALLER) + call(8, ME, "Ask", sender=CALLER))
    assert [client.receive().serial for _ in range(3)] == [5, 7, 8]
    assert side.receive().error == ACCESS_DENIED
    client.send(b"".join(reply_to(10 + reply, reply, CALLER) for reply in (5, 6, 7, 9))
                + reply_to(30, 8, OTHER) + reply_to(31, 8, SERVICE) + reply_to(32, 8, None) + reply_to(33, 8, CALLER) + signal(40, "Marker"))
    assert arrivals(side) == [33]


def test_through_a_real_bus_two_callers_with_one_serial_get_their_answers(workshop, bus):
    gate = workshop.gate([rule(interface=OPEN)], bus)
    client = join(workshop, gate.path)
    callers = [join(workshop, bus.path) for _ in range(2)]
    for caller in callers:
        caller.send(call(1000, client.name, "Ask"))
    asked = [client.receive(), client.receive()]
    for one in reversed(asked):
        client.answer(one, "s", [one.sender])
    for caller in callers:
        assert caller.receive_reply(1000).args == [caller.name]


# Fields that must not open anything

def test_cve_2026_94422_a_reply_serial_on_what_is_no_reply_opens_nothing(pair):
    client, side = pair
    client.send(call(5, CALLER, "Ask"))
    side.receive()
    side.send(call(6, ME, "Ask", sender=CALLER))
    client.receive()
    # into the container: the outstanding call's serial on a signal, on a call, on a type that nobody knows
    side.send(signal(10, "Forged", SHUT, sender=CALLER, destination=ME, reply=5) + call(11, ME, "Forged", SHUT, sender=CALLER, reply=5)
              + message(9, 12, sender=CALLER, destination=ME, reply=5) + answer(13, 5, CALLER) + marker())
    assert arrivals(client) == [13]
    assert side.receive().reply == 11
    # and out of it
    client.send(signal(20, "Forged", SHUT, destination=CALLER, reply=6) + call(21, CALLER, "Forged", SHUT, reply=6)
                + driver_call(22, "ReloadConfig", reply=6) + message(9, 23, destination=CALLER, reply=6) + reply_to(24, 6, CALLER)
                + signal(25, "Marker"))
    assert arrivals(side) == [24]
    assert [client.receive().error, client.receive().error] == [ACCESS_DENIED] * 2


def test_a_container_instance_from_the_client_is_denied_whatever_carries_it(pair):
    client, side = pair
    side.send(call(6, ME, "Ask", sender=CALLER))
    client.receive()
    container = dict(container="/org/freedesktop/DBus/Containers1/c1")
    client.send(call(10, SERVICE, "Ask", **container) + signal(11, "Tell", **container) + driver_call(12, "GetId", **container)
                + reply_to(13, 6, CALLER, **container) + signal(14, "Marker"))
    for serial in (10, 12):
        assert client.receive_reply(serial).error == ACCESS_DENIED
    came = side.receive_until(lambda one: one.member == "Marker")[:-1]
    # Whoever waits for the answer is not left waiting.
    assert [(one.error, one.reply, one.destination) for one in came] in ([], [(ACCESS_DENIED, 6, CALLER)])
    # the twin: from the bus it is the bus's word
    side.send(signal(20, "Told", sender=CALLER, **container))
    assert client.receive().serial == 20


def test_a_sender_that_the_client_writes_changes_nothing(pair):
    client, side = pair
    for sender in (ME, CALLER, DRIVER, SERVICE):
        client.send(call(10, SERVICE, "Ask", SHUT, sender=sender) + signal(11, "NameOwnerChanged", DRIVER, sender=sender)
                    + call(12, SERVICE, "Ask", sender=sender, flags=NO_REPLY_EXPECTED))
        refused = client.receive_reply(10)
        assert (refused.error, refused.sender, refused.destination) == (ACCESS_DENIED, DRIVER, ME)
        assert side.receive().serial == 12


def test_an_error_of_the_gate_is_a_message_in_the_byte_order_of_the_call(pair):
    client, side = pair
    for number, order in enumerate((LITTLE, BIG, LITTLE)):
        client.send(call(10, SERVICE, "Ask", SHUT, order=order))
        refused = client.receive()
        assert (refused.order, refused.type, refused.flags, refused.reply, refused.sender, refused.destination, refused.serial) == (
            order, ERROR, NO_REPLY_EXPECTED, 10, DRIVER, ME, 0xFFFFFFFF - 2 * number)  # both sides count down together
        assert refused.args == [f"busgate: outgoing call {SHUT}.Ask on {OBJECT} is not allowed by the SESSION policy"]
        side.send(call(20, ME, "Ask", SHUT, sender=CALLER, order=order))
        refused = side.receive()
        assert (refused.order, refused.type, refused.flags, refused.reply, refused.sender, refused.destination) == (
            order, ERROR, NO_REPLY_EXPECTED, 20, None, CALLER)


def test_cve_2013_2168_parts_of_an_error_are_cut(pair):
    client, side = pair
    client.send(message(METHOD_CALL, 10, destination=SERVICE, path="/" + "p" * 100_000, interface="a." + "b" * 253, member="m" * 255))
    text = client.receive_reply(10).args[0]
    assert text == f"busgate: outgoing call a.{'b' * 253}.{'m' * 255} on /{'p' * 254}… is not allowed by the SESSION policy"
    client.send(message(METHOD_CALL, 11, destination=SERVICE, path="/", member="M"))
    assert client.receive_reply(11).args == ["busgate: outgoing call -.M on / is not allowed by the SESSION policy"]


# Other limits, at their value and one past it

def test_as_many_match_rules_as_the_limit_and_not_one_more(workshop, bus):
    gate = workshop.gate([], bus, *limits(matches_max=2))
    client = join(workshop, gate.path)

    def match(member, name):
        return client.ask_driver(member, signature="s", args=[f"type='signal',member='{name}'"])

    assert [match("AddMatch", name).error for name in "ABC"] == [None, None, LIMITS_EXCEEDED]
    assert match("RemoveMatch", "A").error is None
    assert match("RemoveMatch", "A").error == "org.freedesktop.DBus.Error.MatchRuleNotFound"
    assert [match("AddMatch", name).error for name in "BC"] == [None, LIMITS_EXCEEDED]  # the same rule twice counts twice


def test_as_many_names_as_the_limit_and_not_one_more(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, *limits(names_max=2))
    client = join(workshop, gate.path)

    def request(name):
        return client.ask_driver("RequestName", signature="su", args=[f"com.example.{name}", 0])

    assert [request(name).error for name in "ABC"] == [None, None, LIMITS_EXCEEDED]
    assert request("A").args == [4]  # already its own
    assert client.ask_driver("ReleaseName", signature="s", args=["com.example.A"]).args == [1]
    assert [request(name).error for name in "CA"] == [None, LIMITS_EXCEEDED]


def test_as_many_connections_as_the_limit_and_not_one_more(workshop, bus):
    gate = workshop.gate([], bus, *limits(connections_max=2))
    first, second = join(workshop, gate.path), join(workshop, gate.path)
    third = Client(gate.path)
    third.expect_end()
    gate.log.wait_for("connections-max")
    first.round_trip()
    second.round_trip()
    second.close()
    while True:  # until the gate has seen it go
        client = workshop.keep(Client(gate.path))
        try:
            client.authenticate()
            break
        except Exception:
            client.close()
    client.say_hello()


def test_a_driver_call_that_is_looked_into_may_be_as_large_as_the_limit_and_not_larger_however_it_is_cut(workshop):
    def add_match(padding):
        return driver_call(10, "AddMatch", signature="s", args=["type='signal'"], fields=[(99, "s", "x" * padding)])

    fits, exceeds = add_match(3000), add_match(3008)
    client, side = make_pair(workshop, *limits(inspect_bytes_max=len(fits)))
    for data, error in ((fits, None), (exceeds, LIMITS_EXCEEDED)):
        for cut in (len(data), 200, len(data) - 1):
            client.send_parts(data[:cut], data[cut:])
            if error is None:
                side.reply(side.receive())
            assert client.receive_reply(10).error == error
