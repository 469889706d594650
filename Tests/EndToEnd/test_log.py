"""The log: what is said, the same in all its formats, and what becomes of it when there is too much, or nobody who reads."""

import os
import re
import select
import socket
import subprocess
import time

import pytest

from harness import BUSGATE, PATIENCE, rule
from logged import FORMATS, HOSTILE, INTERFACE, KEYS, PATH, Journal, LoggedScene, decisions, read_journal, read_text, total, without
from peer import ACCESS_DENIED, ERROR, RETURN, Peer, answer, call, driver_call, error_of, refusal, signal, strings
from service import spent_meanwhile

pytestmark = pytest.mark.one_bus("the log tells what the gate decided, whatever the bus makes of it")


# What is said

@pytest.mark.both_buses
def test_every_format_says_the_same(workshop, bus):
    config = workshop.config([rule("outgoing", INTERFACE, PATH, "Allowed"),
                              rule("outgoing", INTERFACE, PATH, "Closed", action="deny")])
    said = {}
    for format in FORMATS:
        scene = LoggedScene(workshop, bus, config, format, "--log", "all", socket=f"{format}/bus")
        names = {scene.inside.name: "inside", scene.outside.name: "outside"}
        # What the bus says and what the client says are read from two sockets, in either order: each waits for the other here.
        scene.inside.await_member("NameAcquired")
        serial = scene.inside.send(call(scene.outside.name, PATH, INTERFACE, "Allowed", strings("secret")))
        scene.outside.reply(scene.outside.await_member("Allowed"), strings("secret"))
        scene.inside.answer_to(serial)
        scene.call("Closed", body=strings("secret"))
        scene.call("Elsewhere", path="/other")
        scene.inside.ask(driver_call("ReloadConfig"))
        scene.outside.send(signal(PATH, INTERFACE, "In", destination=scene.inside.name))
        scene.await_event(lambda event: event.get("member") == "In")
        scene.inside.send(answer(scene.outside.name, 77))
        scene.settle()
        events = scene.end()
        assert "secret" not in repr(events)
        said[format] = [{key: names.get(value, value) for key, value in without(event).items()} for event in events]
    # What comes from the bus and what comes from the client have no order between them.
    text, json, journal = [sorted(said[format], key=lambda event: (event.get("direction", ""), event.get("serial", 0))) for format in FORMATS]
    assert text == json == journal
    events = said["text"]
    (closed,) = decisions(events, member="Closed")
    assert without(closed, "connection", "bytes", "serial") == {
        "event": "decision", "verdict": "deny", "gate": "session", "uid": os.getuid(), "direction": "outgoing",
        "type": "method_call", "sender": "inside", "destination": "outside", "path": PATH, "interface": INTERFACE,
        "member": "Closed", "signature": "s", "reason": "rule", "rule": f"{config}:1"}
    (elsewhere,) = decisions(events, member="Elsewhere")
    assert (elsewhere["reason"], elsewhere["nearest"], elsewhere["miss"]) == ("no-rule", f"{config}:1", "object-path,method")
    assert decisions(events, member="Allowed")[0]["verdict"] == "allow"
    assert decisions(events, member="ReloadConfig")[0]["reason"] == "driver-closed"
    assert decisions(events, member="In")[0]["direction"] == "incoming"
    assert decisions(events, reason="stray-reply")[0]["verdict"] == "drop"
    assert [event["event"] for event in events if event["event"] != "decision"] == ["opened", "closed"]
    (ended,) = [event for event in events if event["event"] == "closed"]
    assert (ended["denied"], ended["reason"]) == (total([e for e in decisions(events) if e["verdict"] != "allow"]), "client closed its end")
    assert ended["allowed"] == total(decisions(events, verdict="allow"))


@pytest.mark.parametrize("format", FORMATS)
def test_the_client_is_named_by_the_kernel(workshop, bus, format):
    scene = LoggedScene(workshop, bus, [], format)
    scene.call("Denied")
    (event,) = decisions(scene.end())
    assert (event["pid"], event["uid"]) == (os.getpid(), os.getuid())
    groups = open("/proc/self/cgroup").read().splitlines()
    unified = [line.removeprefix("0::") for line in groups if line.startswith("0::")]
    assert event.get("cgroup") == (unified[0] if unified else event.get("cgroup"))


