"""Names on real buses: what a policy's SEE, TALK and OWN let a client know and do, beside what they hide from it.

Several services stand on the bus; the client sees its gate. For everything that passes here something stands beside it that does not.
"""

import json
import subprocess

import pytest

from harness import BUSGATE, rule
from wire import ACCESS_DENIED, DRIVER, METHOD_RETURN, OPEN, Client, call, driver_call, hello, join
from wire import signal as signal_message

SERVICE_UNKNOWN = "org.freedesktop.DBus.Error.ServiceUnknown"
NO_OWNER = "org.freedesktop.DBus.Error.NameHasNoOwner"
OWN, TALK, TREE, SEE, HIDDEN = "com.example.Own", "com.example.Talk", "com.example.tree.Leaf", "com.example.See", "com.example.Hidden"
NAMES = {"own": [OWN], "talk": [TALK, "com.example.tree.*"], "see": [SEE]}


def document(names=NAMES, rules=()):
    return {"busgate": {"names": names}, "dbus-gateway-config-session": list(rules)}


class Stage:
    """A bus with a service for each name, a gate before it and a client behind that."""

    def __init__(self, workshop, bus, config, names=(TALK, TREE, SEE, HIDDEN), *arguments):
        self.workshop, self.bus = workshop, bus
        self.services = {name: self.service(name) for name in names}
        self.gate = workshop.gate(config, bus, *arguments)
        self.client = join(workshop, self.gate.path)

    def service(self, name):
        service = join(self.workshop, self.bus.path)
        service.request_name(name)
        return service

    def unique(self, name):
        return self.services[name].name

    def ask(self, destination, service, **more):
        """What becomes of a call: True if the service gets it and its answer comes back, else the error's name."""
        serial = self.client.next_serial()
        self.client.send(call(serial, destination, "Do", **more))
        # The driver answers in order: what the bus was sent is with the service when this is answered.
        behind = self.client.next_serial()
        self.client.send(driver_call(behind, "GetId"))
        first = self.client.receive_until(lambda one: one.reply in (serial, behind))[-1]
        if first.reply == serial:
            return first.error
        asked = self.services[service].receive_member("Do")
        assert asked.sender == self.client.name and asked.serial == serial
        self.services[service].answer(asked)
        assert self.client.receive_reply(serial).type == METHOD_RETURN
        return True

    def driver(self, member, *args, signature=None):
        signature = signature if signature is not None else "s" * len(args)
        return self.client.ask_driver(member, signature=signature or None, args=args)

    def hears(self, sender, member="Sig", destination=None):
        """Whether a signal of this service reaches the client; another one, which is for it, closes the question."""
        service = self.services[sender]
        service.send(signal_message(service.next_serial(), member, destination=destination))
        service.round_trip()  # the bus has routed it
        return member in [one.member for one in self.client.round_trip()]

    def change_owner(self, name, service):
        """Another service takes the name, once the one that has it lets go."""
        for other in self.services.values():
            other.ask_driver("ReleaseName", signature="s", args=[name])
        service.request_name(name)
        self.client.round_trip()


@pytest.fixture
def stage(workshop, bus):
    return Stage(workshop, bus, document())


@pytest.mark.parametrize("by_unique_name", [False, True])
def test_calls_pass_from_talk_on_and_tell_nothing_of_what_is_hidden(stage, by_unique_name):
    def outcome(name):
        return stage.ask(stage.unique(name) if by_unique_name else name, name)

    assert outcome(TALK) is True
    assert outcome(TREE) is True
    assert outcome(SEE) == ACCESS_DENIED
    assert outcome(HIDDEN) == (NO_OWNER if by_unique_name else SERVICE_UNKNOWN)
    # As if it were not there: the same as for what is not there.
    nobody = stage.client.ask(":1.9999" if by_unique_name else "com.example.Nobody", "Do")
    hidden = stage.client.ask(stage.unique(HIDDEN) if by_unique_name else HIDDEN, "Do")
    assert (nobody.error, nobody.args) == (hidden.error, hidden.args)


