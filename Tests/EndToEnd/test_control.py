"""What the gate says of itself on its control socket, to whom, and what a client there cannot do to it."""

import json
import os
import select
import socket
import stat
import subprocess
import time

import pytest

from harness import BUSGATE, EVERYTHING, PATIENCE, rule
from service import spent_meanwhile
from wire import ACCESS_DENIED, OPEN, SHUT, Client, eventually, join

pytestmark = pytest.mark.one_bus("the control socket is the gate's own")

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
RULES = [
    rule("outgoing", OPEN, comment="why"),
    rule("incoming", "com.example.*", "/a/é\"", ["A", "B?"], type="signal", log=True, **{"max-fds": 3}),
    rule("*", "com.example.Bad", action="deny", log=False, type=["method_call"]),
]


def controlled(workshop, config, bus, *arguments, **options):
    path = workshop.directory / "control"
    gate = workshop.gate(config, bus, "--control", path, *arguments, **options)
    gate.control = path
    return gate


class Control:
    """A client of the control socket."""

    def __init__(self, gate):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(gate.control))
        self.stream = self.socket.makefile("rb")

    def ask(self, request):
        if not isinstance(request, (bytes, str)):
            request = json.dumps(request)
        self.socket.sendall(request.encode() + b"\n" if isinstance(request, str) else request)
        return json.loads(self.stream.readline())

    def close(self):
        self.stream.close()
        self.socket.close()

    kill = close


def ask(gate, request):
    control = Control(gate)
    try:
        return control.ask(request)
    finally:
        control.close()


