"""Messages that are none: the connection ends, both sides, and nobody else notices. And messages that only look odd: they pass."""

import struct

import pytest

from harness import EVERYTHING, rule
from wire import (BIG, CONTAINER_INSTANCE, DESTINATION, ERROR, ERROR_NAME, INTERFACE, LIMITS_EXCEEDED, LITTLE, MEMBER, METHOD_CALL,
                  METHOD_RETURN, NO_REPLY_EXPECTED, OBJECT, OPEN, PATH, REPLY_SERIAL, SENDER, SIGNAL, SIGNATURE, UNIX_FDS, Client, Ended, call,
                  eventually, expect_descriptors, introduce, join, message, raw_bus, signal, size_of)

closed_by_the_gate = pytest.mark.one_bus("the gate closes the connection before the bus hears of it")

SERVICE = "com.example.Service"


def plain(order, **changes):
    """A call that is in order, but for the changes."""
    parts = dict(path=OBJECT, interface=OPEN, member="Member", destination=SERVICE, flags=NO_REPLY_EXPECTED, order=order)
    parts.update(changes)
    return message(METHOD_CALL, 77, **parts)


def of_type(kind, order, **parts):
    return message(kind, 77, order=order, **parts)


def patched(data, at, new):
    return data[:at] + new + data[at + len(new):]


def number(order, value):
    return struct.pack(order + "I", value)


def with_field(order, code, kind, value, **changes):
    return plain(order, fields=[(code, kind, value)], **changes)


def last_field(order, data):
    """A message whose last header field is replaced by these bytes, which begin where a field may."""
    start = message(METHOD_CALL, 77, path=OBJECT, member="Member", order=order, flags=NO_REPLY_EXPECTED)
    fields = start[16:] + data
    return start[:12] + number(order, len(fields)) + fields + bytes(-len(fields) % 8)


def unterminated(order):
    data = plain(order)
    return patched(data, data.index(b"Member\0") + 6, b"!")


def dirty_between(order):
    data = plain(order)
    return patched(data, data.index(b"Member\0") + 7, b"\1")


def dirty_at_the_end(order):
    data = message(SIGNAL, 77, path="/", interface="a.b", member="Mem", order=order)  # the fields end one byte after an 8th
    assert data[-1] == 0 and struct.unpack_from(order + "I", data, 12)[0] % 8
    return data[:-1] + b"\1"


def nested_variants(depth):
    value = ("y", 1)
    for _ in range(depth):
        value = ("v", value)
    return value


