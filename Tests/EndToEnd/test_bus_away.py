"""A bus that is away, dies, comes back as another one, refuses, or falls silent: its clients end, the gate lives on."""

import os

import pytest

from harness import EVERYTHING
from wire import (DRIVER, GUID, METHOD_RETURN, NO_REPLY_EXPECTED, OWN_UID, Client, RawBus, call, eventually, expect_descriptors, hello,
                  introduce, join, message, raw_bus, signal)

OPENING = b"\0AUTH EXTERNAL " + OWN_UID + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
OTHER_GUID = GUID[::-1]


def knock(workshop, gate):
    """A client that has said everything up to Hello."""
    client = workshop.keep(Client(gate.path))
    client.send(OPENING + hello(1))
    return client


def expect_service(workshop, gate, bus):
    """The gate serves the next client; the raw bus plays its part."""
    client, side = introduce(workshop, gate, bus)
    client.close()
    side.expect_end()
    side.close()


@pytest.mark.parametrize("is_there", ["never", "without a listener"])
def test_while_the_bus_is_away_clients_are_closed_and_the_first_after_it_came_is_served(workshop, is_there):
    away = RawBus(workshop.directory)
    if is_there == "never":
        away.close()
    else:
        away.listener.close()  # the socket's file stays and refuses
    gate = workshop.gate(EVERYTHING, away)
    before = gate.descriptors()
    for _ in range(3):
        client = knock(workshop, gate)
        client.expect_end()
        assert not client.buffer
    expect_descriptors(gate, before)
    gate.log.wait_for("cannot connect to the bus at", str(away.path))
    away.path.unlink(missing_ok=True)
    away.open()
    workshop.keep(away)
    expect_service(workshop, gate, away)


def test_a_bus_that_dies_ends_its_clients_and_the_next_ones_are_told_of_the_new_one(workshop, bus_program):
    bus = workshop.bus()
    gate = workshop.gate(EVERYTHING, bus)
    before = gate.descriptors()
    clients = [join(workshop, gate.path) for _ in range(20)]
    for client in clients:  # under load: calls are on their way in both directions
        client.send(b"".join(call(serial, other.name, "Ask") for serial, other in enumerate(clients, 100)))
    old = Client(gate.path)
    old_guid = old.authenticate()
    old.close()
    bus.kill()
    for client in clients:
        client.expect_end()
        client.close()
    expect_descriptors(gate, before)
    bus.path.unlink(missing_ok=True)
    again = workshop.bus()
    client = workshop.keep(Client(gate.path))
    guid = client.authenticate()
    direct = workshop.keep(Client(again.path))
    assert guid == direct.authenticate() != old_guid
    client.say_hello()


