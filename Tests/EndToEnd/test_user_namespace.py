"""Clients in user namespaces with ranges of users: the gate believes the kernel, and the kernel's map of the client's own namespace."""

import os
import pathlib
import subprocess
import threading

import pytest

from harness import BUSGATE, PATIENCE, rule
from peer import Peer, call, strings
from service import CLAIM, external, start

decided_by_the_gate = pytest.mark.one_bus("the gate alone decides who a client is")

SERVICE, INTERFACE, PATH = "com.example.Service", "com.example.Interface", "/com/example/Object"

# Two ranges, as a container engine with --uidmap makes them: user 0 alone, and sixty thousand from 1 on.
OUTER_ROOT, OUTER_FIRST = 300000, 400000
MAP = f"0 {OUTER_ROOT} 1\n1 {OUTER_FIRST} 60000\n"

CLIENTS = {
    "dbus-send": ["dbus-send", "--session", "--print-reply", f"--dest={SERVICE}", PATH],
    "gdbus": ["gdbus", "call", "--session", "--dest", SERVICE, "--object-path", PATH, "--method"],
    "busctl": ["busctl", "--user", "call", SERVICE, PATH, INTERFACE],
}

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="ranges of users are for root to map")


def outside(inside):
    return OUTER_ROOT if inside == 0 else OUTER_FIRST + inside - 1


def in_namespace(inside, command, uid_map=MAP, address=None, **options):
    """Runs a command as user ``inside`` of a new user namespace."""
    # The shell says when it is in its namespace, and waits until the maps are written.
    script = 'echo ready; read -r _; exec setpriv --reuid="$0" --regid="$0" --clear-groups -- "$@"'
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    if address:
        environment["DBUS_SESSION_BUS_ADDRESS"] = address
    process = subprocess.Popen(["unshare", "--user", "--keep-caps", "--", "sh", "-c", script, str(inside), *command], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options)
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{process.pid}/{name}", "w") as file:
            file.write(uid_map)
    out, errors = process.communicate("\n", PATIENCE)
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


