"""What a client may ask of the message bus itself, with a policy that opens nothing, one that opens everything, and one that names it."""

import pytest
from gi.repository import GLib

from harness import EVERYTHING, rule
from peer import (
    ACCESS_DENIED, DRIVER, DRIVER_PATH, ERROR, INTROSPECTABLE, PEER, PROPERTIES, RETURN, Peer, call, driver_call, error_of, is_from_gate,
    refusal, signal, strings, text_of)

refused_by_the_gate = pytest.mark.one_bus("the gate refuses, and no bus hears of the call")

MONITORING = "org.freedesktop.DBus.Monitoring"
STATS = "org.freedesktop.DBus.Debug.Stats"

ALWAYS_OPEN = {
    "GetId": (DRIVER, None),
    "GetNameOwner": (DRIVER, strings(DRIVER)),
    "NameHasOwner": (DRIVER, strings(DRIVER)),
    "ListNames": (DRIVER, None),
    "ListActivatableNames": (DRIVER, None),
    "ListQueuedOwners": (DRIVER, strings(DRIVER)),
    "GetConnectionUnixUser": (DRIVER, strings(DRIVER)),
    "GetConnectionUnixProcessID": (DRIVER, strings(DRIVER)),
    "GetConnectionCredentials": (DRIVER, strings(DRIVER)),
    "GetAdtAuditSessionData": (DRIVER, strings(DRIVER)),
    "GetConnectionSELinuxSecurityContext": (DRIVER, strings(DRIVER)),
    "AddMatch": (DRIVER, strings("type='signal'")),
    "Ping": (PEER, None),
    "GetMachineId": (PEER, None),
    "Introspect": (INTROSPECTABLE, None),
    "Get": (PROPERTIES, strings(DRIVER, "Features")),
    "GetAll": (PROPERTIES, strings(DRIVER)),
}

REQUEST = GLib.Variant("(su)", ("com.example.Inside", 4))
NAME = strings("com.example.Inside")
ENVIRONMENT = GLib.Variant("(a{ss})", ({},))
MONITOR = GLib.Variant("(asu)", ([], 0))
PROPERTY = GLib.Variant("(ssv)", (DRIVER, "Features", GLib.Variant("s", "")))

# What only a rule opens, and what only a rule that names it opens.
BY_RULE = {"RequestName": (DRIVER, REQUEST), "ReleaseName": (DRIVER, NAME)}
BY_LITERAL_RULE = {
    "UpdateActivationEnvironment": (DRIVER, ENVIRONMENT),
    "ReloadConfig": (DRIVER, None),
    "BecomeMonitor": (MONITORING, MONITOR),
    "GetStats": (STATS, None),
    "GetAllMatchRules": (STATS, None),
    "EnableVerbose": ("org.freedesktop.DBus.Verbose", None),
    "StopListening": ("org.freedesktop.DBus.Containers1", GLib.Variant("(o)", ("/",))),
    "Set": (PROPERTIES, PROPERTY),
    "NotYetInvented": (DRIVER, None),
    "AlsoNotInvented": ("org.freedesktop.DBus.Later9", None),
}
ABOUT_NAMES = {"GetNameOwner", "NameHasOwner", "ListQueuedOwners", "GetConnectionUnixUser", "GetConnectionUnixProcessID", "RequestName",
               "GetConnectionCredentials", "GetAdtAuditSessionData", "GetConnectionSELinuxSecurityContext", "ReleaseName"}
WITH_INTERFACE = [True, False]
NEARLY_LITERAL = [
    lambda interface, member: rule(interface="*", method=member),
    lambda interface, member: rule(interface=interface, method="*"),
    lambda interface, member: rule(interface=interface, method=member[:-1] + "?"),
    lambda interface, member: rule(interface=interface[:-1] + "*", method=member),
]


def ask(peer, member, table, with_interface=True):
    interface, body = table[member]
    return peer.ask(driver_call(member, body, interface if with_interface else None))


