"""Programs that start xdg-dbus-proxy, with ours in its place: firejail as it is, a launch with bubblewrap as flatpak does it, and what runs in there.

Ours stands at /usr/bin/xdg-dbus-proxy in a mount namespace of the test's; the machine keeps its own.
"""

import os
import pathlib
import shlex
import shutil
import subprocess

import pytest

from harness import BUSGATE, PATIENCE, await_byte
from proxies import OURS
from wire import DRIVER, DRIVER_PATH, ERROR, METHOD_CALL, join, message
from wire import signal as signal_message

E = "com.example."
OBJECT, OPEN = "/com/example/Object", "com.example.Open"
DENIED = "org.freedesktop.DBus.Error.AccessDenied"

CLIENTS = {
    "gdbus": lambda bus, name, member="Do": ["gdbus", "call", f"--{bus}", "--dest", name, "--object-path", OBJECT, "--method", f"{OPEN}.{member}"],
    "busctl": lambda bus, name, member="Do": ["env", "SYSTEMD_LOG_LEVEL=debug", "busctl", {"session": "--user", "system": "--system"}[bus], "call",
                                              name, OBJECT, OPEN, member],
    "dbus-send": lambda bus, name, member="Do": ["dbus-send", f"--{bus}", "--print-reply", f"--dest={name}", OBJECT, f"{OPEN}.{member}"],
}


class Services:
    """Services on a bus that answer every call, whoever calls."""

    def __init__(self, workshop, bus, *names):
        self.ends = {name: join(workshop, bus.path) for name in names}
        for name, end in self.ends.items():
            end.request_name(name)

    def serve(self, name):
        """Answers the next call; returns it. (gdbus introspects first, and goes on without.)"""
        end = self.ends[name]
        while True:
            asked = end.receive_until(lambda one: one.type == METHOD_CALL)[-1]
            if asked.member != "Introspect":
                end.answer(asked, signature="s", args=["from outside"])
                return asked
            end.send(message(ERROR, end.next_serial(), reply=asked.serial, destination=asked.sender,
                             error="org.freedesktop.DBus.Error.UnknownMethod"))

    def saw_nothing(self, name):
        return not [one for one in self.ends[name].round_trip() if one.type == METHOD_CALL]


# firejail

@pytest.fixture
def firejail(workshop):
    if shutil.which("firejail") is None or not pathlib.Path("/usr/bin/xdg-dbus-proxy").exists():
        pytest.skip("firejail or xdg-dbus-proxy is not installed (contrib/packages test)")
    if os.getuid() != 0:
        pytest.skip("only root makes a mount namespace in which firejail still is root's")

    def start(bus, *options, command, kind="session"):
        socket = "/run/dbus/system_bus_socket"
        words = ["firejail", "--noprofile", "--quiet", *options, "--", *command]
        script = f"""set -e
mount --make-rprivate /
mount --bind {BUSGATE} /usr/bin/xdg-dbus-proxy
mount -t tmpfs tmpfs /run
mkdir /run/dbus
ln -s {bus.path} {socket}
exec {shlex.join(map(str, words))}
"""
        environment = {**os.environ, f"DBUS_{kind.upper()}_BUS_ADDRESS": bus.address, "LC_ALL": "C.UTF-8", "HOME": "/root"}
        return workshop.child(["unshare", "--mount", "sh", "-c", script], env=environment)
    return start


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("kind", ["session", "system"])
def test_firejail_lets_a_client_talk_to_whom_it_says_and_to_nobody_else(workshop, bus_program, firejail, client, kind):
    bus = workshop.bus(kind=kind)
    services = Services(workshop, bus, E + "Talk", E + "See", E + "Hidden")
    which = {"session": "user", "system": "system"}[kind]
    options = [f"--dbus-{which}=filter", f"--dbus-{which}.talk={E}Talk", f"--dbus-{which}.see={E}See"]
    allowed = firejail(bus, *options, command=CLIENTS[client](kind, E + "Talk"), kind=kind)
    services.serve(E + "Talk")
    allowed.out.wait_for("from outside")
    assert allowed.process.wait(PATIENCE) == 0
    for name, error in ((E + "See", "AccessDenied"), (E + "Hidden", "ServiceUnknown")):
        denied = firejail(bus, *options, command=CLIENTS[client](kind, name), kind=kind)
        assert denied.process.wait(PATIENCE) != 0
        assert services.saw_nothing(name)
        if client != "busctl":
            denied.log.wait_for(error)
        else:
            # sd-bus says it in words of its own.
            denied.log.wait_for("busgate: ")


