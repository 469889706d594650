"""`dbus-proxy SOCKET session|system`, used as SoftwareContainer uses Pelagicore's: one process for each bus, a pipe as standard input,
configurations as lines over time."""

import itertools
import json
import os
import signal
import socket
import stat
import subprocess

import pytest
from gi.repository import GLib

from harness import BUSGATE, EVERYTHING, PATIENCE, rule
from peer import DRIVER, DRIVER_PATH, RETURN, Peer, call, driver_call, error_of, refusal, strings
from peer import signal as signal_message
from wire import Client, eventually

pytestmark = pytest.mark.one_bus("lines are read, and a socket is made and removed, without asking a bus")

INTERFACE = "com.example.Interface"
PATH = "/com/example/Object"
MARKS = itertools.count()
SERVICE_UNKNOWN = "org.freedesktop.DBus.Error.ServiceUnknown"


def document(*rules, kind="session"):
    """A configuration as one line."""
    return json.dumps({f"dbus-gateway-config-{kind}": list(rules)})


def request(member, destination="com.example.Nobody", **more):
    return call(destination, PATH, INTERFACE, member, **more)


def is_open(peer, member):
    """Whether a call goes out: then it is the bus that says there is no such service."""
    error = error_of(peer.ask(request(member)))
    assert error[0] == SERVICE_UNKNOWN or error == refusal(INTERFACE, member, PATH), error
    return error[0] == SERVICE_UNKNOWN


def await_open(peer, member):
    """Returns when the line that was written has taken effect; the gate reads it when it comes to it."""
    while not is_open(peer, member):
        pass


def configure(proxy, peer, *rules):
    """Writes a line and waits until it counts."""
    mark = f"Mark{next(MARKS)}"
    proxy.configure(document(*rules, rule("outgoing", INTERFACE, PATH, mark)))
    await_open(peer, mark)


# Lines over time

def test_before_the_first_line_everything_is_denied(workshop, bus):
    peer = Peer(workshop.proxy(bus).address)
    assert not is_open(peer, "M")
    peer.fence()


def test_each_line_adds_to_what_a_live_connection_may_do(workshop, bus):
    proxy = workshop.proxy(bus)
    peer = Peer(proxy.address)
    configure(proxy, peer, rule("outgoing", method="First"))
    assert (is_open(peer, "First"), is_open(peer, "Second")) == (True, False)
    configure(proxy, peer, rule("outgoing", method="Second"))
    assert (is_open(peer, "First"), is_open(peer, "Second"), is_open(peer, "Third")) == (True, True, False)


def test_a_line_reaches_every_connection_old_and_new(workshop, bus):
    """Pelagicore's forks, and its processes compete for the line."""
    proxy = workshop.proxy(bus)
    peers = [Peer(proxy.address) for _ in range(5)]
    configure(proxy, peers[0], rule("outgoing", method="M"))
    peers.append(Peer(proxy.address))
    assert [is_open(peer, "M") for peer in peers] == [True] * 6


@pytest.mark.both_buses
def test_two_clients_that_connect_at_once_are_both_served(workshop, bus):
    """It breaks Pelagicore's listener for good."""
    proxy = workshop.proxy(bus)
    first, second = Peer(proxy.address, says_hello=False), Peer(proxy.address, says_hello=False)
    names = {peer.ask(driver_call("Hello")).get_body()[0] for peer in (second, first)}
    assert len(names) == 2
    Peer(proxy.address).fence()


@pytest.mark.both_buses
def test_a_line_may_have_rules_for_both_buses_and_each_proxy_takes_its_own(workshop, bus_program):
    session, system = workshop.bus(name="one"), workshop.bus(name="two", kind="system")
    line = json.dumps({"dbus-gateway-config-session": [rule("outgoing", method=["OnSession", "Mark"])],
                       "dbus-gateway-config-system": [rule("outgoing", method=["OnSystem", "Mark"])]})
    opened = {}
    for kind, bus in (("session", session), ("system", system)):
        proxy = workshop.proxy(bus, kind=kind, socket=f"{kind}/bus")
        peer = Peer(proxy.address)
        proxy.configure(line)
        while peer.ask(request("Mark")).get_error_name() != SERVICE_UNKNOWN:
            pass
        opened[kind] = [member for member in ("OnSession", "OnSystem") if peer.ask(request(member)).get_error_name() == SERVICE_UNKNOWN]
        assert error_of(peer.ask(request("X"))) == refusal(INTERFACE, "X", PATH, bus=kind.upper())
        assert peer.guid == Peer(bus.address).guid
    assert opened == {"session": ["OnSession"], "system": ["OnSystem"]}


