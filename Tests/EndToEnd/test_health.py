"""How a gate says it is, on the socket of its metrics: what makes it ill, what makes it well again, and what clients cannot do to it."""

import re
import resource
import socket
import subprocess

import pytest

from harness import BUSGATE, EVERYTHING, PATIENCE, rule
from service import busgate, impostor, listening, refused, start, start_with_sockets
from test_metrics import Scraper, metered, raw, rest, value, values
from wire import DRIVER, ERROR, GUID, LIMITS_EXCEEDED, OWN_UID, Client, RawBus, eventually, introduce, join, message, raw_bus

pytestmark = pytest.mark.one_bus("the gate says what it found itself")

AUTH = b"\0AUTH EXTERNAL " + OWN_UID + b"\r\n"
# With which the gate follows names, and has an observer.
NAMES = [rule("outgoing", name="org.example.House")]


def ask(gate, target="/healthz", method="GET"):
    scraper = Scraper(gate.metrics)
    try:
        response = scraper.ask(target, method)
        return response.status, response.text
    finally:
        scraper.close()


def becomes(gate, status, *parts, target="/healthz"):
    eventually(lambda: ask(gate, target)[0] == status, lambda: f"it stays {ask(gate, target)}")
    text = ask(gate, target)[1]
    assert all(part in text for part in parts), text


def knock(workshop, gate):
    """A client for which the gate has to find out who its bus is."""
    client = workshop.keep(Client(getattr(gate, "path", gate)))
    client.send(AUTH)
    return client


def gauge(gate, name, label):
    return values(gate)[f"busgate_{name}", (("gate", label),)]


def metered_start(workshop, *arguments, **options):
    path = workshop.directory / "metrics"
    gate = start(workshop, *arguments, "--metrics", path, **options)
    gate.metrics = path
    return gate


# What is asked, and answered

def test_a_gate_that_has_tried_nothing_is_well(workshop):
    gate = metered(workshop, EVERYTHING, "unix:path=/nowhere/bus")
    assert ask(gate) == (200, "session: ok\n")
    assert ask(gate, method="HEAD") == (200, "") and ask(gate, method="POST")[0] == 405
    assert [value(gate, name) for name in ("bus_reachable", "healthy", "listening", "last_reload_successful")] == [1, 1, 1, 1]


@pytest.mark.parametrize("query, status, part", [
    ("?gate=session", 200, "session: ok\n"), ("?gate=%73%65ssio%6E", 200, "session: ok\n"), ("?", 200, "session: ok\n"), ("?&", 200, "session: ok\n"),
    ("?gate=sessio", 404, "expected one of session"), ("?gate=", 404, "expected one of session"), ("?gate=session%20", 404, "expected one"),
    ("?gate=Session", 404, "no gate"), ("?gate=session+", 404, "session+"), ("?gate=%0a%1b[2J", 404, "gate ??[2J,"),
    ("?gate", 400, "expected gate=NAME"), ("?gates=session", 400, "expected gate=NAME"), ("?gate=session&x=y", 400, "x is no question"),
    ("?gate=session&gate=session", 400, "twice"), ("?gate=%", 400, "hexadecimal"), ("?gate=%4", 400, "hexadecimal"), ("?gate=%4g", 400, "hexadecimal"),
    ("?gate=%ff", 400, "UTF-8"), ("?%ff=a", 400, "UTF-8"), ("?=", 400, "expected gate=NAME"), ("?gate=" + "x" * 7000, 404, "x" * 7000),
    ("/", 404, "Not Found"), ("x", 404, "Not Found"), (";gate=session", 404, "Not Found"), ("?gate=session?", 404, "session?"),
])
def test_a_query_names_a_gate_or_is_refused(workshop, query, status, part):
    gate = metered(workshop, EVERYTHING, "unix:path=/nowhere/bus")
    found, text = ask(gate, "/healthz" + query)
    assert found == status and part in text and text.count("\n") == 1 and "\x1b" not in text