def test_firejails_rules_for_calls_mean_what_they_say(workshop, bus, firejail):
    services = Services(workshop, bus, E + "Service")
    options = ["--dbus-user=filter", f"--dbus-user.call={E}Service={OPEN}.Do@{OBJECT}"]
    allowed = firejail(bus, *options, command=CLIENTS["gdbus"]("session", E + "Service"))
    assert services.serve(E + "Service").member == "Do"
    assert allowed.process.wait(PATIENCE) == 0
    denied = firejail(bus, *options, command=CLIENTS["gdbus"]("session", E + "Service", "Other"))
    assert denied.process.wait(PATIENCE) != 0
    denied.log.wait_for(DENIED)
    assert services.saw_nothing(E + "Service")


@pytest.mark.parametrize("option, answer", [("own", "(uint32 1,)"), ("talk", "AccessDenied")])
def test_firejail_lets_a_client_own_what_it_says(bus, firejail, option, answer):
    command = ["gdbus", "call", "--session", "--dest", DRIVER, "--object-path", DRIVER_PATH, "--method", DRIVER + ".RequestName", E + "Mine.Below", "0"]
    child = firejail(bus, "--dbus-user=filter", f"--dbus-user.{option}={E}Mine.*", command=command)
    (child.out if option == "own" else child.log).wait_for(answer)


def test_firejails_log_has_every_message_and_ends_with_its_program(workshop, bus, firejail):
    log = workshop.directory / "log"
    command = ["gdbus", "call", "--session", "--dest", DRIVER, "--object-path", DRIVER_PATH, "--method", DRIVER + ".ListNames"]
    child = firejail(bus, "--dbus-user=filter", "--dbus-user.log", f"--dbus-log={log}", command=command)
    assert child.process.wait(PATIENCE) == 0
    text = log.read_text()
    for part in ("member=Hello", "member=ListNames", "reason=filtered"):
        assert part in text
    # Nothing of this was refused: what the gate asked for itself, and the list that it answered with a copy, are no denials.
    closed = [line for line in text.splitlines() if line.startswith("closed ")]
    assert len(closed) == 1 and closed[0].endswith("denied=0"), text


# bubblewrap, as flatpak starts it

FLATPAK_INFO = "[Application]\nname=com.example.App\n"
SOCKET = "/run/flatpak/bus"


def readable(data):
    descriptor = os.memfd_create("data", 0)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def nul_ended(words):
    """A descriptor from which these words are read, each ended by a NUL, as flatpak writes its --args."""
    return readable(b"".join(os.fsencode(str(word)) + b"\0" for word in words))


def whole_root():
    """Everything below /, so that there may be one file more."""
    words = []
    for path in sorted(pathlib.Path("/").iterdir()):
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), path]
        elif path.is_dir() and path.name not in ("proc", "dev"):
            words += ["--bind", path, path]
    return [*words, "--dev-bind", "/dev", "/dev", "--proc", "/proc"]


class Launch:
    """The proxy in a bubblewrap of its own, then the application in another, which holds the reading end of the proxy's --fd as long as it lives."""

    def __init__(self, workshop, bus, policy, command):
        sockets, info = workshop.directory / "dbus-proxy", workshop.directory / "info"
        sockets.mkdir()
        info.write_text(FLATPAK_INFO)
        # As with mkstemp: the name is taken when the proxy starts.
        self.socket = sockets / "session-bus-proxy-ABCDEF"
        self.socket.touch(0o600)
        self.read, write = os.pipe()
        # Two descriptors, as flatpak has one for each bus.
        arguments = [nul_ended([f"--fd={write}", bus.address, self.socket, "--filter"]), nul_ended(policy)]
        contents = readable(FLATPAK_INFO.encode())
        sandbox = nul_ended([*whole_root(), "--perms", "0600", "--file", contents, "/.flatpak-info", "--die-with-parent"])
        passed = [write, sandbox, contents, *arguments]
        self.proxy = workshop.child(["bwrap", "--args", sandbox, OURS, *(f"--args={one}" for one in arguments)], pass_fds=passed)
        for descriptor in passed:
            os.close(descriptor)
        await_byte(os.dup(self.read), self.proxy)
        application = nul_ended([
            "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
            "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--ro-bind", info, "/.flatpak-info", "--ro-bind", self.socket, SOCKET,
            "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-net", "--die-with-parent",
            "--setenv", "DBUS_SESSION_BUS_ADDRESS", f"unix:path={SOCKET}", "--setenv", "LC_ALL", "C.UTF-8", "--sync-fd", self.read])
        self.application = workshop.child(["bwrap", "--args", application, *command], pass_fds=[application, self.read])
        os.close(application)
        os.close(self.read)

    def end(self):
        """The application's status, once the proxy ended after it."""
        status = self.application.process.wait(PATIENCE)
        assert self.proxy.process.wait(PATIENCE) == 0 and self.proxy.log.lines == []
        assert not self.socket.exists()
        return status


