"""Advisories about buses, libraries and proxies like this: what went wrong there does not here. Those that have no test beside their
subject are tested here; that each has one is tested, too. Names have the advisory's number in them."""

import pathlib
import re
import struct

import pytest

from harness import EVERYTHING, rule
from wire import (BIG, LIMITS_EXCEEDED, LITTLE, METHOD_RETURN, NO_REPLY_EXPECTED, OBJECT, OPEN, OWN_UID, SHUT, Client,
                  call, hello, introduce, join, message, put, raw_bus, signal)

closed_by_the_gate = pytest.mark.one_bus("the gate closes the connection before the bus hears of it")

ADVISORIES = [
    "CVE-2008-0595", "CVE-2008-4311", "CVE-2010-4352", "CVE-2011-2200", "CVE-2013-2168", "CVE-2014-3477", "CVE-2014-3532", "CVE-2014-3533",
    "CVE-2014-3635", "CVE-2014-3636", "CVE-2014-3637", "CVE-2014-3638", "CVE-2014-3639", "CVE-2014-7824", "CVE-2014-8148", "CVE-2015-0245", "CVE-2018-6560",
    "CVE-2019-6454", "CVE-2020-12049", "CVE-2022-42010", "CVE-2022-42011", "CVE-2022-42012", "CVE-2023-32665", "CVE-2024-34397",
    "CVE-2026-94422", "GHSA-vjp5-hjfm-7677", "dbus-broker-435",
]
ORDERS = pytest.mark.parametrize("order", [LITTLE, BIG], ids=["little", "big"])
SERVICE = "com.example.Service"


@pytest.mark.parametrize("advisory", ADVISORIES)
def test_each_advisory_has_a_test(advisory):
    names = re.findall(r"^def (test_\w+)", "\n".join(file.read_text() for file in pathlib.Path(__file__).parent.glob("test_*.py")), re.M)
    number = advisory.lower().replace("-", "_")
    # Numbers of one year may share a name, as in cve_2014_3636_and_7824.
    year, _, last = number.rpartition("_")
    assert [name for name in names if number in name or year in name and f"_and_{last}" in name], f"no test is named after {advisory}"


class AdvisoryScene:
    """A gate that opens com.example.Open, a client inside, a service and its caller on the bus."""

    def __init__(self, workshop, bus, rules=None):
        self.workshop, self.bus = workshop, bus
        self.gate = workshop.gate(rules or [rule(interface=OPEN)], bus)
        self.inside, self.service, self.bystander = join(workshop, self.gate.path), join(workshop, bus.path), join(workshop, self.gate.path)

    def expect_alive(self):
        """The gate serves, and what the first client did cost nobody else anything."""
        serial = self.bystander.next_serial()
        self.bystander.send(call(serial, self.service.name, "Still"))
        asked = self.service.receive_member("Still")
        self.service.answer(asked)
        assert self.bystander.receive_reply(serial).type == METHOD_RETURN

    def expect_closed(self, data, *descriptors, why="client sent a malformed message"):
        """A client that says this is closed by the gate, and not only by the bus; the service hears nothing of it."""
        before = len(self.gate.log.matching(why))
        client = join(self.workshop, self.gate.path)
        client.send(data, descriptors)
        client.expect_end()
        self.gate.log.wait_until(lambda: len(self.gate.log.matching(why)) > before)
        assert self.service.round_trip() == []
        self.expect_alive()


@pytest.fixture
def scene(workshop, bus):
    return AdvisoryScene(workshop, bus)


def with_raw_field(order, data, kind=1, **changes):
    """A call whose header goes on with these bytes, which begin at a multiple of 8."""
    parts = dict(destination=SERVICE, path=OBJECT, interface=OPEN, member="Ask", flags=NO_REPLY_EXPECTED, order=order)
    parts.update(changes)
    plain = message(kind, 77, **parts)
    fields = plain[16:] + data
    return plain[:12] + struct.pack(order + "I", len(fields)) + fields + bytes(-len(fields) % 8)


def field(order, kind, value):
    """A field that nobody knows, as bytes."""
    data = bytearray([99])
    put(data, order, "v", (kind, value))
    return bytes(data)


# The handshake