def test_nothing_is_sent_to_a_hidden_service_whatever_is_asked(stage):
    service = stage.services[HIDDEN]
    for destination in (HIDDEN, service.name):
        for more in ({}, {"interface": None}, {"flags": 1}, {"flags": 2}, {"sender": stage.unique(TALK)}):
            stage.client.send(call(stage.client.next_serial(), destination, "Do", **more))
        stage.client.send(signal_message(stage.client.next_serial(), "Sig", destination=destination))
    stage.client.round_trip()
    assert not [one for one in service.round_trip() if one.sender == stage.client.name]


@pytest.mark.parametrize("member", ["GetNameOwner", "GetConnectionUnixUser", "GetConnectionUnixProcessID", "GetConnectionCredentials"])
def test_the_driver_tells_of_names_from_see_on(stage, member):
    for name in (TALK, TREE, SEE, stage.unique(SEE), stage.client.name, DRIVER):
        assert stage.driver(member, name).type == METHOD_RETURN, name
    for name in (HIDDEN, "com.example.Nobody", stage.unique(HIDDEN), ":1.9999"):
        assert stage.driver(member, name).error == NO_OWNER, name


def test_name_has_owner_is_false_for_what_is_hidden(stage):
    assert [stage.driver("NameHasOwner", name).args for name in (TALK, SEE, stage.unique(SEE))] == [[1]] * 3
    assert [stage.driver("NameHasOwner", name).args for name in (HIDDEN, stage.unique(HIDDEN), OWN)] == [[0]] * 3


def test_lists_have_what_is_visible(stage):
    listed = stage.driver("ListNames").args[0]
    visible = {DRIVER, stage.client.name, TALK, TREE, SEE, *map(stage.unique, (TALK, TREE, SEE))}
    assert set(listed) == visible and len(listed) == len(visible)
    assert HIDDEN in stage.services[TALK].ask_driver("ListNames").args[0]
    assert set(stage.driver("ListActivatableNames").args[0]) <= {DRIVER}


def test_only_an_own_name_is_requested(stage):
    assert stage.driver("RequestName", OWN, 0, signature="su").args == [1]
    assert stage.driver("ListQueuedOwners", OWN).args == [[stage.client.name]]
    for name in (TALK, SEE, HIDDEN, "com.example.Own.Below"):
        assert stage.driver("RequestName", name, 0, signature="su").error == ACCESS_DENIED
        assert stage.driver("ReleaseName", name).error == ACCESS_DENIED
    assert stage.driver("ListQueuedOwners", HIDDEN).error == NO_OWNER
    assert stage.driver("ReleaseName", OWN).args == [1]


def test_only_a_name_to_talk_to_is_started(stage):
    # Neither bus starts a service that it has no file for; but it was asked.
    for name, is_from_gate in ((TALK, False), (SEE, True), (HIDDEN, True)):
        answer = stage.driver("StartServiceByName", name, 0, signature="su")
        assert answer.error == SERVICE_UNKNOWN and answer.args[0].startswith("busgate: ") == is_from_gate


def test_broadcasts_come_in_from_whom_the_client_may_talk_to(stage):
    stage.client.add_match("type='signal'")
    assert stage.hears(TALK) and stage.hears(TREE)
    assert not stage.hears(SEE) and not stage.hears(HIDDEN)
    assert stage.hears(TALK, destination=stage.client.name)
    assert not stage.hears(HIDDEN, destination=stage.client.name)


def changes(messages):
    return [one.args for one in messages if one.member == "NameOwnerChanged"]


def test_changes_are_told_of_visible_names_to_who_asked(stage):
    first = stage.service("com.example.First")
    stage.change_owner(TALK, first)
    assert changes(stage.client.round_trip()) == [], "only the gate asked"
    stage.client.add_match("type='signal',sender='org.freedesktop.DBus'")
    for name in (TREE, HIDDEN, SEE):
        stage.services[name].ask_driver("ReleaseName", signature="s", args=[name])
    told = changes(stage.client.round_trip())
    assert told == [[TREE, stage.unique(TREE), ""], [SEE, stage.unique(SEE), ""]]
    # A visible peer that leaves the bus is missed, a hidden one is not.
    stage.services[HIDDEN].close()
    stage.services[SEE].close()
    while not (told := changes([stage.client.receive()])):
        pass
    assert told == [[stage.unique(SEE), stage.unique(SEE), ""]]