POLICY = [f"--own={E}App", f"--own={E}App.*", f"--talk={E}Talk", "--call=org.freedesktop.portal.*=*",
          "--broadcast=org.freedesktop.portal.*=@/org/freedesktop/portal/*"]


@pytest.mark.parametrize("client", CLIENTS)
def test_an_application_is_answered_and_the_proxy_ends_with_it(workshop, bus, client):
    services = Services(workshop, bus, E + "Talk")
    launch = Launch(workshop, bus, POLICY, CLIENTS[client]("session", E + "Talk"))
    services.serve(E + "Talk")
    launch.application.out.wait_for("from outside")
    assert launch.end() == 0


@pytest.mark.parametrize("client", CLIENTS)
def test_an_application_finds_nobody_else_and_the_proxy_ends_with_it(workshop, bus, client):
    services = Services(workshop, bus, E + "Hidden")
    launch = Launch(workshop, bus, POLICY, CLIENTS[client]("session", E + "Hidden"))
    assert launch.end() != 0
    assert services.saw_nothing(E + "Hidden")


PORTAL_CLIENT = """
import sys
from gi.repository import Gio, GLib
connection = Gio.bus_get_sync(Gio.BusType.SESSION)
loop = GLib.MainLoop()
token = "token"
path = "/org/freedesktop/portal/desktop/request/" + connection.get_unique_name()[1:].replace(".", "_") + "/" + token
def answered(connection, sender, path, interface, member, body):
    print("response", *body.unpack(), flush=True)
    loop.quit()
connection.signal_subscribe("org.freedesktop.portal.Desktop", "org.freedesktop.portal.Request", "Response", path, None, 0, answered)
def changed(connection, sender, path, interface, member, body):
    print("changed", path, flush=True)
connection.signal_subscribe(None, "org.freedesktop.portal.Settings", "SettingChanged", None, None, 0, changed)
portal = Gio.DBusProxy.new_sync(connection, 0, None, "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop",
                                "org.freedesktop.portal.OpenURI", None)
print("owner", portal.get_name_owner(), flush=True)
print("handle", *portal.call_sync("OpenURI", GLib.Variant("(ssa{sv})", ("", "https://example.com", {"handle_token": GLib.Variant("s", token)})),
                                  0, 10000, None).unpack(), flush=True)
loop.run()
"""


def test_a_client_of_a_portal_is_known_by_its_sandbox_and_gets_its_response(workshop, bus):
    """What xdg-desktop-portal does: it finds out who calls by /proc/PID/root/.flatpak-info of the process behind the connection, the proxy's, and
    answers by a handle and a signal."""
    portal = join(workshop, bus.path)
    portal.request_name("org.freedesktop.portal.Desktop")
    launch = Launch(workshop, bus, POLICY, ["/usr/bin/python3", "-c", PORTAL_CLIENT])
    while True:
        asked = portal.receive_until(lambda one: one.type == METHOD_CALL)[-1]
        if asked.member == "OpenURI":
            break
        # GDBus asks for the properties first.
        portal.answer(asked, signature="a{sv}", args=[[]])
    process = portal.ask_driver("GetConnectionUnixProcessID", signature="s", args=[asked.sender]).args[0]
    assert pathlib.Path(f"/proc/{process}/root/.flatpak-info").read_text() == FLATPAK_INFO
    handle = f"/org/freedesktop/portal/desktop/request/{asked.sender[1:].replace('.', '_')}/token"
    portal.answer(asked, signature="o", args=[handle])
    # A broadcast that the rule means, one that it does not, and the response, which is for the caller alone.
    for path in ("/elsewhere", "/org/freedesktop/portal/desktop"):
        portal.send(signal_message(portal.next_serial(), "SettingChanged", "org.freedesktop.portal.Settings", path))
    portal.send(signal_message(portal.next_serial(), "Response", "org.freedesktop.portal.Request", handle, destination=asked.sender, signature="ua{sv}",
                               args=[0, []]))
    out = launch.application.out
    out.wait_for("response 0 {}")
    assert launch.end() == 0
    assert out.lines == [f"owner {portal.name}", f"handle {handle}", "changed /org/freedesktop/portal/desktop", "response 0 {}"]


def test_the_proxy_goes_when_its_application_is_killed(workshop, bus):
    launch = Launch(workshop, bus, POLICY, ["sh", "-c", "echo runs; exec sleep 1000"])
    launch.application.out.wait_for("runs")
    launch.application.process.kill()
    launch.end()
