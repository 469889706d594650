"""What helps whoever starts busgate for the first time: flags in either form, a help that fits, directories, what is said at the start."""

import json
import os
import subprocess
import unicodedata

import pytest

from harness import BUSGATE, EVERYTHING, PATIENCE, rule
from peer import Peer, call, driver_call, error_of, text_of
from service import busgate, refused, start
from test_metrics import scrape

pytestmark = pytest.mark.one_bus("what is written about itself, and which files are read, is the same before each bus")

NOWHERE = "unix:path=/nonexistent"
OPEN = rule("outgoing", "org.freedesktop.DBus.Properties", "/a", "Get", name="org.example.A")


def run(*arguments, **options):
    """As it is, without what the tests add to each command line."""
    return subprocess.run([str(BUSGATE), *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, **options)


def document(*rules, bus="session"):
    return json.dumps({f"dbus-gateway-config-{bus}": list(rules)})


def width(line):
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


# The command line

@pytest.mark.parametrize("joined", [False, True], ids=["--flag VALUE", "--flag=VALUE"])
def test_a_value_follows_its_flag_or_an_equals_sign(workshop, bus, joined):
    path = workshop.directory / "gate/bus"
    flags = [("--config", workshop.config(EVERYTHING)), ("--session", path), ("--bus", f"session={bus.address}"), ("--limit", "connections-max=3")]
    start(workshop, *[f"{flag}={value}" for flag, value in flags] if joined else [word for pair in flags for word in pair])
    assert text_of(Peer(f"unix:path={path}").ask(driver_call("GetId")))


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["-h"], ["help"]])
def test_the_help_has_groups_and_examples_and_fits_80_columns(words):
    done = run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(width, lines)) <= 80
    groups = {line.split("\t")[3] for line in run("--list", "flags").stdout.splitlines()}
    assert len(groups) >= 5 and {f"{group}:" for group in groups} <= set(lines) and "Examples:" in lines


