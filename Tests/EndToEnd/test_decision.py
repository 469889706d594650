"""Which messages pass: rules in both directions, a service inside that is called from outside, and the keys beyond the classic four."""

import json
import os

import pytest

from harness import EVERYTHING, Gate, rule
from peer import (
    ACCESS_DENIED, DRIVER, ERROR, RETURN, Gio, Peer, answer, call, error_of, refusal, signal, strings,
    text_of, with_descriptors)
from scene import Scene

refused_by_the_gate = pytest.mark.one_bus("the gate refuses, and no bus hears of the call")

NAME = "com.example.Service"
INTERFACE = "com.example.Interface"
PATH = "/com/example/Object"
MAY_OWN = rule("outgoing", DRIVER, "*", "RequestName")


def request(destination, member, interface=INTERFACE, path=PATH, **more):
    return call(destination, path, interface, member, **more)


def emission(member, interface=INTERFACE, path=PATH, **more):
    return signal(path, interface, member, **more)


class Conversation(Scene):
    """Both peers have their ears open."""

    def __init__(self, workshop, bus, rules, *arguments):
        super().__init__(workshop, bus, rules, *arguments)
        self.inside.subscribe()
        self.outside.subscribe()

    def calls_out(self, *members, **more):
        """Calls from inside; which of them the peer outside saw, and the errors at once."""
        return self._calls(self.inside, self.outside, members, more)

    def calls_in(self, *members, **more):
        """Calls from outside; which of them the peer inside saw, and the errors at once."""
        return self._calls(self.outside, self.inside, members, more)

    def _calls(self, sender, receiver, members, more):
        serials = [sender.send(request(receiver.name, member, **more)) for member in members]
        self.settle()
        errors = {other.get_reply_serial(): error_of(other) for other in sender.unasked() if other.get_message_type() == ERROR}
        return receiver.seen(), [errors.get(serial) for serial in serials]

    def signals_out(self, *messages):
        return self._signals(self.inside, self.outside, messages)

    def signals_in(self, *messages):
        return self._signals(self.outside, self.inside, messages)

    def _signals(self, sender, receiver, messages):
        for message in messages:
            sender.send(message)
        self.settle()
        return receiver.seen()


# Calls out

def test_an_allowed_call_reaches_the_service_byte_for_byte_and_its_answer_comes_back(workshop, bus):
    scene = Conversation(workshop, bus, [rule("outgoing", INTERFACE, PATH, "Allowed")])
    serial = scene.inside.send(request(scene.outside.name, "Allowed", body=strings("text")))
    received = scene.outside.await_member("Allowed")
    assert (received.get_sender(), received.get_serial(), received.get_body().unpack()) == (scene.inside.name, serial, ("text",))
    scene.outside.reply(received, strings("answer"))
    reply = scene.inside.answer_to(serial)
    assert (reply.get_message_type(), reply.get_sender(), reply.get_body().unpack()) == (RETURN, scene.outside.name, ("answer",))


def test_an_error_of_the_service_comes_back_as_it_is(workshop, bus):
    scene = Conversation(workshop, bus, [rule("outgoing", INTERFACE, PATH, "Allowed")])
    serial = scene.inside.send(request(scene.outside.name, "Allowed"))
    received = scene.outside.await_member("Allowed")
    scene.outside.send(Gio.DBusMessage.new_method_error_literal(received, "com.example.Error.Own", "its own text"))
    assert error_of(scene.inside.answer_to(serial)) == ("com.example.Error.Own", "its own text")


def test_a_denied_call_is_answered_at_once_with_the_contracts_text_and_the_service_never_sees_it(workshop, bus):
    scene = Conversation(workshop, bus, [rule("outgoing", INTERFACE, PATH, "Allowed")])
    serial = scene.inside.send(request(scene.outside.name, "Denied"))
    reply = scene.inside.answer_to(serial)
    assert error_of(reply) == refusal(INTERFACE, "Denied", PATH)
    assert reply.get_sender() == DRIVER
    assert reply.get_destination() == scene.inside.name
    assert reply.get_flags() == Gio.DBusMessageFlags.NO_REPLY_EXPECTED
    assert reply.get_serial() == 0xFFFFFFFF
    scene.settle()
    assert scene.outside.seen() == []