def refused(member, table, with_interface=True):
    """What a denied call is answered."""
    interface, body = table[member]
    about = body[0] if interface == DRIVER and member in ABOUT_NAMES else None
    return refusal(interface if with_interface else "-", member, DRIVER_PATH, about=about)


def outgoing(member, table, **more):
    """The rule that names a driver's method."""
    return rule("outgoing", table[member][0], DRIVER_PATH, member, **more)


@pytest.mark.parametrize("member", ALWAYS_OPEN)
@pytest.mark.parametrize("with_interface", WITH_INTERFACE, ids=["named", "without-interface"])
def test_what_every_connection_needs_is_answered_by_the_bus_though_the_policy_is_empty(workshop, bus, member, with_interface):
    bare = ask(Peer(bus.address), member, ALWAYS_OPEN, with_interface)
    inside = ask(Peer(workshop.gate([], bus).address), member, ALWAYS_OPEN, with_interface)
    assert error_of(inside) == error_of(bare)
    assert inside.get_message_type() == bare.get_message_type()
    assert not is_from_gate(inside)


@refused_by_the_gate
@pytest.mark.parametrize("member", [*BY_RULE, *BY_LITERAL_RULE])
@pytest.mark.parametrize("with_interface", WITH_INTERFACE, ids=["named", "without-interface"])
def test_what_not_every_connection_needs_is_closed_by_an_empty_policy(workshop, bus, member, with_interface):
    table = {**BY_RULE, **BY_LITERAL_RULE}
    inside = Peer(workshop.gate([], bus).address)
    answer = ask(inside, member, table, with_interface)
    assert error_of(answer) == refused(member, table, with_interface)
    assert answer.get_sender() == DRIVER
    inside.fence()


@refused_by_the_gate
@pytest.mark.parametrize("member", BY_LITERAL_RULE)
@pytest.mark.parametrize("with_interface", WITH_INTERFACE, ids=["named", "without-interface"])
def test_no_wildcard_opens_what_only_a_literal_rule_opens(workshop, bus, member, with_interface):
    interface, _ = BY_LITERAL_RULE[member]
    gate = workshop.gate(EVERYTHING + [near(interface, member) for near in NEARLY_LITERAL], bus)
    inside = Peer(gate.address)
    answer = ask(inside, member, BY_LITERAL_RULE, with_interface)
    assert error_of(answer) == refusal(interface if with_interface else "-", member, DRIVER_PATH)
    inside.fence()


@pytest.mark.parametrize("member", BY_LITERAL_RULE)
def test_a_rule_that_names_it_opens_it(workshop, bus, member):
    bare = ask(Peer(bus.address), member, BY_LITERAL_RULE)
    gate = workshop.gate([outgoing(member, BY_LITERAL_RULE)], bus)
    inside = ask(Peer(gate.address), member, BY_LITERAL_RULE)
    assert not is_from_gate(inside)
    assert error_of(inside) == error_of(bare)
    assert inside.get_message_type() == bare.get_message_type()


@pytest.mark.parametrize("member", ["GetStats", "BecomeMonitor", "UpdateActivationEnvironment", "Set"])
def test_a_literal_rule_opens_it_for_calls_without_interface_too(workshop, bus, member):
    bare = ask(Peer(bus.address), member, BY_LITERAL_RULE, with_interface=False)
    inside = ask(Peer(workshop.gate([outgoing(member, BY_LITERAL_RULE)], bus).address), member, BY_LITERAL_RULE, with_interface=False)
    assert not is_from_gate(inside)
    assert error_of(inside) == error_of(bare)


@refused_by_the_gate
def test_a_method_without_interface_that_nobody_knows_stays_closed_whatever_is_named(workshop, bus):
    gate = workshop.gate([outgoing("NotYetInvented", BY_LITERAL_RULE)], bus)
    answer = ask(Peer(gate.address), "NotYetInvented", BY_LITERAL_RULE, with_interface=False)
    assert error_of(answer) == refusal("-", "NotYetInvented", DRIVER_PATH)


