"""The operator's tool at a command line: what it finds, what it explains, and that it says what the sidecar does."""

import errno
import json
import os
import pathlib
import pty
import subprocess
import threading
import time

import pytest

from harness import PATIENCE, ROOT, rule
from peer import Peer, call, signal
from service import busgate

between_gate_and_tool = pytest.mark.one_bus("the gate and its tool talk to each other")

CTL = pathlib.Path(os.environ.get("BUSGATECTL", ROOT / "build/bin/busgatectl"))
CONFIGS = sorted((ROOT / "configs").glob("*.json"))
EXAMPLES = [path for path in CONFIGS if path.name != "gateway.schema.json"]
MANIFESTS = pathlib.Path(__file__).parent / "manifests"
DOOR = {"interface": "org.example.Door", "path": "/org/example/door", "method": "Open"}


def ctl(*arguments, input="", **options):
    options.setdefault("env", {**os.environ, "NO_COLOR": ""})
    return subprocess.run([str(CTL), *map(str, arguments)], input=input, capture_output=True, text=True, timeout=PATIENCE, **options)


def asked(*arguments, **options):
    """The JSON that a command writes."""
    done = ctl(*arguments, "--json", **options)
    return json.loads(done.stdout)


def write(workshop, text, name="policy.json"):
    file = workshop.directory / name
    file.write_text(text if isinstance(text, str) else json.dumps(text, indent=2))
    return file


def document(*rules, bus="session"):
    return {f"dbus-gateway-config-{bus}": list(rules)}


def message(interface=DOOR["interface"], path=DOOR["path"], member=DOOR["method"], **more):
    flags = ["--interface", interface, "--path", path, "--member", member]
    for key, value in more.items():
        flags += [f"--{key}", str(value)]
    return flags


# check

@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_in_order(example):
    done = ctl("check", "--strict", example)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "in order" in done.stdout


BROKEN = [
    "", "[", "{}x", '{"dbus-gateway-config-session": 1}', '{"dbus-gateway-config-session": [{}]}',
    '{"dbus-gateway-config-session": [{"direction": "up", "interface": "*", "object-path": "*", "method": "*"}]}',
    '{\n "dbus-gateway-config-session": [\n  {"direction": "outgoing", "interfaec": "*", "object-path": "*", "method": "*"}]}',
    '{"a": 1, "a": 2}', '{"a": "\\u0000"}', "\ufeff{}",
]


@pytest.mark.parametrize("text", BROKEN)
def test_what_the_sidecar_refuses_check_refuses_with_the_same_words(workshop, text):
    file = write(workshop, text)
    done = ctl("check", file)
    sidecar = busgate("run", "--config", file, "--session", workshop.directory / "socket", "--bus", "session=unix:path=/nonexistent")
    assert done.returncode == sidecar.returncode == 65
    assert done.stderr == sidecar.stderr.rstrip("\n") + " [syntax]\n"
    assert done.stdout == ""


@pytest.mark.parametrize("bus", ["session", "system"])
def test_cve_2014_8148_one_rule_that_opens_a_whole_bus_is_found_and_a_narrow_one_is_not(workshop, bus):
    broad = write(workshop, document(rule("outgoing", *DOOR.values()), rule("*", interface="*", path="*", method="*"), bus=bus))
    done = ctl("check", "--strict", broad)
    assert done.returncode == 1 and "everything" in done.stdout + done.stderr, done
    narrow = ctl("check", "--strict", write(workshop, document(rule("outgoing", *DOOR.values()), bus=bus)))
    assert narrow.returncode == 0, narrow


def test_warnings_are_told_and_count_only_with_strict(workshop):
    file = write(workshop, document(rule("outgoing", "*", "*", "*"), rule("outgoing", "*", "*", "*")))
    done = ctl("check", file)
    assert done.returncode == 0
    assert f"{file}:5:20: warning: " in done.stderr and "[everything]" in done.stderr and "[duplicate]" in done.stderr
    assert ctl("check", "--strict", file).returncode == 1
    assert ctl("check", "--strict", write(workshop, document(rule("outgoing", *DOOR.values())))).returncode == 0