@refused_by_the_gate
def test_the_serials_of_the_gates_errors_count_down(workshop, bus):
    inside = Peer(workshop.gate([], bus).address)
    assert [inside.ask(request("a.b", "M")).get_serial() for _ in range(3)] == [0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD]


def test_a_denied_call_that_wants_no_answer_gets_none(workshop, bus):
    scene = Conversation(workshop, bus, [])
    assert scene.calls_out("Denied", wants_reply=False) == ([], [None])


def test_an_allowed_call_that_wants_no_answer_arrives(workshop, bus):
    scene = Conversation(workshop, bus, [rule("outgoing")])
    assert scene.calls_out("Allowed", wants_reply=False) == (["Allowed"], [None])


def test_allowed_calls_keep_their_order_around_denied_ones(workshop, bus):
    scene = Conversation(workshop, bus, [rule("outgoing", method="A*")])
    members = [f"{'A' if number % 3 else 'D'}{number}" for number in range(100)]
    seen, errors = scene.calls_out(*members)
    assert seen == [member for member in members if member.startswith("A")]
    assert [error for error in errors if error] == [refusal(INTERFACE, m, PATH) for m in members if m.startswith("D")]


@pytest.mark.parametrize("order", [Gio.DBusMessageByteOrder.BIG_ENDIAN, Gio.DBusMessageByteOrder.LITTLE_ENDIAN], ids=["big", "little"])
def test_cve_2011_2200_either_byte_order_is_judged_and_a_denied_call_is_answered_in_its_own(workshop, bus, order):
    scene = Conversation(workshop, bus, [rule("outgoing", INTERFACE, PATH, "Allowed")])
    allowed, denied = request(scene.outside.name, "Allowed", body=strings("x")), request(scene.outside.name, "Denied")
    for message in (allowed, denied):
        message.set_byte_order(order)
    scene.inside.send(allowed)
    assert scene.outside.await_member("Allowed").get_body().unpack() == ("x",)
    reply = scene.inside.ask(denied)
    assert error_of(reply) == refusal(INTERFACE, "Denied", PATH)
    assert reply.get_byte_order() == order


@refused_by_the_gate
def test_cve_2013_2168_each_part_of_a_refusal_is_cut_at_255_bytes(workshop, bus):
    """CVE-2013-2168: texts of others in formatted errors."""
    inside = Peer(workshop.gate([], bus).address)
    path = "/" + "p" * 300
    assert error_of(inside.ask(request("a.b", "M", path=path)))[1] == refusal(INTERFACE, "M", path[:255] + "…")[1]


@refused_by_the_gate
def test_a_refusal_names_the_policy_of_its_bus(workshop, bus_program):
    bus = workshop.bus(kind="system")
    inside = Peer(workshop.gate({"dbus-gateway-config-session": EVERYTHING}, bus, listen="--system", name="system").address)
    assert error_of(inside.ask(request("a.b", "M"))) == refusal(INTERFACE, "M", PATH, bus="SYSTEM")


def test_a_call_to_nobody_is_answered_by_the_bus_if_it_is_allowed(workshop, bus):
    inside = Peer(workshop.gate([rule("outgoing")], bus).address)
    assert inside.ask(request("com.example.Nobody", "M")).get_error_name() == "org.freedesktop.DBus.Error.ServiceUnknown"
    assert inside.ask(request(":1.999", "M")).get_error_name() == "org.freedesktop.DBus.Error.ServiceUnknown"


# Rules

@pytest.mark.parametrize("allowed, message", [
    (rule("outgoing", INTERFACE, PATH, "M"), {}),
    (rule("*", INTERFACE, PATH, "M"), {}),
    (rule("out*", INTERFACE, PATH, "M"), {}),
    (rule("???going", INTERFACE, PATH, "M"), {}),
    (rule("outgoing", "com.*.Interface", PATH, "M"), {}),
    (rule("outgoing", "*", "*", "*"), {}),
    (rule("outgoing", INTERFACE, "/com/*", "M"), {}),
    (rule("outgoing", INTERFACE, "/com/example/Objec?", "M"), {}),
    (rule("outgoing", INTERFACE, PATH, ["X", "M"]), {}),
    (rule("outgoing", INTERFACE, PATH, ["X", "M*"]), {}),
])
def test_a_rule_that_matches_lets_a_call_out(workshop, bus, allowed, message):
    assert Conversation(workshop, bus, [allowed]).calls_out("M", **message) == (["M"], [None])


