"""A reload that is asked for on the control socket: answered when it is in force, refused with every error, and by whichever program."""

import json
import os
import signal
import socket
import subprocess

import pytest

from harness import BUSGATE, EVERYTHING, PATIENCE, rule
from service import NotifySocket, busgate, expect_rest, impostor, refused, start
from test_busgatectl import CTL
from test_control import Control, ask, controlled
from test_reload import BROKEN, CountingService, Load
from wire import ACCESS_DENIED, OPEN, Client, eventually, join

pytestmark = pytest.mark.one_bus("what is asked of the control socket is no bus's business")

NOWHERE = "session=unix:path=/nonexistent"
PROGRAMS = {"busgate": [BUSGATE, "reload"], "busgatectl": [CTL, "reload"]}

both_programs = pytest.mark.parametrize("program", PROGRAMS)


def run(program, *arguments, **options):
    return subprocess.run([*map(str, PROGRAMS[program]), *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE,
                          stdin=subprocess.DEVNULL, **options)


@both_programs
@pytest.mark.parametrize("answer", [
    r'{"reload":"done","gates":[{"gate":"a\u001b[2J\u009b2J\u202e","rules":1}]}', r'{"error":"x","errors":["a\u001b[2J\u009b2J\u202e"]}',
    r'{"error":"a\u001b[2J\u009b2J\u202e"}',
], ids=["done", "refused", "unable"])
def test_an_answer_does_nothing_to_the_terminal_that_it_is_shown_on(workshop, program, answer):
    """Whoever took the gate over may answer in its place, and root asks."""
    with impostor(workshop.directory / "other", answer.encode() + b"\n") as path:
        done = run(program, path)
    assert "a?[2J?2J?" in done.stdout + done.stderr


def document(rules):
    return json.dumps({"dbus-gateway-config-session": rules})


@pytest.fixture
def asked(workshop):
    """A gate without a bus, with two files."""
    files = [workshop.directory / name for name in ("a.json", "b.json")]
    for file in files:
        file.write_text(document([rule(method="Old")]))
    workshop.control = workshop.directory / "control"
    gate = start(workshop, "--config", files[0], "--config", files[1], "--session", workshop.directory / "gate", "--bus", NOWHERE,
                 "--control", workshop.control)
    gate.control, gate.files = workshop.control, files
    return gate


def test_of_thousands_of_wrong_files_the_log_has_some_and_that_the_reload_was_refused(workshop):
    files = workshop.directory / "many"
    files.mkdir()
    (files / "0.json").write_text(document([]))
    workshop.control = workshop.directory / "control"
    gate = start(workshop, "--config", files, "--session", workshop.directory / "gate", "--bus", NOWHERE, "--control", workshop.control)
    for number in range(1, 5001):
        (files / f"{number}.json").write_text("x")
    done = run("busgate", workshop.control)
    assert (done.returncode, done.stderr.count("\n")) == (65, 5000)
    [refusal] = gate.log.matching("reload", "outcome=refused")
    assert len(gate.log.matching(".json:1:1: error: ")) == 100 and gate.log.matching("4900 more files are wrong") and not gate.log.matching("lost=")


@both_programs
def test_a_reload_is_in_force_when_its_program_ends(workshop, bus, program):
    config = workshop.config([])
    gate = controlled(workshop, config, bus)
    client = join(workshop, gate.path)
    for count in range(1, 4):
        config.write_text(document([rule(method=f"M{number}") for number in range(count)]))
        done = run(program, gate.control)
        assert (done.returncode, done.stderr) == (0, "") and f"session {count} rule" in done.stdout
        answers = [client.ask("a.b", f"M{number}").error == ACCESS_DENIED for number in range(4)]
        assert answers == [number >= count for number in range(4)]
    assert ask(gate, "status")["reloads"] == {"ok": 3, "refused": 0}
    assert len(gate.log.matching("reload", "outcome=done")) == 3


@both_programs
def test_a_refused_reload_tells_every_file_that_is_wrong_and_changes_nothing(asked, program):
    for file in asked.files:
        file.write_text(BROKEN)
    done = run(program, asked.control)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (65, "", 2)
    for file in asked.files:
        assert f"{file}:3:19: error: " in done.stderr and asked.log.wait_for(f"{file}:3:19: error: ")
    # The nearest thing that is right: only the other file is named.
    asked.files[0].write_text(document([]))
    done = run(program, asked.control)
    assert (done.returncode, done.stderr.count("\n")) == (65, 1) and str(asked.files[0]) not in done.stderr
    asked.files[1].unlink()
    assert "No such file" in run(program, asked.control).stderr
    assert ask(asked, "status")["reloads"] == {"ok": 0, "refused": 3} and ask(asked, "policy")["gates"][0]["rules"] == 2


def test_the_answer_is_one_object_on_one_line(asked):
    control = Control(asked)
    assert control.ask("reload") == {"reload": "done", "gates": [{"gate": "session", "rules": 2}]}
    asked.files[0].write_text("{")
    answer = control.ask({"command": "reload"})
    assert sorted(answer) == ["error", "errors"] and [line.partition(": error: ")[0] for line in answer["errors"]] == [f"{asked.files[0]}:1:2"]
    # What is wrong with the request is another refusal, which says what can be asked.
    assert "reload" in control.ask("reload session")["commands"] and "gate" in control.ask({"command": "reload", "gate": "session"})["error"]
    assert ask(asked, "status")["reloads"] == {"ok": 1, "refused": 1}
    control.close()


def test_errors_of_a_file_whose_name_acts_on_a_terminal_do_not(workshop):
    file = workshop.directory / "a\x1b[2J\n.json"
    file.write_text("[]")
    gate = start(workshop, "--config", file, "--session", workshop.directory / "gate", "--bus", NOWHERE, "--control", workshop.directory / "c")
    file.write_text("{")
    for program in PROGRAMS:
        done = run(program, workshop.directory / "c")
        assert (done.returncode, done.stderr.count("\n")) == (65, 1) and "\x1b" not in done.stderr
    assert gate.terminate() == 0


def test_the_service_manager_hears_of_it_as_of_sighup(workshop):
    ear = workshop.keep(NotifySocket(workshop.directory / "notify"))
    config = workshop.config(EVERYTHING)
    gate = start(workshop, "--config", config, "--session", workshop.directory / "gate", "--bus", NOWHERE, "--control",
                 workshop.directory / "c", env=ear.environment)
    assert "READY" in ear.receive()
    assert busgate("reload", workshop.directory / "c").returncode == 0
    assert "MONOTONIC_USEC" in ear.receive_key("RELOADING") and ear.receive()["READY"] == "1"
    config.write_text("{")
    assert busgate("reload", workshop.directory / "c").returncode == 65
    assert ear.receive_key("RELOADING") and "the reload was refused: " in ear.receive()["STATUS"]
    assert gate.terminate() == 0


def test_reloads_during_traffic_lose_nothing(workshop, bus):
    service = CountingService(workshop, bus)
    service.start()
    config = workshop.config([rule(interface=OPEN, method=["Count", "Other"])])
    gate = controlled(workshop, config, bus)
    load = Load(workshop, gate.path, 20)
    load.start()
    for number in range(30):
        config.write_text(BROKEN if number % 3 == 2 else document([rule(interface=OPEN, method="Count")] * (1 + number % 2)))
        answer = ask(gate, "reload")
        assert ("errors" in answer) == (number % 3 == 2), answer
    assert load.finish() >= 20 * Load.WINDOW
    service.stop()
    assert ask(gate, "status")["reloads"] == {"ok": 20, "refused": 10}


def test_a_client_that_asks_and_leaves_has_its_reload_and_costs_nothing(asked):
    before = asked.descriptors()
    for count in range(20):
        control = Control(asked)
        control.socket.sendall(b"reload\n")
        control.close()
        eventually(lambda: ask(asked, "status")["reloads"]["ok"] == count + 1, "it was not done")
    eventually(lambda: asked.descriptors() == before, "descriptors stay open")
    expect_rest(asked)


def test_many_that_ask_at_once_are_all_answered_each_after_a_reload_of_its_own(asked):
    controls = [Control(asked) for _ in range(8)]
    for control in controls:
        control.socket.sendall(b"reload\nstatus\nreload\n")
    for control in controls:
        first, status, second = (json.loads(control.stream.readline()) for _ in range(3))
        assert first["reload"] == second["reload"] == "done" and status["reloads"]["ok"] >= 1
        control.close()
    assert ask(asked, "status")["reloads"] == {"ok": 16, "refused": 0}


def test_a_reader_that_does_not_take_its_answers_holds_up_nobody(asked):
    slow = Control(asked)
    slow.socket.setblocking(False)
    asked.files[0].write_text(document([{"direction": 1}]))
    try:
        while True:
            slow.socket.send(b"reload\n" * 100)
    except BlockingIOError:
        pass
    for _ in range(3):
        assert "error" in ask(asked, "reload")
    expect_rest(asked)
    slow.close()


def test_what_cannot_be_asked_says_what_is_there_and_what_to_do(workshop):
    directory = workshop.directory
    (directory / "file").write_text("")
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(directory / "left"))
    left.close()
    datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    datagram.bind(str(directory / "datagram"))
    for name, says in {"none": "No such file", "file": "no socket", "left": "start it", "datagram": "another kind", ".": "no socket"}.items():
        for program in PROGRAMS:
            done = run(program, directory / name)
            assert (done.returncode, done.stdout, done.stderr.count("\n")) == (71, "", 1), (name, program, done)
            assert says in done.stderr and "busgate run --control" in done.stderr and str(directory / name) in done.stderr
    datagram.close()


