"""Services that are not running and that rules open: they are started by whoever may call them, in the way of each client, and by nobody else.

Both buses start services: dbus-daemon by itself, from a directory, and dbus-broker through its controller, which is broker.py here.
"""

import subprocess

import pytest
from gi.repository import Gio, GLib

from harness import PATIENCE, Workshop, rule
from libraries import GDBus
from peer import DRIVER, PROPERTIES, RETURN, Peer, driver_call, error_of, is_from_gate, strings

OPEN, SHUT, PATH = "com.example.Open", "com.example.Shut", "/com/example/Object"
UNKNOWN = "org.freedesktop.DBus.Error.ServiceUnknown"

# A service in GDBus, with a method and a property.
SERVICE = """
import os
from gi.repository import Gio, GLib
XML = '''<node><interface name="com.example.Thing"><method name="Double"><arg type="i" direction="in"/><arg type="i" direction="out"/></method>
<property name="Level" type="u" access="read"/></interface></node>'''
connection = Gio.DBusConnection.new_for_address_sync(os.environ["DBUS_STARTER_ADDRESS"],
    Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
def called(connection, sender, path, interface, member, arguments, invocation):
    invocation.return_value(GLib.Variant("(i)", (2 * arguments[0],)))
def read(connection, sender, path, interface, name):
    return GLib.Variant("u", 7)
connection.register_object({path!r}, Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0], called, read, None)
Gio.bus_own_name_on_connection(connection, {name!r}, 0, None, None)
connection.connect("closed", lambda *rest: loop.quit())
loop = GLib.MainLoop()
loop.run()
"""
THING = "com.example.Thing"
# Each of them lets somebody call Double of the service that is open.
BY_NAME = rule("outgoing", THING, PATH, "Double", name=OPEN)
WHOLE = rule("outgoing", name=OPEN)


class Stage:
    """A bus that knows how to start two services, neither of which runs."""

    def __init__(self, bus_program):
        self.shop = Workshop(bus_program)
        commands = {}
        for name in (OPEN, SHUT):
            script = self.shop.directory / f"{name}.py"
            script.write_text(SERVICE.format(path=PATH, name=name))
            commands[name] = f"/usr/bin/python3 {script}"
        self.bus = self.shop.bus(activatable=commands)
        self.outside = Peer(self.bus.address)

    def gate(self, rules, *arguments):
        return self.shop.gate(rules, self.bus, *arguments)

    def runs(self, name):
        return self.outside.ask(driver_call("NameHasOwner", strings(name))).get_body()[0]


@pytest.fixture
def stage(bus_program):
    stage = Stage(bus_program)
    yield stage
    stage.shop.close()


def started(peer, name):
    """What StartServiceByName is answered: 1, it was started, 2, it ran already, or an error's name."""
    answer = peer.ask(driver_call("StartServiceByName", GLib.Variant("(su)", (name, 0))))
    return answer.get_body()[0] if answer.get_message_type() == RETURN else answer.get_error_name()


def log_of(gate):
    """All lines of a gate that is stopped for it."""
    assert gate.terminate() == 0
    gate.log.wait_until(lambda: gate.log.ended)
    return list(gate.log.lines)


# Clients

DBUS_PYTHON = """
import sys, dbus.bus
bus = dbus.bus.BusConnection(sys.argv[1])
try:
    print(bus.get_object(sys.argv[2], {path!r}).Double(21, dbus_interface={interface!r}))
except dbus.DBusException as error:
    print(error.get_dbus_name())
""".format(path=PATH, interface=THING)