def test_rules_of_several_files_are_looked_at_together(workshop):
    one = write(workshop, document(rule("outgoing", *DOOR.values())), "one.json")
    two = write(workshop, document(rule("outgoing", "org.example.*", "*", "*")), "two.json")
    found = asked("check", one, two)
    assert [(finding["id"], finding["file"]) for finding in found["findings"]] == [("shadowed", str(one))]
    assert asked("check", one)["findings"] == []
    bus = write(workshop, document(rule("outgoing", "org.example.*", "*", "*"), bus="system"), "three.json")
    assert asked("check", one, bus)["findings"] == []


def test_json_is_one_object_with_a_place_for_each_finding(workshop):
    found = asked("check", write(workshop, document(rule("outgoing", "org.freedesktop.DBus.Propertes", "/x", "Get"))))
    (finding,) = found["findings"]
    assert (found["errors"], found["warnings"]) == (0, 1)
    assert (finding["id"], finding["line"], finding["column"], finding["severity"]) == ("typo", 5, 20, "warning")
    broken = asked("check", write(workshop, "["))
    assert (broken["errors"], broken["findings"][0]["severity"], broken["findings"][0]["id"]) == (1, "error", "syntax")


def test_a_manifest_is_checked_with_all_its_capabilities(workshop):
    found = asked("check", MANIFESTS / "service-manifest.d/temperature.json")
    assert {finding["id"] for finding in found["findings"]} >= {"shared-interface", "duplicate"}
    assert ctl("check", "--strict", MANIFESTS / "service-manifest.default.d/network.json").returncode == 0
    assert ctl("check", write(workshop, '{"capabilities": 1}')).returncode == 65


def test_files_that_cannot_be_read_are_named_and_the_others_are_checked_all_the_same(workshop):
    empty = workshop.directory / "empty"
    empty.mkdir()
    done = ctl("check", workshop.directory / "missing", empty, write(workshop, "["))
    assert done.returncode == 65
    lines = done.stderr.splitlines()
    assert len(lines) == 3 and all(": error: " in line for line in lines), done.stderr
    assert "missing: error: cannot be read: No such file" in lines[0] and "empty: error: cannot be read: no name in it ends in .json" in lines[1]


def test_standard_input_is_a_file_called_dash():
    done = ctl("check", "-", input="[")
    assert (done.returncode, done.stderr.startswith("standard input:1:2: error: ")) == (65, True)
    assert ctl("check", "-", input="{}").returncode == 0


def on_a_terminal(*arguments, **environment):
    """What a person sees: standard error on a terminal."""
    master, slave = pty.openpty()
    child = subprocess.Popen([str(CTL), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=slave,
                             env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment})
    os.close(slave)
    seen = b""
    try:
        while chunk := os.read(master, 4096):
            seen += chunk
    except OSError as error:
        if error.errno != errno.EIO:  # how the end of the other side is told; a test out of time is an OSError, too
            raise
    os.close(master)
    child.wait(PATIENCE)
    return seen.decode().replace("\r\n", "\n")


def test_on_a_terminal_the_line_is_shown_with_a_caret_below_what_is_meant(workshop):
    file = write(workshop, '{\n  "dbus-gateway-config-session": [\n    {"direction": 1}]}')
    lines = on_a_terminal("check", file, NO_COLOR="1").splitlines()
    assert lines[0].startswith(f"{file}:3:19: error: ")
    assert lines[1] == '      {"direction": 1}]}'
    assert lines[2].index("^") == lines[1].index("1")
    assert ctl("check", file).stderr.count("\n") == 1


def test_colours_are_for_terminals_whose_owner_did_not_refuse_them(workshop):
    file = write(workshop, "[")
    assert "\x1b[" in on_a_terminal("check", file)
    assert "\x1b[" not in on_a_terminal("check", file, NO_COLOR="1")
    assert "\x1b[" not in on_a_terminal("check", file, TERM="dumb")
    assert "\x1b[" not in ctl("check", file).stderr


