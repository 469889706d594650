"""SIGTERM: what was allowed is delivered within drain-timeout, and a second one ends at once."""

import signal

import pytest

from harness import EVERYTHING, PATIENCE
from scene import RawScene
from service import flood
from wire import METHOD_RETURN, Ended, call, eventually, introduce, raw_bus
from wire import signal as signal_message

SIDES = ["client", "bus"]


@pytest.fixture
def scene(workshop):
    return StoppingScene(workshop)


class StoppingScene(RawScene):
    """One whose gate lets everything pass and is told to end."""

    def __init__(self, workshop, *arguments):
        super().__init__(workshop, EVERYTHING, *(arguments or ("--limit", "drain-timeout=60s")))

    def stop(self, number=signal.SIGTERM):
        self.gate.process.send_signal(number)

    def await_stopping(self):
        """The first thing an ending gate does is to remove its socket."""
        eventually(lambda: not self.gate.path.exists(), "the gate does not begin to end")

    def exit_status(self):
        return self.gate.process.wait(PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_gate_with_nothing_to_deliver_ends_at_once_with_status_0(scene, number):
    scene.stop(number)
    assert scene.exit_status() == 0
    for end in (scene.client, scene.side):
        end.expect_end()


@pytest.mark.parametrize("sender", SIDES)
def test_a_receiver_that_had_stopped_reading_and_reads_again_gets_whole_messages_in_order(scene, sender):
    sending, receiving = scene.ends(sender)
    flood(scene.gate, sending)
    scene.stop()
    scene.await_stopping()
    assert scene.gate.process.poll() is None
    got = receiving.receive_all()
    assert [one.serial for one in got] == list(range(1000, 1000 + len(got)))
    assert len(got) >= 8  # a buffer's worth, which the gate had read
    assert not receiving.buffer, "the last message was cut"
    assert scene.exit_status() == 0


@pytest.mark.parametrize("sender", SIDES)
def test_a_message_of_which_a_part_was_forwarded_is_finished(scene, sender):
    sending, receiving = scene.ends(sender)
    whole = signal_message(7, "Long", sender=":1.2", signature="ay", body=bytes(700_000))
    sending.send(whole[:400_000])
    while len(receiving.buffer) < 300_000:
        receiving.fill()
    scene.stop()
    scene.await_stopping()
    sending.send(whole[400_000:])
    assert receiving.receive().serial == 7
    receiving.expect_end()
    assert scene.exit_status() == 0


@pytest.mark.parametrize("sender", SIDES)
def test_a_message_whose_rest_never_comes_does_not_keep_the_gate(workshop, sender):
    scene = StoppingScene(workshop, "--limit", "drain-timeout=200ms")
    sending, receiving = scene.ends(sender)
    sending.send(signal_message(7, "Long", sender=":1.2", signature="ay", body=bytes(1000))[:-1])
    while len(receiving.buffer) < 1000:
        receiving.fill()
    scene.stop()
    assert scene.exit_status() == 0


@pytest.mark.parametrize("sender", SIDES)
def test_a_sender_that_leaves_in_the_middle_of_a_message_does_not_keep_the_gate(scene, sender):
    sending, receiving = scene.ends(sender)
    sending.send(signal_message(7, "Long", sender=":1.2", signature="ay", body=bytes(1000))[:-1])
    while len(receiving.buffer) < 1000:
        receiving.fill()
    scene.stop()
    scene.await_stopping()
    sending.close()
    receiving.expect_end()
    assert scene.exit_status() == 0


def test_a_message_of_which_only_the_beginning_of_the_header_came_is_not_waited_for(scene):
    scene.client.send(call(7, ":1.2", "Ask")[:20])
    scene.client.await_read()
    scene.stop()
    assert scene.exit_status() == 0
    with pytest.raises(Ended):
        scene.side.receive()


@pytest.mark.parametrize("sender", SIDES)
def test_a_receiver_that_never_reads_keeps_the_gate_no_longer_than_the_drain_timeout(workshop, sender):
    scene = StoppingScene(workshop, "--limit", "drain-timeout=200ms")
    sending, _ = scene.ends(sender)
    flood(scene.gate, sending)
    scene.stop()
    assert scene.exit_status() == 0
    scene.gate.log.wait_for("limit", "drain-timeout", "1 connections are closed that were not done")


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(scene, second):
    flood(scene.gate, scene.side)
    scene.stop()
    scene.await_stopping()
    assert scene.gate.process.poll() is None
    scene.stop(second)
    assert scene.exit_status() == 0
    scene.gate.log.wait_until(lambda: scene.gate.log.ended)
    assert not scene.gate.log.matching("drain-timeout")


def test_the_answers_of_the_gate_itself_are_delivered_too(workshop):
    bus = raw_bus(workshop)
    gate = workshop.gate([], bus, "--limit", "drain-timeout=60s")
    client, _ = introduce(workshop, gate, bus)
    serials = range(100, 400)
    client.send(b"".join(call(serial, ":1.2", "Denied") for serial in serials))
    client.await_read()
    gate.process.send_signal(signal.SIGTERM)
    got = client.receive_all()
    assert [one.reply for one in got] == list(serials[:len(got)]) and len(got) > 0
    assert gate.process.wait(PATIENCE) == 0


def test_an_answer_that_was_forwarded_arrives_though_the_gate_ends(scene):
    scene.client.send(call(7, ":1.2", "Ask"))
    asked = scene.side.receive()
    scene.side.reply(asked, sender=":1.2", signature="ay", body=bytes(100_000))
    while len(scene.client.buffer) < 1000:
        scene.client.fill()
    scene.stop()
    reply = scene.client.receive()
    assert (reply.type, reply.reply) == (METHOD_RETURN, 7)
    assert scene.exit_status() == 0


def test_nobody_is_let_in_any_more(scene):
    flood(scene.gate, scene.side)
    scene.stop()
    scene.await_stopping()
    with pytest.raises(FileNotFoundError):
        type(scene.client)(scene.gate.path)
    scene.stop()
    assert scene.exit_status() == 0
