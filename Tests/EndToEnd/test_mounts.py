"""How the directory of a socket is mounted into a container, and what a writable mount would give it. THREAT-MODEL.md says what follows.

The container here is the strongest that there is: root, in no user namespace.
"""

import json
import os
import socket
import subprocess

import pytest

from harness import BUSGATE, EVERYTHING, PATIENCE
from peer import Peer
from service import busgate, refused

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="only root can mount as a container engine does"),
    pytest.mark.one_bus("who may change a directory is no bus's business"),
]

# What a container tries in /run/bus, each by itself; it says what the kernel answers.
ATTEMPTS = """
import json, os, socket
os.chdir("/run/bus")
def connect():
    end = socket.socket(socket.AF_UNIX)
    end.connect("bus")
    end.sendall(b"\\0AUTH\\r\\n")
    assert end.recv(100).startswith(b"REJECTED")
def fill():
    with open("full", "wb") as file:
        file.write(bytes(1 << 20))
def listen():
    socket.socket(socket.AF_UNIX).bind("own")
attempts = {
    "connect": connect, "fill": fill, "listen": listen, "link": lambda: os.symlink("/etc/shadow", "link"),
    "hard link": lambda: os.link("bus", "other"),
    "device": lambda: os.mknod("device", 0o20600, os.makedev(1, 1)), "owner": lambda: os.chown("bus", 1, 1),
    "mode of the socket": lambda: os.chmod("bus", 0), "mode of the directory": lambda: os.chmod(".", 0o777),
    "attribute": lambda: os.setxattr(".", "trusted.mine", b""), "time": lambda: os.utime("bus"), "rename": lambda: os.rename("bus", "gone"),
    "remove": lambda: os.unlink("gone" if os.path.exists("gone") else "bus")}
said = {}
for name, attempt in attempts.items():
    try:
        attempt()
        said[name] = "done"
    except OSError as error:
        said[name] = os.strerror(error.errno)
print(json.dumps(said))
"""


def bwrap(gate, how, command):
    """What podman does with `-v DIR:/run/bus` (and `:ro`); nodev and nosuid are always there."""
    return ["bwrap", "--ro-bind", "/", "/", "--tmpfs", "/run", f"--{how}", gate.path.parent, "/run/bus", "--dev", "/dev", "--proc", "/proc",
            "--cap-add", "ALL", "--die-with-parent", *command]


def mounted(gate, options, command):
    """The same with the options of mount(8)."""
    script = ('mount -t tmpfs tmpfs /run && mkdir /run/bus && mount --bind "$0" /run/bus && mount -o "remount,bind,$1" /run/bus && '
              'shift && exec "$@"')
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, gate.path.parent, options, *command]


def tried(container, gate, how):
    done = subprocess.run([str(part) for part in container(gate, how, ["/usr/bin/python3", "-c", ATTEMPTS])], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("container, how", [(bwrap, "ro-bind"), (mounted, "ro,nosuid,nodev,noexec")])
def test_through_a_read_only_mount_a_container_connects_and_changes_nothing(workshop, bus, container, how):
    gate = workshop.gate(EVERYTHING, bus)
    before = os.stat(gate.path), os.stat(gate.path.parent)
    said = tried(container, gate, how)
    assert said.pop("connect") == "done"
    assert set(said.values()) <= {"Read-only file system", "Invalid cross-device link"}, said
    assert (os.stat(gate.path), os.stat(gate.path.parent), os.listdir(gate.path.parent)) == (*before, ["bus"])
    assert Peer(gate.address).name


@pytest.mark.parametrize("container, how", [(bwrap, "bind"), (mounted, "rw,nosuid,nodev,noexec")])
def test_through_a_writable_one_it_changes_all(workshop, bus, container, how):
    gate = workshop.gate(EVERYTHING, bus)
    assert set(tried(container, gate, how).values()) == {"done"}
    assert not gate.path.exists() and (gate.path.parent / "full").stat().st_size == 1 << 20
    assert gate.path.parent.stat().st_mode & 0o777 == 0o777


# What a container that may write puts in the socket's place. From here on the test itself is that container.

def take_the_place(gate):
    os.unlink(gate.path)
    own = socket.socket(socket.AF_UNIX)
    own.bind(str(gate.path))
    own.listen()
    return own


def start_again(gate, bus, config):
    return busgate("run", "--config", config, "--session", gate.path, "--bus", f"session={bus.address}", "--require-all")


def test_whoever_comes_later_meets_the_container_instead_of_the_gate_and_those_who_are_there_stay(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus)
    before = Peer(gate.address)
    own = take_the_place(gate)
    later = socket.socket(socket.AF_UNIX)
    later.connect(str(gate.path))
    later.sendall(b"\0AUTH EXTERNAL\r\n")
    assert own.accept()[0].recv(100) == b"\0AUTH EXTERNAL\r\n"
    before.fence()


def test_the_gate_leaves_the_containers_socket_alone_when_it_ends_and_is_refused_its_place_until_that_is_gone(workshop, bus):
    config = workshop.config(EVERYTHING)
    gate = workshop.gate(config, bus)
    own = take_the_place(gate)
    identity = os.stat(gate.path).st_ino
    assert gate.terminate() == 0
    assert os.stat(gate.path).st_ino == identity
    refused(start_again(gate, bus, config), 78, "another process listens", gate.path)
    assert os.stat(gate.path).st_ino == identity
    own.close()
    assert Peer(workshop.gate(config, bus).address).name


@pytest.mark.parametrize("kind", ["a file", "a socket that is listened on", "a stale socket", "nothing"])
def test_a_link_in_the_sockets_place_is_not_followed(workshop, bus, kind):
    """Nothing that is the host's is opened, connected to, removed or changed through it."""
    config, gate = workshop.config(EVERYTHING), workshop.gate(EVERYTHING, bus)
    target, listener = workshop.directory / "target", socket.socket(socket.AF_UNIX)
    if kind == "a file":
        target.write_text("the host's")
    elif kind != "nothing":
        listener.bind(str(target))
        if kind == "a stale socket":
            listener.close()
        else:
            listener.listen()
            listener.setblocking(False)
    if target.exists():
        target.chmod(0o600)
    gate.terminate()
    gate.path.symlink_to(target)
    before = target.lstat() if target.exists() else None
    refused(start_again(gate, bus, config), 78, gate.path, "is no socket; it is left alone")
    assert (target.lstat() if target.exists() else None) == before and gate.path.is_symlink()
    if kind == "a socket that is listened on":
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_link_in_the_place_of_a_directory_is_followed_which_is_why_the_innermost_is_mounted(workshop, bus):
    """A container that may write above the socket's directory says where the next socket is made, though not what it is called."""
    gate = workshop.gate(EVERYTHING, bus, socket="radio/bus/session")
    elsewhere = workshop.directory / "elsewhere"
    elsewhere.mkdir()
    gate.terminate()
    gate.path.parent.rename(workshop.directory / "radio/gone")
    gate.path.parent.symlink_to(elsewhere)
    again = workshop.gate(EVERYTHING, bus, socket="radio/bus/session")
    assert (elsewhere / "session").is_socket()
    assert again.terminate() == 0
    assert not (elsewhere / "session").exists()