def test_a_target_with_an_authority_a_second_request_and_an_old_client_are_answered(workshop):
    gate = metered(workshop, EVERYTHING, "unix:path=/nowhere/bus")
    end = raw(gate, b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\nHEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
                    b"GET /healthz?gate=session HTTP/1.0\r\n\r\n")
    first, second, third = rest(end).split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert first.endswith(b"\r\n\r\nsession: ok\n") and second.endswith(b"\r\n\r\n") and third.endswith(b"session: ok\n")
    assert all(b"\r\nContent-Length: 12\r\n" in answer and b"Vary" not in answer for answer in (first, second, third))


def test_whoever_asks_often_and_takes_nothing_keeps_nobody_from_asking(workshop):
    gate = metered(workshop, EVERYTHING, "unix:path=/nowhere/bus")
    for _ in range(20):
        greedy = raw(gate)
        greedy.setblocking(False)
        try:
            greedy.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 10_000)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass
        workshop.keep(type("End", (), {"kill": lambda self, end=greedy: end.close()})())
    assert ask(gate) == (200, "session: ok\n")


# The bus

def test_a_bus_that_is_away_when_a_client_comes_makes_it_ill_until_it_is_there_again_without_a_client(workshop):
    bus = RawBus(workshop.directory)
    bus.close()
    gate = metered(workshop, EVERYTHING, bus)
    knock(workshop, gate).expect_end()
    status, text = ask(gate)
    assert status == 503 and ask(gate, method="HEAD") == (503, "")
    assert re.fullmatch(rf"session: bus unreachable: cannot connect to the bus at unix:path={bus.path}: No such file or directory "
                        r"\(last try \d s ago\) \(failed bus connections of clients since the start: 1\)\n", text), text
    assert [value(gate, name) for name in ("bus_reachable", "healthy", "listening")] == [0, 0, 1]
    bus.open()
    workshop.keep(bus)
    # Nobody asks but the gate itself, which hears who it is and goes.
    bus.tell()
    becomes(gate, 200, "session: ok")
    assert [value(gate, name) for name in ("bus_reachable", "healthy")] == [1, 1]
    assert not bus.is_asked()
    introduce(workshop, gate, bus)


@pytest.mark.both_buses
@pytest.mark.parametrize("rules", [EVERYTHING, NAMES], ids=["probe", "observer"])
def test_a_bus_that_dies_and_is_started_again(workshop, bus_program, rules):
    bus = workshop.bus()
    gate = metered(workshop, rules, bus)
    client = join(workshop, gate.path)
    assert ask(gate)[0] == 200
    bus.kill()
    client.expect_end()
    if rules is EVERYTHING:
        # Nothing of the gate's own was there: it has not noticed before it has to ask.
        assert ask(gate)[0] == 200
        knock(workshop, gate).expect_end()
    becomes(gate, 503, "session: bus unreachable: ", str(bus.path))
    bus.path.unlink(missing_ok=True)
    workshop.bus()
    becomes(gate, 200, "session: ok")
    join(workshop, gate.path)


def test_a_bus_that_is_silent_makes_it_ill(workshop):
    gate = metered(workshop, EVERYTHING, raw_bus(workshop), "--limit", "hello-timeout=100ms")
    knock(workshop, gate).expect_end()
    becomes(gate, 503, "within hello-timeout")


def test_a_bus_that_is_another_one_or_none_is_told_as_such_and_the_right_one_is_well(workshop):
    bus = raw_bus(workshop)
    gate = metered(workshop, EVERYTHING, f"{bus.address},guid={GUID}")

    def tried_by_a_client(play):
        client = knock(workshop, gate)
        play()
        client.expect_end()
        return ask(gate)

    def answer(line):
        side = bus.accept_any()
        side.socket.sendall(line)
        side.expect_end()
        side.close()

    def hang_up():
        side = bus.accept_any()
        side.fill()
        side.close()

    for line, says in [(b"HTTP/1.1 400 Bad Request\r\n", "handshake with the bus failed"), (b"OK nonsense\r\n", "handshake with the bus failed")]:
        status, text = tried_by_a_client(lambda: answer(line))
        assert status == 503 and says in text
    status, text = tried_by_a_client(hang_up)
    assert status == 503 and "bus closed its end" in text
    bus.guid = GUID[::-1]
    status, text = tried_by_a_client(bus.tell)
    assert status == 503 and GUID in text
    bus.guid = GUID
    knock(workshop, gate)
    bus.tell()
    becomes(gate, 200, "session: ok")


