"""The examples in configs/ let through what their table says, and nothing beside it.

Two raw peers, one inside and one outside, exchange every message of the table on one connection each; who received what is
known after a question to the bus on either side, whose answer comes behind everything else.
"""

import json
import os

import pytest

from config_cases import ALLOW, BUS, CASES, DENY, DESCRIPTORS
from harness import ROOT
from peer import Peer, call, error_of, refusal, signal, with_descriptors

CONFIGS = ROOT / "configs"
OTHER = {"session": "system", "system": "session"}


def names_in(example):
    """The names that an example's rules ask for."""
    document = json.loads((CONFIGS / f"{example}.json").read_text())
    return {rule["name"] for key in document for rule in document[key] if "name" in rule}


class Exchange:
    """A gate with an example, between a peer inside and a peer outside."""

    def __init__(self, workshop, example, kind):
        bus = workshop.bus(kind=kind)
        gate = workshop.gate(CONFIGS / f"{example}.json", bus, "--log", "none", listen=f"--{kind}", name=kind)
        self.outside = Peer(bus.address)
        # What rules ask for, it has; and the gate knows before the client speaks.
        for name in sorted(names_in(example)):
            assert self.outside.own(name).get_body()[0] == 1
        self.stranger = Peer(bus.address)
        self.inside = Peer(gate.address)
        self.inside.subscribe()
        self.outside.subscribe()
        self.kind = kind

    def settle(self, first, second):
        """Everything that ``first`` sent has been read by ``second``, or never will be."""
        first.fence()
        second.fence()
        first.fence()

    def differences(self, direction, cases, other=None):
        """Sends all cases of one direction, to or from ``other``; those that went otherwise than they should, with what happened."""
        other = other or self.outside
        sender, receiver = (self.inside, other) if direction == "outgoing" else (other, self.inside)
        sent = {}
        for case in cases:
            _, kind, interface, path, member, _ = case
            if kind == "method_call":
                message = call(receiver.name, path, interface, member)
            else:
                message = signal(path, interface, member)
            sent[case] = sender.send(message)
        self.settle(sender, receiver)
        received = {(got.get_sender(), got.get_serial()): got for got in receiver.unasked()}
        answers = {got.get_reply_serial(): error_of(got) for got in sender.unasked() if error_of(got)}
        wrong = []
        for case, serial in sent.items():
            _, kind, interface, path, member, verdict = case
            arrived = (sender.name, serial) in received
            answer = answers.get(serial)
            denial = refusal(interface, member, path, direction, self.kind.upper()) if kind == "method_call" else None
            expected = (True, None) if verdict == ALLOW else (False, denial)
            if (arrived, answer) != expected:
                wrong.append((case, "arrived" if arrived else "did not arrive", answer))
        return wrong


@pytest.mark.parametrize("direction", ["outgoing", "incoming"])
@pytest.mark.parametrize("example", CASES)
def test_an_example_lets_through_what_its_table_says(workshop, bus_program, example, direction):
    cases = [case for case in CASES[example] if case[0] == direction]
    assert {case[-1] for case in cases} == {ALLOW, DENY}
    assert Exchange(workshop, example, BUS[example]).differences(direction, cases) == []


@pytest.mark.parametrize("direction", ["outgoing", "incoming"])
@pytest.mark.parametrize("example", CASES)
def test_an_example_opens_the_service_that_it_names_only(workshop, bus_program, example, direction):
    cases = [(*case[:-1], DENY) for case in CASES[example] if case[0] == direction]
    exchange = Exchange(workshop, example, BUS[example])
    assert exchange.differences(direction, cases, exchange.stranger) == []


@pytest.mark.parametrize("direction", ["outgoing", "incoming"])
@pytest.mark.parametrize("example", CASES)
def test_on_the_other_bus_an_example_lets_nothing_through(workshop, bus_program, example, direction):
    cases = [(*case[:-1], DENY) for case in CASES[example] if case[0] == direction]
    assert Exchange(workshop, example, OTHER[BUS[example]]).differences(direction, cases) == []


@pytest.mark.parametrize("example", DESCRIPTORS)
def test_an_example_lets_through_as_many_descriptors_as_its_table_says(workshop, bus_program, example):
    exchange = Exchange(workshop, example, BUS[example])
    wrong = []
    with open(os.devnull) as null:
        for interface, path, member, count, verdict in DESCRIPTORS[example]:
            message = with_descriptors(call(exchange.outside.name, path, interface, member), [null.fileno()] * count)
            serial = exchange.inside.send(message)
            exchange.settle(exchange.inside, exchange.outside)
            arrived = [len(other.descriptors) for other in exchange.outside.unasked() if other.get_serial() == serial
                       and other.get_sender() == exchange.inside.name]
            answers = [error_of(other) for other in exchange.inside.unasked() if other.get_reply_serial() == serial]
            denial = refusal(interface, member, path, bus=exchange.kind.upper())
            if (arrived, answers) != (([count], []) if verdict == ALLOW else ([], [denial])):
                wrong.append((member, count, arrived, answers))
    assert wrong == []


def test_every_example_has_a_table_and_every_table_an_example():
    assert sorted(CASES) == sorted(file.stem for file in CONFIGS.glob("*.json") if file.name != "gateway.schema.json") == sorted(BUS) == sorted(DESCRIPTORS)
