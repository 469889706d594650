"""A host of gates: a guest with busgate's programs and units in place, the demonstration's service on its system bus, and ways to be a client
in a container. The tests of the units share one for each version of systemd, each with instances of its own."""

import json
import shlex
import subprocess

import guests
import roots

SERVICE = "com.pelagicore.TemperatureService"
OBJECT = "/com/pelagicore/TemperatureService"

TEMPERATURE_UNIT = f"""[Service]
Type=dbus
BusName={SERVICE}
ExecStart=/usr/local/bin/temperature-service --system --interval 0
[Install]
WantedBy=multi-user.target
"""
BUS_POLICY = f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <policy user="root"><allow own="{SERVICE}"/></policy>
  <policy context="default"><allow send_destination="{SERVICE}"/></policy>
</busconfig>
"""

# Scripts in the guest. A container is a mount namespace with the gate's directory below /mnt, mounted as UNITS.md says.
MOUNT = 'mount --bind "/run/busgate/$name/bus" /mnt && mount -o remount,bind,ro,nosuid,nodev,noexec /mnt'
CLIENT = "env DBUS_SYSTEM_BUS_ADDRESS=unix:path=/mnt/system DBUS_SESSION_BUS_ADDRESS=unix:path=/mnt/system"
SCRIPTS = {
    "container": f"""#!/bin/bash
# container NAME COMMAND…: runs COMMAND in a container of its own.
set -eu
name=$1; shift; export name
exec unshare --mount --propagation private bash -euc '{MOUNT}; exec {CLIENT} "$@"' container "$@"
""",
    "start-box": f"""#!/bin/bash
# start-box NAME: a container that stays; it is there when this returns.
set -eu
name=$1; export name
mkfifo "/run/box-$name"
systemd-run --quiet --unit="box-$name" --setenv=name unshare --mount --propagation private \\
  bash -euc '{MOUNT}; echo >"/run/box-$name"; exec sleep infinity'
read -r _ <"/run/box-$name"
""",
    "in-box": f"""#!/bin/bash
# in-box NAME COMMAND…: runs COMMAND in that container.
set -eu
exec nsenter --mount --target "$(systemctl show --property=MainPID --value "box-$1")" {CLIENT} "${{@:2}}"
""",
    "mapped": f"""#!/bin/bash
# mapped NAME COMMAND…: as `container`, as its user 1000, which is 201000 outside.
set -eu
name=$1; shift; export name
export entered=/tmp/entered.$$
mkfifo "$entered"
unshare --mount --propagation private bash -euc '{MOUNT}; exec unshare --user sh -c "echo >$entered; exec sleep infinity"' &
trap "kill $!" EXIT
read -r _ <"$entered"
for map in uid_map gid_map; do echo "0 200000 65536" >"/proc/$!/$map"; done
nsenter --user --mount --target $! --setuid 1000 --setgid 1000 {CLIENT} "$@"
""",
    "wait-for": """#!/bin/bash
# wait-for UNIT COUNT PATTERN: until the journal has so many lines of the unit that match.
count=$(grep -m "$2" -E -e "$3" < <(timeout 60 journalctl --follow --lines=all --output=cat --unit="$1") | wc -l)
[ "$count" -eq "$2" ]
""",
}


def temperature_policy():
    """configs/temperature.json, for the system bus."""
    document = json.loads((roots.TREE / "configs/temperature.json").read_text())
    return {"dbus-gateway-config-session": [], "dbus-gateway-config-system": document["dbus-gateway-config-session"]}


def demonstration():
    """The demonstration's programs, compiled once."""
    directory = roots.SYSTEMS / "demo"
    directory.mkdir(parents=True, exist_ok=True)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "gio-unix-2.0"], check=True, capture_output=True, text=True).stdout.split()
    for name in ("temperature-service", "fd-client"):
        source, program = roots.TREE / f"contrib/demo/{name}.c", directory / name
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["cc", "-std=gnu11", "-O2", "-o", program, source, *flags], check=True)
    return directory


class Host(guests.Guest):
    def __init__(self, overlay):
        for kind in ("system", "user"):
            overlay.put(roots.TREE / "contrib/systemd" / kind, f"/usr/lib/systemd/{kind}")
        overlay.put(roots.TREE / "contrib/systemd/tmpfiles.d/busgate.conf", "/usr/lib/tmpfiles.d/busgate.conf")
        for name in ("busgate", "busgatectl"):
            overlay.put((roots.TREE / "build/bin" / name).resolve(), f"/usr/bin/{name}")
        for name in ("temperature-service", "fd-client"):
            overlay.put(demonstration() / name, f"/usr/local/bin/{name}")
        for name, text in SCRIPTS.items():
            overlay.write(f"/usr/local/bin/{name}", text, 0o755)
        overlay.write("/etc/systemd/system/temperature.service", TEMPERATURE_UNIT)
        overlay.path("/etc/systemd/system/multi-user.target.wants").mkdir(exist_ok=True)
        overlay.link("../temperature.service", "/etc/systemd/system/multi-user.target.wants/temperature.service")
        overlay.write(f"/etc/dbus-1/system.d/{SERVICE}.conf", BUS_POLICY)
        self.before_booting(overlay)
        super().__init__(overlay)

    @staticmethod
    def before_booting(overlay):
        """The instance `radio` and its container, as an integrator enables them: they come up with the system."""
        overlay.write("/etc/busgate/radio.json", json.dumps(temperature_policy()))
        overlay.path("/etc/systemd/system/sockets.target.wants").mkdir(exist_ok=True)
        overlay.link("/usr/lib/systemd/system/busgate@.socket", "/etc/systemd/system/sockets.target.wants/busgate@radio.socket")
        overlay.write("/etc/systemd/system/radio-container.service", f"""[Unit]
Requires=busgate@radio.socket
After=busgate@radio.socket temperature.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/bin/container radio {ask("GetTemperature")}
""")
        overlay.link("../radio-container.service", "/etc/systemd/system/multi-user.target.wants/radio-container.service")

    def write(self, path, text, mode=0o644):
        text = text if isinstance(text, str) else json.dumps(text)
        self.run(f"mkdir -p $(dirname {path}); install -m {mode:o} /dev/stdin {path}.new <<'END'\n{text}\nEND\nmv {path}.new {path}")

    def instance(self, name, policy=None):
        """An instance whose socket listens."""
        self.write(f"/etc/busgate/{name}.json", policy or temperature_policy())
        self.run(f"systemctl start busgate@{name}.socket")
        return name

    def call(self, name, *call, way="container"):
        """What a call says that a container of the instance makes: its status and its output."""
        return self.run(f"{way} {name} {ask(*call)}", check=False)

    def show(self, unit, *properties):
        """Their values, as one word each."""
        return [self.run(f"systemctl show --value --property={name} {unit}").output.strip() for name in properties]

    def journal(self, unit, pattern=""):
        return [line for line in self.run(f"journalctl --sync; journalctl -o cat -u {unit}").output.splitlines() if pattern in line]


def ask(method, *arguments):
    """The command of a call to the demonstration's service."""
    return shlex.join(["gdbus", "call", "--system", "--dest", SERVICE, "--object-path", OBJECT, "--method", f"{SERVICE}.{method}", *arguments])


def is_served(done):
    """Whether GetTemperature was answered."""
    return done.status == 0 and done.output.startswith("(") and done.output.endswith(",)\n")


def is_refused(done, method):
    return done.status != 0 and ("org.freedesktop.DBus.Error.AccessDenied: busgate: outgoing call "
                                 f"{SERVICE}.{method} on {OBJECT} is not allowed by the SYSTEM policy") in done.output
