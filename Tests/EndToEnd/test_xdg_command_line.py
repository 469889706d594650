"""The command line of xdg-dbus-proxy, under each of its two names: every option, its misuse, and the life of a proxy between `--fd` and its end.

Where the peer is installed, what it says of a misuse is how ours begins to say it.
"""

import os
import select
import signal
import socket
import stat
import subprocess

import pytest

from harness import BUSGATE, PATIENCE
from proxies import OURS, NamesProxy, join_in_steps, peer_program
from service import listening
from wire import METHOD_RETURN, Client, eventually, join

pytestmark = pytest.mark.one_bus("options are read, and a proxy begins and ends, without asking a bus")

NOWHERE = "unix:path=/nonexistent"


def run(*arguments, program=(OURS,), **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([*map(str, program), *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE, **options)


def refused(done, *parts):
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr.endswith("\n") and done.stderr.count("\n") == 1, done.stderr
    for part in parts:
        assert part in done.stderr
    return True


# What it says of itself

@pytest.mark.parametrize("program", [(OURS,), (BUSGATE, "xdg-dbus-proxy")], ids=["by-name", "by-word"])
def test_help_names_every_option_and_version_the_version(program):
    helped = run("--help", program=program)
    assert (helped.returncode, helped.stderr) == (0, "")
    for option in ("--help", "--version", "--fd=FD", "--args=FD", "--filter", "--log", "--sloppy-names", "--see=NAME", "--talk=NAME",
                   "--own=NAME", "--call=NAME=RULE", "--broadcast=NAME=RULE"):
        assert option in helped.stdout
    versioned = run("--version", program=program)
    assert (versioned.returncode, versioned.stderr) == (0, "")
    assert versioned.stdout.startswith("xdg-dbus-proxy 0.1.7") and versioned.stdout.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--help", "--bad"], ["--version", "more"], [NOWHERE, "/nonexistent/x", "--version"]], ids=str)
def test_what_stands_behind_help_or_version_does_not_matter(arguments):
    assert run(*arguments).returncode == 0


def test_without_arguments_the_usage_is_an_error():
    done = run()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("usage: xdg-dbus-proxy")


# Misuse: the words the peer begins with, and what we add. SOCKET stands for a path.

SOCKET = "SOCKET"
PAIR = [NOWHERE, SOCKET]
MISUSE = [
    (["--bad"], "Unknown argument --bad", "--help lists"),
    (["-h"], "Unknown argument -h", ""),
    (["--"], "Unknown argument --", ""),
    (["--help=1"], "Unknown argument --help=1", ""),
    (["--fd"], "Unknown argument --fd", ""),
    (["--fd=", *PAIR], "Invalid fd ", "an open descriptor"),
    (["--fd=x", *PAIR], "Invalid fd x", "an open descriptor"),
    (["--fd=1junk", *PAIR], "Invalid fd 1junk", ""),
    (["--fd=-1", *PAIR], "Invalid fd -1", ""),
    (["--args"], "Unknown argument --args", ""),
    (["--arg=3"], "Unknown argument --arg=3", "expected --args"),
    (["--args=x", *PAIR], "Invalid --args fd x", "an open descriptor"),
    (["--args=999", *PAIR], "Failed to load --args: Bad file descriptor", "999"),
    (["--args=0"], "No proxies specified", "ADDRESS PATH"),
    ([NOWHERE], "No socket path given", "ADDRESS PATH"),
    ([NOWHERE, "--filter"], "No socket path given", ""),
    ([*PAIR, NOWHERE], "No socket path given", ""),
    (["--filter", *PAIR], "Unknown argument --filter", "behind ADDRESS PATH"),
    (["--log", *PAIR], "Unknown argument --log", "behind ADDRESS PATH"),
    (["--sloppy-names", *PAIR], "Unknown argument --sloppy-names", "behind ADDRESS PATH"),
    (["--see=a.b", *PAIR], "Unknown argument --see=a.b", "behind ADDRESS PATH"),
    (["--call=a.b=*", *PAIR], "Unknown argument --call=a.b=*", "behind ADDRESS PATH"),
    ([*PAIR, "--filter=1"], "Unknown argument --filter=1", "without a value"),
    ([*PAIR, "--log=1"], "Unknown argument --log=1", "without a value"),
    ([*PAIR, "--sloppy-names="], "Unknown argument --sloppy-names=", "without a value"),
    *[([*PAIR, option], f"Unknown argument {option}", f"{option}=NAME") for option in ("--see", "--talk", "--own", "--call", "--broadcast")],
    *[([*PAIR, f"{option}={name}"], f"'{name}' is not a valid dbus name", f"character {at}")
      for option in ("--see", "--talk", "--own")
      for name, at in (("", 1), ("foo", 4), (":1.2", 1), ("a..b", 3), ("a.", 3), ("a.1b", 3), ("a.b c", 4), ("a.b.\u00e9", 5))],
    *[([*PAIR, f"{option}=a.b"], "'a.b' is not a valid name + rule", "NAME=RULE") for option in ("--call", "--broadcast")],
    *[([*PAIR, f"{option}="], "'' is not a valid name + rule", "NAME=RULE") for option in ("--call", "--broadcast")],
]
# Of these the peer makes something: a name that nobody has, a rule that nothing meets.
STRICTER = [
    *[([*PAIR, f"{option}={name}=*"], f"'{name}' is not a valid dbus name", f"character {at}")
      for option in ("--call", "--broadcast") for name, at in (("", 1), ("foo", 4), (":1.2", 1), ("a..b", 3))],
    *[([*PAIR, f"{option}=a.b={rule}"], f"'{rule}' is not a valid rule for a.b", f"character {at}")
      for option in ("--call", "--broadcast")
      for rule, at in (("x", 2), ("a..b", 3), ("a.b.1c", 5), ("a.b.c d", 6), ("*.x", 1), ("a.b.**", 5), ("@foo", 2), ("@", 2), ("@/a//b", 5),
                       ("@/a/", 5), ("@/a*", 4), ("@/a.b", 4), ("@/a@/b", 4), ("a.b.*@x", 7))],
    (["nowhere", SOCKET], "Failed to start proxy for nowhere: ", "expected"),
    (["", SOCKET], "Failed to start proxy for : ", ""),
    (["unix:path=", SOCKET], "Failed to start proxy for unix:path=", ""),
    (["unix:dir=/tmp", SOCKET], "Failed to start proxy for unix:dir=/tmp", "listening only"),
    (["--fd=99999999999", *PAIR], "Invalid fd 99999999999", ""),
    (["--fd=999", *PAIR], "Invalid fd 999", "an open descriptor"),
]


def fill_in(arguments, path):
    return [path if argument == SOCKET else argument for argument in arguments]


def name(case):
    return " ".join(case[0]) or "nothing"


@pytest.mark.parametrize("case", MISUSE + STRICTER, ids=name)
def test_a_misuse_ends_with_status_1_a_line_and_no_socket(workshop, case):
    arguments, begins, *adds = case
    path = workshop.directory / "socket"
    done = run(*fill_in(arguments, path))
    assert refused(done, *adds) and done.stderr.startswith(begins)
    assert not path.exists()


@pytest.mark.parametrize("case", MISUSE, ids=name)
def test_a_misuse_is_one_to_the_peer_in_the_same_words(workshop, case):
    arguments, begins, _ = case
    done = run(*fill_in(arguments, workshop.directory / "socket"), program=[peer_program()])
    assert done.returncode == 1 and done.stderr.startswith(begins)


def test_a_message_is_one_line_whatever_the_argument_has(workshop):
    assert refused(run(f"--bad\n\x1b[31m{NOWHERE}"), "Unknown argument --bad??[31m")


# Arguments from descriptors

def pipe_with(text):
    read, write = os.pipe()
    os.write(write, text.encode())
    os.close(write)
    return read


@pytest.mark.both_buses
def test_arguments_come_from_descriptors_where_they_stand(workshop, bus):
    path, other = workshop.directory / "first", workshop.directory / "second"
    parts = [pipe_with(f"{bus.address}\0{path}\0--filter\0"), pipe_with(f"--own=com.example.Mine\0{bus.address}")]
    read, write = os.pipe()
    command = [OURS, f"--fd={write}", f"--args={parts[0]}", "--see=com.example.See", f"--args={parts[1]}", other]
    workshop.child(command, pass_fds=[write, *parts])
    os.close(write)
    assert os.read(read, 1) == b"x"
    first, second = join(workshop, path), join(workshop, other)
    assert first.ask_driver("RequestName", signature="su", args=["com.example.Mine", 0]).args == [1]
    assert first.ask_driver("RequestName", signature="su", args=["com.example.Other", 0]).error
    # The second pair has no --filter.
    assert second.ask_driver("RequestName", signature="su", args=["com.example.Other", 0]).args == [1]
    for descriptor in [read, *parts]:
        os.close(descriptor)


@pytest.mark.parametrize("text, begins", [
    ("--version\0", None), ("--version", None), ("\0--bad\0", "No socket path given"), ("--bad\0\0", "Unknown argument --bad"),
    (f"{NOWHERE}\0", "No socket path given"), ("", "No proxies specified"),
], ids=repr)
@pytest.mark.parametrize("who", ["ours", "the peer"])
def test_arguments_are_ended_by_a_nul_each(text, begins, who):
    read = pipe_with(text)
    done = run(f"--args={read}", "--unlikely" if begins and "--bad" in text else "--args=0", pass_fds=[read],
               program=[OURS if who == "ours" else peer_program()])
    os.close(read)
    if begins is None:
        assert done.returncode == 0 and done.stdout.startswith("xdg-dbus-proxy ")
    else:
        assert done.returncode == 1 and done.stderr.startswith(begins)


def test_arguments_may_ask_for_more_arguments():
    inner = pipe_with("--version\0")
    outer = pipe_with(f"--args={inner}\0--bad\0")
    assert run(f"--args={outer}", pass_fds=[inner, outer]).returncode == 0


# Sockets

@pytest.mark.both_buses
def test_one_process_serves_several_buses_each_with_its_own_options(workshop, bus_program):
    buses = [workshop.bus(name=name) for name in ("one", "two")]
    paths = [workshop.directory / name for name in ("first", "second")]
    read, write = os.pipe()
    proxy = workshop.child([OURS, f"--fd={write}", buses[0].address, paths[0], "--filter", buses[1].address, paths[1]], pass_fds=[write])
    os.close(write)
    assert os.read(read, 1) == b"x"
    for other, path, opens in zip(buses, paths, (False, True)):
        client = join(workshop, path)
        assert client.ask_driver("GetId").args == join(workshop, other.path).ask_driver("GetId").args
        assert (client.ask_driver("RequestName", signature="su", args=["com.example.Any", 0]).type == METHOD_RETURN) == opens
    os.close(read)
    assert proxy.process.wait(PATIENCE) == 0
    assert not any(path.exists() for path in paths)


@pytest.mark.both_buses
@pytest.mark.parametrize("options, named", [
    (["--talk=com.example.A", "--own=com.example.B.*", "--talk=com.example.C"], "--talk, --own"), (["--see=com.example.A", "--log"], "--see"),
    (["--sloppy-names"], "--sloppy-names"), (["--call=com.example.A=*", "--broadcast=com.example.A=*"], "--call, --broadcast")], ids=str)
def test_options_that_mean_nothing_without_filter_are_told_once_and_filter_nothing(workshop, bus, options, named):
    proxy = workshop.keep(NamesProxy(workshop.directory, bus.address, *options))
    client = join(workshop, proxy.path)
    assert client.ask_driver("RequestName", signature="su", args=["com.example.Any", 0]).args == [1]
    assert proxy.terminate() == 0
    assert proxy.log.lines == [f"warning: {named} without --filter: everything is forwarded at {proxy.path}, expected --filter as well"]


@pytest.mark.parametrize("options", [[], ["--log"], ["--filter", "--talk=com.example.A"], ["--talk=com.example.A", "--filter"]], ids=str)
def test_nothing_is_told_where_options_count_or_there_are_none(workshop, bus, options):
    proxy = workshop.keep(NamesProxy(workshop.directory, bus.address, *options))
    join(workshop, proxy.path)
    assert proxy.terminate() == 0
    assert proxy.log.lines == []


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o117])
@pytest.mark.parametrize("who", ["ours", "the peer"])
def test_the_umask_decides_who_may_connect(workshop, mask, who):
    proxy = workshop.keep(NamesProxy(workshop.directory, NOWHERE, program=OURS if who == "ours" else peer_program(),
                                     preexec_fn=lambda: os.umask(mask)))
    assert stat.S_IMODE(proxy.path.stat().st_mode) == 0o777 & ~mask


