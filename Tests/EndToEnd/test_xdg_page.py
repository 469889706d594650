"""What contrib/XDG-DBUS-PROXY.md says is tested, is: its tests are there, every feature of the manual has one, and every difference stands in it."""

import gzip
import pathlib
import re
import subprocess

import pytest

import test_xdg_proxy
from harness import ROOT
from proxies import OURS

PAGE = (ROOT / "contrib/XDG-DBUS-PROXY.md").read_text()
DIFFERENCES = PAGE.partition("## Differences")[2].partition("\n## ")[0]
TABLES = PAGE.partition("## Feature by feature")[2]
ROWS = {row.id: row for row in test_xdg_proxy.ROWS}
MANUAL = pathlib.Path("/usr/share/man/man1/xdg-dbus-proxy.1.gz")


def named(text):
    return re.findall(r"`([^`]+)`", text)


def test_every_row_stands_in_the_tables_and_every_name_there_is_a_test():
    found = set()
    for line in TABLES.splitlines():
        tests = named(line.split("|")[-2]) if line.startswith("| ") else []
        for name in tests:
            file, _, test = name.rpartition("::")
            if not file:
                found.add(name)
            elif file.endswith(".swift"):
                assert f'"{test}"' in (ROOT / "Tests/GateSessionTests" / file).read_text(), name
            else:
                assert f"\ndef {test}(" in (ROOT / "Tests/EndToEnd" / file).read_text(), name
        assert tests or not line.startswith("| ") or line.endswith("| tests |"), line
    assert found == set(ROWS)


def test_every_difference_stands_in_its_list_and_no_other():
    assert {name for name in named(DIFFERENCES) if name in ROWS} == {name for name, row in ROWS.items() if row.values[3] is not None}


def test_every_option_of_the_manual_is_in_the_help_and_in_the_tables():
    if not MANUAL.exists():
        pytest.skip("xdg-dbus-proxy is not installed, or without its manual (contrib/packages test)")
    options = set(re.findall(r"^\\fB(--[a-z-]+)", gzip.decompress(MANUAL.read_bytes()).decode().replace("\\-", "-"), re.MULTILINE))
    assert len(options) == 12, options
    helped = subprocess.run([OURS, "--help"], capture_output=True, text=True, check=True).stdout
    options.add("--limit")  # is ours
    assert options == set(re.findall(r"^  (--[a-z-]+)", helped, re.MULTILINE)) == {one for one in named(TABLES) if one.startswith("--")}