def test_a_bus_that_refuses_the_observer_is_told_as_such(workshop):
    """As one does whose user has as many connections as it may: the clients of other gates that run as the same user may have them."""
    bus = raw_bus(workshop)
    gate = metered(workshop, NAMES, bus)
    side = bus.accept_any()
    side.handshake()
    asked = side.receive_member("Hello")
    side.send(message(ERROR, 1, reply=asked.serial, sender=DRIVER, destination=":1.7", error=LIMITS_EXCEEDED))
    becomes(gate, 503, "session: bus unreachable: the observer of the bus at ", "refused Hello")


def test_a_gate_whose_metrics_nobody_has_does_not_try_for_itself(workshop):
    """One that says nothing about its health has no reason to, and its bus may be a program."""
    buses = [RawBus(workshop.directory, name) for name in ("watched", "unwatched")]
    for bus in buses:
        bus.listener.close()
    gate = metered(workshop, EVERYTHING, buses[0])
    silent = workshop.gate(EVERYTHING, buses[1], socket="silent/bus")
    for one in (silent, gate):
        knock(workshop, one).expect_end()
    for bus in buses:
        bus.path.unlink()
        bus.open()
        workshop.keep(bus)
    # The other gate's client came first, and so would its second try.
    buses[0].accept_any().close()
    assert not buses[1].is_asked()


def test_of_several_gates_the_one_with_the_bad_bus_is_ill(workshop):
    away = workshop.directory / "away"
    bus = raw_bus(workshop)
    paths = {name: workshop.directory / name for name in ("session", "system", "radio")}
    gate = metered_start(workshop, "--config", workshop.config([]), "--session", paths["session"], "--bus", f"session={bus.address}",
                         "--system", paths["system"], "--bus", f"system=unix:path={away}", "--listen", f"radio={paths['radio']}",
                         "--policy", "radio=system", "--bus", f"radio=unix:path={away}")
    knock(workshop, paths["session"])
    bus.tell()
    knock(workshop, paths["system"]).expect_end()
    # A bus is shared by the gates that have its address.
    states = {name: ask(gate, f"/healthz?gate={name}") for name in paths}
    assert {name: status for name, (status, _) in states.items()} == {"session": 200, "system": 503, "radio": 503}
    assert states["session"][1] == "session: ok\n" and states["radio"][1].startswith("radio: bus unreachable: ")
    status, text = ask(gate)
    assert status == 503 and [line.partition(":")[0] for line in text.splitlines()] == list(paths)
    assert [gauge(gate, "healthy", name) for name in paths] == [1, 0, 0]


# The socket

def test_a_socket_that_cannot_be_had_makes_its_gate_ill_until_it_can(workshop, bus):
    taken = workshop.directory / "taken"
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(taken))
    other.listen()
    gate = metered_start(workshop, "--config", workshop.config([]), "--session", workshop.directory / "own", "--bus", f"session={bus.address}",
                         "--system", taken, "--bus", f"system={bus.address}")
    status, text = ask(gate)
    own, system = text.splitlines()
    assert status == 503 and own == "session: ok" and system.startswith("system: not listening: ") and str(taken) in system
    assert ask(gate, "/healthz?gate=session")[0] == 200 and ask(gate, "/healthz?gate=system")[0] == 503
    assert [gauge(gate, name, "system") for name in ("listening", "bus_reachable", "healthy")] == [0, 1, 0]
    other.close()
    taken.unlink()
    becomes(gate, 200, "system: ok")
    join(workshop, taken)