@pytest.mark.parametrize("who", ["ours", "the peer"])
def test_a_name_made_by_mkstemp_is_replaced(workshop, who):
    """As flatpak and WebKitGTK make it."""
    (workshop.directory / "proxy").mkdir()
    placeholder = workshop.directory / "proxy/bus"
    placeholder.touch(0o600)
    proxy = workshop.keep(NamesProxy(workshop.directory, NOWHERE, program=OURS if who == "ours" else peer_program()))
    assert stat.S_ISSOCK(proxy.path.stat().st_mode)


def test_a_file_with_something_in_it_is_left_alone(workshop):
    path = workshop.directory / "precious"
    path.write_text("something")
    assert refused(run(NOWHERE, path), f"Failed to start proxy for {NOWHERE}: ", "left alone")
    assert path.read_text() == "something"


def test_a_socket_of_a_live_process_is_left_alone_and_a_stale_one_replaced(workshop):
    proxy = workshop.keep(NamesProxy(workshop.directory, NOWHERE))
    assert refused(run(NOWHERE, proxy.path), f"Failed to start proxy for {NOWHERE}: ", "another process listens")
    proxy.process.kill()
    proxy.process.wait(PATIENCE)
    assert proxy.path.exists()
    assert join_refused(workshop.keep(NamesProxy(workshop.directory, NOWHERE)))


