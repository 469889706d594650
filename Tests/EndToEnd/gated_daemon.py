#!/usr/bin/python3
"""A dbus-daemon with a proxy before it, for programs that start a bus of their own: called as dbus-daemon, it starts the real one, and the
address that it prints is the proxy's. It lives as long as the daemon, and is ended with it.

BUSGATE_PROXY is the proxy, an xdg-dbus-proxy that filters nothing or a dbus-proxy that allows everything; BUSGATE_GATED is a file that gets a line for
each daemon that has one. A daemon that leaves its starter (--fork) has none.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from harness import Watch

DAEMON = "/usr/bin/dbus-daemon"
PR_SET_PDEATHSIG = 1
EVERYTHING = b'{"dbus-gateway-config-session": [{"direction": "*", "interface": "*", "object-path": "*", "method": "*"}]}'


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def is_classic(program):
    return os.path.basename(program) == "dbus-proxy"


def start(program, address, path):
    """A proxy that serves, and a descriptor: xdg-dbus-proxy ends with its other end."""
    ready, write = os.pipe()
    if not is_classic(program):
        proxy = subprocess.Popen([program, f"--fd={write}", address, path], pass_fds=[write])
        os.close(write)
        os.read(ready, 1)
        return proxy, ready
    os.close(write)
    watch = Watch(os.path.dirname(path))
    proxy = subprocess.Popen([program, path, "session"], stdin=subprocess.PIPE, env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": address},
                             preexec_fn=die_with_parent)
    # What waits in a pipe is read before a client that is not there yet.
    proxy.stdin.write(EVERYTHING + b"\n")
    proxy.stdin.flush()
    watch.wait_for_file(path)
    return proxy, ready


def main():
    arguments = sys.argv[1:]
    asked = [one for one in arguments if one.startswith("--print-address")]
    if len(asked) != 1 or "--fork" in arguments:
        os.execv(DAEMON, [DAEMON, *arguments])
    target = int(asked[0].partition("=")[2] or 1)
    read, write = os.pipe()
    arguments[arguments.index(asked[0])] = f"--print-address={write}"
    daemon = subprocess.Popen([DAEMON, *arguments], pass_fds=[write], preexec_fn=die_with_parent)
    signal.signal(signal.SIGTERM, lambda number, frame: daemon.terminate())
    os.close(write)
    address = os.read(read, 4096).decode().strip()
    if not address:
        sys.exit(daemon.wait())
    directory = tempfile.mkdtemp(dir=os.path.dirname(os.environ["BUSGATE_GATED"]))
    path = f"{directory}/bus"
    proxy, ready = start(os.environ["BUSGATE_PROXY"], address, path)
    with open(os.environ["BUSGATE_GATED"], "a") as marks:
        marks.write("gated\n")
    guid = "".join(f",{part}" for part in address.split(",") if part.startswith("guid="))
    os.write(target, f"unix:path={path}{guid}\n".encode())
    status = daemon.wait()
    os.close(ready)
    if is_classic(os.environ["BUSGATE_PROXY"]):
        proxy.terminate()
    proxy.wait()
    shutil.rmtree(directory)
    sys.exit(status)


if __name__ == "__main__":
    main()
