"""Service manifests give a gate its rules by capability: on a real bus, with the manifests of SoftwareContainer's documentation."""

import json
import pathlib
import shutil
import signal

import pytest

from harness import rule
from peer import ACCESS_DENIED, Peer, call, error_of
from service import busgate, refused, start

pytestmark = pytest.mark.one_bus("manifests are read and put together without asking a bus")

MANIFESTS = pathlib.Path(__file__).parent / "manifests"
WANTED = MANIFESTS / "service-manifest.d"
DEFAULTS = MANIFESTS / "service-manifest.default.d"
GET = "com.pelagicore.temperatureservice.gettemperature"
SET = "com.pelagicore.temperatureservice.settemperature"
NAME = INTERFACE = "com.pelagicore.TemperatureService"
PATH = "/com/pelagicore/TemperatureService"


def manifest(*capabilities):
    """A manifest of (name, rules for the system bus)."""
    return {"version": "1", "capabilities": [
        {"name": name, "gateways": [{"id": "dbus", "config": [{"dbus-gateway-config-system": rules}]}]} for name, rules in capabilities]}


class Setting:
    """A gate on a private system bus, a peer inside and a peer outside."""

    def __init__(self, workshop, *arguments):
        self.bus = workshop.bus(kind="system")
        self.path = workshop.directory / "gate/bus"
        self.gate = start(workshop, *arguments, "--system", self.path, "--bus", f"system={self.bus.address}")
        self.inside, self.outside = Peer(f"unix:path={self.path}"), Peer(self.bus.address)

    def passes(self, member, interface=INTERFACE, path=PATH):
        """Whether a call from inside arrives outside, or is refused at once."""
        serial = self.inside.send(call(self.outside.name, path, interface, member))
        self.inside.fence()
        self.outside.fence()
        arrived = any((other.get_sender(), other.get_serial()) == (self.inside.name, serial) for other in self.outside.unasked())
        errors = [error_of(other)[0] for other in self.inside.unasked() if other.get_reply_serial() == serial]
        assert errors == ([] if arrived else [ACCESS_DENIED])
        return arrived


def test_a_capability_that_is_asked_for_applies_and_another_does_not(workshop, bus_program):
    setting = Setting(workshop, "--manifest-dir", WANTED, "--capability", GET)
    assert setting.passes("GetTemperature")
    assert setting.passes("Introspect", "org.freedesktop.DBus.Introspectable")
    assert not setting.passes("SetTemperature")
    assert not setting.passes("GetTemperature", path="/")


def test_two_capabilities_are_put_together(workshop, bus_program):
    setting = Setting(workshop, "--manifest-dir", WANTED, "--capability", GET, "--capability", SET)
    assert setting.passes("GetTemperature") and setting.passes("SetTemperature") and setting.passes("Echo")
    assert not setting.passes("OpenLog")


@pytest.mark.parametrize("flag, applies", [("--manifest-dir", False), ("--default-manifest-dir", True)])
def test_without_a_capability_only_the_default_directory_applies(workshop, bus_program, flag, applies):
    assert Setting(workshop, flag, WANTED).passes("GetTemperature") == applies


def test_a_manifest_and_a_configuration_are_put_together(workshop, bus_program):
    more = workshop.config({"dbus-gateway-config-system": [rule("outgoing", INTERFACE, PATH, "OpenLog")]})
    setting = Setting(workshop, "--config", more, "--manifest-dir", WANTED / "temperature.json", "--capability", GET)
    assert setting.passes("OpenLog") and setting.passes("GetTemperature")
    assert not setting.passes("SetTemperature")


def test_the_same_capability_of_several_manifests_is_put_together(workshop, bus_program):
    directory = workshop.directory / "service-manifest.d"
    directory.mkdir()
    for name, member in [("b", "Two"), ("a", "One")]:
        (directory / f"{name}.json").write_text(json.dumps(manifest(("c", [rule("outgoing", INTERFACE, PATH, member)]))))
    (directory / "c.json.orig").write_text("not JSON, and no manifest")
    (directory / ".hidden.json").write_text("not JSON, and no manifest")
    setting = Setting(workshop, "--manifest-dir", directory, "--capability", "c")
    assert setting.passes("One") and setting.passes("Two")
    assert not setting.passes("Three")


