"""What operators read in the journal: a MESSAGE that says what was wanted, a catalog that says what to do, pipes that go on from there."""

import errno
import os
import pty
import re
import select
import subprocess

import pytest
from gi.repository import GLib

from harness import BUSGATE, PATIENCE, ROOT, rule
from journals import CATALOG, entries, journal, journalctl
from logged import Journal, LoggedScene
from peer import Peer, call, driver_call, signal, strings
from service import connect
from test_busgatectl import CTL, DOOR, ctl, document, write

pytestmark = pytest.mark.one_bus("the journal tells what the gate decided, whatever the bus makes of it")

TABLE = dict(line.split("\t") for line in subprocess.run(
    [BUSGATE, "--list", "message-ids"], capture_output=True, text=True, check=True).stdout.splitlines())
HOUSE = "org.example.House"


def fields(datagram):
    """Those of a datagram that are lines."""
    return dict(line.split("=", 1) for line in datagram.decode().splitlines() if "=" in line)


def denials(workshop, bus, count=3, *arguments):
    """What the journal gets of a gate whose nearest rule misses the method."""
    scene = LoggedScene(workshop, bus, [rule("outgoing", DOOR["interface"], DOOR["path"], "Shut")], "journal", *arguments)
    scene.outside.ask(driver_call("RequestName", GLib.Variant("(su)", (HOUSE, 3))))
    for _ in range(count):
        scene.inside.send(call(HOUSE, DOOR["path"], DOOR["interface"], "Open", wants_reply=False))
    scene.inside.fence()
    scene.end()
    return scene.journal.datagrams


def turn_away(scene):
    """One client more than there may be."""
    with connect(scene.gate.path) as end:
        assert select.select([end], [], [], PATIENCE)[0]


# MESSAGE

def test_a_denial_says_who_asked_whom_for_what_and_what_came_nearest(workshop, bus):
    told = map(fields, denials(workshop, bus, 4, "--instance", "radio"))
    first, rest = [found for found in told if found["BUSGATE_EVENT"] == "decision"]
    config = first["BUSGATE_NEAREST"]
    cgroup = f", {first['BUSGATE_CGROUP']}" if "BUSGATE_CGROUP" in first else ""
    did = (f"pid {os.getpid()} (uid {os.getuid()}{cgroup}) called org.example.Door.Open on /org/example/door of org.example.House: no rule allows it; "
           f"nearest is {config}, which misses method")
    assert (first["MESSAGE"], rest["MESSAGE"]) == (f"deny radio/session: {did}", f"deny radio/session (3 more): {did}")
    assert config.endswith(".json:1") and first["PRIORITY"] == "4"


def test_what_a_client_wrote_forges_no_sentence(workshop, bus):
    scene = LoggedScene(workshop, bus, [], "journal")
    scene.inside.ask(driver_call("RequestName", GLib.Variant("(su)", ('x": allow session\nMESSAGE=allow \x1b[2J', 3))))
    scene.end()
    (told,) = [datagram for datagram in scene.journal.datagrams if b"RequestName" in datagram]
    sentence = re.match(rb"MESSAGE=(.*)\n", told)[1].decode()
    assert sentence.startswith("deny session: pid ") and sentence.endswith(": no rule allows it")
    assert r'about "x\": allow session\u{a}MESSAGE=allow \u{1b}[2J" on /org/freedesktop/DBus' in sentence


def test_a_limit_and_a_refused_reload_say_which_and_whose(workshop, bus):
    config = workshop.config([])
    scene = LoggedScene(workshop, bus, config, "journal", "--limit", "connections-max=1")
    turn_away(scene)
    config.write_text("[")
    scene.gate.process.send_signal(1)
    scene.await_event(lambda event: event.get("outcome") == "refused")
    scene.end()
    told = {found["BUSGATE_EVENT"]: found for found in map(fields, scene.journal.datagrams)}
    assert told["limit"]["MESSAGE"] == "limit session: connections-max: a client was turned away, there are 1"
    assert told["reload"]["MESSAGE"] == "the reload was refused; the policy stays as it was"
    assert (told["limit"]["PRIORITY"], told["reload"]["PRIORITY"]) == ("4", "3")


