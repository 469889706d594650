"""busgate as a service manager starts it: with sockets that listen already, a socket to notify, other users, other namespaces."""

import contextlib
import ctypes
import fcntl
import os
import select
import socket
import subprocess
import threading

import pytest

from harness import BUSGATE, PATIENCE, await_byte, command_line
from wire import SIGNAL, eventually, join, message

NOBODY = 65534


def busgate(*arguments, **options):
    """Runs it to its end."""
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(command_line([BUSGATE, *arguments]), capture_output=True, text=True, timeout=PATIENCE, **options)


def refused(done, status, *parts):
    """It ended with this status, nothing on standard output and one line on standard error that has all parts in it."""
    assert (done.returncode, done.stdout) == (status, ""), (done.returncode, done.stdout, done.stderr)
    assert done.stderr.endswith("\n") and done.stderr.count("\n") == 1, done.stderr
    for part in parts:
        assert str(part) in done.stderr
    return True


def start(workshop, *arguments, ready=True, **options):
    """A gate of any command line; returns once it is ready."""
    if not ready:
        return workshop.child([BUSGATE, "run", *arguments], **options)
    read, write = os.pipe()
    gate = workshop.child([BUSGATE, "run", *arguments, "--ready-fd", str(write)], pass_fds=[write, *options.pop("pass_fds", [])], **options)
    os.close(write)
    await_byte(read, gate, is_closed_after=True)
    return gate


def connect(address):
    """A socket connected to a path, or to an abstract name that starts with NUL."""
    end = socket.socket(socket.AF_UNIX)
    end.settimeout(PATIENCE)
    end.connect(address if isinstance(address, (str, bytes)) else str(address))
    return end


# Sockets that listen already

def listening(path, backlog=128, kind=socket.SOCK_STREAM):
    end = socket.socket(socket.AF_UNIX, kind)
    end.bind(path if isinstance(path, bytes) else str(path))
    if backlog is not None:
        end.listen(backlog)
    return end


@contextlib.contextmanager
def impostor(path, answer):
    """Somebody who listens where a gate's admin socket is expected, and gives one client that answer."""
    with listening(path) as listener:
        def serve():
            with listener.accept()[0] as peer:
                peer.recv(4096)
                peer.sendall(answer)

        serving = threading.Thread(target=serve)
        serving.start()
        yield path
        serving.join()


def handed_over(sockets, command, names=None, pid="$$", count=None):
    """A command line that runs ``command`` with the sockets as descriptors 3, 4, …, and what has to be passed to Popen for it.

    The shell becomes the command by exec: LISTEN_PID is its own number."""
    high = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 100) for one in sockets]
    moves = " ".join(f"{to}<&{one} {one}<&-" for to, one in enumerate(high, 3))
    variables = [f"LISTEN_PID={pid}" if pid is not None else "", f"LISTEN_FDS={len(sockets) if count is None else count}"]
    if names is not None:
        variables.append(f"LISTEN_FDNAMES='{names}'")
    line = ["bash", "-c", f"export {' '.join(variables)}; exec \"$@\" {moves}", "bash", *map(str, command)]
    return line, high


def start_with_sockets(workshop, sockets, *arguments, names, **options):
    """A gate that takes over sockets; returns once it is ready."""
    read, write = os.pipe()
    line, high = handed_over(sockets, command_line([BUSGATE, "run", *arguments, "--ready-fd", write]), names)
    gate = workshop.child(line, pass_fds=[write, *high], **options)
    for descriptor in [write, *high]:
        os.close(descriptor)
    await_byte(read, gate, is_closed_after=True)
    return gate


def run_with_sockets(sockets, *arguments, **how):
    """The same, to its end."""
    line, high = handed_over(sockets, command_line([BUSGATE, "run", *arguments]), **how)
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, pass_fds=high)
    for descriptor in high:
        os.close(descriptor)
    return done


# The service manager's ear