def test_reloads_and_closes_are_said(workshop, bus):
    said = {}
    for format in ("text", "json", "journal"):
        file = workshop.config([])
        scene = LoggedScene(workshop, bus, file, format, socket=f"{format}/bus")
        before = file.read_text()
        file.write_text("[")
        scene.gate.process.send_signal(1)
        scene.await_events(2)  # the second reload is only read when the first is done
        file.write_text(before)
        scene.gate.process.send_signal(1)
        scene.await_events(3)
        other = Peer(scene.gate.address)
        other.socket.sendall(b"nonsense" * 10)
        other.await_close()
        said[format] = [{key: str(value).replace(str(file), "FILE") for key, value in without(event, "allowed").items()}
                        for event in scene.end()]
    assert said["text"] == said["json"] == said["journal"]
    error, refused, done, closed = said["text"]
    assert error["event"] == "error" and error["message"].startswith("FILE:1:")
    assert (refused["event"], refused["outcome"], done["event"], done["outcome"]) == ("reload", "refused", "reload", "done")
    assert closed["event"] == "closed" and closed["reason"].startswith("client sent a malformed message")



@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_forges_nothing(workshop, bus, format, name):
    config = workshop.directory / f"{name}.json"
    config.write_text(workshop.config([rule("outgoing", INTERFACE, PATH, "Denied", action="deny")]).read_text())
    scene = LoggedScene(workshop, bus, config, format)
    scene.call("Denied")
    config.write_text("{")
    scene.gate.process.send_signal(1)
    scene.await_events(3)
    events = scene.end()
    assert [event["event"] for event in events] == ["decision", "error", "reload"]
    assert events[0]["rule"] == f"{config}:1"
    if format == "text":
        assert all(byte >= 32 and byte != 127 for line in scene.gate.log.lines for byte in line.encode())


def test_a_path_of_any_length_is_cut(workshop, bus):
    scene = LoggedScene(workshop, bus, [], "json")
    scene.call("Denied", path="/" + "x" * 200_000)
    (event,) = decisions(scene.end())
    assert event["path"] == "/" + "x" * 1023 + "…" and event["bytes"] > 200_000


# Folding, and the rate

@pytest.mark.parametrize("format", FORMATS)
def test_repetitions_are_counted_and_the_counts_add_up(workshop, bus, format):
    scene = LoggedScene(workshop, bus, [], format)
    for i in range(90):
        scene.call(["First", "Second", "Third"][i % 3])
    events = decisions(scene.end())
    for member in ("First", "Second", "Third"):
        first, rest = [event for event in events if event["member"] == member]
        assert "count" not in first and rest["count"] == 29
        assert set(first) - set(rest) == {"serial", "bytes"} and without(first, "serial", "bytes") == without(rest, "count")


def test_a_window_ends_by_itself(workshop, bus):
    scene = LoggedScene(workshop, bus, [], "text", "--log-fold", "1")
    for _ in range(5):
        scene.call("Denied")
    line = scene.gate.log.wait_for("count=")
    assert read_text(line)["count"] == 4
    scene.call("Denied")
    assert [event.get("count", 1) for event in decisions(scene.end())] == [1, 4, 1]


def test_nothing_is_folded_where_nobody_wants_it(workshop, bus):
    scene = LoggedScene(workshop, bus, [], "text", "--log-fold", "0")
    for _ in range(5):
        scene.call("Denied")
    assert [event.get("count") for event in decisions(scene.end())] == [None] * 5


def test_what_was_counted_is_written_when_the_gate_stops(workshop, bus):
    scene = LoggedScene(workshop, bus, [], "json", "--log", "all")
    for _ in range(3):
        scene.call("Denied")
    events = scene.stop()
    assert total(decisions(events, member="Denied")) == 3
    (closed,) = [event for event in events if event["event"] == "closed"]
    assert (closed["reason"], closed["denied"]) == ("the gate ended it", 3)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kinds", [600, 1500])
