"""Gates of several users at a system bus: dbus-daemon with the configuration that Debian's has, in a place of its own.

What it does not have is services, and users beside the machine's and those that the test names.
"""

import os
import pathlib
import re
import shutil
import subprocess

from harness import BUSGATE, EVERYTHING, ROOT, Child, Gate, await_byte
from peer import Peer

USERS = ROOT / "contrib/examples/bus-policy/sysusers.conf"
SYSTEM_BUS = pathlib.Path("/usr/share/dbus-1/system.conf")
OPEN_TO_ALL = ["org.freedesktop.systemd1", "org.freedesktop.login1"]
# What services on a real system bring with them: they own their names, and these two are anybody's to call.
OTHERS = """<busconfig>
  <policy user="root"><allow own="org.example.Tuner"/>{own}</policy>
  <policy context="default">{send}</policy>
</busconfig>"""


class SystemBus(Child):
    """dbus-daemon with Debian's configuration of the system bus, in a place of its own, where the users of ``sysusers`` are known."""

    def __init__(self, directory, *files, sysusers=()):
        self.path = directory / "system_bus_socket"
        self.address = f"unix:path={self.path}"
        self.users = directory / "users"
        (self.users / "etc").mkdir(parents=True)
        for name in ("passwd", "group"):
            shutil.copy(f"/etc/{name}", self.users / "etc")
        if sysusers:
            subprocess.run(["systemd-sysusers", f"--root={self.users}", *sysusers], check=True, capture_output=True)
        includes = directory / "system.d"
        includes.mkdir()
        (includes / "others.conf").write_text(OTHERS.format(
            own="".join(f'<allow own="{name}"/>' for name in OPEN_TO_ALL),
            send="".join(f'<allow send_destination="{name}"/>' for name in OPEN_TO_ALL)))
        for file in files:
            shutil.copy(file, includes)
        config = directory / "system.conf"
        config.write_text(self.moved(SYSTEM_BUS.read_text(), includes))
        read, write = os.pipe()
        super().__init__(
            ["bwrap", "--die-with-parent", "--dev-bind", "/", "/", "--ro-bind", self.users / "etc/passwd", "/etc/passwd",
             "--ro-bind", self.users / "etc/group", "/etc/group", "--cap-add", "ALL", "dbus-daemon", "--nofork", "--nopidfile", f"--config-file={config}", f"--print-address={write}"],
            pass_fds=[write])
        os.close(write)
        await_byte(read, self)

    def moved(self, text, includes):
        """Its rules as they are; not its user, its way into the background, its log and its place."""
        text = re.sub(r"<user>.*?</user>|<fork/>|<syslog/>|<pidfile>.*?</pidfile>|<include.*?</include\w*>|<standard_system_servicedirs/>", "", text)
        text = re.sub(r"<listen>.*?</listen>", f"<listen>{self.address}</listen>", text)
        return text.replace("</busconfig>", f"<includedir>{includes}</includedir></busconfig>")

    def uid(self, name):
        return int(re.search(rf"^{name}:x:(\d+):", (self.users / "etc/passwd").read_text(), re.MULTILINE)[1])


class Place:
    """A bus, and gates of users of their own at it that let everything through, so that only the bus says no."""

    def __init__(self, workshop, *files, known=True, users=("busgate-other",)):
        self.workshop = workshop
        workshop.let_others_in()
        self.program = pathlib.Path(shutil.copy(BUSGATE, workshop.directory))  # the checkout may be in a directory that is root's alone
        sysusers = workshop.directory / "others.conf"
        sysusers.write_text("".join(f"u {user} -\n" for user in users))
        self.bus = workshop.keep(SystemBus(workshop.directory, *files, sysusers=[USERS, sysusers] if known else []))
        self.config = workshop.config({"dbus-gateway-config-system": EVERYTHING})
        self.config.chmod(0o644)

    def gate(self, user):
        uid = user if isinstance(user, int) else self.bus.uid(user)
        directory = self.workshop.directory / f"gate-{uid}"
        directory.mkdir()
        os.chown(directory, uid, uid)
        return self.workshop.keep(Gate(directory, self.config, self.bus.address, listen="--system", name="system", socket="bus",
                                       executable=self.program, user=uid, group=uid, extra_groups=[]))

    def service(self, name):
        """One that owns this name and no other: a rule about a destination means whoever owns that name, whatever else it owns."""
        peer = Peer(self.bus.address)
        peer.own(name)
        return peer

    def client(self, user):
        return Peer(self.gate(user).address)
