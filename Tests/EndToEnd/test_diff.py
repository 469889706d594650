"""`busgatectl diff`: what a person and a program are told, and that a gate under each policy does as it says."""

import json
import random

import pytest

from harness import rule
from peer import Peer, call, error_of
from test_busgatectl import ctl, document, write
from test_learn import measured

INTERFACE = "org.example.Door"


def compared(workshop, old, new, *arguments):
    files = [write(workshop, document(*rules), f"{name}.json") for name, rules in (("old", old), ("new", new))]
    done = ctl("diff", *files, *arguments)
    return done, files


def test_what_comes_and_goes_is_said_with_the_rule_and_a_message(workshop):
    done, (old, new) = compared(
        workshop,
        [rule("outgoing", INTERFACE, "/org/example/*", ["Open", "Close"]), rule("outgoing", "*", "/org/example/x", action="deny")],
        [rule("outgoing", INTERFACE, "/org/example/door", "*")])
    assert done.returncode == 1 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert f"+ session: outgoing method_call {INTERFACE}.x on /org/example/door; {new}:3 allows it, {old} has no rule for it" in lines
    assert f"- session: outgoing method_call {INTERFACE}.Open on /org/example/y; {old}:3 allowed it, {new} has no rule for it" in lines
    assert lines[-1].endswith("newly allowed, 4 no longer allowed")


def test_the_same_in_other_words_is_the_same(workshop):
    done, _ = compared(workshop, [rule("outgoing", INTERFACE, "/a", "Op*"), rule("incoming", INTERFACE, "/a", "Op*")],
                       [rule("*", INTERFACE, "/a", ["Open", "Op?*", "Op"])])
    assert (done.returncode, done.stdout, done.stderr) == (0, "the same is allowed\n", "")


