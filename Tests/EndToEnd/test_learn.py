"""`busgatectl learn`: the log of a real gate becomes a configuration, under which a real gate lets the same traffic through, and no other."""

import json
import os
import resource
import subprocess

import pytest
from gi.repository import GLib

from harness import rule
from journals import entries, journal, journalctl
from logged import FORMATS, LoggedScene, decisions, read_text
from peer import ACCESS_DENIED, Peer, call, driver_call, error_of, signal, strings
from test_busgatectl import CTL, ctl, on_a_terminal

told_by_the_log = pytest.mark.one_bus("the log tells what the gate decided, whatever the bus makes of it")

INTERFACE = "org.example.Door"
PROPERTIES = "org.freedesktop.DBus.Properties"
HOUSE = "org.example.House"
BAR_BYTES = 1 << 25  # LearnCommand.barBytesMin: whether there is a bar goes with the size of a log, not with the time it takes


def measured(*arguments):
    """Exit status, standard output, seconds of the processor and KiB of memory at most of a run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = subprocess.Popen([str(CTL), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    output = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert before.ru_maxrss >= 0
    return child.returncode, output, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


# Traffic, and its log

def traffic(gate, outside):
    """What an application does: calls on objects of a kind, a name, calls and signals in. Returns the errors that it got."""
    inside = Peer(gate.address)
    errors = []
    # Whoever had it gives way: each gate has an outside of its own.
    outside.ask(driver_call("RequestName", GLib.Variant("(su)", (HOUSE, 3))))
    # What the bus said of it has reached the gate when an answer has that was asked for later.
    inside.fence()

    def asked(path, interface, member):
        serial = inside.send(call(outside.name, path, interface, member))
        outside_got = outside.await_message(lambda message: message.get_sender() == inside.name and message.get_member() == member)
        outside.reply(outside_got, strings("answer"))
        errors.append(error_of(inside.answer_to(serial)))

    for number in (3, 14, 15):
        asked(f"/org/example/house/door{number}", INTERFACE, "Open")
        asked(f"/org/example/house/door{number}/lock1", PROPERTIES, "Get")
    asked("/org/example/house/door3", INTERFACE, "Close")
    asked("/org/example/house", INTERFACE, "Enter")
    errors.append(error_of(inside.ask(driver_call("RequestName", GLib.Variant("(su)", ("org.example.Inside", 0))))))
    errors.append(error_of(inside.ask(driver_call("GetId"))))
    outside.send(signal("/org/example/house/door3", INTERFACE, "Opened", destination=inside.name))
    inside.await_member("Opened")
    serial = outside.send(call(inside.name, "/client", "org.example.Client", "Notify"))
    inside.reply(inside.await_member("Notify"))
    errors.append(error_of(outside.answer_to(serial)))
    inside.close()
    return [error for error in errors if error]


def log_of_traffic(workshop, bus, format, mode="audit", rules=(), *arguments):
    """The log of a gate of its own, as a file."""
    scene = LoggedScene(workshop, bus, list(rules), format, "--mode", mode, "--log-rate", "100000", *arguments, socket=f"{format}/bus")
    assert traffic(scene.gate, scene.outside) == []
    scene.inside.ask(driver_call("ReloadConfig"))
    scene.end()
    file = workshop.directory / f"{format}.log"
    if scene.journal:
        file.write_bytes(entries(scene.journal.datagrams))
    else:
        file.write_text("\n".join(scene.gate.log.lines) + "\n")
    return file


def learned(workshop, *arguments, status=0, **options):
    done = ctl("learn", *arguments, **options)
    assert done.returncode == status, done.stderr
    file = workshop.directory / "learned.json"
    file.write_text(done.stdout)
    return file, done.stderr.splitlines()


@pytest.mark.parametrize("format", FORMATS)
def test_under_what_was_learned_the_same_traffic_passes_and_other_does_not(workshop, bus, format):
    log = log_of_traffic(workshop, bus, format)
    config, said = learned(workshop, log)
    assert any(line.startswith("left out: deny driver-closed: outgoing method_call org.freedesktop.DBus.ReloadConfig") for line in said)
    assert any(line.startswith("generalised: session /org/example/house/door*: stands for 3 paths") for line in said)
    assert any(line.startswith(f"also allows: session outgoing method_call {INTERFACE}.Open on /org/example/house/door") for line in said)
    assert "replayed: 11 of 11, 11 of 11 different ones" in said[-1]
    assert ctl("check", config).returncode == 0

    gate = workshop.gate(config, bus, "--log", "all", "--log-fold", "0", "--log-rate", "100000", socket="learned/bus")
    outside, inside = Peer(bus.address), Peer(gate.address)
    assert traffic(gate, outside) == []
    # A door that was not seen is one all the same; what else there is, is closed.
    assert error_of(inside.ask(call(outside.name, "/org/example/house/door16", INTERFACE, "Lock")))[0] == ACCESS_DENIED
    assert error_of(inside.ask(call(outside.name, "/org/example/garden", INTERFACE, "Enter")))[0] == ACCESS_DENIED
    assert error_of(inside.ask(driver_call("ReloadConfig")))[0] == ACCESS_DENIED
    serial = inside.send(call(outside.name, "/org/example/house/door16", INTERFACE, "Open"))
    outside.reply(outside.await_member("Open"))
    assert error_of(inside.answer_to(serial)) is None
    inside.close()
    outside.fence()
    gate.terminate()
    # The gate asks who owns the name, and keeps the answer to itself.
    denied = [event["member"] for event in decisions([read_text(line) for line in gate.log.lines])
              if event["verdict"] != "allow" and event["reason"] not in ("own-call", "unsubscribed")]
    assert denied == ["Lock", "Enter", "ReloadConfig"]


def test_what_is_learned_of_a_client_that_calls_unique_names_asks_for_the_services_name(workshop, bus):
    """As nmcli, upower, udisksctl and every program of dbus-python do: they call the owner's unique name."""
    log = log_of_traffic(workshop, bus, "json")
    logged = decisions([json.loads(line) for line in log.read_text().splitlines()])
    assert {(event["direction"], event.get("name")) for event in logged if event["reason"] == "no-rule" and event.get("interface") == INTERFACE} == {
        ("outgoing", HOUSE), ("incoming", HOUSE)}
    config, said = learned(workshop, log)
    rules = json.loads(config.read_text())["dbus-gateway-config-session"]
    assert {one["interface"]: one.get("name") for one in rules} == {
        INTERFACE: HOUSE, PROPERTIES: HOUSE, "org.example.Client": HOUSE, "org.freedesktop.DBus": None}

    gate = workshop.gate(config, bus, socket="named/bus")
    house, other, inside = Peer(bus.address), Peer(bus.address), Peer(gate.address)
    house.ask(driver_call("RequestName", GLib.Variant("(su)", (HOUSE, 3))))
    inside.fence()  # behind the news of the owner
    for peer, verdict in ((house, None), (other, ACCESS_DENIED)):
        serial = inside.send(call(peer.name, "/org/example/house/door3/lock1", PROPERTIES, "Get"))
        if verdict is None:
            peer.reply(peer.await_member("Get"))
            assert error_of(inside.answer_to(serial)) is None
        else:
            assert error_of(inside.answer_to(serial))[0] == verdict


