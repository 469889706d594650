"""Where a gate listens, who may connect there, and what becomes of the socket's file, however the gate starts and ends."""

import atexit
import functools
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

import pytest

from harness import BUSGATE, EVERYTHING, PATIENCE, Watch, rule
from service import (CLAIM, NOBODY, Inotify, busgate, claim_as, connect, external, listening, only_for_root, refused, start)
from wire import Client, eventually, join, raw_bus

pytestmark = pytest.mark.one_bus("where the gate listens and whom it lets in is decided without asking a bus")

NOWHERE = ["--bus", "session=unix:path=/nonexistent"]


def flags(workshop, bus, rules=EVERYTHING):
    return ["--config", workshop.config(rules), "--bus", f"session={bus.address}"]


def run(workshop, *arguments, **options):
    """A gate that will be refused."""
    if "user" in options:
        options["executable"] = program_for_everybody()
    return busgate("run", "--config", workshop.config([]), *NOWHERE, *arguments, **options)


@functools.cache
def program_for_everybody():
    """A copy: the checkout may be in a directory that is root's alone."""
    directory = tempfile.TemporaryDirectory(prefix="busgate-test-")
    atexit.register(directory.cleanup)
    os.chmod(directory.name, 0o755)
    return shutil.copy(BUSGATE, directory.name)


def as_nobody(workshop):
    """Options for a process of a user that may read everything here and write nothing."""
    only_for_root()
    workshop.directory.chmod(0o755)
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


# Addresses

def test_an_address_says_where_to_listen(workshop, bus):
    path = workshop.directory / "with space"
    start(workshop, *flags(workshop, bus), "--listen", f"session=unix:path={workshop.directory}/with%20space")
    join(workshop, path)


def test_an_abstract_name_is_listened_on(workshop, bus):
    name = f"{workshop.directory}/abstract"
    start(workshop, *flags(workshop, bus), "--listen", f"session=unix:abstract={name}")
    join(workshop, "\0" + name)


@pytest.mark.parametrize("key", ["dir", "tmpdir"])
def test_a_directory_gets_a_socket_of_a_random_name_that_is_told_and_removed(workshop, bus, key):
    directory = workshop.directory / "made"
    names = set()
    for _ in range(2):
        gate = start(workshop, *flags(workshop, bus), "--listen", f"session=unix:{key}={directory}")
        told = gate.log.wait_for("gate session listens on").split(" on ")[1].split(": ")[0]
        assert os.listdir(directory) == [pathlib.Path(told).name]
        join(workshop, told)
        names.add(told)
        assert gate.terminate() == 0
        assert os.listdir(directory) == []
    assert len(names) == 2


