"""The list of mutants is up to date without a build: each finds its text, has a name of its own, and none gets lost. Whether the simulation notices
them is `make mutants`, which takes minutes.
"""

import importlib.machinery
import importlib.util
import subprocess
import sys

import pytest

from harness import ROOT

SCRIPT = ROOT / "Tests" / "Simulate" / "mutants"


@pytest.fixture
def mutants(monkeypatch):
    """The script as a module of its own for each test, which may change its lists."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("mutants", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("mutants", loader))
    loader.exec_module(module)
    return module


def add(mutants, *mutant):
    mutants.MUTANTS.append(mutant)
    mutants.NAMES.append(mutants.name_of(mutant[0]))


def wrong(mutants):
    return mutants.patched(ROOT / "Sources")[1]


def test_every_mutant_finds_its_text_and_there_are_not_fewer():
    checked = subprocess.run([SCRIPT, "--check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert int(checked.stdout.split()[0]) >= 145


def test_a_mutant_whose_text_is_gone_is_told_by_its_name_and_fails(mutants, capsys):
    add(mutants, "a thing that went", "GateSession/Session", "a text that is nowhere", "@")
    assert mutants.main(["--check"]) == 1
    assert "thing-that-went: out of date, its text is 0 times in Sources/GateSession/Session.swift" in capsys.readouterr().out


def test_a_mutant_whose_file_is_gone_is_told_by_its_name(mutants):
    add(mutants, "the file that went", "GateSession/Gone", "x", "@")
    assert wrong(mutants) == ["file-that-went: out of date, there are 0 files Gone.swift below Sources/GateSession, expected one"]


def test_a_mutant_that_is_always_broken_is_told(mutants):
    add(mutants, "no switch", "GateSession/Session+Messages", "return min(claimed, waiting)", "return 0")
    assert any(line.startswith("no-switch: ") for line in wrong(mutants))


def test_two_mutants_of_one_name_are_told(mutants):
    mutants.MUTANTS.append(("Eavesdropping!", *mutants.MUTANTS[0][1:]))
    mutants.NAMES.append(mutants.name_of("Eavesdropping!"))
    assert "eavesdropping: 2 mutants have this name" in wrong(mutants)


def test_fewer_mutants_than_there_were_are_told(mutants):
    del mutants.MUTANTS[mutants.FEWEST - 1:], mutants.NAMES[mutants.FEWEST - 1:]
    mutants.CHANGES_NOTHING.clear()
    assert wrong(mutants) == [f"the list: {mutants.FEWEST - 1} mutants, there were {mutants.FEWEST}: one whose text goes gets an equal one in the new code"]


def test_a_reason_for_a_mutant_that_is_not_there_is_told(mutants):
    mutants.CHANGES_NOTHING["nobody"] = "it is not there"
    assert wrong(mutants) == ["nobody: changes nothing, it is said, but there is no such mutant"]


def test_a_name_that_no_mutant_has_is_an_error_before_anything_is_built():
    asked = subprocess.run([SCRIPT, "1", "nobody"], capture_output=True, text=True)
    assert (asked.returncode, asked.stdout) == (64, "")
    assert "nothing is called nobody" in asked.stderr