def test_what_every_service_has_is_not_learned_of_one_without_a_name(workshop, bus):
    scene = LoggedScene(workshop, bus, [], "text", "--mode", "audit")
    for interface, member in ((PROPERTIES, "GetAll"), (INTERFACE, "Open")):
        scene.inside.send(call(scene.outside.name, "/a", interface, member, wants_reply=False))
        scene.outside.await_member(member)
    scene.end()
    file = workshop.directory / "nameless.log"
    file.write_text("\n".join(scene.gate.log.lines) + "\n")
    config, said = learned(workshop, file, status=1)
    assert [one["interface"] for one in json.loads(config.read_text())["dbus-gateway-config-session"]] == [INTERFACE]
    assert any("error: not learned: org.freedesktop.DBus.Properties of a peer without a well-known name" in line for line in said)


@told_by_the_log
def test_every_format_teaches_the_same(workshop, bus):
    configs = [learned(workshop, log_of_traffic(workshop, bus, format))[0].read_text() for format in FORMATS]
    assert configs[0] == configs[1] == configs[2]


@told_by_the_log
@pytest.mark.parametrize("output", ["json", "export"])
def test_what_journalctl_makes_of_the_entries_teaches_the_same(workshop, bus, output):
    exported = log_of_traffic(workshop, bus, "journal")
    log = workshop.directory / f"journal.{output}"
    log.write_bytes(journalctl(journal(workshop.directory, exported.read_bytes()), "-o", output))
    assert learned(workshop, log)[0].read_text() == learned(workshop, exported)[0].read_text()
    # Lines of text on standard error, which systemd takes into the journal as messages.
    text = log_of_traffic(workshop, bus, "text")
    lines = [f"SYSLOG_IDENTIFIER=busgate\nMESSAGE={line}\n".encode() for line in text.read_text().splitlines()]
    log.write_bytes(journalctl(journal(workshop.directory, entries(lines)), "-o", output))
    assert learned(workshop, log)[0].read_text() == learned(workshop, text)[0].read_text()


