"""Authentication: what every client library says, however it arrives, and what nobody gets in with."""

import array
import os
import re
import shutil
import socket
import struct
import subprocess
import sys

import pytest

from harness import EVERYTHING, rule
from wire import (GUID, LITTLE, METHOD_RETURN, OPEN, OWN_UID, Client, call, driver_call, eventually, hello, introduce, join, raw_bus)

pytestmark = pytest.mark.one_bus("the gate answers a client's handshake itself, and no byte of it reaches the bus")

REJECTED, OK, AGREE, ERROR, DATA = "REJECTED EXTERNAL", f"OK {GUID}", "AGREE_UNIX_FD", "ERROR ", "DATA"
NEGOTIATE, BEGIN = b"NEGOTIATE_UNIX_FD\r\n", b"BEGIN\r\n"
SOMEBODY_ELSE = str(os.getuid() + 1).encode().hex().encode()
# What the gate itself says to a bus, in one write.
OPENING = b"\0AUTH EXTERNAL " + OWN_UID + b"\r\n" + NEGOTIATE + BEGIN


def dialects(uid):
    """What libraries send after the NUL, as steps that wait for an answer, with the answers that they expect."""
    external = b"AUTH EXTERNAL " + uid + b"\r\n"
    return {
        "libdbus": [(external, [OK]), (NEGOTIATE, [AGREE]), (BEGIN, [])],
        "gdbus": [(b"AUTH\r\n", [REJECTED]), (external, [OK]), (NEGOTIATE, [AGREE]), (BEGIN, [])],
        "sd-bus": [(b"AUTH EXTERNAL\r\nDATA\r\n" + NEGOTIATE + BEGIN, [DATA, OK, AGREE])],
        "sd-bus-uid": [(b"AUTH EXTERNAL\r\nDATA " + uid + b"\r\n" + NEGOTIATE + BEGIN, [DATA, OK, AGREE])],
        "without-descriptors": [(external, [OK]), (BEGIN, [])],
        "zbus": [(external + NEGOTIATE + BEGIN, [OK, AGREE])],
    }


DIALECTS = dialects(OWN_UID)


def expect_lines(client, lines, guid):
    for line in lines:
        got = client.line()
        assert got.startswith(line.replace(GUID, guid)), (got, line)


def send_nul(client, dialect):
    """GDBus says who it is in a control message on the NUL."""
    if dialect == "gdbus":
        credentials = struct.pack("iII", os.getpid(), os.getuid(), os.getgid())
        client.socket.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials)])
    else:
        client.send(b"\0")


def guid_of(bus):
    client = Client(bus.path)
    guid = client.authenticate()
    client.close()
    return guid


@pytest.mark.both_buses
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_library_authenticates_step_by_step_and_is_told_the_guid_of_the_bus(workshop, bus, dialect):
    gate = workshop.gate(EVERYTHING, bus)
    guid = guid_of(bus)
    for _ in range(2):  # the first client of a gate waits for the bus, the second does not
        client = workshop.keep(Client(gate.path))
        send_nul(client, dialect)
        for step, answers in DIALECTS[dialect]:
            client.send(step)
            expect_lines(client, answers, guid)
        assert client.say_hello().startswith(":")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_handshake_may_be_pipelined_with_the_first_calls_and_cut_at_every_byte(workshop, bus, dialect):
    gate = workshop.gate(EVERYTHING, bus)
    guid = guid_of(bus)
    steps = DIALECTS[dialect]
    opening = b"\0" + b"".join(step for step, _ in steps)
    stream = opening + hello(1) + driver_call(2, "GetId")
    for cut in range(1, len(opening) + 20):
        client = Client(gate.path)
        client.send_parts(stream[:cut], stream[cut:])
        for _, answers in steps:
            expect_lines(client, answers, guid)
        client.finish_hello()
        assert len(client.receive_reply(2).args[0]) == 32
        client.close()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_handshake_may_come_byte_by_byte(workshop, bus, dialect):
    gate = workshop.gate(EVERYTHING, bus)
    guid = guid_of(bus)
    steps = DIALECTS[dialect]
    stream = b"\0" + b"".join(step for step, _ in steps) + hello(1)
    early = workshop.keep(join(workshop, gate.path))  # so that the gate need not stop reading until the bus is known
    client = workshop.keep(Client(gate.path))
    client.send_parts(*(stream[at:at + 1] for at in range(len(stream))))
    for _, answers in steps:
        expect_lines(client, answers, guid)
    client.finish_hello()
    early.round_trip()