def refused_start(workshop, *flags, stream=None):
    """A gate whose configuration is wrong: what its journal and its standard error get."""
    target = Journal(workshop.directory / "journal.socket")
    config = workshop.directory / "wrong.json"
    config.write_text("[")
    read, write = os.pipe()
    status = os.fstat(write)
    environment = {**os.environ, **({"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"} if stream else {})}
    done = subprocess.run([BUSGATE, "run", "--config", config, "--session", workshop.directory / "bus", "--log-format", "journal",
                           "--log-target", target.path, *flags], stderr=write, env=environment, timeout=PATIENCE)
    os.close(write)
    with os.fdopen(read) as errors:
        said = errors.read()
    target.end()
    return done.returncode, list(map(fields, target.datagrams)), said, config


@pytest.mark.parametrize("is_journal", [False, True], ids=["elsewhere", "in the journal"])
def test_why_it_does_not_start_is_an_event_with_the_instance_unless_standard_error_is_the_journal(workshop, is_journal):
    status, entries, said, config = refused_start(workshop, "--instance", "radio", stream=is_journal)
    assert status == 65 and said.count("\n") == 1 and said.startswith(f"{'<3>' if is_journal else ''}{config}:1:")
    if is_journal:
        assert entries == []  # once is enough
        return
    (entry,) = entries
    assert said == entry["MESSAGE"] + "\n"
    assert (entry["PRIORITY"], entry["BUSGATE_EVENT"], entry["BUSGATE_INSTANCE"]) == ("3", "error", "radio")


@pytest.mark.parametrize("is_journal", [False, True], ids=["elsewhere", "in the journal"])
def test_a_misused_flag_is_an_error_for_the_journal_where_that_has_standard_error(workshop, is_journal):
    status, entries, said, _ = refused_start(workshop, "--mode", "off", stream=is_journal)
    assert (status, entries) == (64, []) and said.startswith(("<3>" if is_journal else "") + 'busgate run: --mode "off"') and said.count("\n") == 1


# The catalog

def test_the_catalog_explains_each_message_id_and_no_other():
    text = CATALOG.read_text()
    assert sorted(re.findall("(?m)^-- ([0-9a-f]{32})$", text)) == sorted(TABLE) and len(TABLE) == 7
    for entry in re.split("(?m)^-- ", text)[1:]:
        identifier, *headers = entry.split("\n\n")[0].splitlines()
        keys = [line.partition(": ")[0] for line in headers]
        assert keys[:3] == ["Subject", "Defined-By", "Support"] and set(keys[3:]) == {"Documentation"}
        assert "Documentation: man:busgate(1)" in headers
        assert max(map(len, entry.split("\n\n", 1)[1].splitlines())) <= 80
        assert set(re.findall("[0-9a-f]{32}", entry)) == {identifier}


def every_message(workshop, bus):
    """Datagrams of a gate's, one at least of each MESSAGE_ID."""
    config = workshop.config([])
    scene = LoggedScene(workshop, bus, config, "journal", "--limit", "connections-max=1", "--limit", "names-max=1", "--log-rate", "1")
    turn_away(scene)
    for name in ("org.example.One", "org.example.Two"):
        scene.inside.own(name)
    config.write_text("[")
    scene.gate.process.send_signal(1)
    scene.await_event(lambda event: event.get("outcome") == "refused")
    for number in range(10):
        scene.call(f"Denied{number}")
    scene.end()
    audit = LoggedScene(workshop, bus, [], "journal", "--mode", "audit", "--limit", "names-max=1", socket="audit/bus")
    audit.inside.send(signal(DOOR["path"], DOOR["interface"], "Opened"))
    for name in ("org.example.One", "org.example.Two"):
        audit.inside.own(name)
    audit.end()
    slow = LoggedScene(workshop, bus, [], "journal", "--log-rate", "1000000", socket="slow/bus", is_read=False)
    for number in range(2000):
        slow.inside.send(call(slow.outside.name, DOOR["path"] + "/x" * 200, DOOR["interface"], f"M{number}", wants_reply=False))
    slow.inside.fence()
    slow.journal.read()
    slow.await_event(lambda event: event["event"] == "lost")
    slow.end()
    return [datagram for one in (scene, audit, slow) for datagram in one.journal.datagrams]