def test_ownership_is_followed_in_order(stage):
    """A name that moves on opens the way to its new owner at once."""
    other = stage.service("com.example.Other")
    stage.services["other"] = other
    assert stage.ask(other.name, "other") == NO_OWNER
    stage.change_owner(TALK, other)
    assert stage.ask(TALK, "other") is True
    assert stage.ask(other.name, "other") is True
    # Sticky, as xdg-dbus-proxy(1) has it.
    assert stage.ask(stage.unique(TALK), TALK) is True


def test_the_owner_that_the_driver_names_can_be_called(stage):
    for name in (TALK, TREE):
        assert stage.ask(stage.driver("GetNameOwner", name).args[0], name) is True


def test_a_client_that_says_everything_at_once_loses_nothing(workshop, bus):
    stage = Stage(workshop, bus, document())
    client = workshop.keep(Client(stage.gate.path))
    client.send(b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n" + hello(1) + call(2, TALK, "Do")
                + call(3, HIDDEN, "Do") + driver_call(4, "ListNames") + call(0xFFFFFFFF, TREE, "Do") + call(5, stage.unique(TREE), "Do"))
    for name in (TALK, TREE, TREE):
        stage.services[name].answer(stage.services[name].receive_member("Do"))
    assert [client.line()[:4] for _ in range(3)] == ["DATA", "OK " + client_guid(stage)[:1], "AGRE"]
    got = {}
    while len(got) < 6:
        one = client.receive()
        if one.reply:
            got[one.reply] = one
    assert got[3].error == SERVICE_UNKNOWN and HIDDEN not in got[4].args[0]
    assert {serial for serial, one in got.items() if one.type == METHOD_RETURN} == {1, 2, 4, 5, 0xFFFFFFFF}


def client_guid(stage):
    client = stage.workshop.keep(Client(stage.gate.path))
    return client.authenticate()


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_gates_nest(workshop, bus, depth):
    stage = Stage(workshop, bus, document())
    path = stage.gate.path
    for level in range(1, depth):
        path = workshop.gate(document(), f"unix:path={path}", socket=f"gate{level}/bus").path
    client = stage.client = join(workshop, path)
    for serial in (0xFFFFFFFF, 0xFFFFFFFE, 7, 6, 5):
        client.send(call(serial, TALK, "Do"))
        stage.services[TALK].answer(stage.services[TALK].receive_member("Do"))
        assert client.receive_reply(serial).type == METHOD_RETURN
    assert stage.ask(HIDDEN, HIDDEN) == SERVICE_UNKNOWN
    assert stage.ask(stage.unique(TREE), TREE) is True
    assert HIDDEN not in stage.driver("ListNames").args[0]


def test_two_callers_with_the_same_serial_both_get_their_answers(workshop, bus):
    stage = Stage(workshop, bus, document({"own": [OWN]}, [rule("incoming", OPEN)]))
    assert stage.driver("RequestName", OWN, 0, signature="su").args == [1]
    callers = [stage.services[name] for name in (TALK, TREE)]
    for caller in callers:
        caller.send(call(4711, OWN, "Do"))
    asked = [stage.client.receive_member("Do") for _ in callers]
    assert {one.serial for one in asked} == {4711}
    for one in reversed(asked):
        stage.client.answer(one, signature="s", args=[one.sender])
    assert [caller.receive_reply(4711).args for caller in callers] == [[caller.name] for caller in callers]
    # Who called is visible from then on, and no more than that.
    assert stage.driver("GetConnectionUnixUser", callers[0].name).type == METHOD_RETURN
    assert stage.driver("GetConnectionUnixUser", stage.unique(HIDDEN)).error == NO_OWNER
    assert stage.ask(callers[0].name, TALK) == ACCESS_DENIED


