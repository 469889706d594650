"""Every flag of `busgate run`, misused: one line that names the flag and says what was expected, status 64, and nothing done."""

import os

import pytest

from service import busgate, refused

CONFIG, SOCKET = "CONFIG", "SOCKET"
GOOD = ["--config", CONFIG, "--session", SOCKET]
LISTEN = ["--config", CONFIG, "--listen"]
RADIO = ["--config", CONFIG, "--listen", f"radio={SOCKET}", "--policy", "radio=session"]

FLAGS = [line.split("\t") for line in busgate("run", "--list", "flags").stdout.splitlines()]
NEED_A_VALUE = [name for name, value, _, _ in FLAGS if value and name != "--list"]  # which stands alone


@pytest.mark.parametrize("flag", NEED_A_VALUE)
@pytest.mark.parametrize("value", [[], [""]], ids=["none", "empty"])
def test_a_flag_without_its_value_is_named_and_what_it_takes(workshop, flag, value):
    expect_usage(workshop, [*GOOD, flag, *value], flag, "no value")


MISUSES = [
    # Gates
    ([*LISTEN, "/x/y"], '--listen "/x/y"', "NAME=ADDRESS"),
    ([*LISTEN, "=/x"], "--listen", "NAME=ADDRESS"),
    ([*LISTEN, "radio="], "--listen", "NAME=ADDRESS"),
    ([*LISTEN, "ra dio=/x"], "--listen", "letters, digits"),
    ([*LISTEN, "ra/dio=/x"], "--listen", "letters, digits"),
    ([*LISTEN, "r" * 65 + "=/x"], "--listen", "at most 64"),
    ([*LISTEN, "radio=/x"], "--listen radio", "--policy radio=session"),
    ([*GOOD, "--session", "/x"], "--session", "session given twice"),
    ([*GOOD, "--listen", "session=/x"], "--listen", "session given twice"),
    ([*RADIO, "--listen", "radio=/x"], "--listen", "radio given twice"),
    # Where they listen
    ([*LISTEN, "session=unix:"], "--listen session", "exactly one of path, abstract, dir, tmpdir and runtime"),
    ([*LISTEN, "session=unix:path=/x,abstract=y"], "--listen session", "exactly one of"),
    ([*LISTEN, "session=unix:path=/x,path=/y"], "--listen session", "repeated"),
    ([*LISTEN, "session=unix:path="], "--listen session", "a value at byte 10"),
    ([*LISTEN, "session=unix:path=/x y"], "--listen session", "escaped as %XX"),
    ([*LISTEN, "session=unix:path=/%0"], "--listen session", "two hexadecimal digits"),
    ([*LISTEN, "session=unix:path=/x%00y"], "--listen session", "no NUL"),
    ([*LISTEN, "session=unix:path=/%ff"], "--listen session", "UTF-8"),
    ([*LISTEN, "session=unix:bogus=/x"], "--listen session", "bogus"),
    ([*LISTEN, "session=unix:runtime=no"], "--listen session", "runtime=yes"),
    ([*LISTEN, "session=tcp:host=127.0.0.1"], "--listen session", "unix: only"),
    ([*LISTEN, "session=nonsense:x=y"], "--listen session", "unix: only"),
    ([*LISTEN, "session=unix:path=/x;unix:path=/y"], "--listen session", "not several"),
    (["--config", CONFIG, "--session", "unix:bogus=1"], "--session", "bogus"),
    (["--config", CONFIG, "--system", "tcp:"], "--system", "unix: only"),
    # Manifests
    (["--capability", "radio", "--session", SOCKET], "--capability radio", "--manifest-dir"),
    (["--config-base", "/nonexistent/radio", "--log", "loud", "--session", SOCKET], "--log", "denied, all or none"),
    # Policies and buses
    ([*GOOD, "--policy", "session"], "--policy", "NAME=session or NAME=system"),
    ([*GOOD, "--policy", "session=user"], "--policy session=user", "session or system"),
    ([*RADIO, "--policy", "radio=system"], "--policy radio", "given twice"),
    ([*GOOD, "--policy", "radio=system"], "--policy radio", "there is no gate radio"),
    ([*GOOD, "--bus", "unix:path=/x"], "--bus", "letters, digits"),
    ([*GOOD, "--bus", "session"], "--bus", "NAME=ADDRESS"),
    ([*GOOD, "--bus", "system=unix:path=/x"], "--bus system", "there is no gate system"),
    ([*GOOD, "--bus", "session=unix:path=/x", "--bus", "session=unix:path=/y"], "--bus session", "given twice"),
    ([*GOOD, "--bus", "session=/run/bus"], "--bus session", "a transport"),
    ([*GOOD, "--bus", "session=unix:runtime=yes"], "--bus session", "for listening only"),
    ([*GOOD, "--bus", "session=unix:dir=/x"], "--bus session", "for listening only"),
    ([*GOOD, "--bus", "session=unix:path=/x,abstract=y"], "--bus session", "exactly one of path and abstract"),
    ([*GOOD, "--bus", "session=unix:path=/x,guid=12"], "--bus session", "32 hexadecimal digits"),
    ([*GOOD, "--bus", "session=tcp:host=localhost,port=1"], "--bus session", "not in this version"),
    ([*GOOD, "--bus", "session=unixexec:argv1=x"], "--bus session", "path=PROGRAM"),
    ([*GOOD, "--bus", "session=unixexec:path=cat,argv2=x"], "--bus session", "without a gap"),
    ([*GOOD, "--bus", "session=unixexec:path=cat,argv1=a,argv3=x"], "--bus session", "without a gap"),
    # Choices and numbers
    ([*GOOD, "--log", "loud"], "--log", "denied, all or none"),
    ([*GOOD, "--limit", "auth-timeout"], "--limit", "NAME=VALUE"),
    ([*GOOD, "--limit", "auth-timeout="], "--limit", "NAME=VALUE"),
    ([*GOOD, "--limit", "no-such=1"], "--limit", "fds-per-message-max"),
    ([*GOOD, "--limit", "connections-max=0"], "--limit connections-max=0", "from 1 to"),
    ([*GOOD, "--limit", "fds-per-message-max=254"], "--limit fds-per-message-max=254", "253"),
    ([*GOOD, "--limit", "header-bytes-max=262145"], "--limit", "262144"),
    ([*GOOD, "--limit", "message-bytes-max=134217729"], "--limit", "134217728"),
    ([*GOOD, "--limit", "auth-timeout=0s"], "--limit auth-timeout=0s", "at least 1ms"),
    ([*GOOD, "--limit", "auth-timeout=86401s"], "--limit", "at most 1 day"),
    ([*GOOD, "--limit", "auth-timeout=99999999999999999999s"], "--limit", "a time"),
    ([*GOOD, "--socket-mode", "rw"], "--socket-mode", "octal"),
    ([*GOOD, "--socket-mode", "888"], "--socket-mode", "octal"),
    ([*GOOD, "--socket-mode", "1777"], "--socket-mode", "0777"),
    ([*GOOD, "--socket-mode", "-1"], "--socket-mode", "octal"),
    ([*GOOD, "--socket-mode", "+66"], "--socket-mode", "octal"),
    ([*GOOD, "--socket-owner", "no-such-user"], "--socket-owner", "USER"),
    ([*GOOD, "--socket-owner", "root:no-such-group"], "--socket-owner", "group"),
    ([*GOOD, "--socket-owner", "root:"], "--socket-owner", "group"),
    ([*GOOD, "--socket-owner", ":root"], "--socket-owner", "user"),
    ([*GOOD, "--allow-uid", "no-such-user"], "--allow-uid", "a number or a name"),
    ([*GOOD, "--allow-uid", "-1"], "--allow-uid", "a number or a name"),
    ([*GOOD, "--allow-uid", "+1"], "--allow-uid", "a number or a name"),
    ([*GOOD, "--allow-uid", "4294967295"], "--allow-uid", "a number or a name"),
    ([*GOOD, "--allow-uid", "4294967296"], "--allow-uid", "a number or a name"),
    ([*GOOD, "--ready-fd", "three"], "--ready-fd", "a descriptor"),
    ([*GOOD, "--ready-fd", "-1"], "--ready-fd", "a descriptor"),
    ([*GOOD, "--ready-fd", "250"], "--ready-fd 250", "open"),
    ([*GOOD, "--ready-fd", "99999999999"], "--ready-fd", "a descriptor"),
    # What is there and should not be, and the reverse
    ([*GOOD, "--verbose"], '"--verbose"', "--help"),
    ([*GOOD, "stray"], '"stray"', "--help"),
    ([*GOOD, "--require-bus=yes"], '"--require-bus=yes"', "--require-bus alone"),
    (["--session", SOCKET], "--config", "at least one"),
    (["--config", CONFIG], "--session PATH", "nothing to listen on"),
    (["--stdin"], "--session PATH", "nothing to listen on"),
    ([*GOOD, "--log", "lo\nud"], "--log", "denied, all or none"),
    # Log, mode, metrics, control
    ([*GOOD, "--log-format", "yaml"], '--log-format "yaml"', "text, json or journal"),
    ([*GOOD, "--log-rate", "0"], "--log-rate", "from 1 to 1000000"),
    ([*GOOD, "--log-rate", "1000001"], "--log-rate", "from 1 to 1000000"),
    ([*GOOD, "--log-rate", "+5"], "--log-rate", "from 1 to 1000000"),
    ([*GOOD, "--log-fold", "-1"], "--log-fold", "from 0"),
    ([*GOOD, "--log-fold", "3601"], "--log-fold", "to 3600"),
    ([*GOOD, "--log-target", "/x"], "--log-target", "--log-format journal"),
    ([*GOOD, "--instance", "ra/dio"], '--instance "ra/dio"', "letters, digits"),
    ([*GOOD, "--instance", "ra dio"], '--instance "ra dio"', "letters, digits"),
    ([*GOOD, "--instance", "é"], '--instance "é"', "letters, digits"),
    ([*GOOD, "--instance", "r" * 256], "--instance", "at most 255"),
    ([*GOOD, "--mode", "permissive"], '--mode "permissive"', "enforce or audit"),
    ([*GOOD, "--metrics", "/x", "--metrics", "/y"], "--metrics given twice", "one path"),
    ([*GOOD, "--metrics", "unix:path=/x"], '--metrics "unix:path=/x"', "a path"),
    ([*GOOD, "--metrics", "/x", "--metrics-mode", "rw"], "--metrics-mode rw", "octal"),
    ([*GOOD, "--metrics-mode", "0600"], "--metrics-mode", "--metrics PATH"),
    ([*GOOD, "--control", "/x", "--control", "/y"], "--control given twice", "one path"),
    ([*GOOD, "--control", "unix:abstract=x"], '--control "unix:abstract=x"', "a path"),
    ([*GOOD, "--list", "flags"], "--list", "alone"),
    ([*GOOD, "--list=flags"], "--list", "alone"),
    # One path for two
    ([*GOOD, "--metrics", SOCKET], "--metrics", "is the socket of gate session"),
    ([*GOOD, "--control", "/x", "--metrics", "/x"], "--control: /x", "is the socket of --metrics"),
    ([*GOOD, *RADIO[2:]], "gate radio", "is the socket of gate session"),
    # Misspelt
    ([*GOOD, "--metric", "/x"], '"--metric"', "expected --metrics"),
    ([*GOOD, "--lisen=radio=/x"], '"--lisen=radio=/x"', "expected --listen"),
    ([*GOOD, "--limit=conections-max=5"], '"conections-max"', "expected connections-max"),
    ([*GOOD, "--socket-mode", "-0"], "--socket-mode", "octal"),
    ([*GOOD, "--limit", "connections-max=+5"], "--limit connections-max=+5", "a number"),
    ([*GOOD, "--limit", "auth-timeout=+5s"], "--limit auth-timeout=+5s", "a time"),
    ([*GOOD, "--ready-fd", "+3"], "--ready-fd", "a descriptor"),
]


