"""What an answer grants, and what a client has, under a policy that changed since it was asked for: the policy in force decides.

The client stops reading before it asks, so that the answer comes only when it reads again, under the policy that is in force then.
"""

import json

import pytest

from harness import rule
from wire import ACCESS_DENIED, DRIVER, DRIVER_PATH, ERROR, METHOD_RETURN, call, driver_call, eventually, join

MONITORING = "org.freedesktop.DBus.Monitoring"
NAMES_BY_RULE = rule("outgoing", DRIVER, DRIVER_PATH, ["RequestName", "ReleaseName"])
MONITOR_BY_RULE = rule("outgoing", MONITORING, DRIVER_PATH, "BecomeMonitor")
NAME, OTHER = "com.example.Inside", "com.example.Other"
NO_OWNER = "org.freedesktop.DBus.Error.NameHasNoOwner"
SEEN, HIDDEN = "com.example.Seen", "com.example.Hidden"


def document(rules=(), names=None):
    return {"dbus-gateway-config-session": list(rules), **({"busgate": {"names": names}} if names is not None else {})}


class Stage:
    """A gate whose policy changes, with a client that has it before it."""

    def __init__(self, workshop, bus, *policy, **options):
        self.workshop, self.bus = workshop, bus
        self.config = workshop.config(document(*policy))
        self.gate = workshop.gate(self.config, bus, *options.get("arguments", ()))
        self.client = join(workshop, self.gate.path)
        self.outside = join(workshop, bus.path)

    def reload(self, *policy):
        self.config.write_text(json.dumps(document(*policy)))
        assert "configuration reloaded" in self.gate.reload()

    def stop_reading(self):
        """Calls whose answers fill every buffer on the way: what is answered after them is not read before they are taken."""
        calls = b"".join(
            driver_call(self.client.next_serial(), "Introspect", "org.freedesktop.DBus.Introspectable") for _ in range(400))
        self.client.send(calls)

    def owner(self, name):
        reply = self.outside.ask_driver("GetNameOwner", signature="s", args=[name])
        return reply.args[0] if reply.type == METHOD_RETURN else None

    def await_owner(self, name, owner):
        eventually(lambda: self.owner(name) == owner, f"{name} is owned by {owner}")

    def ask_unread(self, member, interface=DRIVER, path=DRIVER_PATH, **more):
        serial = self.client.next_serial()
        self.client.send(call(serial, DRIVER, member, interface, path, **more))
        return serial


def request(stage, name, flags=0):
    return stage.client.ask_driver("RequestName", signature="su", args=[name, flags]).args[0]


def losses(messages):
    return [one.args[0] for one in messages if one.member == "NameLost"]


# Monitors

def become_monitor(stage):
    return stage.ask_unread("BecomeMonitor", MONITORING, signature="asu", args=[[], 0])


def test_a_monitor_that_the_policy_in_force_does_not_allow_is_closed_when_its_late_answer_comes(workshop, bus):
    stage = Stage(workshop, bus, [MONITOR_BY_RULE])
    stage.stop_reading()
    serial = become_monitor(stage)
    # It is one on the bus, where it has lost its unique name with that.
    stage.await_owner(stage.client.name, None)
    stage.reload([])
    late = stage.client.receive_all()
    assert not [one for one in late if one.reply == serial], "the late answer was granted"
    stage.gate.log.wait_for("the rule that allowed BecomeMonitor was taken away")


def test_a_monitor_that_the_policy_in_force_allows_gets_its_late_answer(workshop, bus):
    stage = Stage(workshop, bus, [MONITOR_BY_RULE])
    stage.stop_reading()
    serial = become_monitor(stage)
    stage.await_owner(stage.client.name, None)
    stage.reload([MONITOR_BY_RULE, rule()])
    assert stage.client.receive_reply(serial).type == METHOD_RETURN
    stage.outside.round_trip()
    assert stage.client.receive_member("GetId").sender == stage.outside.name


# Lists

LISTS = ["ListNames", "ListActivatableNames"]


@pytest.mark.parametrize("before, after, is_told", [
    ({"see": [SEEN]}, {"see": [SEEN]}, False),
    ({"see": [SEEN]}, None, True),
    (None, {"see": [SEEN]}, False),
    (None, None, True),
    ({"see": [HIDDEN]}, {"see": [SEEN]}, False),
    ({"see": [SEEN]}, {"see": [HIDDEN]}, True)], ids=["names", "names-to-none", "none-to-names", "none", "fewer", "more"])
def test_a_late_list_of_names_has_what_the_policy_in_force_shows(workshop, bus, before, after, is_told):
    stage = Stage(workshop, bus, [], before)
    stage.outside.request_name(HIDDEN)
    stage.stop_reading()
    serial = stage.ask_unread("ListNames")
    stage.client.await_read()
    stage.reload([], after)
    listed = stage.client.receive_reply(serial).args[0]
    assert (HIDDEN in listed) == is_told
    assert stage.client.name in listed and DRIVER in listed