@pytest.mark.parametrize("direction", ["outgoing", "incoming"])
def test_a_rule_with_a_name_opens_that_name_only(workshop, bus, direction):
    stage = Stage(workshop, bus, [rule(direction, OPEN, name="com.example.T*k")])
    stage.client.add_match(f"interface='{OPEN}'")
    if direction == "outgoing":
        assert stage.ask(TALK, TALK) is True and stage.ask(stage.unique(TALK), TALK) is True
        assert stage.ask(HIDDEN, HIDDEN) == ACCESS_DENIED and stage.ask(stage.unique(HIDDEN), HIDDEN) == ACCESS_DENIED
    else:
        assert stage.hears(TALK) and not stage.hears(HIDDEN)
    # Without a block of names the driver hides nothing.
    assert HIDDEN in stage.driver("ListNames").args[0]


def test_a_denied_name_is_denied_to_whoever_ever_had_it(workshop, bus):
    stage = Stage(workshop, bus, [rule(), rule(name="com.example.Hid*", action="deny")])
    assert stage.ask(TALK, TALK) is True and stage.ask(stage.unique(TALK), TALK) is True
    assert stage.ask(HIDDEN, HIDDEN) == ACCESS_DENIED and stage.ask(stage.unique(HIDDEN), HIDDEN) == ACCESS_DENIED
    stage.change_owner(HIDDEN, stage.services[TALK])
    assert stage.ask(stage.unique(TALK), TALK) == ACCESS_DENIED and stage.ask(stage.unique(HIDDEN), HIDDEN) == ACCESS_DENIED
    assert stage.ask(stage.unique(TREE), TREE) is True