def join_refused(proxy):
    """A bus that is away closes the client; the proxy lives."""
    client = Client(proxy.path)
    client.send(b"\0AUTH EXTERNAL\r\nDATA\r\n")
    client.expect_end()
    client.close()
    return proxy.process.poll() is None


def test_a_path_that_cannot_be_had_is_said(workshop):
    assert refused(run(NOWHERE, "/proc/nowhere/x"), f"Failed to start proxy for {NOWHERE}: ", "/proc/nowhere")


def test_nothing_is_left_of_the_pairs_before_one_that_fails(workshop):
    path = workshop.directory / "first"
    assert refused(run(NOWHERE, path, "nowhere", workshop.directory / "second"), "Failed to start proxy for nowhere: ")
    assert not path.exists()


# The life cycle

@pytest.mark.parametrize("who", ["ours", "the peer"])
def test_one_byte_says_that_all_sockets_accept_and_its_readers_end_stops_the_proxy(workshop, bus, who):
    program = OURS if who == "ours" else peer_program()
    paths = [workshop.directory / name for name in ("first", "second")]
    read, write = os.pipe()
    proxy = workshop.child([program, f"--fd={write}", bus.address, paths[0], bus.address, paths[1]], pass_fds=[write])
    os.close(write)
    assert os.read(read, 100) == b"x"
    clients = [join_in_steps(workshop, path) for path in paths]
    assert proxy.process.poll() is None and not select.select([read], [], [], 0)[0]
    os.close(read)
    assert proxy.process.wait(PATIENCE) == 0
    for client in clients:
        client.expect_end()


