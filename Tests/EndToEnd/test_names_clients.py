"""Names before the programs that people use: GDBus, libdbus, sd-bus, busctl, gdbus and dbus-send behind a gate with a block of names."""

import json
import subprocess

import pytest
from gi.repository import Gio, GLib

from harness import PATIENCE
from libraries import LIBRARIES, GDBus, GDBusService, Refused, iterate_until
from wire import join

DRIVER, DRIVER_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
HIDDEN, MINE = "com.example.Hidden", "com.example.Mine"
NAMES = {"busgate": {"names": {"talk": ["com.example.Service.*"], "own": [MINE]}}}
SERVICE_UNKNOWN = "org.freedesktop.DBus.Error.ServiceUnknown"
NO_OWNER = "org.freedesktop.DBus.Error.NameHasNoOwner"


@pytest.fixture
def service(bus):
    service = GDBusService(bus.address)
    yield service
    service.stop()


@pytest.fixture
def hidden(workshop, bus):
    hidden = join(workshop, bus.path)
    hidden.request_name(HIDDEN)
    return hidden


@pytest.fixture
def gate(workshop, bus):
    return workshop.gate(NAMES, bus)


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.__name__)
def test_a_library_calls_what_it_may_and_does_not_find_the_rest(library, service, hidden, gate):
    client = library(gate.address)
    assert client.call(service.NAME, service.PATH, service.NAME, "Double", "u", 21) == 42
    owner = client.call(DRIVER, DRIVER_PATH, DRIVER, "GetNameOwner", "s", service.NAME)
    assert client.call(owner, service.PATH, service.NAME, "Double", "u", 4) == 8
    for destination, expected in ((HIDDEN, SERVICE_UNKNOWN), (hidden.name, NO_OWNER)):
        with pytest.raises(Refused) as refused:
            client.call(destination, "/", "com.example.Open", "Do")
        assert refused.value.error[0] == expected
    assert not client.call(DRIVER, DRIVER_PATH, DRIVER, "NameHasOwner", "s", HIDDEN)
    assert client.call(DRIVER, DRIVER_PATH, DRIVER, "NameHasOwner", "s", service.NAME)
    assert client.call(DRIVER, DRIVER_PATH, DRIVER, "RequestName", "su", MINE, 0) == 1
    with pytest.raises(Refused):
        client.call(DRIVER, DRIVER_PATH, DRIVER, "RequestName", "su", "com.example.Theirs", 0)
    client.close()


def test_a_gdbus_proxy_follows_a_service_and_its_properties(service, gate):
    client = GDBus(gate.address)
    proxy = Gio.DBusProxy.new_sync(
        client.connection, Gio.DBusProxyFlags.NONE, None, service.NAME, service.PATH, service.NAME, None)
    assert proxy.get_name_owner() == service.client.name
    assert proxy.get_cached_property("Level").unpack() == 7
    heard = []
    proxy.connect("g-signal", lambda proxy, sender, member, body: heard.append((member, *body.unpack())))
    client.call(DRIVER, DRIVER_PATH, DRIVER, "GetId")
    service.emit("Changed", 5)
    iterate_until(lambda: heard)
    assert heard == [("Changed", 5)]
    client.close()


def test_a_gdbus_watcher_sees_a_visible_name_come_and_go_and_never_a_hidden_one(workshop, bus, gate):
    client, seen = GDBus(gate.address), []
    for name in ("com.example.Service.Late", HIDDEN):
        Gio.bus_watch_name_on_connection(
            client.connection, name, Gio.BusNameWatcherFlags.NONE, lambda connection, name, owner: seen.append((name, True)),
            lambda connection, name: seen.append((name, False)))
    iterate_until(lambda: len(seen) == 2)
    service = join(workshop, bus.path)
    service.request_name(HIDDEN)
    service.request_name("com.example.Service.Late")
    iterate_until(lambda: len(seen) == 3)
    service.close()
    iterate_until(lambda: len(seen) == 4)
    assert sorted(seen[:2]) == [(HIDDEN, False), ("com.example.Service.Late", False)]
    assert seen[2:] == [("com.example.Service.Late", True), ("com.example.Service.Late", False)]
    client.close()


def test_an_owned_name_is_served_as_rules_let_it(workshop, bus):
    gate = workshop.gate({**NAMES, "dbus-gateway-config-session": [
        {"direction": "incoming", "interface": "com.example.Service", "object-path": "*", "method": "Double"}]}, bus)

    class Inside(GDBusService):
        NAME = MINE

    Inside.XML = GDBusService.XML
    inside = Inside(gate.address)
    outside = GDBus(bus.address)
    assert outside.call(MINE, inside.PATH, "com.example.Service", "Double", "u", 3) == 6
    with pytest.raises(Refused):
        outside.call(MINE, inside.PATH, "com.example.Service", "Secret")
    outside.close()
    inside.stop()


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=PATIENCE)


def test_busctl_lists_and_calls_what_is_visible(service, hidden, gate):
    listed = run("busctl", f"--address={gate.address}", "list", "--json=short", "--no-pager")
    names = {one["name"] for one in json.loads(listed.stdout)}
    assert {service.NAME, service.client.name, DRIVER} <= names and not {HIDDEN, hidden.name} & names
    called = run("busctl", f"--address={gate.address}", "call", service.NAME, service.PATH, service.NAME, "Double", "u", "5")
    assert called.stdout == "u 10\n"
    assert run("busctl", f"--address={gate.address}", "call", HIDDEN, "/", "com.example.Open", "Do").returncode != 0


def test_gdbus_and_dbus_send_call_what_is_visible(service, hidden, gate):
    called = run("gdbus", "call", "--address", gate.address, "--dest", service.NAME, "--object-path", service.PATH, "--method",
                 f"{service.NAME}.Double", "5")
    assert called.stdout == "(uint32 10,)\n", called.stderr
    called = run("gdbus", "call", "--address", gate.address, "--dest", HIDDEN, "--object-path", "/", "--method", "com.example.Open.Do")
    assert "ServiceUnknown" in called.stderr
    listed = run("dbus-send", f"--bus={gate.address}", "--print-reply", "--dest=" + DRIVER, DRIVER_PATH, DRIVER + ".ListNames")
    assert service.NAME in listed.stdout and HIDDEN not in listed.stdout and hidden.name not in listed.stdout