@pytest.mark.parametrize("other", [
    rule("incoming", INTERFACE, PATH, "M"),
    rule("in*", INTERFACE, PATH, "M"),
    rule("outgoing", "com.example.Interfac", PATH, "M"),
    rule("outgoing", "com.example.interface", PATH, "M"),
    rule("outgoing", "com.example.Interface?", PATH, "M"),
    rule("outgoing", "", PATH, "M"),
    rule("outgoing", INTERFACE, "/com/example", "M"),
    rule("outgoing", INTERFACE, "/com/example/Object/*", "M"),
    rule("outgoing", INTERFACE, "", "M"),
    rule("outgoing", INTERFACE, PATH, "m"),
    rule("outgoing", INTERFACE, PATH, ["X", "Y"]),
    rule("outgoing", INTERFACE, PATH, []),
    rule("outgoing", INTERFACE, PATH, "[M]"),
    rule("outgoing", INTERFACE, PATH, "\\M"),
    rule("outgoing", INTERFACE, PATH, "M", type="signal"),
    rule("outgoing", INTERFACE, PATH, "M", action="deny"),
])
@refused_by_the_gate
def test_a_rule_that_does_not_match_lets_no_call_out(workshop, bus, other):
    assert Conversation(workshop, bus, [other]).calls_out("M") == ([], [refusal(INTERFACE, "M", PATH)])


def test_rules_of_several_files_and_documents_add_up(workshop, bus):
    def document(member):
        return {"dbus-gateway-config-session": [rule("outgoing", method=member)]}

    array = workshop.directory / "array.json"
    array.write_text(json.dumps([document("A"), document("B")]))
    gate = Gate(workshop.directory, [array, workshop.config(document("C"))], bus.address)
    workshop.keep(gate)
    inside = Peer(gate.address)
    errors = [inside.ask(request("a.b", member)).get_error_name() for member in "ABCD"]
    assert errors == ["org.freedesktop.DBus.Error.ServiceUnknown"] * 3 + [ACCESS_DENIED]


# Signals

def test_an_allowed_signal_goes_out_and_one_of_another_interface_does_not(workshop, bus):
    scene = Conversation(workshop, bus, [rule("outgoing", INTERFACE, PATH, "*")])
    assert scene.signals_out(emission("Other", "com.example.Other"), emission("Allowed"), emission("Elsewhere", path="/"),
                             emission("Last")) == ["Allowed", "Last"]


def test_an_allowed_signal_comes_in_and_one_of_another_interface_does_not(workshop, bus):
    scene = Conversation(workshop, bus, [rule("incoming", INTERFACE, PATH, "*")])
    assert scene.signals_in(emission("Other", "com.example.Other"), emission("Allowed"), emission("Elsewhere", path="/"),
                            emission("Last")) == ["Allowed", "Last"]


def test_a_rule_about_one_signal_lets_no_other_through(workshop, bus):
    scene = Conversation(workshop, bus, [rule("outgoing", INTERFACE, PATH, "Out"), rule("incoming", INTERFACE, PATH, "In")])
    assert scene.signals_out(emission("Other"), emission("In"), emission("Out")) == ["Out"]
    assert scene.signals_in(emission("Other"), emission("Out"), emission("In")) == ["In"]


def test_cve_2024_34397_a_signal_to_the_client_alone_is_judged_like_any(workshop, bus):
    """CVE-2024-34397: a signal need not be asked for by a match rule."""
    scene = Conversation(workshop, bus, [rule("incoming", INTERFACE, PATH, "Allowed")])
    to = scene.inside.name
    assert scene.signals_in(emission("Denied", destination=to), emission("Allowed", destination=to)) == ["Allowed"]


def test_a_signal_to_one_peer_goes_out_by_a_rule_and_not_without(workshop, bus):
    scene = Conversation(workshop, bus, [rule("outgoing", INTERFACE, PATH, "Allowed")])
    to = scene.outside.name
    assert scene.signals_out(emission("Denied", destination=to), emission("Allowed", destination=to)) == ["Allowed"]


def test_cve_2015_0245_a_signal_that_wears_the_drivers_interface_comes_in_by_a_rule_alone(workshop, bus):
    """CVE-2015-0245."""
    forged = dict(interface=DRIVER, path="/org/freedesktop/DBus")
    closed = Conversation(workshop, bus, [rule("incoming", INTERFACE)])
    assert closed.signals_in(emission("NameOwnerChanged", **forged), emission("Last")) == ["Last"]


