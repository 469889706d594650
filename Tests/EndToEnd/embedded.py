"""A host of gates that has a loop of its own (Tests/Embedder), and what tests of it put up."""

import os
import pathlib
import select
import socket
import subprocess
import time

import pytest

from harness import PATIENCE, ROOT, Child, rule
from service import is_asleep
from test_owners import ObservedBus
from wire import OPEN, OWN_UID, SHUT, Client, RawBus, call, eventually, hello, introduce, join

HOST = pathlib.Path(os.environ.get("GATE_HOST", ROOT / "build/test/release/gate-host"))
OPENING = b"\0AUTH EXTERNAL " + OWN_UID + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
ALLOW_OPEN, ALLOW_SHUT = [rule("outgoing", OPEN)], [rule("outgoing", SHUT)]
# Asks who owns which name, so that there is an observer.
OBSERVED = [rule("outgoing", "com.example.*"), rule("outgoing", name="com.example.Denied", action="deny")]


# KiB of its own that a host may have more, since whole pages are kept or given back as chance has them lie. Measured: 0 to 4 after 800 gates,
# -24 to 28 after ten thousand clients. It is 164 bytes a gate, 13 a client.
TOLERANCE = 128


class Host(Child):
    """The program. With ``is_inside`` it does what it is told within a handler of the server, else between two calls of dispatch()."""

    def __init__(self, workshop, is_inside=False, **options):
        if not HOST.exists():
            pytest.skip(f"{HOST} is not there: `contrib/run-tests end-to-end` builds it")
        self.workshop = workshop
        super().__init__([HOST, *(["--inside"] if is_inside else [])], stdin=subprocess.PIPE, **options)
        self.told = 0
        self.gates()  # so that all is open that stays open

    # Commands

    def tell(self, *words):
        """Says something; returns the number of its answer."""
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.process.stdin.flush()
        self.told += 1
        return self.told - 1

    def _answers(self):
        return [line for line in self.out.lines if line.startswith(("ok", "error"))]

    def answer(self, number):
        return self.out.wait_until(lambda: self._answers()[number:])[0]

    def ask(self, *words):
        """Has something done; returns the answer's words."""
        answer = self.answer(self.tell(*words))
        assert answer.startswith("ok"), answer
        return answer.split()[1:]

    def refuse(self, *words):
        """Has something refused; returns why."""
        answer = self.answer(self.tell(*words))
        assert answer.startswith("error "), answer
        return answer

    # Gates

    def path(self, label):
        return self.workshop.directory / "gates" / label

    def gate_words(self, label, rules, bus, *options, path=None):
        return label, path or self.path(label), bus.address, self.workshop.config(rules), *options

    def add(self, label, rules, bus, *options, **more):
        self.ask("add", *self.gate_words(label, rules, bus, *options, **more))
        return EmbeddedGate(self, label)

    def gates(self):
        return self.ask("gates")

    def await_gates(self, *labels):
        eventually(lambda: self.gates() == list(labels), lambda: f"the gates are {self.gates()}")

    def expect_descriptors(self, count):
        eventually(lambda: self.descriptors() == count, lambda: f"{self.descriptors()} descriptors are open, {count} were before")


class EmbeddedGate:
    """A gate of a host, as the tests of the program have it."""

    def __init__(self, host, label):
        self.host, self.label, self.path, self.pid = host, label, host.path(label), host.pid

    def policy(self, rules):
        self.host.ask("policy", self.label, self.host.workshop.config(rules))

    def remove(self, drain=0):
        self.host.ask("remove", self.label, drain)

    def join(self):
        return join(self.host.workshop, self.path)

    def introduce(self, bus, **options):
        return introduce(self.host.workshop, self, bus, **options)

    def knock(self):
        """A client that has said everything up to Hello."""
        client = self.host.workshop.keep(Client(self.path))
        client.send(OPENING + hello(1))
        return client


def outcome(client, service, interface=OPEN):
    """Whether the service gets the client's call, and the client its answer; or the error that the client gets."""
    serial = client.next_serial()
    client.send(call(serial, service.name, "Ask", interface))
    ready, _, _ = select.select([client, service], [], [], PATIENCE)
    if service in ready:
        service.answer(service.receive_member("Ask"), "s", ["there"])
        return client.receive_reply(serial).args == ["there"]
    error = client.receive_reply(serial).error
    assert service.round_trip() == [], "it was refused, and passed"
    return error


class Taken:
    """A path that somebody else listens on."""

    def __init__(self, host, label):
        self.path = host.path(label)
        self.path.parent.mkdir(exist_ok=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(self.path))
        self.socket.listen()

    def free(self):
        self.path.unlink(missing_ok=True)
        self.socket.close()


class PlayedBus(ObservedBus):
    """A bus that is played, for the gates of a host."""

    def __init__(self, workshop, name="raw-bus"):
        self.workshop, self.bus = workshop, workshop.keep(RawBus(workshop.directory, name))
        self.address = self.bus.address


def let_pass(seconds):
    """The time itself is what matters: nothing else has to happen in it."""
    until = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= until, "the clock stands still")


class Measure:
    """Descriptors and memory of a host, once it is at rest."""

    def __init__(self, host):
        self.host, self.count, self.memory = host, None, None

    def begin(self):
        eventually(lambda: is_asleep(self.host), "the host does not come to rest")
        self.count, self.memory = self.host.descriptors(), self.host.resident_kib()

    def expect_as_before(self):
        self.host.expect_descriptors(self.count)
        eventually(lambda: is_asleep(self.host), "the host does not come to rest")
        more = self.host.resident_kib() - self.memory
        print(f"{more} KiB more")
        assert more <= TOLERANCE


# Fixtures

@pytest.fixture(params=["between calls of dispatch", "in a handler"])
def host(workshop, request):
    """One that is told what to do in either of the two ways that there are."""
    return workshop.keep(Host(workshop, is_inside=request.param == "in a handler"))


@pytest.fixture
def outer(workshop):
    """One that is told between two calls of dispatch()."""
    return workshop.keep(Host(workshop))


@pytest.fixture
def service(workshop, bus):
    return join(workshop, bus.path)