# Everything that is no message: a name, and how to make one in a byte order.
MALFORMED = {
    "byte order": lambda o: patched(plain(o), 0, b"x"),
    "upper case byte order": lambda o: patched(plain(o), 0, b"L" if o == LITTLE else b"b"),
    "other byte order": lambda o: patched(plain(o, body=bytes(1), signature="y"), 0, b"B" if o == LITTLE else b"l"),
    "type 0": lambda o: patched(plain(o), 1, b"\0"),
    "version 0": lambda o: plain(o, version=0),
    "version 2": lambda o: plain(o, version=2),
    "serial 0": lambda o: patched(plain(o), 8, bytes(4)),
    "message one byte over 128 MiB": lambda o: plain(o, signature="ay", body_length=(1 << 27) - len(plain(o, signature="ay")) + 1),
    "body of 4 GiB less one": lambda o: patched(plain(o), 4, number(o, 0xFFFFFFFF)),
    "fields of 64 MiB and one": lambda o: patched(plain(o), 12, number(o, (1 << 26) + 1)),
    "fields of 4 GiB less one": lambda o: patched(plain(o), 12, number(o, 0xFFFFFFFF)),
    "both lengths at their ends": lambda o: patched(patched(plain(o), 4, number(o, 0xFFFFFFFF)), 12, number(o, 0xFFFFFFFF)),
    "field 0": lambda o: with_field(o, 0, "s", "x"),
    "fields end inside a field": lambda o: patched(plain(o), 12, number(o, len(plain(o)) - 16 - 9)),
    "fields end inside a length": lambda o: last_field(o, b"\7\1s\0\0\0"),
    "fields end inside a code": lambda o: last_field(o, b"\7"),
    "string longer than the fields": lambda o: last_field(o, b"\7\1s\0" + number(o, 100) + b"a.b\0"),
    "string of 4 GiB less one": lambda o: last_field(o, b"\7\1s\0" + number(o, 0xFFFFFFFF) + b"a.b\0"),
    "string without its end": unterminated,
    "dirty padding between fields": dirty_between,
    "dirty padding behind the fields": dirty_at_the_end,
    "signature field longer than the fields": lambda o: last_field(o, b"\x08\1g\0\xff\0"),
    "PATH as string": lambda o: with_field(o, PATH, "s", OBJECT, path=None),
    "MEMBER as path": lambda o: with_field(o, MEMBER, "o", OBJECT, member=None),
    "INTERFACE as signature": lambda o: with_field(o, INTERFACE, "g", "s", interface=None),
    "DESTINATION as number": lambda o: with_field(o, DESTINATION, "u", 1, destination=None),
    "SENDER as bytes": lambda o: with_field(o, SENDER, "ay", b"a.b"),
    "SIGNATURE as string": lambda o: with_field(o, SIGNATURE, "s", "s", body=bytes(5)),
    "UNIX_FDS as int32": lambda o: with_field(o, UNIX_FDS, "i", 0),
    "REPLY_SERIAL as int32": lambda o: with_field(o, REPLY_SERIAL, "i", 5),
    "CONTAINER_INSTANCE as string": lambda o: with_field(o, CONTAINER_INSTANCE, "s", "/a"),
    "PATH as variant of two": lambda o: last_field(o, b"\1\2oo\0\0\0\0" + number(o, 1) + b"/\0"),
    "field without a type": lambda o: last_field(o, b"\x63\0\0\0"),
    "REPLY_SERIAL 0": lambda o: with_field(o, REPLY_SERIAL, "u", 0),
    "PATH twice": lambda o: with_field(o, PATH, "o", OBJECT),
    "INTERFACE twice": lambda o: with_field(o, INTERFACE, "s", OPEN),
    "MEMBER twice": lambda o: with_field(o, MEMBER, "s", "Member"),
    "DESTINATION twice": lambda o: with_field(o, DESTINATION, "s", SERVICE),
    "SENDER twice": lambda o: plain(o, fields=[(SENDER, "s", ":1.1")] * 2),
    "SIGNATURE twice": lambda o: plain(o, fields=[(SIGNATURE, "g", "y")] * 2, body=b"1"),
    "UNIX_FDS twice": lambda o: plain(o, fields=[(UNIX_FDS, "u", 0)] * 2),
    "REPLY_SERIAL twice": lambda o: plain(o, fields=[(REPLY_SERIAL, "u", 5)] * 2),
    "CONTAINER_INSTANCE twice": lambda o: plain(o, fields=[(CONTAINER_INSTANCE, "o", "/")] * 2),
    "call without path": lambda o: plain(o, path=None),
    "call without member": lambda o: plain(o, member=None),
    "signal without path": lambda o: of_type(SIGNAL, o, interface=OPEN, member="Member"),
    "signal without interface": lambda o: of_type(SIGNAL, o, path=OBJECT, member="Member"),
    "signal without member": lambda o: of_type(SIGNAL, o, path=OBJECT, interface=OPEN),
    "return without reply serial": lambda o: of_type(METHOD_RETURN, o, destination=":1.0"),
    "error without name": lambda o: of_type(ERROR, o, reply=1, destination=":1.0"),
    "error without reply serial": lambda o: of_type(ERROR, o, error="a.b", destination=":1.0"),
    "body without signature": lambda o: plain(o, body=b"1"),
    "signature without body": lambda o: plain(o, signature="y", body=b""),
    "path of a library to itself": lambda o: plain(o, path="/org/freedesktop/DBus/Local"),
    "interface of a library to itself": lambda o: plain(o, interface="org.freedesktop.DBus.Local"),
    "unknown field with a boolean 2": lambda o: last_field(o, b"\x63\1b\0" + number(o, 2)),
    "unknown field with no UTF-8": lambda o: with_field(o, 99, "s", b"\xff"),
    "unknown field with an overlong NUL": lambda o: with_field(o, 99, "s", b"\xc0\x80"),
    "unknown field with a surrogate": lambda o: with_field(o, 99, "s", b"\xed\xa0\x80"),
    "unknown field with a bad path": lambda o: with_field(o, 99, "o", "/a/"),
    "unknown field with a bad signature": lambda o: with_field(o, 99, "g", "aa"),
    "unknown field with dirty padding": lambda o: last_field(o, b"\x63\1t\0\0\0\0\1" + bytes(8)),
    "unknown field with half a number": lambda o: last_field(o, b"\x63\1t\0\0\0\0\0" + bytes(4)),
    "unknown field with half an array": lambda o: last_field(o, b"\x63\2ay\0\0\0\0" + number(o, 64) + b"x"),
    "unknown field with an array of half a number": lambda o: last_field(o, b"\x63\2au\0\0\0\0" + number(o, 3) + b"xxx"),
    "unknown field with 64 variants inside each other": lambda o: with_field(o, 99, "v", nested_variants(64)),
    "a hello to another server": lambda o: b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
}
GRAMMAR = {
    "path": ["", "x", "/a/", "//", "/a//b", "/a-b", "/\u00e9", "/a.b", "/ ", "/a\0"],
    "interface": ["", "one", ".a.b", "a..b", "a.b.", "1a.b", "a.1b", "a.b-c", "a.\u00e9", "a." + "b" * 254, "a.b\0"],
    "member": ["", "a.b", "1a", "a-b", "\u00e9", "m" * 256, "a "],
    "destination": ["", "one", ":", ":1", ".a.b", "a..b", "a.b.", "a.1b", ":1..2", "a." + "b" * 254, "a.b c"],
    "sender": ["", "one", ":1."],
    "error": ["", "one", "a.1", "a." + "b" * 254],
    "signature": ["z", "a", "(", "()", ")", "(y", "a{vs}", "a{s}", "a{sss}", "{ss}", "a" * 33 + "y", "(" * 33 + "y" + ")" * 33, "y" * 3 + "r"],
}
for part, values in GRAMMAR.items():
    for value in values:
        changes = {part: value, "body": b"12345678"} if part == "signature" else {part: value}
        MALFORMED[f"{part} {value[:12]!r} of {len(value)}"] = lambda o, changes=changes: plain(o, **changes)

