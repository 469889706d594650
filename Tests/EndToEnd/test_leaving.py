"""A side that leaves, and messages that stand behind a large one: nothing of it ends the gate, or is kept from its receiver."""

import contextlib
import os
import signal as signals

import pytest

from service import expect_rest
from test_flow import DIRECTIONS, TrafficScene
from test_large import KIB, body
from wire import eventually, expect_descriptors, introduce


@pytest.fixture
def scene(workshop):
    return TrafficScene(workshop)


def other(direction):
    return "incoming" if direction == "outgoing" else "outgoing"


@contextlib.contextmanager
def asleep(gate):
    """What is sent meanwhile is all there when the gate looks."""
    gate.process.send_signal(signals.SIGSTOP)
    yield
    gate.process.send_signal(signals.SIGCONT)


@DIRECTIONS
@pytest.mark.parametrize("said", [1, 15, 40], ids=["a byte", "less than a frame", "less than a header"])
def test_the_rest_of_a_message_whose_receiver_has_left_is_dropped_and_the_gate_lives_on(scene, direction, said):
    leaver, stays, _, _ = scene.traffic(direction)
    message = scene.traffic(other(direction))[2](5, signature="ay", body=body(5, 1000))
    stays.send(message[:said])
    stays.await_read()
    leaver.close()
    stays.expect_end()  # told of that
    stays.send(message[said:])
    eventually(lambda: stays.unread() == 0, "the rest is not read")
    stays.close()
    introduce(scene.workshop, scene.gate, scene.bus, name=":1.9")


def test_nobody_looks_whether_a_receiver_that_has_left_has_taken_its_descriptors(workshop):
    scene = TrafficScene(workshop, "--limit", "fds-in-flight-max=1", "--limit", "drain-timeout=100s")
    sender, receiver, make, _ = scene.traffic("outgoing")
    with open(os.devnull) as file:
        for serial in (10, 11):
            sender.send(make(serial, fds=1), fds=[file.fileno()])
    scene.gate.log.wait_for("limit=fds-in-flight-max")
    receiver.close()
    sender.expect_end()
    expect_rest(scene.gate)


@DIRECTIONS
def test_a_small_message_behind_a_large_one_does_not_wait_for_the_next(scene, direction):
    sender, receiver, make, _ = scene.traffic(direction)
    # By then the gate knows what they look like.
    for serial in range(10, 20):
        sender.send(make(serial, signature="ay", body=body(serial, 64 * KIB)))
        assert receiver.receive().serial == serial
    with asleep(scene.gate):
        sender.send(make(20, signature="ay", body=body(20, 64 * KIB)) + make(21, path="/another/one"))
    assert [receiver.receive().serial for _ in range(2)] == [20, 21]


@DIRECTIONS
def test_what_large_messages_needed_is_given_back_when_a_small_one_was_the_last(scene, direction):
    before = scene.gate.descriptors()
    sender, receiver, make, _ = scene.traffic(direction)
    for start in (100, 200, 300):  # at first other deadlines may come to its help
        for serial in range(start, start + 10):
            sender.send(make(serial, signature="ay", body=body(serial, 64 * KIB)))
            assert receiver.receive().serial == serial
        expect_descriptors(scene.gate, before)
        sender.send(make(serial + 1, path="/another/one"))
        assert receiver.receive().serial == serial + 1
        expect_descriptors(scene.gate, before)
