"""unixexec: the bus is a program that the gate starts for each connection and leaves to end by itself."""

import os
import pathlib
import resource
import string
import subprocess

import pytest

from harness import EVERYTHING, PATIENCE
from service import connect, refused, busgate, start
from wire import Client, call, eventually, expect_descriptors, join

# Carries bytes between standard input and output and a socket, and writes down its number and arguments.
FORWARDER = """
import os, select, socket, sys
with open(sys.argv[2], "a") as seen:
    seen.write(f"{os.getpid()} {' '.join(sys.argv[3:])}\\n")
bus = socket.socket(socket.AF_UNIX)
bus.connect(sys.argv[1])
ways = {0: bus.fileno(), bus.fileno(): 1}
while True:
    for end in select.select(list(ways), [], [])[0]:
        data = os.read(end, 65536)
        if not data:
            sys.exit(0)
        while data:
            data = data[os.write(ways[end], data):]
"""


def escaped(text):
    plain = string.ascii_letters + string.digits + "-_/."
    return "".join(chr(byte) if chr(byte) in plain else f"%{byte:02x}" for byte in os.fsencode(str(text)))


def unixexec(program, *arguments):
    named = [f"argv{number}={escaped(one)}" for number, one in enumerate(arguments, 1)]
    return "unixexec:" + ",".join([f"path={escaped(program)}", *named])


class Forwarder:
    def __init__(self, workshop, bus, *arguments):
        self.script = workshop.directory / "forwarder.py"
        self.seen = workshop.directory / "seen"
        self.script.write_text(FORWARDER)
        self.address = unixexec("/usr/bin/python3", self.script, bus.path, self.seen, *arguments)

    def lines(self):
        return self.seen.read_text().splitlines() if self.seen.exists() else []


@pytest.fixture
def path(workshop):
    return workshop.directory / "gate"


def run(workshop, path, address, *arguments, **options):
    return start(workshop, "--config", workshop.config(EVERYTHING), "--session", path, "--bus", f"session={address}", *arguments, **options)


def children(gate):
    return pathlib.Path(f"/proc/{gate.pid}/task/{gate.pid}/children").read_text().split()


def test_a_program_carries_each_client_to_the_bus(workshop, bus, path):
    forwarder = Forwarder(workshop, bus, "with space", "ünicode,;=%")
    run(workshop, path, forwarder.address)
    service = join(workshop, bus.path)
    for count in (1, 2, 3):
        client = join(workshop, path, fds=False)
        client.send(call(5, service.name, "Ask"))
        service.answer(service.receive_member("Ask"), "s", ["answer"])
        assert client.receive_reply(5).args == ["answer"]
        # One finds out which bus it is: once, or again where the end of the last client's program is noticed before the client's own.
        assert 1 + count <= len(forwarder.lines()) <= 2 * count
        client.close()
    assert len({line.split()[0] for line in forwarder.lines()}) == len(forwarder.lines())
    assert all(line.endswith("with space ünicode,;=%") for line in forwarder.lines())


def test_systemds_bridge_carries_a_client_to_the_bus(workshop, bus, path):
    run(workshop, path, unixexec("systemd-stdio-bridge", "-p", bus.address))
    client = workshop.keep(Client(path))
    client.authenticate(fds=False)
    assert client.say_hello().startswith(":")


def test_a_program_ends_with_its_client_and_leaves_no_zombie(workshop, bus, path):
    forwarder = Forwarder(workshop, bus)
    gate = run(workshop, path, forwarder.address)
    before = gate.descriptors()
    clients = [join(workshop, path, fds=False) for _ in range(5)]
    assert len(children(gate)) == 5
    for client in clients:
        client.close()
    eventually(lambda: not children(gate), lambda: f"left: {children(gate)}")
    expect_descriptors(gate, before)