def test_a_socket_pair_will_do_for_a_sync_descriptor(workshop, bus):
    ours, its = socket.socketpair()
    proxy = workshop.child([OURS, f"--fd={its.fileno()}", bus.address, workshop.directory / "proxy"], pass_fds=[its.fileno()])
    its.close()
    assert ours.recv(100) == b"x"
    ours.sendall(b"whatever")
    join(workshop, workshop.directory / "proxy").round_trip()
    ours.close()
    assert proxy.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("who", ["ours", "the peer"])
def test_of_several_sync_descriptors_the_last_counts(workshop, bus, who):
    pipes = [os.pipe() for _ in range(2)]
    proxy = workshop.child([OURS if who == "ours" else peer_program(), *(f"--fd={write}" for _, write in pipes), bus.address,
                            workshop.directory / "proxy"], pass_fds=[write for _, write in pipes])
    for _, write in pipes:
        os.close(write)
    assert os.read(pipes[1][0], 100) == b"x"
    os.close(pipes[0][0])
    join_in_steps(workshop, workshop.directory / "proxy")
    os.close(pipes[1][0])
    assert proxy.process.wait(PATIENCE) == 0


def test_a_sync_descriptor_that_was_closed_before_it_began_stops_it_at_once(workshop):
    read, write = os.pipe()
    os.close(read)
    done = run(f"--fd={write}", NOWHERE, workshop.directory / "proxy", pass_fds=[write])
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_for_a_sync_descriptor_gets_the_byte_and_is_never_closed(workshop, bus):
    file = workshop.directory / "ready"
    with file.open("wb") as ready:
        proxy = workshop.child([OURS, f"--fd={ready.fileno()}", bus.address, workshop.directory / "proxy"], pass_fds=[ready.fileno()])
    eventually(lambda: file.read_bytes() == b"x", "it does not get ready")
    join(workshop, workshop.directory / "proxy").round_trip()
    assert proxy.terminate() == 0