# A service inside

def test_a_service_inside_is_called_by_its_name_and_answers(workshop, bus):
    scene = Conversation(workshop, bus, [MAY_OWN, rule("incoming", INTERFACE, PATH, "Allowed")])
    assert scene.inside.own(NAME).get_body()[0] == 1
    serial = scene.outside.send(request(NAME, "Allowed", body=strings("text")))
    received = scene.inside.await_member("Allowed")
    assert (received.get_sender(), received.get_body().unpack()) == (scene.outside.name, ("text",))
    scene.inside.reply(received, strings("answer"))
    reply = scene.outside.answer_to(serial)
    assert (reply.get_message_type(), reply.get_sender(), reply.get_body().unpack()) == (RETURN, scene.inside.name, ("answer",))


def test_cve_2014_3477_a_forbidden_call_to_a_service_inside_is_refused_to_its_caller_and_never_seen(workshop, bus):
    scene = Conversation(workshop, bus, [MAY_OWN, rule("incoming", INTERFACE, PATH, "Allowed")])
    scene.inside.own(NAME)
    reply = scene.outside.ask(request(NAME, "Denied"))
    assert error_of(reply) == refusal(INTERFACE, "Denied", PATH, "incoming")
    assert reply.get_sender() == scene.inside.name
    scene.outside.send(request(NAME, "Allowed"))
    scene.inside.await_member("Allowed")
    assert scene.inside.seen() == []


def test_a_forbidden_incoming_call_that_wants_no_answer_gets_none_and_is_never_seen(workshop, bus):
    scene = Conversation(workshop, bus, [rule("incoming", INTERFACE, PATH, "Allowed")])
    assert scene.calls_in("Denied", "Allowed", wants_reply=False) == (["Allowed"], [None, None])


def test_a_rule_for_outgoing_calls_lets_none_in(workshop, bus):
    scene = Conversation(workshop, bus, [rule("outgoing")])
    assert scene.calls_in("M") == ([], [refusal(INTERFACE, "M", PATH, "incoming")])


def test_a_rule_for_incoming_calls_lets_them_in(workshop, bus):
    scene = Conversation(workshop, bus, [rule("incoming")])
    assert scene.calls_in("M") == (["M"], [None])


def test_the_error_of_a_service_inside_goes_out(workshop, bus):
    scene = Conversation(workshop, bus, [rule("incoming")])
    serial = scene.outside.send(request(scene.inside.name, "M"))
    received = scene.inside.await_member("M")
    scene.inside.send(Gio.DBusMessage.new_method_error_literal(received, "com.example.Error.Own", "its own text"))
    assert error_of(scene.outside.answer_to(serial)) == ("com.example.Error.Own", "its own text")


def test_calls_of_two_callers_with_one_serial_are_answered_apart(workshop, bus):
    scene = Conversation(workshop, bus, [rule("incoming")])
    callers = [Peer(bus.address), Peer(bus.address)]
    serials = [caller.send(request(scene.inside.name, f"From{index}")) for index, caller in enumerate(callers)]
    assert serials[0] == serials[1]
    requests = [scene.inside.await_member(f"From{index}") for index in range(2)]
    for index in (1, 0):
        scene.inside.reply(requests[index], strings(f"to {index}"))
    assert [caller.answer_to(serial).get_body()[0] for caller, serial in zip(callers, serials)] == ["to 0", "to 1"]


# Replies

def test_cve_2008_4311_an_answer_that_nobody_asked_for_does_not_go_out(workshop, bus):
    """CVE-2008-4311."""
    scene = Conversation(workshop, bus, EVERYTHING)
    scene.inside.send(answer(scene.outside.name, 4711, strings("unasked")))
    scene.settle()
    assert not [text_of(other) for other in scene.outside.unasked() if other.get_sender() == scene.inside.name]


def test_on_the_bare_bus_the_same_answer_arrives_unless_the_bus_itself_stops_it(bus):
    """So that it is the gate that stopped it. dbus-broker lets no answer without a call through either (peer_queue_reply in its
    src/bus/peer.c): there it is test_replies.py, with a raw bus, that shows what the gate does."""
    sender, receiver = Peer(bus.address), Peer(bus.address)
    sender.send(answer(receiver.name, 4711, strings("unasked")))
    for peer in (sender, receiver):
        peer.fence()
    arrived = [other.get_sender() for other in receiver.unasked() if other.get_reply_serial() == 4711]
    assert arrived == ([] if bus.program == "dbus-broker" else [sender.name])


