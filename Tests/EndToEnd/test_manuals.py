"""Manual pages and completions of the sidecar, as `make manuals` leaves them: complete, readable by the programs they are for, and their examples run.

test_ctl_manuals.py has those of busgatectl; examples of both are run here.
"""

import functools
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile

import pytest

from harness import BUSGATE, PATIENCE, ROOT
from service import NotifySocket, busgate
from test_busgatectl import CTL

pytestmark = pytest.mark.one_bus("what stands in a page is the same before either")
SHARE = ROOT / "build/share"


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=PATIENCE, **options)


def page(name, section=1):
    return (SHARE / f"man/man{section}/{name}.{section}").read_text()


def headings(text):
    """The names of a page's paragraphs, as they read."""
    return [re.sub(r"\\f.|\\&", "", line).replace("\\-", "-") for line in re.findall(r"^\.TP\n(.*)$", text, re.M)]


def every_page():
    return sorted(path for section in ("man1", "man5") for path in (SHARE / "man" / section).iterdir())


# What the pages say

@pytest.mark.parametrize("path", every_page(), ids=lambda path: path.name)
def test_groff_has_nothing_to_say_about_a_page(path):
    done = run("groff", "-man", "-Tutf8", "-ww", "-z", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert path.read_text().isascii()


@pytest.mark.parametrize("path", every_page(), ids=lambda path: path.name)
def test_a_page_has_the_sections_that_a_reader_looks_for(path):
    found = re.findall(r"^\.SH (.*)$", path.read_text(), re.M)
    wanted = ["NAME", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO"] + ["SYNOPSIS", "ENVIRONMENT"] * (path.suffix == ".1")
    assert set(wanted) <= set(found) and found[0] == "NAME" and found[-1] == "SEE ALSO"
    assert path.name.startswith("busgatectl") or "FILES" in found


# The program itself says which tables it has, where it is asked for one that it has not.
TABLES = re.findall(r"[a-z-]+", busgate("--list", "nothing-of-that-name").stderr.partition(", expected ")[2].replace(" or ", " "))


def test_the_flag_the_synopsis_and_the_tables_have_the_same_names():
    assert len(TABLES) > 5 and "message-ids" in TABLES
    rows = dict(line.split("\t")[:2] for line in busgate("run", "--list", "flags").stdout.splitlines())
    assert rows["--list"].split("|") == TABLES
    synopsis = re.search(r"^.SH SYNOPSIS$(.*?)^.SH", page("busgate"), re.M | re.S)[1]
    assert "--list " + "|".join(TABLES) in re.sub(r"\\f.", "", synopsis).replace("\\-", "-")


@pytest.mark.parametrize("path", every_page(), ids=lambda path: path.name)
def test_no_line_of_a_page_is_longer_than_a_terminal_of_80_columns(path):
    shown = run("groff", "-man", "-Tascii", "-P-cbou", "-rLL=78n", path).stdout
    assert shown.count("\n") > 20 and not [line for line in shown.splitlines() if len(line) > 80]


@pytest.mark.parametrize("path", every_page(), ids=lambda path: path.name)
def test_a_page_has_its_date_and_no_backquotes(path):
    text = path.read_text()
    assert re.match(r'\.TH \S+ \S+ "20\d\d-\d\d-\d\d" "busgate', text) and "`" not in re.sub(r'^\.\\".*$', "", text, flags=re.M)


@pytest.mark.parametrize("table", TABLES)
def test_every_row_of_a_table_stands_in_the_page_as_the_program_has_it(table):
    text = page("busgate")
    names = {heading.split()[0] for heading in headings(text)}
    rows = [line.split("\t") for line in busgate("run", "--list", table).stdout.splitlines()]
    assert len(rows) > 5 and {row[0] for row in rows} <= names, table
    plain = " ".join(text.replace("\\-", "-").replace("\\&", "").split())
    for row in rows:
        meaning = " ".join(row[2 if len(row) > 2 else 1].replace("\\", "\\e").replace("…", "...").split())
        assert meaning in plain, row[0]


def test_the_page_has_the_exit_statuses_that_the_program_has():
    source = (ROOT / "Sources/busgate/ExitStatus.swift").read_text()
    said = re.search(r"^\.SH EXIT STATUS\n(.*?)^\.SH", page("busgate"), re.M | re.S)[1]
    # 1 is of healthz, and of xdg-dbus-proxy, whose users expect it.
    assert sorted({"1", *re.findall(r": Int32 = (\d+)", source)}, key=int) == re.findall(r"^\.B (\d+)$", said, re.M)


def test_every_option_of_xdg_dbus_proxy_stands_in_its_page():
    told = set(re.findall(r"^  (--[a-z-]+)", busgate("xdg-dbus-proxy", "--help").stdout, re.M))
    assert len(told) > 10 and told <= {heading.split("=")[0] for heading in headings(page("xdg-dbus-proxy"))}


def test_the_options_of_xdg_dbus_proxy_say_nothing_that_its_description_says():
    text = page("xdg-dbus-proxy")
    assert re.search(r"^\.SH OPTIONS\n\.TP$", text, re.M) and "RULE is [METHOD][@PATH]" in text


def keys(node, schema):
    """Every key of the objects of a schema."""
    if isinstance(node, list):
        return {key for part in node for key in keys(part, schema)}
    if not isinstance(node, dict):
        return set()
    return set(node.get("properties", {})) | {key for part in node.values() for key in keys(part, schema)}


def test_every_key_of_a_document_stands_in_its_page():
    schema = json.loads((ROOT / "configs/gateway.schema.json").read_text())
    expected = keys(schema, schema)
    named = {heading.split()[0].split(".")[-1] for heading in headings(page("busgate.json", 5))}
    assert len(expected) > 15 and expected <= named


def test_the_version_stands_in_one_place_and_everything_says_it():
    version = re.search(r'version = "([\d.]+)"', (ROOT / "Sources/GateServer/Process/Release.swift").read_text())[1]
    assert not [path for path in (ROOT / "Sources").rglob("*.swift") if f'"{version}"' in path.read_text() and path.name != "Release.swift"]
    assert busgate("--version").stdout == f"busgate {version}\n" and run(CTL, "--version").stdout.split()[-1] == version
    assert re.search(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.M)[1] == version
    for path in every_page():
        assert f'"busgate {version}"' in path.read_text().splitlines()[0]


def test_a_page_that_is_shown_has_what_stands_in_its_source():
    shown = run("groff", "-man", "-Tascii", "-P-cbou", SHARE / "man/man5/busgate.json.5").stdout
    words = " ".join(re.sub(r"-\n\s+", "-", shown).split())
    for part in ["max-fds integer", "From 0 to 253.", "need no rule: a call that passes is allowed its one answer", "names.own array of bus names", "MEMBER of the message: a method or a signal. Required."]:
        assert part in words, shown


# Examples

@functools.cache
def examples():
    """By page: what its comments say of each block, and the block."""
    found = {}
    for path in every_page():
        steps, what = [], None
        for line in path.read_text().splitlines():
            comment = re.match(r'\.\\" (setup|serve|example): (.*)', line)
            if comment and comment[1] == "example":
                what = comment[2]
            elif comment:
                steps.append((comment[1], comment[2]))
            elif line == ".EX":
                assert what, f"{path.name}: nothing says what an example is"
                block = []
            elif line == ".EE":
                steps.append((what, "\n".join(block).replace("\\-", "-").replace("\\e", "\\").replace("\\\\\n", "\\\n")))
                what = None
            elif what:
                block.append(line)
        found[path.name] = steps
    return found


class Descriptor:
    """Open until the end of the test: a proxy ends when its reader does."""

    def __init__(self, number):
        self.number = number

    def kill(self):
        os.close(self.number)


class Machine:
    """A directory, /run and a session bus for the examples of one page; the programs are found by their names."""

    def __init__(self, workshop, bus):
        self.workshop, self.bus = workshop, bus
        for part in ("here", "run", "bin"):
            (workshop.directory / part).mkdir()
        for name, program in (("busgate", BUSGATE), ("dbus-proxy", BUSGATE), ("busgatectl", CTL)):
            (workshop.directory / "bin" / name).symlink_to(program)
        # This one tells nobody but its descriptor that it is ready.
        shim = workshop.directory / "bin/xdg-dbus-proxy"
        shim.write_text(f'#!/bin/sh\nexec {BUSGATE} xdg-dbus-proxy --fd="$READY" "$@"\n')
        shim.chmod(0o755)

    def command(self, text, **environment):
        directory = self.workshop.directory
        environment = {"PATH": f"{directory}/bin:/usr/bin:/bin", "DBUS_SESSION_BUS_ADDRESS": self.bus.address, "LC_ALL": "C.UTF-8", **environment}
        words = [word for name, value in environment.items() for word in ("--setenv", name, value)]
        # In a PID namespace, so that nothing of it outlives the test.
        return ["bwrap", "--dev-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "--tmpfs", "/run", "--bind", directory / "run", "/run", "--chdir", directory / "here",
                "--die-with-parent", "--clearenv", *words, "bash", "-euo", "pipefail", "-c", text]

    def serve(self, text):
        """Starts what goes on, and waits until it is ready."""
        directory = self.workshop.directory
        notify = self.workshop.keep(NotifySocket(directory / f"notify{len(list(directory.glob('notify*')))}"))
        read, write = os.pipe()
        child = self.workshop.child(self.command(text, NOTIFY_SOCKET=notify.name, READY=str(write)), pass_fds=[write])
        os.close(write)
        ready, _, _ = select.select([read, notify.socket], [], [], PATIENCE)
        assert ready, child.log.lines
        if notify.socket in ready:
            assert notify.receive()["READY"] == "1"
        else:
            assert os.read(read, 1), child.log.lines
        self.workshop.keep(Descriptor(read))

    def perform(self, what, text):
        kind, _, detail = what.partition(" ")
        if kind == "file":
            (self.workshop.directory / "here" / detail).write_text(text + "\n")
        elif kind == "serve":
            self.serve(text)
        else:
            done = run(*self.command(text))
            assert done.returncode == int(detail or 0), (text, done.stdout, done.stderr)


@pytest.mark.parametrize("name", [path.name for path in every_page()])
def test_every_example_of_a_page_runs(workshop, bus, name):
    steps = examples()[name]
    assert any(what != "setup" for what, _ in steps)
    machine = Machine(workshop, bus)
    for what, text in steps:
        if what != "guest":  # which needs a manager of services: Tests/Systems
            machine.perform(what, text)


# Completions

def bash(line, cwd=ROOT):
    """What bash offers for the last word of a line."""
    words = [part for word in line.split(" ") for part in re.split(r"(?<=[^=])(=)", word, maxsplit=1) if part or "=" not in word]
    name = words[0]
    script = f"""source {SHARE / "bash-completion/completions" / name}
      compopt() {{ :; }}
      COMP_WORDS=({' '.join(word or "''" for word in words)}); COMP_CWORD={len(words) - 1}
      _{name.replace('-', '_')}; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = run("bash", "-c", script, cwd=cwd)
    assert done.stderr == ""
    return set(done.stdout.split())


def fish(line, cwd=ROOT):
    script = f"for file in {SHARE / 'fish/vendor_completions.d'}/*.fish; source $file; end; complete -C {json.dumps(line)}"
    return {row.split("\t")[0] for row in run("fish", "--no-config", "-c", script, cwd=cwd).stdout.splitlines()}


ZSH = """fpath=({functions} $fpath)
autoload -U compinit
compinit -D -u
# What is offered, whoever offers it; what is only asked about passes by.
compadd() {{
  local -a offered
  if (( ! $@[(I)-[ODA]*] )); then
    builtin compadd -O offered "$@"
    print -rl -- $offered >> {offered}
  fi
  builtin compadd "$@"
}}
all() {{ zle complete-word; print end > {done} }}
zle -N all
bindkey '^T' all
"""


def zsh(line, cwd=ROOT):
    """On a terminal, as completions are given nowhere else; what is offered goes to a file."""
    with tempfile.TemporaryDirectory(prefix="busgate-test-") as directory:
        setup, offered, done = (pathlib.Path(directory) / name for name in ("setup", "offered", "done"))
        setup.write_text(ZSH.format(functions=SHARE / "zsh/site-functions", offered=offered, done=done))
        offered.touch()
        os.mkfifo(done)
        process, terminal = pty.fork()
        if process == 0:
            os.chdir(cwd)
            os.execvpe("zsh", ["zsh", "-f", "-i"], {"PATH": os.environ["PATH"], "TERM": "dumb", "LC_ALL": "C.UTF-8"})
        end = os.open(done, os.O_RDWR)
        try:
            os.write(terminal, f" source {setup}\n{line}\x14".encode())
            said = b""
            while end not in (ready := select.select([terminal, end], [], [], PATIENCE)[0]):
                assert ready, said
                said += os.read(terminal, 65536)
        finally:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            os.close(terminal)
            os.close(end)
        return set(offered.read_text().split())


SHELLS = {"bash": bash, "fish": fish, "zsh": zsh}
COMPLETED = {
    "busgate ": ({"run", "reload", "healthz", "dbus-proxy", "xdg-dbus-proxy"}, {"session"}),
    "busgate --list ": (set(TABLES), {"session", "run"}),
    "busgate run --mode ": ({"enforce", "audit"}, {"Makefile", "denied"}),
    "busgate run --log-format=j": ({"journal", "json"}, {"text"}),
    "busgate run --lo": ({"--log", "--log-rate", "--log-fold"}, {"--limit", "--mode"}),
    "busgate run --config M": ({"Makefile"}, {"README.md"}),
    "busgate run --limit names-": ({"names-max", "names-total"}, {"matches-max"}),
    "busgate reload M": ({"Makefile"}, {"README.md"}),
    "dbus-proxy /run/x s": ({"session", "system"}, {"--limit"}),
    "xdg-dbus-proxy --s": ({"--see", "--sloppy-names"}, {"--talk"}),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_reads_its_completions(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    places = {"bash": "bash-completion/completions/*", "fish": "fish/vendor_completions.d/*", "zsh": "zsh/site-functions/*"}
    scripts = list(SHARE.glob(places[shell]))
    assert len(scripts) >= 2
    for script in scripts:
        done = run(shell, "-n", script)
        assert (done.returncode, done.stderr) == (0, ""), script


@pytest.mark.parametrize("line", COMPLETED)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_what_belongs_there_and_nothing_else(shell, line):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    wanted, others = COMPLETED[line]
    offered = {word.removeprefix("--log-format=").rstrip("=") for word in SHELLS[shell](line)}
    assert wanted <= offered and not others & offered, offered


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_every_flag_of_run_is_completed(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    names = {line.split("\t")[0] for line in busgate("run", "--list", "flags").stdout.splitlines()}
    assert names <= SHELLS[shell]("busgate run --")