ORDERS = {"little": LITTLE, "big": BIG}


@pytest.fixture
def scene(workshop, bus):
    """A gate, a service behind it, and another client in front of it that must not notice."""
    gate = workshop.gate([rule(interface=OPEN)], bus, "--log-fold", "0")
    service = join(workshop, bus.path)
    service.request_name(SERVICE)
    bystander = join(workshop, gate.path)
    service.send(call(90, bystander.name, "Wake"))  # a call that stays open over all that happens
    return gate, service, bystander, bystander.receive_member("Wake")


def send_and_expect_end(gate, service, parts):
    """A new client says something allowed, then ``parts``, each in a read of its own, and something allowed again."""
    client = Client(gate.path)
    client.authenticate()
    client.say_hello()
    client.send(call(2, SERVICE, "Before", flags=NO_REPLY_EXPECTED))
    client.await_read()
    *parts, last = parts
    try:
        client.send_parts(*parts, last + call(3, SERVICE, "After", flags=NO_REPLY_EXPECTED))
    except (BrokenPipeError, ConnectionResetError):
        pass  # closed already: what is wrong with it can be seen before all of it is there
    got = client.receive_all()
    assert got == [] and not client.buffer, got
    client.close()
    assert service.receive().member == "Before"


def expect_nobody_noticed(service, bystander, woken):
    assert service.round_trip() == []  # and so no "After" came either
    assert bystander.round_trip() == []
    bystander.answer(woken)
    assert service.receive_reply(90).type == METHOD_RETURN


