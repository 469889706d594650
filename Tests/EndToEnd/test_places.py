"""Places: who says nothing, half of something, or leaves, holds none that another needs; and one gate takes no more of a bus than its share."""

import os
import select
import subprocess
import time

import pytest

from broker import Broker
from harness import BUSGATE, EVERYTHING, PATIENCE, Daemon
from service import start
from test_endurance import visit
from wire import (ACCESS_DENIED, DRIVER, GUID, INVALID_ARGS, LIMITS_EXCEEDED, NO_REPLY_EXPECTED, OWN_UID, Client, Ended, call, driver_call,
                  eventually, hello, introduce, join, raw_bus, signal)

OPENING = b"\0AUTH EXTERNAL " + OWN_UID + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"

# What clients say that are not going to say Hello.
SILENCES = {
    "nothing": b"", "half a handshake": b"\0AUTH EXTERNAL", "authenticated": OPENING, "half a Hello": OPENING + hello(1)[:60],
    "all but a byte of Hello": OPENING + hello(1)[:-1],
}


def keep_silent(workshop, path, said, count=60):
    """So many clients that say that and wait."""
    clients = [workshop.keep(Client(path)) for _ in range(count)]
    for client in clients:
        if said:
            client.send(said)
    return clients


def timed_visit(path):
    """How many seconds an honest client needs until it has its name."""
    began = time.monotonic()
    client = Client(path)
    client.authenticate()
    client.say_hello()
    client.close()
    return time.monotonic() - began


@pytest.mark.parametrize("silence", SILENCES)
def test_sixty_clients_that_do_not_say_hello_do_not_delay_the_next(workshop, bus, silence):
    gate = workshop.gate(EVERYTHING, bus)
    keep_silent(workshop, gate.path, SILENCES[silence])
    # Each alone is a matter of a millisecond; the bound leaves room for a busy machine, and eight held places cost five seconds.
    assert sorted(timed_visit(gate.path) for _ in range(5))[2] < 1


def test_clients_that_reconnect_without_saying_hello_do_not_delay_the_next(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus)
    storm = []
    times = []
    for number in range(300):
        client = Client(gate.path)
        client.send(OPENING + hello(1)[:number % 60])
        storm.append(client)
        if len(storm) == 60:
            storm.pop(0).close()
        if number % 60 == 59:
            times.append(timed_visit(gate.path))
    for client in storm:
        client.close()
    assert sorted(times)[2] < 1, times


def test_nine_gates_of_half_hellos_cost_the_clients_of_the_bus_nothing(workshop, bus):
    rules = {"dbus-gateway-config-session": EVERYTHING}
    paths = [workshop.directory / f"gates/{number}" for number in range(9)]
    flags = [part for number, path in enumerate(paths)
             for part in ("--listen", f"g{number}={path}", "--policy", f"g{number}=session", "--bus", f"g{number}={bus.address}")]
    start(workshop, "--config", workshop.config(rules), *flags)
    for path in paths:
        keep_silent(workshop, path, SILENCES["half a Hello"], 20)
    assert sorted(timed_visit(bus.path) for _ in range(3))[1] < 1
    for path in paths:
        assert timed_visit(path) < 1


def test_a_thousand_clients_in_four_waves_are_all_served_beside_sixty_silent_ones(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, "--limit", "connections-max=400")
    keep_silent(workshop, gate.path, OPENING)
    for _ in range(4):
        visit(gate.path, 250, at_once=250)
    assert not gate.log.matching("connections-max")


def test_two_hundred_clients_that_connect_at_once_wait_in_the_backlog_and_are_served(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, "--limit", "connections-max=210")
    clients = [workshop.keep(Client(gate.path)) for _ in range(200)]  # before any has said a word
    for client in clients:
        client.send(OPENING + hello(1))
    for client in clients:
        client.finish_handshake()
        client.finish_hello()


def test_while_clients_wait_for_silent_ones_the_gate_sleeps(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, "--limit", "unauthenticated-max=4")
    keep_silent(workshop, gate.path, b"", 5)
    gate.log.wait_for("unauthenticated-max")
    before = gate.cpu_nanoseconds()
    newcomer = join(workshop, gate.path)  # when one, and then another, has been silent for a second
    newcomer.round_trip()
    assert gate.cpu_nanoseconds() - before < 300_000_000


