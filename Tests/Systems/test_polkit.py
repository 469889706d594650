"""The rules of contrib/examples/polkit in a real polkitd: what a container may do through its gate is what its gate's user may."""

import subprocess
import sys

import pytest
from gi.repository import GLib
from roots import TREE, unpacked

sys.path.insert(0, str(TREE / "Tests/EndToEnd"))

from peer import RETURN, Peer, call, driver_call, error_of, strings  # noqa: E402
from system_bus import Place  # noqa: E402

import harness  # noqa: E402

RULES = TREE / "contrib/examples/polkit/10-busgate-radio.rules"
POLKIT = "org.freedesktop.PolicyKit1"
SET_TIMEZONE, SET_TIME = "org.freedesktop.timedate1.set-timezone", "org.freedesktop.timedate1.set-time"
# One that is open to everybody, by its own defaults.
OPEN = "org.example.open"
ACTION = """<?xml version="1.0"?>
<policyconfig><action id="org.example.open"><description>Open</description><message>Open</message>
<defaults><allow_any>yes</allow_any><allow_inactive>yes</allow_inactive><allow_active>yes</allow_active></defaults></action></policyconfig>"""


def packages():
    return unpacked("polkitd", "libpolkit-gobject-1-0", "libpolkit-agent-1-0", "libduktape207", "systemd")


class Polkit(harness.Child):
    """polkitd with these rules, at this bus, in a container that has them where it looks for them."""

    def __init__(self, bus, directory, *rules):
        package = packages()
        etc, actions = directory / "rules.d", directory / "actions"
        etc.mkdir()
        actions.mkdir()
        for rule in rules:
            (etc / rule.name).write_text(rule.read_text())
        (actions / "org.example.policy").write_text(ACTION)
        timedate = "org.freedesktop.timedate1.policy"
        (actions / timedate).write_text((package / "usr/share/polkit-1/actions" / timedate).read_text())
        libraries = ":".join(str(path) for path in package.glob("usr/lib/*-linux-gnu"))
        owner = Peer(bus.address)
        owner.ask(driver_call("AddMatch", strings(f"type='signal',member='NameOwnerChanged',arg0='{POLKIT}'")))
        links = [part for name in ("bin", "sbin", "lib", "lib64") for part in ("--symlink", f"usr/{name}", f"/{name}")]
        super().__init__([
            "bwrap", "--die-with-parent", "--ro-bind", "/usr", "/usr", *links, "--tmpfs", "/usr/share", "--perms", "0755", "--dir", "/etc",
            "--ro-bind", package / "etc/polkit-1", "/etc/polkit-1", "--ro-bind", package / "usr/share/polkit-1", "/usr/share/polkit-1",
            "--ro-bind", bus.users / "etc/passwd", "/etc/passwd", "--ro-bind", bus.users / "etc/group", "/etc/group",
            "--ro-bind", etc, "/etc/polkit-1/rules.d", "--ro-bind", actions, "/usr/share/polkit-1/actions",
            "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run", "--tmpfs", "/tmp", "--ro-bind", directory, directory,
            "--ro-bind", package, package, "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--cap-add", "ALL",
            "--setenv", "DBUS_SYSTEM_BUS_ADDRESS", bus.address, "--setenv", "LD_LIBRARY_PATH", libraries,
            package / "usr/lib/polkit-1/polkitd"])
        owner.await_member("NameOwnerChanged")
        owner.close()


class TimeService:
    """A service that asks polkit about whoever calls it, as services with privileged methods do, and answers what polkit says."""

    def __init__(self, bus):
        self.peer = Peer(bus.address)

    def verdict(self, client, action):
        """What becomes of a call of the client: True, False, or "challenge" where polkit would ask somebody for a password."""
        client.send(call(self.peer.name, "/", "org.example.Time1", "Set"))
        sender = self.peer.await_member("Set").get_sender()
        subject = ("system-bus-name", {"name": GLib.Variant("s", sender)})
        reply = self.peer.ask(call(POLKIT, f"/{POLKIT.replace('.', '/')}/Authority", f"{POLKIT}.Authority", "CheckAuthorization",
                                   GLib.Variant("((sa{sv})sa{ss}us)", (subject, action, {}, 0, ""))))
        assert reply.get_message_type() == RETURN, error_of(reply)
        is_authorized, is_challenge, _ = reply.get_body().unpack()[0]
        return "challenge" if is_challenge else is_authorized


@pytest.fixture
def workshop():
    shop = harness.Workshop("dbus-daemon")
    yield shop
    shop.close()


@pytest.fixture
def place(workshop):
    conf = packages() / "usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf"
    send = workshop.directory / "send.conf"
    send.write_text('<busconfig><policy context="default"><allow send_interface="org.example.Time1"/></policy></busconfig>')
    return Place(workshop, conf, send, users=["busgate-other", "polkitd"])


def verdicts(workshop, place, *rules):
    workshop.keep(Polkit(place.bus, workshop.directory, *rules))
    service = TimeService(place.bus)
    clients = {"radio": place.client("busgate-radio"), "other": place.client("busgate-other"), "gate of root": place.client(0)}
    return {(who, action): service.verdict(client, action) for who, client in clients.items() for action in (SET_TIMEZONE, SET_TIME, OPEN)}


def test_the_gates_user_may_what_the_rules_say_and_nothing_else_and_other_gates_as_before(workshop, place):
    assert verdicts(workshop, place, RULES) == {
        ("radio", SET_TIMEZONE): True, ("radio", SET_TIME): False, ("radio", OPEN): False,
        ("other", SET_TIMEZONE): "challenge", ("other", SET_TIME): "challenge", ("other", OPEN): True,
        ("gate of root", SET_TIMEZONE): True, ("gate of root", SET_TIME): True, ("gate of root", OPEN): True}


def test_without_the_rules_a_gate_may_what_every_user_may_and_one_of_root_may_everything(workshop, place):
    seen = verdicts(workshop, place)
    assert [seen["radio", action] for action in (SET_TIMEZONE, SET_TIME, OPEN)] == ["challenge", "challenge", True]
    assert [seen["other", action] for action in (SET_TIMEZONE, SET_TIME, OPEN)] == ["challenge", "challenge", True]
    assert [seen["gate of root", action] for action in (SET_TIMEZONE, SET_TIME, OPEN)] == [True, True, True]


def test_rules_that_do_not_parse_are_said_and_open_nothing(workshop, place):
    broken = workshop.directory / RULES.name
    broken.write_text(RULES.read_text().replace("polkit.Result.YES;", "polkit.Result.(;"))
    assert broken.read_text() != RULES.read_text()
    polkit = workshop.keep(Polkit(place.bus, workshop.directory, broken))
    polkit.out.wait_for("Error compiling script", RULES.name)
    assert TimeService(place.bus).verdict(place.client("busgate-radio"), SET_TIMEZONE) == "challenge"


def test_pkcheck_tells_what_a_running_gate_may(workshop, place):
    """As the page says: by the process of the gate, without a service that asks."""
    workshop.keep(Polkit(place.bus, workshop.directory, RULES))
    gate = place.gate("busgate-radio")
    package = packages()
    libraries = ":".join(str(path) for path in package.glob("usr/lib/*-linux-gnu"))
    status = {action: subprocess.run(
        [package / "usr/bin/pkcheck", "-a", action, "-p", str(gate.pid)], capture_output=True,
        env={"DBUS_SYSTEM_BUS_ADDRESS": place.bus.address, "LD_LIBRARY_PATH": libraries}).returncode for action in (SET_TIMEZONE, SET_TIME)}
    assert status == {SET_TIMEZONE: 0, SET_TIME: 1}