@closed_by_the_gate
@pytest.mark.parametrize("order", ORDERS)
def test_what_is_no_message_closes_the_connection_and_nothing_else(scene, order):
    gate, service, bystander, woken = scene
    before = gate.descriptors()
    for name, make in MALFORMED.items():
        try:
            send_and_expect_end(gate, service, [make(ORDERS[order])])
        except Exception as error:
            raise AssertionError(f"{name}: {error!r}") from error
    expect_nobody_noticed(service, bystander, woken)
    expect_descriptors(gate, before)

    def reasons():
        return gate.log.matching("closed ", "client sent a malformed message: ", ", at byte ")

    eventually(lambda: len(reasons()) == len(MALFORMED), lambda: f"{len(reasons())} reasons for {len(MALFORMED)} messages")


@closed_by_the_gate
@pytest.mark.parametrize("order", ORDERS)
def test_what_is_no_message_closes_the_connection_when_it_comes_byte_by_byte(scene, order):
    gate, service, bystander, woken = scene
    for name, make in MALFORMED.items():
        data = make(ORDERS[order])
        try:
            send_and_expect_end(gate, service, [data[at:at + 1] for at in range(min(len(data), 400))])
        except Exception as error:
            raise AssertionError(f"{name}: {error!r}") from error
    expect_nobody_noticed(service, bystander, woken)


@closed_by_the_gate
@pytest.mark.parametrize("name", ["serial 0", "dirty padding behind the fields", "member 'a-b' of 3", "signature without body"])
def test_what_is_no_message_closes_the_connection_wherever_it_is_cut(scene, name):
    gate, service, bystander, woken = scene
    data = MALFORMED[name](LITTLE)
    for cut in range(1, len(data)):
        send_and_expect_end(gate, service, [data[:cut], data[cut:]])
    expect_nobody_noticed(service, bystander, woken)


def test_the_same_message_without_what_is_wrong_with_it_passes(scene):
    gate, service, bystander, woken = scene
    for order in ORDERS.values():
        data = plain(order)
        for cut in range(1, len(data)):
            bystander.send_parts(data[:cut], data[cut:])
            assert service.receive().member == "Member"
        bystander.send_parts(*(data[at:at + 1] for at in range(len(data))))
        assert service.receive().member == "Member"
    expect_nobody_noticed(service, bystander, woken)


@pytest.mark.parametrize("order", ORDERS)
def test_a_bus_that_sends_what_is_no_message_loses_its_connection_and_the_client_keeps_what_came_before(workshop, order):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    bystander, bystanders_bus = introduce(workshop, gate, bus, name=":1.1")
    before = gate.descriptors()
    for name, make in MALFORMED.items():
        client, side = introduce(workshop, gate, bus)
        side.send(signal(50, "Before", sender=":1.2") + make(ORDERS[order]) + signal(51, "After", sender=":1.2"))
        assert [one.member for one in client.receive_all()] == ["Before"], name
        side.expect_end()
        client.close()
        side.close()
    gate.log.wait_for("closed ", "bus sent a malformed message: ")
    bystanders_bus.send(signal(52, "Still", sender=":1.2"))
    assert bystander.receive().member == "Still"
    expect_descriptors(gate, before)


# What is legal, however odd

ODD_VALUES = [("y", 255), ("b", 1), ("n", -1), ("q", 1), ("i", -1), ("u", 0), ("x", -1), ("t", 1 << 63), ("d", 0.5), ("h", 0), ("s", ""),
              ("s", "\U0010ffff \u0001"), ("o", "/" + "a" * 300), ("g", "a{sv}" * 50), ("v", ("v", ("s", "x"))), ("ay", b""), ("at", []),
              ("at", [1, 2]), ("as", ["a", "", "b"]), ("(ys)", (1, "x")), ("a(yt)", [(1, 2), (3, 4)]), ("a{sv}", [("k", ("u", 1))]),
              ("aay", [b"", b"123"]), ("v", nested_variants(50)), ("(((((y)))))", (((((1,),),),),))]