def dbus_python(gate, name):
    done = subprocess.run(["/usr/bin/python3", "-c", DBUS_PYTHON, gate.address, name], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("opening", [BY_NAME, WHOLE, rule("outgoing", THING, method="Double", name="com.example.Op*")],
                         ids=["exact", "everything", "glob"])
def test_dbus_python_reaches_a_service_that_is_not_running_and_not_its_neighbour(stage, opening):
    """It calls StartServiceByName before anything else (dbus/bus.py, activate_name_owner)."""
    gate = stage.gate([opening])
    assert dbus_python(gate, OPEN) == "42"
    assert dbus_python(gate, SHUT) == UNKNOWN
    assert stage.runs(OPEN) and not stage.runs(SHUT)


def test_dbus_python_is_told_the_same_where_names_say_it(stage):
    gate = stage.gate({"dbus-gateway-config-session": [], "busgate": {"names": {"talk": [OPEN], "see": [SHUT]}}})
    assert dbus_python(gate, OPEN) == "42"
    assert dbus_python(gate, SHUT) == UNKNOWN
    assert stage.runs(OPEN) and not stage.runs(SHUT)


def test_a_gdbus_proxy_comes_up_with_its_properties_and_that_of_the_neighbour_without(stage):
    gate = stage.gate([BY_NAME, rule("outgoing", PROPERTIES, PATH, ["GetAll"], name=OPEN)])
    client = GDBus(gate.address)

    def proxy(name):
        return Gio.DBusProxy.new_sync(client.connection, Gio.DBusProxyFlags.NONE, None, name, PATH, THING, None)
    made = proxy(OPEN)
    assert made.get_cached_property("Level").unpack() == 7
    assert made.call_sync("Double", GLib.Variant("(i)", (4,)), Gio.DBusCallFlags.NONE, -1, None).unpack() == (8,)
    other = proxy(SHUT)
    assert (other.get_name_owner(), other.get_cached_property("Level")) == (None, None)
    assert stage.runs(OPEN) and not stage.runs(SHUT)


def test_a_gdbus_proxy_of_a_service_of_which_only_properties_are_open_comes_up_with_them(stage):
    gate = stage.gate([rule("outgoing", PROPERTIES, PATH, ["GetAll"], name=OPEN)])
    made = Gio.DBusProxy.new_sync(GDBus(gate.address).connection, Gio.DBusProxyFlags.NONE, None, OPEN, PATH, THING, None)
    assert made.get_cached_property("Level").unpack() == 7


# What opens it, and what does not

@pytest.mark.parametrize("rules", [[BY_NAME], [WHOLE], [rule("*", name="com.example.Open.*")], [rule("outgoing", THING, PATH, "Double")],
                                   [BY_NAME, rule("outgoing", method="Undo", action="deny")],
                                   [rule("outgoing"), rule("outgoing", action="deny", name=SHUT)]],
                         ids=["exact", "everything", "subtree", "nameless", "narrower-deny", "deny-for-another"])
def test_a_name_to_which_some_call_may_go_may_be_started(stage, rules):
    assert started(Peer(stage.gate(rules).address), OPEN) == 1
    assert stage.runs(OPEN)


CLOSED = {
    "nothing": [], "another": [rule("outgoing", name="com.example.Other")], "incoming": [rule("incoming", name=OPEN)],
    "signals": [rule("outgoing", name=OPEN, type="signal")], "the-bus": [rule("outgoing", DRIVER, "*", ["Request*", "Get*"])],
    "shared-and-nameless": [rule("outgoing", PROPERTIES)], "wider-deny": [BY_NAME, rule("outgoing", THING, action="deny")],
    "deny-of-the-name": [WHOLE, rule("outgoing", action="deny", name="com.example.*")],
    "beside-the-subtree": [rule("outgoing", name="com.example.Ope.*")]}


@pytest.mark.parametrize("rules", CLOSED.values(), ids=CLOSED)
def test_a_name_to_which_no_call_may_go_is_unknown_and_not_started(stage, rules):
    inside = Peer(stage.gate(rules).address)
    answer = inside.ask(driver_call("StartServiceByName", GLib.Variant("(su)", (OPEN, 0))))
    assert answer.get_error_name() == UNKNOWN and is_from_gate(answer)
    inside.fence()
    assert not stage.runs(OPEN)


@pytest.mark.parametrize("interface", [DRIVER, None], ids=["named", "without-interface"])
def test_beside_an_open_service_another_stays_closed_and_is_no_line_of_the_log(stage, interface):
    gate = stage.gate([BY_NAME])
    inside = Peer(gate.address)
    for name in (SHUT, "com.example.Nobody", OPEN + ".Below"):
        answer = inside.ask(driver_call("StartServiceByName", GLib.Variant("(su)", (name, 0)), interface))
        assert answer.get_error_name() == UNKNOWN and is_from_gate(answer)
        assert f" about {name} " in error_of(answer)[1]
    assert inside.ask(driver_call("StartServiceByName", GLib.Variant("(su)", (OPEN, 0)), interface)).get_body()[0] == 1
    # A denial behind them is one: what came before would stand before it.
    inside.own("com.example.Mine")
    assert [line for line in log_of(gate) if "member=" in line and "member=RequestName" not in line] == []
    assert not stage.runs(SHUT)


def test_who_wants_every_message_logged_sees_it_with_its_name(stage):
    gate = stage.gate([BY_NAME], "--log", "all")
    inside = Peer(gate.address)
    assert (started(inside, SHUT), started(inside, OPEN)) == (UNKNOWN, 1)
    first, second = [line for line in log_of(gate) if "member=StartServiceByName" in line]
    assert first.startswith("deny ") and f"about={SHUT}" in first and "reason=service-unknown" in first
    assert second.startswith("allow ") and "reason=rule" in second and "rule=" in second


def test_a_reload_opens_and_closes_it(stage):
    config = stage.shop.config([])
    gate = stage.gate(config)
    inside = Peer(gate.address)
    assert started(inside, OPEN) == UNKNOWN
    config.write_text(stage.shop.config([BY_NAME]).read_text())
    gate.reload()
    assert started(inside, OPEN) == 1
    config.write_text(stage.shop.config([]).read_text())
    gate.reload()
    assert started(inside, OPEN) == UNKNOWN


def test_audit_starts_it_whatever_the_rules_say(stage):
    gate = stage.gate([], "--mode", "audit")
    assert started(Peer(gate.address), SHUT) == 1
    assert stage.runs(SHUT)


def test_a_call_starts_what_it_may_go_to_and_nothing_else(stage):
    """What makes it right to open StartServiceByName: the same call without it has the same effect."""
    gate = stage.gate([BY_NAME])
    client = GDBus(gate.address)

    def ask(name):
        return client.connection.call_sync(name, PATH, THING, "Double", GLib.Variant("(i)", (1,)), None, Gio.DBusCallFlags.NONE, -1, None).unpack()
    assert ask(OPEN) == (2,)
    with pytest.raises(GLib.Error):
        ask(SHUT)
    assert stage.runs(OPEN) and not stage.runs(SHUT)