def test_what_rules_allow_already_is_learned_where_it_is_logged(workshop, bus):
    rules = [*(rule("*", interface, "*", "*", name=HOUSE) for interface in (INTERFACE, "org.example.Client", PROPERTIES)),
             rule("outgoing", "org.freedesktop.DBus", "*", "RequestName")]
    audited = learned(workshop, log_of_traffic(workshop, bus, "json"))[0].read_text()
    enforced = learned(workshop, log_of_traffic(workshop, bus, "text", "enforce", rules, "--log", "all"))[0].read_text()
    assert enforced == audited


def test_what_a_deny_rule_stops_is_not_learned_unless_it_is_asked_for(workshop, bus):
    log = log_of_traffic(workshop, bus, "json", "audit", [rule("outgoing", INTERFACE, "*", "Close", action="deny")])
    config, said = learned(workshop, log)
    assert "Close" not in config.read_text()
    assert any(line.startswith("left out: audit rule: outgoing") and "Close" in line for line in said)
    # Several have the reason in common and nothing else: one is shown, the others are not said to be the same.
    more = workshop.directory / "several.log"
    more.write_text("".join(line(member, verdict="audit", reason="rule") for member in ("Open", "Close", "Close")))
    _, said = learned(workshop, more, status=1)
    assert any(line.startswith("left out: audit rule, 3 messages, such as outgoing method_call org.example.Door.Open") for line in said)
    config, said = learned(workshop, log, "--denied")
    assert "Close" in config.read_text() and "ReloadConfig" in config.read_text()
    assert not any(line.startswith("left out") for line in said)


# The command

def line(member, path="/a", verdict="audit", reason="no-rule", gate="session"):
    return (f"{verdict} 2026-01-31T09:30:00.250Z gate={gate} connection=1 direction=outgoing type=method_call sender=:1.7 "
            f"destination=:1.8 path={path} interface={INTERFACE} member={member} serial=5 bytes=100 reason={reason}\n")


def test_lines_that_cannot_be_read_are_named_and_counted(workshop):
    log = workshop.directory / "a.log"
    log.write_text(line("Open") + "nonsense\n" + "nonsense\n" * 30 + line("Close") + "deny T gate")
    config, said = learned(workshop, log, status=1)
    assert json.loads(config.read_text())["dbus-gateway-config-session"][0]["method"] == ["Close", "Open"]
    assert said[0].startswith(f"{log}:2:1: error: ") and "12 more lines could not be read" in "\n".join(said)
    told = json.loads(ctl("learn", log, "--json").stdout)
    assert (told["unreadable-lines"], told["lines"], told["complete"]) == (32, 34, False)
    assert told["unreadable"][0]["line"] == 2