def test_an_answer_that_the_client_did_not_ask_for_does_not_come_in(workshop, bus):
    scene = Conversation(workshop, bus, EVERYTHING)
    scene.outside.send(answer(scene.inside.name, 4711, strings("unasked")))
    scene.settle()
    assert not [text_of(other) for other in scene.inside.unasked() if other.get_sender() == scene.outside.name]


def test_a_call_is_answered_once_and_the_second_answer_goes_nowhere(workshop, bus):
    scene = Conversation(workshop, bus, EVERYTHING)
    serial = scene.outside.send(request(scene.inside.name, "M"))
    received = scene.inside.await_member("M")
    scene.inside.reply(received, strings("first"))
    scene.inside.reply(received, strings("second"))
    scene.settle()
    answers = [other.get_body()[0] for other in scene.outside.unasked() if other.get_reply_serial() == serial and other.get_body()]
    assert answers[:1] == ["first"] and "second" not in answers


def test_an_outgoing_call_is_answered_once_and_the_second_answer_does_not_come_in(workshop, bus):
    scene = Conversation(workshop, bus, EVERYTHING)
    serial = scene.inside.send(request(scene.outside.name, "M"))
    received = scene.outside.await_member("M")
    scene.outside.reply(received, strings("first"))
    scene.outside.reply(received, strings("second"))
    assert scene.inside.answer_to(serial).get_body()[0] == "first"
    scene.settle()
    assert not [text_of(other) for other in scene.inside.unasked() if other.get_sender() == scene.outside.name]


def test_a_call_to_a_unique_name_is_not_answered_by_another(workshop, bus):
    scene, intruder = Conversation(workshop, bus, EVERYTHING), Peer(bus.address)
    serial = scene.inside.send(request(scene.outside.name, "M"))
    received = scene.outside.await_member("M")
    intruder.send(answer(scene.inside.name, serial, strings("forged")))
    intruder.fence()
    scene.outside.reply(received, strings("genuine"))
    assert scene.inside.answer_to(serial).get_body()[0] == "genuine"


def test_a_denied_call_has_no_right_to_an_answer(workshop, bus):
    scene = Conversation(workshop, bus, [])
    serial = scene.inside.send(request(scene.outside.name, "M"))
    assert error_of(scene.inside.answer_to(serial)) == refusal(INTERFACE, "M", PATH)
    scene.outside.send(answer(scene.inside.name, serial, strings("late")))
    scene.settle()
    assert not [text_of(other) for other in scene.inside.unasked() if other.get_sender() == scene.outside.name]


def test_a_call_that_wants_no_answer_has_no_right_to_one(workshop, bus):
    scene = Conversation(workshop, bus, EVERYTHING)
    serial = scene.inside.send(request(scene.outside.name, "M", wants_reply=False))
    scene.outside.await_member("M")
    scene.outside.send(answer(scene.inside.name, serial, strings("unasked")))
    scene.settle()
    assert not [text_of(other) for other in scene.inside.unasked() if other.get_sender() == scene.outside.name]


def test_cve_2026_94422_a_reply_serial_on_a_call_or_a_signal_opens_nothing(workshop, bus):
    """CVE-2026-94422: a field in a message it does not belong to."""
    scene = Conversation(workshop, bus, [rule("incoming", INTERFACE, PATH, "Open")])
    serial = scene.outside.send(request(scene.inside.name, "Open"))
    scene.inside.await_member("Open")
    for message in (request(scene.outside.name, "Closed"), emission("Closed", destination=scene.outside.name)):
        message.set_reply_serial(serial)
        scene.inside.send(message)
    scene.settle()
    assert scene.outside.seen() == []


# The type

@pytest.mark.parametrize("types, passing", [
    ("method_call", ["Call"]), ("signal", ["Signal"]), (["method_call"], ["Call"]), (["signal", "method_call"], ["Call", "Signal"]),
    (None, ["Call", "Signal"])])