def odd_messages(order, plain):
    """``plain`` makes a message in that order, with changes."""
    for code in (11, 99, 255):
        for kind, value in ODD_VALUES:
            yield plain(order, fields=[(code, kind, value)])
    yield plain(order, fields=[(99, "s", "twice"), (99, "s", "twice")])
    for flags in (0xF9, 0x81, 0x07):
        yield plain(order, flags=flags)
    for length in (254, 255, 256, 4096, 65536):
        yield plain(order, path="/" + "a" * (length - 1))
    yield plain(order, path="/", interface="a.b", member="_")
    yield plain(order, interface="a." + "b" * 253, member="m" * 255)
    yield plain(order, signature="")
    yield plain(order, signature="a" * 32 + "y", body=bytes(4))
    yield plain(order, signature="(" * 32 + "y" + ")" * 32, body=b"1")
    yield plain(order, signature="y" * 255, body=bytes(255))
    yield plain(order, fields=[(REPLY_SERIAL, "u", 0xFFFFFFFF), (UNIX_FDS, "u", 0), (ERROR_NAME, "s", "a.b")])
    # header fields in any order
    yield plain(order, path=None, interface=None, member=None, fields=[(MEMBER, "s", "M"), (INTERFACE, "s", OPEN), (PATH, "o", "/")])
    # a body is nobody's business unless a rule asks
    yield plain(order, signature="b", body=number(order, 2))
    yield plain(order, signature="s", body=b"nonsense")


def stream(messages):
    """Messages with serials of their own, as one stream."""
    data = bytearray()
    for serial, one in enumerate(messages, 100):
        data += one[:8] + number(LITTLE if one[0] == ord("l") else BIG, serial) + one[12:]
    return bytes(data)


@pytest.mark.parametrize("order", ORDERS)
def test_what_is_legal_passes_byte_for_byte_in_both_directions_however_odd(workshop, order):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    client, side = introduce(workshop, gate, bus)
    for sender, receiver, make in ((client, side, plain), (client, side, addressed), (side, client, arriving)):
        data = stream(odd_messages(ORDERS[order], make))
        sender.send(data)
        while len(receiver.buffer) < len(data):
            receiver.fill()
        assert bytes(receiver.buffer) == data
        receiver.buffer.clear()


@pytest.mark.parametrize("order", ORDERS)
def test_what_is_odd_fares_through_the_gate_as_it_does_without_it(workshop, bus, order):
    """The buses differ, such as in unknown header fields, which only dbus-broker passes on. Neither takes a body of another type."""
    gate = workshop.gate(EVERYTHING, bus)
    service, bystander = join(workshop, bus.path), join(workshop, gate.path)
    service.request_name(SERVICE)
    before = gate.descriptors()

    def outcome(path, data):
        client = join(workshop, path)
        try:
            client.send(data)
            is_alive = not client.round_trip()
        except (Ended, BrokenPipeError):
            is_alive = False
        client.close()
        return is_alive, [(one.type, one.flags, one.path, one.interface, one.member, one.unknown, one.body) for one in service.round_trip()]

    outcomes = []
    for number, data in enumerate(odd_messages(ORDERS[order], plain)):
        outcomes.append(outcome(bus.path, data))
        assert outcome(gate.path, data) == outcomes[-1], number
    assert [len(arrived) for is_alive, arrived in outcomes].count(1) > 90 and (False, []) in outcomes
    bystander.round_trip()
    expect_descriptors(gate, before)


def addressed(order, **changes):
    """A call to a name that is as long as may be."""
    return plain(order, destination="a-." + "b" * 252, **changes)


def arriving(order, **changes):
    """A signal to everybody: what a bus may bring without being asked."""
    parts = dict(path=OBJECT, interface=OPEN, member="Member", sender=":1.2", order=order)
    parts.update(changes)
    return message(SIGNAL, 77, **parts)


@pytest.mark.parametrize("order", ORDERS)
def test_a_message_of_a_type_that_nobody_knows_is_dropped_and_the_connection_lives(workshop, order):
    order = ORDERS[order]
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    client, side = introduce(workshop, gate, bus)
    unknown = b"".join(message(kind, 9, path=OBJECT, interface=OPEN, member="Odd", destination=":1.7", order=order) for kind in range(5, 256))
    unknown += message(200, 9, order=order) + message(5, 9, order=order, signature="ay", body=bytes(100_000))
    client.send(unknown + call(10, SERVICE, "Known"))
    assert side.receive().member == "Known"
    side.send(unknown + signal(10, "Known", sender=":1.2"))
    assert client.receive().member == "Known"