class NotifySocket:
    """NOTIFY_SOCKET: a datagram socket at a path or an abstract name (``@…``)."""

    def __init__(self, name):
        self.name = str(name)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE)
        self.socket.bind("\0" + self.name[1:] if self.name.startswith("@") else self.name)

    @property
    def environment(self):
        return {**os.environ, "NOTIFY_SOCKET": self.name}

    def receive(self):
        """The next message, by variables."""
        return dict(line.split("=", 1) for line in self.socket.recv(65536).decode().splitlines())

    def receive_key(self, key):
        while key not in (got := self.receive()):
            pass
        return got

    def fill(self):
        """Lets so many datagrams wait that the kernel takes no more (net.unix.max_dgram_qlen)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler, pytest.raises(BlockingIOError):
            filler.connect(self.name)
            filler.setblocking(False)
            while True:
                filler.send(b"FILL=1")

    def is_quiet(self):
        return not select.select([self.socket], [], [], 0)[0]

    def close(self):
        self.socket.close()

    kill = close


# Other users

# Connects, claims to be somebody, and says the first word of the answer.
CLAIM = """
import os, socket, sys
where, claimed = sys.argv[1:3]
client = socket.socket(socket.AF_UNIX)
client.connect("\\0" + where[1:] if where.startswith("@") else where)
client.sendall(b"\\0AUTH " + claimed.encode() + b"\\r\\n")
answer = b""
while not answer.endswith(b"\\r\\n"):
    answer += client.recv(100)
print(answer.decode().strip())
"""


def only_for_root():
    """The rest of the test is about other users."""
    if os.getuid() != 0:
        pytest.skip("only root can be somebody else")


def external(uid):
    return f"EXTERNAL {str(uid).encode().hex()}"


def claim_as(uid, where, claimed):
    """What is answered to a process of user ``uid`` that claims to be ``claimed``, an AUTH command's argument."""
    command = ["/usr/bin/python3", "-c", CLAIM, str(where), claimed]
    if uid != os.getuid():
        only_for_root()
        command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# Peers that do not read

def is_asleep(gate):
    """Whether the process waits for events, and has dealt with those that there were."""
    with open(f"/proc/{gate.pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"


def expect_rest(gate):
    """Returns when the process sleeps through a thousand looks at it; one that turns in a loop never does, however seldom it is let."""
    def turns():
        with open(f"/proc/{gate.pid}/schedstat") as file:
            return int(file.read().split()[2])

    def rests():
        before = turns()
        return all(is_asleep(gate) for _ in range(1000)) and turns() == before

    eventually(rests, "the gate does not come to rest")


def spent_meanwhile(workshop, bus, pid):
    """Nanoseconds of a processor's time that a process spends while others talk past it: next to none, if it waits for events."""
    def spent():
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[0])

    talker = join(workshop, bus.path)
    before = spent()
    for _ in range(3000):
        talker.round_trip()
    return spent() - before


def flood(gate, sender):
    """Sends messages of which the receiver takes none, until nothing takes more: not the receiver's socket, not the gate, not our own."""
    sender.socket.setblocking(False)
    serial, left, is_full = 1000, b"", False
    while not is_full:
        eventually(lambda: is_asleep(gate), "the gate does not come to rest")
        is_full = True
        try:
            while True:
                left = left or message(SIGNAL, serial, path="/f", interface="f.f", member="Flood", sender=":1.2", signature="ay",
                                       body=bytes(30000))
                left = left[sender.socket.send(left):]
                is_full = False
                serial += not left
        except BlockingIOError:
            pass
    sender.socket.settimeout(PATIENCE)


class Inotify:
    """What happens in a directory, event by event."""

    CREATE, ATTRIBUTES, DELETE, OPEN = 0x100, 0x4, 0x200, 0x20

    def __init__(self, directory, mask):
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init1(os.O_CLOEXEC)
        assert libc.inotify_add_watch(self.descriptor, os.fsencode(directory), mask) >= 0
        self.waiting = b""

    def next(self, patience=PATIENCE):
        """The next event's mask and name; None: there was none."""
        while len(self.waiting) < 16:
            if not select.select([self.descriptor], [], [], patience)[0]:
                return None
            self.waiting += os.read(self.descriptor, 65536)
        mask = int.from_bytes(self.waiting[4:8], "little")
        count = int.from_bytes(self.waiting[12:16], "little")
        name = self.waiting[16:16 + count].rstrip(b"\0").decode()
        self.waiting = self.waiting[16 + count:]
        return mask, name

    def close(self):
        os.close(self.descriptor)