@refused_by_the_gate
@pytest.mark.parametrize("member", [*BY_RULE, *BY_LITERAL_RULE])
def test_a_rule_for_incoming_messages_or_signals_or_another_path_opens_nothing(workshop, bus, member):
    table = {**BY_RULE, **BY_LITERAL_RULE}
    interface, _ = table[member]
    gate = workshop.gate([
        rule("incoming", interface, "*", member),
        rule("outgoing", interface, "*", member, type="signal"),
        rule("outgoing", interface, "/elsewhere", member)], bus)
    assert error_of(ask(Peer(gate.address), member, table)) == refused(member, table)


def test_the_driver_answers_on_any_path_and_so_does_the_gate(workshop, bus):
    inside = Peer(workshop.gate([], bus).address)
    assert inside.ask(driver_call("GetId", path="/any/path")).get_message_type() == RETURN
    assert error_of(inside.ask(driver_call("GetStats", None, STATS, "/any/path"))) == refusal(STATS, "GetStats", "/any/path")


def test_a_call_without_destination_is_judged_as_the_drivers(workshop, bus):
    inside = Peer(workshop.gate(EVERYTHING, bus).address)
    assert error_of(inside.ask(call(None, DRIVER_PATH, STATS, "GetStats"))) == refusal(STATS, "GetStats", DRIVER_PATH)
    inside.fence()


@pytest.mark.parametrize("member, body", [("AddMatch", strings("type='signal'")), ("RequestName", REQUEST), ("ListNames", None)])
def test_what_is_asked_without_destination_is_answered_as_on_the_plain_bus(workshop, bus, member, body):
    """dbus-daemon does not take such a call for its own, and answers it with neither SENDER nor DESTINATION."""
    def answer(peer):
        reply = peer.ask(call(None, DRIVER_PATH, DRIVER, member, body))
        return reply.get_message_type(), error_of(reply)[0] if reply.get_message_type() == ERROR else None

    outside = Peer(bus.address)
    expected = answer(outside)
    outside.close()
    inside = Peer(workshop.gate([rule("outgoing", DRIVER, DRIVER_PATH, ["RequestName"])], bus).address)
    assert answer(inside) == expected
    inside.fence()


# Names

@pytest.mark.parametrize("by", [rule("outgoing", DRIVER, DRIVER_PATH, ["RequestName", "ReleaseName"]), rule("outgoing")],
                         ids=["literal", "wildcard"])
@pytest.mark.parametrize("with_interface", WITH_INTERFACE, ids=["named", "without-interface"])
def test_a_rule_lets_a_client_own_a_name_and_give_it_back(workshop, bus, by, with_interface):
    inside, outside = Peer(workshop.gate([by], bus).address), Peer(bus.address)
    assert ask(inside, "RequestName", BY_RULE, with_interface).get_body()[0] == 1
    assert outside.ask(driver_call("GetNameOwner", NAME)).get_body()[0] == inside.name
    assert ask(inside, "ReleaseName", BY_RULE, with_interface).get_body()[0] == 1
    assert outside.ask(driver_call("NameHasOwner", NAME)).get_body()[0] is False


def test_without_a_rule_the_bus_never_hears_of_the_name(workshop, bus):
    inside, outside = Peer(workshop.gate([], bus).address), Peer(bus.address)
    inside.own("com.example.Inside")
    assert outside.ask(driver_call("NameHasOwner", NAME)).get_body()[0] is False


def test_a_client_is_told_of_the_names_it_acquires_and_loses(workshop, bus):
    inside = Peer(workshop.gate([rule("outgoing", DRIVER, "*", ["RequestName", "ReleaseName"])], bus).address)
    ask(inside, "RequestName", BY_RULE)
    assert inside.await_message(acquired("com.example.Inside")).get_sender() == DRIVER
    ask(inside, "ReleaseName", BY_RULE)
    assert inside.await_member("NameLost").get_body()[0] == "com.example.Inside"


