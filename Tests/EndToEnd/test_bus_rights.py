"""Whose rights a container has at the system bus: its gate's user's. The example of contrib/examples/bus-policy, at Debian's own system bus."""

import os

import pytest
from gi.repository import GLib

from harness import ROOT
from peer import ACCESS_DENIED, PROPERTIES, RETURN, Closed, Peer, call, driver_call, error_of, strings
from system_bus import OPEN_TO_ALL, Place

POLICY = ROOT / "contrib/examples/bus-policy/busgate-radio.conf"
TUNER, RADIO = "org.example.Tuner", "org.example.Radio"

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="only root can run gates of several users"),
    pytest.mark.one_bus("only dbus-daemon reads these files itself; dbus-broker is told by its launcher"),
]


@pytest.fixture
def place(workshop):
    return Place(workshop, POLICY)


def fate(service, client, name, path, interface, member, body=None):
    """What the call comes to: "answered", or the name of the error that the bus or the gate made of it."""
    serial = client.send(call(name, path, interface, member, body))
    client.send(driver_call("GetId"))
    reply_or_fence = client.await_message(lambda message: message.get_reply_serial() in (serial, serial + 1))
    if reply_or_fence.get_reply_serial() == serial:
        return error_of(reply_or_fence)[0]
    service.reply(service.await_member(member), strings("here"))
    return "answered" if client.answer_to(serial).get_message_type() == RETURN else "no answer"


def test_what_the_bus_allows_the_gates_user_passes_and_what_it_does_not_is_refused_whatever_the_gate_says(place):
    services = {name: place.service(name) for name in [TUNER, *OPEN_TO_ALL]}
    radio, other = place.client("busgate-radio"), place.client("busgate-other")
    get, put = strings("a.b", "c"), GLib.Variant("(ssv)", ("a.b", "c", GLib.Variant("s", "d")))
    for client, name, interface, member, body, expected in [
        (radio, TUNER, "org.example.Tuner1", "Tune", None, "answered"),
        (radio, TUNER, "org.example.Tuner2", "Tune", None, ACCESS_DENIED),
        (other, TUNER, "org.example.Tuner1", "Tune", None, ACCESS_DENIED),
        (radio, TUNER, PROPERTIES, "Get", get, "answered"),
        (radio, TUNER, PROPERTIES, "Set", put, ACCESS_DENIED),
        (radio, OPEN_TO_ALL[0], "org.freedesktop.systemd1.Manager", "Do", None, ACCESS_DENIED),
        (other, OPEN_TO_ALL[0], "org.freedesktop.systemd1.Manager", "Do", None, "answered"),
        (radio, OPEN_TO_ALL[1], "org.freedesktop.login1.Manager", "Do", None, ACCESS_DENIED),
        (other, OPEN_TO_ALL[1], "org.freedesktop.login1.Manager", "Do", None, "answered"),
    ]:
        assert fate(services[name], client, name, "/org/example/tuner", interface, member, body) == expected, (name, interface, member)


def test_the_name_of_the_service_inside_is_the_gates_users_to_own_and_anybodys_to_call(place):
    radio, other = place.client("busgate-radio"), place.client("busgate-other")
    request = ("RequestName", GLib.Variant("(su)", (RADIO, 4)))
    assert error_of(other.ask(driver_call(*request)))[0] == ACCESS_DENIED
    assert radio.ask(driver_call(*request)).get_body()[0] == 1
    assert error_of(radio.ask(driver_call("RequestName", GLib.Variant("(su)", ("org.example.Another", 4)))))[0] == ACCESS_DENIED
    assert fate(radio, other, RADIO, "/org/example/radio", "org.example.Radio1", "Play") == "answered"
    assert fate(radio, other, RADIO, "/org/example/radio", "org.example.Radio2", "Play") == ACCESS_DENIED


def test_a_user_that_the_host_does_not_know_is_not_let_in_and_one_that_the_bus_did_not_know_in_time_has_no_policy(workshop):
    """As with DynamicUser=: the user is there while the unit runs, and only where NSS knows it (libnss-systemd)."""
    place = Place(workshop, POLICY, known=False)
    place.bus.log.wait_for('Unknown username "busgate-radio"')
    service, gate = place.service(TUNER), place.gate(uid := 64999)
    with pytest.raises(Closed):
        Peer(gate.address)
    gate.log.wait_for("hung up before Hello was answered", f"does it let in uid {uid}")
    with open(place.bus.users / "etc/passwd", "a") as users:
        users.write(f"busgate-radio:x:{uid}:{uid}::/:/usr/sbin/nologin\n")
    for expected in (ACCESS_DENIED, "answered"):
        assert fate(service, Peer(gate.address), TUNER, "/org/example/tuner", "org.example.Tuner1", "Tune") == expected
        service.ask(driver_call("ReloadConfig"))


def test_a_service_sees_the_gate_and_not_who_is_behind_it(place):
    service = Peer(place.bus.address)
    gate = place.gate("busgate-radio")
    inside = Peer(gate.address)
    seen = service.ask(driver_call("GetConnectionCredentials", strings(inside.name))).get_body().unpack()[0]
    uid = place.bus.uid("busgate-radio")
    assert (seen["UnixUserID"], seen["ProcessID"], seen["UnixGroupIDs"]) == (uid, gate.pid, [uid])
    itself = service.ask(driver_call("GetConnectionCredentials", strings(service.name))).get_body().unpack()[0]
    assert (itself["UnixUserID"], itself["ProcessID"]) == (os.getuid(), os.getpid())
