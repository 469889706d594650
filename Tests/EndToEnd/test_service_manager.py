"""Sockets that a service manager listened on, and what the manager is told: READY, RELOADING, STOPPING, STATUS, WATCHDOG."""

import json
import os
import signal
import socket
import subprocess
import time

import pytest

from harness import BUSGATE, EVERYTHING, PATIENCE, rule
from service import (NOBODY, NotifySocket, busgate, claim_as, connect, expect_rest, external, flood, listening, refused, run_with_sockets, start,
                     start_with_sockets)
from test_busgatectl import CTL
from test_control import ask
from wire import OWN_UID, Client, eventually, hello, join, raw_bus

pytestmark = pytest.mark.one_bus("what passes between the gate and its service manager is no bus's business")

NOWHERE = "session=unix:path=/nonexistent"


def flags(workshop, bus=NOWHERE, rules=EVERYTHING):
    address = bus if isinstance(bus, str) else f"session={bus.address}"
    return ["--config", workshop.config(rules), "--bus", address]


# Inherited sockets

def test_an_inherited_socket_is_served_by_the_gate_that_it_is_named_after(workshop, bus):
    path = workshop.directory / "inherited"
    start_with_sockets(workshop, [listening(path)], *flags(workshop, bus), names="session")
    assert join(workshop, path).name.startswith(":")


@pytest.mark.parametrize("kind", ["path", "path of 107", "name", "name of 107"])
def test_the_place_of_an_inherited_socket_is_said_and_not_only_its_number(workshop, bus, kind):
    """A path, or a name in the abstract name space, which fills the address at most."""
    place = str(workshop.directory / "inherited") if kind.startswith("path") else workshop.directory.name
    if kind.endswith("107"):
        place += "x" * (107 - len(place))
    control = workshop.directory / "control"
    socket = listening(place if kind.startswith("path") else b"\0" + place.encode())
    gate = start_with_sockets(workshop, [socket], *flags(workshop, bus), "--control", control, names="session")
    shown = place if kind.startswith("path") else f"@{place}"
    gate.log.wait_for(f"gate session listens on {shown}: ")
    gate.control = control
    assert ask(gate, "status")["gates"][0]["listening"] == shown


@pytest.mark.both_buses
def test_each_of_several_inherited_sockets_has_its_bus_and_its_policy(workshop, bus_program):
    buses = {name: workshop.bus(name=f"bus-{name}") for name in ("session", "system", "radio")}
    paths = {name: workshop.directory / name for name in buses}
    config = {"dbus-gateway-config-session": [rule(method="OnSession")], "dbus-gateway-config-system": [rule(method="OnSystem")]}
    arguments = [part for name, bus in buses.items() for part in ("--bus", f"{name}={bus.address}")]
    start_with_sockets(workshop, [listening(path) for path in paths.values()], "--config", workshop.config(config), *arguments,
                       "--policy", "radio=system", names=":".join(paths))
    for name, path in paths.items():
        direct, client = workshop.keep(Client(buses[name].path)), workshop.keep(Client(path))
        assert client.authenticate() == direct.authenticate()
        client.say_hello()
        allowed, denied = ("OnSession", "OnSystem") if name == "session" else ("OnSystem", "OnSession")
        assert client.ask("a.b", allowed).error == "org.freedesktop.DBus.Error.ServiceUnknown"
        assert client.ask("a.b", denied).error == "org.freedesktop.DBus.Error.AccessDenied"


def test_inherited_sockets_and_sockets_of_its_own_stand_beside_each_other(workshop, bus):
    paths = [workshop.directory / "inherited", workshop.directory / "own"]
    start_with_sockets(workshop, [listening(paths[0])], *flags(workshop, bus), "--system", paths[1], "--bus", f"system={bus.address}",
                       names="session")
    for path in paths:
        join(workshop, path)


def test_socket_activation_by_systemd(workshop, bus):
    path = workshop.directory / "activated"
    activator = workshop.child(["systemd-socket-activate", "-l", path, "--fdname=session", BUSGATE, "run", *flags(workshop, bus)])
    activator.log.wait_for("Listening on", str(path))
    join(workshop, path)


