"""What configs/README.md teaches is so: every message under every policy goes through `busgatectl explain`."""

import re

import pytest

from harness import ROOT
from test_busgatectl import asked, ctl, write

README = (ROOT / "configs/README.md").read_text()
LESSON = re.compile(r"^### (?P<title>[^\n]*)\n+```json\n(?P<policy>.*?)```\n```\n(?P<messages>.*?)```$", re.M | re.S)
MESSAGE = re.compile(
    r"(?P<verdict>allow|deny) +(?P<direction>outgoing|incoming) (?P<type>call|signal) (?P<interface>\S+)\.(?P<member>\S+) on (?P<path>\S+)"
    r"(?: to (?P<to>\S+)| from (?P<source>the bus|\S+))?(?: with (?P<fds>\d+) descriptors?)?$")
LESSONS = [match.groupdict() for match in LESSON.finditer(README)]


def flags(message):
    line = ["--direction", message["direction"], "--type", {"call": "method_call", "signal": "signal"}[message["type"]],
            "--interface", message["interface"], "--member", message["member"], "--path", message["path"]]
    if message["source"] == "the bus":
        line += ["--sender", "org.freedesktop.DBus"]
    elif message["to"] or message["source"]:
        line += ["--name", message["to"] or message["source"]]
    return line + (["--fds", message["fds"]] if message["fds"] else [])


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson["title"])
def test_what_is_taught_is_so(workshop, lesson):
    file = write(workshop, lesson["policy"])
    verdicts = set()
    for line in lesson["messages"].splitlines():
        message = MESSAGE.match(line)
        assert message, line
        told = asked("explain", file, "--bus", "session", *flags(message))
        assert told["verdict"] == message["verdict"], (line, told)
        verdicts.add(message["verdict"])
    assert verdicts == {"allow", "deny"}


def test_there_are_lessons_and_none_is_overlooked():
    assert len(LESSONS) == len(re.findall(r"^### \d", README, re.M)) == 8


def test_every_key_is_taught():
    table = README[README.index("### All keys"):README.index("### Names")]
    listed = re.findall(r"^\| `([a-z-]+)` \|", table, re.M)
    said = ctl("check", "-", input='{"dbus-gateway-config-session": [{"xxxxxxxxxxxxxxxx": 1}]}').stderr
    assert sorted(listed) == sorted(re.findall(r'"([a-z-]+)"', said.split("expected one of ")[1]))