def test_journalctl_says_of_each_what_to_do_with_every_field_filled_in(workshop, bus):
    root = workshop.directory / "root"
    place = root / "usr/lib/systemd/catalog"
    place.mkdir(parents=True)
    (place / CATALOG.name).write_bytes(CATALOG.read_bytes())
    subprocess.run(["journalctl", f"--root={root}", "--update-catalog"], check=True, capture_output=True, timeout=PATIENCE)
    listed = subprocess.run(["journalctl", f"--root={root}", "--list-catalog"], check=True, capture_output=True, text=True, timeout=PATIENCE).stdout
    assert {line.split(" ")[0] for line in listed.splitlines()} == set(TABLE)
    datagrams = every_message(workshop, bus)
    file = journal(workshop.directory, entries(datagrams))
    # The database has its fixed place: this one is seen there.
    inside = ["bwrap", "--ro-bind", "/", "/", "--bind", workshop.directory, workshop.directory, "--tmpfs", "/var/lib/systemd",
              "--ro-bind", root / "var/lib/systemd/catalog", "/var/lib/systemd/catalog"]
    for identifier in TABLE:
        told = journalctl(file, "-x", "-o", "short", f"MESSAGE_ID={identifier}", before=inside).decode()
        explained = "\n".join(line for line in told.splitlines() if line.startswith("░░"))
        assert "Defined-By: busgate" in explained and "Documentation: man:busgate(1)" in explained, (TABLE[identifier], told)
        assert "@" not in explained and "BUSGATE_" not in explained and "_PID=_PID" not in explained, explained
    unexplained = [fields(datagram) for datagram in datagrams if b"MESSAGE_ID=" not in datagram]
    assert all(found["BUSGATE_EVENT"] in ("error", "warning", "note", "closed") for found in unexplained)


# Pipes

@pytest.mark.parametrize("output", ["json", "export"])
def test_the_journals_entries_are_explained_and_learned_from(workshop, bus, output):
    file = journal(workshop.directory, entries(denials(workshop, bus)))
    told = journalctl(file, "-u", "busgate@radio", "-o", output).decode()
    policy = write(workshop, document(rule("outgoing", DOOR["interface"], DOOR["path"], "Shut")))
    done = ctl("explain", policy, "--json", input=told)
    assert done.returncode == 0 and done.stdout.count('"verdict":"deny"') == 2 and '"member":"Open"' in done.stdout, done.stderr
    assert ctl("explain", policy, "--expect", "allow", input=told).returncode == 1
    # People are told once what the first and the count have in common.
    assert ctl("explain", policy, input=told).stdout.startswith("denied, 3 times: outgoing method_call org.example.Door.Open ")
    learned = ctl("learn", "--denied", input=told)
    assert learned.returncode == 0 and '"Open"' in learned.stdout, learned.stderr


def test_answers_that_were_waited_for_are_not_explained_as_what_nobody_waits_for(workshop, bus):
    scene = LoggedScene(workshop, bus, [rule("outgoing", DOOR["interface"])], "text", "--log", "all")
    serial = scene.inside.send(call(scene.outside.name, DOOR["path"], DOOR["interface"], "Open"))
    scene.outside.reply(scene.outside.await_member("Open"))
    scene.inside.answer_to(serial)
    scene.end()
    policy = write(workshop, document(rule("outgoing", DOOR["interface"])))
    log = "\n".join(line for line in scene.gate.log.lines if line.startswith("allow ")) + "\n"
    assert "reason=reply" in log
    done = ctl("explain", policy, input=log)
    assert done.returncode == 0 and "dropped" not in done.stdout and "allowed: outgoing method_call org.example.Door.Open" in done.stdout
    assert re.fullmatch(r"standard input: answers to what was forwarded, or asked by the gate, need no rule: \d+ are not explained\n", done.stderr)
    # The twin: one that nobody waits for is.
    stray = "drop 2026-01-31T09:30:00.250Z gate=session direction=outgoing type=method_return destination=:1.4 reason=stray-reply count=2\n"
    assert ctl("explain", policy, input=stray).stdout.startswith("dropped, 2 times: outgoing method_return")