# Questions

QUESTIONS = ["GetNameOwner", "NameHasOwner", "GetConnectionUnixUser", "GetConnectionUnixProcessID", "GetConnectionCredentials"]


def late_answers(stage, member, names, *after):
    """The answers to questions that were asked before the policy changed."""
    stage.stop_reading()
    serials = [stage.ask_unread(member, signature="s", args=[name]) for name in names]
    stage.client.await_read()
    stage.reload(*after)
    answers = [stage.client.receive_until(lambda one: one.reply in serials)[-1] for _ in names]
    return sorted(answers, key=lambda one: one.reply)


@pytest.mark.parametrize("member", QUESTIONS)
@pytest.mark.parametrize("before", [None, {"see": ["com.example.*"]}], ids=["no-names", "names"])
def test_a_late_answer_about_a_name_tells_nothing_that_the_policy_in_force_hides(workshop, bus, member, before):
    stage = Stage(workshop, bus, [], before)
    stage.outside.request_name(HIDDEN)
    answers = late_answers(stage, member, [HIDDEN, "com.example.Nobody"], [], {"see": [SEEN]})
    if member == "NameHasOwner":
        assert [one.args for one in answers] == [[0], [0]]
    else:
        assert [(one.error, one.args[0].startswith("busgate: ")) for one in answers] == [(NO_OWNER, True)] * 2
        assert answers[0].args == answers[1].args, "as if it did not exist"


@pytest.mark.parametrize("member", QUESTIONS)
@pytest.mark.parametrize("after", [None, {"see": [SEEN, OTHER]}, {"talk": ["com.example.*"]}], ids=["no-names", "see", "talk"])
def test_a_late_answer_about_a_name_tells_what_the_policy_in_force_shows(workshop, bus, member, after):
    stage = Stage(workshop, bus, [], {"see": [SEEN]})
    stage.outside.request_name(SEEN)
    [answer] = late_answers(stage, member, [SEEN], [], after)
    assert answer.type == METHOD_RETURN
    if member == "GetNameOwner":
        assert answer.args == [stage.outside.name]
    if member == "NameHasOwner":
        assert answer.args == [1]


def test_a_late_list_of_who_waits_for_a_name_is_for_who_may_own_it(workshop, bus):
    stage = Stage(workshop, bus, [], {"own": [SEEN]})
    stage.outside.request_name(SEEN)
    assert late_answers(stage, "ListQueuedOwners", [SEEN], [], {"see": [SEEN]})[0].error == ACCESS_DENIED
    stage.reload([], {"own": [SEEN]})
    assert late_answers(stage, "ListQueuedOwners", [SEEN], [rule()], {"own": ["com.example.*"]})[0].args == [[stage.outside.name]]


# Names

@pytest.mark.parametrize("before, after", [
    (([NAMES_BY_RULE],), ([],)),
    (([NAMES_BY_RULE],), ([NAMES_BY_RULE, {**NAMES_BY_RULE, "method": "RequestName", "action": "deny"}],)),
    (([], {"own": [NAME]}), ([],)),
    (([], {"own": [NAME]}), ([], {"talk": [NAME]})),
    (([], {"own": ["com.example.*"]}), ([], {"own": [OTHER]}))], ids=["rule", "deny", "own-to-none", "talk", "other"])
def test_a_name_that_a_reload_forbids_is_released_at_once_and_the_client_is_told(workshop, bus, before, after):
    stage = Stage(workshop, bus, *before)
    request(stage, NAME)
    assert stage.owner(NAME) == stage.client.name
    stage.reload(*after)
    stage.await_owner(NAME, None)
    lost = stage.client.receive_member("NameLost")
    assert (lost.args, lost.sender, lost.destination) == ([NAME], DRIVER, stage.client.name)
    assert losses(stage.client.round_trip()) == []


@pytest.mark.parametrize("before, after", [
    (([NAMES_BY_RULE],), ([NAMES_BY_RULE, rule()],)),
    (([NAMES_BY_RULE],), ([rule()],)),
    (([NAMES_BY_RULE],), ([], {"own": [NAME]})),
    (([], {"own": [NAME]}), ([NAMES_BY_RULE],)),
    (([], {"own": [NAME]}), ([NAMES_BY_RULE], {"see": [NAME]})),
    (([], {"own": [NAME]}), ([], {"own": ["com.example.*"], "see": [OTHER]}))],
    ids=["rule", "wildcard", "rule-to-own", "own-to-rule", "see-and-rule", "wider"])
def test_a_name_that_a_reload_still_allows_is_kept(workshop, bus, before, after):
    stage = Stage(workshop, bus, *before)
    request(stage, NAME)
    stage.reload(*after)
    assert losses(stage.client.round_trip()) == []
    assert stage.owner(NAME) == stage.client.name


