"""Unmodified client libraries and command-line clients through the gate: GDBus, libdbus, sd-bus, dbus-python."""

import os
import subprocess

import pytest
from gi.repository import Gio, GLib

from harness import PATIENCE, ROOT, rule
from libraries import LIBRARIES, SERVICE, SERVICE_PATH, GDBus, GDBusService, LibDBus, Refused, iterate_until, refused_by_gdbus
from peer import ACCESS_DENIED, DRIVER, DRIVER_PATH, INTROSPECTABLE, PROPERTIES, RETURN, Peer, call, error_of, refusal

CONFIG = ROOT / "configs/temperature.json"
DENIED = refusal(SERVICE, "SetTemperature", SERVICE_PATH)

libraries = pytest.mark.parametrize("library", LIBRARIES)


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """The demonstration's service and its client that passes descriptors, compiled."""
    directory = tmp_path_factory.mktemp("programs")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "gio-unix-2.0"], capture_output=True, text=True, check=True).stdout.split()
    for name in ("temperature-service", "fd-client"):
        subprocess.run(["cc", "-std=gnu11", "-o", directory / name, ROOT / f"contrib/demo/{name}.c", *flags], check=True)
    return directory


@pytest.fixture
def service(workshop, bus, programs):
    """The temperature service on the bare bus; it says nothing until it is set."""
    environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": bus.address}
    child = workshop.child([programs / "temperature-service", "--interval", "0"], env=environment)
    child.out.wait_for(f"acquired {SERVICE}")
    return child


@pytest.fixture
def gate(workshop, bus, service):
    return workshop.gate(CONFIG, bus)


def set_temperature(bus, celsius):
    """From outside: the service sends Tick, then TemperatureChanged."""
    reply = Peer(bus.address).ask(call(SERVICE, SERVICE_PATH, SERVICE, "SetTemperature", GLib.Variant("(d)", (celsius,))))
    assert reply.get_message_type() == RETURN


# Libraries

@libraries
def test_an_allowed_call_is_answered(gate, library):
    assert library(gate.address).call(SERVICE, SERVICE_PATH, SERVICE, "GetTemperature") == 20.0


@libraries
def test_an_allowed_call_with_an_argument_is_answered_with_it(gate, library):
    text = "ünïcödé " * 1000
    assert library(gate.address).call(SERVICE, SERVICE_PATH, SERVICE, "Echo", "s", text) == text


@libraries
def test_a_denied_call_is_answered_at_once_with_the_contracts_text(gate, library):
    client = library(gate.address)
    with pytest.raises(Refused) as refused:
        client.call(SERVICE, SERVICE_PATH, SERVICE, "SetTemperature", "d", 99.5)
    assert refused.value.error == DENIED
    assert client.call(SERVICE, SERVICE_PATH, SERVICE, "GetTemperature") == 20.0


@libraries
def test_on_the_bare_bus_the_same_call_is_obeyed(bus, service, library):
    client = library(bus.address)
    client.call(SERVICE, SERVICE_PATH, SERVICE, "SetTemperature", "d", 99.5)
    assert client.call(SERVICE, SERVICE_PATH, SERVICE, "GetTemperature") == 99.5


@libraries
def test_an_allowed_signal_arrives_and_that_of_another_interface_sent_before_it_does_not(bus, gate, library):
    client, signals = library(gate.address), []
    client.listen(lambda *signal: signals.append(signal))
    for celsius in (21.0, 22.0, 23.0):
        set_temperature(bus, celsius)
    client.run_until(lambda: (SERVICE, "TemperatureChanged", 23.0) in signals)
    assert signals == [(SERVICE, "TemperatureChanged", celsius) for celsius in (21.0, 22.0, 23.0)]


@libraries
def test_on_the_bare_bus_both_signals_arrive(bus, service, library):
    client, signals = library(bus.address), []
    client.listen(lambda *signal: signals.append(signal[:2]))
    set_temperature(bus, 21.0)
    client.run_until(lambda: (SERVICE, "TemperatureChanged") in signals)
    assert signals == [("com.pelagicore.Maintenance", "Tick"), (SERVICE, "TemperatureChanged")]


@libraries
def test_a_descriptor_comes_out(gate, library):
    with os.fdopen(library(gate.address).open_log()) as log:
        assert log.read() == "temperature log: 20.00 degrees after 0 ticks\n"