def acquired(name):
    return lambda message: message.get_member() == "NameAcquired" and message.get_body()[0] == name


def test_a_client_is_told_of_owners_that_change(workshop, bus):
    inside, outside = Peer(workshop.gate([], bus).address), Peer(bus.address)
    inside.subscribe("type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='com.example.Outside'")
    outside.own("com.example.Outside")
    assert inside.await_member("NameOwnerChanged").get_body().unpack() == ("com.example.Outside", "", outside.name)


def test_cve_2015_0245_a_service_cannot_forge_a_signal_of_the_driver(workshop, bus):
    """CVE-2015-0245: the interface says nothing, only the sender does, and that is written by the bus."""
    inside, outside = Peer(workshop.gate([rule("incoming", "com.example", "*", "Later")], bus).address), Peer(bus.address)
    inside.subscribe()
    outside.send(signal(DRIVER_PATH, DRIVER, "NameOwnerChanged", strings("a.b", "", ":1.9"), destination=inside.name))
    outside.send(signal(DRIVER_PATH, DRIVER, "NameOwnerChanged", strings("a.b", "", ":1.9")))
    outside.send(signal("/x", "com.example", "Later"))
    inside.await_member("Later")
    assert not [text_of(other) for other in inside.unasked() if other.get_sender() != DRIVER]


# Starting services

START = GLib.Variant("(su)", ("com.example.Absent", 0))
SERVICE_UNKNOWN = "org.freedesktop.DBus.Error.ServiceUnknown"


@pytest.mark.parametrize("interface", [DRIVER, None], ids=["named", "without-interface"])
def test_starting_a_service_without_a_rule_is_answered_service_unknown(workshop, bus, interface):
    answer = Peer(workshop.gate([], bus).address).ask(driver_call("StartServiceByName", START, interface))
    assert answer.get_error_name() == SERVICE_UNKNOWN
    assert is_from_gate(answer)
    assert answer.get_sender() == DRIVER


@pytest.mark.parametrize("by", [rule("outgoing", DRIVER, DRIVER_PATH, "StartServiceByName"), rule("outgoing")], ids=["literal", "wildcard"])
def test_starting_a_service_by_a_rule_is_answered_by_the_bus(workshop, bus, by):
    bare = Peer(bus.address).ask(driver_call("StartServiceByName", START))
    inside = Peer(workshop.gate([by], bus).address).ask(driver_call("StartServiceByName", START))
    assert error_of(inside) == error_of(bare)
    assert not is_from_gate(inside)


# Deny rules

@refused_by_the_gate
@pytest.mark.parametrize("member", [member for member in ALWAYS_OPEN if member != "GetId"])
@pytest.mark.parametrize("with_interface", WITH_INTERFACE, ids=["named", "without-interface"])
def test_a_deny_rule_closes_what_is_always_open(workshop, bus, member, with_interface):
    inside = Peer(workshop.gate([outgoing(member, ALWAYS_OPEN, action="deny")], bus).address)
    answer = ask(inside, member, ALWAYS_OPEN, with_interface)
    assert error_of(answer) == refused(member, ALWAYS_OPEN, with_interface)
    inside.fence()


@refused_by_the_gate
def test_a_deny_rule_wins_over_a_literal_allow_rule(workshop, bus):
    gate = workshop.gate([outgoing("GetStats", BY_LITERAL_RULE), rule(interface="org.freedesktop.DBus.Debug.*", action="deny")], bus)
    assert error_of(ask(Peer(gate.address), "GetStats", BY_LITERAL_RULE)) == refusal(STATS, "GetStats", DRIVER_PATH)


def test_no_deny_rule_stops_hello(workshop, bus):
    inside = Peer(workshop.gate([rule(action="deny")], bus).address)
    assert inside.name.startswith(":")
    assert error_of(inside.ask(driver_call("GetId"))) == refusal(DRIVER, "GetId", DRIVER_PATH)