def test_a_name_on_another_path_of_the_bus_is_judged_by_the_rule_for_that_path(workshop, bus):
    by = rule("outgoing", DRIVER, "/elsewhere", "RequestName")
    stage = Stage(workshop, bus, [by])
    serial = stage.ask_unread("RequestName", path="/elsewhere", signature="su", args=[NAME, 0])
    stage.client.receive_reply(serial)
    stage.reload([by, rule("incoming")])
    assert losses(stage.client.round_trip()) == []
    stage.reload([{**by, "object-path": DRIVER_PATH}])
    assert stage.client.receive_member("NameLost").args == [NAME]


def test_a_name_that_the_client_waits_for_is_released_and_the_client_is_told(workshop, bus):
    stage = Stage(workshop, bus, [NAMES_BY_RULE])
    stage.outside.request_name(NAME)
    assert request(stage, NAME) == 2, "in the queue"
    stage.reload([])
    assert stage.client.receive_member("NameLost").args == [NAME]
    stage.outside.ask_driver("ReleaseName", signature="s", args=[NAME])
    assert stage.owner(NAME) is None
    assert [one.member for one in stage.client.round_trip()] == []


def test_a_name_whose_answer_is_on_its_way_is_released_though_the_client_reads_nothing(workshop, bus):
    stage = Stage(workshop, bus, [NAMES_BY_RULE])
    stage.stop_reading()
    serials = [stage.ask_unread("RequestName", signature="su", args=[NAME, 0]),
               stage.ask_unread("RequestName", signature="su", args=[OTHER, 0], flags=1)]
    stage.await_owner(OTHER, stage.client.name)
    stage.reload([])
    stage.await_owner(NAME, None)
    stage.await_owner(OTHER, None)
    assert stage.client.receive_reply(serials[0]).args == [1]
    assert sorted([stage.client.receive_member("NameLost").args[0] for _ in range(2)]) == sorted([NAME, OTHER])
    stage.client.round_trip()


def test_a_client_that_has_not_read_of_its_loss_cannot_ask_for_the_name_again(workshop, bus):
    stage = Stage(workshop, bus, [], {"own": [NAME]})
    request(stage, NAME)
    stage.client.round_trip()
    stage.stop_reading()
    stage.reload([], {"talk": [NAME]})
    stage.await_owner(NAME, None)
    serial = stage.ask_unread("RequestName", signature="su", args=[NAME, 0])
    assert stage.client.receive_reply(serial).type == ERROR
    assert stage.owner(NAME) is None


def test_many_names_are_released_though_the_client_reads_nothing(workshop, bus):
    stage = Stage(workshop, bus, [NAMES_BY_RULE])
    names = [f"com.example.Name{number}" for number in range(60)]
    for name in names:
        request(stage, name)
    stage.stop_reading()
    stage.reload([])
    for name in names:
        stage.await_owner(name, None)
    told = losses(stage.client.receive_until(lambda one: one.member == "NameLost" and one.args == [names[-1]]))
    assert sorted(told) == sorted(names)


def test_a_name_that_was_given_back_or_never_had_costs_nothing(workshop, bus):
    stage = Stage(workshop, bus, [NAMES_BY_RULE])
    stage.outside.request_name(OTHER)
    assert request(stage, OTHER, flags=4) == 3, "not in the queue"
    request(stage, NAME)
    assert stage.client.ask_driver("ReleaseName", signature="s", args=[NAME]).args == [1]
    stage.client.round_trip()
    stage.reload([])
    assert stage.client.round_trip() == []


def test_audit_mode_takes_no_name_away(workshop, bus):
    stage = Stage(workshop, bus, [NAMES_BY_RULE], arguments=["--mode", "audit"])
    request(stage, NAME)
    stage.reload([])
    assert losses(stage.client.round_trip()) == []
    assert stage.owner(NAME) == stage.client.name


def test_the_classic_proxy_promises_names_and_keeps_them_but_for_a_deny_rule(workshop, bus):
    proxy = workshop.proxy(bus)
    proxy.configure(json.dumps(document([rule("incoming")])))
    client, outside = join(workshop, proxy.path), join(workshop, bus.path)
    client.request_name(NAME)
    proxy.configure(json.dumps(document([rule("outgoing", "com.example.Open")])))
    eventually(lambda: client.ask(OTHER, "Do", "com.example.Open").error != ACCESS_DENIED, "the second line counts")
    assert losses(client.round_trip()) == []
    assert outside.ask_driver("GetNameOwner", signature="s", args=[NAME]).args == [client.name]
    proxy.configure(json.dumps(document([{**NAMES_BY_RULE, "action": "deny"}])))
    assert client.receive_member("NameLost").args == [NAME]
    eventually(lambda: outside.ask_driver("NameHasOwner", signature="s", args=[NAME]).args == [0], "the name is given back")