def claim(path, inside, claimed, **options):
    done = in_namespace(inside, ["/usr/bin/python3", "-c", CLAIM, str(path), claimed], **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[0]


@pytest.fixture
def open_directory(workshop):
    workshop.directory.chmod(0o755)
    return workshop.directory


@pytest.fixture
def gate(workshop, open_directory, bus):
    return workshop.gate([rule("outgoing", INTERFACE, PATH, "Allowed")], bus)


def ask(client, member):
    """The command line that calls a member of the service."""
    return [*CLIENTS[client], member if client == "busctl" else f"{INTERFACE}.{member}"]


@pytest.mark.parametrize("inside", [0, 1, 1000])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_of_a_mapped_range_is_answered_what_the_rules_allow_and_refused_the_rest(bus, gate, client, inside):
    service = Peer(bus.address)
    service.own(SERVICE)
    answering = threading.Thread(target=lambda: service.reply(service.await_member("Allowed"), strings("hello from outside")))
    answering.start()
    done = in_namespace(inside, ask(client, "Allowed"), address=gate.address)
    answering.join()
    assert done.returncode == 0 and "hello from outside" in done.stdout, done.stderr
    done = in_namespace(inside, ask(client, "Denied"), address=gate.address)
    assert done.returncode != 0
    assert ("Access denied" if client == "busctl" else "by the SESSION policy") in done.stderr


@pytest.mark.parametrize("client", ["dbus-send", "gdbus"])
def test_the_bare_bus_turns_the_same_client_away(bus, open_directory, client):
    done = in_namespace(1000, ask(client, "Denied"), address=bus.address)
    assert done.returncode != 0 and "SESSION policy" not in done.stderr


@decided_by_the_gate
@pytest.mark.parametrize("inside", [0, 1, 1000, 60000])
def test_the_user_inside_and_the_user_outside_are_both_who_it_is(gate, inside):
    assert claim(gate.path, inside, external(inside)) == "OK"
    assert claim(gate.path, inside, external(outside(inside))) == "OK"


@decided_by_the_gate
@pytest.mark.parametrize("inside, claimed", [
    (0, 1), (0, 300001), (0, OUTER_FIRST), (1, 0), (1, 2), (1000, 999), (1000, 1001), (1000, OUTER_ROOT), (1000, OUTER_FIRST + 1000),
    (60000, 60001), (1000, 65534)])
def test_another_user_of_the_same_map_and_one_that_is_not_mapped_are_rejected(gate, inside, claimed):
    assert claim(gate.path, inside, external(claimed)) == "REJECTED"


@decided_by_the_gate
def test_root_of_a_namespace_is_not_root_of_the_host(workshop, open_directory, bus):
    """It may say that it is root, since it is, in there; --allow-uid looks at who the kernel says it is."""
    path = workshop.directory / "gate"
    gate = start(workshop, "--config", workshop.config([]), "--session", path, "--bus", f"session={bus.address}", "--allow-uid", "0")
    assert claim(path, 0, external(0)) == "REJECTED"
    assert claim(path, 0, external(OUTER_ROOT)) == "REJECTED"
    gate.log.wait_for(f"uid={OUTER_ROOT}")
    gate.terminate()
    start(workshop, "--config", workshop.config([]), "--session", path, "--bus", f"session={bus.address}", "--allow-uid", str(OUTER_ROOT))
    assert claim(path, 0, external(0)) == "OK"
    assert claim(path, 1000, external(1000)) == "REJECTED"
    assert claim(path, 1000, external(OUTER_ROOT)) == "REJECTED"


@decided_by_the_gate
def test_root_of_a_namespace_is_not_the_gates_own_user_at_an_abstract_name(workshop, bus):
    name = f"@{workshop.directory}/abstract"
    start(workshop, "--config", workshop.config([]), "--listen", f"session=unix:abstract={name[1:]}", "--bus", f"session={bus.address}")
    assert claim(name, 0, external(0)) == "REJECTED"
    assert claim(name, 0, external(0), uid_map="0 0 1\n") == "OK"  # whom the kernel knows as the gate's own


@decided_by_the_gate
def test_a_client_in_a_namespace_inside_another_is_who_it_sees_itself_as(gate):
    inner = "0 1000 1\n"
    script = ('import subprocess, sys\n'
              'shell = ["unshare", "--user", "--", "sh", "-c", "echo ready; read -r _; exec \\"$@\\"", "sh"]\n'
              'child = subprocess.Popen([*shell, *sys.argv[1:]],'
              ' stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n'
              'assert child.stdout.readline() == "ready\\n"\n'
              'open(f"/proc/{child.pid}/setgroups", "w").write("deny")\n'
              f'open(f"/proc/{{child.pid}}/uid_map", "w").write({inner!r})\n'
              'print(child.communicate("\\n")[0], end="")\n')
    for claimed, answer in ((0, "OK"), (1000, "REJECTED"), (outside(1000), "OK"), (1, "REJECTED")):
        claiming = ["/usr/bin/python3", "-c", CLAIM, str(gate.path), external(claimed)]
        done = in_namespace(1000, ["/usr/bin/python3", "-c", script, *claiming])
        assert done.stdout.split()[:1] == [answer], (claimed, done.stdout, done.stderr)


@decided_by_the_gate
@pytest.mark.parametrize("flags", [["--map-root-user"], ["--map-user=1000", "--map-group=1000"], ["--map-current-user"]])
def test_a_client_that_mapped_itself_is_who_it_sees_itself_as(gate, flags):
    done = subprocess.run(["unshare", *flags, "sh", "-c", 'exec "$@" "$(printf %s "$(id -u)" | od -An -tx1 | tr -d " ")"', "sh",
                           "/usr/bin/python3", "-c", CLAIM.replace("claimed.encode()", 'b"EXTERNAL " + claimed.encode()'), str(gate.path)],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.split()[0] == "OK", done.stderr


# Kernels before Linux 6.5

@pytest.fixture
def older_gate(workshop, open_directory, bus):
    """One that the kernel tells who a client is by a process's number alone."""
    path = workshop.directory / "older/bus"
    gate = workshop.child(["/usr/bin/python3", pathlib.Path(__file__).with_name("older_kernel.py"), BUSGATE, "run", "--config", workshop.config([]),
                           "--session", path, "--bus", f"session={bus.address}"])
    gate.log.wait_for("gate session listens on")
    gate.path = path
    return gate


@decided_by_the_gate
@pytest.mark.parametrize("inside", [0, 1000])
def test_on_an_older_kernel_too_the_user_inside_is_who_it_is_and_no_other(older_gate, inside):
    assert claim(older_gate.path, inside, external(inside)) == "OK"
    assert claim(older_gate.path, inside, external(outside(inside))) == "OK"
    assert claim(older_gate.path, inside, external(inside + 1)) == "REJECTED"


@decided_by_the_gate
def test_on_an_older_kernel_too_the_log_has_the_control_group(older_gate):
    Peer(f"unix:path={older_gate.path}").ask(call(SERVICE, PATH, INTERFACE, "Denied"))
    assert f" pid={os.getpid()} " in older_gate.log.wait_for("deny ", "cgroup=/")


@decided_by_the_gate
@pytest.mark.parametrize("claimed, answer", [(0, "OK"), (1000, "REJECTED")])
def test_on_an_older_kernel_a_process_is_not_taken_for_another_that_had_its_number(workshop, bus, claimed, answer):
    """Who is 0 outside is 1000 only in the user namespace of the process that got the number after it."""
    path = workshop.directory / "reused/bus"
    here = pathlib.Path(__file__).parent
    python = "/usr/bin/python3"
    done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", python, here / "reused_number.py", path, str(claimed), python,
                           here / "older_kernel.py", BUSGATE, "run", "--config", workshop.config([]), "--session", path, "--bus", f"session={bus.address}"],
                          capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    assert done.stdout == f"{answer}\n", done.stderr