def test_a_program_that_ends_ends_its_client_only(workshop, bus, path):
    forwarder = Forwarder(workshop, bus)
    gate = run(workshop, path, forwarder.address)
    first, second = join(workshop, path, fds=False), join(workshop, path, fds=False)
    os.kill(int(forwarder.lines()[1].split()[0]), 9)  # the first one found out which bus it is
    first.expect_end()
    second.round_trip()
    eventually(lambda: len(children(gate)) == 1, "a zombie is left")


@pytest.mark.parametrize("program", ["/bin/true", "/bin/cat"])
def test_a_program_that_is_no_bus_ends_its_client_and_the_gate_lives_on(workshop, path, program):
    gate = run(workshop, path, unixexec(program), "--limit", "hello-timeout=300ms")
    for _ in range(3):
        client = workshop.keep(Client(path))
        client.send(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
        client.expect_end()
    eventually(lambda: not children(gate), "a zombie is left")
    connect(path).close()


@pytest.mark.parametrize("program, says", [("/nonexistent/program", "No such file"), ("/etc/passwd", "Permission denied")])
def test_a_program_that_cannot_be_started_closes_the_client_and_is_named(workshop, path, program, says):
    gate = run(workshop, path, unixexec(program))
    before = gate.descriptors()
    client = workshop.keep(Client(path))
    client.send(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
    client.expect_end()
    gate.log.wait_for("cannot connect to the bus at unixexec:", says)
    expect_descriptors(gate, before)
    done = busgate("run", "--config", workshop.config([]), "--session", workshop.directory / "other", "--bus",
                   f"session={unixexec(program)}", "--require-bus")
    assert refused(done, 69, "unixexec:", says)


def test_a_program_may_have_as_many_descriptors_as_is_usual(workshop, path):
    report = workshop.directory / "report"
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    run(workshop, path, unixexec("/bin/bash", "-c", f"ulimit -Sn >{report}.new; mv {report}.new {report}; cat >/dev/null"))
    connect(path).sendall(b"\0AUTH EXTERNAL\r\nDATA\r\n")
    eventually(report.exists, "the program does not report")
    assert int(report.read_text()) == min(1024, hard)


def test_a_program_gets_its_signals_and_no_descriptor_of_the_gate(workshop, path):
    report = workshop.directory / "report"
    script = (f"(grep -E '^Sig(Blk|Ign)' /proc/self/status; echo /proc/self/fd/*) >{report}.new; mv {report}.new {report}; "
              "cat >/dev/null")
    run(workshop, path, unixexec("/bin/bash", "-c", script))
    others = [connect(path) for _ in range(3)]
    others[0].sendall(b"\0AUTH EXTERNAL\r\nDATA\r\n")
    eventually(report.exists, "the program does not report")
    lines = report.read_text().split()
    internal = 0x180000000  # 32 and 33 are the C library's own
    assert (int(lines[1], 16), int(lines[3], 16) & ~internal) == (0, 0)
    # Standard input, output and error; and the directory that the shell reads.
    assert [int(one.rpartition("/")[2]) for one in lines[4:]] in ([0, 1, 2], [0, 1, 2, 3])


def test_alternatives_are_tried_in_their_order(workshop, bus, path):
    forwarder = Forwarder(workshop, bus)
    run(workshop, path, f"unix:path=/nonexistent;{unixexec('/nonexistent/program')};{forwarder.address};unix:path=/also/nonexistent")
    join(workshop, path, fds=False)
    assert len(forwarder.lines()) == 2  # one found out which bus it is


def test_programs_end_when_the_gate_does(workshop, bus, path):
    forwarder = Forwarder(workshop, bus)
    gate = run(workshop, path, forwarder.address)
    join(workshop, path, fds=False)
    pid = forwarder.lines()[0].split()[0]
    assert gate.terminate() == 0
    eventually(lambda: not os.path.exists(f"/proc/{pid}") or "Z" in subprocess.run(
        ["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, timeout=PATIENCE).stdout, "the program goes on")
