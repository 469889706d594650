"""The load of the benchmarks gives no figure to a proxy that is wrong: each fault, beside the honest twin of the same program."""

import array
import contextlib
import os
import select
import socket
import struct
import subprocess
import threading

import pytest

from harness import PATIENCE, ROOT

LOAD = ROOT / "build/bench/load"
RETURN, SIGNAL, BODY_BYTES = 2, 4, 20
CALLS, DESCRIPTORS, SIGNALS = "calls 1 4 16 1 0 100", "calls 1 1 16 1 2 100", "signals 16 0 100"


def swap(messages):
    return messages[:-2] + messages[:-3:-1]


def flip(message, at):
    return message[:at] + bytes([message[at] ^ 1]) + message[at + 1:]


# What is done to the messages of one read from the bus, once the load runs; and what the load must say about it.
FAULTS = {
    "a changed byte": (CALLS, lambda messages: [flip(message, -1) for message in messages], "the body is not the one that was sent"),
    "a changed number": (CALLS, lambda messages: [flip(message, -16) for message in messages], "the body is not the one that was sent"),
    "another sender": (CALLS, lambda messages: [message.replace(b":1.0", b":1.9") for message in messages], "wrong sender"),
    "another destination": (CALLS, lambda messages: [message.replace(b":1.1", b":1.9") for message in messages], "wrong sender, destination"),
    "a lost message": (CALLS, lambda messages: messages[1:] if len(messages) > 1 else messages, "expected the return|expected type 2"),
    "a repeated message": (CALLS, lambda messages: messages[:1] * 2 + messages[1:], "expected type 2|an answer without a call"),
    "other order": (CALLS, swap, "expected type 2"),
    "a lost signal": (SIGNALS, lambda messages: messages[1:] if len(messages) > 1 else messages, "is not the one that was emitted"),
    "a changed signal": (SIGNALS, lambda messages: [flip(message, -1) for message in messages], "is not the one that was emitted"),
}


def split(data):
    """Whole messages, and the rest."""
    messages = []
    while len(data) >= 16:
        body, _, fields = struct.unpack_from("<III", data, 4)
        size = 16 + (fields + 7) // 8 * 8 + body
        if len(data) < size:
            break
        messages.append(data[:size])
        data = data[size:]
    return messages, data


class Faulty:
    """A pump between one client and the bus that can be made to do wrong to what comes from the bus."""

    def __init__(self, directory, descriptors=lambda received: received):
        self.wrong = None
        self._descriptors = descriptors
        self._bus = str(directory / "bus")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / "proxy"))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        client, bus = self._listener.accept()[0], socket.socket(socket.AF_UNIX)
        bus.connect(self._bus)
        held = b""
        with client, bus, contextlib.suppress(OSError):
            while True:
                for source in select.select([client, bus], [], [])[0]:
                    data, control, _, _ = source.recvmsg(1 << 20, socket.CMSG_SPACE(64 * 4))
                    if not data:
                        return
                    received = array.array("i", b"".join(c[2] for c in control))
                    if source is bus and self.wrong:
                        messages, held = split(held + data)
                        data = b"".join(self.wrong(messages))
                    given = self._descriptors(received) if source is bus else received
                    target = client if source is bus else bus
                    target.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, given)] if given else [])
                    for descriptor in received:
                        os.close(descriptor)


class Load:
    def __init__(self, directory):
        subprocess.run(["make", "-s", "-C", ROOT / "benchmarks"], check=True)
        self._process = subprocess.Popen([LOAD, directory / "bus", directory / "proxy"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True)
        self.expect("listening")

    def ask(self, line, expected):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        self.expect(expected)

    def expect(self, expected):
        line = self._process.stdout.readline().split()
        assert line[:1] == [expected], self._process.stderr.read()

    def failure(self, line):
        """Has a phase run; what the load says and dies of, or None."""
        self.ask(line, "begin")
        output, errors = self._process.communicate("\n", PATIENCE)
        return None if output.startswith("end ") else errors

    def close(self):
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def load(tmp_path):
    load = Load(tmp_path)
    yield load
    load.close()


@pytest.mark.parametrize("line", [CALLS, DESCRIPTORS, SIGNALS])
def test_a_proxy_that_does_nothing_wrong_has_a_figure(load, tmp_path, line):
    Faulty(tmp_path)
    load.ask("connect 1", "connected")
    assert load.failure(line) is None


@pytest.mark.parametrize("fault", FAULTS)
def test_a_proxy_that_is_wrong_has_none(load, tmp_path, fault):
    line, wrong, said = FAULTS[fault]
    proxy = Faulty(tmp_path)
    load.ask("connect 1", "connected")
    proxy.wrong = wrong
    failure = load.failure(line)
    assert failure and any(part in failure for part in said.split("|"))


@pytest.mark.parametrize("descriptors, said", [(lambda received: received[:-1], "came with"), (lambda received: received[::-1], "is not the one")])
def test_a_proxy_that_loses_or_swaps_descriptors_has_none(load, tmp_path, descriptors, said):
    Faulty(tmp_path, descriptors)
    load.ask("connect 1", "connected")
    failure = load.failure(DESCRIPTORS)
    assert failure and said in failure


def test_a_proxy_that_lets_pass_what_is_denied_has_none(load, tmp_path):
    Faulty(tmp_path)
    load.ask("connect 1", "connected")
    failure = load.failure("denials 1 1 10")
    assert failure and "expected type 3" in failure


def test_a_signal_to_many_gates_is_measured_in_one_process_and_in_several():
    done = subprocess.run([ROOT / "benchmarks/many-gates", "--gates", "3", "--signals", "160", "--rounds", "1"], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["1", "16"]
    assert all(float(figure) > 0 for row in rows for figure in row[1:])