def test_a_client_that_was_told_of_another_bus_is_closed_and_the_next_is_told_the_truth(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    bystander, bystanders_bus = introduce(workshop, gate, bus)
    bus.guid = OTHER_GUID
    client = knock(workshop, gate)
    side = workshop.keep(bus.accept())
    side.handshake(guid=OTHER_GUID)
    client.expect_end()
    assert GUID.encode() in client.buffer
    side.expect_end()
    gate.log.wait_for("it was restarted")
    client = knock(workshop, gate)
    side = workshop.keep(bus.accept())
    side.handshake(guid=OTHER_GUID)
    side.answer_hello()
    assert client.finish_handshake() == OTHER_GUID
    client.finish_hello()
    # who was there before is still served by the bus that it has
    bystanders_bus.send(signal(5, "Still", sender=":1.2"))
    assert bystander.receive().member == "Still"


def test_a_bus_that_agrees_to_less_than_the_client_was_told_loses_that_client(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    introduce(workshop, gate, bus)
    client = knock(workshop, gate)
    side = workshop.keep(bus.accept())
    side.handshake(agree=False)
    client.expect_end()
    side.expect_end()


@pytest.mark.parametrize("answer, reason", [
    (b"REJECTED EXTERNAL\r\n", "does not accept the gate's uid or mechanism; it offers: EXTERNAL"),
    (b"REJECTED\r\n", "does not accept the gate's uid"),
    (b"ERROR \"no\"\r\n", "answered authentication with an error"),
    (b"OK\r\n", "GUID is not 32 hexadecimal digits"),
    (b"OK 0123\r\n", "GUID is not 32 hexadecimal digits"),
    (b"OK " + GUID.encode() + b"0\r\n", "GUID is not 32 hexadecimal digits"),
    (b"OK " + GUID.encode() + b"\r\nREJECTED\r\n", "does not accept the gate's uid"),
    (b"OK " + GUID.encode() + b"\r\nOK\r\n", "while authenticating"),
    (b"220 mail.example.com ESMTP\r\n", "while authenticating"),
    (b"\x1b[31mred\r\n", "while authenticating"),
    (b"A" * 16384, "16384 bytes without a line end"),
])
def test_a_bus_that_refuses_or_is_none_is_named_in_the_log_and_the_next_client_tries_again(workshop, answer, reason):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    before = gate.descriptors()
    client = knock(workshop, gate)
    # A uid that is rejected is not said again: in the bus's user namespace the gate may be another one.
    for opening in [OPENING, OPENING.replace(OWN_UID, b"\r\nDATA").replace(b" \r", b"\r")][:2 if b"REJECTED" in answer else 1]:
        side = bus.accept_any()
        side.send(b"DATA\r\n" + answer if b"DATA" in opening else answer)
        side.expect_end()
        assert side.buffer == opening  # and no byte of the client's
        side.close()
    client.expect_end()
    assert b"OK" not in client.buffer
    client.close()
    line = gate.log.wait_for(reason)
    assert line.isprintable()
    expect_descriptors(gate, before)
    expect_service(workshop, gate, bus)


@pytest.mark.parametrize("answer", [b"", b"OK 0123", b"OK " + GUID.encode() + b"\r\n", b"OK " + GUID.encode() + b"\r\nAGREE_UNIX_FD\r"])
def test_a_bus_that_closes_in_the_middle_of_the_handshake_ends_that_client_only(workshop, answer):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus, "--log", "none")  # an error is one all the same
    before = gate.descriptors()
    for asked in ("who it is", "to take the client"):
        client = knock(workshop, gate)
        side = bus.accept_any() if asked == "who it is" else bus.accept()
        while len(side.buffer) < len(OPENING):
            side.fill()
        side.send(answer)
        side.close()
        client.expect_end()
        client.close()
    gate.log.wait_until(lambda: len(gate.log.matching("hung up before Hello was answered", f"uid {os.getuid()}")) == 2)
    expect_descriptors(gate, before)
    expect_service(workshop, gate, bus)


def test_the_answer_of_a_bus_may_be_cut_at_every_byte(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    answer = b"OK " + GUID.encode() + b"\r\nAGREE_UNIX_FD\r\n"
    for cut in range(1, len(answer)):
        client = knock(workshop, gate)
        probe = bus.accept_any()
        probe.send_parts(answer[:cut], answer[cut:])
        probe.expect_end()
        probe.close()
        side = bus.accept()
        assert side.buffer == OPENING + hello(1)  # in one write
        del side.buffer[:len(OPENING)]
        side.send_parts(answer[:cut], answer[cut:])
        side.answer_hello()
        client.finish_handshake()
        client.finish_hello()
        client.close()
        side.close()


@pytest.mark.parametrize("silence", ["handshake", "Hello"])
def test_a_bus_that_falls_silent_before_hello_is_given_up(workshop, silence):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus, "--limit", "hello-timeout=300ms")
    bystander, bystanders_bus = introduce(workshop, gate, bus)
    before = gate.descriptors()
    client = knock(workshop, gate)
    side = bus.accept()
    if silence == "Hello":
        side.handshake()
    client.expect_end()
    side.expect_end()
    gate.log.wait_for("no Hello was answered within hello-timeout")
    client.close()
    side.close()
    expect_descriptors(gate, before)
    bystanders_bus.send(signal(5, "Still", sender=":1.2"))  # whose Hello was answered may be silent for as long as it likes
    assert bystander.receive().member == "Still"


def test_a_bus_that_refuses_hello_is_given_up_after_the_client_got_its_answer(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus, "--limit", "hello-timeout=300ms")
    client = knock(workshop, gate)
    side = bus.accept()
    side.handshake()
    asked = side.receive()
    side.send(message(3, 1, reply=asked.serial, sender=DRIVER, destination=":1.7", error="org.freedesktop.DBus.Error.LimitsExceeded"))
    client.finish_handshake()
    assert client.receive().error == "org.freedesktop.DBus.Error.LimitsExceeded"
    client.expect_end()
    side.close()


def test_no_more_connections_than_allowed_are_without_hello_and_further_clients_wait_their_turn(workshop):
    allowed = 8
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    introduce(workshop, gate, bus, name=":1.1")
    clients = [knock(workshop, gate) for _ in range(allowed + 3)]
    for client in clients:  # each is authenticated and waits for the bus
        client.finish_handshake()
    sides = [workshop.keep(bus.accept()) for _ in range(allowed)]
    assert not bus.is_asked()
    # An answered Hello lets the next one through, and only that.
    sides[0].handshake()
    sides[0].answer_hello(":1.20")
    clients[0].finish_hello()
    sides.append(workshop.keep(bus.accept()))
    assert not bus.is_asked()
    # So does a client that leaves, whatever the bus does, and a bus that hangs up.
    clients[1].close()
    sides[1].expect_end()
    sides.append(workshop.keep(bus.accept()))
    sides[2].close()
    clients[2].expect_end()
    sides.append(workshop.keep(bus.accept()))
    for client, side, number in list(zip(clients, sides, range(30, 60)))[3:]:
        side.handshake()
        side.answer_hello(f":1.{number}")
        assert client.finish_hello() == f":1.{number}"
    gate.terminate()


def test_gates_that_share_a_bus_share_the_connections_that_may_be_without_hello(workshop):
    bus = raw_bus(workshop)
    rules = {"dbus-gateway-config-session": EVERYTHING, "dbus-gateway-config-system": EVERYTHING}
    other = workshop.directory / "gate/other"
    gate = workshop.gate(rules, bus, "--system", other, "--bus", f"system={bus.address}", "--limit", "hello-pending-max=1")
    introduce(workshop, gate, bus, name=":1.1")
    first = knock(workshop, gate)
    side = workshop.keep(bus.accept())
    second = workshop.keep(Client(other))
    second.send(OPENING + hello(1))
    second.finish_handshake()  # told what the first gate's connections know of the bus, and waiting for their place
    assert not bus.is_asked()
    side.handshake()
    side.answer_hello(":1.2")
    first.finish_handshake()
    first.finish_hello()
    side = workshop.keep(bus.accept())
    side.handshake()
    side.answer_hello(":1.3")
    assert second.finish_hello() == ":1.3"


def test_a_client_that_leaves_while_it_waits_for_its_turn_is_passed_over(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus, "--limit", "hello-pending-max=1")
    introduce(workshop, gate, bus, name=":1.1")
    before = gate.descriptors()
    clients = first, second, third = [workshop.keep(Client(gate.path)) for _ in range(3)]
    for number, client in enumerate(clients, 1):
        client.number = number
        client.send(OPENING + hello(number))
        client.finish_handshake()
    first_side, asked = next_hello(bus)
    second.close()
    first_side.reply(asked, ":1.2", signature="s", args=[":1.2"])
    assert first.receive_reply(1).args == [":1.2"]
    side, asked = next_hello(bus)
    assert asked.serial == third.number
    side.reply(asked, ":1.3", signature="s", args=[":1.3"])
    assert third.receive_reply(third.number).args == [":1.3"]
    third.close()
    side.expect_end()
    side.close()
    expect_descriptors(gate, before + 2)


def next_hello(bus):
    side = bus.accept()
    side.handshake()
    return side, side.receive()


def test_a_bus_that_closes_after_its_last_word_is_heard_to_the_end(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, bus)
    before = gate.descriptors()
    for _ in range(50):
        client, side = introduce(workshop, gate, bus)
        client.send(call(5, ":1.2", "Ask"))
        asked = side.receive()
        side.send(b"".join(signal(serial, "Told", sender=":1.2", signature="ay", body=bytes(1000)) for serial in range(10, 60))
                  + message(METHOD_RETURN, 60, reply=asked.serial, sender=":1.2", destination=":1.7"))
        side.close()
        assert [one.serial for one in client.receive_all()] == list(range(10, 61))
        client.close()
    expect_descriptors(gate, before)


def test_clients_of_a_gate_that_is_told_to_stop_are_closed(workshop, bus):
    gate = workshop.gate(EVERYTHING, bus)
    clients = [join(workshop, gate.path) for _ in range(5)]
    assert gate.terminate() == 0
    for client in clients:
        client.expect_end()
    assert not gate.path.exists()


def test_a_bus_that_is_slow_to_accept_is_tried_again_until_it_does(workshop):
    bus = raw_bus(workshop)
    bus.listener.listen(0)
    gate = workshop.gate(EVERYTHING, bus)
    introduce(workshop, gate, bus, name=":1.1")
    clients = [knock(workshop, gate) for _ in range(6)]
    for client in clients:
        client.finish_handshake()
    for number, client in enumerate(clients, 10):
        side = workshop.keep(bus.accept())
        side.handshake()
        side.answer_hello(f":1.{number}")
    assert {client.finish_hello() for client in clients} == {f":1.{number}" for number in range(10, 16)}


def test_a_gate_whose_bus_is_itself_says_so_and_turns_clients_away(workshop):
    path = workshop.directory / "gate/bus"
    gate = workshop.gate(EVERYTHING, f"unix:path={path}", "--limit", "hello-timeout=300ms")
    before = gate.descriptors()
    client = knock(workshop, gate)
    client.expect_end()
    assert not client.buffer
    client.close()
    gate.log.wait_for("it is the gate's own socket")
    expect_descriptors(gate, before)


def test_gates_may_stand_behind_each_other(workshop, bus):
    gate, nested = None, bus
    for number in range(3):
        gate = nested = workshop.gate(EVERYTHING, nested, socket=f"gate{number}/bus")
    service = join(workshop, bus.path)
    client = join(workshop, gate.path)
    for serial in (0xFFFFFFFF, 2, 0xFFFFFFFE):
        client.send(call(serial, service.name, "Ask", signature="s", args=["x"]))
        asked = service.receive_member("Ask")
        service.answer(asked, "s", ["y"])
        assert client.receive_reply(serial).args == ["y"]
    service.send(call(2, client.name, "Ask"))
    client.answer(client.receive_member("Ask"))
    assert service.receive_reply(2).type == METHOD_RETURN


@pytest.mark.parametrize("spelling", [str, str.upper], ids=["as it is", "in capitals"])
def test_a_bus_that_has_the_guid_of_its_address_is_used(workshop, spelling):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, f"{bus.address},guid={spelling(GUID)}")
    for _ in range(2):
        expect_service(workshop, gate, bus)


def test_a_bus_that_has_another_guid_than_its_address_is_told_nothing_but_the_handshake(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate(EVERYTHING, f"{bus.address},guid={OTHER_GUID}")
    before = gate.descriptors()
    for _ in range(2):
        client = knock(workshop, gate)
        side = bus.accept_any()
        side.handshake()
        client.expect_end()
        assert not client.buffer
        assert not side.receive_all()
        side.close()
    gate.log.wait_for("is another one", f"its GUID is not {OTHER_GUID}")
    expect_descriptors(gate, before)


def test_each_alternative_of_an_address_has_a_guid_of_its_own(workshop):
    bus = raw_bus(workshop)
    away = f"unix:path={workshop.directory / 'nobody'},guid={OTHER_GUID}"
    gate = workshop.gate(EVERYTHING, f"{away};{bus.address},guid={GUID}")
    expect_service(workshop, gate, bus)
