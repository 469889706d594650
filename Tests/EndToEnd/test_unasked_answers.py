"""Answers to calls that asked for none: dbus-daemon gives them all the same, and nothing may be made of them.

The client picks its serials. So the answer to a call of which the gate keeps no account could be taken for that to another one
with the same serial: one of the client's that may be told other things, or one of the gate's own.
"""

import json

import pytest

from harness import rule
from wire import DRIVER, NO_REPLY_EXPECTED, driver_call, join, signal

SECRET, NOBODY = "com.example.Secret", "com.example.Nobody"
INTERFACE = "com.example.Interface"
HIGHEST = 0xFFFFFFFF
OPEN = rule("incoming", INTERFACE)


def document(rules, **names):
    return {"dbus-gateway-config-session": list(rules), **({"busgate": {"names": names}} if names else {})}


class Stage:
    """A gate with a client, and a peer that owns a name."""

    def __init__(self, workshop, bus, rules, **names):
        self.config = workshop.config(document(rules, **names))
        self.gate = workshop.gate(self.config, bus)
        self.client = join(workshop, self.gate.path)
        self.peer = join(workshop, bus.path)
        self.peer.request_name(SECRET)

    def fence(self):
        """Everything that came before the answer to a call that is made now."""
        serial = self.client.next_serial()
        self.client.send(driver_call(serial, "GetId"))
        before = []
        while (one := self.client.receive()).reply != serial:
            before.append(one)
        return before

    def heard(self):
        self.peer.send(signal(self.peer.next_serial(), "Told", interface=INTERFACE))
        self.peer.round_trip()
        return [one for one in self.fence() if one.member == "Told"]


def ask_for_nothing(serial, member="GetNameOwner", **more):
    return driver_call(serial, member, flags=NO_REPLY_EXPECTED, **more)


@pytest.mark.parametrize("is_denied", [True, False], ids=["denied", "allowed"])
def test_no_answer_that_the_client_provokes_is_taken_for_one_to_the_gate(workshop, bus, is_denied):
    stage = Stage(workshop, bus, [OPEN])
    client = stage.client
    client.add_match(f"type='signal',interface='{INTERFACE}'")
    # Answers that are not read hold up those that follow: they come when the gate has asked who owns the name.
    client.send(b"".join(
        driver_call(client.next_serial(), "Introspect", "org.freedesktop.DBus.Introspectable") for _ in range(400)))
    client.send(ask_for_nothing(HIGHEST, "GetId") + ask_for_nothing(HIGHEST - 1, "GetId"))
    client.send(b"".join(ask_for_nothing(HIGHEST - n, signature="s", args=[NOBODY]) for n in range(2, 64)))
    rules = [rule("incoming", INTERFACE, action="deny", name=SECRET if is_denied else NOBODY), OPEN]
    stage.config.write_text(json.dumps(document(rules)))
    assert "configuration reloaded" in stage.gate.reload()
    stage.fence()
    assert len(stage.heard()) == (0 if is_denied else 1)


@pytest.mark.parametrize("member", ["ListNames", "ListActivatableNames"])
def test_a_list_that_nobody_asked_to_have_is_never_told_in_another_answers_place(workshop, bus, member):
    stage = Stage(workshop, bus, [], talk=["com.example.Seen"])
    client = stage.client
    serial = client.next_serial()
    client.send(ask_for_nothing(serial, member) + driver_call(serial, "GetId"))
    told = client.receive_reply(serial)
    assert isinstance(told.args[0], str), f"the answer to GetId has {told.args}"
    assert SECRET not in str(client.ask_driver("ListNames").args)


def test_a_list_that_is_asked_for_is_told(workshop, bus):
    stage = Stage(workshop, bus, [], talk=[SECRET])
    assert SECRET in stage.client.ask_driver("ListNames").args[0]


def test_a_name_is_counted_and_given_back_whatever_answers_the_client_provokes(workshop, bus):
    owning = rule("outgoing", DRIVER, method=["RequestName", "ReleaseName"])
    config = workshop.config(document([owning]))
    gate = workshop.gate(config, bus, "--limit", "names-max=2")
    client, outside = join(workshop, gate.path), join(workshop, bus.path)
    mine = [f"com.example.Mine{n}" for n in range(4)]
    for name in mine:
        serial = client.next_serial()
        client.send(
            ask_for_nothing(serial, signature="s", args=[NOBODY])
            + driver_call(serial, "RequestName", signature="su", args=[name, 0]))
        client.receive_reply(serial)
    client.round_trip()

    def owned():
        return sorted(name for name in outside.ask_driver("ListNames").args[0] if name in mine)

    assert owned() == mine[:2]
    config.write_text(json.dumps(document([])))
    assert "configuration reloaded" in gate.reload()
    client.round_trip()
    assert owned() == []
