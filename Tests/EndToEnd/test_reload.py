"""Policies that change under load: nothing is lost, nothing is reordered, and each message meets one policy, the old or the new."""

import json
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import threading

import pytest

import harness
from harness import EVERYTHING, PATIENCE, rule
from scene import RawScene
from service import Inotify, busgate, refused, start
from wire import ACCESS_DENIED, METHOD_RETURN, OPEN, call, eventually, introduce, join, message, raw_bus, size_of
from wire import signal as signal_message

read_by_the_gate = pytest.mark.one_bus("lines are read without asking a bus")

SERVICE = "com.example.Service"
ALLOWS = {"both": [rule(interface=OPEN, method=["Count", "Other"])], "one": [rule(interface=OPEN, method="Count")]}
BROKEN = '{\n  "dbus-gateway-config-session": [\n    {"direction": 1}]}'


def document(rules):
    return json.dumps({"dbus-gateway-config-session": rules})


class CountingService(threading.Thread):
    """Answers Count with its argument, on the bare bus, in the order in which it is asked."""

    def __init__(self, workshop, bus):
        super().__init__(daemon=True)
        self.client = join(workshop, bus.path)
        self.client.request_name(SERVICE)
        self.client.socket.settimeout(None)

    def run(self):
        buffer, serial = bytearray(), 1000
        end = self.client.socket
        while data := end.recv(1 << 18):
            buffer += data
            answers = []
            while (count := size_of(buffer)) is not None and len(buffer) >= count:
                one = Question(bytes(buffer[:count]))
                del buffer[:count]
                serial += 1
                answers.append(message(METHOD_RETURN, serial, reply=one.serial, destination=one.sender, signature="u", args=[one.number]))
            end.sendall(b"".join(answers))

    def stop(self):
        self.client.socket.shutdown(socket.SHUT_RDWR)
        self.join()


class Question:
    """Count, as far as it has to be read: the number at its end, the serial, and the sender, which the bus puts in."""

    def __init__(self, data):
        (self.serial,) = struct.unpack_from("<I", data, 8)
        (self.number,) = struct.unpack_from("<I", data, len(data) - 4)
        at = data.index(b"\x07\x01s\0") + 4
        (count,) = struct.unpack_from("<I", data, at)
        self.sender = data[at + 4:at + 4 + count].decode()


class Caller:
    """A client that has always some calls outstanding and checks that each answer is the next one due."""

    def __init__(self, workshop, path):
        self.client = join(workshop, path, fds=False)
        self.client.socket.setblocking(False)
        self.asked = self.answered = 0
        self.buffer = bytearray()
        self.template = bytearray(call(1, SERVICE, "Count", signature="u", args=[0]))

    def ask(self, count):
        calls = bytearray()
        for _ in range(count):
            self.asked += 1
            struct.pack_into("<I", self.template, 8, 100 + self.asked)
            struct.pack_into("<I", self.template, len(self.template) - 4, self.asked)
            calls += self.template
        assert self.client.socket.send(calls) == len(calls)

    def take(self):
        """Reads what came; how many answers that was."""
        data = self.client.socket.recv(1 << 16)
        assert data, "the connection was closed"
        self.buffer += data
        before = self.answered
        while (count := size_of(self.buffer)) is not None and len(self.buffer) >= count:
            self.answered += 1
            assert self.buffer[1] == METHOD_RETURN, "a call was refused"
            (number,) = struct.unpack_from("<I", self.buffer, count - 4)
            assert number == self.answered, "an answer was lost or came too early"
            del self.buffer[:count]
        return self.answered - before


class Load(threading.Thread):
    """A hundred callers at once, until told to stop; then until everything asked is answered."""

    WINDOW = 4

    def __init__(self, workshop, path, count):
        super().__init__(daemon=True)
        self.callers = [Caller(workshop, path) for _ in range(count)]
        self.is_stopping = False
        self.failure = None

    def run(self):
        try:
            self._run()
        except BaseException as failure:
            self.failure = failure

    def _run(self):
        poll = select.epoll()
        by_number = {caller.client.fileno(): caller for caller in self.callers}
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        for caller in self.callers:
            caller.ask(self.WINDOW)
        while not self.is_stopping or any(caller.answered < caller.asked for caller in self.callers):
            ready = poll.poll(PATIENCE)
            assert ready, "answers are missing"
            for number, _ in ready:
                count = by_number[number].take()
                if count and not self.is_stopping:
                    by_number[number].ask(count)

    def finish(self):
        self.is_stopping = True
        self.join(PATIENCE)
        assert not self.is_alive(), "answers are missing"
        if self.failure:
            raise self.failure
        return sum(caller.answered for caller in self.callers)


