"""Without --filter the proxy is transparent: the test programs of libdbus and GLib, as Debian installs them, pass through it as on the plain bus.

They start dbus-daemon themselves, by its name; through the gate that name is gated_daemon.py. What each of their tests says has to be the same.
Not alike are those that look at the process behind a connection, which is the gate: ``EXCEPT`` leaves them out, ``NOT_ALIKE`` shows what can be shown.
(Not here: libdbus's test-uid-permissions, whose bus is another user's, and which looks at the users behind connections.)
"""

import os
import pathlib
import re
import signal
import subprocess

import pytest

from harness import PATIENCE
from proxies import OURS

LIBDBUS = pathlib.Path("/usr/lib/dbus-1.0/installed-tests/dbus")
GLIB = pathlib.Path("/usr/libexec/installed-tests/glib")
PROGRAMS = {
    LIBDBUS: ["test-containers", "test-dbus-daemon", "test-dbus-daemon-eavesdrop", "test-header-fields", "test-monitor", "test-sd-activation"],
    GLIB: ["actions", "dbus-appinfo", "fdo-notification-backend", "gapplication", "gdbus-bz627724", "gdbus-connection",
           "gdbus-connection-loss", "gdbus-connection-slow", "gdbus-exit-on-close", "gdbus-export", "gdbus-introspection", "gdbus-method-invocation",
           "gdbus-names", "gdbus-proxy", "gdbus-proxy-threads", "gdbus-proxy-unique-name", "gdbus-proxy-well-known-name", "gdbus-subscribe",
           "gdbus-test-codegen", "gdbus-test-codegen-min-required-2-64", "gdbus-test-codegen-old", "gmenumodel", "gnotification"],
}
APPLICATION = [f"/gapplication/dbus/{name}" for name in ("activate", "open", "command-line", "activate-action")]


def options(letter, names):
    return [part for name in names for part in (letter, name)]


# Two tests of test-dbus-daemon ask for the process behind a connection; three of gdbus-proxy (itself, async, no-match-rule) end it, and then it depends
# on who is faster. In gapplication a timer of an early test ends one of these four if the machine is slow: they run by themselves.
EXCEPT = {"test-dbus-daemon": options("-s", ["/creds", "/processid", "/activation"]),
          "gdbus-proxy": options("-p", ["/gdbus/proxy/no-properties", "/gdbus/proxy/wellknown-noauto"]), "gapplication": options("-s", APPLICATION)}
ALIKE = [pytest.param(directory / name, EXCEPT.get(name, []), id=name) for directory, names in PROGRAMS.items() for name in names]
ALIKE += [pytest.param(GLIB / "gapplication", ["-p", name], id=name) for name in APPLICATION]
# This one waits for seconds.
ALIKE += [pytest.param(LIBDBUS / "test-dbus-daemon", ["-p", "/activation"], id="/activation")]
# Through dbus-proxy, which filters: /echo/session has thousands of calls to the client before the first answer. Left out is what needs of the bus itself
# what no wildcard opens (monitors, eavesdropping, containers, activation by systemd, UpdateActivationEnvironment, Properties.Set).
CLASSIC_PROXY = OURS.with_name("dbus-proxy")
CLASSIC = [pytest.param(LIBDBUS / "test-dbus-daemon", options("-p", ["/echo", "/no-reply", "/limits", "/match", "/peer"]), id="test-dbus-daemon"),
           pytest.param(LIBDBUS / "test-header-fields", [], id="test-header-fields")]
CLASSIC += [pytest.param(GLIB / name, [], id=name) for name in [
    "gdbus-connection-slow", "gdbus-export", "gdbus-method-invocation", "gdbus-names", "gdbus-proxy-threads", "gdbus-subscribe", "gdbus-test-codegen"]]
NOT_ALIKE = [
    (LIBDBUS / "test-dbus-daemon", ["-p", "/creds"]),
    (LIBDBUS / "test-dbus-daemon", ["-p", "/processid"]),
]
# A race that could not be provoked is no other result than one that was, and went well.
RESULT = re.compile(r"^(ok|not ok) \d+ (\S+)(?:.*(# SKIP) (?!Failed to reproduce race))?", re.MULTILINE)


class Run:
    """A program on a plain bus, or before a gated one, as it runs."""

    def __init__(self, workshop, program, arguments, gated, proxy=OURS):
        name = "gated" if gated else "plain"
        self.marks, runtime = workshop.directory / f"{name}.marks", workshop.directory / f"{name}.runtime"
        self.marks.touch()
        runtime.mkdir(mode=0o700)
        environment = {
            "DBUS_TEST_EXEC": str(LIBDBUS), "DBUS_TEST_DATA": str(LIBDBUS / "data"), "G_TEST_SRCDIR": str(GLIB), "G_TEST_BUILDDIR": str(GLIB),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(runtime), "XDG_RUNTIME_DIR": str(runtime), "LC_ALL": "C.UTF-8"}
        if gated:
            place = workshop.directory / "bin"
            place.mkdir()
            (place / "dbus-daemon").symlink_to(pathlib.Path(__file__).with_name("gated_daemon.py"))
            environment |= {"PATH": f"{place}:{environment['PATH']}", "BUSGATE_PROXY": str(proxy), "BUSGATE_GATED": str(self.marks)}
        self.file = workshop.directory / f"{name}.output"
        with self.file.open("w") as output:
            self.process = subprocess.Popen([program, "--tap", *arguments], env=environment, cwd=runtime, stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=output, start_new_session=True)

    def finish(self):
        """What each test said, and how the program ended; what it left running ends, too."""
        try:
            self.process.wait(PATIENCE)
        finally:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        output = self.file.read_text("utf-8", "replace")
        self.tail = output[-2000:]
        return {name: result + (skipped or "") for result, name, skipped in RESULT.findall(output)}, self.process.returncode

    @property
    def was_gated(self):
        return self.marks.stat().st_size > 0


def run_both(workshop, program, arguments, proxy=OURS):
    if not program.exists():
        pytest.skip(f"{program} is not installed (contrib/packages test)")
    # Both at once: for the most part they wait.
    plain, gated = (Run(workshop, program, arguments, gated, proxy) for gated in (False, True))
    outcome = plain.finish(), gated.finish()
    assert gated.was_gated and not plain.was_gated
    return outcome, plain, gated


@pytest.mark.parametrize("program, arguments", ALIKE)
def test_a_program_does_the_same_as_on_the_plain_bus(workshop, program, arguments):
    (expected, got), plain, gated = run_both(workshop, program, arguments)
    results, status = expected
    assert status == 0 and "ok" in results.values(), plain.tail
    assert got == expected, gated.tail


@pytest.mark.parametrize("program, arguments", CLASSIC)
def test_a_program_does_the_same_through_a_dbus_proxy_that_allows_everything(workshop, program, arguments):
    (expected, got), plain, gated = run_both(workshop, program, arguments, CLASSIC_PROXY)
    results, status = expected
    assert status == 0 and "ok" in results.values(), plain.tail
    assert got == expected, gated.tail


@pytest.mark.parametrize("program, arguments", NOT_ALIKE, ids=lambda one: one.name if isinstance(one, pathlib.Path) else (one or ["", "all"])[1])
def test_a_program_that_looks_at_the_process_behind_a_connection_sees_the_gate(workshop, program, arguments):
    (expected, got), plain, gated = run_both(workshop, program, arguments)
    assert expected[1] == 0 and "ok" in expected[0].values(), plain.tail
    assert got[1] != 0, gated.tail