def test_more_different_denials_than_the_table_holds_add_up_with_what_the_rate_held_back(workshop, bus, format, kinds):
    scene = LoggedScene(workshop, bus, [], format, "--log-rate", "20")
    for i in range(2 * kinds):
        scene.inside.send(call(scene.outside.name, PATH, INTERFACE, f"M{i % kinds}", wants_reply=False))
    scene.inside.fence()
    events = scene.end()
    suppressed = [event for event in events if event["event"] == "suppressed"]
    assert len(suppressed) == 1 and suppressed[0]["gate"] == "session"
    assert total(decisions(events)) + suppressed[0]["decisions"] == 2 * kinds
    assert 80 <= len(decisions(events)) <= 80 + 20 * 10


@pytest.mark.both_buses
def test_a_flood_of_messages_that_pass_does_not_hide_one_that_does_not(workshop, bus):
    scene = LoggedScene(workshop, bus, [rule("outgoing", INTERFACE)], "json", "--log", "all", "--log-rate", "1")
    for i in range(100):
        scene.inside.send(call(scene.outside.name, PATH, INTERFACE, f"M{i}", wants_reply=False))
    scene.call("Denied", interface="com.example.Other")
    events = scene.end()
    assert len(decisions(events, member="Denied")) == 1
    (suppressed,) = [event for event in events if event["event"] == "suppressed"]
    (closed,) = [event for event in events if event["event"] == "closed"]
    assert total(decisions(events)) + suppressed["decisions"] == closed["allowed"] + closed["denied"]


@pytest.mark.parametrize("fold", ["0", "60"])
def test_a_storm_of_connections_is_counted_too(workshop, bus, fold):
    scene = LoggedScene(workshop, bus, [], "json", "--log-rate", "1", "--log-fold", fold)
    for _ in range(20):
        other = Peer(scene.gate.address, says_hello=False)
        other.socket.sendall(b"nonsense" * 10)
        other.await_close()
    events = scene.end()
    closed = [event for event in events if event["event"] == "closed"]
    suppressed = [event for event in events if event["event"] == "suppressed"]
    assert total(closed) + sum(event["connections"] for event in suppressed) == 20 and len(closed) < 20
    assert {event["decisions"] for event in suppressed} == ({0} if fold == "0" else set())


# Nobody reads

def flood(scene, count):
    """Denied calls that wait for no answer and are all different, so that each is an event."""
    for i in range(count):
        scene.inside.send(call(scene.outside.name, PATH + "/x" * 200, INTERFACE, f"M{i}", wants_reply=False))
    scene.inside.fence()


def test_a_full_pipe_holds_nobody_up_and_what_is_lost_is_said(workshop, bus):
    read, write = os.pipe()
    config = workshop.config([])
    ready, told = os.pipe()
    path = workshop.directory / "gate" / "bus"
    gate = subprocess.Popen(
        [BUSGATE, "run", "--config", config, "--session", path, "--bus", f"session={bus.address}", "--ready-fd", str(told),
         "--log-rate", "1000000"], stderr=write, pass_fds=[told])
    try:
        os.close(told)
        os.close(write)
        assert os.read(ready, 1)
        os.close(ready)
        inside, outside = Peer(f"unix:path={path}"), Peer(bus.address)
        count = 2000
        for i in range(count):
            inside.send(call(outside.name, PATH + "/x" * 200, INTERFACE, f"M{i}", wants_reply=False))
        inside.fence()
        began = time.monotonic()
        inside.fence()
        assert time.monotonic() - began < 5
        # Now somebody reads, and sees what was kept, then how much was not.
        data = b""
        while b"lost=" not in data:
            assert select.select([read], [], [], PATIENCE)[0]
            data += os.read(read, 65536)
        while not data.endswith(b"\n"):
            data += os.read(read, 65536)
        events = [read_text(line) for line in data.decode().splitlines()]
        (lost,) = [event for event in events if event["event"] == "lost"]
        assert events[-1] is lost and total(decisions(events)) + lost["lost"] == count
        # And the log goes on.
        inside.ask(call(outside.name, PATH, INTERFACE, "Later"))
        assert b"member=Later" in os.read(read, 65536)
    finally:
        gate.kill()
        gate.wait()
        os.close(read)


