"""Who owns a name while a client's own stream does not say it: a client that does not read, half messages, an observer that is away.

The gate's observer is a connection of its own to the bus. What it hears decides about calls and signals to unique names.
"""

import json
import socket

from harness import rule
from wire import ACCESS_DENIED, DRIVER, DRIVER_PATH, ERROR, call, driver_call, introduce, join, message, raw_bus
from wire import signal as signal_message

DENIED, ALLOWED, FENCE = "com.example.Denied", "com.example.Allowed", "com.example.Fence"
DENY = [rule("outgoing", "com.example.*"), rule("outgoing", name=DENIED, action="deny")]
ALLOW = [rule("outgoing", "com.example.*", name=ALLOWED), rule("outgoing", "com.example.*", name=FENCE)]
# More answers than the sockets and the gate's buffer hold (about 120 bytes each).
UNREAD = 30_000


def document(rules):
    return json.dumps({"dbus-gateway-config-session": rules})


class OwnerScene:
    """A client behind a gate, two services on the bus, and one more that tells when the gate has judged what was sent."""

    def __init__(self, workshop, bus, rules, *arguments):
        self.config = workshop.directory / "policy.json"
        self.config.write_text(document(rules))
        self.gate = workshop.gate(self.config, bus, *arguments)
        self.first, self.second, self.fence = (join(workshop, bus.path) for _ in range(3))
        self.fence.request_name(FENCE)
        self.client = join(workshop, self.gate.path)

    def own(self, service, name):
        """The service has the name, and the bus has said so to everybody: it serves one after the other."""
        service.request_name(name)
        self.fence.round_trip()

    def reload(self, rules):
        self.config.write_text(document(rules))
        assert "reloaded" in self.gate.reload()

    def stop_reading(self):
        """From now on nothing that the bus tells the client's connection gets to the gate: thousands of answers are before it."""
        for _ in range(UNREAD // 1000):
            self.client.send(b"".join(driver_call(self.client.next_serial(), "GetId") for _ in range(1000)))
        self.wait_until_judged()

    def wait_until_judged(self):
        self.client.send(call(self.client.next_serial(), FENCE, "Judged", flags=1))
        self.fence.receive_member("Judged")

    def reaches(self, service, *messages):
        """Which of these messages, by member, get to the service; the client need not read."""
        self.client.send(b"".join(messages))
        self.wait_until_judged()
        return [one.member for one in service.round_trip() if one.sender == self.client.name]

    def call(self, service, member="Do", **more):
        return call(self.client.next_serial(), service.name, member, **more)


def test_a_client_that_does_not_read_cannot_call_a_new_owner_of_a_denied_name(workshop, bus):
    scene = OwnerScene(workshop, bus, DENY)
    assert scene.reaches(scene.first, scene.call(scene.first)) == ["Do"]
    scene.stop_reading()
    assert scene.reaches(scene.first, scene.call(scene.first)) == ["Do"], "nobody owns the name yet"
    scene.own(scene.first, DENIED)
    for _ in range(3):
        signal = signal_message(scene.client.next_serial(), "Sig", destination=scene.first.name)
        assert scene.reaches(scene.first, scene.call(scene.first), scene.call(scene.first, "NoReply", flags=1), signal) == []
    assert scene.reaches(scene.second, scene.call(scene.second)) == ["Do"], "who never had it is called as before"


def test_a_client_that_does_not_read_cannot_call_who_lost_an_allowed_name(workshop, bus):
    scene = OwnerScene(workshop, bus, ALLOW)
    scene.own(scene.first, ALLOWED)
    assert scene.reaches(scene.first, scene.call(scene.first)) == ["Do"]
    scene.stop_reading()
    scene.first.ask_driver("ReleaseName", signature="s", args=[ALLOWED])
    scene.own(scene.second, ALLOWED)
    assert scene.reaches(scene.second, scene.call(scene.second)) == ["Do"], "the new owner is known though nobody reads"
    assert scene.reaches(scene.first, scene.call(scene.first)) == []


def test_what_a_reload_denies_is_denied_to_a_client_that_does_not_read(workshop, bus):
    scene = OwnerScene(workshop, bus, [rule("outgoing", "com.example.*")])
    scene.own(scene.first, DENIED)
    scene.stop_reading()
    assert scene.reaches(scene.first, scene.call(scene.first)) == ["Do"]
    scene.reload(DENY)
    # Who owns what its own connection has to be told first, which it does not read: its calls wait, and none passes meanwhile.
    serial = scene.client.next_serial()
    scene.client.send(call(serial, scene.first.name, "Do") + call(scene.client.next_serial(), FENCE, "Judged", flags=1))
    assert scene.client.receive_reply(serial).error == ACCESS_DENIED
    scene.fence.receive_member("Judged")
    assert "Do" not in [one.member for one in scene.first.round_trip()]


def test_a_client_that_leaves_what_it_did_not_read_has_its_last_calls_judged_by_who_owns_what_now(workshop, bus):
    scene = OwnerScene(workshop, bus, DENY)
    scene.stop_reading()
    scene.own(scene.first, DENIED)
    scene.client.send(scene.call(scene.first) + scene.call(scene.second) + call(scene.client.next_serial(), FENCE, "Judged", flags=1))
    scene.client.socket.shutdown(socket.SHUT_WR)
    scene.fence.receive_member("Judged")
    assert "Do" not in [one.member for one in scene.first.round_trip()]
    assert "Do" in [one.member for one in scene.second.round_trip()]


def test_more_owners_than_the_limit_are_met_by_every_deny_rule_until_they_are_known_again(workshop, bus):
    rules = [rule("outgoing", "com.example.*"), rule("outgoing", name=DENIED + ".*", action="deny")]
    scene = OwnerScene(workshop, bus, rules, "--limit", "owners-max=2")
    assert scene.reaches(scene.second, scene.call(scene.second)) == ["Do"]
    scene.stop_reading()
    for number in range(3):
        leaving = join(workshop, bus.path)
        scene.own(leaving, f"{DENIED}.N{number}")
    assert scene.reaches(scene.second, scene.call(scene.second)) == []
    leaving.close()
    scene.fence.round_trip()
    scene.reload(rules)
    scene.client.round_trip()
    assert scene.reaches(scene.second, scene.call(scene.second)) == ["Do"]


def observer_name(service, *others):
    """The unique name of the gate's observer: the one on the bus that is nobody else's."""
    names = set(service.ask_driver("ListNames").args[0]) - {other.name for other in others} - {service.name}
    (name,) = [name for name in names if name.startswith(":")]
    return name


def test_peers_that_talk_to_the_observer_neither_end_nor_mislead_it(workshop, bus):
    scene = OwnerScene(workshop, bus, DENY)
    scene.stop_reading()
    observer = observer_name(scene.first, scene.second, scene.fence, scene.client)
    loud = join(workshop, bus.path)
    change = [DENIED, "", scene.second.name]
    for _ in range(200):
        loud.send(signal_message(loud.next_serial(), "NameOwnerChanged", DRIVER, DRIVER_PATH, destination=observer, signature="sss", args=change)
                  + call(loud.next_serial(), observer, "Do", flags=1, signature="s", args=["x" * 20_000])
                  + call(loud.next_serial(), observer, "Do", path="/long" * 20_000, flags=1))
    loud.round_trip()
    # Refused as long as the bus has more for the observer, and no longer: only the bus says who owns a name.
    while scene.reaches(scene.second, scene.call(scene.second)) != ["Do"]:
        pass
    scene.own(scene.first, DENIED)
    assert scene.reaches(scene.first, scene.call(scene.first)) == []
    assert not scene.gate.log.matching("observer")


def test_no_client_of_a_gate_can_talk_to_the_observer(workshop, bus):
    scene = OwnerScene(workshop, bus, DENY)
    assert scene.reaches(scene.first, scene.call(scene.first)) == ["Do"]
    observer = observer_name(scene.first, scene.second, scene.fence, scene.client)
    assert scene.client.ask(observer, "Do").error == ACCESS_DENIED
    # Nor one of a gate of the same process whose rules have no names.
    open_gate = workshop.directory / "open"
    document_of_both = {"dbus-gateway-config-session": DENY, "dbus-gateway-config-system": [rule("outgoing", "com.example.*")]}
    two = workshop.gate(document_of_both, bus, "--listen", f"system={open_gate}", "--bus", f"system={bus.address}", socket="two/bus")
    other = join(workshop, open_gate)
    assert other.ask_driver("GetId").type != ERROR
    known = {one.name for one in (scene.first, scene.second, scene.fence, scene.client, other)} | {observer}
    (second,) = [name for name in scene.first.ask_driver("ListNames").args[0] if name.startswith(":") and name not in known]
    assert other.ask(second, "Do").error == ACCESS_DENIED
    serial = other.next_serial()
    other.send(call(serial, scene.first.name, "Do"))
    scene.first.receive_member("Do")
    assert two.process.poll() is None


class ObservedBus:
    """A bus that is played, the observer's connection apart."""

    def __init__(self, workshop, *arguments):
        self.workshop, self.bus = workshop, raw_bus(workshop)
        self.gate = workshop.gate({"dbus-gateway-config-session": DENY}, self.bus, *arguments)

    def accept_observer(self):
        return self.workshop.keep(self.bus.accept())

    def serve_observer(self, side, owner=None):
        side.handshake()
        side.answer_hello(":1.2")
        self.serve(side, ":1.2", owner)
        return side

    def serve(self, side, name, owner=None):
        """Answers what the gate asks for itself, up to who owns the name."""
        while (asked := side.receive()).member != "GetNameOwner":
            side.reply(asked, name)
        if owner:
            side.reply(asked, name, signature="s", args=[owner])
        else:
            side.send(message(ERROR, side.next_serial(), reply=asked.serial, sender=DRIVER, destination=name, error="org.freedesktop.DBus.Error.NameHasNoOwner"))

    def join(self):
        client, side = introduce(self.workshop, self.gate, self.bus)
        self.serve(side, ":1.7")
        return client, side


def outcome(client, side, destination=":1.9"):
    """Whether a call passes, or its error."""
    serial = client.next_serial()
    client.send(call(serial, destination, "Do"))
    behind = client.next_serial()
    client.send(driver_call(behind, "GetId"))
    first = side.receive()
    if first.serial == serial:
        side.receive_member("GetId")
        return True
    assert first.member == "GetId"
    return client.receive_reply(serial).error


def owner_change(side, name, owner):
    side.send(signal_message(side.next_serial(), "NameOwnerChanged", DRIVER, DRIVER_PATH, sender=DRIVER, signature="sss", args=[name, "", owner]))


def test_half_a_message_of_the_bus_keeps_no_owner_secret(workshop):
    scene = ObservedBus(workshop)
    observer = scene.serve_observer(scene.accept_observer())
    client, side = scene.join()
    assert outcome(client, side) is True
    large = signal_message(7, "Sig", sender=":1.30", destination=":1.7", signature="ay", args=[bytes(100_000)])
    side.send(large[:50])
    owner_change(observer, DENIED, ":1.9")
    assert outcome(client, side) == ACCESS_DENIED
    assert outcome(client, side, ":1.10") is True
    side.send(large[50:])


def test_while_the_observer_is_away_a_denied_name_may_be_anybodys(workshop):
    scene = ObservedBus(workshop)
    observer = scene.serve_observer(scene.accept_observer())
    client, side = scene.join()
    assert outcome(client, side) is True
    observer.close()
    scene.gate.log.wait_for("the observer of the bus", "is lost")
    assert outcome(client, side) == ACCESS_DENIED
    observer = scene.serve_observer(scene.accept_observer())
    scene.gate.log.wait_for("knows again who owns which name")
    assert outcome(client, side) is True
    owner_change(observer, DENIED, ":1.9")
    assert outcome(client, side) == ACCESS_DENIED


def test_calls_wait_for_an_observer_that_was_just_asked(workshop):
    scene = ObservedBus(workshop)
    observer = scene.accept_observer()
    client, side = scene.join()
    serial = client.next_serial()
    client.send(call(serial, ":1.9", "Do"))
    scene.serve_observer(observer, owner=":1.9")
    assert client.receive_reply(serial).error == ACCESS_DENIED
    assert outcome(client, side, ":1.10") is True


def test_an_observer_that_the_bus_never_answers_is_given_up_and_nobody_waits_again(workshop):
    scene = ObservedBus(workshop, "--limit", "hello-timeout=300ms")
    silent = scene.accept_observer()
    scene.gate.log.wait_for("the observer of the bus", "does not answer within hello-timeout")
    silent.expect_end()
    again = scene.accept_observer()
    client, side = scene.join()
    assert outcome(client, side) == ACCESS_DENIED
    scene.serve_observer(again)
    scene.gate.log.wait_for("knows again")
    assert outcome(client, side) is True


def test_there_is_an_observer_only_while_a_policy_asks_for_names(workshop, bus):
    open_to_all = [rule("outgoing", "com.example.*")]
    scene = OwnerScene(workshop, bus, open_to_all)

    def strangers():
        known = {scene.first.name, scene.second.name, scene.fence.name, scene.client.name}
        return [name for name in scene.first.ask_driver("ListNames").args[0] if name.startswith(":") and name not in known]

    assert strangers() == []
    scene.reload(DENY)
    # Answered once the owners are known.
    assert scene.reaches(scene.first, scene.call(scene.first)) == ["Do"]
    assert len(strangers()) == 1
    scene.reload(open_to_all)
    while strangers():
        scene.client.round_trip()