@pytest.mark.parametrize("pid", ["1", "0", "", "$$0", " $$", None], ids=["init", "zero", "empty", "longer", "blank", "absent"])
def test_sockets_meant_for_another_process_are_none_of_ours(workshop, pid):
    path = workshop.directory / "inherited"
    pid = None if pid is None else f'"{pid}"'
    done = run_with_sockets([listening(path)], *flags(workshop), names="session", pid=pid)
    assert refused(done, 64, "nothing to listen on")


@pytest.mark.parametrize("count, names, says", [
    ("one", "session", "LISTEN_FDS=one"),
    ("-1", "session", "LISTEN_FDS=-1"),
    ("99999999999", "session", "LISTEN_FDS=99999999999"),
    ("1", "session:system", "LISTEN_FDNAMES has 2 names, expected 1"),
    ("2", "session", "LISTEN_FDNAMES has 1 names, expected 2"),
    ("1", None, 'inherited socket named ""'),
    ("1", "", 'inherited socket named ""'),
    ("1", "unknown", 'inherited socket named "unknown"'),
    ("2", "session:session", "gate session given twice"),
])
def test_sockets_whose_number_or_names_make_no_sense_are_a_usage_error(workshop, count, names, says):
    done = run_with_sockets([listening(workshop.directory / "one"), listening(workshop.directory / "two")], *flags(workshop), names=names,
                            count=count)
    assert refused(done, 64, says, "expected")


def test_no_sockets_at_all_are_no_error(workshop, bus):
    path = workshop.directory / "own"
    start_with_sockets(workshop, [], *flags(workshop, bus), "--session", path, names="")
    join(workshop, path)


def unfit(kind, directory):
    if kind == "not-listening":
        return listening(directory / "s", backlog=None)
    if kind == "datagram":
        return listening(directory / "s", backlog=None, kind=socket.SOCK_DGRAM)
    if kind == "seqpacket":
        return listening(directory / "s", kind=socket.SOCK_SEQPACKET)
    if kind == "tcp":
        end = socket.create_server(("127.0.0.1", 0))
        return end
    if kind == "connected":
        return socket.socketpair()[0]
    return open(directory / "s", "w")


@pytest.mark.parametrize("kind", ["not-listening", "datagram", "seqpacket", "tcp", "connected", "file"])
def test_a_descriptor_that_is_no_listening_unix_stream_socket_is_refused(workshop, kind):
    done = run_with_sockets([unfit(kind, workshop.directory)], *flags(workshop), names="session")
    assert refused(done, 78, "descriptor 3", "expected")


def test_a_descriptor_that_is_not_open_is_refused(workshop):
    done = run_with_sockets([listening(workshop.directory / "one")], *flags(workshop), names="session:system", count="2")
    assert refused(done, 78, "descriptor 4")


def test_the_ready_descriptor_may_not_be_one_of_the_inherited_sockets(workshop):
    done = run_with_sockets([listening(workshop.directory / "one")], *flags(workshop), "--ready-fd", "3", names="session")
    assert refused(done, 64, "--ready-fd 3", "expected")


def test_the_environment_for_the_service_manager_is_not_passed_on_to_a_program(workshop):
    seen, path = workshop.directory / "seen", workshop.directory / "inherited"
    notify = workshop.keep(NotifySocket(workshop.directory / "notify"))
    start_with_sockets(workshop, [listening(path)], *flags(workshop, f"session=unixexec:path=/bin/sh,argv1=-c,argv2=env%20>{seen}".replace(
        ">", "%3e")), names="session", env={**notify.environment, "WATCHDOG_USEC": "60000000", "MINE": "stays"})
    workshop.keep(Client(path)).send(b"\0AUTH EXTERNAL " + OWN_UID + b"\r\n")
    eventually(lambda: seen.exists() and "MINE=stays" in seen.read_text(), "the program does not run")
    names = {line.split("=")[0] for line in seen.read_text().splitlines()}
    assert not names & {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}


def test_an_inherited_socket_survives_a_gate_and_no_client_is_lost(workshop, bus):
    path = workshop.directory / "inherited"
    ours = listening(path)
    arguments = flags(workshop, bus)
    for _ in range(3):
        gate = start_with_sockets(workshop, [ours], *arguments, names="session")
        join(workshop, path)
        assert gate.terminate() == 0
        assert path.exists()
        waiting = [workshop.keep(Client(path)) for _ in range(5)]  # nobody accepts them now
    start_with_sockets(workshop, [ours], *arguments, names="session")
    for client in waiting:
        client.authenticate()
        client.say_hello()