def test_the_examples_of_the_help_are_understood(workshop):
    text = run("run", "--help").stdout.split("Examples:\n")[1].split("\n\n")[0].replace("\\\n", "")
    examples = [line.split(" 2> ")[0].split()[1:] for line in text.splitlines()]
    assert len(examples) == 3
    for words in examples:
        # Its files are not there: what else is wrong would be said before.
        assert refused(run(*words, cwd=workshop.directory, env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": NOWHERE}), 65, "radio.json")


@pytest.mark.parametrize("words", [
    ["run", "--config", "/x", "--session", "/y", "--log", "loud"], ["run"], ["run", "--config"], ["run", "--frobnicate"], ["walk"], []], ids=" ".join)
def test_an_error_of_the_command_line_points_to_the_help(words):
    assert refused(run(*words), 64, "--help")


@pytest.mark.parametrize("words, meant", [
    (["run", "--sesion", "/x"], "--session"), (["run", "--log-formt=json"], "--log-format"), (["run", "--contrl", "/x"], "--control"),
    (["rum"], "run"), (["dbus-prox"], "dbus-proxy"), (["--list", "flag"], "flags"), (["run", "--limit", "conections-max=1"], "connections-max")],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value)
def test_what_is_misspelt_is_answered_with_what_was_meant(words, meant):
    assert refused(run(*words), 64, f"expected {meant}")


def test_what_is_far_from_everything_is_answered_without_a_guess():
    assert refused(run("run", "--zzzzz"), 64, "expected one of the flags; busgate run --help lists the flags")


@pytest.mark.parametrize("table", ["flags", "limits", "metrics", "log-keys", "reasons", "message-ids"])
def test_a_table_is_printed_with_and_without_run(table):
    told = {run(*words).stdout for words in (["--list", table], [f"--list={table}"], ["run", "--list", table], ["run", f"--list={table}"])}
    assert len(told) == 1 and told.pop().count("\t") >= 2


@pytest.mark.parametrize("words", [["--list"], ["--list", "x"], ["--list="], ["--list", "flags", "limits"], ["run", "--list"]], ids=" ".join)
def test_another_table_is_refused_and_the_tables_are_named(words):
    assert refused(run(*words), 64, "flags, limits, metrics, log-keys, reasons or message-ids")


def test_every_program_says_its_version_in_the_same_form():
    version = run("--version").stdout
    name, number = version.split()
    assert name == "busgate" and run("run", "--version").stdout == version
    ctl = subprocess.run([BUSGATE.parent / "busgatectl", "--version"], capture_output=True, text=True, check=True).stdout
    assert ctl == f"busgatectl {number}\n"
    for personality in ("dbus-proxy", "xdg-dbus-proxy"):
        assert number in run(personality, "--version").stdout.splitlines()[-1]


@pytest.mark.parametrize("program", ["reload", "healthz", "dbus-proxy", "xdg-dbus-proxy"])
def test_the_help_of_each_program_fits_80_columns(program):
    done = run(program, "--help")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith(f"usage: {program if 'proxy' in program else 'busgate ' + program}")
    assert max(map(width, done.stdout.splitlines())) <= 80
    if "proxy" not in program:
        assert run(program, "-h").stdout == done.stdout


# Configurations

def gate_of(workshop, bus, *flags):
    path = workshop.directory / "gate/bus"
    return start(workshop, *flags, "--session", path, "--bus", f"session={bus.address}"), path


def test_a_directory_stands_for_its_documents_and_a_reload_sees_what_came(workshop, bus):
    directory = workshop.directory / "radio.d"
    directory.mkdir()
    (directory / "10.json").write_text(document(OPEN))
    (directory / "notes.txt").write_text("no document")
    (directory / ".hidden.json").write_text("[")
    gate, _ = gate_of(workshop, bus, "--config", directory)
    assert ": 1 rule, " in gate.log.wait_for("gate session listens on")
    (directory / "20.json").write_text("[")
    gate.process.send_signal(1)
    gate.log.wait_for(f"{directory}/20.json:1:2: error: ")


@pytest.mark.parametrize("there, rules", [(["radio.json"], 1), (["radio.d/a.json", "radio.d/b.json"], 2), (["radio.json", "radio.d/a.json"], 2)], ids=str)
def test_a_base_stands_for_a_file_and_a_directory_of_which_one_must_be_there(workshop, bus, there, rules):
    (workshop.directory / "radio.d").mkdir()
    for name in there:
        (workshop.directory / name).write_text(document(OPEN))
    gate, _ = gate_of(workshop, bus, "--config-base", workshop.directory / "radio")
    assert f": {rules} rule" in gate.log.wait_for("gate session listens on")


@pytest.mark.parametrize("flag, place, says", [
    ("--config-base", "radio", "radio.json: error: cannot be read: No such file"), ("--config-base", "empty", "empty.json"),
    ("--config-base", "loop", "loop.json"), ("--config-base", "dangling", "dangling.json"), ("--config-base", "bad", "bad.json:1:2"),
    ("--config", "empty.d", "no name in it ends in .json"), ("--config", "/", "root directory"), ("--config", "radio", "radio: error: cannot be read")])
def test_a_place_without_a_configuration_is_one_line_and_makes_no_socket(workshop, flag, place, says):
    (workshop.directory / "empty.d").mkdir()
    (workshop.directory / "loop.json").symlink_to("loop.json")
    (workshop.directory / "dangling.json").symlink_to("missing")
    (workshop.directory / "bad.json").write_text("[")
    path = workshop.directory / "gate/bus"
    assert refused(busgate("run", flag, workshop.directory / place, "--session", path, "--bus", f"session={NOWHERE}"), 65, says, "expected")
    assert not path.parent.exists()


# What is said at the start

def test_each_gate_says_where_it_listens_its_rules_its_bus_and_its_mode(workshop, bus):
    paths = [workshop.directory / name for name in ("one", "two")]
    config = workshop.config({"dbus-gateway-config-session": EVERYTHING * 2, "dbus-gateway-config-system": EVERYTHING})
    gate = start(workshop, "--config", config, "--session", paths[0], "--system", paths[1], "--bus", f"session={bus.address}",
                 "--bus", f"system={bus.address}")
    gate.log.wait_for(f"gate session listens on {paths[0]}: 2 rules, bus {bus.address}, enforce")
    gate.log.wait_for(f"gate system listens on {paths[1]}: 1 rule, bus {bus.address}, enforce")
    assert not gate.log.matching("warning")


def test_audit_mode_is_said_of_each_gate(workshop, bus):
    gate, path = gate_of(workshop, bus, "--config", workshop.config([]), "--mode", "audit")
    gate.log.wait_for(f"gate session listens on {path}: 0 rules, bus {bus.address}, audit")


@pytest.mark.parametrize("text, says", [
    ({"dbus-gateway-config-session": []}, '"dbus-gateway-config-session" is empty'),
    ({"dbus-gateway-config-system": EVERYTHING}, '"dbus-gateway-config-session" is not there'),
    ({}, '"dbus-gateway-config-session" is not there')], ids=["empty", "the other bus", "nothing"])
def test_a_gate_without_rules_is_warned_about_at_the_start_and_at_a_reload(workshop, bus, text, says):
    config = workshop.config(text)
    gate, _ = gate_of(workshop, bus, "--config", config)
    warning = gate.log.wait_for("warning: gate session denies everything", says)
    assert str(config) in warning and "expected" in warning
    before = len(gate.log.matching("denies everything"))
    gate.process.send_signal(1)
    gate.log.wait_until(lambda: len(gate.log.matching("denies everything")) > before)


@pytest.mark.parametrize("text", [{"dbus-gateway-config-session": EVERYTHING}, {"busgate": {"names": {"talk": ["org.example.A"]}}}], ids=["rules", "names"])
def test_a_gate_that_opens_something_is_not_warned_about(workshop, bus, text):
    gate, _ = gate_of(workshop, bus, "--config", workshop.config(text))
    gate.log.wait_for("gate session listens on")
    assert not gate.log.matching("warning")


def test_a_document_that_denies_what_another_allows_is_warned_about_and_the_deny_rule_wins(workshop, bus):
    for name, action in (("a", "allow"), ("b", "deny")):
        (workshop.directory / f"{name}.json").write_text(document(rule("outgoing", "org.freedesktop.DBus.Peer", "/x", "Ping", action=action)))
    flags = [word for name in "ab" for word in ("--config", workshop.directory / f"{name}.json")]
    gate, path = gate_of(workshop, bus, *flags)
    gate.log.wait_for("a.json:1:", "warning", f"{workshop.directory}/b.json:1:", "denies what this rule allows", "expected one of the two")
    denied = Peer(f"unix:path={path}").ask(call("org.example.A", "/x", "org.freedesktop.DBus.Peer", "Ping"))
    assert error_of(denied)[0] == "org.freedesktop.DBus.Error.AccessDenied"


def test_in_audit_mode_nothing_is_said_to_be_denied_and_the_mode_is_told_wherever_one_looks(workshop, bus):
    metrics, control = workshop.directory / "metrics", workshop.directory / "control"
    gates = {}
    for mode, number in (("audit", 0), ("enforce", 1)):
        for place in (metrics, control):
            place.unlink(missing_ok=True)
        gate, _ = gate_of(workshop, bus, "--config", workshop.config([]), "--mode", mode, "--metrics", metrics, "--control", control)
        gate.log.wait_for("gate session listens on")
        assert bool(gate.log.matching("denies everything")) == (mode == "enforce")
        status = subprocess.run([BUSGATE.parent / "busgatectl", "status", "--json", control], capture_output=True, text=True, check=True).stdout
        assert json.loads(status)["gates"][0]["mode"] == mode
        gate.metrics = metrics
        gates[mode] = f'busgate_enforcing{{gate="session"}} {number}' in scrape(gate).splitlines()
        assert gate.terminate() == 0
    assert gates == {"audit": True, "enforce": True}


def test_an_unknown_key_of_a_document_is_warned_about_at_a_reload_too(workshop, bus):
    config = workshop.config({"dbus-gateway-config-session": EVERYTHING})
    gate, _ = gate_of(workshop, bus, "--config", config)
    config.write_text(json.dumps({"dbus-gateway-config-sesion": EVERYTHING}))
    gate.process.send_signal(1)
    gate.log.wait_for(f"{config}:1:2: warning: ", "dbus-gateway-config-sesion", 'expected "dbus-gateway-config-session"')
    gate.log.wait_for("gate session denies everything")


# Sockets that are not the ones meant

@pytest.mark.parametrize("command, socket, says", [("reload", "metrics", "that of --control"), ("healthz", "control", "busgate run --metrics")])
def test_who_asks_the_other_socket_is_told_which_one_to_ask_at_once(workshop, bus, command, socket, says):
    sockets = {name: workshop.directory / name for name in ("metrics", "control")}
    gate_of(workshop, bus, "--config", workshop.config(EVERYTHING), *[word for name, path in sockets.items() for word in (f"--{name}", path)])
    assert refused(run(command, sockets[socket]), 71, sockets[socket], "expected", says)


# Whose rights

@pytest.mark.skipif(os.geteuid() != 0, reason="who is no root is not refused")
def test_root_of_the_host_does_not_serve_a_system_bus_unless_it_is_told_to(workshop, bus):
    path = workshop.directory / "gate/bus"
    words = ["run", "--config", workshop.config({"dbus-gateway-config-system": EVERYTHING}), "--bus", f"system={bus.address}", "--system", path]
    assert refused(run(*words), 78, "gate system", "as root", "expected", "--as-root")
    assert not path.parent.exists()
    radio = ["run", *words[1:3], "--bus", f"radio={bus.address}", "--listen", f"radio={path}", "--policy", "radio=system"]
    assert refused(run(*radio), 78, "gate radio", "--as-root")
    start(workshop, *words[1:], "--as-root")
    assert text_of(Peer(f"unix:path={path}").ask(driver_call("GetId")))


@pytest.mark.skipif(os.geteuid() != 0, reason="who is no root is not refused")
def test_root_of_the_host_serves_a_session_bus_and_another_user_a_system_bus(workshop, bus):
    words = ["run", "--config", workshop.config({"dbus-gateway-config-system": EVERYTHING, "dbus-gateway-config-session": EVERYTHING}), "--log", "none"]
    one, two = workshop.directory / "one", workshop.directory / "two"
    gate = workshop.child(["env", BUSGATE, *words, "--bus", f"session={bus.address}", "--session", one])
    gate.log.wait_for("gate session listens on")
    workshop.let_others_in()
    two.mkdir(mode=0o777)
    two.chmod(0o777)
    other = workshop.child(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BUSGATE, *words, "--bus", f"system={bus.address}",
                            "--system", two / "bus"])
    other.log.wait_for("gate system listens on")
    mapped = workshop.child(["unshare", "--user", "--map-root-user", BUSGATE, *words, "--bus", f"system={bus.address}", "--system", workshop.directory / "three"])
    mapped.log.wait_for("gate system listens on")


# What it weighs

def test_the_sidecar_carries_no_library_that_it_does_not_need():
    """8.7 MB; one call that brings the standard library's regular expressions with it, as `contains` of a string in a string does, makes it 10.0."""
    assert BUSGATE.resolve().stat().st_size < 9_500_000