def test_who_is_slow_but_speaks_does_not_give_way_to_who_is_silent(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, "--limit", "unauthenticated-max=2")
    slow, silent = keep_silent(workshop, gate.path, b"", 2)
    newcomer = workshop.keep(Client(gate.path))
    newcomer.send(OPENING + hello(1))
    for byte in OPENING:
        slow.send(bytes([byte]))
        if select.select([silent.socket], [], [], 0.05)[0]:
            break
    silent.expect_end()
    newcomer.finish_handshake()
    newcomer.finish_hello()
    assert not slow.is_hung_up()


# What may be said before Hello

@pytest.mark.parametrize("first, error", [
    (call(5, "com.example.Service", "Ask"), ACCESS_DENIED), (driver_call(5, "ListNames"), ACCESS_DENIED),
    (driver_call(5, "Hello", interface="com.example.Other"), ACCESS_DENIED), (call(5, ":1.0", "Hello", DRIVER), ACCESS_DENIED),
    (driver_call(5, "Hello", signature="s", args=["x"]), INVALID_ARGS), (call(5, DRIVER, "Hello", DRIVER, "/x" * 200_000), LIMITS_EXCEEDED),
], ids=["to-a-service", "another-method", "another-interface", "to-another", "with-arguments", "too-long"])
def test_what_is_no_hello_is_answered_here_and_the_client_may_still_say_it(workshop, first, error):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    client = workshop.keep(Client(gate.path))
    client.send(OPENING + first)
    bus.tell()
    client.finish_handshake()
    answer = client.receive_reply(5)
    assert (answer.error, answer.sender, answer.destination) == (error, DRIVER, None)
    assert not bus.is_asked()
    client.send(hello(6))
    side = workshop.keep(bus.accept())
    assert side.buffer == OPENING + hello(6)
    side.handshake()
    side.answer_hello()
    assert client.receive_reply(6).args == [":1.7"]


