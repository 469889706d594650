"""The language guide, configs/README.md, says what is so: every message under every policy goes through `busgatectl explain`."""

import re

import pytest

from harness import ROOT
from test_busgatectl import asked, ctl, write

README = (ROOT / "configs/README.md").read_text()
SECTION = re.compile(r"^### (?P<title>[^\n]*)\n+```json\n(?P<policy>.*?)```\n```\n(?P<messages>.*?)```$", re.M | re.S)
MESSAGE = re.compile(
    r"(?P<verdict>allow|deny) +(?P<direction>outgoing|incoming) (?P<type>call|signal) (?P<interface>\S+)\.(?P<member>\S+) on (?P<path>\S+)"
    r"(?: to (?P<to>\S+)| from (?P<source>the bus|\S+))?(?: with (?P<fds>\d+) descriptors?)?$")
SECTIONS = [match.groupdict() for match in SECTION.finditer(README)]


def flags(message):
    line = ["--direction", message["direction"], "--type", {"call": "method_call", "signal": "signal"}[message["type"]],
            "--interface", message["interface"], "--member", message["member"], "--path", message["path"]]
    if message["source"] == "the bus":
        line += ["--sender", "org.freedesktop.DBus"]
    elif message["to"] or message["source"]:
        line += ["--name", message["to"] or message["source"]]
    return line + (["--fds", message["fds"]] if message["fds"] else [])


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section["title"])
def test_what_a_section_says_is_so(workshop, section):
    file = write(workshop, section["policy"])
    verdicts = set()
    for line in section["messages"].splitlines():
        message = MESSAGE.match(line)
        assert message, line
        told = asked("explain", file, "--bus", "session", *flags(message))
        assert told["verdict"] == message["verdict"], (line, told)
        verdicts.add(message["verdict"])
    assert verdicts == {"allow", "deny"}


def test_there_are_sections_and_none_is_overlooked():
    assert len(SECTIONS) == len(re.findall(r"^### \d", README, re.M)) == 8


def test_every_key_is_taught():
    table = README[README.index("### All keys"):README.index("### Names")]
    listed = re.findall(r"^\| `([a-z-]+)` \|", table, re.M)
    said = ctl("check", "-", input='{"dbus-gateway-config-session": [{"xxxxxxxxxxxxxxxx": 1}]}').stderr
    assert sorted(listed) == sorted(re.findall(r'"([a-z-]+)"', said.split("expected one of ")[1]))
