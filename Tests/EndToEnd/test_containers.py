"""Clients in a container that has only the gate's directory, and in a user namespace in which their user is another."""

import os
import pathlib
import subprocess

import pytest

from harness import PATIENCE, rule
from peer import RETURN, Peer, call, error_of, refusal, strings

decided_by_the_gate = pytest.mark.one_bus("the gate alone decides who a client is")

SOCKET = "/run/bus/bus"
ADDRESS = f"unix:path={SOCKET}"
INTERFACE = "com.example.Interface"
PATH = "/com/example/Object"

# A client that claims whom it is told to, in hexadecimal digits, and says what it is answered.
CLAIM = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
client.sendall(b"\\0AUTH EXTERNAL " + sys.argv[2].encode() + b"\\r\\n")
answer = b""
while not answer.endswith(b"\\r\\n"):
    answer += client.recv(100)
print(answer.decode().split()[0])
"""


def container(gate, uid=None):
    """The command that runs another in a container: /usr and the gate's directory; as ``uid`` in a user namespace."""
    command = ["bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
    command += ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = pathlib.Path("/") / name
        if path.is_symlink():
            command += ["--symlink", os.readlink(path), path]
        elif path.is_dir():
            command += ["--ro-bind", path, path]
    command += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--ro-bind", gate.path.parent, "/run/bus"]
    if uid is not None:
        command += ["--unshare-user", "--uid", uid, "--gid", uid]
    command += ["--clearenv", "--setenv", "DBUS_SESSION_BUS_ADDRESS", ADDRESS, "--setenv", "LC_ALL", "C.UTF-8"]
    return [str(part) for part in command]


def run(gate, *command, uid=1000):
    return subprocess.run([*container(gate, uid), *command], capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)


CLIENTS = {
    "gdbus": lambda member: ["gdbus", "call", "--session", "--dest", "com.example.Service", "--object-path", PATH, "--method",
                             f"{INTERFACE}.{member}"],
    "dbus-send": lambda member: ["dbus-send", "--session", "--print-reply", "--dest=com.example.Service", PATH, f"{INTERFACE}.{member}"],
    "busctl": lambda member: ["env", "SYSTEMD_LOG_LEVEL=debug", "busctl", "--user", "call", "com.example.Service", PATH, INTERFACE, member],
}
CLIENTS_THAT_CLAIM = ["gdbus", "dbus-send"]


@pytest.fixture
def gate(workshop, bus):
    return workshop.gate([rule("outgoing", INTERFACE, PATH, "Allowed")], bus)


@pytest.fixture
def service(bus):
    peer = Peer(bus.address)
    peer.own("com.example.Service")
    return peer


@pytest.mark.parametrize("uid", [None, 1000, 0, 65534])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_in_a_container_is_answered_whoever_it_is_in_there(workshop, gate, service, client, uid):
    child = workshop.child([*container(gate, uid), *CLIENTS[client]("Allowed")])
    service.reply(service.await_member("Allowed"), strings("hello from outside"))
    child.out.wait_for("hello from outside")
    assert child.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_in_a_container_is_refused_what_no_rule_allows(gate, service, client):
    done = run(gate, *CLIENTS[client]("Denied"))
    assert done.returncode != 0
    assert refusal(INTERFACE, "Denied", PATH)[1] in done.stderr
    service.fence()
    assert service.seen() == []


def test_on_the_bare_bus_a_client_of_a_user_namespace_is_turned_away(bus):
    """Which is what the gate's look at the map is for."""
    done = run(bus, *CLIENTS["gdbus"]("Allowed"))
    assert done.returncode != 0


def claim(gate, uid, inside):
    """What a client is answered that is ``inside`` in its namespace, if it is in one, and claims to be ``uid``."""
    identity = str(uid).encode().hex()
    if inside is None:
        command = ["/usr/bin/python3", "-c", CLAIM, str(gate.path), identity]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    else:
        done = run(gate, "/usr/bin/python3", "-c", CLAIM, SOCKET, identity, uid=inside)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@decided_by_the_gate
@pytest.mark.parametrize("inside", [1000, 0, 65534])
def test_the_user_that_a_client_sees_itself_as_is_accepted(gate, inside):
    assert claim(gate, inside, inside) == "OK"


@decided_by_the_gate
def test_the_user_that_the_kernel_sees_is_accepted_from_a_namespace_too(gate):
    assert claim(gate, os.getuid(), 1000) == "OK"


def but_the_own(*uids):
    """The own user's number is accepted, in a namespace and out of it."""
    return [uid for uid in uids if uid != os.getuid()]


NOT_MAPPED = but_the_own(1001, 999, 100, 10, 10000, 65534, 4294967295, 4294967296, 1000 + (1 << 32))
NOT_A_NUMBER = ["1000 ", " 1000", "01000", "+1000", "-1000", "0x3e8", "root", "1000\0", "1000\n"]


@decided_by_the_gate
@pytest.mark.parametrize("claimed", NOT_MAPPED + NOT_A_NUMBER)
def test_a_user_that_is_not_mapped_is_rejected(gate, claimed):
    assert claim(gate, claimed, 1000) == "REJECTED"


@decided_by_the_gate
@pytest.mark.parametrize("claimed", but_the_own(0, 1000, 65534, 4294967295))
def test_outside_of_any_namespace_only_the_own_user_is_accepted(gate, claimed):
    assert claim(gate, claimed, None) == "REJECTED"
    assert claim(gate, os.getuid(), None) == "OK"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_another_user_of_the_host_that_reaches_the_socket_is_served(workshop, gate):
    workshop.let_others_in()
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    command = ["gdbus", "call", "--address", gate.address, "--dest", "org.freedesktop.DBus", "--object-path", "/", "--method",
               "org.freedesktop.DBus.GetId"]
    done = subprocess.run([*nobody, *command], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    for identity, answer in ((65534, "OK"), (0, "REJECTED"), (1000, "REJECTED")):
        claiming = [*nobody, "/usr/bin/python3", "-c", CLAIM, str(gate.path), str(identity).encode().hex()]
        assert subprocess.run(claiming, capture_output=True, text=True, timeout=PATIENCE).stdout.strip() == answer


@decided_by_the_gate
def test_an_identity_that_was_rejected_may_be_followed_by_a_right_one(gate):
    script = CLAIM + """
client.sendall(b"AUTH EXTERNAL " + b"1000".hex().encode() + b"\\r\\n")
print(client.recv(100).decode().split()[0])
"""
    assert run(gate, "/usr/bin/python3", "-c", script, SOCKET, b"1001".hex()).stdout.split() == ["REJECTED", "OK"]


def test_a_service_in_a_container_is_called_from_outside(workshop, bus):
    gate = workshop.gate([rule("outgoing", "org.freedesktop.DBus", "*", "RequestName"), rule("incoming", INTERFACE, PATH, "Allowed")], bus)
    script = f"""
import dbus, dbus.service, dbus.mainloop.glib
from gi.repository import GLib
dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
connection = dbus.bus.BusConnection("{ADDRESS}")
class Object(dbus.service.Object):
    @dbus.service.method("{INTERFACE}", out_signature="s")
    def Allowed(self): return "from inside"
    @dbus.service.method("{INTERFACE}", out_signature="s")
    def Denied(self): return "the secret"
thing = Object(connection, "{PATH}")
connection.request_name("com.example.Inside")
print("ready", flush=True)
GLib.MainLoop().run()
"""
    child = workshop.child([*container(gate, 1000), "/usr/bin/python3", "-c", script])
    child.out.wait_for("ready")
    outside = Peer(bus.address)
    answer = outside.ask(call("com.example.Inside", PATH, INTERFACE, "Allowed"))
    assert (answer.get_message_type(), answer.get_body() and answer.get_body().unpack()) == (RETURN, ("from inside",))
    assert error_of(outside.ask(call("com.example.Inside", PATH, INTERFACE, "Denied"))) == refusal(INTERFACE, "Denied", PATH, "incoming")


@decided_by_the_gate
def test_the_container_sees_no_other_bus(gate):
    done = run(gate, "ls", "-A", "/run", "/run/bus")
    assert done.stdout == "/run:\nbus\n\n/run/bus:\nbus\n"


def test_the_bus_sees_the_gates_user_behind_a_client_of_a_namespace(workshop, bus, gate):
    script = f"""
import dbus
connection = dbus.bus.BusConnection("{ADDRESS}")
print(connection.get_unix_user(connection.get_unique_name()))
"""
    done = run(gate, "/usr/bin/python3", "-c", script)
    assert (done.returncode, done.stdout.strip()) == (0, str(os.getuid())), done.stderr


def test_as_dbus_proxy_it_serves_a_container_in_a_user_namespace(workshop, bus, service):
    proxy = workshop.proxy(bus)
    done = run(proxy, "gdbus", "call", "--session", "--dest", "org.freedesktop.DBus", "--object-path", "/", "--method",
               "org.freedesktop.DBus.GetId")
    assert done.returncode == 0, done.stderr
    done = run(proxy, *CLIENTS["gdbus"]("Denied"))
    assert refusal(INTERFACE, "Denied", PATH)[1] in done.stderr