@libraries
def test_a_descriptor_goes_in(gate, library):
    read, write = os.pipe()
    os.write(write, b"from inside")
    os.close(write)
    assert library(gate.address).read_from(read) == "from inside"
    os.close(read)


@libraries
def test_introspection_of_an_allowed_object_is_answered_and_of_another_refused(gate, library):
    client = library(gate.address)
    assert 'interface name="com.pelagicore.TemperatureService"' in client.call(SERVICE, SERVICE_PATH, INTROSPECTABLE, "Introspect")
    with pytest.raises(Refused) as refused:
        client.call(SERVICE, "/", INTROSPECTABLE, "Introspect")
    assert refused.value.error == refusal(INTROSPECTABLE, "Introspect", "/")


@libraries
def test_two_clients_at_once_have_names_of_their_own_and_are_both_served(gate, library):
    """Pelagicore's listener breaks with two."""
    first, second = library(gate.address), library(gate.address)
    assert first.name != second.name
    for client in (second, first, second):
        assert client.call(SERVICE, SERVICE_PATH, SERVICE, "Echo", "s", client.name) == client.name


@libraries
def test_hundreds_of_clients_one_after_another_are_served_and_leave_nothing_behind(gate, library):
    def visit():
        client = library(gate.address)
        assert client.call(DRIVER, DRIVER_PATH, DRIVER, "NameHasOwner", "s", client.name)
        client.close()

    witness = Peer(gate.address)
    await_departures(witness)
    before = gate.descriptors()
    for _ in range(200):
        visit()
    await_departures(witness)
    assert gate.descriptors() == before
    assert gate.log.matching("error") == gate.log.matching("warning") == []


def await_departures(witness):
    """Returns when the bus knows nobody any more but the service, the gate's observer and the witness: then the gate has closed its side, too."""
    listing = call(DRIVER, DRIVER_PATH, DRIVER, "ListNames")
    while len([name for name in witness.ask(listing).get_body()[0] if name.startswith(":")]) > 3:
        pass


def test_all_three_libraries_use_one_gate_side_by_side(bus, gate):
    clients = [library(gate.address) for library in LIBRARIES]
    seen = [[] for _ in clients]
    for client, signals in zip(clients, seen):
        client.listen(lambda *signal, signals=signals: signals.append(signal))
    set_temperature(bus, 25.0)
    for client, signals in zip(clients, seen):
        client.run_until(lambda: signals)
        assert signals == [(SERVICE, "TemperatureChanged", 25.0)]
        assert client.call(SERVICE, SERVICE_PATH, SERVICE, "GetTemperature") == 25.0
        with pytest.raises(Refused):
            client.call(SERVICE, SERVICE_PATH, SERVICE, "SetTemperature", "d", 1.0)


@libraries
def test_a_large_answer_and_a_large_question_arrive_whole(gate, library):
    text = "x" * 5_000_000
    assert library(gate.address).call(SERVICE, SERVICE_PATH, SERVICE, "Echo", "s", text) == text


# Byte order

@pytest.mark.parametrize("member, allowed", [("GetTemperature", True), ("SetTemperature", False)])
def test_gdbus_with_big_endian_messages(gate, member, allowed):
    client = GDBus(gate.address)
    message = call(SERVICE, SERVICE_PATH, SERVICE, member, None if allowed else GLib.Variant("(d)", (1.0,)))
    message.set_byte_order(Gio.DBusMessageByteOrder.BIG_ENDIAN)
    reply, _ = client.connection.send_message_with_reply_sync(message, Gio.DBusSendMessageFlags.NONE, int(PATIENCE * 1000), None)
    if allowed:
        assert reply.get_body().unpack() == (20.0,)
    else:
        assert error_of(reply) == DENIED


# Command-line clients

COMMANDS = {
    "gdbus": lambda address, member, *values: ["gdbus", "call", "--address", address, "--dest", SERVICE, "--object-path", SERVICE_PATH,
                                               "--method", f"{SERVICE}.{member}", *values],
    "dbus-send": lambda address, member, *values: ["dbus-send", f"--bus={address}", "--print-reply", f"--dest={SERVICE}", SERVICE_PATH,
                                                   f"{SERVICE}.{member}", *[f"double:{value}" for value in values]],
    "busctl": lambda address, member, *values: ["busctl", f"--address={address}", "call", SERVICE, SERVICE_PATH, SERVICE, member,
                                                *(["d", *values] if values else [])],
}
ANSWERS = {"gdbus": "(20.0,)\n", "dbus-send": "   double 20\n", "busctl": "d 20\n"}
REFUSALS = {
    "gdbus": "Error: GDBus.Error:{}: {}\n",
    "dbus-send": "Error {}: {}\n",
    # For this error busctl prints words of its own; what it received is in its debug output.
    "busctl": "error-name={} error-message={}\n",
}


