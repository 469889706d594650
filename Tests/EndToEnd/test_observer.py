"""The gate's observer and its question who the bus is, beside each other, at buses that are replaced, refuse, come and go."""

import time

import pytest

from harness import rule
from test_owners import DENIED, DENY, ObservedBus, outcome, owner_change
from wire import ACCESS_DENIED, DRIVER, METHOD_RETURN, OWN_UID, Client, call, eventually, hello, message, raw_bus
from wire import signal as signal_message

OTHER_GUID = "f" * 32
HELLO = b"\0AUTH EXTERNAL " + OWN_UID + b"\r\nBEGIN\r\n" + hello(1)


def knock(workshop, gate):
    client = workshop.keep(Client(gate.path))
    client.send(HELLO)
    return client


class ReplacedBus(ObservedBus):
    """Where the bus was there is another one; the first one lives on, and the observer is connected to it."""

    def __init__(self, workshop):
        super().__init__(workshop)
        self.old_observer = self.serve_observer(self.accept_observer())
        self.old_client, self.old_side = self.join()
        self.bus.close()
        self.bus.open()
        self.bus.guid = OTHER_GUID
        # Who is told of the old bus is closed; after it the gate asks.
        told = knock(workshop, self.gate)
        side = workshop.keep(self.bus.accept())
        side.handshake(guid=OTHER_GUID)
        told.expect_end()

    def join_new(self):
        """A client at the new bus, and the observer's connection there: the gate's own, of which one comes before the other."""
        client = knock(self.workshop, self.gate)
        self.bus.tell()
        first, second = (self.workshop.keep(self.bus.accept_any()) for _ in range(2))
        for side in (first, second):
            side.handshake(guid=OTHER_GUID)
            side.answer_hello(":1.7")
        client.finish_handshake(False)
        client.finish_hello()
        self.serve(first, ":1.7", owner=":1.8")
        self.serve(second, ":1.7", owner=":1.8")
        # The observer said its Hello before the client's connection was asked for.
        return client, second, first


def test_a_bus_that_took_the_place_of_one_that_lives_on_is_asked_who_owns_what_there(workshop):
    scene = ReplacedBus(workshop)
    client, side, observer = scene.join_new()
    scene.old_observer.expect_end()
    # The client's own stream says nothing more; what the first bus said of :1.9 is nothing to this one.
    side.send(signal_message(7, "Sig", sender=":1.30", destination=":1.7", signature="ay", args=[bytes(100_000)])[:50])
    assert outcome(client, side) is True
    owner_change(observer, DENIED, ":1.9")
    assert outcome(client, side) == ACCESS_DENIED
    assert outcome(client, side, ":1.10") is True


def test_clients_of_a_bus_that_was_replaced_meet_every_deny_rule_with_a_name(workshop):
    scene = ReplacedBus(workshop)
    assert outcome(scene.old_client, scene.old_side) is True
    scene.join_new()
    assert outcome(scene.old_client, scene.old_side) == ACCESS_DENIED, "nobody tells any more who owns what there"


@pytest.mark.parametrize("first", ["observer", "question"])
def test_a_bus_that_knows_the_gate_by_another_uid_serves_the_observer_and_the_first_client_whichever_it_refuses_first(workshop, first):
    bus = raw_bus(workshop)
    gate = workshop.gate({"dbus-gateway-config-session": DENY}, bus)
    observer = workshop.keep(bus.accept_any())
    client = knock(workshop, gate)
    question = workshop.keep(bus.accept_any())
    for side in (observer, question) if first == "observer" else (question, observer):
        side.send(b"REJECTED EXTERNAL\r\n")
        again = workshop.keep(bus.accept_any())
        again.fill()
        assert b"AUTH EXTERNAL\r\nDATA\r\n" in again.buffer
        if side is question:
            del again.buffer[:]
            again.send(b"DATA\r\nOK " + bus.guid.encode() + b"\r\nAGREE_UNIX_FD\r\n")
    client.finish_handshake(False)
    gate.terminate()
    assert not gate.log.matching("observer"), "the one is no worse for what was said to the other"