def test_a_hundred_clients_lose_nothing_while_policies_change_and_files_break(workshop, bus):
    service = CountingService(workshop, bus)
    service.start()
    config = workshop.config(ALLOWS["both"])
    gate = workshop.gate(config, bus)
    probe = join(workshop, gate.path)
    load = Load(workshop, gate.path, 100)
    load.start()
    steps = ["one", "broken", "both", "broken"]
    allowed, broken = "both", 0
    for number in range(100):
        step = steps[number % len(steps)]
        config.write_text(BROKEN if step == "broken" else document(ALLOWS[step]))
        said = gate.reload()
        if step == "broken":
            broken += 1
            assert "refused" in said
        else:
            assert "reloaded" in said
            allowed = step
        # What the file says holds from the first message after the reload; a broken one changes nothing.
        probe.send(signal_message(7, "Count"))
        answer = probe.ask("org.example.Nobody", "Other").error
        assert answer == ("org.freedesktop.DBus.Error.ServiceUnknown" if allowed == "both" else ACCESS_DENIED)
    answered = load.finish()
    service.stop()
    assert answered > 100 * Load.WINDOW
    errors = gate.log.matching(f"{config}:3:19: error:")
    assert len(errors) == broken == len(gate.log.matching("error:"))
    assert gate.terminate() == 0


def test_fifty_reloads_that_come_faster_than_they_are_done_lose_nothing(workshop, bus):
    service = CountingService(workshop, bus)
    service.start()
    config = workshop.config(ALLOWS["one"])
    gate = workshop.gate(config, bus)
    load = Load(workshop, gate.path, 20)
    load.start()
    for _ in range(50):
        gate.process.send_signal(signal.SIGHUP)
    gate.log.wait_for("configuration reloaded")
    assert load.finish() >= 20 * Load.WINDOW
    service.stop()


def test_a_reload_that_is_asked_for_while_the_files_are_read_is_done_after_them(workshop):
    config = workshop.config([rule(interface=f"a.b{number}") for number in range(20_000)])  # which takes long
    opened = Inotify(workshop.directory, Inotify.OPEN)
    gate = start(workshop, "--config", config, "--session", workshop.directory / "gate", "--bus", "session=unix:path=/nonexistent",
                 ready=False)
    assert opened.next()[1] == config.name
    gate.process.send_signal(signal.SIGHUP)
    opened.close()
    gate.log.wait_for("reload", "done")
    assert gate.terminate() == 0


def test_reloads_that_never_cease_keep_neither_clients_nor_the_end_waiting(workshop):
    """Each takes longer than the next one lets wait; a signal of a lower number is delivered before SIGTERM."""
    bus = raw_bus(workshop)
    gate = workshop.gate([rule(interface=f"a.b{number}") for number in range(5000)], bus)
    gate.reload()
    client, _ = introduce(workshop, gate, bus)
    is_over = threading.Event()

    def ask():
        while not is_over.is_set() and gate.process.poll() is None:
            gate.process.send_signal(signal.SIGHUP)

    storm = threading.Thread(target=ask, daemon=True)
    storm.start()
    try:
        for _ in range(3):
            assert client.ask("a.b", "Denied", "no.such").error == ACCESS_DENIED
        gate.process.send_signal(signal.SIGTERM)
        assert gate.process.wait(PATIENCE) == 0
    finally:
        is_over.set()
        storm.join()


@pytest.fixture
def scene(workshop):
    return ReloadScene(workshop)


class ReloadScene(RawScene):
    """One whose policy is in a file that can be rewritten."""

    def __init__(self, workshop):
        self.config = workshop.config(EVERYTHING)
        super().__init__(workshop, self.config)

    def put_in_force(self, rules):
        self.config.write_text(document(rules))
        assert "reloaded" in self.gate.reload()


def test_the_answer_to_a_call_that_was_forwarded_arrives_after_its_rule_is_gone(scene):
    scene.client.send(call(50, ":1.2", "Ask"))
    asked = scene.side.receive()
    scene.put_in_force([])
    assert scene.client.ask(":1.2", "Ask").error == ACCESS_DENIED
    scene.side.reply(asked, sender=":1.2", signature="s", args=["late"])
    assert scene.client.receive_reply(50).args == ["late"]
    # and only once
    scene.side.reply(asked, sender=":1.2", signature="s", args=["again"])
    scene.side.send(signal_message(99, "NameAcquired", "org.freedesktop.DBus", "/org/freedesktop/DBus", sender="org.freedesktop.DBus",
                                   destination=":1.7", signature="s", args=["a.b"]))
    assert scene.client.receive().member == "NameAcquired"