def test_a_program_gets_one_object(workshop):
    done, (old, new) = compared(workshop, [], [rule("incoming", INTERFACE, "/a", "Open", type="signal", **{"max-fds": 0})], "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1 and told["same"] is False and told["undecided"] == [] and told["names"] == []
    assert told["differences"] == [{
        "change": "allowed", "bus": "session", "method": "Open", "denied-by": None,
        "allowed-by": {"file": str(new), "line": told["differences"][0]["allowed-by"]["line"], "column": 5},
        "example": {"direction": "incoming", "type": "signal", "interface": INTERFACE, "path": "/a", "member": "Open", "fds": 0,
                    "names": [], "to-the-bus": False}}]
    assert json.loads(ctl("diff", old, old, "--json").stdout)["same"] is True


def test_names_that_are_hidden_are_told(workshop):
    old = write(workshop, {"busgate": {"names": {"see": ["org.example.*"]}}}, "old.json")
    new = write(workshop, {"busgate": {"names": {"see": ["org.example.Door"], "own": ["org.example.Key"]}}}, "new.json")
    lines = ctl("diff", old, new).stdout.splitlines()
    assert any(line.startswith(f"+ the name org.example.Key may be owned by {new}:") for line in lines)
    assert any(line.startswith("- the name org.example") and "no longer is" in line for line in lines)


def random_rule(chance):
    """A rule of few letters, so that rules meet."""
    globs = {"interface": ["a.b", "a.*", "*", "a.?", "*.b", "org.freedesktop.DBus"], "path": ["/", "/a", "/a/*", "*", "/?", "/a*b"],
             "member": ["M", "M*", "*", "?", "MN", "RequestName"], "name": ["x.y", "x.y.*", "x.*.z", "*", "x.?"]}
    made = rule(chance.choice(["outgoing", "incoming", "*"]), chance.choice(globs["interface"]), chance.choice(globs["path"]),
                chance.sample(globs["member"], 2))
    if chance.random() < 0.4:
        made["type"] = chance.choice(["signal", "method_call"])
    if chance.random() < 0.4:
        made["name"] = chance.choice(globs["name"])
    if chance.random() < 0.3:
        made["max-fds"] = chance.choice([0, 1, 253])
    if chance.random() < 0.3:
        made["action"] = "deny"
    return made


def questions(example):
    """What `explain` is asked about it: the other end is the bus, or a name, or a peer that has none."""
    flags = ["--bus", "session"]
    for key in ("direction", "type", "interface", "path", "member", "fds"):
        if example[key] is not None:
            flags += [f"--{key}", str(example[key])]
    if example["to-the-bus"]:
        flags += ["--destination", "org.freedesktop.DBus"]
    elif example["names"]:
        flags += ["--name", *example["names"]]
    elif example["direction"] == "outgoing" and example["type"] == "method_call":
        flags += ["--destination", ":1.9"]
    return flags


@pytest.mark.parametrize("seed", range(12))
def test_each_example_is_judged_by_explain_as_diff_says(workshop, seed):
    chance = random.Random(seed)
    old = [random_rule(chance) for _ in range(3)]
    new = old[:2] + [random_rule(chance)]
    done, (before, after) = compared(workshop, old, new, "--json")
    differences = json.loads(done.stdout)["differences"]
    assert done.returncode == (1 if differences else 0)
    for difference in differences:
        example = difference["example"]
        if len(example["names"]) > 1:
            continue  # flags name one
        expected = ("deny", "allow") if difference["change"] == "allowed" else ("allow", "deny")
        for file, verdict in zip((before, after), expected):
            told = ctl("explain", file, *questions(example), "--expect", verdict)
            assert told.returncode == 0, (old, new, difference, told.stdout, told.stderr)


@pytest.mark.parametrize("broken", ["old", "new"])
def test_a_policy_that_is_none_is_bad_input(workshop, broken):
    files = [write(workshop, "{" if name == broken else "{}", f"{name}.json") for name in ("old", "new")]
    done = ctl("diff", *files)
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr.startswith(f"{workshop.directory / broken}.json:1:2: error: ")
    assert ctl("diff", files[0], workshop.directory / "missing").returncode == 65
    assert ctl("diff", "-", "-").returncode == 64
    assert ctl("diff", files[0]).returncode == 64


def test_a_gate_does_what_the_difference_says(workshop, bus):
    old = [rule("outgoing", INTERFACE, "/org/example/*", "*"), rule("outgoing", INTERFACE, "*", "Close", action="deny")]
    new = [rule("outgoing", INTERFACE, "/org/example/d?", ["Open", "Cl*"])]
    done, files = compared(workshop, old, new, "--json")
    gates = {"old": workshop.gate(files[0], bus, socket="old/bus"), "new": workshop.gate(files[1], bus, socket="new/bus")}
    outside = Peer(bus.address)
    differences = json.loads(done.stdout)["differences"]
    calls = [d for d in differences if d["example"]["type"] == "method_call" and not d["example"]["to-the-bus"]]
    assert {d["change"] for d in calls} == {"allowed", "no-longer-allowed"}
    for difference in calls:
        example = difference["example"]
        passes = {}
        for name, gate in gates.items():
            inside = Peer(gate.address)
            serial = inside.send(call(outside.name, example["path"], example["interface"], example["member"]))
            # Either it arrives, or its sender is told at once; what is sent behind it comes behind it.
            inside.send(call(outside.name, "/org/example/d1", INTERFACE, "Open", wants_reply=False))
            arrived = outside.await_message(lambda message: message.get_sender() == inside.name)
            passes[name] = (arrived.get_path(), arrived.get_member()) == (example["path"], example["member"])
            if passes[name]:
                outside.reply(arrived)
            assert passes[name] == (error_of(inside.answer_to(serial)) is None)
            inside.close()
        assert passes == {"old": difference["change"] != "allowed", "new": difference["change"] == "allowed"}, example


def test_ten_thousand_rules_take_seconds_and_little_memory(workshop):
    old = [rule("outgoing", f"org.example.I{n % 3000}", f"/org/example/{n}/*", ["Get", f"Set{n}"]) for n in range(10_000)]
    new = [*old, rule("outgoing", "org.example.*", "/wide", "*"), rule("outgoing", "org.example.I7", "*", "Set*", action="deny")]
    files = [write(workshop, json.dumps(document(*rules), indent=0), f"{name}.json") for name, rules in (("old", old), ("new", new))]
    status, output, seconds, kib = measured("diff", *files)
    assert status == 1
    assert any("on /wide" in line and line.startswith("+") for line in output.splitlines())
    assert seconds < 20 and kib < 512 * 1024, (seconds, kib)