def test_a_journal_that_does_not_read_holds_nobody_up(workshop, bus):
    scene = LoggedScene(workshop, bus, [], "journal", "--log-rate", "1000000", is_read=False)
    count = 2000
    flood(scene, count)
    scene.journal.read()
    scene.await_event(lambda event: event["event"] == "lost")
    events = [read_journal(datagram) for datagram in scene.journal.datagrams]
    (lost,) = [event for event in events if event["event"] == "lost"]
    assert total(decisions(events)) + lost["lost"] == count


def test_a_journal_that_is_restarted_is_found_again(workshop, bus):
    scene = LoggedScene(workshop, bus, [], "journal")
    scene.journal.end()
    scene.call("Meanwhile")
    os.unlink(scene.journal.path)
    scene.journal = Journal(scene.journal.path)
    scene.journal.wait_until(lambda: scene.journal.datagrams)
    assert read_journal(scene.journal.datagrams[0])["member"] == "Meanwhile"


@pytest.mark.parametrize("where", ["full", "closed", "no-reader", "file", "socket", "may-not-grow"])
def test_a_log_that_cannot_be_written_is_no_reason_to_stop(workshop, bus, where):
    config = workshop.config([])
    ready, told = os.pipe()
    path = workshop.directory / "gate" / "bus"
    command = [str(part) for part in [
        BUSGATE, "run", "--config", config, "--session", path, "--bus", f"session={bus.address}", "--ready-fd", told]]
    log = workshop.directory / "log"
    options, ours = {}, None
    if where == "full":
        options["stderr"] = open("/dev/full", "w")
    elif where == "closed":
        command = ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    elif where == "no-reader":
        read, write = os.pipe()
        os.close(read)
        options["stderr"] = write
    elif where == "socket":
        ours, theirs = socket.socketpair()
        options["stderr"] = theirs
    else:
        options["stderr"] = open(log, "w")
    if where == "may-not-grow":
        command = ["prlimit", "--fsize=2000:2000", *command]
    gate = subprocess.Popen(command, pass_fds=[told], **options)
    try:
        os.close(told)
        assert os.read(ready, 1)
        os.close(ready)
        inside, outside = Peer(f"unix:path={path}"), Peer(bus.address)
        for i in range(300):
            inside.send(call(outside.name, PATH + "/x" * 200, INTERFACE, f"M{i}", wants_reply=False))
        inside.fence()
        assert spent_meanwhile(workshop, bus, gate.pid) < 30_000_000, "it spins"
        inside.fence()
        gate.terminate()
        assert gate.wait(PATIENCE) == 0
        if where == "file":
            assert len(decisions([read_text(line) for line in log.read_text().splitlines()])) >= 200
        if where == "socket":
            assert b"member=M0" in ours.recv(65536)
    finally:
        gate.kill()
        gate.wait()


# Audit mode

@pytest.mark.both_buses
@pytest.mark.parametrize("mode", ["enforce", "audit"])
def test_audit_forwards_what_the_rules_do_not_allow_and_says_so(workshop, bus, mode):
    audit = mode == "audit"
    config = workshop.config([rule("outgoing", INTERFACE, PATH, "Allowed"), rule("*", "*", "*", "Never", action="deny")])
    scene = LoggedScene(workshop, bus, config, "json", "--mode", mode)
    serials = [scene.inside.send(call(scene.outside.name, PATH, INTERFACE, member)) for member in ("Allowed", "Other", "Never")]
    incoming = scene.outside.send(call(scene.inside.name, PATH, INTERFACE, "In"))
    for peer in (scene.inside, scene.outside, scene.inside):
        peer.fence()
    expected = ["Allowed", "Other", "Never"] if audit else ["Allowed"]
    assert scene.outside.seen() == expected
    for member in expected:
        scene.outside.reply(scene.outside.await_member(member), strings(member))
    answers = [scene.inside.answer_to(serial) for serial in serials]
    assert [error_of(reply) for reply in answers] == (
        [None] * 3 if audit else [None, refusal(INTERFACE, "Other", PATH), refusal(INTERFACE, "Never", PATH)])
    if audit:
        scene.inside.reply(scene.inside.await_member("In"))
    assert (scene.outside.answer_to(incoming).get_message_type() == ERROR) != audit
    everything = scene.end()
    assert any("audit mode" in event.get("message", "") for event in everything) == audit
    events = decisions(everything)
    verdict = "audit" if audit else "deny"
    assert {(event["member"], event["verdict"], event["reason"]) for event in events} == {
        ("Other", verdict, "no-rule"), ("Never", verdict, "rule"), ("In", verdict, "no-rule")}


