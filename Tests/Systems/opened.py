"""What an installed busgate opens, makes, removes and connects to: a run of it under strace, its files where packages and units put them.

`traced(workshop, strace, layout)` runs the gate in a container of nothing but its own files, with real clients, a reload and a stop, and returns
each access as AppArmor's file rules would see it. What a rule for the owner of a file allows is enough where ``is_own``.
"""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "EndToEnd"))

from harness import BUSGATE, EVERYTHING, PATIENCE, Daemon  # noqa: E402
from service import NotifySocket, connect  # noqa: E402

CALLS = "execve,socket,openat,open,bind,connect,sendto,unlink,unlinkat,mkdir,mkdirat,chmod,fchmodat,rename,renameat,renameat2,link,linkat,symlink,truncate"


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


def traced(workshop, strace, layout):
    outside = workshop.directory
    for path in (layout.config, layout.sockets, layout.bus, layout.notify, JOURNAL, "/etc/passwd"):
        (outside / path[1:]).parent.mkdir(parents=True, exist_ok=True)
    (outside / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (outside / "etc/group").write_text("root:x:0:\n")
    (outside / layout.config[1:] / "radio.d").mkdir(parents=True)
    for file in ("radio.json", "radio.d/more.json"):
        (outside / layout.config[1:] / file).write_text(json.dumps({f"dbus-gateway-config-{layout.kind}": EVERYTHING}))
    directory, name = (outside / layout.bus[1:]).parent, layout.bus.rpartition("/")[2]
    workshop.keep(Daemon(directory, name=name))
    journal, notify = (workshop.keep(NotifySocket(outside / path[1:])) for path in (JOURNAL, layout.notify))
    binds = [part for top in ("etc", "home", "run") if (outside / top).exists() for part in ("--bind", outside / top, f"/{top}")]
    tracer = workshop.child([
        strace, "-f", "-qq", "-y", "-s", "0", "-o", outside / "trace", "-e", f"trace={CALLS}",
        "bwrap", "--ro-bind", BUSGATE, PROGRAM, *binds, "--proc", "/proc", "--dev", "/dev", "--setenv", "NOTIFY_SOCKET", layout.notify,
        PROGRAM, "run", "--config-base", f"{layout.config}/radio", "--instance", "radio", "--as-root", f"--{layout.kind}", f"{layout.sockets}/bus/{layout.kind}",
        "--bus", f"{layout.kind}=unix:path={layout.bus}", "--control", f"{layout.sockets}/control", "--metrics", f"{layout.sockets}/metrics",
        "--log-format", "journal", "--log", "all", "--allow-uid", "root", "--socket-owner", "root:root"])
    assert notify.receive()["READY"] == "1"
    use(outside / layout.sockets[1:], layout.kind)
    while not journal.is_quiet():
        journal.receive()
    gate = last_child(tracer.pid)
    os.kill(gate, signal.SIGHUP)
    assert [notify.receive().get("RELOADING"), notify.receive().get("READY")] == ["1", "1"]
    os.kill(gate, signal.SIGTERM)
    assert tracer.process.wait(PATIENCE) == 0, tracer.log.lines
    return list(accesses((outside / "trace").read_text(), layout))


def use(sockets, kind):
    """A client of this user namespace, one of its own, and questions on both sockets of the operator's."""
    ask = ["dbus-send", f"--bus=unix:path={sockets}/bus/{kind}", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.GetId"]
    for command in (ask, ["unshare", "--user", "--map-user=1000", *ask]):
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    for name, question in (("control", b"status\n"), ("metrics", b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")):
        with connect(sockets / name) as end:
            end.sendall(question)
            assert end.recv(1)


def last_child(pid):
    while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        pid = int(children[0])
    return pid


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