def test_an_observer_that_is_lost_as_soon_as_it_knows_is_tried_again_later_and_later(workshop):
    scene = ObservedBus(workshop)
    starts = []
    for _ in range(5):
        side = scene.serve_observer(scene.accept_observer())
        starts.append(time.monotonic())
        side.close()
    pauses = [later - earlier for earlier, later in zip(starts, starts[1:])]
    # 100, 200, 400, 800 milliseconds: the bus makes none of them shorter.
    assert all(pause >= 0.09 * 2 ** number for number, pause in enumerate(pauses)), pauses


def test_what_one_large_list_of_names_took_is_given_back(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate([rule("outgoing", "com.example.*"), rule("outgoing", name=DENIED + ".*", action="deny")], bus)
    before = gate.resident_kib()
    side = workshop.keep(bus.accept())
    side.handshake()
    side.answer_hello(":1.2")
    while (asked := side.receive()).member != "ListNames":
        side.reply(asked, ":1.2")
    side.reply(asked, ":1.2", signature="as", args=[[f"org.example.Name{number:070}" for number in range(40_000)]])
    eventually(lambda: gate.resident_kib() < before + 1024, lambda: f"{gate.resident_kib()} KiB are resident, {before} were before")


class CrowdedBus(ObservedBus):
    """A bus that has had no room for all that peers say to the observer: of the last message there is only the beginning."""

    def __init__(self, workshop, *arguments):
        super().__init__(workshop, *arguments)
        self.observer = self.serve_observer(self.accept_observer())
        self.client, self.side = self.join()
        assert outcome(self.client, self.side) is True
        self.crowd()

    def crowd(self):
        loud = signal_message(self.observer.next_serial(), "Sig", sender=":1.30", destination=":1.2", signature="ay", args=[bytes(30_000)])
        self.observer.send(loud[:20_000])
        self.rest = loud[20_000:]

    def ask(self):
        serial = self.client.next_serial()
        self.client.send(call(serial, ":1.9", "Do"))
        return serial

    def answer_end(self, asked, behind=b""):
        assert asked.member == "GetId"
        end = message(METHOD_RETURN, 8, reply=asked.serial, sender=DRIVER, destination=":1.2", signature="s", args=[self.bus.guid])
        self.observer.send(end + behind)


def test_a_call_waits_for_what_the_bus_had_no_room_to_tell_the_observer_before(workshop):
    scene = CrowdedBus(workshop)
    serial = scene.ask()
    asked = scene.observer.receive()
    scene.observer.send(scene.rest)
    owner_change(scene.observer, DENIED, ":1.9")
    scene.answer_end(asked)
    assert scene.client.receive_reply(serial).error == ACCESS_DENIED
    assert outcome(scene.client, scene.side, ":1.10") is True


def test_a_call_that_nothing_forbids_passes_when_the_bus_has_no_more_to_say_to_the_observer(workshop):
    scene = CrowdedBus(workshop)
    serial = scene.ask()
    asked = scene.observer.receive()
    scene.observer.send(scene.rest)
    scene.answer_end(asked)
    assert scene.side.receive_member("Do").serial == serial


def test_while_peers_talk_to_the_observer_all_the_time_calls_are_refused_and_none_waits(workshop):
    scene = CrowdedBus(workshop)
    serial = scene.ask()
    asked = scene.observer.receive()
    for _ in range(3):
        scene.observer.send(scene.rest)
        scene.answer_end(asked, signal_message(9, "Sig", sender=":1.30", destination=":1.2"))
        asked = scene.observer.receive()
        scene.crowd()
    assert scene.client.receive_reply(serial).error == ACCESS_DENIED
    assert outcome(scene.client, scene.side) == ACCESS_DENIED
    scene.observer.send(scene.rest)
    scene.answer_end(asked)
    scene.answer_end(scene.observer.receive())
    eventually(lambda: outcome(scene.client, scene.side) is True, "calls are refused for ever")


def test_a_bus_that_never_comes_to_an_end_loses_the_observer_and_nobody_waits_for_ever(workshop):
    scene = CrowdedBus(workshop, "--limit", "hello-timeout=300ms")
    serial = scene.ask()
    assert scene.client.receive_reply(serial).error == ACCESS_DENIED
    scene.gate.log.wait_for("the observer of the bus", "does not answer within hello-timeout")
