"""A real systemd as PID 1 of an `Overlay`: started, asked by a shell, and switched off."""

import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import time
import types

from roots import ENVIRONMENT

PATIENCE = float(os.environ.get("BUSGATE_PATIENCE", 60))

# Whoever connects sends a script, which runs as root once the connection's other half is shut down; what it says comes back, its status last.
SHELL_SOCKET = """[Socket]
ListenStream=/share/shell
Accept=yes
MaxConnections=64
TriggerLimitIntervalSec=0
"""
SHELL_SERVICE = """[Unit]
CollectMode=inactive-or-failed
[Service]
StandardInput=socket
StandardOutput=socket
StandardError=socket
ExecStart=/bin/bash -c 'script=$$(cat); (eval "$$script") </dev/null; echo "status $$?"'
"""


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Guest:
    """Boots at once and waits until everything is up; `run` then runs scripts of bash in it."""

    def __init__(self, overlay):
        self.overlay = overlay
        overlay.write("/etc/systemd/system/share-shell.socket", SHELL_SOCKET)
        overlay.write("/etc/systemd/system/share-shell@.service", SHELL_SERVICE)
        overlay.write("/etc/systemd/system/multi-user.target.d/shell.conf", "[Unit]\nRequires=share-shell.socket\nAfter=share-shell.socket\n")
        overlay.write("/etc/machine-id", "")  # not the first boot, which asks questions
        overlay.link("/dev/null", "/etc/systemd/system/systemd-modules-load.service")  # the kernel is the machine's
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(str(overlay.directory / "notify"))
            self.console = open(overlay.directory / "console", "w+")
            command = overlay.command("--boot", f"--machine=guest-{os.getpid()}-{id(self):x}", "--notify-ready=yes", "--console=pipe", "systemd.unit=multi-user.target")
            self.process = subprocess.Popen(command, env={**ENVIRONMENT, "NOTIFY_SOCKET": ready.getsockname()}, stdin=subprocess.DEVNULL,
                                            stdout=self.console, stderr=subprocess.STDOUT)
            try:
                self._await(ready)
            except BaseException:
                self.close()
                raise

    def _await(self, ready):
        """Until the guest's PID 1 says that it is up, or its process has ended."""
        ended, end = os.pidfd_open(self.process.pid), time.monotonic() + PATIENCE
        try:
            while True:
                readable, _, _ = select.select([ready, ended], [], [], max(0, end - time.monotonic()))
                assert ready in readable, f"the guest does not come up:\n{self.process.poll()} {self.said()}"
                if b"READY=1" in ready.recv(65536).split(b"\n"):
                    return
        finally:
            os.close(ended)

    def said(self):
        return (self.overlay.directory / "console").read_text(errors="replace")[-8000:]

    def run(self, script, check=True, patience=PATIENCE):
        """What a script says, on both streams, and its status; unless `check` is false that has to be 0."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(patience)
            connection.connect(str(self.overlay.share / "shell"))
            connection.sendall(script.encode())
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")
        match = re.search(r"status (\d+)\n\Z", answer)
        assert match, f"{script}\nended before its end:\n{answer}"
        done = types.SimpleNamespace(status=int(match[1]), output=answer[:match.start()])
        assert not check or done.status == 0, f"{script}\nstatus {done.status}:\n{done.output}"
        return done

    def path(self, inside):
        """Where the machine finds a file of the guest's: below the root of its PID 1, which systemd-nspawn has started."""
        systemd_nspawn = children(self.process.pid)[0]
        return f"/proc/{children(systemd_nspawn)[0]}/root{inside}"

    def close(self):
        """As one pulls a plug. What is killed is the first of the guest's processes: it is gone when all others are, and who waits for it ends."""
        if self.process.returncode is not None:
            return
        for first in children(self.process.pid):
            os.kill(first, signal.SIGKILL)
        self.process.wait(PATIENCE)
        self.console.close()
