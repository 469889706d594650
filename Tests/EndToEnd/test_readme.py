"""What README says is so."""

import json
import re

from harness import ROOT

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
    from harness import BUSGATE
    child = workshop.child([BUSGATE, "--help"])
    assert child.process.wait(10) == 0
    text = "\n".join(child.out.lines) if child.out.ended else child.out.wait_for("usage") + "\n".join(child.out.lines)
    for flag in set(re.findall(r"(--[a-z][a-z-]+)", README)) - {"--help"}:
        assert flag in text, flag
