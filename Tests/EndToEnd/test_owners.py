"""Who owns a name while a client's own stream does not say it: a client that does not read, half messages, an observer that is away.

The gate's observer is a connection of its own to the bus. What it hears decides about calls and signals to unique names.
"""

import pytest

from harness import rule
from wire import ACCESS_DENIED, Client, call, driver_call, join
from wire import signal as signal_message

DENIED, ALLOWED, FENCE = "com.example.Denied", "com.example.Allowed", "com.example.Fence"
DENY = [rule("outgoing", "com.example.*"), rule("outgoing", name=DENIED, action="deny")]
ALLOW = [rule("outgoing", "com.example.*", name=ALLOWED), rule("outgoing", "com.example.*", name=FENCE)]
# More answers than the sockets and the gate's buffer hold (about 120 bytes each).
UNREAD = 30_000


class Scene:
    """A client behind a gate, two services on the bus, and one more that tells when the gate has judged what was sent."""

    def __init__(self, workshop, bus, rules):
        self.gate = workshop.gate({"dbus-gateway-config-session": rules}, bus)
        self.first, self.second, self.fence = (join(workshop, bus.path) for _ in range(3))
        self.fence.request_name(FENCE)
        self.client = join(workshop, self.gate.path)

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
        service_round = service.round_trip()
        return [one.member for one in service_round if one.sender == self.client.name]

    def call(self, service, member="Do", **more):
        return call(self.client.next_serial(), service.name, member, **more)


def test_a_client_that_does_not_read_cannot_call_a_new_owner_of_a_denied_name(workshop, bus):
    scene = Scene(workshop, bus, DENY)
    assert scene.reaches(scene.first, scene.call(scene.first)) == ["Do"]
    scene.stop_reading()
    assert scene.reaches(scene.first, scene.call(scene.first)) == ["Do"], "nobody owns the name yet"
    scene.first.request_name(DENIED)
    for _ in range(3):
        signal = signal_message(scene.client.next_serial(), "Sig", destination=scene.first.name)
        assert scene.reaches(scene.first, scene.call(scene.first), scene.call(scene.first, "NoReply", flags=1), signal) == []
    assert scene.reaches(scene.second, scene.call(scene.second)) == ["Do"], "who never had it is called as before"


def test_a_client_that_does_not_read_cannot_call_who_lost_an_allowed_name(workshop, bus):
    scene = Scene(workshop, bus, ALLOW)
    scene.first.request_name(ALLOWED)
    assert scene.reaches(scene.first, scene.call(scene.first)) == ["Do"]
    scene.stop_reading()
    scene.first.ask_driver("ReleaseName", signature="s", args=[ALLOWED])
    scene.second.request_name(ALLOWED)
    assert scene.reaches(scene.second, scene.call(scene.second)) == ["Do"], "the new owner is known though nobody reads"
    assert scene.reaches(scene.first, scene.call(scene.first)) == []