@pytest.mark.both_buses
def test_audit_opens_nothing_that_is_not_the_rules_to_open(workshop, bus):
    scene = LoggedScene(workshop, bus, [], "json", "--mode", "audit", "--limit", "names-max=1", "--limit", "fds-per-message-max=2")
    ask = lambda *message, **more: error_of(scene.inside.ask(driver_call(*message, **more)))  # noqa: E731
    assert ask("ReloadConfig")[0] == ACCESS_DENIED
    assert ask("BecomeMonitor", interface="org.freedesktop.DBus.Monitoring")[0] == ACCESS_DENIED
    assert ask("AddMatch", strings("eavesdrop='true'"))[0] == ACCESS_DENIED
    assert error_of(scene.inside.own("com.example.First")) is None
    assert error_of(scene.inside.own("com.example.Second"))[0] == "org.freedesktop.DBus.Error.LimitsExceeded"
    scene.outside.send(answer(scene.inside.name, 99))
    scene.outside.fence()
    scene.inside.fence()
    assert not [message for message in scene.inside.unasked() if message.get_message_type() in (RETURN, ERROR)]
    events = decisions(scene.end())
    # Some buses forward no answer that nobody waits for.
    assert [(event["verdict"], event["reason"]) for event in events if event["reason"] != "stray-reply"] == [
        ("deny", "driver-closed"), ("deny", "driver-closed"), ("deny", "eavesdrop"), ("audit", "no-rule"), ("deny", "names-max")]
    assert {event["verdict"] for event in events if event["reason"] == "stray-reply"} <= {"drop"}


# Flags

@pytest.mark.parametrize("flags, complaint", [
    (["--log-format", "xml"], "expected text, json or journal"), (["--log-rate", "0"], "expected events a second"),
    (["--log-rate", "x"], "expected events a second"), (["--log-fold", "-1"], "expected seconds"), (["--mode", "off"], "expected enforce or audit"),
    (["--log-target", "/x"], "expected --log-format journal")])
def test_a_flag_that_is_wrong_is_told_so(workshop, flags, complaint):
    done = subprocess.run([BUSGATE, "run", "--stdin", "--session", workshop.directory / "bus", *flags], capture_output=True, text=True)
    assert done.returncode == 64 and complaint in done.stderr and done.stderr.count("\n") == 1


def test_a_journal_that_is_not_there_is_told_at_the_start(workshop):
    done = subprocess.run(
        [BUSGATE, "run", "--config", workshop.config([]), "--session", workshop.directory / "bus", "--bus", "session=unix:path=/x",
         "--log-format", "journal", "--log-target", workshop.directory / "none"], capture_output=True, text=True)
    assert done.returncode == 71 and "cannot reach the journal at" in done.stderr
    assert not (workshop.directory / "bus").exists()


def test_the_keys_are_listed_with_what_they_mean(workshop):
    text = subprocess.run([BUSGATE, "run", "--list", "log-keys"], capture_output=True, text=True, check=True).stdout
    rows = [line.split("\t") for line in text.splitlines()]
    assert all(len(row) == 2 and re.fullmatch("[a-z-]+", row[0]) and row[1] for row in rows) and len(KEYS) == len(rows)
    assert subprocess.run([BUSGATE, "run", "--list", "x"], capture_output=True).returncode == 64
