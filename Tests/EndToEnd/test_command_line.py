"""`busgate run`: its exit statuses, what it says, and what it leaves in the file system."""

import json
import os
import select
import socket
import stat
import subprocess

import pytest

from harness import BUSGATE, EVERYTHING, PATIENCE, Gate, rule
from peer import Peer, call, error_of, refusal
from service import busgate, refused

pytestmark = pytest.mark.one_bus("flags and files are read, and sockets made and removed, without asking a bus")

NOWHERE = "unix:path=/nonexistent"


# Usage

@pytest.mark.parametrize("arguments, says", [
    ([], "expected"),
    (["walk"], '"walk"'),
    (["run"], "--config"),
    (["run", "--config"], "--config"),
    (["run", "--config", "CONFIG"], "--session PATH, --system PATH"),
    (["run", "--session", "SOCKET"], "--config"),
    (["run", "--config", "CONFIG", "--session", ""], "--session"),
    (["run", "--config", "CONFIG", "--session", "SOCKET", "--session", "SOCKET2"], "session given twice"),
    (["run", "--config", "CONFIG", "--session", "SOCKET", "--bus", "SOCKET"], "NAME=ADDRESS"),
    (["run", "--config", "CONFIG", "--session", "SOCKET", "--bus", "other=unix:path=/x"], "no gate other"),
    (["run", "--config", "CONFIG", "--session", "SOCKET", "--log", "loud"], '"loud"'),
    (["run", "--config", "CONFIG", "--session", "SOCKET", "--limit", "no-such=1"], '"no-such"'),
    (["run", "--config", "CONFIG", "--session", "SOCKET", "--limit", "connections-max=0"], "connections-max=0"),
    (["run", "--config", "CONFIG", "--session", "SOCKET", "--limit", "auth-timeout=30"], "auth-timeout=30"),
    (["run", "--config", "CONFIG", "--session", "SOCKET", "--ready-fd", "200"], "--ready-fd 200"),
    (["run", "--config", "CONFIG", "--session", "SOCKET", "--ready-fd", "one"], '"one"'),
    (["run", "--config", "CONFIG", "--session", "SOCKET", "--verbose"], '"--verbose"'),
])
def test_a_command_line_that_cannot_be_understood_is_status_64_and_makes_no_socket(workshop, arguments, says):
    places = {"CONFIG": workshop.config([]), "SOCKET": workshop.directory / "socket", "SOCKET2": workshop.directory / "socket2"}
    assert refused(busgate(*[places.get(argument, argument) for argument in arguments]), 64, "busgate", says)
    assert not places["SOCKET"].exists()


BAD_ADDRESSES = ["", "unix", "unix:", "unix:path=", "unix:path", "unix:path=%zz", "nonsense:path=/x", "unix:path=/x,path=/y"]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_a_bus_address_that_cannot_be_understood_is_an_error_that_says_so_and_makes_no_socket(workshop, address):
    path = workshop.directory / "socket"
    done = busgate("run", "--config", workshop.config([]), "--session", path, "--bus", f"session={address}")
    assert done.returncode == 64
    assert done.stderr.count("\n") == 1
    assert not path.exists()


