"""Peers that do whatever comes to their mind: both a container and a bus that are hostile. The gate outlives them, and comes to rest.

A seed says what happens; what the gate makes of it depends on the moment too.
"""

import array
import os
import random
import signal as signals
import socket
import time

import pytest

from harness import rule
from service import expect_rest
from test_flow import OPENING
from test_large import KIB, array_of
from wire import (DRIVER, DRIVER_PATH, GUID, METHOD_RETURN, OPEN, SHUT, SIGNAL, call, driver_call, hello, message, raw_bus,
                  signal)

NAME, PEER, SERVICE = ":1.7", ":1.2", "com.example.Service"
SECONDS = float(os.environ.get("BUSGATE_WHATEVER_SECONDS", 3))
SIZES = [0, 0, 5, 100, 100, 1000, 40_000, 64 * KIB, 70_000, 300_000]
# So short and so small that all of them are met.
LIMITS = ["auth-timeout=300ms", "hello-timeout=300ms", "drain-timeout=200ms", "partial-message-timeout=200ms", "fds-in-flight-max=2",
          "own-output-bytes-max=1000", "unauthenticated-max=4", "hello-pending-max=2"]
WELCOME = (message(METHOD_RETURN, 1, reply=1, sender=DRIVER, destination=NAME, signature="s", args=[NAME])
           + message(SIGNAL, 2, path=DRIVER_PATH, interface=DRIVER, member="NameAcquired", sender=DRIVER, destination=NAME, signature="s",
                     args=[NAME]))


class End:
    """One end of a connection through the gate."""

    def __init__(self, end, numbers):
        end.setblocking(False)
        self.socket, self.numbers = end, numbers
        self.waiting, self.serial = b"", 10
        self.reads, self.is_open = numbers.random() < 0.8, False

    def step(self):
        """Sends some, receives some, does something. False: it is over."""
        try:
            if self.waiting:
                sent = self.socket.send(self.waiting[:self.numbers.choice([1, 7, 100, 5000, 1 << 18, 1 << 18])])
                self.waiting = self.waiting[sent:]
        except BlockingIOError:
            pass
        except OSError:
            self.waiting = b""
        try:
            if self.reads and not self.take(*self.socket.recvmsg(1 << 18, socket.CMSG_SPACE(253 * 4))[:2]):
                return False
        except BlockingIOError:
            pass
        except OSError:
            return False
        if self.is_open and len(self.waiting) < 500_000:
            self.act(self.numbers.random())
        return self.numbers.random() > 0.003

    def take(self, data, control):
        for _, _, content in control:
            for descriptor in array.array("i", content[:len(content) // 4 * 4]):
                os.close(descriptor)
        return bool(data)

    def act(self, chance):
        self.serial += 1
        if chance < 0.15:
            self.waiting += self.message()
        elif chance < 0.20:
            data = self.message()
            self.waiting += data[:self.numbers.randint(1, min(60, len(data)))]
            self.is_open = False  # half a message is its last word, or what follows makes no sense
        elif chance < 0.22:
            self.waiting += self.numbers.randbytes(30)
        elif chance < 0.25 and not self.waiting:
            self.send_descriptors(self.numbers.randint(1, 3))
        elif chance < 0.26:
            self.reads = not self.reads
        elif chance < 0.265:
            try:
                self.socket.shutdown(self.numbers.choice([socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR]))
            except OSError:
                pass

    def send_descriptors(self, count):
        told = self.numbers.choice([count, count, count, 1])
        with open(os.devnull) as file:
            rights = array.array("i", [file.fileno()] * count)
            try:
                self.socket.sendmsg([self.passing(fds=told)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            except OSError:
                pass

    def message(self):
        size = self.numbers.choice(SIZES)
        more = {"signature": "ay", "body": array_of(bytes(size))} if size else {}
        more["interface"] = OPEN if self.numbers.random() < 0.8 else SHUT
        more["path"] = self.numbers.choice(["/a", "/a", "/a", "/another/one"])
        return self.passing(flags=self.numbers.choice([0, 1]), **more) if self.numbers.random() < 0.8 else self.odd()


class Inside(End):
    """A client; most say Hello at once, and go on without waiting for anything."""

    def __init__(self, gate, numbers):
        end = socket.socket(socket.AF_UNIX)
        super().__init__(end, numbers)
        end.connect(str(gate.path))
        opening = OPENING + hello(1)
        self.is_open = numbers.random() < 0.9
        self.waiting = opening if self.is_open else opening[:numbers.randint(0, len(opening))]

    def passing(self, **more):
        return call(self.serial, self.numbers.choice([SERVICE, PEER]), "Go", **more)

    def odd(self):
        if self.numbers.random() < 0.5:
            return message(METHOD_RETURN, self.serial, reply=self.numbers.randint(1, 40), destination=PEER)
        return driver_call(self.serial, self.numbers.choice(["GetId", "ListNames", "RequestName", "BecomeMonitor", "Hello"]))


class Outside(End):
    """The bus's end; most answer as a bus does, and then send what no bus would."""

    said = b""

    def take(self, data, control):
        if not self.is_open:
            self.said += data
            if b"BEGIN\r\n" in self.said:
                self.welcome(self.numbers.random())
        return super().take(data, control)

    def welcome(self, chance):
        self.said, self.is_open = b"", True
        if chance < 0.05:
            self.waiting += self.numbers.choice([b"REJECTED EXTERNAL\r\n", self.numbers.randbytes(40) + b"\r\n", b""])
        else:
            guid = GUID if chance < 0.97 else GUID[::-1]
            self.waiting += b"OK " + guid.encode() + b"\r\nAGREE_UNIX_FD\r\n" + (WELCOME if chance < 0.9 else b"")

    def passing(self, **more):
        return signal(self.serial, "Go", sender=PEER, **more)

    def odd(self):
        if self.numbers.random() < 0.5:
            sender = self.numbers.choice([DRIVER, PEER])
            return message(METHOD_RETURN, self.serial, reply=self.numbers.randint(1, 60), sender=sender, destination=NAME)
        return call(self.serial, NAME, "Go", sender=PEER)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("rules", [[rule(interface=OPEN)], [rule(interface=OPEN), rule("outgoing", name="com.example.Denied", action="deny")]],
                         ids=["without names", "with names"])
def test_a_gate_outlives_whatever_comes_from_both_sides(workshop, rules, seed):
    numbers, bus = random.Random(seed), raw_bus(workshop)
    bus.listener.setblocking(False)
    gate = workshop.gate(rules, bus, "--log", "none", *(part for limit in LIMITS for part in ("--limit", limit)))
    ends, until = [], time.monotonic() + SECONDS
    while time.monotonic() < until:
        assert gate.process.poll() is None, gate.log.lines[-5:]
        try:
            ends.append(Outside(bus.listener.accept()[0], numbers))
        except BlockingIOError:
            pass
        if len(ends) < 14 and numbers.random() < 0.05:
            ends.append(Inside(gate, numbers))
        for end in [end for end in ends if not end.step()]:
            end.socket.close()
            ends.remove(end)
        if numbers.random() < 0.001:
            gate.process.send_signal(signals.SIGHUP)
    for end in ends:
        end.socket.close()
    bus.close()
    expect_rest(gate)
    assert gate.terminate() == 0
