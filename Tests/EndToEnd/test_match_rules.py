"""The gate's own match rules, by which it follows who owns which name, beside the client's on the same connection: whatever the client sends
and whatever the bus refuses, the gate goes on knowing, and the client hears what it asked for and no more.
"""

import json

import pytest

from wire import DRIVER, METHOD_RETURN, driver_call, join, signal

TALK, OTHER = "com.example.Talk", "com.example.Other"
CHANGES = "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged'"
OWN = f"{CHANGES},arg0='{TALK}'"
# The same rule as the gate's own, in other words.
SPELLINGS = [OWN, "arg0=com.example.Talk, " + ",".join(reversed(CHANGES.split(","))), OWN.replace("'", "") + ","]
LEAVING = f"{CHANGES},arg2=''"
NOT_FOUND = "org.freedesktop.DBus.Error.MatchRuleNotFound"
ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
NAMES = {"talk": [TALK]}


def document(names=None, rules=()):
    return {"dbus-gateway-config-session": list(rules), **({"busgate": {"names": names}} if names is not None else {})}


class Stage:
    """A client behind a gate, and somebody outside who takes and leaves a name."""

    def __init__(self, workshop, bus, names=NAMES, rules=()):
        self.workshop, self.bus = workshop, bus
        self.config = workshop.config(document(names, rules))
        self.gate = workshop.gate(self.config, bus)
        self.client = join(workshop, self.gate.path)
        self.outside = join(workshop, bus.path)

    def reload(self, names=None, rules=()):
        self.config.write_text(json.dumps(document(names, rules)))
        assert "configuration reloaded" in self.gate.reload()

    def add(self, text, **more):
        return self.client.ask_driver("AddMatch", signature="s", args=[text], **more)

    def remove(self, text):
        return self.client.ask_driver("RemoveMatch", signature="s", args=[text])

    def unanswered(self, member, text):
        """As libdbus does it."""
        self.client.send(driver_call(self.client.next_serial(), member, signature="s", args=[text], flags=1))

    def hears(self, name=TALK):
        """Whether the client is told that somebody takes the name and leaves it."""
        self.client.round_trip()
        assert self.outside.ask_driver("RequestName", signature="su", args=[name, 0]).args == [1]
        assert self.outside.ask_driver("ReleaseName", signature="s", args=[name]).args == [1]
        told = [one.args for one in self.client.round_trip() if one.member == "NameOwnerChanged" and one.args[0] == name]
        assert told in ([], [[name, "", self.outside.name], [name, self.outside.name, ""]]), told
        return bool(told)

    def follows(self):
        """Whether the gate is told on this connection who owns the name: that one's signals reach the client, nobody else's."""
        def reaches():
            self.outside.send(signal(self.outside.next_serial(), "Sig", destination=self.client.name))
            self.outside.round_trip()
            return "Sig" in [one.member for one in self.client.round_trip()]

        # Somebody whom the gate has not met.
        self.outside = join(self.workshop, self.bus.path)
        assert not reaches()
        assert self.outside.ask_driver("RequestName", signature="su", args=[TALK, 0]).args == [1]
        is_told = reaches()
        assert self.outside.ask_driver("ReleaseName", signature="s", args=[TALK]).args == [1]
        return is_told


@pytest.fixture
def stage(workshop, bus):
    return Stage(workshop, bus)


# Eavesdropping

@pytest.mark.parametrize("member", ["AddMatch", "RemoveMatch"])
@pytest.mark.parametrize("addition", ["eavesdrop='false'", "eavesdrop=false", " eavesdrop =false", "eavesdrop='true'", "eavesdrop=''"])
def test_a_match_rule_with_the_key_eavesdrop_is_refused_whatever_its_value(stage, member, addition):
    for text in (addition, f"{OWN},{addition}", f"{addition},{OWN}"):
        answer = stage.client.ask_driver(member, signature="s", args=[text])
        assert (answer.error, answer.args[0].startswith("busgate: ")) == (ACCESS_DENIED, True), text
    assert stage.follows() and not stage.hears()


def test_no_rule_with_eavesdrop_makes_room_for_the_removal_of_the_gates_own(stage):
    for member, text in (("AddMatch", OWN + ",eavesdrop='false'"), ("RemoveMatch", OWN)):
        for _ in range(3):
            stage.unanswered(member, text)
            stage.client.ask_driver(member, signature="s", args=[text])
    assert stage.follows() and not stage.hears()


# The gate's own

@pytest.mark.parametrize("text", SPELLINGS)
def test_the_client_hears_what_the_gate_asked_for_as_often_as_it_has_added_it(stage, text):
    assert stage.remove(text).error == NOT_FOUND
    assert not stage.hears()
    for _ in range(2):
        assert stage.add(OWN).type == METHOD_RETURN
    assert stage.hears()
    assert stage.remove(text).type == METHOD_RETURN
    assert stage.hears()
    assert stage.remove(text).type == METHOD_RETURN
    assert not stage.hears()
    assert stage.remove(text).error == NOT_FOUND
    assert stage.follows()