@pytest.mark.parametrize("direction", ["outgoing", "incoming"])
def test_a_rule_with_a_type_is_about_that_type_alone(workshop, bus, types, passing, direction):
    more = {} if types is None else {"type": types}
    scene = Conversation(workshop, bus, [rule(direction, INTERFACE, PATH, ["Call", "Signal"], **more)])
    sender, receiver = (scene.inside, scene.outside) if direction == "outgoing" else (scene.outside, scene.inside)
    sender.send(request(receiver.name, "Call"))
    sender.send(emission("Signal"))
    scene.settle()
    assert receiver.seen() == passing


# Deny rules

@pytest.mark.parametrize("first", ["allow", "deny"])
@pytest.mark.parametrize("direction", ["outgoing", "incoming"])
def test_deny_wins_wherever_it_stands(workshop, bus, first, direction):
    rules = [rule(direction), rule(direction, INTERFACE, PATH, "Denied", action="deny")]
    scene = Conversation(workshop, bus, rules if first == "allow" else rules[::-1])
    calls = scene.calls_out if direction == "outgoing" else scene.calls_in
    assert calls("Denied", "Allowed") == (["Allowed"], [refusal(INTERFACE, "Denied", PATH, direction), None])


@pytest.mark.parametrize("direction", ["outgoing", "incoming"])
def test_a_denied_signal_is_dropped_though_another_rule_allows_it(workshop, bus, direction):
    scene = Conversation(workshop, bus, [rule(direction), rule(direction, "*", "*", "Den*", action="deny")])
    signals = scene.signals_out if direction == "outgoing" else scene.signals_in
    assert signals(emission("Denied"), emission("Allowed")) == ["Allowed"]


def test_a_deny_rule_for_signals_stops_no_call(workshop, bus):
    scene = Conversation(workshop, bus, [rule(), rule(action="deny", type="signal")])
    assert scene.calls_out("M") == (["M"], [None])


# Calls without an interface

@pytest.mark.parametrize("interface", [INTERFACE, "com.*", "**", "?*", "", "*.*"])
@pytest.mark.parametrize("direction", ["outgoing", "incoming"])
def test_cve_2008_0595_a_call_without_interface_passes_by_no_rule_that_asks_for_one(workshop, bus, interface, direction):
    """CVE-2008-0595."""
    scene = Conversation(workshop, bus, [rule(direction, interface, PATH, "M")])
    calls = scene.calls_out if direction == "outgoing" else scene.calls_in
    assert calls("M", interface=None) == ([], [refusal("-", "M", PATH, direction)])


@pytest.mark.parametrize("direction", ["outgoing", "incoming"])
def test_a_call_without_interface_passes_by_a_rule_for_all_of_them(workshop, bus, direction):
    scene = Conversation(workshop, bus, [rule(direction, "*", PATH, "M")])
    calls = scene.calls_out if direction == "outgoing" else scene.calls_in
    assert calls("M", interface=None) == (["M"], [None])


@pytest.mark.parametrize("direction", ["outgoing", "incoming"])
def test_a_call_without_interface_is_met_by_a_deny_rule_for_any(workshop, bus, direction):
    scene = Conversation(workshop, bus, [rule(direction), rule(direction, INTERFACE, PATH, "Denied", action="deny")])
    calls = scene.calls_out if direction == "outgoing" else scene.calls_in
    assert calls("Denied", "Allowed", interface=None) == (["Allowed"], [refusal("-", "Denied", PATH, direction), None])


# Descriptors

@pytest.mark.parametrize("count, passes", [(0, True), (1, True), (2, True), (3, False)])
@pytest.mark.parametrize("direction", ["outgoing", "incoming"])
def test_a_rule_lets_through_as_many_descriptors_as_it_says(workshop, bus, count, passes, direction):
    scene = Conversation(workshop, bus, [rule(direction, **{"max-fds": 2})])
    sender, receiver = (scene.inside, scene.outside) if direction == "outgoing" else (scene.outside, scene.inside)
    with open(os.devnull) as null:
        message = with_descriptors(request(receiver.name, "M"), [null.fileno()] * count)
        serial = sender.send(message)
        scene.settle()
    arrived = [len(other.descriptors) for other in receiver.unasked() if other.get_member() == "M"]
    errors = [error_of(other) for other in sender.unasked() if other.get_reply_serial() == serial]
    assert (arrived, errors) == (([count], []) if passes else ([], [refusal(INTERFACE, "M", PATH, direction)]))