def test_a_line_may_be_an_array_of_documents(workshop, bus):
    proxy = workshop.proxy(bus)
    peer = Peer(proxy.address)
    proxy.configure(f"[{document(rule('outgoing', method='A'))}, {document(rule('outgoing', method='B'))}]")
    await_open(peer, "B")
    assert (is_open(peer, "A"), is_open(peer, "C")) == (True, False)


def test_empty_lines_say_nothing(workshop, bus):
    proxy = workshop.proxy(bus)
    peer = Peer(proxy.address)
    for line in ("", "   ", "\t", "\r"):
        proxy.configure(line)
    configure(proxy, peer)
    assert proxy.log.matching("error") == proxy.log.matching("stdin:") == []


BAD = {
    "not-json": ('{"dbus-gateway-config-session": [', ":34: error: "),
    "rule-is-no-object": ('{"dbus-gateway-config-session": [{"direction": "*", "interface": "*", "object-path": "*", "method": "*"}, 1]}',
                          "expected an object"),
    "array-is-no-array": ('{"dbus-gateway-config-session": {}}', "expected an array"),
    "two-values": (document(rule()) + document(rule()), "expected the end of the document"),
    "duplicate-key": ('{"dbus-gateway-config-session": [], "dbus-gateway-config-session": []}', "duplicate key"),
    "action": (document(rule(action="perhaps")), "perhaps"),
    "a-word": ("everything", ":1: error: "),
    "a-string": ('"everything"', ":1: error: "),
    "not-supported": (document(rule(arg0="x")), "arg0"),
    "a-deny-rule-for-no-direction": (document(rule("sideways", action="deny")), "sideways"),
    "half-a-deny-rule": ('{"dbus-gateway-config-session": [{"action": "deny", "interface": "*", "object-path": "*", "method": "*"}]}',
                         "direction"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_line_that_is_refused_is_reported_and_changes_nothing(workshop, bus, kind):
    line, said = BAD[kind]
    proxy = workshop.proxy(bus)
    proxy.configure(line)
    assert "error: " in proxy.log.wait_for("stdin:1:", said)
    peer = Peer(proxy.address)
    assert not is_open(peer, "M")
    configure(proxy, peer, rule("outgoing", method="M"))
    assert is_open(peer, "M")
    proxy.configure(line)
    proxy.log.wait_for("stdin:3:", said)
    assert is_open(peer, "M")
    assert proxy.process.poll() is None


def test_an_unknown_key_in_a_rule_is_passed_over_with_a_warning(workshop, bus):
    proxy = workshop.proxy(bus)
    peer = Peer(proxy.address)
    configure(proxy, peer, rule("outgoing", method="M", **{"bus-name": "com.example"}))
    assert "warning: " in proxy.log.wait_for("stdin:1:", "bus-name")
    assert is_open(peer, "M")


def test_an_unknown_key_beside_the_arrays_is_passed_over_with_a_warning(workshop, bus):
    proxy = workshop.proxy(bus)
    peer = Peer(proxy.address)
    proxy.configure(json.dumps({"dbus-gateway-config-sesion": [], "dbus-gateway-config-session": [rule("outgoing", method="M")]}))
    await_open(peer, "M")
    proxy.log.wait_for("warning: ", "dbus-gateway-config-sesion")


@pytest.mark.parametrize("key", ["direction", "interface", "object-path", "method"])
@pytest.mark.parametrize("value", [None, 1, True, {}], ids=["missing", "number", "boolean", "object"])
def test_a_rule_without_one_of_the_four_keys_allows_nothing_but_its_neighbours_do(workshop, bus, key, value):
    inert = rule("outgoing", method="Inert")
    if value is None:
        del inert[key]
    else:
        inert[key] = value
    proxy = workshop.proxy(bus)
    peer = Peer(proxy.address)
    configure(proxy, peer, inert, rule("outgoing", method="Neighbour"))
    assert (is_open(peer, "Inert"), is_open(peer, "Neighbour")) == (False, True)
    assert "warning: " in proxy.log.wait_for("stdin:1:", key)


@pytest.mark.parametrize("direction", ["sideways", "", "Outgoing", "outgoing "])
def test_a_direction_that_meets_neither_word_makes_its_rule_inert_and_the_line_counts(workshop, bus, direction):
    proxy = workshop.proxy(bus)
    peer = Peer(proxy.address)
    configure(proxy, peer, rule(direction, method="Inert"), rule("outgoing", method="Neighbour"))
    assert (is_open(peer, "Inert"), is_open(peer, "Neighbour")) == (False, True)
    line = proxy.log.wait_for("stdin:1:", "meets neither word", "the rule allows nothing")
    assert "warning: " in line and f'"{direction}"' in line
    assert proxy.log.matching("error: ") == []


def test_the_twin_in_busgate_run_a_direction_that_meets_neither_word_is_an_error(workshop):
    config = workshop.config([rule("sideways")])
    done = subprocess.run([BUSGATE, "run", "--config", config, "--session", workshop.directory / "bus", "--bus", "session=unix:path=/nonexistent"],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr.count("\n")) == (65, 1)
    assert "error: direction" in done.stderr and "meets neither word" in done.stderr


def test_a_complete_rule_draws_no_warning(workshop, bus):
    proxy = workshop.proxy(bus)
    peer = Peer(proxy.address)
    configure(proxy, peer, rule("outgoing", method="M"))
    assert proxy.log.matching("warning") == proxy.log.matching("error") == []


# The end of standard input

def test_the_end_of_input_is_not_the_end_of_the_proxy(workshop, bus):
    proxy = workshop.proxy(bus)
    peer = Peer(proxy.address)
    configure(proxy, peer, rule("outgoing", method="M"))
    proxy.process.stdin.close()
    assert is_open(peer, "M")
    assert is_open(Peer(proxy.address), "M")
    assert proxy.terminate() == 0


def test_a_last_line_without_a_line_end_counts(workshop, bus):
    proxy = workshop.proxy(bus)
    peer = Peer(proxy.address)
    proxy.process.stdin.write(document(rule("outgoing", method="M")).encode())
    proxy.process.stdin.close()
    await_open(peer, "M")


def test_half_a_line_does_not_count_before_its_end(workshop, bus):
    proxy = workshop.proxy(bus)
    peer = Peer(proxy.address)
    line = document(rule("outgoing", method="M"))
    proxy.process.stdin.write(line[:-2].encode())
    proxy.process.stdin.flush()
    assert not is_open(peer, "M")
    proxy.configure(line[-2:])
    await_open(peer, "M")
    assert proxy.log.matching("error") == []


def test_standard_input_may_be_a_file(workshop, bus):
    file = workshop.directory / "lines"
    file.write_text(document(rule("outgoing", method="A")) + "\n" + document(rule("outgoing", method="B")))
    with file.open() as lines:
        peer = Peer(workshop.proxy(bus, stdin=lines).address)
    assert (is_open(peer, "A"), is_open(peer, "B"), is_open(peer, "C")) == (True, True, False)


def test_standard_input_may_be_nothing(workshop, bus):
    assert not is_open(Peer(workshop.proxy(bus, stdin=subprocess.DEVNULL).address), "M")


@pytest.mark.parametrize("closed", [[0], [1], [0, 1], [0, 1, 2]], ids=str)
def test_standard_descriptors_that_are_closed_become_none_of_its_sockets(workshop, bus, closed):
    def close():
        for number in closed:
            os.close(number)

    proxy = workshop.proxy(bus, stdin=subprocess.DEVNULL, preexec_fn=close)
    peers = [Peer(proxy.address) for _ in range(3)]
    assert [is_open(peer, "M") for peer in peers] == [False] * 3
    assert [os.readlink(f"/proc/{proxy.pid}/fd/{number}") for number in closed] == ["/dev/null"] * len(closed)


def test_a_line_of_a_megabyte_is_read_like_any(workshop, bus):
    proxy = workshop.proxy(bus)
    peer = Peer(proxy.address)
    configure(proxy, peer, *[rule("outgoing", f"com.example.I{number}") for number in range(10000)], rule("outgoing", method="M"))
    assert is_open(peer, "M")


# The socket and the process

def test_the_socket_is_open_to_every_user_and_its_directory_is_not_our_business(workshop, bus):
    assert stat.S_IMODE(workshop.proxy(bus).path.stat().st_mode) == 0o666


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_with_status_0_and_takes_its_socket_away(workshop, bus, number):
    proxy = workshop.proxy(bus)
    peer = Peer(proxy.address)
    proxy.process.send_signal(number)
    assert proxy.process.wait(PATIENCE) == 0
    assert not proxy.path.exists()
    peer.await_close()


def test_a_socket_that_a_killed_proxy_left_behind_is_replaced(workshop, bus):
    killed = workshop.proxy(bus)
    killed.kill()
    assert killed.path.exists()
    Peer(workshop.proxy(bus).address).fence()


def test_a_socket_of_a_live_proxy_is_not_replaced(workshop, bus):
    live = workshop.proxy(bus)
    second = run_proxy(live.path, "session", address=bus.address)
    assert second.returncode == 78
    assert second.stderr.count("\n") == 1 and str(live.path) in second.stderr
    Peer(live.address).fence()


@pytest.mark.both_buses
def test_the_proxy_starts_before_its_bus_and_serves_when_that_comes(workshop, bus_program):
    proxy = workshop.proxy(f"unix:path={workshop.directory}/bus")
    early = socket.socket(socket.AF_UNIX)
    early.connect(str(proxy.path))
    early.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
    assert early.recv(100) == b""
    proxy.log.wait_for("error")
    workshop.bus()
    Peer(proxy.address).fence()


def run_proxy(*arguments, address="unix:path=/nonexistent", program=("dbus-proxy",)):
    command = [str(BUSGATE.parent / program[0]), *program[1:], *map(str, arguments)]
    environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": address, "DBUS_SYSTEM_BUS_ADDRESS": address}
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, env=environment)


@pytest.mark.parametrize("program", [("dbus-proxy",), ("busgate", "dbus-proxy")], ids=["by-name", "by-word"])
def test_version_prints_the_usage(program):
    done = run_proxy("--version", program=program)
    assert (done.returncode, done.stderr) == (0, "")
    usage, version = done.stdout.splitlines()
    assert usage == "usage: dbus-proxy SOCKET session|system [--limit NAME=VALUE]…"
    assert version == subprocess.run([BUSGATE, "--version"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("arguments", [[], ["/tmp/x"], ["/tmp/x", "starter"], ["", "session"], ["/tmp/x", "session", "more"]])
def test_other_arguments_are_a_usage_error_and_make_no_socket(workshop, arguments):
    path = workshop.directory / "socket"
    done = run_proxy(*[path if argument == "/tmp/x" else argument for argument in arguments])
    assert done.returncode == 64
    assert done.stderr.count("\n") == 1 and "usage: dbus-proxy SOCKET session|system" in done.stderr
    assert not path.exists()


# What its documentation promises

@pytest.mark.both_buses
def test_names_may_be_owned_without_a_rule(workshop, bus):
    inside, outside = Peer(workshop.proxy(bus).address), Peer(bus.address)
    assert inside.own("com.example.Inside").get_body()[0] == 1
    assert outside.ask(driver_call("GetNameOwner", strings("com.example.Inside"))).get_body()[0] == inside.name
    assert inside.ask(driver_call("ReleaseName", strings("com.example.Inside"))).get_body()[0] == 1


def test_a_deny_rule_takes_names_away(workshop, bus):
    proxy = workshop.proxy(bus)
    inside = Peer(proxy.address)
    configure(proxy, inside, rule("outgoing", DRIVER, "*", "RequestName", action="deny"))
    assert error_of(inside.own("com.example.Inside")) == refusal(DRIVER, "RequestName", DRIVER_PATH, about="com.example.Inside")


def test_what_else_the_driver_has_stays_closed(workshop, bus):
    proxy = workshop.proxy(bus)
    inside = Peer(proxy.address)
    configure(proxy, inside, *EVERYTHING)
    body = GLib.Variant("(asu)", ([], 0))
    monitoring = "org.freedesktop.DBus.Monitoring"
    assert error_of(inside.ask(driver_call("BecomeMonitor", body, monitoring))) == refusal(monitoring, "BecomeMonitor", DRIVER_PATH)


# Clients that speak before they say Hello

def dbus_send(address, destination, path, member, *arguments):
    return subprocess.run(["dbus-send", f"--address={address}", "--print-reply", f"--dest={destination}", path, member, *arguments],
                          capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.both_buses
def test_dbus_send_that_says_no_hello_is_answered_by_the_bus(workshop, bus):
    done = dbus_send(workshop.proxy(bus).address, DRIVER, DRIVER_PATH, f"{DRIVER}.GetId")
    assert done.returncode == 0, done.stderr
    assert "method return" in done.stdout


@pytest.mark.both_buses
def test_on_the_bare_bus_it_is_turned_away(bus):
    done = dbus_send(bus.address, DRIVER, DRIVER_PATH, f"{DRIVER}.GetId")
    assert done.returncode != 0


@pytest.mark.both_buses
def test_dbus_send_that_says_no_hello_is_answered_by_a_service_if_a_rule_allows_it(workshop, bus):
    proxy, service = workshop.proxy(bus), Peer(bus.address)
    service.own("com.example.Service")
    configure(proxy, Peer(proxy.address), rule("outgoing", INTERFACE, PATH, "Allowed"))
    caller = workshop.child(["dbus-send", f"--address={proxy.address}", "--print-reply", "--dest=com.example.Service", PATH,
                             f"{INTERFACE}.Allowed", "string:question"])
    received = service.await_member("Allowed")
    assert received.get_body().unpack() == ("question",)
    service.reply(received, strings("answer"))
    caller.out.wait_for('string "answer"')
    assert caller.process.wait(PATIENCE) == 0


@pytest.mark.both_buses
def test_dbus_send_that_says_no_hello_is_refused_at_once_if_no_rule_allows_it(workshop, bus):
    done = dbus_send(workshop.proxy(bus).address, "com.example.Service", PATH, f"{INTERFACE}.Denied")
    assert done.returncode == 1
    assert done.stderr == "Error {}: {}\n".format(*refusal(INTERFACE, "Denied", PATH))


@pytest.mark.both_buses
def test_a_hello_that_comes_late_is_answered_with_the_name_the_connection_has(workshop, bus):
    outside = Peer(bus.address)
    inside = Peer(workshop.proxy(bus).address, says_hello=False)
    serial = inside.send(driver_call("GetId"))
    hello = inside.ask(driver_call("Hello"))
    name = hello.get_body()[0]
    assert hello.get_message_type() == RETURN and hello.get_sender() == DRIVER and hello.get_destination() == name
    inside.answer_to(serial)
    assert outside.ask(driver_call("NameHasOwner", strings(name))).get_body()[0] is True


@pytest.mark.both_buses
def test_a_client_that_says_hello_first_is_answered_by_the_bus_alone(workshop, bus):
    inside = Peer(workshop.proxy(bus).address, says_hello=False)
    serial = inside.send(driver_call("Hello"))
    second = inside.send(driver_call("Hello"))
    assert inside.answer_to(serial).get_message_type() == RETURN
    inside.answer_to(second)
    assert not [other for other in inside.unasked() if other.get_reply_serial() in (serial, second)]


@pytest.mark.both_buses
def test_signals_follow_the_lines(workshop, bus):
    proxy, outside = workshop.proxy(bus), Peer(bus.address)
    inside = Peer(proxy.address)
    inside.subscribe()
    configure(proxy, inside, rule("incoming", INTERFACE, "*", "Allowed"))
    for member in ("Denied", "Allowed"):
        outside.send(signal_message(PATH, INTERFACE, member))
    inside.await_member("Allowed")
    assert inside.seen() == []


# Its environment

def test_no_program_of_unixexec_hears_what_the_service_manager_said_to_the_proxy(workshop):
    report = workshop.directory / "report"
    script = workshop.directory / "program"
    script.write_text(f"#!/bin/sh\nenv >{report}.new\nmv {report}.new {report}\ncat >/dev/null\n")
    script.chmod(0o755)
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(PATIENCE)
    manager.bind(str(workshop.directory / "manager"))
    said = {"NOTIFY_SOCKET": str(workshop.directory / "manager"), "WATCHDOG_USEC": "60000000", "LISTEN_PID": "1", "LISTEN_FDS": "1",
            "LISTEN_FDNAMES": "session"}
    address = f"unixexec:path={script}"
    path = workshop.directory / "proxy"
    workshop.child([BUSGATE.parent / "dbus-proxy", path, "session"], stdin=subprocess.PIPE,
                   env={"PATH": os.environ["PATH"], "DBUS_SESSION_BUS_ADDRESS": address, **said})
    assert manager.recv(4096).startswith(b"READY=1")
    client = workshop.keep(Client(path))
    client.send(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
    eventually(report.exists, "the program does not report")
    names = {line.partition("=")[0] for line in report.read_text().splitlines()}
    assert "DBUS_SESSION_BUS_ADDRESS" in names and not names & set(said)