@both_programs
def test_whoever_is_somebody_else_is_not_answered(asked, workshop, program):
    if os.getuid() != 0:
        pytest.skip("needs root, to be somebody else")
    workshop.let_others_in()
    asked.control.chmod(0o666)
    done = run(program, asked.control, user=65534, group=65534, extra_groups=[])
    assert done.returncode == 71 and "the gate's own user or root" in done.stderr
    asked.control.chmod(0o600)
    assert "ermission denied" in run(program, asked.control, user=65534, group=65534, extra_groups=[]).stderr
    assert ask(asked, "status")["reloads"] == {"ok": 0, "refused": 0}


@both_programs
def test_a_path_longer_than_a_socket_address_works(workshop, program):
    deep = workshop.directory.joinpath(*["d" * 60] * 4)
    start(workshop, "--config", workshop.config([]), "--session", workshop.directory / "gate", "--bus", NOWHERE, "--control", deep / "control")
    assert run(program, deep / "control").returncode == 0
    assert run(program, deep / "contrl").returncode == 71


@both_programs
@pytest.mark.parametrize("arguments", [[], ["a", "b"], [""], ["--now"], ["--now", "a"]])
def test_a_line_that_is_not_one_path_is_a_usage_error(program, arguments):
    if program == "busgatectl" and arguments == [""]:
        return
    done = run(program, *arguments)
    assert (done.returncode, done.stdout) == (64, "") and done.stderr
    if program == "busgate":
        assert refused(done, 64, "reload", "--help")