def test_an_inherited_socket_that_somebody_else_shut_down_makes_it_ill(workshop, bus):
    inherited = listening(workshop.directory / "inherited")
    metrics = workshop.directory / "metrics"
    gate = start_with_sockets(workshop, [inherited], "--config", workshop.config([]), "--bus", f"session={bus.address}", "--metrics", metrics,
                              names="session")
    gate.metrics = metrics
    assert ask(gate) == (200, "session: ok\n")
    inherited.shutdown(socket.SHUT_RDWR)
    becomes(gate, 503, "session: not listening: its socket was shut down by another process")
    assert value(gate, "listening") == 0


# What clients do

def test_a_full_gate_is_well_and_says_so(workshop, bus):
    gate = metered(workshop, EVERYTHING, bus, "--limit", "connections-max=3", "--limit", "unauthenticated-max=2")
    joined = join(workshop, gate.path)
    silent = [workshop.keep(Client(gate.path)) for _ in range(2)]
    eventually(lambda: "(" in ask(gate)[1], "it does not say so")
    assert ask(gate) == (200, "session: ok (full: 3 connections, further clients are closed; 2 clients have not said Hello, further ones wait)\n")
    found = [value(gate, name) for name in ("connections", "connections_max", "connections_unauthenticated", "connections_unauthenticated_max")]
    assert found == [3, 3, 2, 2] and value(gate, "replies_pending_max") == 100_000 and value(gate, "healthy") == 1
    for client in silent:
        client.close()
    eventually(lambda: ask(gate) == (200, "session: ok\n"), "it goes on saying so")
    joined.round_trip()


def test_all_connections_to_the_bus_that_may_be_change_nothing(workshop, bus):
    gate = metered(workshop, EVERYTHING, bus, "--limit", "bus-connections-total=2")
    clients = [join(workshop, gate.path) for _ in range(2)]
    assert ask(gate) == (200, "session: ok (2 connections to the bus, further clients are closed)\n")
    clients[0].close()
    eventually(lambda: ask(gate) == (200, "session: ok\n"), "it goes on saying so")