def test_no_program_of_unixexec_holds_the_sync_descriptor(workshop):
    """Else its starter would wait for an end that does not come."""
    program = workshop.directory / "program"
    program.write_text(f"#!/bin/sh\nls -l /proc/self/fd >{workshop.directory}/descriptors.new\n"
                       f"mv {workshop.directory}/descriptors.new {workshop.directory}/descriptors\ncat >/dev/null\n")
    program.chmod(0o755)
    proxy = workshop.keep(NamesProxy(workshop.directory, f"unixexec:path={program}"))
    Client(proxy.path).send(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
    report = workshop.directory / "descriptors"
    eventually(report.exists, "the program does not report")
    sync_descriptor = os.readlink(f"/proc/self/fd/{proxy.sync_descriptor}")
    assert "pipe:" in sync_descriptor and sync_descriptor not in report.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_cleanly(workshop, bus, number):
    proxy = workshop.keep(NamesProxy(workshop.directory, bus.address))
    client = join(workshop, proxy.path)
    proxy.process.send_signal(number)
    assert proxy.process.wait(PATIENCE) == 0
    client.expect_end()
    assert not proxy.path.exists() and proxy.log.lines == []


def test_it_is_nobodys_service(workshop):
    """Whoever starts a sandbox may be one: what its manager said to it is not said to the proxy."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(workshop.directory / "manager"))
    inherited = listening(workshop.directory / "inherited")
    proxy = workshop.keep(NamesProxy(
        workshop.directory, NOWHERE,
        env={**os.environ, "NOTIFY_SOCKET": str(workshop.directory / "manager"), "LISTEN_PID": "1", "LISTEN_FDS": "1"}))
    assert proxy.terminate() == 0
    assert not select.select([manager], [], [], 0)[0]
    inherited.close()
    manager.close()