@pytest.mark.parametrize("output", ["cat", "short", "short-iso", "with-unit"])
@pytest.mark.parametrize("command", ["explain", "learn"])
def test_what_journalctl_shows_people_is_refused_with_the_command_that_has_the_keys(workshop, bus, output, command):
    told = journalctl(journal(workshop.directory, entries(denials(workshop, bus))), "-o", output).decode()
    policy = [write(workshop, document())] if command == "explain" else []
    done = ctl(command, *policy, input=told)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (65, "", 1)
    asks_for = " ".join(map(str, ["journalctl -u UNIT -o json | busgatectl", command, *policy]))
    assert re.fullmatch(r"standard input:\d:1: error: the journal's MESSAGE has no keys, expected whole entries \(-o json or -o export\): (.*)\n",
                        done.stderr)[1] == asks_for


@pytest.mark.parametrize("command", [["explain"], ["learn"], ["check", "-"]], ids=" ".join)
def test_a_command_that_reads_from_a_terminal_says_so(workshop, command):
    if command[0] == "explain":
        command = [*command, str(write(workshop, document()))]
    master, slave = pty.openpty()
    child = subprocess.Popen([str(CTL), *command], stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "NO_COLOR": "1"})
    os.close(slave)
    seen = b""
    try:
        while b"Ctrl-D" not in seen:
            seen += os.read(master, 4096)
        os.write(master, b"\x04")
        while chunk := os.read(master, 4096):
            seen += chunk
    except OSError as error:
        if error.errno != errno.EIO:  # how the end of the other side is told
            raise
    os.close(master)
    assert child.wait(PATIENCE) == (1 if command[0] == "learn" else 65)
    assert seen.count(b"from the terminal") == 1
    # Who pipes something in is told nothing of it.
    assert "terminal" not in ctl(*command, input="{}").stderr


# The page

def blocks(wanted):
    """The commands of the operators' page that have this in them."""
    page = (ROOT / "contrib/OPERATORS.md").read_text()
    return [block for block in re.findall(r"```sh\n(.*?)```", page, re.S) if wanted in block]


def shell(workshop, script, address, journal_file=None):
    """Runs what the page says, in a directory of its own; journalctl is asked about a journal of the test's."""
    programs = workshop.directory / "programs"
    programs.mkdir()
    if journal_file:
        wrapper = programs / "journalctl"
        wrapper.write_text(f'#!/bin/sh\nexec /usr/bin/journalctl --file {journal_file} "$@"\n')
        wrapper.chmod(0o755)
    path = f"{programs}:{CTL.parent}:{BUSGATE.parent}:{os.environ['PATH']}"
    return subprocess.Popen(["bash", "-e", "-c", script], cwd=workshop.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "PATH": path, "DBUS_SESSION_BUS_ADDRESS": address, "NO_COLOR": "1"})


def test_the_audit_example_runs_as_printed_and_what_it_learns_is_enough(workshop, bus):
    (script,) = blocks("--mode audit --log all")
    house = Peer(bus.address)
    house.ask(driver_call("RequestName", GLib.Variant("(su)", (HOUSE, 3))))
    running = shell(workshop, script, bus.address)
    house.reply(house.await_member("Open"), strings("opened"))
    said, complaints = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0 and 'string "opened"' in said, complaints
    gate = workshop.gate(workshop.directory / "policy.json", bus)
    inside = Peer(gate.address)
    serial = inside.send(call(HOUSE, DOOR["path"], DOOR["interface"], "Open"))
    house.reply(house.await_member("Open"), strings("again"))
    assert inside.answer_to(serial).get_body().unpack() == ("again",)
    assert inside.ask(call(HOUSE, DOOR["path"], DOOR["interface"], "Shut")).get_error_name() == "org.freedesktop.DBus.Error.AccessDenied"


def test_the_pipes_from_the_journal_run_as_printed(workshop, bus):
    (script,) = blocks("journalctl -u busgate@radio -x MESSAGE_ID")
    write(workshop, document(rule("outgoing", DOOR["interface"], DOOR["path"], "Shut")))
    audited = denials(workshop, bus, 3, "--mode", "audit")
    file = journal(workshop.directory, entries(audited))
    running = shell(workshop, script, bus.address, file)
    said, complaints = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, complaints
    assert "Open" in said and '"Open"' in (workshop.directory / "policy.json").read_text()