def test_the_answer_to_an_incoming_call_that_was_forwarded_goes_out_after_its_rule_is_gone(scene):
    scene.side.send(call(50, ":1.7", "Ask", sender=":1.2"))
    asked = scene.client.receive()
    scene.put_in_force([])
    scene.client.answer(asked, "s", ["late"])
    assert scene.side.receive().args == ["late"]
    scene.side.send(call(51, ":1.7", "Ask", sender=":1.2"))
    assert scene.side.receive().error == ACCESS_DENIED


@pytest.mark.parametrize("sender", ["client", "bus"])
def test_a_message_of_which_the_body_is_under_way_is_finished_and_the_next_meets_the_new_policy(scene, sender):
    sending, receiving = scene.ends(sender)
    first = signal_message(7, "Long", sender=":1.2", signature="ay", body=bytes(100_000))
    sending.send(first[:5000])
    while len(receiving.buffer) < 5000:
        receiving.fill()
    scene.put_in_force([rule(method="New")])
    sending.send(first[5000:] + signal_message(8, "Long", sender=":1.2") + signal_message(9, "New", sender=":1.2"))
    assert [receiving.receive().serial for _ in range(2)] == [7, 9]


@pytest.mark.parametrize("sender", ["client", "bus"])
def test_a_message_of_which_the_header_is_under_way_meets_the_new_policy(scene, sender):
    sending, receiving = scene.ends(sender)
    data = signal_message(7, "Old", sender=":1.2")
    sending.send(data[:-1])
    sending.await_read()
    scene.put_in_force([rule(method="New")])
    sending.send(data[-1:] + signal_message(8, "New", sender=":1.2"))
    assert receiving.receive().serial == 8


@pytest.mark.parametrize("sender", ["client", "bus"])
def test_messages_sent_before_a_reload_pass_and_those_sent_after_it_do_not(scene, sender):
    sending, receiving = scene.ends(sender)
    for round_number in range(20):
        first = 100 * (round_number + 1)
        sending.send(b"".join(signal_message(serial, "Old", sender=":1.2") for serial in range(first, first + 50)))
        assert [receiving.receive().serial for _ in range(50)] == list(range(first, first + 50))
        scene.put_in_force([rule(method="New")])
        sending.send(b"".join(signal_message(first + number, "New" if number % 2 else "Old", sender=":1.2") for number in range(50, 100)))
        assert [receiving.receive().serial for _ in range(25)] == list(range(first + 51, first + 100, 2))
        scene.put_in_force(EVERYTHING)


def test_a_reload_reaches_every_gate_of_the_process_or_none(workshop, bus):
    path = workshop.directory / "system"
    both = {"dbus-gateway-config-session": [rule(method="Old")], "dbus-gateway-config-system": [rule(method="Old")]}
    config = workshop.config(both)
    gate = workshop.gate(config, bus, "--system", path, "--bus", f"system={bus.address}")
    clients = [join(workshop, gate.path), join(workshop, path)]

    def verdicts():
        return [[client.ask("a.b", member).error == ACCESS_DENIED for member in ("Old", "New")] for client in clients]

    assert verdicts() == [[False, True]] * 2
    config.write_text(json.dumps({**both, "dbus-gateway-config-system": [7]}))
    assert "refused" in gate.reload()
    assert verdicts() == [[False, True]] * 2
    config.write_text(json.dumps(both).replace("Old", "New"))
    assert "reloaded" in gate.reload()
    assert verdicts() == [[True, False]] * 2


# Standard input adds

def standard_input(workshop, bus, *arguments):
    gate = workshop.gate(workshop.config([rule(method="File")]), bus, "--stdin", *arguments, stdin=subprocess.PIPE)
    return gate, join(workshop, gate.path)


def allows(client, member):
    return client.ask("a.b", member).error != ACCESS_DENIED


def say(gate, text):
    gate.process.stdin.write(text.encode())
    gate.process.stdin.flush()


def await_rule(client, member):
    """Standard input is not answered: the rule is there when it is."""
    eventually(lambda: allows(client, member), f"{member} is not allowed")


@read_by_the_gate
def test_a_line_of_standard_input_adds_its_rules_to_those_of_the_files(workshop, bus):
    gate, client = standard_input(workshop, bus)
    assert [allows(client, member) for member in ("File", "First", "Second")] == [True, False, False]
    say(gate, document([rule(method="First")]) + "\n")
    await_rule(client, "First")
    say(gate, document([rule(method="Second")]) + "\n")
    await_rule(client, "Second")
    assert [allows(client, member) for member in ("File", "First", "Second", "Third")] == [True, True, True, False]


