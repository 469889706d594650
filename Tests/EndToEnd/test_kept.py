"""Names that integrators may rely upon, which contrib/RIGHTS.md promises: each that a version had is still there.

``kept_names.json`` is only added to."""

import json
import re
import subprocess

import pytest

from harness import BUSGATE, EVERYTHING, PATIENCE, ROOT
from service import connect
from wire import join

KEPT = json.loads((ROOT / "Tests/EndToEnd/kept_names.json").read_text())
SCHEMA = json.loads((ROOT / "configs/gateway.schema.json").read_text())

pytestmark = pytest.mark.one_bus("names of the gate's own")


def table(which):
    """First and second column of what the program says of itself."""
    done = subprocess.run([BUSGATE, "run", "--list", which], capture_output=True, text=True, check=True, timeout=PATIENCE)
    return dict(line.split("\t")[:2] for line in done.stdout.splitlines())


@pytest.mark.parametrize("which", ["flags", "limits", "log-keys", "reasons"])
def test_no_name_of_a_table_is_lost(which):
    assert KEPT[which] and not set(KEPT[which]) - set(table(which))


def test_no_metric_is_lost_or_of_another_type():
    now = table("metrics")
    assert KEPT["metrics"] == {name: now.get(name) for name in KEPT["metrics"]}


def test_no_key_of_configurations_is_lost():
    found = set()

    def look(part):
        if isinstance(part, dict):
            found.update(part.get("properties", {}) if isinstance(part.get("properties"), dict) else {})
            for value in part.values():
                look(value)
        elif isinstance(part, list):
            for value in part:
                look(value)

    look(SCHEMA)
    assert KEPT["configuration"] and not set(KEPT["configuration"]) - found


def test_no_exit_status_is_lost():
    said = subprocess.run([BUSGATE, "run", "--help"], capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
    [sentence] = re.findall(r"^Exit status: .*?\.$", said, re.MULTILINE | re.DOTALL)
    assert KEPT["exit-statuses"] == [int(number) for number in re.findall(r"\b\d+\b", sentence)]


def keys(value, at=""):
    """The paths of all keys, those of each element of an array alike."""
    if isinstance(value, dict):
        return {path for key, inner in value.items() for path in {f"{at}{key}"} | keys(inner, f"{at}{key}.")}
    return {path for inner in value for path in keys(inner, at)} if isinstance(value, list) else set()


@pytest.mark.parametrize("question", ["status", "policy"])
def test_no_key_of_the_controls_answers_is_lost(workshop, bus, question):
    control = workshop.directory / "control"
    gate = workshop.gate(EVERYTHING, bus, "--control", control)
    join(workshop, gate.path)
    with connect(control) as end:
        end.sendall(question.encode() + b"\n")
        answer = json.loads(end.makefile().readline())
    assert KEPT[question] and not set(KEPT[question]) - keys(answer)


def test_the_page_names_this_list():
    assert "Tests/EndToEnd/test_kept.py" in (ROOT / "contrib/RIGHTS.md").read_text()