def test_signals_and_large_calls_before_hello_go_nowhere_and_hello_behind_them_is_said(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    client = workshop.keep(Client(gate.path))
    large = call(6, "com.example.Service", "Ask", signature="ay", args=[bytes(3_000_000)])
    client.send(OPENING)
    bus.tell()
    client.finish_handshake()
    client.send(signal(5, "Told") + large + call(7, "com.example.Service", "Ask", flags=NO_REPLY_EXPECTED) + hello(8))
    side = workshop.keep(bus.accept())
    assert side.buffer == OPENING + hello(8)
    assert client.receive_reply(6).error == ACCESS_DENIED


def test_what_is_pipelined_behind_hello_waits_until_the_bus_has_taken_the_handshake(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    client = workshop.keep(Client(gate.path))
    behind = call(2, "com.example.Service", "Ask", flags=NO_REPLY_EXPECTED)
    client.send(OPENING + hello(1) + behind)
    side = workshop.keep(bus.accept())
    assert side.buffer == OPENING + hello(1)
    assert not side.is_readable()
    side.handshake()
    assert (side.receive().member, side.receive().member) == ("Hello", "Ask")


def test_an_unfiltered_gate_takes_nothing_but_hello_first_either(workshop):
    bus = raw_bus(workshop)
    path = workshop.directory / "proxy"
    read, write = os.pipe()
    workshop.child([BUSGATE, "xdg-dbus-proxy", f"--fd={write}", bus.address, path], pass_fds=[write])
    os.close(write)
    os.read(read, 1)
    client = workshop.keep(Client(path))
    client.send(OPENING + driver_call(5, "ListNames") + hello(6))
    side = workshop.keep(bus.accept())
    assert side.buffer == OPENING + hello(6)
    client.finish_handshake()
    assert client.receive_reply(5).error == ACCESS_DENIED
    os.close(read)


def test_the_hello_that_dbus_proxy_says_goes_with_the_handshake_and_the_first_message_waits(workshop):
    bus = raw_bus(workshop)
    proxy = workshop.proxy(bus)
    proxy.configure('{"dbus-gateway-config-session": [{"direction": "*", "interface": "*", "object-path": "*", "method": "*"}]}')
    client = workshop.keep(Client(proxy.path))
    client.send(OPENING + call(2, "com.example.Service", "Ask", flags=NO_REPLY_EXPECTED))
    side = workshop.keep(bus.accept())
    assert side.buffer.startswith(OPENING) and b"Hello" in side.buffer and b"Ask" not in side.buffer
    side.handshake()
    assert (side.receive().member, side.receive().member) == ("Hello", "Ask")


def test_a_bus_that_knows_us_by_another_number_is_left_to_find_it_out(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    client = workshop.keep(Client(gate.path))
    client.send(OPENING + hello(1))
    refused = bus.accept_any()
    refused.send(b"REJECTED EXTERNAL\r\n")
    refused.expect_end()
    probe = bus.accept_any()
    probe.fill()
    assert probe.buffer == b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
    answer = b"DATA\r\nOK " + GUID.encode() + b"\r\nAGREE_UNIX_FD\r\n"
    probe.send(answer)
    probe.expect_end()
    side = workshop.keep(bus.accept())
    assert side.buffer.startswith(b"\0AUTH EXTERNAL\r\nDATA\r\n") and side.buffer.endswith(hello(1))
    del side.buffer[:side.buffer.index(b"BEGIN\r\n") + 7]
    side.send(answer)
    side.answer_hello()
    client.finish_handshake()
    client.finish_hello()


# Shares

def leak(path, count):
    """So many clients that become the bus's and stay; those that are turned away are left out."""
    kept = []
    for _ in range(count):
        try:
            client = Client(path)
            client.authenticate()
            client.say_hello()
            kept.append(client)
        except (Ended, OSError):  # turned away, at whatever point
            client.close()
    return kept


def crowd(workshop, address, kind, count):
    """A process of so many gates of one bus; where they listen."""
    paths = [workshop.directory / f"gates/{number}" for number in range(count)]
    flags = [part for number, path in enumerate(paths)
             for part in ("--listen", f"g{number}={path}", "--policy", f"g{number}={kind}", "--bus", f"g{number}={address}")]
    gate = start(workshop, "--config", workshop.config({f"dbus-gateway-config-{kind}": EVERYTHING}), *flags)
    return gate, paths


def test_eleven_hundred_leaked_clients_of_ten_gates_leave_dbus_broker_alive_and_another_process_served(workshop):
    bus = workshop.keep(Broker(workshop.directory))
    gate, paths = crowd(workshop, bus.address, "session", 10)
    kept = [client for path in paths for client in leak(path, 110)]
    assert len(kept) == 512
    gate.log.wait_for("bus-connections-total", "there are 512 connections")
    assert bus.process.poll() is None
    join(workshop, bus.path).round_trip()
    for client in kept:
        client.close()


def test_on_a_bus_that_gives_a_user_256_connections_another_process_of_the_gates_user_still_gets_in(workshop):
    bus = workshop.keep(Daemon(workshop.directory, kind="system"))
    gate, paths = crowd(workshop, bus.address, "system", 10)
    config = workshop.directory / "bus.conf"
    config.write_text(config.read_text().replace('max_connections_per_user">4096', 'max_connections_per_user">256'))
    driver = join(workshop, bus.path)
    assert driver.ask_driver("ReloadConfig").error is None
    kept = [client for path in paths for client in leak(path, 110)]
    assert len(kept) == 192
    join(workshop, bus.path).round_trip()
    for client in kept:
        client.close()


@pytest.mark.parametrize("limit", ["connections-max=2", "bus-connections-total=2"])
def test_as_many_connections_as_the_limit_says_are_served_and_no_more(workshop, bus, limit):
    gate = workshop.gate(EVERYTHING, bus, "--limit", limit)
    clients = [join(workshop, gate.path) for _ in range(2)]
    third = workshop.keep(Client(gate.path))
    try:
        third.send(OPENING + hello(1))
    except BrokenPipeError:
        pass  # it was quicker
    third.expect_end()
    gate.log.wait_for(limit.split("=")[0], "a client was turned away")
    clients[0].close()
    clients[1].round_trip()

    def is_served():
        one = Client(gate.path)
        try:
            one.send(OPENING + hello(1))
            one.finish_handshake()
            one.finish_hello()
            return True
        except (Ended, OSError):
            return False
        finally:
            one.close()

    eventually(is_served, "the place of one that left is not given to another")


@pytest.mark.parametrize("limit, member, signature, arguments", [
    ("matches-total", "AddMatch", "s", [["type='signal',member='A'"], ["type='signal',member='B'"], ["type='signal',member='C'"]]),
    ("names-total", "RequestName", "su", [["com.example.A", 0], ["com.example.B", 0], ["com.example.C", 0]]),
])
def test_all_clients_of_a_gate_have_so_many_matches_and_names_together(workshop, bus, limit, member, signature, arguments):
    gate = workshop.gate(EVERYTHING, bus, "--limit", f"{limit}=2")
    first, second = join(workshop, gate.path), join(workshop, gate.path)
    assert first.ask_driver(member, signature=signature, args=arguments[0]).error is None
    assert second.ask_driver(member, signature=signature, args=arguments[1]).error is None
    for client in (first, second):
        refused = client.ask_driver(member, signature=signature, args=arguments[2])
        assert refused.error == LIMITS_EXCEEDED and limit in refused.args[0]
    gate.log.wait_for(f"reason={limit}")
    first.close()
    eventually(lambda: second.ask_driver(member, signature=signature, args=arguments[2]).error is None,
               "what a client had that left is not given back")
    assert second.ask_driver(member, signature=signature, args=[arguments[0][0].replace("A", "D"), *arguments[0][1:]]).error == LIMITS_EXCEEDED


@pytest.mark.parametrize("kind, allowed, refused", [("session", 253, None), ("system", 16, 17)])
def test_a_message_may_have_as_many_descriptors_as_the_bus_itself_would_let_it(workshop, kind, allowed, refused):
    bus = raw_bus(workshop)
    gate = workshop.gate({f"dbus-gateway-config-{kind}": EVERYTHING}, bus, listen=f"--{kind}", name=kind)
    client, side = introduce(workshop, gate, bus)
    null = os.open("/dev/null", os.O_RDONLY)
    client.send(call(5, "com.example.Service", "Take", fds=allowed, flags=NO_REPLY_EXPECTED), [null] * allowed)
    assert len(side.receive().fds) == allowed
    if refused:
        client.send(call(6, "com.example.Service", "Take", fds=refused), [null] * refused)
        assert client.receive_reply(6).error == LIMITS_EXCEEDED
    os.close(null)


def listens(path):
    """Whether a socket listens there: its file is there before. (Asked of the kernel, since a connection would take the one place.)"""
    with open("/proc/net/unix") as sockets:
        return any(words[3] == "00010000" and words[-1] == str(path) for words in map(str.split, sockets))


@pytest.mark.parametrize("spelling", [["--limit=connections-max=1"], ["--limit", "connections-max=1"]])
def test_both_personalities_take_limits(workshop, bus, spelling):
    read, write = os.pipe()
    path = workshop.directory / "names"
    workshop.child([BUSGATE, "xdg-dbus-proxy", f"--fd={write}", *spelling, bus.address, path], pass_fds=[write])
    os.close(write)
    os.read(read, 1)
    classic = workshop.directory / "classic"
    environment = dict(os.environ, DBUS_SESSION_BUS_ADDRESS=bus.address)
    workshop.child([BUSGATE, "dbus-proxy", classic, "session", *spelling], stdin=subprocess.PIPE, env=environment)
    eventually(lambda: listens(classic), "dbus-proxy does not listen")
    for socket_path in (path, classic):
        join(workshop, socket_path)
        second = workshop.keep(Client(socket_path))
        second.expect_end()
    os.close(read)


@pytest.mark.parametrize("program", [["xdg-dbus-proxy"], ["dbus-proxy", "x", "session"], ["run"]])
@pytest.mark.parametrize("limit", ["no-such=1", "connections-max=0", "connections-max"])
def test_a_limit_that_cannot_be_is_refused_by_every_program(workshop, program, limit):
    done = subprocess.run([BUSGATE, program[0], f"--limit={limit}", *program[1:]], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode in (1, 64) and limit.split("=")[0] in done.stderr and "expected" in done.stderr
