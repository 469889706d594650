"""What becomes of live connections when a gate is restarted behind a socket that stays, as its units do it; contrib/RIGHTS.md tells integrators."""

import os
import signal

import pytest
from gi.repository import GLib

from harness import EVERYTHING, PATIENCE, ROOT
from peer import Peer, call, driver_call, strings
from service import listening, start_with_sockets

pytestmark = pytest.mark.one_bus("that a gate ends its clients is no bus's business")

NAME, INSIDE = "com.example.Service", "com.example.Inside"

# A client that waits for an answer for a minute, and what it says when its gate ends: within the time of a test, and not after that minute.
WAITING = {
    "gdbus": (["gdbus", "call", "--session", "--dest", NAME, "--object-path", "/a", "--method", "a.b.Do"],
              1, "The connection is closed"),
    "dbus-send": (["dbus-send", "--session", "--print-reply", "--reply-timeout=60000", f"--dest={NAME}", "/a", "a.b.Do"],
                  1, "org.freedesktop.DBus.Error.Disconnected"),
    "busctl": (["busctl", "--user", "--timeout=60", "call", NAME, "/a", "a.b", "Do"], 1, "Connection reset by peer"),
    # GLib's shared connection, g_bus_get(), ends its process by SIGTERM unless exit-on-close is set to false.
    "GLib, shared": (["/usr/bin/python3", "-c", f"""
from gi.repository import Gio, GLib
bus = Gio.bus_get_sync(Gio.BusType.SESSION)
bus.call("{NAME}", "/a", "a.b", "Do", None, None, 0, 60000, None, None)
GLib.MainLoop().run()"""], -signal.SIGTERM, ""),
    # libdbus's shared connection, dbus_bus_get(), ends its process with 1 unless exit_on_disconnect is switched off.
    "libdbus, shared": (["/usr/bin/python3", "-c", f"""
import dbus, dbus.mainloop.glib
from gi.repository import GLib
bus = dbus.SessionBus(mainloop=dbus.mainloop.glib.DBusGMainLoop())
bus.call_async("{NAME}", "/a", "a.b", "Do", "", (), print, print, timeout=60)
GLib.MainLoop().run()"""], 1, ""),
}


class Restarted:
    """A gate on a socket that is somebody else's, as a socket unit's is."""

    def __init__(self, workshop, bus):
        self.workshop, self.path = workshop, workshop.directory / "socket"
        self.address = f"unix:path={self.path}"
        self.socket = listening(self.path)
        self.arguments = ["--config", workshop.config(EVERYTHING), "--bus", f"session={bus.address}"]
        self.start()

    def start(self):
        self.gate = start_with_sockets(self.workshop, [self.socket], *self.arguments, names="session")


@pytest.fixture
def place(workshop, bus):
    return Restarted(workshop, bus)


@pytest.fixture
def service(bus):
    peer = Peer(bus.address)
    peer.own(NAME)
    return peer


@pytest.mark.parametrize("client", WAITING)
def test_a_client_that_waits_for_an_answer_is_told_at_once_that_its_connection_is_gone(workshop, place, service, client):
    command, status, says = WAITING[client]
    child = workshop.child(command, env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": place.address, "LC_ALL": "C.UTF-8"})
    if client == "gdbus":  # it asks for this first, and waits for three seconds
        service.reply(service.await_member("Introspect"), strings("<node/>"))
    asked = service.await_member("Do")
    assert place.gate.terminate() == 0
    assert child.process.wait(PATIENCE) == status
    if says:
        child.log.wait_for(says)
    # The answer that comes now is for nobody.
    service.reply(asked, strings("late"))
    service.fence()


def test_the_page_says_what_each_of_them_says():
    page = (ROOT / "contrib/RIGHTS.md").read_text()
    assert [says for _, _, says in WAITING.values() if says not in page] == []
    assert [status for _, status, says in WAITING.values() if not says] == [-signal.SIGTERM, 1]
    assert "**the process ends with status 1**" in page and "**the process ends by SIGTERM**" in page


def test_what_stays_is_the_socket_and_what_goes_are_unique_names_owned_names_and_match_rules(place, service):
    before = Peer(place.address)
    before.own(INSIDE)
    before.ask(driver_call("AddMatch", strings("type='signal',interface='a.b'")))
    service.ask(driver_call("AddMatch", strings(f"type='signal',member='NameOwnerChanged',arg0='{INSIDE}'")))
    assert place.gate.terminate() == 0
    assert service.await_member("NameOwnerChanged").get_body().unpack() == (INSIDE, before.name, "")
    before.await_close()
    # Who connects now waits until the next gate is there, and has to say everything again.
    assert place.path.exists()
    place.start()
    after = Peer(place.address)
    assert after.name != before.name
    assert after.ask(driver_call("RequestName", GLib.Variant("(su)", (INSIDE, 4)))).get_body()[0] == 1
    assert service.await_member("NameOwnerChanged").get_body().unpack() == (INSIDE, "", after.name)
    service.send(call(INSIDE, "/a", "a.b", "Ask"))
    assert after.await_member("Ask").get_sender() == service.name


def test_a_reload_instead_costs_none_of_that(place, service):
    before = Peer(place.address)
    before.own(INSIDE)
    serial = before.send(call(NAME, "/a", "a.b", "Do"))
    asked = service.await_member("Do")
    place.gate.process.send_signal(signal.SIGHUP)
    place.gate.log.wait_for("configuration reloaded")
    service.reply(asked, strings("the answer"))
    assert before.answer_to(serial).get_body()[0] == "the answer"
    service.send(call(INSIDE, "/a", "a.b", "Ask"))
    assert before.await_member("Ask").get_sender() == service.name