# Match rules

EAVESDROPPING = [
    "eavesdrop='true'",
    "eavesdrop=true",
    "type='signal',eavesdrop='true'",
    "type='method_call', eavesdrop='true'",
    "eavesdrop = 'true'",
    "eavesdrop ='true'",
    "eavesdrop\t='true'",
    " \teavesdrop\n=true",
    "eavesdrop='tr'ue",
    "eavesdrop=t''rue",
    "eavesdrop=\\true",
    "type='signal',eavesdrop='true',member='X'",
    "eavesdrop='true',",
    "eavesdrop=true,eavesdrop=false",
    "eavesdrop=false,eavesdrop=true",
    "eavesdrop=false",
    "type='signal',eavesdrop='false'",
]
NOT_EAVESDROPPING = ["member='eavesdrop',type='signal'", "arg0='eavesdrop=true'", "arg0=\\'eavesdrop=true"]


def knows_no_eavesdropping(bus):
    """dbus-broker refuses the key, whatever its value, as every one that it does not know (match_keys_assign in its src/bus/match.c)."""
    return bus.program == "dbus-broker"


INVALID = [
    "type", "type=", "type='nonsense'", "nonsense='x'", "member='X", "member='X',member='Y'", "path='not a path'", "arg64='x'",
    "type='signal',,"]


@pytest.mark.parametrize("spelling", EAVESDROPPING)
@pytest.mark.parametrize("interface", [DRIVER, None], ids=["named", "without-interface"])
def test_ghsa_vjp5_hjfm_7677_a_match_rule_that_asks_to_eavesdrop_is_refused_in_any_spelling(workshop, bus, spelling, interface):
    """GHSA-vjp5-hjfm-7677."""
    inside = Peer(workshop.gate(EVERYTHING, bus).address)
    answer = inside.ask(driver_call("AddMatch", strings(spelling), interface))
    assert answer.get_error_name() == ACCESS_DENIED
    assert is_from_gate(answer)
    inside.fence()


@pytest.mark.parametrize("spelling", NOT_EAVESDROPPING)
def test_a_match_rule_that_only_mentions_eavesdropping_is_forwarded(workshop, bus, spelling):
    bare = Peer(bus.address).ask(driver_call("AddMatch", strings(spelling)))
    assert error_of(bare) is None, text_of(bare)
    answer = Peer(workshop.gate([], bus).address).ask(driver_call("AddMatch", strings(spelling)))
    assert error_of(answer) == error_of(bare)
    assert not is_from_gate(answer)


def test_ghsa_vjp5_hjfm_7677_an_eavesdropper_sees_nothing_of_others_though_its_connection_lives_on(workshop, bus):
    inside, caller, callee = Peer(workshop.gate(EVERYTHING, bus).address), Peer(bus.address), Peer(bus.address)
    inside.ask(driver_call("AddMatch", strings("eavesdrop =true")))
    caller.send(call(callee.name, "/x", "com.example", "Secret"))
    callee.await_member("Secret")
    caller.send(call(inside.name, "/x", "com.example", "Public"))
    inside.await_member("Public")
    assert inside.seen() == []


def test_on_the_bare_bus_the_same_eavesdropper_sees_it_if_the_bus_knows_eavesdropping(bus):
    listener, caller, callee = Peer(bus.address), Peer(bus.address), Peer(bus.address)
    answer = listener.ask(driver_call("AddMatch", strings("eavesdrop =true")))
    if knows_no_eavesdropping(bus):
        assert answer.get_error_name() == "org.freedesktop.DBus.Error.MatchRuleInvalid"
        return
    assert answer.get_message_type() == RETURN, text_of(answer)
    caller.send(call(callee.name, "/x", "com.example", "Secret"))
    assert listener.await_member("Secret").get_destination() == callee.name


