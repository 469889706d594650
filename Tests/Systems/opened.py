"""An installed busgate, its files where packages and units put them, and what it opens, makes, removes and connects to.

`Installed` runs the gate in a container of nothing but its own files; `traced(workshop, strace, layout)` does so under strace and returns each
access as AppArmor's file rules would see it. What a rule for the owner of a file allows is enough where ``is_own``.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "EndToEnd"))

from harness import BUSGATE, EVERYTHING, PATIENCE, Daemon  # noqa: E402
from service import NotifySocket, connect  # noqa: E402

CALLS = ("execve,socket,openat,open,bind,connect,sendto,unlink,unlinkat,mkdir,mkdirat,chmod,fchmodat,rename,renameat,renameat2,link,linkat,"
         "symlink,truncate")


@dataclass(frozen=True)
class Layout:
    """Where the units of the system's or of a user's manager put what."""
    kind: str
    config: str
    sockets: str
    bus: str
    notify: str


LAYOUTS = {
    "system": Layout("system", "/etc/busgate", "/run/busgate/radio", "/run/dbus/system_bus_socket", "/run/systemd/notify"),
    "user": Layout("session", "/home/user/.config/busgate", "/run/user/1000/busgate/radio", "/run/user/1000/bus", "/run/user/1000/systemd/notify"),
}
PROGRAM = "/usr/bin/busgate"
JOURNAL = "/run/systemd/journal/socket"


@dataclass(frozen=True)
class Access:
    path: str
    mode: str  # of the letters r, w and x
    is_own: bool


class Installed:
    """A gate that is ready, as the units start it, with a bus, a journal and a service manager outside."""

    def __init__(self, workshop, layout, wrapper=()):
        self.outside, self.layout = workshop.directory, layout
        for path in (layout.config, layout.sockets, layout.bus, layout.notify, JOURNAL, "/etc/passwd"):
            self.place(path).parent.mkdir(parents=True, exist_ok=True)
        self.place("/etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
        self.place("/etc/group").write_text("root:x:0:\n")
        self.place(f"{layout.config}/radio.d").mkdir(parents=True)
        for file in ("radio.json", "radio.d/more.json"):
            self.place(f"{layout.config}/{file}").write_text(json.dumps({f"dbus-gateway-config-{layout.kind}": EVERYTHING}))
        bus = self.place(layout.bus)
        workshop.keep(Daemon(bus.parent, name=bus.name))
        self.journal, self.notify = (workshop.keep(NotifySocket(self.place(path))) for path in (JOURNAL, layout.notify))
        kind, sockets = layout.kind, layout.sockets
        self.child = workshop.child([*wrapper, *self.container(
            "run", "--config-base", f"{layout.config}/radio", "--instance", "radio", "--as-root", f"--{kind}", f"{sockets}/bus/{kind}",
            "--bus", f"{kind}=unix:path={layout.bus}", "--control", f"{sockets}/control", "--metrics", f"{sockets}/metrics",
            "--log-format", "journal", "--log", "all", "--allow-uid", "root", "--socket-owner", "root:root")])
        ended = os.pidfd_open(self.child.pid)
        select.select([self.notify.socket, ended], [], [], PATIENCE)
        os.close(ended)
        assert not self.notify.is_quiet() and self.notify.receive()["READY"] == "1", self.child.log.lines
        self.pid = last_child(self.child.pid)

    def place(self, path):
        """Where a path of the installed system is outside."""
        return self.outside / path[1:]

    def container(self, *arguments):
        """The command that runs the program where it is installed."""
        binds = [part for top in ("etc", "home", "run") if self.place(f"/{top}").exists() for part in ("--bind", self.place(f"/{top}"), f"/{top}")]
        return ["bwrap", "--die-with-parent", "--ro-bind", BUSGATE, PROGRAM, *binds, "--proc", "/proc", "--dev", "/dev", "--setenv", "NOTIFY_SOCKET",
                self.layout.notify, PROGRAM, *arguments]

    def use(self, *more_clients):
        """A client, others if they are named by what starts them, and questions on both sockets of the operator's."""
        sockets = self.place(self.layout.sockets)
        ask = ["dbus-send", f"--bus=unix:path={sockets}/bus/{self.layout.kind}", "--print-reply", "--dest=org.freedesktop.DBus", "/",
               "org.freedesktop.DBus.GetId"]
        for before in ([], *more_clients):
            subprocess.run([*before, *ask], check=True, capture_output=True, timeout=PATIENCE)
        for name, question in (("control", b"status\n"), ("metrics", b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")):
            with connect(sockets / name) as end:
                end.sendall(question)
                assert end.recv(1)

    def reload_and_stop(self):
        while not self.journal.is_quiet():
            self.journal.receive()
        os.kill(self.pid, signal.SIGHUP)
        assert [self.notify.receive().get("RELOADING"), self.notify.receive().get("READY")] == ["1", "1"]
        os.kill(self.pid, signal.SIGTERM)
        assert self.child.process.wait(PATIENCE) == 0, self.child.log.lines


def last_child(pid):
    while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        pid = int(children[0])
    return pid


def traced(workshop, strace, layout):
    trace = workshop.directory / "trace"
    installed = Installed(workshop, layout, [strace, "-f", "-qq", "-y", "-s", "0", "-o", trace, "-e", f"trace={CALLS}"])
    installed.use(["unshare", "--user", "--map-user=1000"])
    installed.reload_and_stop()
    return list(accesses(trace.read_text(), layout))


LINE = re.compile(r"^(?P<pid>\d+) +(?P<call>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)(?P<rest>.*)$")


def accesses(trace, layout):
    """Each access to a file of the program that was started as `PROGRAM`."""
    gate, datagrams = None, set()
    for line in trace.splitlines():
        if not (match := LINE.match(line)):
            continue
        call, arguments = match["call"], match["arguments"]
        if call == "execve" and arguments.startswith(f'"{PROGRAM}"'):
            gate = match["pid"]
            yield Access(PROGRAM, "r", is_own=False)
        elif match["pid"] != gate:
            continue
        elif call == "socket":
            (datagrams.add if "SOCK_DGRAM" in arguments else datagrams.discard)(match["result"])
        elif found := access(match, arguments.partition("<")[0] in datagrams):
            path, mode = found
            is_own = path.startswith(f"/proc/{gate}/") or layout.kind == "session" and path.startswith(("/home/", "/run/user/"))
            yield Access(path, mode, is_own)


def access(match, is_datagram):
    """Path and mode; None where no file is reached: it is there already, or only meant by a descriptor without access."""
    call, arguments = match["call"], match["arguments"]
    if "EEXIST" in match["rest"] or "O_PATH" in arguments:
        return None
    if call in ("bind", "connect", "sendto"):
        path = re.search(r'sun_path="([^"]*)"', arguments)
        return (path[1], "w" if is_datagram or call == "bind" else "rw") if path else None
    path = re.search(r'"([^"]*)"', arguments)[1]
    if call in ("open", "openat"):
        opened = re.search(r"<([^>]*)>$", match["rest"])
        mode = "rw" if "O_RDWR" in arguments else "w" if "O_WRONLY" in arguments else "r"
        return ((opened[1] if opened else path) + "/" * ("O_DIRECTORY" in arguments), mode)
    if path.startswith("/proc/self/fd/"):
        return None  # the file of a socket that was just made, of which `bind` has told
    return (path + "/" if call.startswith("mkdir") else path, "w")