def test_a_client_that_guesses_its_way_before_anything_is_known_meets_the_deny_rule(workshop, bus):
    stage = Stage(workshop, bus, [rule(), rule(name="com.example.Hid*", action="deny")])
    for _ in range(20):
        client = workshop.keep(Client(stage.gate.path))
        client.send(b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n" + hello(1) + call(2, stage.unique(HIDDEN), "Do"))
        for _ in range(3):
            client.line()
        assert client.receive_reply(2).error == ACCESS_DENIED
        client.close()
    assert "Do" not in [one.member for one in stage.services[HIDDEN].round_trip()]


def write(file, content):
    file.write_text(json.dumps(content))
    return file


def test_a_reload_opens_and_closes_names_under_a_live_connection(workshop, bus):
    file = write(workshop.directory / "live.json", document())
    live = Stage(workshop, bus, file)
    assert live.ask(TALK, TALK) is True and live.ask(live.unique(HIDDEN), HIDDEN) == NO_OWNER
    for names, opened, closed in [({"talk": [HIDDEN]}, HIDDEN, TALK), ({"talk": ["com.example.T*k"]}, TALK, HIDDEN)]:
        write(file, document(names))
        assert "reloaded" in live.gate.reload()
        for by_unique_name in (False, True):
            assert live.ask(live.unique(opened) if by_unique_name else opened, opened) is True
            # It has answered the client before: that it is there is no secret.
            expected = ACCESS_DENIED if by_unique_name else SERVICE_UNKNOWN
            assert live.ask(live.unique(closed) if by_unique_name else closed, closed) == expected
    write(file, {"dbus-gateway-config-session": [rule()]})
    live.gate.reload()
    assert live.ask(live.unique(TREE), TREE) is True
    assert HIDDEN in live.driver("ListNames").args[0]
    live.client.add_match("member='NameOwnerChanged'")
    live.services[HIDDEN].ask_driver("ReleaseName", signature="s", args=[HIDDEN])
    assert changes(live.client.round_trip()) == [[HIDDEN, live.unique(HIDDEN), ""]]


def test_a_name_that_changes_its_owner_thousands_of_times_costs_nothing_lasting(workshop, bus):
    stage = Stage(workshop, bus, document())
    stage.services[TALK].ask_driver("ReleaseName", signature="s", args=[TALK])
    rounds, before = 100, None
    owners = [stage.service(f"com.example.Owner{i}") for i in range(2)]
    for turn in range(10):
        for _ in range(rounds):
            for owner in owners:
                batch = [owner.next_serial(), owner.next_serial()]
                owner.send(driver_call(batch[0], "RequestName", signature="su", args=[TALK, 0])
                           + driver_call(batch[1], "ReleaseName", signature="s", args=[TALK]))
                owner.receive_reply(batch[1])
        stage.client.round_trip()
        if turn == 1:
            before = stage.gate.resident_kib()
    assert stage.gate.resident_kib() - before < 256
    assert stage.ask(stage.unique(TREE), TREE) is True


def test_who_left_the_bus_is_forgotten(workshop, bus):
    """There is room for two callers at a time; ten come, one after the other, and each becomes visible."""
    stage = Stage(workshop, bus, document({"own": [OWN]}, [rule("incoming", OPEN)]), (), "--limit", "owners-max=2")
    assert stage.driver("RequestName", OWN, 0, signature="su").args == [1]
    for _ in range(10):
        caller = join(workshop, bus.path)
        caller.send(call(9, OWN, "Do"))
        asked = stage.client.receive_member("Do")
        assert stage.driver("GetConnectionUnixUser", asked.sender).type == METHOD_RETURN
        stage.client.answer(asked)
        caller.receive_reply(9)
        stage.client.add_match(f"member='NameOwnerChanged',arg0='{caller.name}'")
        caller.close()
        stage.client.receive_member("NameOwnerChanged")
        assert stage.driver("GetConnectionUnixUser", asked.sender).error == NO_OWNER
    # Two that stay take all the room.
    stay = [join(workshop, bus.path) for _ in range(3)]
    for caller in stay:
        caller.send(call(9, OWN, "Do"))
        stage.client.answer(stage.client.receive_member("Do"))
        caller.receive_reply(9)
    seen = [stage.driver("GetConnectionUnixUser", caller.name).type == METHOD_RETURN for caller in stay]
    assert seen == [True, True, False]


def test_a_client_that_sends_and_exits_loses_nothing(workshop, bus):
    stage = Stage(workshop, bus, document())
    for _ in range(20):
        client = workshop.keep(Client(stage.gate.path))
        client.send(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n" + hello(1) + call(2, stage.unique(TREE), "Do", flags=1)
                    + call(3, TALK, "Do", flags=1))
        client.close()
        for name in (TREE, TALK):
            stage.services[name].receive_member("Do")


@pytest.mark.parametrize("names, where, message", [
    ({"talk": ["com..x"]}, "1:33", "wrong at character 5"),
    ({"talk": [":1.5"]}, "1:33", "expected a well-known name"),
    ({"walk": []}, "1:24", 'expected "own", "talk" or "see"'),
])
def test_a_wrong_name_is_refused_where_it_stands(workshop, names, where, message):
    file = write(workshop.directory / "wrong.json", {"busgate": {"names": names}})
    done = subprocess.run([BUSGATE, "run", "--config", file, "--session", workshop.directory / "bus"], capture_output=True, text=True)
    assert done.returncode == 65
    assert f"{file}:{where}: error: " in done.stderr and message in done.stderr


def test_the_log_says_what_was_hidden_and_by_what_a_call_passed(workshop, bus):
    config = workshop.config(document())
    stage = Stage(workshop, bus, config, (TALK, HIDDEN), "--log", "all")
    assert stage.ask(TALK, TALK) is True
    assert stage.ask(HIDDEN, HIDDEN) == SERVICE_UNKNOWN
    line = stage.gate.log.wait_for("reason=hidden", f"destination={HIDDEN}")
    assert line.startswith("deny ")
    line = stage.gate.log.wait_for("allow ", "member=Do", f"destination={TALK}")
    assert f"rule={config}:1" in line
    # What the gate asks for itself is not an event of the client's.
    assert not stage.gate.log.matching("deny ", "member=NameOwnerChanged")