@pytest.mark.parametrize("line", [b"BEGIN ", b"BEGIN\t", b"BEGIN now"])
def test_cve_2018_6560_what_a_bus_takes_for_begin_the_gate_need_not(scene, line):
    """dbus-daemon begins at these lines: what is behind them it would have read as messages, had they been passed on."""
    client = scene.workshop.keep(Client(scene.gate.path))
    smuggled = hello(1) + call(2, scene.service.name, "Smuggled", SHUT, flags=NO_REPLY_EXPECTED)
    client.send(b"\0AUTH EXTERNAL " + OWN_UID + b"\r\n" + line + b"\r\n" + smuggled + b"\r\nBEGIN\r\n" + hello(7)
                + call(8, scene.service.name, "Straight", flags=NO_REPLY_EXPECTED))
    assert client.line().startswith("OK ")
    assert client.line().startswith("ERROR")
    heard = scene.service.receive_until(lambda one: one.member == "Straight")
    assert [one.member for one in heard] == ["Straight"]


# Headers and bodies

@ORDERS
def test_cve_2010_4352_variants_inside_each_other_do_not_exhaust_the_stack(scene, order):
    def nested(count):
        return b"\x63\x01v\0" + b"\x01v\0" * (count - 2) + b"\x01y\0\x07"

    scene.expect_closed(with_raw_field(order, nested(65)))
    scene.expect_closed(with_raw_field(order, nested(60_000)))
    # A body is not looked at, and may be as long as a bus takes one: it is for the bus to close over this.
    deep = b"\x01v\0" * 400_000 + b"\x01y\0\x07"
    client = join(scene.workshop, scene.gate.path)
    client.send(call(10, scene.service.name, "Ask", flags=NO_REPLY_EXPECTED, order=order, signature="v", body=deep))
    client.expect_end()
    scene.expect_alive()
    # the twin
    scene.inside.send(with_raw_field(order, nested(60), destination=scene.service.name))
    assert scene.service.receive().member == "Ask"


@pytest.mark.parametrize("byte_count", [100_000, 1 << 20])
def test_cve_2019_6454_a_path_of_a_megabyte_is_skipped_and_answered_in_either_direction(scene, byte_count):
    """systemd's stack was as long as the path was. The limit of a header is 262144 bytes."""
    path, passes = "/" + "p" * (byte_count - 1), byte_count < 262144
    scene.inside.send(call(10, scene.service.name, "Ask", path=path) + call(11, scene.service.name, "Then"))
    if passes:
        assert scene.service.receive().path == path
    else:
        assert scene.inside.receive_reply(10).error == LIMITS_EXCEEDED
    assert scene.service.receive().member == "Then"
    scene.service.send(signal(10, "Told", path=path, destination=scene.inside.name) + signal(11, "Then", destination=scene.inside.name))
    heard = scene.inside.receive_until(lambda one: one.member == "Then")
    assert [one.member for one in heard if one.member] == (["Told", "Then"] if passes else ["Then"])
    scene.expect_alive()


@closed_by_the_gate
@ORDERS
@pytest.mark.parametrize("signature", ["a{i(u}", "(i{u)", "a(i}", "a{s(v}", "a{iu)", "(i}"])
def test_cve_2022_42010_brackets_that_do_not_match_close(scene, order, signature):
    scene.expect_closed(call(10, SERVICE, "Ask", order=order, signature=signature, body=bytes(16)))
    scene.expect_closed(with_raw_field(order, b"\x63" + bytes([len(signature)]) + signature.encode() + bytes(16)))
    # the twin
    scene.inside.send(call(10, scene.service.name, "Ask", order=order, signature="a{i(u)}", body=bytes(8), flags=NO_REPLY_EXPECTED))
    assert scene.service.receive().signature == "a{i(u)}"