def test_without_an_address_of_the_session_bus_it_says_which_variables_it_looked_for(workshop):
    environment = {name: value for name, value in os.environ.items() if name not in ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR")}
    done = busgate("run", "--config", workshop.config([]), "--session", workshop.directory / "socket", env=environment)
    assert done.stderr.count("\n") == 1 and "DBUS_SESSION_BUS_ADDRESS" in done.stderr and "XDG_RUNTIME_DIR" in done.stderr
    assert done.returncode != 0


@pytest.mark.parametrize("arguments, begins", [(["--version"], "busgate "), (["--help"], "usage: "), (["run", "--help"], "usage: ")])
def test_help_and_version_go_to_standard_output_with_status_0(arguments, begins):
    done = busgate(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(begins)


# Configurations

GOOD = json.dumps(rule())


def document(rules):
    return '{\n  "dbus-gateway-config-session": [\n    ' + rules + "\n  ]\n}\n"


BAD = {
    "empty": ("", "1:1"),
    "not-json": (document(GOOD + ","), "4:3"),
    "no-object": (document(GOOD + ",\n    7"), "4:5"),
    "missing-key": (document('{"direction": "*", "interface": "*", "method": "*"}'), '3:5', '"object-path"'),
    "wrong-type": (document('{"direction": 1, "interface": "*", "object-path": "*", "method": "*"}'), "3:19", "direction"),
    "unknown-key": (document('{"methods": "*"}'), "3:6", '"methods"', '"method"'),
    "duplicate-key": (document('{"direction": "*", "direction": "*"}'), "3:24", '"direction"'),
    "no-direction": (document(json.dumps(rule("sideways"))), "3:19", '"sideways"'),
    "no-action": (document(json.dumps(rule(action="ask"))), "3:", '"ask"'),
    "no-type": (document(json.dumps(rule(type="call"))), "3:", '"call"'),
    "too-many-fds": (document(json.dumps(rule(**{"max-fds": 254}))), "3:", '"max-fds"'),
    "nul": (document(json.dumps(rule(method="a\0b"))), "3:"),
    "raw-nul": ("{\0}", "1:2"),
    "trailing": (document(GOOD) + "x", "6:1"),
    "no-array": ('{"dbus-gateway-config-session": {}}', "1:33", "expected an array"),
    "not-utf-8": (document('{"direction": "\udcff"}'), "3:"),
    "narrower-than-we-can": (document(json.dumps(rule(arg0="x"))), "3:", '"arg0"'),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_configuration_that_is_wrong_is_status_65_with_file_line_and_column_and_makes_no_socket(workshop, kind):
    text, place, *parts = BAD[kind]
    file, path = workshop.directory / "bad.json", workshop.directory / "gate/socket"
    file.write_text(text, errors="surrogateescape")
    done = busgate("run", "--config", workshop.config([]), "--config", file, "--session", path, "--bus", f"session={NOWHERE}")
    assert refused(done, 65, f"{file}:{place}", "error: ", *parts)
    assert not path.parent.exists()


@pytest.mark.parametrize("file", ["missing.json", "."])
def test_a_configuration_that_cannot_be_read_is_status_65(workshop, file):
    file, path = workshop.directory / file, workshop.directory / "gate/socket"
    assert refused(busgate("run", "--config", file, "--session", path, "--bus", f"session={NOWHERE}"), 65, file, "error: ")
    assert not path.parent.exists()


# The socket

def run(workshop, path, **options):
    """A gate that will be refused."""
    return busgate("run", "--config", workshop.config([]), "--session", path, "--bus", f"session={NOWHERE}", **options)


def test_a_socket_is_open_to_every_user_whatever_the_umask_and_its_directory_is_made(workshop, bus):
    old = os.umask(0o077)
    try:
        gate = workshop.gate([], bus, socket="a/b/c/bus")
    finally:
        os.umask(old)
    assert stat.S_IMODE(gate.path.stat().st_mode) == 0o666


def test_a_socket_of_a_live_process_is_not_replaced(workshop, bus):
    gate = workshop.gate([], bus)
    before = gate.path.stat().st_ino
    assert refused(run(workshop, gate.path), 78, gate.path)
    assert gate.path.stat().st_ino == before
    Peer(gate.address).fence()


def test_a_socket_that_a_killed_gate_left_behind_is_replaced(workshop, bus):
    gate = workshop.gate([], bus)
    gate.kill()
    assert stat.S_ISSOCK(gate.path.stat().st_mode)
    Peer(workshop.gate([], bus).address).fence()


@pytest.mark.parametrize("kind", ["file", "directory", "link", "dangling-link", "fifo"])
def test_what_is_no_socket_is_left_alone(workshop, kind):
    path, target = workshop.directory / "path", workshop.directory / "target"
    if kind == "file":
        path.write_text("precious")
    elif kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(target)
        if kind == "link":
            target.write_text("precious")
    before = path.lstat()
    assert refused(run(workshop, path), 78, path)
    after = path.lstat()
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, before.st_size)


def test_a_directory_that_cannot_be_made_is_status_71(workshop):
    (workshop.directory / "file").write_text("")
    assert refused(run(workshop, workshop.directory / "file/socket"), 71, workshop.directory / "file")


def test_a_last_part_that_is_too_long_for_any_file_is_status_71(workshop):
    path = workshop.directory / ("s" * 256)
    assert refused(run(workshop, path), 71, path, "name too long")


def test_a_gate_removes_its_socket_when_it_ends(workshop, bus):
    gate = workshop.gate([], bus)
    assert gate.terminate() == 0
    assert not gate.path.exists()


def test_a_gate_leaves_a_socket_that_is_not_its_own_any_more(workshop, bus):
    gate = workshop.gate([], bus)
    gate.path.unlink()
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(gate.path))
    assert gate.terminate() == 0
    assert stat.S_ISSOCK(gate.path.stat().st_mode)


def test_with_require_all_when_one_of_two_sockets_is_refused_the_other_is_not_left_behind(workshop, bus):
    live = workshop.gate([], bus)
    path = workshop.directory / "other"
    done = busgate("run", "--config", workshop.config([]), "--require-all", "--system", path, "--session", live.path,
                   "--bus", f"session={NOWHERE}", "--bus", f"system={NOWHERE}")
    assert refused(done, 78, live.path)
    assert not path.exists()


# Both buses at once

@pytest.mark.both_buses
def test_one_process_serves_both_buses_each_by_its_own_rules(workshop, bus_program):
    session, system = workshop.bus(name="one"), workshop.bus(name="two", kind="system")
    path = workshop.directory / "gate/system"
    config = {"dbus-gateway-config-session": [rule(method="OnSession")], "dbus-gateway-config-system": [rule(method="OnSystem")]}
    gate = workshop.gate(config, session, "--system", path, "--bus", f"system={system.address}")
    peers = {"SESSION": Peer(gate.address), "SYSTEM": Peer(f"unix:path={path}")}
    assert (peers["SESSION"].guid, peers["SYSTEM"].guid) == (Peer(session.address).guid, Peer(system.address).guid)
    for kind, own, other in (("SESSION", "OnSession", "OnSystem"), ("SYSTEM", "OnSystem", "OnSession")):
        peer = peers[kind]
        assert peer.ask(call("a.b", "/x", "c.d", own)).get_error_name() == "org.freedesktop.DBus.Error.ServiceUnknown"
        assert error_of(peer.ask(call("a.b", "/x", "c.d", other))) == refusal("c.d", other, "/x", bus=kind)
    assert gate.terminate() == 0
    assert not path.exists() and not gate.path.exists()


@pytest.mark.parametrize("kind", ["session", "system"])
def test_the_address_of_a_bus_is_found_in_the_environment(workshop, bus_program, kind):
    bus = workshop.bus(kind=kind)
    path = workshop.directory / "socket"
    read, write = os.pipe()
    workshop.child([BUSGATE, "run", "--config", workshop.config([]), f"--{kind}", path, "--ready-fd", str(write)], pass_fds=[write],
                   env={**os.environ, f"DBUS_{kind.upper()}_BUS_ADDRESS": bus.address})
    os.close(write)
    assert os.read(read, 1)
    os.close(read)
    assert Peer(f"unix:path={path}").guid == Peer(bus.address).guid


def test_the_session_bus_is_looked_for_in_the_users_directory(workshop, bus_program):
    bus = workshop.bus(name="bus")
    environment = {name: value for name, value in os.environ.items() if name != "DBUS_SESSION_BUS_ADDRESS"}
    path = workshop.directory / "socket"
    read, write = os.pipe()
    workshop.child([BUSGATE, "run", "--config", workshop.config([]), "--session", path, "--ready-fd", str(write)], pass_fds=[write],
                   env={**environment, "XDG_RUNTIME_DIR": str(workshop.directory)})
    os.close(write)
    assert os.read(read, 1)
    os.close(read)
    assert Peer(f"unix:path={path}").guid == Peer(bus.address).guid


# Ready

def test_the_ready_descriptor_gets_one_byte_when_every_socket_accepts_and_is_closed(workshop, bus):
    paths = [workshop.directory / "session", workshop.directory / "system"]
    read, write = os.pipe()
    gate = workshop.child([BUSGATE, "run", "--config", workshop.config([]), "--session", paths[0], "--system", paths[1],
                           "--bus", f"session={bus.address}", "--bus", f"system={bus.address}", "--ready-fd", str(write)], pass_fds=[write])
    os.close(write)
    assert os.read(read, 10) != b""
    for path in paths:
        socket.socket(socket.AF_UNIX).connect(str(path))
    assert select.select([read], [], [], PATIENCE)[0]
    assert os.read(read, 10) == b""
    assert gate.process.poll() is None
    os.close(read)


def test_a_gate_that_is_refused_never_says_it_is_ready(workshop, bus):
    live = workshop.gate([], bus)
    read, write = os.pipe()
    done = busgate("run", "--config", workshop.config([]), "--session", live.path, "--bus", f"session={bus.address}",
                   "--ready-fd", str(write), pass_fds=[write])
    os.close(write)
    assert done.returncode == 78
    assert os.read(read, 10) == b""
    os.close(read)


# Signals

def opened(peer, member):
    return peer.ask(call("a.b", "/x", "c.d", member)).get_error_name() == "org.freedesktop.DBus.Error.ServiceUnknown"


@pytest.mark.parametrize("broken", ["{", "[]x", '{"dbus-gateway-config-session": [{}]}', None], ids=["json", "trailing", "rule", "gone"])
def test_a_reload_of_a_broken_file_keeps_the_policy_and_says_why(workshop, bus, broken):
    config = workshop.config([rule(method="Old")])
    gate = workshop.gate(config, bus)
    peer = Peer(gate.address)
    if broken is None:
        config.unlink()
    else:
        config.write_text(broken)
    assert "the reload was refused" in gate.reload()
    assert len(gate.log.matching(str(config), "error: ")) == 1
    assert (opened(peer, "Old"), opened(peer, "New")) == (True, False)
    assert opened(Peer(gate.address), "Old")
    config.write_text(workshop.config([rule(method="New")]).read_text())
    assert "configuration reloaded" in gate.reload()
    assert (opened(peer, "Old"), opened(peer, "New")) == (False, True)


def test_a_reload_replaces_all_files_or_none(workshop, bus):
    good, bad = workshop.config([rule(method="Old")]), workshop.config([])
    gate = workshop.keep(Gate(workshop.directory, [good, bad], bus.address))
    peer = Peer(gate.address)
    good.write_text(workshop.config([rule(method="New")]).read_text())
    bad.write_text("{")
    assert "the reload was refused" in gate.reload()
    assert (opened(peer, "Old"), opened(peer, "New")) == (True, False)


def test_a_hundred_reloads_leave_nothing_behind(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus)
    peer = Peer(gate.address)
    peer.fence()
    before = gate.descriptors()
    for _ in range(100):
        gate.reload()
    assert opened(peer, "M")
    assert gate.descriptors() == before


@pytest.mark.both_buses
def test_a_gate_ends_at_once_though_clients_are_connected_and_half_connected(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus)
    peer = Peer(gate.address)
    half = socket.socket(socket.AF_UNIX)
    half.connect(str(gate.path))
    half.sendall(b"\0AUTH")
    assert gate.terminate() == 0
    peer.await_close()
    half.settimeout(PATIENCE)
    try:
        assert half.recv(1) == b""
    except ConnectionResetError:
        pass


# The bus

@pytest.mark.both_buses
def test_a_bus_that_is_away_costs_the_client_its_connection_and_the_gate_nothing(workshop, bus_program):
    gate = workshop.gate([], f"unix:path={workshop.directory}/bus")
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(str(gate.path))
    client.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
    assert client.recv(100) == b""
    gate.log.wait_for("error", "bus")
    workshop.bus()
    Peer(gate.address).fence()


@pytest.mark.both_buses
def test_a_bus_that_ends_ends_its_clients_and_a_new_one_takes_new_ones(workshop, bus_program):
    first = workshop.bus()
    gate = workshop.gate([], first)
    peer = Peer(gate.address)
    first.kill()
    peer.await_close()
    first.path.unlink(missing_ok=True)
    second = workshop.bus()
    again = Peer(gate.address)
    again.fence()
    assert again.guid == Peer(second.address).guid != peer.guid