def test_an_inherited_socket_that_somebody_shuts_down_costs_the_gate_no_processor_and_is_named(workshop, bus):
    path = workshop.directory / "inherited"
    shared = listening(path)
    gate = start_with_sockets(workshop, [shared], *flags(workshop, bus), names="session")
    client = join(workshop, path)
    shared.shutdown(socket.SHUT_RDWR)
    gate.log.wait_for("error", "gate session accepts no more clients")
    used = gate.cpu_nanoseconds()
    expect_rest(gate)
    assert gate.cpu_nanoseconds() - used < 50_000_000
    client.round_trip()
    assert gate.terminate() == 0


def test_clients_that_wait_at_an_inherited_socket_while_the_gate_ends_cost_it_nothing(workshop):
    path, bus = workshop.directory / "inherited", raw_bus(workshop)
    notify = workshop.keep(NotifySocket(workshop.directory / "notify"))
    ours = listening(path)
    gate = start_with_sockets(workshop, [ours], *flags(workshop, bus), "--limit", "drain-timeout=60s", names="session",
                              env=notify.environment)
    client, _ = stall(workshop, gate, path, bus)
    gate.process.send_signal(signal.SIGTERM)
    notify.receive_key("STOPPING")
    waiting = connect(path)
    before = gate.cpu_nanoseconds()
    expect_rest(gate)
    assert gate.cpu_nanoseconds() - before < 50_000_000
    client.receive_all()
    assert gate.process.wait(PATIENCE) == 0
    waiting.close()


def stall(workshop, gate, path, bus):
    """A client that does not read while the bus sends it more than fits, in whole messages that the gate has read."""
    client = workshop.keep(Client(path))
    client.send(b"\0AUTH EXTERNAL " + OWN_UID + b"\r\nBEGIN\r\n" + hello(1))
    side = workshop.keep(bus.accept())
    side.handshake()
    client.finish_handshake(False)
    side.answer_hello()
    client.finish_hello()
    flood(gate, side)
    return client, side


# What the manager is told

@pytest.mark.parametrize("kind", ["path", "abstract", "long"])
def test_ready_is_said_once_every_socket_accepts(workshop, bus, kind):
    names = {"path": workshop.directory / "notify", "abstract": f"@{workshop.directory}/notify"}
    if kind == "long":
        deep = workshop.directory / ("d" * 120)
        deep.mkdir()
        os.chdir(deep)  # the test's own way around the length of an address
        notify = workshop.keep(NotifySocket("notify"))
        notify.name = str(deep / "notify")
        os.chdir("/")
    else:
        notify = workshop.keep(NotifySocket(names[kind]))
    paths = [workshop.directory / f"gate-{number}" for number in range(20)]
    listeners = [part for number, path in enumerate(paths) for part in
                 ("--listen", f"g{number}={path}", "--policy", f"g{number}=session", "--bus", f"g{number}={bus.address}")]
    start(workshop, "--config", workshop.config([]), *listeners, ready=False, env=notify.environment)
    got = notify.receive()
    ends = [connect(path) for path in paths]  # at this moment
    assert got["READY"] == "1"
    assert got["STATUS"] == "serving " + ", ".join(f"g{number}" for number in range(20))
    for end in ends:
        end.close()
    assert notify.is_quiet()


def test_a_socket_that_cannot_be_had_costs_its_gate_which_accepts_once_it_can(workshop, bus):
    notify = workshop.keep(NotifySocket(workshop.directory / "notify"))
    blocked = workshop.directory / "blocked"
    blocked.mkdir()
    control, metrics = workshop.directory / "control", workshop.directory / "metrics"
    gate = start(workshop, *flags(workshop, bus), "--session", workshop.directory / "one", "--system", blocked, "--bus",
                 f"system={bus.address}", "--control", control, "--metrics", metrics, env=notify.environment)
    got = notify.receive()
    assert got["READY"] == "1"
    assert got["STATUS"].startswith("serving session; system does not accept:") and str(blocked) in got["STATUS"]
    gate.log.wait_for("gate system does not accept", str(blocked), "tried again")
    join(workshop, workshop.directory / "one")
    assert blocked.is_dir()
    assert told_of(control, metrics, "system") == (False, "0") and told_of(control, metrics, "session") == (True, "1")
    shown = subprocess.run([CTL, "status", control], capture_output=True, text=True, check=True).stdout
    assert f"gate system does not accept: {blocked} exists and is no socket" in shown and "gate session does not" not in shown
    blocked.rmdir()
    assert notify.receive()["STATUS"] == "serving session, system"
    join(workshop, blocked)
    join(workshop, workshop.directory / "one")
    assert told_of(control, metrics, "system") == (True, "1")