def test_clients_that_use_up_descriptors_do_not_make_the_gate_ill(workshop):
    """The gate's own try fails for want of a descriptor, which it has not: the bus is not to blame, and no gate is restarted for it."""
    bus = raw_bus(workshop)
    gate = metered(workshop, EVERYTHING, bus)
    scraper = Scraper(gate.metrics)
    scraper.ask("/healthz")
    before = gate.descriptors()
    _, hard = resource.prlimit(gate.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(gate.pid, resource.RLIMIT_NOFILE, (before + 1, hard))
    client = knock(workshop, gate)
    client.expect_end()
    response = scraper.ask("/healthz")
    assert response.status == 200 and response.text.startswith("session: ok (the bus could not be asked: ") and "Too many open files" in response.text
    assert not bus.is_asked()
    resource.prlimit(gate.pid, resource.RLIMIT_NOFILE, (hard, hard))
    # It finds out by itself whether it could have.
    bus.tell()
    eventually(lambda: scraper.ask("/healthz").text.startswith("session: ok ("), "it does not ask again")
    eventually(lambda: "could not be asked" not in scraper.ask("/healthz").text, "it goes on saying so")
    scraper.close()


def test_what_a_client_does_to_its_own_connection_to_the_bus_is_told_and_changes_nothing(workshop):
    bus = raw_bus(workshop)
    gate = metered(workshop, EVERYTHING, bus)
    for answer in (b"", b"ERROR\r\n"):
        client = workshop.keep(Client(gate.path))
        client.send(b"\0AUTH EXTERNAL " + OWN_UID + b"\r\nBEGIN\r\n" + b"l\1\0\1" + bytes(12))
        bus.tell()
        client.close()
        assert ask(gate)[0] == 200


# busgate healthz

def test_the_program_prints_the_lines_and_ends_with_what_they_come_to(workshop):
    gate = metered(workshop, EVERYTHING, "unix:path=/nowhere/bus")
    done = busgate("healthz", gate.metrics)
    assert (done.returncode, done.stdout, done.stderr) == (0, "session: ok\n", "")
    knock(workshop, gate).expect_end()
    for arguments in ([], ["--gate", "session"], ["--gate=session"]):
        done = busgate("healthz", *arguments, gate.metrics)
        assert (done.returncode, done.stderr) == (1, "") and done.stdout.startswith("session: bus unreachable: "), done
    assert refused(busgate("healthz", gate.metrics, "--gate", "sessio n"), 64, "there is no gate sessio n, expected one of session")
    assert gate.terminate() == 0
    assert refused(busgate("healthz", gate.metrics), 71, gate.metrics, "busgate run --metrics")


def test_it_works_as_the_command_of_a_health_check(workshop):
    """Podman's HealthCmd= and an exec probe of Kubernetes look at the status alone, of a command that has neither input nor output."""
    gate = metered(workshop, EVERYTHING, "unix:path=/nowhere/bus")
    command = [BUSGATE, "healthz", gate.metrics]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": {}, "cwd": "/", "timeout": PATIENCE}
    assert subprocess.run(command, **quiet).returncode == 0
    knock(workshop, gate).expect_end()
    assert subprocess.run(command, **quiet).returncode == 1


@pytest.mark.parametrize("status, name", [(200, "1b"), (503, "9b"), (404, "202e")])
def test_an_answer_does_nothing_to_the_terminal_that_it_is_shown_on(workshop, status, name):
    """Whoever took the gate over may answer in its place, and root asks."""
    body = f"session: {chr(int(name, 16))}]0;x\a ok\n".encode()
    with impostor(workshop.directory / "other", f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body) as path:
        done = busgate("healthz", path, *["--gate", "x"] * (status == 404))
    assert "session: ?]0;x? ok\n" in done.stdout + done.stderr


@pytest.mark.parametrize("arguments, says", [
    ([], "expected one path"), (["a", "b"], "expected one path"), ([""], "unknown argument"), (["--gate"], "no value"), (["a", "--gate"], "no value"),
    (["a", "--gate="], "no value"), (["a", "--gate", "x", "--gate=y"], "twice"), (["--verbose", "a"], '"--verbose"'), (["-x"], "--help"),
])
def test_a_line_that_is_none_is_a_usage_error(arguments, says):
    assert refused(busgate("healthz", *arguments), 64, "busgate healthz: ", says, "expected")
    assert busgate("healthz", "--help").stdout.startswith("usage: busgate healthz METRICS")


def test_a_path_longer_than_a_socket_address_works(workshop):
    deep = workshop.directory.joinpath(*["d" * 60] * 4)
    start(workshop, "--config", workshop.config([]), "--session", workshop.directory / "gate", "--bus", "session=unix:path=/nonexistent",
          "--metrics", deep / "metrics")
    assert busgate("healthz", deep / "metrics").returncode == 0
    assert busgate("healthz", deep / "metric").returncode == 71


@pytest.mark.parametrize("answer", [
    b"", b"\r\n\r\n", b"session: ok\n", b"HTTP/1.1 200 OK\r\n\r\nsession: ok\n", b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nsession: ok\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\nNot Found\n", b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 x\r\nContent-Length: 0\r\n\r\n", b"\x1b[2J\xff", b"{}\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
])
def test_what_is_no_answer_is_not_taken_for_health(workshop, answer):
    path = workshop.directory / "other"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    waiting = subprocess.Popen([BUSGATE, "healthz", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peer, _ = listener.accept()
    while not peer.recv(4096).endswith(b"\r\n\r\n"):
        pass
    peer.sendall(answer)
    peer.close()
    listener.close()
    out, error = waiting.communicate(timeout=PATIENCE)
    assert (waiting.returncode, out, error.count("\n")) == (71, "", 1) and "\x1b" not in error