def test_the_users_runtime_directory_is_listened_in(workshop, bus):
    directory = workshop.directory / "runtime"
    start(workshop, *flags(workshop, bus), "--listen", "session=unix:runtime=yes",
          env={**os.environ, "XDG_RUNTIME_DIR": str(directory)})
    join(workshop, directory / "bus")


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_runtime_directory_there_is_none_to_listen_in(workshop, value):
    environment = {name: text for name, text in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    if value is not None:
        environment["XDG_RUNTIME_DIR"] = value
    done = run(workshop, "--listen", "session=unix:runtime=yes", env=environment)
    assert refused(done, 64, "--listen session", "XDG_RUNTIME_DIR", "expected")


@pytest.mark.parametrize("path", ["gate", "./gate", "a/gate", "a//b/../gate"])
def test_a_path_may_be_relative(workshop, bus, path):
    start(workshop, *flags(workshop, bus), "--session", path, cwd=workshop.directory)
    join(workshop, workshop.directory / path)


@pytest.mark.both_buses
def test_gates_of_both_buses_and_several_policies_live_in_one_process(workshop, bus_program):
    buses = {name: workshop.bus(name=f"bus-{name}") for name in ("session", "system", "radio", "camera")}
    document = {"dbus-gateway-config-session": [rule(method="OnSession")], "dbus-gateway-config-system": [rule(method="OnSystem")]}
    more = {"dbus-gateway-config-session": [rule(method="Everywhere")], "dbus-gateway-config-system": [rule(method="Everywhere")]}
    paths = {name: workshop.directory / "gates" / name for name in buses}
    start(workshop, "--config", workshop.config(document), "--config", workshop.config(more),
          "--session", paths["session"], "--system", paths["system"], "--listen", f"radio={paths['radio']}",
          "--listen", f"camera=unix:path={paths['camera']}", "--policy", "radio=session", "--policy", "camera=system",
          *[part for name, bus in buses.items() for part in ("--bus", f"{name}={bus.address}")])
    for name, path in paths.items():
        client, direct = workshop.keep(Client(path)), workshop.keep(Client(buses[name].path))
        assert client.authenticate() == direct.authenticate()
        client.say_hello()
        verdicts = {member: client.ask("a.b", member).error.split(".")[-1] for member in ("OnSession", "OnSystem", "Everywhere")}
        own = "OnSession" if name in ("session", "radio") else "OnSystem"
        assert verdicts == {member: "ServiceUnknown" if member in (own, "Everywhere") else "AccessDenied" for member in verdicts}


def test_each_gate_denies_in_the_name_of_its_policy(workshop, bus):
    path = workshop.directory / "gate"
    start(workshop, "--config", workshop.config([]), "--listen", f"radio={path}", "--policy", "radio=system",
          "--bus", f"radio={bus.address}")
    assert "by the SYSTEM policy" in join(workshop, path).ask("a.b", "Denied").args[0]


# Long paths

def deep(workshop, count=180):
    directory = workshop.directory / ("d" * 100) / ("e" * count)
    directory.mkdir(parents=True)
    return directory


def connect_deep(path):
    """Connects to a path of any length by way of its directory."""
    directory = os.open(path.parent, os.O_PATH)
    try:
        return connect(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)


def join_deep(workshop, path):
    client = workshop.keep(Client.__new__(Client))
    super(Client, client).__init__(connect_deep(path))
    client.name = None
    client.authenticate()
    client.say_hello()
    return client


@pytest.mark.parametrize("name", ["bus", "b" * 80])
def test_a_path_longer_than_a_socket_address_is_listened_on_and_removed(workshop, bus, name):
    path = workshop.directory / ("d" * 100) / ("e" * 180) / name
    gate = start(workshop, *flags(workshop, bus), "--session", path)
    join_deep(workshop, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert gate.terminate() == 0
    assert os.listdir(path.parent) == []


def test_a_live_socket_on_a_long_path_is_left_alone_and_a_stale_one_replaced(workshop, bus):
    path = deep(workshop) / "bus"
    gate = start(workshop, *flags(workshop, bus), "--session", path)
    assert refused(run(workshop, "--session", path), 78, path)
    gate.kill()
    start(workshop, *flags(workshop, bus), "--session", path)
    join_deep(workshop, path)


@pytest.mark.parametrize("count", [92, 200, 256])
def test_a_last_part_that_is_too_long_is_an_error_that_says_how_long_it_may_be(workshop, count):
    path = deep(workshop) / ("b" * count)
    assert refused(run(workshop, "--session", path), 71, path, "File name too long", "87")
    assert os.listdir(path.parent) == []


def test_an_abstract_name_that_is_too_long_is_an_error(workshop):
    assert refused(run(workshop, "--listen", f"session=unix:abstract={'a' * 108}"), 71, "@aaaa", "File name too long")


@pytest.mark.both_buses
def test_a_bus_on_a_long_path_is_reached(workshop, bus):
    far = deep(workshop) / "bus"
    os.rename(bus.path, far)
    path = workshop.directory / "gate"
    start(workshop, "--config", workshop.config(EVERYTHING), "--session", path, "--bus", f"session=unix:path={far}", "--require-bus")
    join(workshop, path)


@pytest.mark.both_buses
def test_a_bus_whose_name_fits_no_address_is_reached(workshop, bus):
    far = workshop.directory / ("b" * 255)
    os.rename(bus.path, far)
    path = workshop.directory / "gate"
    start(workshop, "--config", workshop.config(EVERYTHING), "--session", path, "--bus", f"session=unix:path={far}", "--require-bus")
    join(workshop, path)


# What stands at the path, and around it

def test_a_directory_that_may_not_be_written_is_status_71(workshop):
    done = run(workshop, "--session", workshop.directory / "gate", **as_nobody(workshop))
    assert refused(done, 71, workshop.directory / "gate", "Permission denied")
    done = run(workshop, "--session", workshop.directory / "deep/er/gate", **as_nobody(workshop))
    assert refused(done, 71, workshop.directory / "deep", "Permission denied")


def test_a_directory_that_may_not_be_searched_is_status_71(workshop):
    closed = workshop.directory / "closed"
    closed.mkdir(mode=0o700)
    assert refused(run(workshop, "--session", closed / "gate", **as_nobody(workshop)), 71, closed / "gate", "Permission denied")


def test_a_parent_that_is_a_file_is_status_71(workshop):
    (workshop.directory / "file").write_text("precious")
    for path in (workshop.directory / "file/gate", workshop.directory / "file/er/gate"):
        assert refused(run(workshop, "--session", path), 71, workshop.directory / "file", "Not a directory")
    assert (workshop.directory / "file").read_text() == "precious"


def test_an_abstract_name_that_is_taken_is_refused(workshop):
    name = f"{workshop.directory}/abstract"
    ours = listening(b"\0" + name.encode())
    assert refused(run(workshop, "--listen", f"session=unix:abstract={name}"), 78, name)
    ours.close()


def test_a_live_socket_that_cannot_take_more_is_left_alone(workshop):
    path = workshop.directory / "full"
    ours = listening(path, backlog=0)
    waiting = []
    try:
        while True:
            end = socket.socket(socket.AF_UNIX)
            end.setblocking(False)
            end.connect(str(path))
            waiting.append(end)
    except BlockingIOError:
        pass
    assert refused(run(workshop, "--session", path), 78, path, "another process")
    assert connect_fails_with_full_queue(path)
    ours.close()


def connect_fails_with_full_queue(path):
    end = socket.socket(socket.AF_UNIX)
    end.setblocking(False)
    with pytest.raises(BlockingIOError):
        end.connect(str(path))
    return True


def test_a_socket_of_another_kind_is_left_alone(workshop):
    path = workshop.directory / "datagram"
    ours = listening(path, backlog=None, kind=socket.SOCK_DGRAM)
    assert refused(run(workshop, "--session", path), 78, path, "wrong type")
    assert path.is_socket()
    ours.close()


def test_a_socket_that_may_not_be_tried_is_left_alone(workshop):
    path = workshop.directory / "private"
    listening(path).close()
    path.chmod(0o600)
    assert refused(run(workshop, "--session", path, **as_nobody(workshop)), 78, path, "Permission denied")
    assert path.is_socket()


def test_a_stale_socket_that_may_not_be_removed_is_status_71(workshop):
    path = workshop.directory / "stale"
    listening(path).close()
    path.chmod(0o666)
    assert refused(run(workshop, "--session", path, **as_nobody(workshop)), 71, path, "Permission denied")
    assert path.is_socket()


def test_a_file_that_takes_the_sockets_place_while_it_is_made_keeps_its_mode(workshop):
    """Who owns the directory, a container perhaps, must not get the gate to open any file of the host."""
    victim, directory = workshop.directory / "victim", workshop.directory / "shared"
    victim.write_text("precious")
    victim.chmod(0o600)
    directory.mkdir()
    path, link = directory / "bus", workshop.directory / "link"
    # Both are on one processor, where the gate gives way to everybody: it goes on when the exchange is done.
    mine = os.sched_getaffinity(0)
    processor = min(mine)
    os.sched_setaffinity(0, {processor})
    caught = 0
    try:
        for _ in range(30):
            if caught == 3:
                break
            link.symlink_to(victim)
            events = Inotify(directory, Inotify.CREATE)
            read, write = os.pipe()
            gate = workshop.child(["chrt", "--idle", "0", "taskset", "--cpu-list", processor, BUSGATE, "run", "--config",
                                   workshop.config([]), *NOWHERE, "--session", path, "--ready-fd", write], pass_fds=[write])
            os.close(write)
            assert events.next()[1] == "bus"
            link.replace(path)
            caught += os.read(read, 1) == b""  # it noticed, and ended; else it had been done
            os.close(read)
            assert stat.S_IMODE(victim.stat().st_mode) == 0o600
            gate.kill()
            events.close()
            path.unlink()
    finally:
        os.sched_setaffinity(0, mine)
    if caught == 0:
        pytest.skip("this process never came between the gate's two steps")
    assert gate.log.matching("another file took the place of the socket")


# Mode and owner

@pytest.mark.parametrize("mode", ["0660", "600", "0777", "0"])
def test_the_mode_is_what_was_asked_for_whatever_the_umask(workshop, bus, mode):
    path = workshop.directory / "gate"
    start(workshop, *flags(workshop, bus), "--session", path, "--socket-mode", mode, umask=0o077)
    assert stat.S_IMODE(path.stat().st_mode) == int(mode, 8)


def test_the_mode_decides_who_may_connect(workshop, bus):
    path = workshop.directory / "gate"
    gate = start(workshop, *flags(workshop, bus), "--session", path, "--socket-mode", "0600")
    done = subprocess.run(["/usr/bin/python3", "-c", CLAIM, str(path), external(NOBODY)], capture_output=True, text=True,
                          **as_nobody(workshop))
    assert "PermissionError" in done.stderr
    gate.terminate()
    start(workshop, *flags(workshop, bus), "--session", path)
    assert claim_as(NOBODY, path, external(NOBODY)).startswith("OK ")


@pytest.mark.parametrize("owner, uid, gid", [
    ("nobody", NOBODY, 0), ("1234", 1234, 0), ("nobody:nogroup", NOBODY, 65534), ("0:1234", 0, 1234), ("1:nogroup", 1, 65534)])
def test_the_owner_is_who_was_asked_for(workshop, bus, owner, uid, gid):
    only_for_root()
    path = workshop.directory / "gate"
    gate = start(workshop, *flags(workshop, bus), "--session", path, "--socket-owner", owner, "--socket-mode", "0600")
    assert (path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (uid, gid, 0o600)
    assert gate.terminate() == 0
    assert not path.exists()


def test_an_owner_that_may_not_be_set_is_status_71_and_leaves_no_socket(workshop):
    only_for_root()
    directory = workshop.directory / "theirs"
    directory.mkdir()
    os.chown(directory, NOBODY, NOBODY)
    done = run(workshop, "--session", directory / "gate", "--socket-owner", "root", **as_nobody(workshop))
    assert refused(done, 71, directory / "gate", "Operation not permitted")
    assert os.listdir(directory) == []


# Who may connect

def test_only_allowed_users_are_let_in_by_the_kernels_word(workshop, bus):
    workshop.directory.chmod(0o755)
    path = workshop.directory / "gate"
    gate = start(workshop, *flags(workshop, bus), "--session", path, "--allow-uid", "nobody", "--allow-uid", "1234")
    for uid in (NOBODY, 1234):
        assert claim_as(uid, path, external(uid)).startswith("OK ")
    for uid, claimed in ((0, 0), (1235, 1235), (0, NOBODY), (1235, 1234)):
        assert claim_as(uid, path, external(claimed)).startswith("REJECTED")
    assert claim_as(0, path, "EXTERNAL").startswith("REJECTED")
    assert gate.log.wait_for("uid=1235", "allow-uid")


def test_without_a_word_about_users_everybody_who_reaches_the_directory_is_let_in(workshop, bus):
    workshop.directory.chmod(0o755)
    path = workshop.directory / "gate"
    start(workshop, *flags(workshop, bus), "--session", path)
    for uid in (0, NOBODY, 1234):
        assert claim_as(uid, path, external(uid)).startswith("OK ")
    assert claim_as(1234, path, external(0)).startswith("REJECTED")


def test_an_abstract_name_is_open_to_the_gates_own_user_only_or_to_who_is_named(workshop, bus):
    name = f"@{workshop.directory}/abstract"
    gate = start(workshop, *flags(workshop, bus), "--listen", f"session=unix:abstract={name[1:]}")
    assert claim_as(0, name, external(0)).startswith("OK ")
    for claimed in (NOBODY, 0):
        assert claim_as(NOBODY, name, external(claimed)).startswith("REJECTED")
    gate.terminate()
    start(workshop, *flags(workshop, bus), "--listen", f"session=unix:abstract={name[1:]}", "--allow-uid", str(NOBODY))
    assert claim_as(NOBODY, name, external(NOBODY)).startswith("OK ")
    assert claim_as(0, name, external(0)).startswith("REJECTED")


def test_nobody_gets_in_as_anonymous_unless_that_is_switched_on(workshop, bus):
    workshop.directory.chmod(0o755)
    path = workshop.directory / "gate"
    gate = start(workshop, *flags(workshop, bus), "--session", path)
    assert claim_as(NOBODY, path, "ANONYMOUS") == "REJECTED EXTERNAL"
    gate.terminate()
    start(workshop, *flags(workshop, bus), "--session", path, "--allow-anonymous")
    assert claim_as(NOBODY, path, "ANONYMOUS").startswith("OK ")


def test_who_is_not_among_the_allowed_users_does_not_get_in_as_anonymous(workshop, bus):
    workshop.directory.chmod(0o755)
    path = workshop.directory / "gate"
    start(workshop, *flags(workshop, bus), "--session", path, "--allow-anonymous", "--allow-uid", "1234")
    assert claim_as(1234, path, "ANONYMOUS").startswith("OK ")
    assert claim_as(NOBODY, path, "ANONYMOUS").startswith("REJECTED")


def test_an_abstract_name_is_open_to_everybody_if_anonymous_clients_are(workshop, bus):
    name = f"@{workshop.directory}/abstract"
    start(workshop, *flags(workshop, bus), "--listen", f"session=unix:abstract={name[1:]}", "--allow-anonymous")
    assert claim_as(NOBODY, name, "ANONYMOUS").startswith("OK ")
    assert claim_as(NOBODY, name, external(NOBODY)).startswith("REJECTED")


# The bus at the start

def test_a_bus_that_is_required_and_away_is_status_69_and_no_socket_was_made(workshop):
    directory = workshop.directory / "gates"
    for order in (("--session", "--system"), ("--system", "--session")):
        done = run(workshop, order[0], directory / "one", order[1], directory / "two", "--bus", f"system=unix:path={workshop.directory}/no",
                   "--require-bus")
        assert refused(done, 69, "--require-bus", "unix:path=", "No such file")
    assert not directory.exists()


def test_a_bus_that_is_away_but_not_required_is_no_error_at_the_start(workshop):
    path = workshop.directory / "gate"
    start(workshop, "--config", workshop.config([]), *NOWHERE, "--session", path)
    connect(path).close()


@pytest.mark.both_buses
def test_a_required_bus_may_be_any_of_the_alternatives(workshop, bus):
    path = workshop.directory / "gate"
    address = f"tcp:host=localhost,port=1;unix:path=/nonexistent;unix:abstract=/nonexistent;{bus.address}"
    start(workshop, "--config", workshop.config([]), "--session", path, "--bus", f"session={address}", "--require-bus")
    join(workshop, path)


def require(workshop, bus, *arguments):
    """A gate that is being started and requires its bus."""
    return workshop.child([BUSGATE, "run", "--config", workshop.config([]), "--session", workshop.directory / "gate", "--bus",
                           f"session={bus.address}", "--require-bus", *arguments])


def test_a_required_bus_that_has_no_room_for_a_moment_is_there(workshop):
    bus = raw_bus(workshop)
    bus.listener.listen(0)
    waiting = connect(bus.path)
    gate = require(workshop, bus)
    bus.accept_any().close()
    side = workshop.keep(bus.accept())
    side.handshake()
    # Nothing behind the answer: the gate knows then, and closes.
    side.reply(side.receive_member("Hello"), signature="s", args=[":1.7"])
    eventually((workshop.directory / "gate").exists, "it does not start")
    assert gate.process.poll() is None
    waiting.close()


def test_a_required_bus_has_to_answer_hello(workshop):
    bus = raw_bus(workshop)
    gate = require(workshop, bus, "--limit", "hello-timeout=300ms")
    side = bus.accept()
    side.handshake()
    assert gate.process.wait(PATIENCE) == 69
    gate.log.wait_for("did not answer Hello within hello-timeout", "--require-bus")
    # A bus that takes whoever authenticates, and hangs up on whom it does not want.
    gate = require(workshop, bus)
    side = bus.accept()
    side.handshake()
    side.close()
    assert gate.process.wait(PATIENCE) == 69
    gate.log.wait_for("hung up before Hello was answered", f"uid {os.getuid()}")
    # One that refuses the uid is asked once more, without one.
    gate = require(workshop, bus)
    for _ in range(2):
        side = bus.accept()
        side.send(b"REJECTED EXTERNAL\r\n")
        side.expect_end()
    assert gate.process.wait(PATIENCE) == 69
    gate.log.wait_for("does not accept the gate's uid")
    assert not (workshop.directory / "gate").exists()


def test_a_bad_address_of_the_second_bus_is_found_before_the_first_socket_is_made(workshop):
    directory = workshop.directory / "gates"
    done = run(workshop, "--session", directory / "one", "--system", directory / "two", "--bus", "system=unix:bogus=1")
    assert refused(done, 64, "--bus system", "expected")
    assert not directory.exists()


# Told to end while it starts

def test_told_to_end_at_any_moment_of_its_start_it_leaves_no_socket_of_its_own_and_every_other(workshop):
    directory = workshop.directory / "gates"
    directory.mkdir()
    foreign = listening(directory / "foreign")
    listening(directory / "stale-of-another").close()
    kept = {"foreign", "stale-of-another"}
    labels = ["a", "b", "c", "d"]
    listeners = [part for label in labels for part in
                 ("--listen", f"{label}={directory / label}", "--policy", f"{label}=session", "--bus", f"{label}=unix:path=/nonexistent")]
    config = workshop.config([])

    def end(number, after):
        events = Inotify(directory, Inotify.CREATE | Inotify.ATTRIBUTES)
        gate = workshop.child([BUSGATE, "run", "--config", config, *listeners])
        after(events)
        gate.process.send_signal(number)
        status = gate.process.wait(PATIENCE)
        events.close()
        # By the signal itself only as long as there is nothing to remove.
        assert status in (0, -number)
        assert set(os.listdir(directory)) == kept
        return status

    def events_seen(count):
        return lambda events: [events.next() for _ in range(count)]

    def moment(nanoseconds):
        def wait(_):
            until = time.perf_counter_ns() + nanoseconds
            while time.perf_counter_ns() < until:
                pass
        return wait

    for number in (signal.SIGTERM, signal.SIGINT):
        for count in range(1, 2 * len(labels) + 1):
            assert end(number, events_seen(count)) == 0
        for delay in range(0, 4_000_000, 100_000):
            end(number, moment(delay))
    connect(directory / "foreign").close()
    foreign.close()


@pytest.mark.parametrize("count", range(4, 20))
def test_a_gate_that_starts_with_too_few_descriptors_leaves_no_socket(workshop, count):
    directory = workshop.directory / "gates"
    gate = workshop.child(["prlimit", f"--nofile={count}:{count}", BUSGATE, "run", "--config", workshop.config([]),
                           "--session", directory / "session", "--metrics", directory / "metrics", "--control", directory / "control",
                           "--bus", "session=unix:path=/nonexistent"])
    if count >= 11:
        Watch(workshop.directory).wait_for_file(directory / "control", gate)
        assert gate.terminate() == 0
    else:
        assert gate.process.wait(PATIENCE) in (65, 71)
        gate.log.wait_for("Too many open files")
    assert not directory.exists() or os.listdir(directory) == []


@pytest.mark.parametrize("goes_on", [True, False], ids=["goes-on", "has-died"])
def test_a_socket_that_another_gate_is_making_is_left_alone_and_one_that_it_left_half_made_replaced(workshop, goes_on):
    path = workshop.directory / "gate"
    other = socket.socket(socket.AF_UNIX)
    old = os.umask(0o777)
    other.bind(str(path))
    os.umask(old)
    inode = path.stat().st_ino
    gate = workshop.child([BUSGATE, "run", "--config", workshop.config([]), "--session", path, "--bus", "session=unix:path=/nonexistent"])
    if goes_on:
        eventually(lambda: any(name in wchan(gate) for name in ("ep_poll", "epoll_wait")) or gate.process.poll() is not None, "it does not wait")
        other.listen()
        assert gate.process.wait(PATIENCE) == 78
        assert path.stat().st_ino == inode
        connect(path).close()
        other.close()
    else:
        other.close()
        Watch(workshop.directory).wait_for_file(path, gate)
        assert gate.terminate() == 0


def wchan(gate):
    try:
        with open(f"/proc/{gate.pid}/wchan") as file:
            return file.read()
    except OSError:
        return ""


def test_of_gates_that_start_at_once_on_one_path_one_serves_and_the_others_are_refused(workshop):
    config = workshop.config([])
    for number in range(20):
        path = workshop.directory / f"gate{number}"
        if number % 2:
            listening(path).close()  # which leaves a stale one
        gates = [workshop.child([BUSGATE, "run", "--config", config, "--session", path, "--bus", "session=unix:path=/nonexistent"])
                 for _ in range(6)]
        eventually(lambda: sum(gate.process.poll() is None for gate in gates) <= 1, "two gates serve one path")
        assert sorted(str(gate.process.poll()) for gate in gates) == ["78"] * 5 + ["None"], [gate.log.lines for gate in gates]
        [serving] = [gate for gate in gates if gate.process.poll() is None]
        client = connect(path)
        pid = int.from_bytes(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], "little")
        client.close()
        assert pid == serving.pid
        assert serving.terminate() == 0 and not path.exists()


def test_a_socket_that_was_replaced_stays_when_the_gate_ends(workshop, bus):
    path = workshop.directory / "gate"
    first = start(workshop, *flags(workshop, bus), "--session", path)
    path.unlink()
    start(workshop, *flags(workshop, bus), "--session", path)
    assert first.terminate() == 0
    join(workshop, path)