@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "sd-bus"])  # which claims no uid at all
def test_a_client_that_claims_another_uid_is_rejected_in_every_dialect_and_no_bus_hears_of_it(workshop, dialect):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    for uid in (SOMEBODY_ELSE, b"34323934393637323935", b"2d31", b"3030", b"30306", b"3078", b"zz"):
        client = workshop.keep(Client(gate.path))
        client.send(b"\0" + b"".join(step for step, _ in dialects(uid)[dialect]))
        rejections = 2 if dialect == "gdbus" else 1
        lines = []
        while lines.count(REJECTED) < rejections:
            lines.append(client.line())
            assert not lines[-1].startswith("OK"), uid
        client.expect_end()  # BEGIN before OK
    gate.log.wait_for("BEGIN before it was authenticated")
    assert not bus.is_asked()


def test_the_uid_that_a_client_sees_in_its_user_namespace_is_its_own_and_no_other_is(workshop, bus):
    inside = os.getuid() + 1  # the own user's number is accepted too
    unshare = ["unshare", "--user", f"--map-user={inside}"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"]).returncode != 0:
        pytest.skip("no user namespaces here")
    gate = workshop.gate(EVERYTHING, bus)
    script = """if True:
        import socket, sys
        for claim in sys.argv[2:]:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(30)
            s.connect(sys.argv[1])
            s.sendall(b"\\0AUTH EXTERNAL " + claim.encode().hex().encode() + b"\\r\\n")
            print(claim, s.recv(4096).split()[0].decode())
    """
    done = subprocess.run(
        [*unshare, sys.executable, "-c", script, gate.path, str(inside), str(inside + 1), str(inside + 2)],
        capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [f"{inside} OK", f"{inside + 1} REJECTED", f"{inside + 2} REJECTED"], done.stderr


def test_anonymous_is_refused_and_not_offered(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus)
    client = workshop.keep(Client(gate.path))
    client.send(b"\0AUTH ANONYMOUS\r\n")
    assert client.line() == REJECTED
    client.send(b"AUTH ANONYMOUS 6d65\r\nAUTH DBUS_COOKIE_SHA1 30\r\nAUTH external 30\r\n")
    assert [client.line() for _ in range(3)] == [REJECTED] * 3
    client.send(b"BEGIN\r\n")
    client.expect_end()


@pytest.mark.parametrize("line", [b"BEGIN ", b"BEGIN  ", b"BEGIN now", b"BEGIN\t", b"begin", b" BEGIN", b"BEGIN\0", b"BEGIN\n", b"\nBEGIN",
                                  b"BEGIN\r", b"BEGINN"])
def test_cve_2018_6560_a_line_that_is_almost_begin_never_begins_and_nothing_behind_it_reaches_the_bus(workshop, line):
    bus = raw_bus(workshop)
    gate = workshop.gate([rule(interface=OPEN)], bus)
    client = workshop.keep(Client(gate.path))
    smuggled = hello(1) + call(2, "com.example.Service", "Smuggled", "com.example.Shut")
    client.send(b"\0AUTH EXTERNAL " + OWN_UID + b"\r\n" + line + b"\r\n" + smuggled + b"\r\n" + BEGIN + hello(7))
    side = workshop.keep(bus.accept())
    side.handshake()
    assert side.opening == OPENING.replace(NEGOTIATE, b"")
    assert client.line() == OK
    assert client.line().startswith(ERROR) and client.line().startswith(ERROR)
    first = side.receive()
    assert (first.member, first.serial) == ("Hello", 7)


def test_before_ok_begin_closes(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus)
    for opening in (b"BEGIN\r\n", b"AUTH\r\nBEGIN\r\n", b"AUTH EXTERNAL\r\nBEGIN\r\n", b"CANCEL\r\nBEGIN\r\n"):
        client = workshop.keep(Client(gate.path))
        client.send(b"\0" + opening + hello(1))
        client.expect_end()
    gate.log.wait_for("BEGIN before it was authenticated")


def test_after_cancel_one_has_to_authenticate_again(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus)
    guid = guid_of(bus)
    external = b"AUTH EXTERNAL " + OWN_UID + b"\r\n"
    client = workshop.keep(Client(gate.path))
    client.send(b"\0" + external + NEGOTIATE + b"CANCEL\r\n" + NEGOTIATE + external + BEGIN + hello(1))
    expect_lines(client, [OK, AGREE, REJECTED, ERROR, OK], guid)
    client.finish_hello()
    # What was agreed before CANCEL is forgotten: descriptors are now what nobody negotiated.
    client.send(driver_call(2, "GetId", fds=1), [0])
    client.expect_end()
    gate.log.wait_for("file descriptors that do not match")


def test_five_rejections_are_forgiven_and_the_sixth_closes(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus)
    guid = guid_of(bus)
    patient = workshop.keep(Client(gate.path))
    patient.send(b"\0" + b"AUTH\r\n" * 5 + b"AUTH EXTERNAL " + OWN_UID + b"\r\n" + BEGIN)
    expect_lines(patient, [REJECTED] * 5 + [OK], guid)
    assert patient.say_hello()
    stubborn = workshop.keep(Client(gate.path))
    stubborn.send(b"\0" + b"AUTH\r\n" * 6 + b"AUTH EXTERNAL " + OWN_UID + b"\r\n" + BEGIN)
    expect_lines(stubborn, [REJECTED] * 6, guid)
    stubborn.expect_end()
    assert not stubborn.buffer
    gate.log.wait_for("rejected 6 times")


def test_a_line_of_16_kib_is_read_and_one_that_has_no_end_by_then_closes(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus)
    client = workshop.keep(Client(gate.path))
    client.send(b"\0" + b"X" * 16382 + b"\r\nAUTH\r\n")
    assert client.line().startswith(ERROR)
    assert client.line() == REJECTED
    endless = workshop.keep(Client(gate.path))
    endless.send(b"\0" + b"X" * 16384)
    endless.expect_end()
    assert not endless.buffer
    gate.log.wait_for("16384 bytes without a line end")


def test_a_client_that_asks_for_errors_and_does_not_read_them_is_stopped_and_then_gets_every_one(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, "--log", "none")
    join(workshop, gate.path)
    client = workshop.keep(Client(gate.path))
    client.socket.setblocking(False)
    client.send(b"\0")
    sent = 0
    lines = b"X\r\n" * 10000
    try:
        while sent < 100 << 20:
            sent += client.socket.send(lines[sent % 3:])
        raise AssertionError("the gate reads without end")
    except BlockingIOError:
        pass
    client.socket.settimeout(30)
    answers = bytearray()
    while answers.count(b"\n") < sent // 3:
        client.fill()
        answers += client.buffer
        client.buffer.clear()
    assert set(bytes(answers).splitlines()) == {b'ERROR "unknown command"'}


def test_what_does_not_begin_with_nul_is_no_client(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus)
    for opening in (b"AUTH EXTERNAL\r\n", b"GET / HTTP/1.1\r\n", b"l\1\0\1"):
        client = workshop.keep(Client(gate.path))
        client.send(opening)
        client.expect_end()
        assert not client.buffer
    gate.log.wait_for("first byte is not NUL")


@pytest.mark.parametrize("agrees", [True, False])
def test_descriptors_are_agreed_exactly_when_the_bus_agreed(workshop, agrees):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    bus.agree = agrees
    for _ in range(2):  # the second client is told what was learned with the first
        client = workshop.keep(Client(gate.path))
        client.send(b"\0AUTH EXTERNAL " + OWN_UID + b"\r\n" + NEGOTIATE + BEGIN + hello(1))
        side = workshop.keep(bus.accept())
        side.handshake(agrees)
        assert client.line() == OK
        assert client.line().startswith(AGREE if agrees else ERROR)
        side.answer_hello()
        client.finish_hello()


def test_a_client_that_wants_no_descriptors_is_not_said_to_want_them(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    introduce(workshop, gate, bus)
    client = workshop.keep(Client(gate.path))
    client.send(b"\0AUTH EXTERNAL " + OWN_UID + b"\r\n" + BEGIN + hello(1))
    side = workshop.keep(bus.accept())
    side.handshake()
    assert side.opening == OPENING.replace(NEGOTIATE, b"")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_byte_of_a_handshake_reaches_the_bus(workshop, dialect):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    introduce(workshop, gate, bus, name=":1.1")
    messages = hello(1) + call(2, "com.example.Service", "First", flags=1) + call(3, "com.example.Service", "Second", flags=1)
    client = workshop.keep(Client(gate.path))
    client.send(b"\0" + b"".join(step for step, _ in DIALECTS[dialect]) + messages)
    side = workshop.keep(bus.accept())
    side.handshake()
    while len(side.buffer) < len(messages):
        side.fill()
    opening = OPENING.replace(NEGOTIATE, b"") if dialect == "without-descriptors" else OPENING
    assert side.opening + side.buffer == opening + messages


def test_who_does_not_authenticate_in_time_is_closed_and_who_did_is_not(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, "--limit", "auth-timeout=300ms")
    friend = join(workshop, gate.path)
    silent, half, nearly = (workshop.keep(Client(gate.path)) for _ in range(3))
    half.send(b"\0AUTH EXTERNAL")
    nearly.send(b"\0AUTH EXTERNAL " + OWN_UID + b"\r\n")
    for client in (silent, half, nearly):
        client.expect_end()
    assert nearly.buffer.startswith(b"OK ")
    friend.round_trip()
    gate.log.wait_for("did not authenticate within auth-timeout")


def test_cve_2014_3639_of_too_many_unauthenticated_clients_one_that_is_silent_gives_way_to_one_that_waits(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus, "--limit", "unauthenticated-max=3")
    friends = [join(workshop, gate.path) for _ in range(4)]  # who has authenticated does not count
    strangers = [workshop.keep(Client(gate.path)) for _ in range(3)]
    for client in strangers:
        client.send(b"\0AUTH\r\n")
        assert client.line() == REJECTED
    newcomer = workshop.keep(Client(gate.path))
    strangers[0].expect_end()
    for client in strangers[1:]:
        client.send(b"AUTH EXTERNAL " + OWN_UID + b"\r\n" + BEGIN)
        assert client.line().startswith("OK")
        client.say_hello()
    newcomer.authenticate()
    newcomer.say_hello()
    for client in friends:
        client.round_trip()
    gate.log.wait_for("unauthenticated-max")


def test_descriptors_in_a_handshake_close(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus)
    before = gate.descriptors()
    for opening in (b"\0", b"\0AUTH EXTERNAL " + OWN_UID + b"\r\n"):
        client = workshop.keep(Client(gate.path))
        client.send(opening, [0, 1])
        client.expect_end()
        client.close()
    eventually(lambda: gate.descriptors() == before, "descriptors were kept")
    # The twin: behind BEGIN they belong to the first message that claims them.
    client = workshop.keep(Client(gate.path))
    client.authenticate()
    client.say_hello()
    reply = client.ask_driver("GetId", interface="org.freedesktop.DBus")
    assert reply.type == METHOD_RETURN