@pytest.mark.parametrize("text", INVALID)
def test_a_match_rule_that_cannot_be_parsed_is_answered_as_the_bus_answers_it(workshop, bus, text):
    name = "org.freedesktop.DBus.Error.MatchRuleInvalid"
    assert Peer(bus.address).ask(driver_call("AddMatch", strings(text))).get_error_name() == name
    answer = Peer(workshop.gate(EVERYTHING, bus).address).ask(driver_call("AddMatch", strings(text)))
    assert answer.get_error_name() == name
    assert is_from_gate(answer)


@pytest.mark.parametrize("text", ["=x", "=x,eavesdrop='true'", "eavesdrop='true',=x"])
def test_a_match_rule_with_an_empty_key_is_refused_though_one_bus_reads_it_as_the_end(workshop, bus, text):
    answer = Peer(workshop.gate(EVERYTHING, bus).address).ask(driver_call("AddMatch", strings(text)))
    assert answer.get_error_name() == "org.freedesktop.DBus.Error.MatchRuleInvalid"


def test_a_match_rule_is_removed_as_often_as_it_was_added(workshop, bus):
    inside = Peer(workshop.gate([], bus).address)
    inside.subscribe("type='signal',member='X'")
    inside.subscribe("member=X,type=signal")
    answers = [inside.ask(driver_call("RemoveMatch", strings("type='signal',member='X'"))) for _ in range(3)]
    assert [answer.get_error_name() for answer in answers] == [None, None, "org.freedesktop.DBus.Error.MatchRuleNotFound"]


# Monitors

def test_a_monitor_by_a_rule_sees_what_passes_on_the_bus(workshop, bus):
    gate = workshop.gate([outgoing("BecomeMonitor", BY_LITERAL_RULE)], bus)
    inside, caller, callee = Peer(gate.address), Peer(bus.address), Peer(bus.address)
    assert ask(inside, "BecomeMonitor", BY_LITERAL_RULE).get_message_type() == RETURN
    request = caller.send(call(callee.name, "/x", "com.example", "Secret"))
    callee.reply(callee.await_member("Secret"))
    assert inside.await_member("Secret").get_destination() == callee.name
    inside.await_message(lambda message: message.get_message_type() == RETURN and message.get_reply_serial() == request
                         and message.get_destination() == caller.name)


def test_a_client_that_is_no_monitor_sees_nothing_of_it(workshop, bus):
    inside, caller, callee = Peer(workshop.gate(EVERYTHING, bus).address), Peer(bus.address), Peer(bus.address)
    assert error_of(ask(inside, "BecomeMonitor", BY_LITERAL_RULE)) == refusal(MONITORING, "BecomeMonitor", DRIVER_PATH)
    caller.send(call(callee.name, "/x", "com.example", "Secret"))
    callee.await_member("Secret")
    caller.fence()
    inside.fence()
    assert inside.seen() == []


def test_a_reload_that_takes_the_rule_away_closes_the_monitor_and_only_it(workshop, bus):
    config = workshop.config([outgoing("BecomeMonitor", BY_LITERAL_RULE)])
    gate = workshop.gate(config, bus)
    monitor, other = Peer(gate.address), Peer(gate.address)
    ask(monitor, "BecomeMonitor", BY_LITERAL_RULE)
    config.write_text('{"dbus-gateway-config-session": []}')
    gate.reload()
    monitor.await_close()
    other.fence()


def test_a_reload_that_keeps_the_rule_keeps_the_monitor(workshop, bus):
    config = workshop.config([outgoing("BecomeMonitor", BY_LITERAL_RULE)])
    gate = workshop.gate(config, bus)
    monitor, caller, callee = Peer(gate.address), Peer(bus.address), Peer(bus.address)
    ask(monitor, "BecomeMonitor", BY_LITERAL_RULE)
    gate.reload()
    caller.send(call(callee.name, "/x", "com.example", "Secret"))
    assert monitor.await_member("Secret").get_destination() == callee.name