def test_a_deny_rule_with_max_fds_stops_what_carries_more_and_nothing_else(workshop, bus):
    scene = Conversation(workshop, bus, [rule("outgoing"), rule("outgoing", action="deny", **{"max-fds": 1})])
    with open(os.devnull) as null:
        for count in (0, 1):
            scene.inside.send(with_descriptors(request(scene.outside.name, f"M{count}"), [null.fileno()] * count))
            assert len(scene.outside.await_member(f"M{count}").descriptors) == count
        reply = scene.inside.ask(with_descriptors(request(scene.outside.name, "M2"), [null.fileno()] * 2))
    assert error_of(reply) == refusal(INTERFACE, "M2", PATH)
    scene.settle()
    assert scene.outside.seen() == []


def test_cve_2020_12049_descriptors_that_were_refused_do_not_stay_in_the_gate(workshop, bus):
    """CVE-2020-12049."""
    scene = Conversation(workshop, bus, [])
    scene.settle()
    before = scene.gate.descriptors()
    with open(os.devnull) as null:
        for _ in range(20):
            reply = scene.inside.ask(with_descriptors(request(scene.outside.name, "M"), [null.fileno()] * 8))
            assert error_of(reply) == refusal(INTERFACE, "M", PATH)
    assert scene.gate.descriptors() == before


def test_descriptors_arrive_as_the_files_they_are_in_both_directions(workshop, bus):
    scene = Conversation(workshop, bus, EVERYTHING)
    for sender, receiver in ((scene.inside, scene.outside), (scene.outside, scene.inside)):
        read, write = os.pipe()
        sender.send(with_descriptors(request(receiver.name, "M"), [write]))
        (received,) = receiver.await_member("M").descriptors
        os.write(received, b"through")
        for number in (received, write):
            os.close(number)
        assert os.read(read, 100) == b"through"
        os.close(read)


def test_more_descriptors_than_the_limit_are_refused_and_the_connection_lives_on(workshop, bus):
    scene = Conversation(workshop, bus, EVERYTHING, "--limit", "fds-per-message-max=16")
    with open(os.devnull) as null:
        scene.inside.send(with_descriptors(request(scene.outside.name, "Sixteen"), [null.fileno()] * 16))
        assert len(scene.outside.await_member("Sixteen").descriptors) == 16
        reply = scene.inside.ask(with_descriptors(request(scene.outside.name, "Seventeen"), [null.fileno()] * 17))
    assert reply.get_error_name() == "org.freedesktop.DBus.Error.LimitsExceeded"
    scene.settle()
    assert scene.outside.seen() == []


# The log

def test_denials_are_logged_with_what_was_denied_and_allowed_messages_are_not(workshop, bus):
    scene = Conversation(workshop, bus, [rule("outgoing", INTERFACE, PATH, "Allowed")])
    scene.calls_out("Allowed", "Denied")
    line = scene.gate.log.wait_for("member=Denied")
    for part in ("deny ", "gate=session", f"pid={os.getpid()}", f"uid={os.getuid()}", "direction=outgoing", "type=method_call",
                 f"sender={scene.inside.name}", f"destination={scene.outside.name}", f"path={PATH}", f"interface={INTERFACE}",
                 "reason=no-rule"):
        assert part in line
    assert scene.gate.log.matching("member=Allowed") == []


def test_an_incoming_denial_is_logged_too(workshop, bus):
    scene = Conversation(workshop, bus, [])
    scene.calls_in("Denied")
    scene.gate.log.wait_for("deny ", "direction=incoming", f"sender={scene.outside.name}", "member=Denied", f"interface={INTERFACE}")


def test_a_rule_logs_what_it_allows_if_it_says_so(workshop, bus):
    config = workshop.config([rule(method="Loud", log=True), rule(method="Quiet"), rule(method="Silent", log=False)])
    scene = Conversation(workshop, bus, config)
    scene.calls_out("Quiet", "Silent", "Loud")
    scene.gate.log.wait_for("allow ", "member=Loud", f"rule={config}:1")
    assert scene.gate.log.matching("member=Quiet") == scene.gate.log.matching("member=Silent") == []