@read_by_the_gate
def test_a_refused_line_adds_nothing_and_is_named_by_its_number(workshop, bus):
    gate, client = standard_input(workshop, bus)
    say(gate, document([rule(method="First")]) + "\n\n" + document([rule(method="Broken"), {"direction": 1}]) + "\n")
    assert gate.log.wait_for("stdin:3:", "error:")
    say(gate, document([rule(method="Last")]) + "\n")
    await_rule(client, "Last")
    assert [allows(client, member) for member in ("File", "First", "Broken")] == [True, True, False]


@read_by_the_gate
def test_the_end_of_standard_input_is_not_the_end_and_its_last_line_needs_none(workshop, bus):
    gate, client = standard_input(workshop, bus)
    say(gate, document([rule(method="Last")]))
    gate.process.stdin.close()
    await_rule(client, "Last")
    client.round_trip()
    before = gate.cpu_nanoseconds()
    client.round_trip()
    assert gate.cpu_nanoseconds() - before < 100_000_000


@read_by_the_gate
def test_a_reload_of_the_files_replaces_what_standard_input_added(workshop, bus):
    gate, client = standard_input(workshop, bus)
    say(gate, document([rule(method="Added")]) + "\n")
    await_rule(client, "Added")
    assert "reloaded" in gate.reload()
    assert [allows(client, member) for member in ("File", "Added")] == [True, False]


@read_by_the_gate
@pytest.mark.parametrize("stdin", ["file", "null"])
def test_standard_input_may_be_a_file_or_nothing(workshop, bus, stdin):
    text = workshop.directory / "lines"
    text.write_text(document([rule(method="First")]) + "\n" + document([rule(method="Second")]))
    with open(text if stdin == "file" else "/dev/null") as stream:
        gate = workshop.gate(workshop.config([rule(method="File")]), bus, "--stdin", stdin=stream)
    client = join(workshop, gate.path)
    assert [allows(client, member) for member in ("File", "First", "Second")] == [True, stdin == "file", stdin == "file"]


@read_by_the_gate
def test_without_the_flag_standard_input_is_not_read(workshop, bus):
    gate = workshop.gate([], bus, stdin=subprocess.PIPE)
    client = join(workshop, gate.path)
    say(gate, document(EVERYTHING) + "\n")
    gate.reload()
    assert not allows(client, "Anything")


# Configurations that are no files

def test_a_configuration_may_come_through_a_pipe_that_is_slow(workshop):
    read, write = os.pipe()
    bus = raw_bus(workshop)
    slow = threading.Timer(0, lambda: [os.write(write, bytes([byte])) for byte in document([rule()]).encode()] + [os.close(write)])
    slow.start()
    gate = workshop.keep(harness.Gate(workshop.directory, f"/dev/fd/{read}", bus.address, inherit=[read]))
    slow.join()
    os.close(read)
    introduce(workshop, gate, bus)
    # It cannot be read a second time: the reload is refused and the policy stays.
    assert "the reload was refused" in gate.reload()
    gate.log.wait_for("it is no regular file and cannot be read a second time")
    introduce(workshop, gate, bus)


def test_a_file_that_became_a_pipe_nobody_writes_to_does_not_stop_the_gate(workshop):
    bus = raw_bus(workshop)
    config = pathlib.Path(workshop.config([rule()]))
    gate = workshop.gate(config, bus)
    config.unlink()
    os.mkfifo(config)
    assert "the reload was refused" in gate.reload()
    gate.log.wait_for("no regular file")
    introduce(workshop, gate, bus)


@pytest.mark.parametrize("is_open", [False, True], ids=["without a writer", "with a writer that is silent"])
def test_a_pipe_that_says_nothing_is_a_bad_configuration_at_the_start(workshop, is_open):
    pipe = workshop.directory / "pipe"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR) if is_open else None
    done = busgate("run", "--config", pipe, "--session", workshop.directory / "gate/bus")
    assert refused(done, 65, f"{pipe}:", "nothing came for" if is_open else "expected")
    assert not (workshop.directory / "gate/bus").exists()
    if writer is not None:
        os.close(writer)


def test_a_file_of_the_kernels_that_has_nothing_yet_is_not_waited_for(workshop):
    """/proc/kmsg is a regular file to who asks, and says EAGAIN at its end; a pipe is waited for at the start."""
    done = busgate("run", "--config", "/proc/kmsg", "--session", workshop.directory / "gate", "--bus", "session=unix:path=/nonexistent")
    assert refused(done, 65, "/proc/kmsg: error: cannot be read: ", "expected a gateway configuration")
    assert "nothing came" not in done.stderr