def run(command, **environment):
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, "LC_ALL": "C.UTF-8", **environment})


@pytest.mark.parametrize("program", COMMANDS)
def test_a_command_line_client_is_answered_if_it_is_allowed(gate, program):
    done = run(COMMANDS[program](gate.address, "GetTemperature"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(ANSWERS[program])


@pytest.mark.parametrize("program", COMMANDS)
def test_a_command_line_client_is_refused_with_the_contracts_text_if_it_is_not(gate, program):
    done = run(COMMANDS[program](gate.address, "SetTemperature", "99.5"), SYSTEMD_LOG_LEVEL="debug")
    assert done.returncode == 1
    assert REFUSALS[program].format(*DENIED) in done.stderr


def test_gdbus_introspects_through_the_gate(gate):
    done = run(["gdbus", "introspect", "--address", gate.address, "--dest", SERVICE, "--object-path", SERVICE_PATH])
    assert done.returncode == 0 and "GetTemperature(out d celsius)" in done.stdout, done.stderr


def test_busctl_introspects_through_the_gate(gate):
    done = run(["busctl", f"--address={gate.address}", "introspect", "--xml-interface", SERVICE, SERVICE_PATH])
    assert done.returncode == 0 and "GetTemperature" in done.stdout, done.stderr


def test_busctl_lists_who_is_on_the_bus(gate):
    done = run(["busctl", f"--address={gate.address}", "list"])
    assert done.returncode == 0 and SERVICE in done.stdout, done.stderr


def test_a_program_in_c_passes_descriptors_both_ways(gate, programs):
    environment = {"DBUS_SESSION_BUS_ADDRESS": gate.address}
    assert run([programs / "fd-client", "open-log"], **environment).stdout == "temperature log: 20.00 degrees after 0 ticks\n"
    assert run([programs / "fd-client", "read-from", "from inside"], **environment).stdout == "from inside\n"


# Proxies, properties

def proxy(client, name, path, interface):
    return Gio.DBusProxy.new_sync(client.connection, Gio.DBusProxyFlags.NONE, None, name, path, interface, None)


def test_a_gdbus_proxy_of_a_running_service_works_though_start_service_by_name_is_refused(bus, gate):
    made, signals = proxy(GDBus(gate.address), SERVICE, SERVICE_PATH, SERVICE), []
    assert made.get_name_owner().startswith(":")
    assert made.call_sync("GetTemperature", None, Gio.DBusCallFlags.NONE, -1, None).unpack() == (20.0,)
    with pytest.raises(GLib.Error) as error:
        made.call_sync("SetTemperature", GLib.Variant("(d)", (1.0,)), Gio.DBusCallFlags.NONE, -1, None)
    assert refused_by_gdbus(error.value).error == DENIED
    made.connect("g-signal", lambda proxy, sender, member, body: signals.append((member, body.unpack())))
    set_temperature(bus, 24.0)
    iterate_until(lambda: signals)
    assert signals == [("TemperatureChanged", (24.0,))]


def test_a_gdbus_proxy_of_a_service_that_is_away_is_made_and_learns_when_it_comes(workshop, bus):
    gate = workshop.gate([], bus)
    made = proxy(GDBus(gate.address), "com.example.Service", "/x", "com.example.Service")
    assert made.get_name_owner() is None
    service = Peer(bus.address)
    service.own("com.example.Service")
    iterate_until(lambda: made.get_name_owner() is not None)


def test_dbus_python_makes_proxy_objects_through_the_gate(gate):
    bus_object = LibDBus(gate.address).connection.get_object(SERVICE, SERVICE_PATH)
    assert bus_object.GetTemperature(dbus_interface=SERVICE) == 20.0


@pytest.fixture
def outside(bus):
    """A service with a property on the bare bus."""
    service = GDBusService(bus.address)
    yield service
    service.stop()


def may(*members, **more):
    return rule("outgoing", PROPERTIES, GDBusService.PATH, list(members), **more)


def test_a_property_is_read_by_a_rule_and_not_written_without_one(workshop, bus, outside):
    gate = workshop.gate([may("Get", "GetAll")], bus)
    made = proxy(GDBus(gate.address), outside.NAME, outside.PATH, outside.NAME)
    assert made.get_cached_property("Level").unpack() == 7
    arguments = GLib.Variant("(ssv)", (outside.NAME, "Level", GLib.Variant("u", 9)))
    with pytest.raises(GLib.Error) as error:
        made.call_sync(f"{PROPERTIES}.Set", arguments, Gio.DBusCallFlags.NONE, -1, None)
    assert refused_by_gdbus(error.value).error == refusal(PROPERTIES, "Set", outside.PATH)
    assert outside.level == 7


def test_a_property_is_written_by_a_rule_and_not_read_without_one(workshop, bus, outside):
    gate = workshop.gate([may("Set")], bus)
    made = proxy(GDBus(gate.address), outside.NAME, outside.PATH, outside.NAME)
    assert made.get_cached_property("Level") is None
    arguments = GLib.Variant("(ssv)", (outside.NAME, "Level", GLib.Variant("u", 9)))
    made.call_sync(f"{PROPERTIES}.Set", arguments, Gio.DBusCallFlags.NONE, -1, None)
    assert outside.level == 9


@pytest.mark.parametrize("allowed", [True, False])
def test_busctl_reads_a_property_by_a_rule_and_not_without_one(workshop, bus, outside, allowed):
    gate = workshop.gate([may("Get")] if allowed else [], bus)
    done = run(["busctl", f"--address={gate.address}", "get-property", outside.NAME, outside.PATH, outside.NAME, "Level"])
    assert (done.returncode, done.stdout) == ((0, "u 7\n") if allowed else (1, ""))


# A service inside

@pytest.fixture
def inside(workshop, bus):
    """The same service, a client of the gate."""
    gate = workshop.gate([
        rule("outgoing", DRIVER, DRIVER_PATH, "RequestName"), rule("incoming", GDBusService.NAME, GDBusService.PATH, "Double"),
        rule("outgoing", GDBusService.NAME, GDBusService.PATH, "Changed", type="signal"),
        rule("incoming", PROPERTIES, GDBusService.PATH, "Get")], bus)
    service = GDBusService(gate.address)
    yield service
    service.stop()


@libraries
def test_a_service_inside_is_called_from_outside_by_its_rules(bus, inside, library):
    caller = library(bus.address)
    assert caller.call(inside.NAME, inside.PATH, inside.NAME, "Double", "u", 21) == 42
    with pytest.raises(Refused) as refused:
        caller.call(inside.NAME, inside.PATH, inside.NAME, "Secret")
    assert refused.value.error == refusal(inside.NAME, "Secret", inside.PATH, "incoming")
    assert inside.calls == ["Double"]


def test_the_property_of_a_service_inside_is_read_and_not_written_from_outside(bus, inside):
    caller = GDBus(bus.address)
    assert caller.call(inside.NAME, inside.PATH, PROPERTIES, "Get", "ss", inside.NAME, "Level") == 7
    with pytest.raises(Refused) as refused:
        caller.call(inside.NAME, inside.PATH, PROPERTIES, "Set", "ssv", inside.NAME, "Level", GLib.Variant("u", 9))
    assert refused.value.error == refusal(PROPERTIES, "Set", inside.PATH, "incoming")
    assert inside.level == 7


def test_the_signals_of_a_service_inside_go_out_by_its_rules(bus, inside):
    listener = Peer(bus.address)
    listener.subscribe(f"type='signal',interface='{inside.NAME}'")
    for member in ("Leaked", "Changed", "Leaked"):
        inside.emit(member, 1)
    inside.emit("Changed", 2)
    levels = [listener.await_member("Changed").get_body()[0] for _ in range(2)]
    assert (levels, listener.seen()) == ([1, 2], [])


@libraries
def test_what_a_library_is_refused_for_lack_of_an_interface_is_refused_in_the_same_words(gate, library):
    if library is GDBus:
        client = GDBus(gate.address)
        message = call(SERVICE, SERVICE_PATH, None, "GetTemperature")
        reply, _ = client.connection.send_message_with_reply_sync(message, Gio.DBusSendMessageFlags.NONE, int(PATIENCE * 1000), None)
        assert error_of(reply) == (ACCESS_DENIED, refusal("-", "GetTemperature", SERVICE_PATH)[1])
        return
    with pytest.raises(Refused) as refused:
        library(gate.address).call(SERVICE, SERVICE_PATH, None, "GetTemperature")
    assert refused.value.error == refusal("-", "GetTemperature", SERVICE_PATH)
