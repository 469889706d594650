"""xdg-dbus-proxy, ours and its peer's: started on the same bus with the same command line, so that what they do can be compared."""

import os
import shutil
import subprocess

import pytest

from harness import BUSGATE, Child, await_byte
from wire import OWN_UID, Client

OURS = BUSGATE.parent / "xdg-dbus-proxy"
PEERS = shutil.which("xdg-dbus-proxy")


class NamesProxy(Child):
    """An xdg-dbus-proxy with one bus; ready when it says so on ``--fd``."""

    def __init__(self, directory, bus_address, *options, program=OURS, socket="proxy/bus", **more):
        self.path = directory / socket
        self.address = f"unix:path={self.path}"
        self.path.parent.mkdir(exist_ok=True)
        self.sync_descriptor, write = os.pipe()
        super().__init__([program, f"--fd={write}", bus_address, self.path, *options], pass_fds=[write], **more)
        os.close(write)
        # A copy is waited for and closed: our end of the sync descriptor stays open.
        await_byte(os.dup(self.sync_descriptor), self)

    def kill(self):
        if self.sync_descriptor is not None:
            os.close(self.sync_descriptor)
            self.sync_descriptor = None
        super().kill()


def peer_program():
    """The peer's program; skips the test where it is not installed."""
    if PEERS is None:
        pytest.skip("Debian's xdg-dbus-proxy is not installed (contrib/packages test)")
    return PEERS


def peers_version():
    return subprocess.run([peer_program(), "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]


def join_in_steps(workshop, path):
    """A client that says nothing before what it said was answered: the peer does not stand more than that."""
    client = workshop.keep(Client(path))
    client.send(b"\0AUTH EXTERNAL " + OWN_UID + b"\r\n")
    assert client.line().startswith("OK ")
    client.send(b"NEGOTIATE_UNIX_FD\r\n")
    assert client.line() == "AGREE_UNIX_FD"
    client.send(b"BEGIN\r\n")
    client.say_hello()
    return client
