"""dbus-broker as a bus of the test's own, without its launcher, which wants a journal and a systemd.

We are its controller: over a socket pair it is handed a listening socket and a policy that allows everything, and asked now and
then for what only a launcher knows, and to start a service. Who calls it: ``Workshop.bus``.
"""

import os
import shlex
import socket
import subprocess
import threading

from harness import PATIENCE, Child
from wire import METHOD_CALL, METHOD_RETURN, Ended, Peer, call, message

# A policy as dbus-broker's AddListener takes it: by user, by group, for SELinux, for AppArmor, and the type of the bus. Of a user, whether
# it may connect, and rules about owning, sending and receiving: a verdict, a priority of which the highest wins, and what it is about.
RULES = "(bta(btbs)a(btssssuutt)a(btssssuutt))"
POLICY = f"(a(u{RULES})a(buu{RULES})a(ss)bs)"
EVERY_USER = 0xFFFFFFFF
ANY_NUMBER_OF_DESCRIPTORS = (0, (1 << 64) - 1)
MACHINE_ID = "0123456789abcdef0123456789abcdef"
# Of a user, and here everybody is one: more than the daemon's configuration lets that user's 4096 connections have. 32 bits each.
LIMITS = [part for what in ("bytes", "fds", "matches", "objects") for part in (f"--max-{what}", 1 << 30)]


def open_policy(kind):
    """Connecting, owning any name, sending and receiving anything is allowed to everybody."""
    anything = (1, 1, "", "", "", "", 0, 0, *ANY_NUMBER_OF_DESCRIPTORS)
    rules = (1, 1, [(1, 1, 1, "")], [anything], [anything])
    return (POLICY, ([(EVERY_USER, rules)], [], [], 0, kind))


class Broker(Child):
    """A dbus-broker of the test's own."""

    program = "dbus-broker"

    def __init__(self, directory, kind="session", name="bus", activatable=None):
        """``activatable`` has the commands, as one line each, that start services, by name."""
        self.path = directory / name
        self.address = f"unix:path={self.path}"
        ours, its = socket.socketpair()
        with its:
            super().__init__(["dbus-broker", "--controller", its.fileno(), "--machine-id", MACHINE_ID, *LIMITS], pass_fds=[its.fileno()])
        self._controller, self._thread = Peer(ours), None
        self._activatable, self._started = list((activatable or {}).items()), []
        try:
            self._listen(kind)
            for number, (service, _) in enumerate(self._activatable):
                self._ask("AddName", "osu", [f"/org/bus1/DBus/Name/{number}", service, os.getuid()])
        except Exception as error:
            self.kill()
            raise AssertionError(f"did not get ready: {error!r}\n" + "\n".join(self.log.lines)) from error
        ours.settimeout(None)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _listen(self, kind):
        """Returns when the broker has taken the socket: then it accepts."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.path))
            listener.listen(socket.SOMAXCONN)
            listener.setblocking(False)
            self._controller.send(b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
            assert [self._controller.line().split()[0] for _ in range(3)] == ["DATA", "OK", "AGREE_UNIX_FD"]
            self._ask("AddListener", "ohv", ["/org/bus1/DBus/Listener/0", 0, open_policy(kind)], [listener.fileno()])

    def _ask(self, member, signature, args, fds=()):
        serial = self._controller.next_serial()
        request = call(serial, None, member, "org.bus1.DBus.Broker", "/org/bus1/DBus/Broker", signature=signature, fds=len(fds) or None, args=args)
        self._controller.send(request, fds)
        reply = self._controller.receive_reply(serial)
        assert reply.type == METHOD_RETURN, reply

    def _serve(self):
        """Says yes to what the launcher is asked, such as to reload its configuration, and starts services, until the broker ends."""
        try:
            while True:
                asked = self._controller.receive()
                if asked.type == METHOD_CALL:
                    self._controller.send(message(METHOD_RETURN, self._controller.next_serial(), reply=asked.serial))
                elif asked.member == "Activate":
                    command = self._activatable[int(asked.path.rpartition("/")[2])][1]
                    environment = {**os.environ, "DBUS_STARTER_ADDRESS": self.address}
                    self._started.append(subprocess.Popen(shlex.split(command), env=environment, stdin=subprocess.DEVNULL))
        except (Ended, OSError):
            pass

    def kill(self):
        super().kill()
        for started in self._started:
            started.kill()
            started.wait(PATIENCE)
        if self._thread:
            self._thread.join(PATIENCE)  # which ends with the broker
        self._controller.close()
