"""What CONTRIBUTING, SECURITY and contrib/ARCHITECTURE tell whoever comes new is so: files, functions, commits, commands, and the way to the
line that denies a message.

In a table with a column `file`, the column behind it says what stands in that file, each in backticks: `name(…)` is a function, `Type.name(…)` one of
that type, `Type` a type, `name` a property or a case. In a file that is not Swift the words are looked for as they stand.
"""

import pathlib
import re
import subprocess

import pytest

from harness import ROOT
from test_tidy import MODULES, SOURCES, code

CONTRIBUTING, SECURITY, ARCHITECTURE = (ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "contrib/ARCHITECTURE.md"))
PAGES = (CONTRIBUTING, SECURITY, ARCHITECTURE)
# What each page has at least, so that a table which is not found any more is noticed.
ROWS = {CONTRIBUTING: 30, SECURITY: 5, ARCHITECTURE: 130}
WAYS = ["An allowed message, for the first time", "An allowed message that is remembered", "A denied message", "An answer", "A reload", "A close",
        "A new client, from accept to Hello"]
WORDS = {"client", "bus", "driver", "outgoing", "incoming", "gate", "session", "mediator", "decision", "effect", "validity", "pipe", "local output",
         "observer", "probe", "slab", "event source"}
RECIPES = ["A limit", "A reason", "An event source", "A metric", "A flag", "A fuzzer"]

named_by_id = {"ids": lambda page: page.name if isinstance(page, pathlib.Path) else None}


def section(page, heading):
    """What stands below a heading, up to the next one of its kind or a higher one."""
    text = page.read_text()
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.M)
    assert found, f"{page.name} has no heading {heading}"
    return re.split(rf"^#{{1,{len(found[1])}}} ", text[found.end():], maxsplit=1, flags=re.M)[0]