# Whatever is said with them is a path: what can be wrong there is wrong with the file (test_manifests.py).
PATHS = {"--manifest-dir", "--default-manifest-dir"}


def test_every_flag_that_takes_a_value_is_misused_somewhere():
    assert {flag for flag in NEED_A_VALUE} - PATHS <= {word for arguments, _, _ in MISUSES for word in arguments if word.startswith("--")}


@pytest.mark.parametrize("arguments, flag, says", MISUSES)
def test_a_misused_flag_is_named_and_what_was_expected(workshop, arguments, flag, says):
    expect_usage(workshop, arguments, flag, says)


def expect_usage(workshop, arguments, *says):
    places = {CONFIG: str(workshop.config([])), SOCKET: str(workshop.directory / "gates/socket")}
    line = [argument.replace(CONFIG, places[CONFIG]).replace(SOCKET, places[SOCKET]) for argument in arguments]
    assert refused(busgate("run", *line, env={**os.environ, "XDG_RUNTIME_DIR": "/nonexistent"}), 64, "expected", *says)
    assert not (workshop.directory / "gates").exists()


@pytest.mark.parametrize("variable", ["DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"])
@pytest.mark.parametrize("value", ["autolaunch:", "/run/bus", "unix:runtime=yes"])
def test_an_address_in_the_environment_that_is_of_no_use_is_an_error_that_names_the_variable(workshop, variable, value):
    kind = variable.split("_")[1].lower()
    done = busgate("run", "--config", workshop.config([]), f"--{kind}", workshop.directory / "gates/socket",
                   env={**os.environ, variable: value})
    assert refused(done, 64, variable, "expected")
    assert not (workshop.directory / "gates").exists()