def test_what_a_document_says_cannot_act_on_a_terminal(workshop):
    file = write(workshop, '{"\u009b31m\x7f": 1, "\u202e": [}')
    assert not {"\u009b", "\x7f", "\x1b"} & set(on_a_terminal("check", file, NO_COLOR="1"))


def test_ten_thousand_rules_are_checked_in_seconds_and_only_a_terminal_sees_a_bar(workshop):
    rules = [rule("outgoing", f"org.example.I{number // 10}", f"/o/{number % 10}", [f"Get{number}", "Set*"]) for number in range(10_000)]
    file = write(workshop, json.dumps(document(*rules)))
    before = time.monotonic()
    done = ctl("check", "--strict", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - before < 20
    assert "checking [" in on_a_terminal("check", file)


def test_a_policy_that_changes_while_it_is_read_is_refused_and_one_that_is_replaced_is_not(workshop):
    """Of a writer that rests no reader can know whether it is done; of one that writes meanwhile it can."""
    texts = [json.dumps(document(*(rule("outgoing", f"org.example.{letter}{number:05}", "/", "M") for number in range(20_000))))
             for letter in "AB"]
    file, other = write(workshop, texts[0]), write(workshop, texts[1], "other.json")
    done = threading.Event()

    def until_done(change):
        while not done.is_set():
            change()

    def rewritten():
        with open(file, "r+b", buffering=0) as out:
            for text in reversed(texts):
                os.pwrite(out.fileno(), text.encode(), 0)

    def replaced():
        os.rename(write(workshop, texts[1], "new.json"), other)

    def checked(change, path, until):
        done.clear()
        writer = threading.Thread(target=until_done, args=[change])
        writer.start()
        try:
            end = time.monotonic() + PATIENCE
            while not until(told := ctl("check", path)) and time.monotonic() < end:
                pass
            return told
        finally:
            done.set()
            writer.join()

    refused = checked(rewritten, file, lambda told: told.returncode != 0)
    assert refused.returncode == 65 and f"{file}: error: cannot be read: it changed while it was read, expected" in refused.stderr
    assert ctl("check", file).returncode == 0
    for _ in range(10):
        assert checked(replaced, other, lambda told: True).returncode == 0


CALLS = "method_call"
OPEN = [
    ({"busgate": {"names": {"talk": ["org.freedesktop.*"]}}}, {"busgate": {"names": {"talk": ["org.freedesktop.portal.*"]}}}, "open-names"),
    ({"busgate": {"names": {"own": ["*"]}}}, {"busgate": {"names": {"own": ["org.example.*"]}}}, "open-names"),
    (document(rule("incoming", "org.freedesktop.DBus.Properties", "*", "Get", type=CALLS)),
     document(rule("incoming", "org.freedesktop.DBus.Properties", "*", "Get", type=CALLS, name="org.example.House")), "shared-interface"),
    (document(rule("outgoing", "org.freedesktop.DBus", "*", "StartServiceByName", type=CALLS)),
     document(rule("outgoing", "org.example.DBus", "*", "StartServiceByName", type=CALLS)), "open-start"),
    (document(rule("outgoing", "org.freedesktop.systemd1.Manager", "*", "StartTransientUnit", type=CALLS)),
     document(rule("outgoing", "org.freedesktop.systemd1.Manager", "*", "ListUnits", type=CALLS)), "way-out"),
    (document(rule("outgoing", "org.freedesktop.Flatpak.Development", "*", "HostCommand", type=CALLS)),
     document(rule("outgoing", "org.freedesktop.Flatpak", "*", "HostCommand", type=CALLS)), "way-out"),
]


@pytest.mark.parametrize("wide, narrow, lint", OPEN)
def test_what_opens_more_than_it_seems_to_is_warned_about_and_its_neighbour_is_not(workshop, wide, narrow, lint):
    done = ctl("check", "--strict", write(workshop, wide))
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and f"[{lint}]" in done.stderr, done.stderr
    done = ctl("check", "--strict", write(workshop, narrow))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_document_is_closed_for_the_bus_that_it_has_nothing_for(workshop):
    file = write(workshop, document(rule("outgoing", *DOOR.values()), bus="system"))
    closed = ctl("check", "--strict", "--bus", "session", file)
    assert closed.returncode == 1 and f"{file}:1:1: warning: nothing is open on the session bus" in closed.stderr
    for flags in (["--bus", "system"], []):
        assert ctl("check", "--strict", *flags, file).returncode == 0
    # Rules for the other bus are another's.
    broad = write(workshop, {**document(rule("outgoing", *DOOR.values())), **document(rule("*", "*", "*", "*"), bus="system")})
    assert ctl("check", "--strict", "--bus", "session", broad).returncode == 0
    assert ctl("check", "--strict", broad).returncode == 1


# explain

def test_what_is_suggested_is_no_wider_than_the_nearest_rule(workshop):
    file = write(workshop, document(rule("outgoing", *DOOR.values(), name="org.example.House")))
    elsewhere = message(path="/org/example/gate")
    told = asked("explain", file, *elsewhere)
    assert told["suggestion"]["name"] == "org.example.House" and "applies only to org.example.House" in told["hint"]
    assert asked("explain", file, *elsewhere, "--name", "org.example.Barn")["suggestion"]["name"] == "org.example.Barn"
    nameless = asked("explain", file, *message(interface="org.freedesktop.DBus.Properties", member="Get"))
    assert (nameless["verdict"], nameless["suggestion"]) == ("deny", None) and "--name NAME" in nameless["hint"]
    assert "--name NAME" in ctl("explain", file, *message(interface="org.freedesktop.DBus.Properties", member="Get")).stdout


@pytest.mark.parametrize("member, level", [("RequestName", "own"), ("StartServiceByName", "talk"), ("GetNameOwner", "see")])
@pytest.mark.parametrize("flag", ["--arg0", "--about"])
def test_of_a_name_that_the_bus_is_asked_about_that_name_is_suggested(workshop, member, level, flag):
    file = write(workshop, {"busgate": {"names": {"see": ["org.example.Other"]}}})
    question = [*message("org.freedesktop.DBus", "/org/freedesktop/DBus", member)]
    told = asked("explain", file, *question, flag, "org.example.House")
    assert (told["verdict"], told["suggestion"]) == ("deny", None)
    assert {key: names for key, names in told["suggested-names"].items() if names} == {level: ["org.example.House"]}
    pasted = write(workshop, {"busgate": {"names": told["suggested-names"]}}, "pasted.json")
    assert asked("explain", file, pasted, *question, flag, "org.example.House")["verdict"] == "allow"
    assert asked("explain", file, pasted, *question, flag, "org.example.House2")["verdict"] == "deny"
    unsaid = asked("explain", file, *question)
    assert (unsaid["suggestion"], unsaid["suggested-names"]) == (None, None) and "--arg0 NAME" in unsaid["hint"]


def test_a_rule_that_is_not_logged_is_explained_as_any_other(workshop):
    """It once ended the explanation of a whole log, as a message that was no message."""
    file = write(workshop, document(rule("outgoing", *DOOR.values(), log=False), rule("*", "*", "*", "Shut", action="deny", log=False)))
    line = ("deny T gate=session direction=outgoing type=method_call sender=:1.7 destination=:1.9 path=/org/example/door "
            "interface=org.example.Door member=Open reason=no-rule\n")
    done = ctl("explain", file, "--json", input=line + line.replace("Open", "Shut") + line.replace("Open", "Other"))
    assert done.returncode == 0, done.stderr
    assert [json.loads(told)["reason"] for told in done.stdout.splitlines()] == ["rule", "rule", "no-rule"]


def test_a_line_that_cannot_be_explained_is_named_and_the_others_are_explained(workshop):
    file = write(workshop, document(rule("outgoing", *DOOR.values())))
    line = ("deny T gate=session direction=outgoing type=method_call sender=:1.7 destination=:1.9 path=/org/example/door "
            "interface=org.example.Door member=Open reason=no-rule\n")
    done = ctl("explain", file, "--json", input=line + line.replace("/door", "//door…") + "nonsense\n" + line)
    assert done.returncode == 65 and len(done.stdout.splitlines()) == 2
    assert [said.split(" ")[1] for said in done.stderr.splitlines()] == ["input:2:1:", "input:3:1:"]


def test_a_signal_to_a_name_is_judged_as_one_and_a_signal_to_everybody_is_not(workshop):
    """A rule with `name` lets a signal through to that name only."""
    file = write(workshop, document({**rule("outgoing", *DOOR.values()), "name": "org.example.House"}))
    flags = ["--type", "signal", "--direction", "outgoing", *message()]
    assert ctl("explain", file, *flags, "--name", "org.example.House", "--expect", "allow").returncode == 0
    assert ctl("explain", file, *flags, "--name", "org.example.Barn", "--expect", "deny").returncode == 0
    assert ctl("explain", file, *flags, "--expect", "deny").returncode == 0


def test_a_call_that_is_allowed_names_its_rule(workshop):
    file = write(workshop, document(rule("outgoing", "org.example.Window", "*", "Shut"), rule("outgoing", *DOOR.values())))
    told = asked("explain", file, "--direction", "outgoing", *message())
    assert (told["verdict"], told["reason"]) == ("allow", "rule")
    assert (told["rule"]["file"], told["rule"]["line"]) == (str(file), 9)
    assert (told["nearest"], told["suggestion"]) == (None, None)


def test_a_call_that_is_denied_names_the_nearest_rule_and_one_to_paste_that_allows_it(workshop):
    file = write(workshop, document(rule("outgoing", "org.example.Door", "/org/example/gate", "Open")))
    told = asked("explain", file, *message())
    assert (told["verdict"], told["reason"], told["nearest"]["line"]) == ("deny", "no-rule", 3)
    assert told["misses"] == [{"key": "object-path", "rule": "/org/example/gate", "message": "/org/example/door"}]
    pasted = write(workshop, document(told["suggestion"]), "pasted.json")
    assert asked("explain", file, pasted, *message())["verdict"] == "allow"
    assert asked("explain", file, pasted, *message(member="Shut"))["verdict"] == "deny"
    text = ctl("explain", file, *message()).stdout
    assert f"all but object-path matches the rule at {file}:3" in text and '"object-path": "/org/example/door"' in text


def test_the_bus_itself_is_explained_by_the_table_that_the_sidecar_has(workshop):
    file = write(workshop, document(rule()))
    driver = ("--path", "/org/freedesktop/DBus", "--interface")
    assert asked("explain", file, *driver, "org.freedesktop.DBus", "--member", "ListNames")["reason"] == "driver"
    closed = asked("explain", file, *driver, "org.freedesktop.DBus.Monitoring", "--member", "BecomeMonitor")
    assert (closed["verdict"], closed["reason"]) == ("deny", "driver-closed")
    spy = ("--member", "AddMatch", "--arg0")
    assert asked("explain", file, *driver, "org.freedesktop.DBus", *spy, "eavesdrop='true'")["reason"] == "eavesdrop"
    assert asked("explain", file, *driver, "org.freedesktop.DBus", *spy, "type='signal'")["verdict"] == "allow"


def test_a_rule_with_a_name_asks_who_is_called(workshop):
    file = write(workshop, document(rule("outgoing", *DOOR.values(), name="org.example.House")))
    assert asked("explain", file, *message(name="org.example.House"))["verdict"] == "allow"
    assert asked("explain", file, *message(destination=":1.9", name="org.example.House"))["verdict"] == "allow"
    other = asked("explain", file, *message(name="org.example.Barn"))
    assert (other["verdict"], [miss["key"] for miss in other["misses"]]) == ("deny", ["name"])
    assert other["suggestion"]["name"] == "org.example.Barn"
    assert asked("explain", file, *message())["verdict"] == "deny"


def test_expect_is_an_exit_status(workshop):
    file = write(workshop, document(rule("outgoing", *DOOR.values())))
    assert ctl("explain", file, *message(), "--expect", "allow").returncode == 0
    assert ctl("explain", file, *message(), "--expect", "deny").returncode == 1
    assert ctl("explain", file, *message(member="Shut"), "--expect", "allow").returncode == 1
    assert ctl("explain", file, *message(member="Shut")).returncode == 0


def test_the_bus_is_the_one_that_has_rules_or_the_one_that_is_said(workshop):
    both = write(workshop, {**document(rule("outgoing", *DOOR.values())), **document(rule("incoming"), bus="system")})
    assert ctl("explain", both, *message()).returncode == 64
    assert asked("explain", both, *message(), "--bus", "session")["verdict"] == "allow"
    assert asked("explain", both, *message(), "--bus", "system")["verdict"] == "deny"
    system = write(workshop, document(rule("outgoing", *DOOR.values()), bus="system"), "system.json")
    assert asked("explain", system, *message())["bus"] == "system"


@between_gate_and_tool
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_of_the_log_is_explained_as_the_sidecar_decided(workshop, bus, form):
    rules = [rule("outgoing", *DOOR.values(), type="method_call"), rule("incoming", "org.example.Door", "*", "Opened", type="signal")]
    file = workshop.config(rules)
    gate = workshop.gate(file, bus, "--log", "all", "--log-format", form, "--log-fold", "0")
    inside, outside = Peer(gate.address), Peer(bus.address)
    inside.subscribe()
    for member in ["Open", "Shut"]:
        inside.send(call(outside.name, DOOR["path"], DOOR["interface"], member))
    inside.ask(call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig"))
    outside.send(signal(DOOR["path"], DOOR["interface"], "Opened"))
    outside.send(signal(DOOR["path"], DOOR["interface"], "Closed"))
    outside.fence()
    inside.fence()
    inside.close()
    gate.log.wait_until(lambda: [line for line in gate.log.lines if line.startswith("closed ") or '"event":"closed"' in line])
    lines = [line for line in gate.log.lines if "verdict" in line or line.split(" ")[0] in ("allow", "deny", "drop")]
    logged = [parse(line) for line in lines if "reply" not in parse(line)["reason"]]
    assert {(fields["member"], fields["verdict"]) for fields in logged} >= {
        ("Open", "allow"), ("Shut", "deny"), ("ReloadConfig", "deny"), ("Opened", "allow"), ("Closed", "deny"), ("Hello", "allow")}
    done = ctl("explain", file, "--json", input="\n".join(line for line in lines if "reply" not in parse(line)["reason"]) + "\n")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [(one["message"]["member"], one["verdict"], one["reason"]) for one in told] == [
        (fields["member"], fields["verdict"], fields["reason"]) for fields in logged]
    assert [one["rule"] and f"{one['rule']['file']}:{one['rule']['line']}" for one in told] == [fields.get("rule") for fields in logged]


def parse(line):
    """The keys of a line of the log."""
    if line.startswith("{"):
        return {"reason": "", "member": None, **json.loads(line)}
    word, _, rest = line.partition(" ")
    fields = dict(part.split("=", 1) for part in rest.split(" ")[1:] if "=" in part)
    return {"reason": "", "member": None, "verdict": word, **fields}


def test_a_saved_message_is_explained_as_it_is(workshop):
    file = write(workshop, document(rule("outgoing", *DOOR.values())))
    for member, verdict in [("Open", "allow"), ("Shut", "deny")]:
        saved = call("org.example.House", DOOR["path"], DOOR["interface"], member)
        saved.set_serial(7)
        blob = workshop.directory / "message"
        blob.write_bytes(bytes(saved.to_blob(0)))
        assert asked("explain", file, "--message", blob)["verdict"] == verdict
    blob.write_bytes(blob.read_bytes()[:-1])
    cut = ctl("explain", file, "--message", blob)
    assert (cut.returncode, cut.stderr.count("\n")) == (65, 1) and "expected one" in cut.stderr
    # Fewer bytes than a message has at least once ended the program.
    for text in (b"not a message at all", b"", b"l", b"l\1\0\1" + b"\1" * 11):
        blob.write_bytes(text)
        told = ctl("explain", file, "--message", blob)
        assert (told.returncode, told.stderr.count("\n")) == (65, 1) and "expected one" in told.stderr


def test_what_is_no_line_of_the_log_is_named_with_its_place(workshop):
    file = write(workshop, document())
    done = ctl("explain", file, input="busgate: note: hello\nnothing like it\n")
    assert (done.returncode, "standard input:2:1: error: " in done.stderr) == (65, True)
    assert ctl("explain", file, input="").returncode == 65


USAGE = [
    (["--path", "/a/"], "--path"), (["--path", "/a"], "--member"), (["--member", "M"], "--path"),
    (["--path", "/a", "--member", "a.M"], "--member"), ([*message(interface="a")], "--interface"),
    ([*message(direction="up")], "--direction"), ([*message(type="call")], "--type"), ([*message(fds=-1)], "--fds"),
    ([*message(name=":1.1")], "--name"), ([*message(sender=":1.1")], "--sender"),
    (["--path", "/a", "--member", "M", "--type", "signal"], "--interface"),
]


@pytest.mark.parametrize("flags, names", USAGE)
def test_a_message_that_cannot_be_is_a_usage_error_that_names_the_flag(workshop, flags, names):
    done = ctl("explain", write(workshop, document()), *flags)
    assert (done.returncode, done.stdout) == (64, "")
    assert names in done.stderr


# manifest

def test_capabilities_are_listed_with_their_places():
    told = asked("manifest", "list", "--manifest-dir", MANIFESTS / "service-manifest.d", "--default-manifest-dir",
                 MANIFESTS / "service-manifest.default.d")["capabilities"]
    assert [(one["name"], one["default"]) for one in told] == [
        ("test.cap.netcls", True), ("network.accept-ping", True), ("com.pelagicore.temperatureservice.gettemperature", False),
        ("com.pelagicore.temperatureservice.settemperature", False), ("com.example.wayland-access", False)]
    assert [(gateway["id"], gateway["skipped"]) for gateway in told[4]["gateways"]] == [("wayland", True), ("devicenode", True)]
    assert told[2]["gateways"] == [{"id": "dbus", "skipped": False, "session-rules": 0, "system-rules": 4}]


def test_what_applies_is_shown_with_what_is_skipped():
    flags = ["--manifest-dir", MANIFESTS / "service-manifest.d", "--default-manifest-dir", MANIFESTS / "service-manifest.default.d",
             "--capability", "com.pelagicore.temperatureservice.settemperature"]
    text = ctl("manifest", "show", *flags).stdout
    assert "cgroups: skipped" in text and "network: skipped" in text and '"method": ["SetTemperature"]' in text
    assert "GetTemperature" not in text and "wayland" not in text


def test_a_merged_configuration_has_the_same_rules(workshop):
    flags = ["--manifest-dir", MANIFESTS / "service-manifest.d", "--capability", "com.pelagicore.temperatureservice.gettemperature"]
    merged = ctl("manifest", "merge", *flags)
    assert merged.returncode == 0
    rules = json.loads(merged.stdout)["dbus-gateway-config-system"]
    assert [one["method"] for one in rules] == [["Introspect"], ["Echo"], ["GetTemperature"], ["TemperatureChanged"]]
    file = write(workshop, merged.stdout)
    temperature = ["--path", "/com/pelagicore/TemperatureService", "--interface", "com.pelagicore.TemperatureService", "--member"]
    for member in ["GetTemperature", "SetTemperature"]:
        assert asked("explain", file, *temperature, member)["verdict"] == asked("explain", *flags, *temperature, member)["verdict"]


@pytest.mark.parametrize("command", ["list", "show", "merge"])
def test_manifests_that_cannot_be_used_are_errors(workshop, command):
    missing = ctl("manifest", command, "--manifest-dir", workshop.directory / "missing")
    assert (missing.returncode, missing.stderr.count("\n")) == (65, 1)
    assert ctl("manifest", command, "--manifest-dir", "/").returncode == 65
    assert ctl("manifest", command, "--manifest-dir", write(workshop, "no JSON")).returncode == 65
    assert ctl("manifest", command).returncode == 64
    if command != "list":
        unknown = ctl("manifest", command, "--manifest-dir", MANIFESTS / "service-manifest.d", "--capability", "x")
        assert (unknown.returncode, "expected one of" in unknown.stderr) == (65, True)


# A running gate

@between_gate_and_tool
def test_a_running_gate_tells_its_status_and_its_policy(workshop, bus):
    rules = [rule("outgoing", *DOOR.values(), name="org.example.House"), rule("incoming", "org.example.Door", "*", ["A", "B"], action="deny")]
    control = workshop.directory / "control"
    gate = workshop.gate(rules, bus, "--control", control)
    inside = Peer(gate.address)
    inside.send(call("org.example.House", DOOR["path"], DOOR["interface"], "Shut"))
    inside.fence()
    text = ctl("status", control).stdout
    assert f"pid {gate.pid}" in text and "session" in text and inside.name in text
    status = asked("status", control)
    assert status["gates"][0]["denied"] >= 1 and status["connections"][0]["name"] == inside.name
    policy = ctl("policy", control, "--gate", "session")
    assert (policy.returncode, policy.stderr) == (0, "")
    again = write(workshop, policy.stdout)
    for one in [message(name="org.example.House"), message(), message(member="A", direction="incoming")]:
        before, after = (asked("explain", file, *one) for file in (workshop.config(rules), again))
        assert (before["verdict"], before["reason"]) == (after["verdict"], after["reason"])
    assert ctl("policy", control, "--gate", "none").returncode == 71
    assert asked("policy", control)["gates"][0]["gate"] == "session"


def test_a_gate_that_is_not_there_is_a_system_error(workshop):
    for command in ["status", "policy"]:
        done = ctl(command, workshop.directory / "none")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (71, "", 1)
        assert "No such file" in done.stderr and "--control" in done.stderr


# All of it

def test_unknown_commands_and_flags_are_usage_errors():
    for line in [["chekc"], ["check"], ["check", "--frobnicate", "x"], ["explain"], ["status"]]:
        done = ctl(*line)
        assert (done.returncode, done.stdout) == (64, ""), line


BOTH_BUSES = '{"dbus-gateway-config-%s": [{"direction": "outgoing", "interface": "*", "object-path": "*", "method": "*"}]}'


@pytest.mark.parametrize("words", [["explain"], ["explain", "--capability", "x"], ["manifest", "list"], ["manifest", "show", "--capability", "x"],
                                   ["explain", "both.json", "--interface", "a.b", "--path", "/", "--member", "C"]], ids=" ".join)
def test_what_is_wrong_with_a_command_line_shows_the_usage_of_that_command(tmp_path, words):
    (tmp_path / "both.json").write_text(f"[{BOTH_BUSES % 'session'}, {BOTH_BUSES % 'system'}]")
    done = subprocess.run([str(CTL), *words], capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path)
    names = " ".join(words[:2] if words[0] == "manifest" else words[:1])
    assert (done.returncode, done.stdout) == (64, "")
    first, rest = done.stderr.split("\n", 1)
    assert first.startswith("Error: ") and "expected" in first
    assert rest.startswith(f"Usage: busgatectl {names} [") and rest.endswith(f"  See 'busgatectl {names} --help' for more information.\n")


def test_version_is_that_of_the_sidecar():
    assert ctl("--version").stdout.split()[-1] == busgate("--version").stdout.split()[-1]


def test_a_reader_that_goes_away_ends_it_quietly():
    read, write = os.pipe()
    os.close(read)
    child = subprocess.Popen([str(CTL), "manifest", "list", "--manifest-dir", str(MANIFESTS / "service-manifest.d")], stdout=write,
                             stderr=subprocess.PIPE)
    os.close(write)
    assert child.communicate(timeout=PATIENCE)[1] == b""


@pytest.mark.parametrize("words, says", [([], "no command, expected check, "), (["chekc", "x"], 'unknown command "chekc", expected check;'),
                                         (["walk"], 'unknown command "walk", expected check, ')], ids=" ".join)
def test_a_command_that_is_not_there_is_answered_with_the_one_that_was_meant(words, says):
    done = ctl(*words)
    assert (done.returncode, done.stdout) == (64, "") and done.stderr.count("\n") == 1
    assert says in done.stderr and "busgatectl --help" in done.stderr
