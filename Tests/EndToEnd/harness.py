"""Private buses and gates for the end-to-end tests. Everything lives in a temporary directory and is awaited by events, never by time."""

import fcntl
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUSGATE = pathlib.Path(os.environ.get("BUSGATE", ROOT / "build/bin/busgate"))
# How long anything may take before a test gives up; nothing waits this long when it works.
PATIENCE = float(os.environ.get("BUSGATE_PATIENCE", 30))


def command_line(words):
    """The words of a command. Tests run as root too, and give a gate a private bus for the system's."""
    words = [str(word) for word in words]
    serves = words[:2] == [str(BUSGATE), "run"] and "--list" not in words
    return [*words[:2], "--as-root", *words[2:]] if serves else words


class Output:
    """The lines a process writes, readable while it runs; ``wait_for`` returns as soon as a line matches."""

    def __init__(self, stream):
        self.lines = []
        self.ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream):
        for line in stream:
            with self._changed:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def wait_for(self, *parts, patience=PATIENCE):
        """The first line that has all parts in it."""
        def found():
            return next((line for line in self.lines if all(part in line for part in parts)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self.ended, patience)
            line = found()
        assert line is not None, f"no line with {parts} in:\n" + "\n".join(self.lines)
        return line

    def wait_until(self, found, patience=PATIENCE):
        """What ``found()`` returns, as soon as that is true; it is asked whenever a line came."""
        with self._changed:
            self._changed.wait_for(lambda: found() or self.ended, patience)
            result = found()
        assert result, "it did not come about in:\n" + "\n".join(self.lines)
        return result

    def matching(self, *parts):
        """The lines so far that have all parts in them."""
        with self._changed:
            return [line for line in self.lines if all(part in line for part in parts)]


class Child:
    """A process of ours, ended with its test."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(
            command_line(command), stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE), stdin=options.pop("stdin", subprocess.DEVNULL), **options)
        self.log = Output(self.process.stderr) if self.process.stderr else None
        self.out = Output(self.process.stdout) if self.process.stdout else None

    @property
    def pid(self):
        return self.process.pid

    def terminate(self):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)

    def descriptors(self):
        """How many descriptors the process has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_kib(self):
        """Memory of the process's own; not the code that is mapped, which comes and goes as it is used."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
        raise AssertionError("no RssAnon")

    def cpu_nanoseconds(self):
        return int(pathlib.Path(f"/proc/{self.pid}/schedstat").read_text().split()[0])


BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>{kind}</type>
  <listen>unix:path={path}</listen>
  <servicedir>{path}.services</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_incoming_unix_fds">250</limit>
  <limit name="max_outgoing_unix_fds">250</limit>
  <limit name="max_message_unix_fds">250</limit>
  <limit name="max_connections_per_user">4096</limit>
  <limit name="max_completed_connections">4096</limit>
  <limit name="max_incomplete_connections">4096</limit>
  <limit name="max_replies_per_connection">60000</limit>
</busconfig>
"""


class Daemon(Child):
    """A dbus-daemon of the test's own."""

    program = "dbus-daemon"

    def __init__(self, directory, kind="session", name="bus", activatable=None):
        """``activatable`` has the commands, as one line each, that start services, by name."""
        self.path = directory / name
        self.address = f"unix:path={self.path}"
        config = directory / f"{name}.conf"
        services = directory / f"{name}.services"
        services.mkdir(exist_ok=True)
        for service, command in (activatable or {}).items():
            (services / f"{service}.service").write_text(f"[D-BUS Service]\nName={service}\nExec={command}\n")
        config.write_text(BUS_CONFIG.format(kind=kind, path=self.path))
        read, write = os.pipe()
        super().__init__(
            ["dbus-daemon", "--nofork", f"--config-file={config}", f"--print-address={write}"], pass_fds=[write])
        os.close(write)
        await_byte(read, self)


def await_byte(descriptor, child, is_closed_after=False):
    """Waits for one byte, or the end of the writer, and then for its end if it ``is_closed_after``; closes the descriptor."""
    ready, _, _ = select.select([descriptor], [], [], PATIENCE)
    data = os.read(descriptor, 1) if ready else b""
    if data and is_closed_after:
        # Else whoever counts the child's descriptors may count this one.
        select.select([descriptor], [], [], PATIENCE)
    os.close(descriptor)
    if not data:
        child.kill()
        raise AssertionError("did not get ready:\n" + "\n".join(child.log.lines))


class Gate(Child):
    """``busgate run`` with one session gate."""

    def __init__(self, directory, config, bus_address, *arguments, listen="--session", name="session", socket="gate/bus", inherit=(), **options):
        self.path = directory / socket
        self.address = f"unix:path={self.path}"
        if not isinstance(config, (list, tuple)):
            config = [config]
        flags = [part for file in config for part in ("--config", file)]
        read, write = os.pipe()
        super().__init__(
            [BUSGATE, "run", *flags, listen, self.path, "--bus", f"{name}={bus_address}", "--ready-fd", str(write), *arguments],
            pass_fds=[write, *inherit], **options)
        os.close(write)
        await_byte(read, self, is_closed_after=True)

    def reload(self):
        """SIGHUP; returns the line that says what became of it, once it is said."""
        before = len(self._reloads())
        self.process.send_signal(signal.SIGHUP)
        return self.log.wait_until(lambda: self._reloads()[before:])[0]

    def _reloads(self):
        return [line for line in self.log.lines if "configuration reloaded" in line or "the reload was refused" in line]


class ClassicProxy(Child):
    """``dbus-proxy SOCKET session|system``, configured over its standard input as SoftwareContainer does."""

    def __init__(self, directory, bus_address, kind="session", socket="proxy/bus", stdin=subprocess.PIPE, **options):
        self.path = directory / socket
        self.address = f"unix:path={self.path}"
        self.path.parent.mkdir(exist_ok=True)
        watch = Watch(self.path.parent)
        environment = dict(os.environ)
        environment[f"DBUS_{kind.upper()}_BUS_ADDRESS"] = bus_address
        super().__init__([BUSGATE.parent / "dbus-proxy", self.path, kind], stdin=stdin, env=environment, **options)
        watch.wait_for_file(self.path, self)

    def configure(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()


class Watch:
    """Waits for a socket to accept by inotify: its file is there before it listens, and opens its mode just before."""

    def __init__(self, directory):
        import ctypes
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self._libc.inotify_init1(os.O_CLOEXEC)
        create, attributes = 0x100, 0x4
        assert self._libc.inotify_add_watch(self.descriptor, os.fsencode(directory), create | attributes) >= 0

    def wait_for_file(self, path, child=None):
        import socket
        while True:
            probe = socket.socket(socket.AF_UNIX)
            try:
                probe.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError, PermissionError):
                assert child is None or child.process.poll() is None, "it ended:\n" + "\n".join(child.log.lines)
                # What comes after the last event, listen(2), is none: then only asking again helps.
                ready, _, _ = select.select([self.descriptor], [], [], 0.01)
                if ready:
                    os.read(self.descriptor, 4096)
            finally:
                probe.close()
        os.close(self.descriptor)


class Workshop:
    """What one test uses: a directory, and children that end with it; its buses are dbus-daemons or dbus-brokers."""

    def __init__(self, bus_program=None):
        self._bus_program = bus_program
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="busgate-test-"))
        self._children = []

    def keep(self, child):
        self._children.append(child)
        return child

    def bus(self, **options):
        """A real bus; ``kind`` is "session" or "system"."""
        from broker import Broker  # which itself stands on this file
        assert self._bus_program, "a test that starts a bus takes the fixture bus_program, so that it runs on each of them"
        return self.keep({bus.program: bus for bus in (Daemon, Broker)}[self._bus_program](self.directory, **options))

    def gate(self, config, bus, *arguments, **options):
        """A gate; ``config`` is a file, or rules as Python data."""
        return self.keep(Gate(self.directory, self.config(config), getattr(bus, "address", bus), *arguments, **options))

    def proxy(self, bus, **options):
        return self.keep(ClassicProxy(self.directory, getattr(bus, "address", bus), **options))

    def child(self, command, **options):
        return self.keep(Child(command, **options))

    def config(self, rules):
        """A configuration file out of a list of rules for the session bus, or a whole document, or a path as it is."""
        import json
        if isinstance(rules, (str, pathlib.Path)):
            return rules
        document = rules if isinstance(rules, dict) else {"dbus-gateway-config-session": rules}
        file = self.directory / f"config-{len(os.listdir(self.directory))}.json"
        file.write_text(json.dumps(document))
        return file

    def let_others_in(self):
        """Other users may look into the directory; skips the test where they do not even get there, as under pam_tmpdir."""
        import pytest
        self.directory.chmod(0o755)
        closed = [str(parent) for parent in self.directory.parents if not parent.stat().st_mode & 0o001]
        if closed:
            pytest.skip(f"other users do not get into {closed[-1]}")

    def close(self):
        for child in reversed(self._children):
            child.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def rule(direction="*", interface="*", path="*", method="*", **more):
    """A gateway rule."""
    return {"direction": direction, "interface": interface, "object-path": path, "method": method, **more}


EVERYTHING = [rule()]