def test_gateways_of_other_kinds_are_named_as_skipped(workshop, bus_program):
    setting = Setting(workshop, "--manifest-dir", WANTED, "--default-manifest-dir", DEFAULTS, "--capability", "com.example.wayland-access")
    said = [line for line in setting.gate.log.lines if "is skipped" in line]
    assert [line.split('gateway "')[1].split('"')[0] for line in said] == ["cgroups", "network", "wayland", "devicenode"]
    assert all(".json:" in line for line in said)
    assert not setting.passes("GetTemperature")


def test_a_reload_reads_the_manifests_again(workshop, bus_program):
    directory = workshop.directory / "service-manifest.d"
    shutil.copytree(WANTED, directory)
    setting = Setting(workshop, "--manifest-dir", directory, "--capability", GET)
    assert setting.passes("GetTemperature")
    (directory / "more.json").write_text(json.dumps(manifest((GET, [rule("outgoing", INTERFACE, PATH, "SetTemperature")]))))
    setting.gate.process.send_signal(signal.SIGHUP)
    setting.gate.log.wait_for("outcome=done")
    assert setting.passes("SetTemperature") and setting.passes("GetTemperature")
    # A manifest that is broken while the gate runs changes nothing, and is told of.
    (directory / "temperature.json").write_text('{"capabilities": [')
    setting.gate.process.send_signal(signal.SIGHUP)
    setting.gate.log.wait_for("temperature.json:1:19: error: ")
    setting.gate.log.wait_for("outcome=refused")
    assert setting.passes("SetTemperature") and setting.passes("GetTemperature")


def fatal(workshop, *arguments):
    return busgate("run", *arguments, "--session", workshop.directory / "gates/socket", "--bus", "session=unix:path=/nonexistent")


@pytest.mark.parametrize("flag", ["--manifest-dir", "--default-manifest-dir"])
def test_manifests_that_cannot_be_used_refuse_the_start(workshop, flag):
    directory = workshop.directory
    broken = directory / "broken.json"
    cases = [
        (directory / "missing", "No such file"), ("/", "root directory"), ("/..", "root directory"), ("//", "root directory"),
    ]
    for text, says in [
        ("no JSON", "broken.json:1:1: error:"), ('{"capabilities": [{"name": "c"}]}', "broken.json:1:19: error: capability has no"),
        ('{"version": "2", "capabilities": []}', 'broken.json:1:13: error: "version" is "2", expected "1"'),
        ('{"capabilities": [{"name": "c", "gateways": [{"id": "dbus", "config": [{"dbus-gateway-config-session": [{}]}]}]}]}',
         "broken.json:1:105: error: rule has no"),
    ]:
        broken.write_text(text)
        assert refused(fatal(workshop, flag, broken), 65, says, "expected")
    for path, says in cases:
        assert refused(fatal(workshop, flag, path), 65, path, says, "expected")
    assert not (directory / "gates").exists()


def test_a_capability_that_nobody_defines_refuses_the_start(workshop):
    assert refused(fatal(workshop, "--manifest-dir", WANTED, "--capability", GET + "s"), 65, WANTED, f'expected "{GET}"')
    empty = workshop.directory / "empty"
    empty.mkdir()
    assert refused(fatal(workshop, "--manifest-dir", empty, "--capability", "c"), 65, empty, "no capabilities at all")
    assert refused(fatal(workshop, "--config", workshop.config([]), "--capability", "c"), 64, "--capability c", "expected --manifest-dir")
    assert not (workshop.directory / "gates").exists()


def test_an_empty_directory_is_no_mistake(workshop, bus_program):
    empty = workshop.directory / "empty"
    empty.mkdir()
    assert not Setting(workshop, "--default-manifest-dir", empty).passes("GetTemperature")