@pytest.mark.both_buses
def test_status_tells_the_gate_and_its_connections(workshop, bus):
    gate = controlled(workshop, RULES, bus)
    client = join(workshop, gate.path)
    client.add_match("type='signal'")
    for _ in range(3):
        assert client.ask("com.example.Service", "M", SHUT).error == ACCESS_DENIED
    silent = workshop.keep(Client(gate.path))
    eventually(lambda: len(ask(gate, "status")["connections"]) == 2, "not accepted")
    status = ask(gate, "status")
    assert status["pid"] == gate.pid and status["more"] == 0 and status["uptime-seconds"] < 60
    version = subprocess.run([BUSGATE, "--version"], capture_output=True, text=True).stdout
    assert f"busgate {status['version']}\n" == version
    [told] = status["gates"]
    assert (told["gate"], told["listening"], told["bus"]) == ("session", str(gate.path), bus.address)
    assert (told["rules"], told["connections"], told["accepted"], told["unauthenticated"]) == (3, 2, 2, 1)
    assert told["denied"] == 3 and told["limits-hit"] == {} and told["bus-connects"] == {"ok": 1, "failed": 0}
    first, second = status["connections"]
    assert (first["name"], first["pid"], first["uid"], first["state"]) == (client.name, os.getpid(), os.getuid(), "open")
    # Hello and AddMatch and their answers, and NameAcquired.
    assert (first["allowed"], first["denied"], first["pending-replies"]) == (5, 3, {"outgoing": 0, "incoming": 0})
    assert second["state"] == "authenticating" and second["name"] == ""
    since = time.mktime(time.strptime(first["since"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert abs(time.time() - since) < 60
    silent.close()
    eventually(lambda: len(ask(gate, "status")["connections"]) == 1, "it does not end")


def test_status_lists_no_more_connections_than_it_says(workshop, bus):
    gate = controlled(workshop, EVERYTHING, bus, "--limit", "unauthenticated-max=1000", "--limit", "connections-max=300")
    for _ in range(300):
        workshop.keep(Client(gate.path))
    eventually(lambda: ask(gate, "status")["gates"][0]["connections"] == 300, "not accepted")
    status = ask(gate, "status")
    assert (len(status["connections"]), status["more"]) == (256, 44)


def without_comments(rules):
    return [{key: value for key, value in one.items() if key != "comment"} for one in rules]


def test_a_policy_that_is_told_is_a_configuration_for_the_same_policy(workshop, bus):
    config = workshop.config({"dbus-gateway-config-session": RULES, "dbus-gateway-config-system": [rule("outgoing", "x")]})
    gate = controlled(workshop, config, bus)
    [told] = ask(gate, "policy")["gates"]
    assert (told["gate"], told["rules"]) == ("session", 3)
    [(array, rules)] = told["configuration"].items()
    assert array == "dbus-gateway-config-session" and all(one["comment"].startswith(f"{config}:1:") for one in rules)
    assert without_comments(rules) == [
        {"direction": "outgoing", "interface": OPEN, "object-path": "*", "method": ["*"]},
        {"direction": "incoming", "interface": "com.example.*", "object-path": "/a/é\"", "method": ["A", "B?"], "type": "signal",
         "max-fds": 3, "log": True},
        {"direction": "*", "interface": "com.example.Bad", "object-path": "*", "method": ["*"], "type": "method_call",
         "action": "deny", "log": False},
    ]
    again = workshop.gate(told["configuration"], bus, "--control", workshop.directory / "control-again", socket="again/bus")
    again.control = workshop.directory / "control-again"
    [second] = ask(again, {"command": "policy", "gate": "session"})["gates"]
    assert without_comments(second["configuration"][array]) == without_comments(rules)
    assert ask(gate, "policy session") == ask(gate, "policy") == ask(gate, b"policy \tsession \r\n")


def test_a_reload_shows(workshop, bus):
    config = workshop.config(RULES)
    gate = controlled(workshop, config, bus)
    config.write_text(json.dumps({"dbus-gateway-config-session": []}))
    gate.reload()
    config.write_text("{")
    gate.reload()
    assert ask(gate, "policy")["gates"][0]["rules"] == 0
    assert ask(gate, "status")["reloads"] == {"ok": 1, "refused": 1}


@pytest.mark.parametrize("request_bytes", [
    b"\n", b"reboot\n", b"status now\n", b"{\n", b"{}\n", b"[]\n", b'{"command":"status","x":"y"}\n', b'{"command":["status"]}\n',
    b"policy nowhere\n", b"\xff\xfe\x00\n", b'{"command":"\xff"}\n', b"x" * 4000 + b"\n", b"STATUS\n", b"\x1b[2J\n",
    b'{"command":' * 200 + b"\n",
])
def test_a_request_that_is_none_is_answered_with_what_can_be_asked(workshop, bus, request_bytes):
    gate = controlled(workshop, EVERYTHING, bus)
    control = workshop.keep(Control(gate))
    control.socket.sendall(request_bytes)
    line = control.stream.readline()
    refused = json.loads(line)
    assert refused["error"] and refused["commands"] == ["help", "policy", "reload", "status"] and b"\x1b" not in line
    assert set(control.ask("help")["commands"]) == set(refused["commands"])


def test_a_line_without_end_is_answered_and_closed(workshop, bus):
    gate = controlled(workshop, EVERYTHING, bus)
    control = workshop.keep(Control(gate))
    control.socket.sendall(b"x" * 5000)
    assert "4096" in json.loads(control.stream.readline())["error"]
    try:
        assert control.stream.read() == b""
    except ConnectionResetError:
        pass


def test_requests_may_be_pipelined_and_the_last_may_lack_its_end(workshop, bus):
    gate = controlled(workshop, EVERYTHING, bus)
    control = workshop.keep(Control(gate))
    control.socket.sendall(b"help\n" * 50 + b"status")
    control.socket.shutdown(socket.SHUT_WR)
    answers = [json.loads(line) for line in control.stream.read().splitlines()]
    assert len(answers) == 51 and answers[-1]["pid"] == gate.pid


def test_only_the_gates_user_and_root_are_answered(workshop, bus):
    if os.getuid() != 0:
        pytest.skip("needs root, to be somebody else")
    gate = controlled(workshop, EVERYTHING, bus)
    assert stat.S_IMODE(gate.control.stat().st_mode) == 0o600
    program = ("import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.settimeout(30)\ns.connect(sys.argv[1])\n"
               "try:\n    s.sendall(b'status\\n')\n    print(s.recv(100))\nexcept OSError:\n    print(b'')\n")
    os.chmod(workshop.directory, 0o755)

    def as_nobody():
        return subprocess.run([*NOBODY, "/usr/bin/python3", "-c", program, gate.control], capture_output=True, text=True, timeout=PATIENCE)

    assert "PermissionError" in as_nobody().stderr
    # Whatever the mode is made: the kernel's word counts.
    gate.control.chmod(0o666)
    assert as_nobody().stdout == "b''\n"
    gate.log.wait_for("warning", "uid=65534", "control: a client was turned away")
    assert ask(gate, "status")["pid"] == gate.pid


def test_who_is_turned_away_again_and_again_does_not_fill_the_log(workshop, bus):
    if os.getuid() != 0:
        pytest.skip("needs root, to be somebody else")
    gate = controlled(workshop, EVERYTHING, bus)
    os.chmod(workshop.directory, 0o755)
    gate.control.chmod(0o666)
    program = ("import socket, sys\nfor _ in range(500):\n    s = socket.socket(socket.AF_UNIX)\n    s.connect(sys.argv[1])\n"
               "    assert s.recv(1) == b''\n")
    subprocess.run([*NOBODY, "/usr/bin/python3", "-c", program, gate.control], check=True, timeout=PATIENCE)
    assert gate.terminate() == 0
    gate.log.wait_until(lambda: gate.log.ended)
    turned = gate.log.matching("turned away")
    assert len(turned) < 10
    assert sum(int(line.partition("count=")[2] or 1) for line in turned) == 500


def test_a_reader_that_stops_costs_nobody_else_anything(workshop, bus):
    rules = [rule("outgoing", f"com.example.I{number}", "/" + "p" * 200) for number in range(10_000)]
    gate = controlled(workshop, rules, bus)
    client = join(workshop, gate.path)
    client.round_trip()
    before = gate.resident_kib()
    slow = [workshop.keep(Control(gate)) for _ in range(8)]
    for control in slow:
        control.socket.sendall(b"policy\n" * 500)
    client.round_trip()
    # Nearly 4 MB each, of which a piece is made at a time.
    assert gate.resident_kib() - before < 4096
    assert spent_meanwhile(workshop, bus, gate.pid) < 30_000_000
    # One that goes on reading gets all of it, whole.
    [told] = json.loads(slow[0].stream.readline())["gates"]
    assert len(told["configuration"]["dbus-gateway-config-session"]) == 10_000
    # The ninth takes the place of the one that was silent longest, which was not the one that read.
    assert ask(gate, "status")["gates"][0]["connections"] == 1
    poll = select.poll()
    for control in slow:
        poll.register(control.socket, select.POLLRDHUP)
    ended = [descriptor for descriptor, _ in poll.poll(0)]
    assert len(ended) == 1 and ended[0] != slow[0].socket.fileno()
    client.round_trip()


def test_a_reader_that_stops_for_ten_seconds_is_closed(workshop, bus):
    rules = [rule("outgoing", f"com.example.I{number}", "/" + "p" * 200) for number in range(3_000)]
    gate = controlled(workshop, rules, bus)
    idle, slow = workshop.keep(Control(gate)), workshop.keep(Control(gate))
    slow.ask("help")
    before = gate.descriptors()
    slow.socket.sendall(b"policy\n")
    eventually(lambda: gate.descriptors() == before - 1, "it stays")
    assert not slow.stream.read().endswith(b"\n")
    # Who has nothing to take may stay.
    assert idle.ask("status")["pid"] == gate.pid


def test_the_socket_is_gone_after_the_gate_unless_it_is_somebody_elses(workshop, bus):
    gate = controlled(workshop, EVERYTHING, bus)
    control = workshop.keep(Control(gate))
    assert gate.terminate() == 0
    assert not gate.control.exists() and control.stream.read() == b""
    gate = controlled(workshop, EVERYTHING, bus)
    gate.control.unlink()
    gate.control.write_text("not a socket")
    assert gate.terminate() == 0
    assert gate.control.read_text() == "not a socket"


def test_control_and_metrics_may_not_share_a_path(workshop, bus):
    path = workshop.directory / "one"
    child = workshop.child([BUSGATE, "run", "--config", workshop.config(EVERYTHING), "--session", workshop.directory / "g", "--bus",
                            f"session={bus.address}", "--metrics", path, "--control", path])
    assert child.process.wait(PATIENCE) == 64
    assert not path.exists() and not (workshop.directory / "g").exists()
