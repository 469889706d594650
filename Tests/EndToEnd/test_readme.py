"""What README says is so."""

import json
import re
import subprocess

from harness import BUSGATE, ROOT
from test_busgatectl import CTL

README = (ROOT / "README.md").read_text()


def test_the_policy_that_readme_shows_is_one_the_gate_takes(workshop, bus):
    policy = re.search(r"```json\n(.*?)```", README, re.S).group(1)
    assert len(policy.splitlines()) <= 10
    workshop.gate(json.loads(policy), bus)


def test_the_commands_that_readme_names_are_there():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.M))
    assert {"demo", "test", "bench"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_the_places_and_links_that_readme_names_are_there():
    places = re.findall(r"^\| `([A-Za-z/]+)`", README, re.M)
    assert len(places) >= 10
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    for place in places + links:
        assert (ROOT / place).exists(), place


def test_the_flags_that_readme_uses_are_in_the_help(workshop):
    child = workshop.child([BUSGATE, "--help"])
    assert child.process.wait(10) == 0
    text = "\n".join(child.out.lines) if child.out.ended else child.out.wait_for("usage") + "\n".join(child.out.lines)
    # What the README shows of the operator's tool is in that tool's help.
    commands = [line.split() for line in re.findall(r"^busgatectl (.*)", README, re.M)]
    assert commands
    for words in commands:
        told = subprocess.run([CTL, words[0], "--help"], capture_output=True, text=True, timeout=10, check=True).stdout
        for flag in [word for word in words if word.startswith("--")]:
            assert flag in told, flag
    ours = re.sub(r"^(?:busgatectl|sudo bwrap) (?:.*\\\n)*.*", "", README, flags=re.M)
    for flag in set(re.findall(r"(--[a-z][a-z-]+)", ours)) - {"--help"}:
        assert flag in text, flag


def listing(workshop, name):
    """What the program says of itself."""
    child = workshop.child([BUSGATE, "run", "--list", name])
    assert child.process.wait(10) == 0
    child.out.wait_until(lambda: child.out.ended)
    return [line.split("\t") for line in child.out.lines]


def documented(heading):
    """The rows of the table below a heading of the operators' page."""
    page = (ROOT / "contrib/OPERATORS.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    return [[cell.strip().replace("\\|", "|").strip("`") for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def test_every_flag_stands_in_the_operators_table_as_the_program_has_it(workshop):
    flags = [[f"{name} {value}".strip(), meaning] for name, value, meaning, _ in listing(workshop, "flags")]
    assert documented("Flags of `busgate run`") == flags


def test_every_flag_in_the_table_is_one_that_is_understood(workshop):
    for name, value, _, _ in listing(workshop, "flags"):
        child = workshop.child([BUSGATE, "run", name] + (["?"] if value else []))
        assert child.process.wait(10) == 64
        child.log.wait_until(lambda: child.log.ended)
        assert "unknown argument" not in child.log.lines[0], name


def test_every_limit_stands_in_the_operators_table_as_the_program_has_it(workshop):
    assert documented("Limits") == listing(workshop, "limits")


def test_every_metric_stands_in_the_operators_table_as_the_program_has_it(workshop):
    assert documented("Metrics") == listing(workshop, "metrics")


def test_every_reason_stands_in_the_operators_table_as_the_program_has_it(workshop):
    assert documented("Reasons") == listing(workshop, "reasons")


def test_every_key_of_the_log_stands_in_the_operators_table_as_the_program_has_it(workshop):
    assert documented("The log") == listing(workshop, "log-keys")


def test_every_message_id_stands_in_the_operators_table_as_the_program_has_it(workshop):
    assert documented("The journal") == listing(workshop, "message-ids")