def test_a_deny_rule_is_silent_if_it_says_so(workshop, bus):
    scene = Conversation(workshop, bus, [rule(action="deny", method="Silent", log=False), rule(action="deny", method="Loud", log=True),
                                  rule(action="deny", method="Quiet")])
    scene.calls_out("Silent", "Quiet", "Loud")
    scene.gate.log.wait_for("deny ", "member=Loud", "reason=rule")
    assert scene.gate.log.matching("member=Quiet", "reason=rule") != []
    assert scene.gate.log.matching("member=Silent") == []


def test_a_gate_that_logs_everything_logs_what_is_allowed_but_not_where_a_rule_says_no(workshop, bus):
    scene = Conversation(workshop, bus, [rule(method="Quiet"), rule(method="Silent", log=False)], "--log", "all")
    scene.calls_out("Silent", "Quiet", "Denied")
    scene.gate.log.wait_for("deny ", "member=Denied")
    assert scene.gate.log.matching("allow ", "member=Quiet") != []
    assert scene.gate.log.matching("member=Silent") == []


def test_a_gate_that_logs_nothing_logs_only_where_a_rule_says_so(workshop, bus):
    scene = Conversation(workshop, bus, [rule(method="Loud", log=True), rule(method="Quiet")], "--log", "none")
    scene.calls_out("Quiet", "Denied", "Loud")
    scene.gate.log.wait_for("allow ", "member=Loud")
    assert scene.gate.log.matching("member=Quiet") == scene.gate.log.matching("member=Denied") == []


# Reload

def test_a_reload_replaces_the_policy_of_live_connections(workshop, bus):
    config = workshop.config([rule("outgoing", method="Old")])
    scene = Conversation(workshop, bus, config)
    assert scene.calls_out("Old", "New") == (["Old"], [None, refusal(INTERFACE, "New", PATH)])
    config.write_text(workshop.config([rule("outgoing", method="New")]).read_text())
    assert "configuration reloaded" in scene.gate.reload()
    assert scene.calls_out("Old", "New") == (["Old", "New"], [refusal(INTERFACE, "Old", PATH), None])


def test_a_call_that_was_forwarded_keeps_its_right_to_an_answer_over_a_reload(workshop, bus):
    config = workshop.config(EVERYTHING)
    scene = Conversation(workshop, bus, config)
    outgoing = scene.inside.send(request(scene.outside.name, "Out"))
    incoming = scene.outside.send(request(scene.inside.name, "In"))
    seen_outside, seen_inside = scene.outside.await_member("Out"), scene.inside.await_member("In")
    config.write_text(workshop.config([]).read_text())
    scene.gate.reload()
    scene.outside.reply(seen_outside, strings("to the inside"))
    scene.inside.reply(seen_inside, strings("to the outside"))
    assert scene.inside.answer_to(outgoing).get_body()[0] == "to the inside"
    assert scene.outside.answer_to(incoming).get_body()[0] == "to the outside"
    assert scene.calls_out("Out") == ([], [refusal(INTERFACE, "Out", PATH)])


def test_two_clients_are_judged_alike_and_have_names_of_their_own(workshop, bus):
    gate = workshop.gate([rule("outgoing", INTERFACE, PATH, "Allowed")], bus)
    first, second, outside = Peer(gate.address), Peer(gate.address), Peer(bus.address)
    assert first.name != second.name
    serials = [(peer, peer.send(request(outside.name, "Allowed"))) for peer in (first, second)]
    for peer, _ in serials:
        received = outside.await_message(lambda message: message.get_member() == "Allowed" and message.get_sender() == peer.name)
        outside.reply(received, strings(f"to {peer.name}"))
    assert [peer.answer_to(serial).get_body()[0] for peer, serial in serials] == [f"to {first.name}", f"to {second.name}"]
    assert error_of(second.ask(request(outside.name, "Denied"))) == refusal(INTERFACE, "Denied", PATH)


def test_two_clients_of_one_gate_reach_each_other_only_by_rules_for_both_directions(workshop, bus):
    gate = workshop.gate([rule("outgoing", INTERFACE, PATH, ["Both", "Half"]), rule("incoming", INTERFACE, PATH, "Both")], bus)
    first, second = Peer(gate.address), Peer(gate.address)
    assert error_of(first.ask(request(second.name, "Half"))) == refusal(INTERFACE, "Half", PATH, "incoming")
    serial = first.send(request(second.name, "Both"))
    second.reply(second.await_member("Both"), strings("hello"))
    assert first.answer_to(serial).get_body()[0] == "hello"