def told_of(control, metrics, label):
    """Whether status has a listening name for a gate, and what busgate_listening says."""
    [gate] = [gate for gate in json.loads(exchange(control, b"status\n"))["gates"] if gate["gate"] == label]
    assert ("listening" in gate) != ("not-listening" in gate)
    text = exchange(metrics, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").decode()
    [value] = [line.split()[1] for line in text.splitlines() if line.startswith(f'busgate_listening{{gate="{label}"}}')]
    return "listening" in gate, value


def exchange(path, request):
    """What a server says to one request, to its end."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(path))
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_reload_says_again_which_gate_does_not_accept(workshop, bus):
    notify = workshop.keep(NotifySocket(workshop.directory / "notify"))
    (workshop.directory / "blocked").mkdir()
    gate = start(workshop, *flags(workshop, bus), "--session", workshop.directory / "one", "--system", workshop.directory / "blocked", "--bus",
                 f"system={bus.address}", env=notify.environment)
    first = notify.receive()["STATUS"]
    gate.process.send_signal(signal.SIGHUP)
    assert "RELOADING" in notify.receive()
    assert notify.receive()["STATUS"] == first


def test_without_a_gate_that_accepts_the_program_ends(workshop, bus):
    notify = workshop.keep(NotifySocket(workshop.directory / "notify"))
    blocked = [workshop.directory / name for name in ("one", "two")]
    for path in blocked:
        path.mkdir()
    done = busgate("run", *flags(workshop, bus), "--session", blocked[0], "--system", blocked[1], "--bus", f"system={bus.address}",
                   env=notify.environment)
    assert done.returncode == 78 and all(str(path) in done.stderr for path in blocked) and notify.is_quiet()


def test_with_require_all_a_gate_that_cannot_listen_everywhere_never_says_ready(workshop, bus):
    notify = workshop.keep(NotifySocket(workshop.directory / "notify"))
    blocked = workshop.directory / "directory"
    blocked.mkdir()
    read, write = os.pipe()
    done = busgate("run", *flags(workshop, bus), "--session", workshop.directory / "one", "--system", blocked, "--bus",
                   f"system={bus.address}", "--require-all", "--ready-fd", write, env=notify.environment, pass_fds=[write])
    os.close(write)
    assert refused(done, 78, blocked)
    assert os.read(read, 1) == b"" and notify.is_quiet()
    os.close(read)
    assert not (workshop.directory / "one").exists()


def test_the_ready_descriptor_gets_a_line_end_which_is_what_s6_waits_for(workshop, bus):
    read, write = os.pipe()
    gate = start(workshop, *flags(workshop, bus), "--session", workshop.directory / "gate", "--ready-fd", write, ready=False,
                 pass_fds=[write])
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        assert stream.read() == b"\n"
    assert gate.process.poll() is None


@pytest.mark.parametrize("kind", ["full", "no-reader"])
def test_a_ready_descriptor_that_takes_nothing_holds_nobody_up_and_is_named(workshop, bus, kind):
    read, write = os.pipe()
    os.set_blocking(write, False)
    if kind == "full":
        with pytest.raises(BlockingIOError):
            while True:
                os.write(write, bytes(4096))
        os.set_blocking(write, True)
    else:
        os.close(read)
    path = workshop.directory / "gate"
    gate = start(workshop, *flags(workshop, bus), "--session", path, "--ready-fd", write, ready=False, pass_fds=[write])
    gate.log.wait_for(f"warning: --ready-fd {write}: nobody could be told")
    join(workshop, path)
    assert gate.terminate() == 0
    os.close(write)
    if kind == "full":
        os.close(read)


def test_a_ready_descriptor_that_cannot_be_written_to_is_a_usage_error(workshop):
    with open("/etc/passwd") as file:
        done = busgate("run", *flags(workshop), "--session", workshop.directory / "gate", "--ready-fd", file.fileno(),
                       pass_fds=[file.fileno()])
    assert refused(done, 64, "--ready-fd", "for reading only", "expected")
    assert not (workshop.directory / "gate").exists()


@pytest.mark.parametrize("number", [1, 2])
def test_a_standard_descriptor_may_say_ready_and_the_log_does_not_go_to_a_client_after_it(workshop, bus, number):
    read, write = os.pipe()
    path = workshop.directory / "gate"
    command = [str(part) for part in (BUSGATE, "run", *flags(workshop, bus, []), "--session", path, "--ready-fd", number)]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    streams[["stdin", "stdout", "stderr"][number]] = write
    process = subprocess.Popen(command, **streams)
    try:
        os.close(write)
        assert os.read(read, 1) == b"\n"
        clients = [join(workshop, path) for _ in range(3)]
        for client in clients:
            client.record = bytearray()
            assert client.ask("a.b", "Denied").error.endswith("AccessDenied")
            client.round_trip()
            assert b"deny" not in client.record
    finally:
        process.kill()
        process.wait()
        os.close(read)


@pytest.mark.parametrize("is_good", [True, False], ids=["good", "refused"])
def test_each_reload_is_told_from_its_beginning_to_its_end(workshop, bus, is_good):
    notify = workshop.keep(NotifySocket(workshop.directory / "notify"))
    config = workshop.config(EVERYTHING)
    gate = start(workshop, "--config", config, "--session", workshop.directory / "gate", "--bus", f"session={bus.address}", ready=False,
                 env=notify.environment)
    assert notify.receive()["READY"] == "1"
    if not is_good:
        config.write_text('{\n  "dbus-gateway-config-session": 7 }')
    for _ in range(3):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        gate.process.send_signal(signal.SIGHUP)
        began, ended = notify.receive(), notify.receive()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert began.keys() == {"RELOADING", "MONOTONIC_USEC"} and began["RELOADING"] == "1"
        assert before <= int(began["MONOTONIC_USEC"]) <= after
        assert ended["READY"] == "1"
        if is_good:
            assert ended["STATUS"] == "serving session"
        else:
            assert f"{config}:2:" in ended["STATUS"] and "error" in ended["STATUS"]
    if not is_good:  # the error goes away with its cause
        config.write_text(workshop.config([]).read_text())
        gate.process.send_signal(signal.SIGHUP)
        assert [notify.receive().keys(), notify.receive()["STATUS"]] == [{"RELOADING", "MONOTONIC_USEC"}, "serving session"]


def test_nothing_is_lost_on_a_manager_that_is_slow_to_listen(workshop, bus):
    notify = workshop.keep(NotifySocket(workshop.directory / "notify"))
    gate = start(workshop, *flags(workshop, bus), "--session", workshop.directory / "gate", ready=False, env=notify.environment)
    assert notify.receive()["READY"] == "1"
    notify.fill()
    gate.process.send_signal(signal.SIGHUP)
    eventually(lambda: is_waiting_to_send(gate) or gate.log.matching("configuration reloaded"), "the reload is not begun")
    seen = []
    while "READY" not in (got := notify.receive()):
        seen += [key for key in got if key != "FILL"]
    assert seen[0] == "RELOADING"


def is_waiting_to_send(gate):
    with open(f"/proc/{gate.pid}/wchan") as file:
        return "unix" in file.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_is_said_first_thing(workshop, bus, number):
    notify = workshop.keep(NotifySocket(workshop.directory / "notify"))
    gate = start(workshop, *flags(workshop, bus), "--session", workshop.directory / "gate", ready=False, env=notify.environment)
    assert notify.receive()["READY"] == "1"
    gate.process.send_signal(number)
    assert notify.receive() == {"STOPPING": "1"}
    assert gate.process.wait(PATIENCE) == 0
    assert notify.is_quiet()


def test_a_reload_that_is_asked_for_while_stopping_is_not_begun(workshop):
    notify, bus = workshop.keep(NotifySocket(workshop.directory / "notify")), raw_bus(workshop)
    path = workshop.directory / "gate"
    gate = start(workshop, *flags(workshop, bus), "--session", path, "--limit", "drain-timeout=60s", ready=False, env=notify.environment)
    assert notify.receive()["READY"] == "1"
    client, side = stall(workshop, gate, path, bus)
    gate.process.send_signal(signal.SIGTERM)
    assert notify.receive() == {"STOPPING": "1"}
    gate.process.send_signal(signal.SIGHUP)
    client.receive_all()
    assert gate.process.wait(PATIENCE) == 0
    assert notify.is_quiet()


def test_the_watchdog_is_fed_at_least_twice_in_its_time(workshop, bus):
    notify = workshop.keep(NotifySocket(workshop.directory / "notify"))
    period = 0.3
    environment = {**notify.environment, "WATCHDOG_USEC": str(int(period * 1_000_000))}
    start(workshop, *flags(workshop, bus), "--session", workshop.directory / "gate", ready=False, env=environment)
    notify.receive_key("READY")
    times = [time.monotonic()]
    for _ in range(6):
        assert notify.receive() == {"WATCHDOG": "1"}
        times.append(time.monotonic())
    # Two in any window of the period, whatever a busy machine adds to one of them.
    gaps = sorted(after - before for before, after in zip(times, times[1:]))
    assert gaps[len(gaps) // 2] < period / 2


def test_a_manager_that_does_not_listen_to_the_watchdog_holds_nobody_up(workshop, bus):
    notify = workshop.keep(NotifySocket(workshop.directory / "notify"))
    path = workshop.directory / "gate"
    start(workshop, *flags(workshop, bus), "--session", path, ready=False, env={**notify.environment, "WATCHDOG_USEC": "60000"})
    notify.receive_key("WATCHDOG")
    client = join(workshop, path)
    # Its queue is full from now on; each of the beats of half a second would wait for a second.
    notify.fill()
    began = time.monotonic()
    slowest = 0
    while (before := time.monotonic()) - began < 0.5:
        client.round_trip()
        slowest = max(slowest, time.monotonic() - before)
    assert slowest < 0.9
    # It is not forgotten: who listens again is told again.
    while not notify.is_quiet():
        notify.receive()
    assert notify.receive() == {"WATCHDOG": "1"}


@pytest.mark.parametrize("environment", [
    {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "somebody"}, {"WATCHDOG_USEC": "0"},
    {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "18446744073709551615"}, {}])
def test_a_watchdog_that_is_anothers_or_none_is_not_fed(workshop, bus, environment):
    notify = workshop.keep(NotifySocket(workshop.directory / "notify"))
    gate = start(workshop, *flags(workshop, bus), "--session", workshop.directory / "gate", ready=False,
                 env={**notify.environment, **environment})
    assert notify.receive()["READY"] == "1"
    # Its twin says when it would have been due, five times.
    twins = workshop.keep(NotifySocket(workshop.directory / "twin"))
    start(workshop, *flags(workshop, bus), "--session", workshop.directory / "twins", ready=False,
          env={**twins.environment, "WATCHDOG_USEC": "20000"})
    twins.receive_key("READY")
    for _ in range(5):
        assert twins.receive() == {"WATCHDOG": "1"}
    gate.terminate()
    assert notify.receive() == {"STOPPING": "1"}


@pytest.mark.parametrize("name", ["relative", "@", "/nonexistent/notify", "vsock:2:1234"])
def test_a_manager_that_cannot_be_told_is_no_reason_not_to_serve(workshop, bus, name):
    path = workshop.directory / "gate"
    gate = start(workshop, *flags(workshop, bus), "--session", path, env={**os.environ, "NOTIFY_SOCKET": name})
    join(workshop, path)
    assert gate.terminate() == 0


# Who may connect to an inherited socket

def test_an_inherited_abstract_socket_admits_the_gates_own_user_only(workshop, bus):
    name = f"{workshop.directory}/abstract"
    start_with_sockets(workshop, [listening(b"\0" + name.encode())], *flags(workshop, bus), names="session")
    assert claim_as(os.getuid(), "@" + name, external(os.getuid())).startswith("OK ")
    assert claim_as(NOBODY, "@" + name, external(NOBODY)).startswith("REJECTED")


def test_an_inherited_socket_in_a_directory_admits_everybody_who_can_reach_it(workshop, bus):
    workshop.directory.chmod(0o755)
    path = workshop.directory / "inherited"
    ours = listening(path)
    path.chmod(0o666)
    start_with_sockets(workshop, [ours], *flags(workshop, bus), names="session")
    assert claim_as(NOBODY, path, external(NOBODY)).startswith("OK ")