def path_for_header(bytes_wanted, **parts):
    """A path that makes the header of a call exactly so long."""
    shortest = len(plain(LITTLE, path="/", **parts))
    path = "/" + "a" * (bytes_wanted - shortest)
    assert len(plain(LITTLE, path=path, **parts)) == bytes_wanted
    return path


@pytest.mark.parametrize("limit", [None, 1024])
def test_a_header_as_long_as_the_limit_passes_and_a_longer_one_is_answered_and_skipped(workshop, limit):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus, *(["--limit", f"header-bytes-max={limit}"] if limit else []))
    client, side = introduce(workshop, gate, bus)
    limit = limit or 262_144
    client.send(plain(LITTLE, path=path_for_header(limit), flags=0))
    assert len(side.receive().path) > limit - 200
    for size, body in ((limit + 8, b""), (limit + 8, bytes(500_000)), (4 << 20, b"1")):
        long = dict(path="/" + "a" * (size - 100), signature="ay" if body else None, body=body)
        client.send(message(METHOD_CALL, 60, interface=OPEN, member="Long", destination=SERVICE, **long)
                    + call(61, SERVICE, "Next", flags=NO_REPLY_EXPECTED))
        refused = client.receive_reply(60)
        assert refused.error == LIMITS_EXCEEDED and "header-bytes-max" in refused.args[0]
        assert side.receive().member == "Next"
    # from the bus: nobody can be told, but the next message comes
    side.send(signal(70, "Long", path="/" + "a" * limit, sender=":1.2") + signal(71, "Next", sender=":1.2"))
    assert client.receive().member == "Next"


def test_a_message_over_the_limit_is_answered_and_skipped(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus, "--limit", "message-bytes-max=100000")
    client, side = introduce(workshop, gate, bus)
    frame = len(call(60, SERVICE, "Large", signature="ay", body=b""))
    client.send(call(60, SERVICE, "Large", signature="ay", body=bytes(100_000 - frame)))
    assert len(side.receive().bytes) == 100_000
    client.send(call(61, SERVICE, "Large", signature="ay", body=bytes(100_001 - frame)) + call(62, SERVICE, "Next"))
    assert client.receive_reply(61).error == LIMITS_EXCEEDED
    assert side.receive().member == "Next"


def test_half_a_message_and_then_the_end_is_nobodys_business(scene):
    gate, service, bystander, woken = scene
    before = gate.descriptors()
    data = plain(LITTLE, signature="ay", body=bytes(64))
    for cut in range(1, len(data), 7):
        client = Client(gate.path)
        client.authenticate()
        client.say_hello()
        client.send(call(2, SERVICE, "Before", flags=NO_REPLY_EXPECTED) + data[:cut])
        client.close()
        assert service.receive().member == "Before"
    expect_nobody_noticed(service, bystander, woken)
    expect_descriptors(gate, before)


@pytest.mark.parametrize("order", ORDERS)
def test_a_message_is_judged_the_same_after_one_that_it_resembles(scene, order):
    gate, service, bystander, woken = scene

    def outcome(before, data):
        client = Client(gate.path)
        client.authenticate()
        client.say_hello()
        client.send(before + data)
        try:
            client.send(call(99, "org.freedesktop.DBus", "GetId", "org.freedesktop.DBus", "/org/freedesktop/DBus"))
            answers = client.receive_until(lambda one: one.reply == 99)[:-1]
            answers = [one.error for one in answers if one.reply != 76]
        except (Ended, BrokenPipeError):
            answers = "closed"
        arrived = [one for one in service.round_trip() if one.serial != 76]
        client.close()
        return answers, [(one.type, one.flags, one.path, one.interface, one.member, one.args) for one in arrived]

    model = plain(ORDERS[order], flags=0, signature="y", args=[1])
    assert outcome(b"", model)[1]
    at_serial = 8 if order == "little" else 11
    for at in range(len(model) - 1):
        if 8 <= at < 12:
            continue
        data = patched(model, at, bytes([model[at] ^ 1]))
        if size_of(data) != len(model):
            continue  # swallows what follows
        assert outcome(patched(model, at_serial, b"\x4c"), data) == outcome(b"", data), at