def test_who_wants_no_answers_gets_none_and_hears_the_same(stage):
    stage.unanswered("AddMatch", OWN)
    assert stage.client.round_trip() == []
    assert stage.hears()
    stage.unanswered("RemoveMatch", OWN)
    stage.unanswered("RemoveMatch", OWN)
    assert stage.client.round_trip() == []
    assert not stage.hears() and stage.follows()


def test_the_answer_that_the_gate_gives_is_the_drivers(stage):
    answer = stage.add(OWN)
    assert (answer.sender, answer.destination, answer.args, answer.signature or "") == (DRIVER, stage.client.name, [], "")


def test_a_bus_that_has_no_room_for_rules_does_not_help_to_remove_the_gates_own(workshop, bus):
    """dbus-daemon takes so many rules of a connection, and refuses more."""
    stage = Stage(workshop, bus)
    for number in range(510):
        stage.client.send(driver_call(stage.client.next_serial(), "AddMatch", signature="s", args=[f"arg0='{number}'"]))
    stage.client.round_trip()
    for text in (OWN, LEAVING):
        stage.unanswered("AddMatch", text)
        stage.unanswered("RemoveMatch", text)
        stage.unanswered("RemoveMatch", text)
    assert not stage.hears() and stage.follows()


# All others

def test_all_other_rules_are_the_buss_to_add_and_to_remove(stage):
    other = f"{CHANGES},arg0='{OTHER}'"
    answer = stage.remove(other)
    assert answer.error == NOT_FOUND and not answer.args[0].startswith("busgate: ")
    stage.add(other)
    assert stage.remove(other).type == METHOD_RETURN
    assert not stage.remove(other).args[0].startswith("busgate: ")


def test_a_wider_rule_of_the_clients_is_the_buss_and_hears_what_is_visible(workshop, bus):
    stage = Stage(workshop, bus, {"talk": [TALK], "see": [OTHER]})
    stage.add("type='signal',member='NameOwnerChanged'")
    assert stage.hears(TALK) and stage.hears(OTHER) and not stage.hears("com.example.Hidden")
    assert stage.remove("member='NameOwnerChanged',type='signal'").type == METHOD_RETURN
    assert not stage.hears(TALK) and not stage.hears(OTHER)


# Across reloads

def test_a_rule_that_becomes_the_gates_own_is_still_the_clients_to_remove_and_leaves_the_gates(stage):
    stage.reload(None)
    for _ in range(2):
        stage.add(OWN)
    stage.reload(NAMES)
    assert stage.hears()
    stage.add(OWN)
    for _ in range(3):
        assert stage.hears()
        assert stage.remove(OWN).type == METHOD_RETURN
    assert not stage.hears() and stage.follows()
    assert stage.remove(OWN).error == NOT_FOUND
    assert stage.follows()


def test_a_rule_that_is_the_gates_no_more_is_still_the_clients(stage):
    stage.add(OWN)
    stage.add(OWN)
    stage.reload(None)
    assert stage.hears()
    stage.add(OWN)
    for _ in range(3):
        assert stage.hears()
        assert stage.remove(OWN).type == METHOD_RETURN
    assert not stage.hears()
    assert stage.remove(OWN).error == NOT_FOUND
    stage.reload(NAMES)
    assert stage.follows() and not stage.hears()


def test_a_rule_that_is_the_gates_only_for_a_while_leaves_the_client_as_many_as_it_has(stage):
    stage.reload(None)
    stage.add(OWN)
    for names in (NAMES, None, NAMES, {"talk": [OTHER]}, None):
        stage.reload(names)
        assert stage.hears() or names == {"talk": [OTHER]}
    assert stage.remove(OWN).type == METHOD_RETURN
    assert not stage.hears()
    assert stage.remove(OWN).error == NOT_FOUND


def test_what_was_added_without_asking_for_an_answer_cannot_take_the_gates_own_along(workshop, bus):
    """With its rules used up dbus-daemon refuses the AddMatch; the gate cannot know, and adds its own once more for each RemoveMatch."""
    stage = Stage(workshop, bus, None)
    fillers = [f"arg0='{number}'" for number in range(511)]
    for text in fillers:
        stage.client.send(driver_call(stage.client.next_serial(), "AddMatch", signature="s", args=[text]))
    stage.add("arg0='last'")
    for _ in range(3):
        stage.unanswered("AddMatch", OWN)
    for text in fillers[:100]:
        stage.remove(text)
    stage.reload(NAMES)
    for _ in range(4):
        stage.unanswered("RemoveMatch", OWN)
    assert stage.follows() and not stage.hears()
    stage.reload(None)
    assert not stage.hears()


def test_rules_from_before_names_were_followed_tell_no_more_than_they_ask_for(workshop, bus):
    stage = Stage(workshop, bus, None)
    stage.add("type='signal',interface='com.example.Open'")
    stage.add(f"{CHANGES},arg0='{OTHER}'")
    stage.reload({"talk": [TALK], "see": [OTHER]})
    assert not stage.hears(TALK), "only the gate has asked"
    assert stage.hears(OTHER)