@ORDERS
def test_cve_2022_42011_an_array_that_is_no_multiple_of_its_elements_closes(scene, order):
    def numbers(byte_count):
        # code, signature, padding of the length (at 5, so 3 bytes), the length, padding to 8, the elements
        return b"\x63\x02at\0" + bytes(3) + struct.pack(order + "I", byte_count) + bytes(4) + bytes(byte_count)

    for byte_count in (1, 7, 9, 15):
        scene.expect_closed(with_raw_field(order, numbers(byte_count)))
    # In a body it is for the bus to find out, which closes that connection; the gate lives on.
    client = join(scene.workshop, scene.gate.path)
    client.send(call(10, scene.service.name, "Ask", order=order, signature="at", flags=NO_REPLY_EXPECTED,
                     body=struct.pack(order + "II", 9, 0) + bytes(9)))
    client.expect_end()
    scene.expect_alive()
    # the twin
    for byte_count in (0, 8, 16):
        scene.inside.send(with_raw_field(order, numbers(byte_count), destination=scene.service.name))
        assert scene.service.receive().member == "Ask"


@ORDERS
def test_cve_2022_42012_a_message_of_the_other_byte_order_keeps_its_descriptors(scene, order, tmp_path):
    (tmp_path / "file").write_text("what was sent")
    with open(tmp_path / "file") as file:
        for sender, receiver in ((scene.inside, scene.service), (scene.service, scene.inside)):
            sender.send(call(50, receiver.name, "Take", order=order, fds=1, signature="hs", args=[0, "x"], flags=NO_REPLY_EXPECTED), [file.fileno()])
            got = receiver.receive_member("Take")
            assert (got.args, len(got.fds)) == ([0, "x"], 1)
            with open(got.fds[0], closefd=True) as received:
                assert received.read() == "what was sent"
                received.seek(0)
    # the twin: a claim without a descriptor closes
    scene.expect_closed(call(51, SERVICE, "Take", order=order, fds=1, signature="h", args=[0]), why="file descriptors that do not match")


def take(peer, byte_count):
    """Reads as many bytes, whatever they are."""
    while len(peer.buffer) < byte_count:
        peer.fill()
    del peer.buffer[:byte_count]


def test_cve_2023_32665_no_value_takes_longer_than_its_bytes_say(workshop):
    """Arrays of nothing, whose type is as long as one may be: the most work for the fewest bytes. It grows with the bytes, not faster."""
    bus = raw_bus(workshop)
    gate = workshop.gate([rule(interface=OPEN)], bus)
    client, side = introduce(workshop, gate, bus)
    kind = "aa(" + "y" * 250 + ")"

    def cost(count):
        data = b"\x63" + bytes([len(kind)]) + kind.encode() + b"\0"
        data += bytes(-len(data) % 4)
        # an array of so many arrays without elements, each of them four bytes and the padding to the element's eight
        one = with_raw_field(LITTLE, data + struct.pack("<I", 8 * count) + bytes(-(len(data) + 4) % 8 + 8 * count))
        before = gate.cpu_nanoseconds()
        for _ in range(10):
            client.send(one)
            take(side, len(one))
        return gate.cpu_nanoseconds() - before

    cost(1000)
    small, large = min(cost(3000) for _ in range(3)), min(cost(24000) for _ in range(3))
    assert large < 3 * 8 * small, (small, large)


# Tables

def test_cve_2014_3638_a_reply_is_found_as_fast_among_many_as_among_few(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus, "--limit", "pending-replies-max=50000")
    client, side = introduce(workshop, gate, bus)

    def cost(first, count=3000):
        """What as many calls cost that stay unanswered, the highest serial first."""
        before = gate.cpu_nanoseconds()
        for start in range(first, first + count, 500):
            calls = b"".join(call(1_000_000 - serial, SERVICE, "Ask") for serial in range(start, start + 500))
            client.send(calls)
            take(side, len(calls))
        return gate.cpu_nanoseconds() - before

    cost(10, 1000)
    costs = [cost(2000 + 3000 * number) for number in range(14)]
    # Where each call passes all that wait, the last three thousand cost more than ten times as much as the first.
    assert min(costs[-3:]) < 3 * min(costs[:3]), costs
    # the twin: every one of them still has a right to its answer, the first as the last, and none that is not there has
    for serial in (2000, 43999, 2000, 44000):
        side.send(message(METHOD_RETURN, side.next_serial(), reply=1_000_000 - serial, sender=":1.2", destination=":1.7"))
    side.send(signal(side.next_serial(), "Then", sender=":1.2"))
    assert [one.reply for one in client.receive_until(lambda one: one.member == "Then")[:-1]] == [1_000_000 - 2000, 1_000_000 - 43999]