def test_a_byte_that_is_none_of_the_logs_is_told_wherever_it_stands(workshop):
    """A NUL in a value once ended the program."""
    log = workshop.directory / "a.log"
    for word in ("session", "outgoing", ":1.8", "/a", INTERFACE, "Open", "no-rule"):
        log.write_text(line("Open").replace(word, word[:1] + "\0" + word[1:]) + line("Close"))
        config, said = learned(workshop, log, status=1)
        assert json.loads(config.read_text())["dbus-gateway-config-session"][0]["method"] == ["Close"]
        assert said[0].startswith(f"{log}:1:"), said


def test_a_service_that_is_started_is_no_rule_for_every_service(workshop):
    def start(about):
        return line("StartServiceByName", "/org/freedesktop/DBus", reason="service-unknown").replace(":1.8", "org.freedesktop.DBus").replace(
            INTERFACE, "org.freedesktop.DBus").rstrip("\n") + f" about={about}\n"

    log = workshop.directory / "a.log"
    log.write_text(start(HOUSE) + line("Open").replace(":1.8", HOUSE))
    config, said = learned(workshop, log)
    assert "StartServiceByName" not in config.read_text() and "1 need no rule" in said[-1]
    log.write_text(start("org.example.Other") + line("Open").replace(":1.8", HOUSE))
    config, said = learned(workshop, log, status=1)
    assert "StartServiceByName" not in config.read_text()
    assert said[0].startswith(f"{log}:1: error: not learned: StartServiceByName of org.example.Other")


def test_a_gate_of_another_name_is_asked_about(workshop):
    log = workshop.directory / "a.log"
    log.write_text(line("Open", gate="kitchen"))
    config, said = learned(workshop, log, status=1)
    assert (config.read_text(), said[0].startswith(f"{log}:1: error: not learned: gate \"kitchen\"")) == ("{}\n", True)
    config, said = learned(workshop, log, "--gate", "kitchen=system")
    assert list(json.loads(config.read_text())) == ["dbus-gateway-config-system"]
    assert ctl("learn", log, "--gate", "kitchen").returncode == 64
    assert ctl("learn", log, "--siblings", "1").returncode == 64


def test_a_log_without_anything_to_learn_is_said():
    for text in ("", "opened 2026-01-31T09:30:00.250Z gate=session connection=7\n"):
        done = ctl("learn", input=text)
        assert (done.returncode, done.stdout) == (1, "{}\n") and "nothing to learn" in done.stderr
    assert ctl("learn", "/nonexistent").returncode == 65
    assert ctl("learn", "/").returncode == 65


def test_several_files_and_standard_input_are_one_log(workshop):
    log = workshop.directory / "a.log"
    log.write_text(line("Open"))
    config, said = learned(workshop, log, "-", input=line("Close"))
    assert json.loads(config.read_text())["dbus-gateway-config-session"][0]["method"] == ["Close", "Open"]
    assert "2 lines about 2 messages" in said[-1]


def test_a_bar_moves_on_a_terminal_only_and_colour_is_as_the_reader_wants_it(workshop):
    log = workshop.directory / "a.log"
    log.write_text(line("Open") * (BAR_BYTES // len(line("Open")) + 1) + "nonsense\n")
    assert "\x1b" not in ctl("learn", log).stderr and "#" not in ctl("learn", log).stderr
    seen = on_a_terminal("learn", log)
    assert "[####" in seen and "100%" in seen and "\x1b[1;31m" in seen
    assert "\x1b[1;31m" not in on_a_terminal("learn", log, NO_COLOR="1")


def test_a_log_that_is_read_before_anybody_looks_has_no_bar(workshop):
    log = workshop.directory / "a.log"
    log.write_text(line("Open") * (BAR_BYTES // len(line("Open"))))
    assert "reading" not in on_a_terminal("learn", log)


def test_memory_goes_with_the_different_messages_and_not_with_the_lines(workshop):
    log = workshop.directory / "a.log"
    used = []
    for lines in (10_000, 400_000):
        with open(log, "w") as file:
            for number in range(lines):
                file.write(line(f"M{number % 500}", f"/a/b{number % 20}"))
        status, output, seconds, kib = measured("learn", log)
        assert status == 0 and "M499" in output
        used.append(kib)
    assert seconds < 20 and used[1] < 1.2 * used[0] + 4096, (seconds, used)