def test_a_gate_that_is_stopped_is_waited_for(asked):
    asked.process.send_signal(signal.SIGSTOP)
    waiting = subprocess.Popen([BUSGATE, "reload", asked.control], stdout=subprocess.PIPE, text=True)
    eventually(lambda: waiting.poll() is not None or "poll" in open(f"/proc/{waiting.pid}/wchan").read(), "it does not wait")
    assert waiting.poll() is None
    asked.process.send_signal(signal.SIGCONT)
    assert "session 2 rules" in waiting.communicate(timeout=PATIENCE)[0] and waiting.returncode == 0


def test_what_is_no_answer_is_not_taken_for_one(workshop):
    """Whatever listens there: no answer of it is a success, and none stops the program."""
    path = workshop.directory / "other"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    for answer in [b"", b"\n", b"5\n", b"[]\n", b"{}\n", b'{"reload":"later"}\n', b'{"reload":1}\n', b'{"errors":{}}\n', b"{" * 100 + b"\n",
                   b'{"reload":"done","gates":[1]}\n', b'{"error":"unknown command \\"reload\\""}\n', b"\xff\n", b'{"reload":"done"']:
        waiting = subprocess.Popen([BUSGATE, "reload", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        peer, _ = listener.accept()
        peer.recv(100)
        peer.sendall(answer)
        peer.close()
        out, error = waiting.communicate(timeout=PATIENCE)
        assert (waiting.returncode, out, error.count("\n")) == (71, "", 1), (answer, error)
    listener.close()


@pytest.mark.parametrize("extra", [[], ["--stdin"]])
def test_a_client_of_the_gate_goes_on_while_a_large_configuration_is_read(workshop, bus, extra):
    config = workshop.config([rule(interface=f"a.b{number}") for number in range(20_000)])
    gate = controlled(workshop, config, bus, *extra)
    client = workshop.keep(Client(gate.path))
    control = Control(gate)
    control.socket.sendall(b"reload\n")
    client.authenticate()
    client.say_hello()
    assert json.loads(control.stream.readline())["gates"][0]["rules"] == 20_000
    control.close()
