"""Manual pages and completions of busgatectl, as `make manuals` leaves them: complete. Whether groff reads them, and their examples, is in test_manuals.py."""

import json
import re
import shutil
import subprocess

import pytest

from harness import PATIENCE, ROOT
from test_busgatectl import CTL
from test_manuals import fish, zsh

SHARE = ROOT / "build/share"
COMMANDS = {"check", "explain", "diff", "learn", "manifest", "status", "policy", "reload"}


def commands(command, names=()):
    """Every command with its words."""
    names = (*names, command["commandName"])
    yield names, command
    for one in command.get("subcommands", []):
        if one["commandName"] != "help":
            yield from commands(one, names)


def everything():
    dump = subprocess.run([CTL, "--experimental-dump-help"], capture_output=True, check=True, timeout=PATIENCE).stdout
    return list(commands(json.loads(dump)["command"]))


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=PATIENCE, **options)


def test_every_command_has_a_page_with_each_of_its_flags_and_no_other_page_is_there():
    pages = {path.name for path in (SHARE / "man/man1").glob("busgatectl*")}
    assert pages == {"-".join(names) + ".1" for names, _ in everything()}
    for names, command in everything():
        text = (SHARE / "man/man1" / ("-".join(names) + ".1")).read_text().replace("\\-", "-")
        for argument in command.get("arguments", []):
            for name in argument.get("names", []):
                if name["kind"] == "long":
                    assert "\\fB--" + name["name"] + "\\fR" in text, (names, name)


def test_a_page_shows_what_the_help_shows():
    shown = run("groff", "-man", "-Tascii", "-P-cbou", SHARE / "man/man1/busgatectl-check.1").stdout
    words = " ".join(shown.split()).replace("- ", "-")
    for part in ["--strict", "Warnings count: exit 1 if there are any.", "never-matches", "0 in order 1 warnings with --strict"]:
        assert part in words, shown


def statuses(name):
    """The exit statuses of a page, and what each means."""
    text = (SHARE / f"man/man1/{name}.1").read_text()
    return dict(re.findall(r"^\.TP\n\\fB(\d+)\\fR\n(.*)$", re.search(r"^\.SH EXIT STATUS\n(.*?)^\.SH", text, re.M | re.S)[1], re.M))


def test_a_page_has_every_exit_status_of_its_command_and_no_others_reason():
    for name in ("list", "show", "merge"):
        assert set(statuses(f"busgatectl-manifest-{name}")) == {"0", "64", "65", "71"}
    assert "2" in statuses("busgatectl") and "2" in statuses("busgatectl-diff")
    asks = {"busgatectl-status", "busgatectl-policy", "busgatectl-reload"}
    for names, _ in everything():
        assert ("gate" in statuses("-".join(names))["71"]) == ("-".join(names) in asks), names


def test_the_manifest_commands_end_with_the_status_that_their_pages_have(tmp_path):
    (tmp_path / "wrong.json").write_text("{")
    for name in ("list", "show", "merge"):
        assert run(CTL, "manifest", name, "--manifest-dir", tmp_path).returncode == 65


def test_a_default_is_told():
    text = (SHARE / "man/man1/busgatectl-learn.1").read_text()
    assert re.search(r"siblings.*\n.*stays as it is\. 3 if it is not given\.$", text, re.M)


SHELLS = [("bash", "bash-completion/completions/busgatectl"), ("zsh", "zsh/site-functions/_busgatectl"),
          ("fish", "fish/vendor_completions.d/busgatectl.fish")]


@pytest.mark.parametrize("shell, script", SHELLS)
def test_a_shell_reads_its_completions(shell, script):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    done = run(shell, "-n", SHARE / script)
    assert (done.returncode, done.stderr) == (0, "")


def completions(line):
    """What bash offers for the last word of a line."""
    script = f"""source {SHARE / "bash-completion/completions/busgatectl"}
      COMP_WORDS=({line} ''); COMP_CWORD={len(line.split())}; COMP_LINE='{line} '; COMP_POINT=${{#COMP_LINE}}
      _busgatectl busgatectl '' {line.split()[-1]}; printf '%s\\n' "${{COMPREPLY[@]}}" """
    return run("bash", "-c", script).stdout.split()


def test_bash_completes_commands_flags_and_values():
    assert COMMANDS <= set(completions("busgatectl"))
    assert {"list", "show", "merge"} <= set(completions("busgatectl manifest"))
    assert {"session", "system"} == set(completions("busgatectl explain --bus"))
    assert COMMANDS <= set(completions("busgatectl help"))


@pytest.mark.parametrize("shell", [fish, zsh])
def test_other_shells_complete_commands_behind_help(shell):
    if shutil.which(shell.__name__) is None:
        pytest.skip(f"no {shell.__name__} here")
    offered = shell("busgatectl help ")
    assert COMMANDS <= offered and "Makefile" not in offered, offered
    assert {"outgoing", "incoming"} == set(completions("busgatectl explain --direction"))
