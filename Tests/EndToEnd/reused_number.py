"""A client that ends after it connected, and another process that gets its number: reused_number.py SOCKET CLAIM GATE…

To be run as root in a PID namespace of its own (unshare --pid --fork --mount-proc), which ends with it. GATE… starts a gate that listens on SOCKET. The
client's socket lives on in its child, which authenticates as CLAIM once the number is that of a process in whose user namespace CLAIM is who the client was outside.
Prints the first word of the gate's answer to that.
"""

import ctypes
import os
import socket
import subprocess
import sys

CLONE_NEWUSER = 0x10000000


def began(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[19]


def child(body):
    pid = os.fork()
    if pid == 0:
        try:
            body()
        finally:
            os._exit(0)
    return pid


def asked(end, line):
    end.sendall(line)
    return end.recv(100).split()[0]


def main(path, claim, *gate):
    listens, connected, taken, answered, ready, end = (os.pipe() for _ in range(6))
    subprocess.Popen([*gate, "--ready-fd", str(listens[1])], pass_fds=[listens[1]])
    os.read(listens[0], 1)

    def client():
        gate = socket.socket(socket.AF_UNIX)
        gate.connect(path)
        # An answer: the gate has looked at who it is.
        assert asked(gate, b"\0AUTH\r\n") == b"REJECTED"
        if os.fork():
            os._exit(0)
        os.write(connected[1], b"x")
        os.read(taken[0], 1)
        os.write(answered[1], asked(gate, f"AUTH EXTERNAL {claim.encode().hex()}\r\n".encode()))

    def other():
        assert ctypes.CDLL(None).unshare(CLONE_NEWUSER) == 0
        os.write(ready[1], b"x")
        os.read(end[0], 1)

    first = child(client)
    old = began(first)
    os.read(connected[0], 1)
    os.waitpid(first, 0)
    while True:
        with open("/proc/sys/kernel/ns_last_pid", "w") as last:
            last.write(str(first - 1))
        second = child(other)
        os.read(ready[0], 1)
        # They are told apart by the tick of the clock at which they began.
        if second == first and began(second) != old:
            break
        os.kill(second, 9)
        os.waitpid(second, 0)
    with open(f"/proc/{second}/uid_map", "w") as file:
        file.write(f"{claim} 0 1\n")
    os.write(taken[1], b"x")
    print(os.read(answered[0], 100).decode())


main(*sys.argv[1:])