def tables(text):
    """Each table: its head, and its rows, as lists of cells."""
    table = []
    for line in text.splitlines() + [""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif table:
            assert all(len(row) == len(table[0]) for row in table), f"a row has too many cells, or too few: {table[0]}"
            yield table[0], table[2:]
            table = []


def rows(text):
    """The rows that speak of a file: the file, and what is said to stand in it."""
    for head, body in tables(text):
        if "file" in head:
            at = head.index("file")
            assert at + 1 < len(head), f"nothing is said to stand in the files of the table {head}"
            for row in body:
                yield row[at], re.findall(r"`([^`]+)`", row[at + 1]), " | ".join(row)


def path(cell):
    """The file that a cell means, as a path or as a link."""
    names = re.findall(r"`([^`]+)`", cell)
    assert len(names) == 1, f"one file in backticks was expected: {cell}"
    return ROOT / names[0]


def declares(file, words):
    """Whether the file has what `words` name."""
    if file.suffix != ".swift":
        return words in file.read_text()
    text = code(file)
    is_function, name = "(" in words, words.split("(")[0]
    owner, _, member = name.rpartition(".")
    if owner and not re.search(rf"\b(?:struct|class|enum|protocol|extension) (?:\w+\.)*{re.escape(owner)}\b", text):
        return False
    if is_function:
        return bool(re.search(r"^\s*(?:\w+ )*init[(<]" if member == "init" else rf"\bfunc {member}[(<]", text, re.M))
    if member[0].isupper():
        return bool(re.search(rf"\b(?:struct|class|enum|protocol|extension|typealias) (?:\w+\.)*{member}\b", text))
    return bool(re.search(rf"\b(?:let|var|case) (?:\w+(?:\([^)]*\))?, )*{member}\b", text))


# Files and functions

@pytest.mark.parametrize("page", PAGES, **named_by_id)
def test_every_file_in_a_table_is_there(page):
    files = [path(cell) for cell, _, _ in rows(page.read_text())]
    assert len(files) >= ROWS[page]
    assert not [str(file.relative_to(ROOT)) for file in files if not file.is_file()]


@pytest.mark.parametrize("page", PAGES, **named_by_id)
def test_everything_that_a_table_says_stands_in_a_file_does(page):
    missing = []
    for cell, names, row in rows(page.read_text()):
        assert names, f"nothing in backticks behind the file: {row}"
        missing += [f"{cell}: {name}" for name in names if not path(cell).is_file() or not declares(path(cell), name)]
    assert not missing


def test_what_does_not_stand_in_a_file_is_noticed():
    mediator, page = SOURCES / "GateSession/Decision/Mediator.swift", ROOT / "contrib/OPERATORS.md"
    for there in ("Mediator", "Mediator.decide(…)", "decide(…)", "init(…)", "epoch", "Mediator.lasting"):
        assert declares(mediator, there), there
    # Names that it has in comments, calls, or another type; and what it has, of another kind.
    for missing in ("receive(…)", "judgeFromClient(…)", "Session", "Session.decide(…)", "decide", "Mediator.Mediator(…)", "epoch(…)", "forwards"):
        assert not declares(mediator, missing), missing
    assert declares(page, "## Limits") and not declares(page, "## Bounds")


# The architecture

def test_the_floors_are_those_of_package_swift_in_its_order():
    package = (ROOT / "Package.swift").read_text()
    head, body = next(tables(section(ARCHITECTURE, "Floors")))
    assert head[:2] == ["target", "stands on"]
    assert [row[0].strip("`") for row in body] == MODULES
    for name, row in zip(MODULES, body):
        found = re.search(rf'[tT]arget\(\s*name: "{name}"(?:, dependencies: |,\s*dependencies: )\[(.*?)\](?:,|\))', package, re.S)
        below = re.findall(r'"(\w+)"', re.sub(r"\.product\([^)]*\)", "", found[1])) if found else []
        assert re.findall(r"`(\w+)`", row[1]) == below, name


@pytest.mark.parametrize("heading", WAYS)
def test_the_way_of_a_message_is_told_step_by_step(heading):
    steps = list(rows(section(ARCHITECTURE, heading)))
    assert len(steps) >= 6
    floors = {path(cell).relative_to(SOURCES).parts[0] for cell, _, _ in steps if path(cell).is_relative_to(SOURCES)}
    assert {"GateServer", "GateSession"} <= floors, "a way goes through the server and the session"


def test_the_glossary_has_the_words_that_everything_is_written_in():
    words = {row[0] for _, body in tables(section(ARCHITECTURE, "Glossary")) for row in body}
    assert not WORDS - words


def test_every_figure_of_a_decision_is_one_that_was_written_down_when_it_was_measured():
    measured = "".join((ROOT / "benchmarks" / name).read_text() for name in ("tried.md", "RESULTS.md"))
    figures = re.findall(r"(?<![\w.])\d+(?:,\d{3})+\b|(?<![\w.])\d+\.\d+\b", section(ARCHITECTURE, "Decisions"))
    assert len(figures) >= 5
    assert not [figure for figure in figures if not re.search(rf"(?<![\d.,]){re.escape(figure)}(?![\d.,]*\d)", measured)]


def walk():
    """The steps from README to the line that denies a message: each file, and the words of it that are to be found there."""
    steps = []
    for line in re.findall(r"^\d+\. .*(?:\n   .*)*", section(ARCHITECTURE, "Five files to the line that denies"), re.M):
        names = re.findall(r"`([^`]+)`", line)
        steps.append((ROOT / names[0], names[1:]))
    return steps


def test_five_files_lead_from_readme_to_the_line_that_denies_and_each_names_the_next():
    steps = walk()
    files = [file for file, _ in steps]
    assert files[0] == ROOT / "README.md" and 3 <= len(files) <= 5
    for here, following in zip(files, files[1:]):
        # A page has a path, a file of Swift the name of another one.
        name = str(following.relative_to(ROOT)) if here.suffix == ".md" else following.stem
        assert re.search(rf"(?<![\w+/]){re.escape(name)}(?![\w+])", here.read_text()), f"{here.name} does not name {following.name}"
    for file, words in steps:
        assert words, f"what is to be looked for in {file.name}?"
        assert not [word for word in words if word not in file.read_text()], file.name
    assert "deny" in steps[-1][1][-1] and "deny" in code(files[-1]), "the last one does not deny"


# Commits

def is_without_history():
    told = subprocess.run(["git", "rev-parse", "--is-shallow-repository"], cwd=ROOT, capture_output=True, text=True)
    return told.returncode != 0 or told.stdout.strip() != "false"


@pytest.mark.skipif(is_without_history(), reason="the checkout has no history, or not all of it")
@pytest.mark.parametrize("page", [CONTRIBUTING, SECURITY], **named_by_id)
def test_every_commit_that_a_page_names_is_in_the_history_and_says_that(page):
    named = re.findall(r"`([0-9a-f]{7,40})` \*([^*]+)\*", page.read_text())
    assert len(named) == len(re.findall(r"`[0-9a-f]{7,40}`", page.read_text())), "a commit without its subject"
    assert len(named) >= {CONTRIBUTING: 6, SECURITY: 2}[page]
    for number, subject in named:
        told = subprocess.run(["git", "log", "-1", "--format=%s", number], cwd=ROOT, capture_output=True, text=True)
        is_past = subprocess.run(["git", "merge-base", "--is-ancestor", number, "HEAD"], cwd=ROOT, capture_output=True).returncode == 0
        assert is_past and told.stdout.strip() == " ".join(subject.split()), number


def example():
    """The commit that shows what a message looks like: its number, and the message in the page."""
    found = re.search(r"`([0-9a-f]{7,40})` \*[^*]+\*:\s+^```text\n(.*?)```", section(CONTRIBUTING, "Commits"), re.M | re.S)
    assert found, "no commit is shown"
    return found[1], found[2]


def test_the_commit_that_shows_what_a_message_looks_like_keeps_to_what_is_said_of_it():
    lines = example()[1].splitlines()
    assert re.fullmatch(r"[a-z-]+(?:, [a-z-]+)*: \S.*", lines[0]) and len(lines[0]) <= 72
    assert lines[1] == "" and len(lines) >= 4


@pytest.mark.skipif(is_without_history(), reason="the checkout has no history, or not all of it")
def test_the_commit_that_shows_what_a_message_looks_like_is_shown_as_it_is():
    number, shown = example()
    told = subprocess.run(["git", "log", "-1", "--format=%B", number], cwd=ROOT, capture_output=True, text=True)
    assert told.stdout.strip() == shown.strip()


# Commands

def test_every_command_of_the_ten_minute_loop_is_there():
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.M))
    suites = {file.stem for file in (ROOT / "Tests").rglob("*Tests.swift")}
    blocks = re.findall(r"^```sh\n(.*?)```", section(CONTRIBUTING, "The ten-minute loop"), re.M | re.S)
    commands = [line.split("#")[0].split() for block in blocks for line in block.splitlines() if line.strip()]
    assert len(commands) >= 6
    kinds = set()
    for command in commands:
        match command:
            case ["git", "clone", *_] | ["cd", "busgate"]:
                kinds.add("clone")
            case ["make", target]:
                kinds.add(target)
                assert target in targets, command
            case ["swift", "test", *_, "--filter", suite]:
                kinds.add("unit")
                assert suite in suites, command
            case ["/usr/bin/python3", "-m", "pytest", *_, file]:
                kinds.add("end-to-end")
                assert (ROOT / file).is_file(), command
            case ["swift", "format", "-i", file]:
                kinds.add("format")
                assert (ROOT / file).is_file(), command
            case _:
                assert False, f"nobody has looked whether this is there: {command}"
    assert {"clone", "sidecar", "unit", "end-to-end", "format", "lint"} <= kinds


@pytest.mark.parametrize("heading", RECIPES)
def test_how_to_add_something_goes_by_an_example(heading):
    text = section(CONTRIBUTING, heading)
    assert len(list(rows(text))) >= 3, "the places that it takes"
    assert re.search(r"`[0-9a-f]{7,40}` \*", text) or "no commit" in text, "a commit that did it"


# The door

def test_readme_leads_to_each_page():
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())
    assert not {str(page.relative_to(ROOT)) for page in PAGES} - set(links)


def test_security_promises_by_the_threat_model_and_invents_no_address():
    text = SECURITY.read_text()
    assert "(contrib/THREAT-MODEL.md)" in text and "private vulnerability reporting" in text
    assert not re.findall(r"\S+@\S+|https?://", text)


def test_security_speaks_of_the_version_that_there_is():
    versions = re.findall(r"\b\d+\.\d+\.\d+\b", SECURITY.read_text())
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.M)[1]
    assert versions and set(versions) == {newest}
