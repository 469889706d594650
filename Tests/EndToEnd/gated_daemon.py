#!/usr/bin/python3
"""A dbus-daemon with xdg-dbus-proxy before it, for programs that start a bus of their own: called as dbus-daemon, it starts the real one, and the
address that it prints is the proxy's. It lives as long as the daemon, and is ended with it.

BUSGATE_PROXY is the proxy; BUSGATE_GATED is a file that gets a line for each daemon that has one. A daemon that leaves its starter (--fork)
has none.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile

DAEMON = "/usr/bin/dbus-daemon"
PR_SET_PDEATHSIG = 1


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


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
    ready, write = os.pipe()
    proxy = subprocess.Popen([os.environ["BUSGATE_PROXY"], f"--fd={write}", address, path],
                             pass_fds=[write])
    os.close(write)
    os.read(ready, 1)
    with open(os.environ["BUSGATE_GATED"], "a") as marks:
        marks.write("gated\n")
    guid = "".join(f",{part}" for part in address.split(",") if part.startswith("guid="))
    os.write(target, f"unix:path={path}{guid}\n".encode())
    status = daemon.wait()
    os.close(ready)
    proxy.wait()
    shutil.rmtree(directory)
    sys.exit(status)


if __name__ == "__main__":
    main()
