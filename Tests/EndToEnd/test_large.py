"""Messages so large that their bytes are moved by the kernel, not read: nothing of them is lost, changed or reordered, and what may not pass
does not, wherever it stands among them."""

import ctypes
import fcntl
import mmap
import os
import random
import struct
import termios
import threading

import pytest

from harness import PATIENCE, rule
from test_descriptors import Files, contents, texts
from test_flow import DIRECTIONS, TrafficScene, takes_more
from wire import ACCESS_DENIED, METHOD_RETURN, OPEN, SHUT, Ended, call, eventually, expect_descriptors, join, message, signal

KIB = 1 << 10
# Around what is worth moving, what a socket buffer and what a read buffer takes; small ones take turns with them.
SIZES = [64 * KIB, 100, 70_000, 70_001, 32 * KIB, 36 * KIB + 1, 5, 256 * KIB, 64 * KIB, 300_000, 40_000, 1 << 20, 64 * KIB, 64 * KIB, 8]


@pytest.fixture
def scene(workshop):
    return TrafficScene(workshop)


def array_of(data):
    """The body of a message that has an array of bytes."""
    return struct.pack("<I", len(data)) + data


def body(number, count):
    """One whose bytes are nowhere the same as those of another message."""
    return array_of(random.Random(number).randbytes(count))


def run_of(make, sizes, start=100):
    return [make(start + i, signature="ay", body=body(start + i, count)) for i, count in enumerate(sizes)]


class Writer(threading.Thread):
    """Sends pieces one after the other in the background."""

    def __init__(self, peer, pieces):
        super().__init__(daemon=True)
        self.peer, self.pieces, self.failure = peer, pieces, None
        self.start()

    def run(self):
        try:
            for piece in self.pieces:
                self.peer.socket.sendall(piece)
        except OSError as failure:
            self.failure = failure


def cut(data, seed):
    """The data in pieces: tiny ones, of a page, and large ones."""
    numbers, at = random.Random(seed), 0
    while at < len(data):
        count = numbers.choice([numbers.randint(1, 40), numbers.randint(4000, 4200), numbers.randint(50_000, 500_000)])
        yield data[at:at + count]
        at += count


@DIRECTIONS
@pytest.mark.parametrize("seed", range(8))
def test_large_and_small_messages_arrive_as_they_were_sent_however_they_are_cut(scene, direction, seed):
    sender, receiver, make, _ = scene.traffic(direction)
    messages = run_of(make, random.Random(seed).sample(SIZES * 2, 20) + [64 * KIB] * 8)
    data = b"".join(messages)
    whole = seed % 2 == 0
    writer = Writer(sender, messages if whole else cut(data, seed))
    receiver.record = bytearray()
    reads = random.Random(seed)
    receiver.socket.settimeout(PATIENCE)
    while len(receiver.record) < len(data):
        # A slow receiver: what it does not take waits in the middle of a message.
        receiver.record += receiver.socket.recv(reads.choice([1, 1000, 4096, 65536, 1 << 20]))
    writer.join(PATIENCE)
    assert writer.failure is None
    assert receiver.record == data


@DIRECTIONS
def test_a_large_message_that_is_denied_leaves_its_neighbours_whole(scene, direction):
    sender, receiver, make, refused = scene.traffic(direction)
    large = [make(n, signature="ay", body=body(n, 80_000)) for n in range(1, 13)]
    denied = [call(50 + n, "com.example.Service", "Refused", SHUT, signature="ay", body=body(n, 80_000), flags=1) if direction == "outgoing"
              else signal(50 + n, "Refused", SHUT, sender=":1.2", signature="ay", body=body(n, 80_000)) for n in range(4)]
    mixed = [*large[:4], denied[0], *large[4:8], denied[1], denied[2], large[8], denied[3], *large[9:]]
    writer = Writer(sender, mixed)
    for sent in large:
        assert receiver.receive().bytes == sent
    writer.join(PATIENCE)
    sender.send(make(99))
    assert receiver.receive().serial == 99


@DIRECTIONS
@pytest.mark.parametrize("before", [0, 1, 100, 4096], ids=lambda count: f"{count} bytes before it in the same sendmsg")
def test_descriptors_behind_a_large_message_arrive(scene, direction, before):
    sender, receiver, make, _ = scene.traffic(direction)
    files = Files()
    first = run_of(make, [64 * KIB] * 6)
    data = b"".join(first)
    Writer(sender, [data[:len(data) - before]]).join(PATIENCE) if before == 0 else None
    writer = Writer(sender, [data[:len(data) - before]]) if before else None
    with_files = make(500, signature="h", args=[0], fds=1)

    def receive_all():
        for sent in first:
            assert receiver.receive().bytes == sent
    reader = threading.Thread(target=receive_all, daemon=True)
    reader.start()
    if writer:
        writer.join(PATIENCE)
    sender.send(data[len(data) - before:] + with_files, files.make(7))
    reader.join(PATIENCE)
    got = receiver.receive()
    assert got.serial == 500 and contents(got) == texts(7)
    files.close()


@DIRECTIONS
def test_large_messages_with_descriptors_of_their_own_keep_them(scene, direction):
    sender, receiver, make, _ = scene.traffic(direction)
    files = Files()
    before = scene.gate.descriptors()
    for n in range(1, 9):
        count = n % 3
        data = make(n, signature="ay", body=body(n, 100_000), **({"fds": count} if count else {}))
        thread = threading.Thread(target=sender.send, args=(data, files.make(*range(count))), daemon=True)
        thread.start()
        got = receiver.receive()
        assert got.bytes == data and contents(got) == texts(*range(count))
        thread.join(PATIENCE)
    files.close()
    expect_descriptors(scene.gate, before)


def test_a_reload_holds_from_the_next_large_message_on(workshop, scene):
    config = next(scene.workshop.directory.glob("config-*.json"))
    make = scene.traffic("outgoing")[2]
    for sent in run_of(make, [64 * KIB] * 5):
        scene.client.send(sent)
        assert scene.side.receive().bytes == sent
    middle = call(900, "com.example.Service", "Go", signature="ay", body=body(900, 200_000))
    scene.client.send(middle[:100_000])
    while len(scene.side.buffer) < 90_000:
        scene.side.fill()
    config.write_text('{"dbus-gateway-config-session": []}')
    scene.gate.reload()
    # The half that is left still belongs to what was allowed; the next one does not.
    scene.client.send(middle[100_000:] + call(901, "com.example.Service", "Go", signature="ay", body=body(901, 64 * KIB)))
    assert scene.side.receive().bytes == middle
    assert scene.client.receive_reply(901).error == ACCESS_DENIED
    scene.client.close()
    scene.side.expect_end()
    assert not scene.side.buffer


@DIRECTIONS
@pytest.mark.parametrize("rest", [0, 1, 4096, 30_000, 100_000])
def test_what_a_sender_that_leaves_had_sent_of_a_large_message_arrives(scene, direction, rest):
    sender, receiver, make, _ = scene.traffic(direction)
    messages = run_of(make, [64 * KIB] * 4 + [150_000])
    data = b"".join(messages)[:-rest or None]
    before = scene.gate.descriptors()
    writer = Writer(sender, [data])
    receiver.record = bytearray()
    while len(receiver.record) < len(data):
        receiver.fill()
    writer.join(PATIENCE)
    sender.close()
    with pytest.raises(Ended):
        receiver.fill()
    assert receiver.record == data
    receiver.close()
    expect_descriptors(scene.gate, before - 2)


@DIRECTIONS
def test_a_receiver_that_leaves_in_the_middle_of_large_messages_ends_the_connection_and_nothing_else(scene, direction):
    sender, receiver, make, _ = scene.traffic(direction)
    before = scene.gate.descriptors()
    writer = Writer(sender, run_of(make, [1 << 20] * 8))
    receiver.socket.recv(200_000)
    receiver.close()
    writer.join(PATIENCE)
    with pytest.raises(Ended):
        while True:
            sender.fill()
    sender.close()
    expect_descriptors(scene.gate, before - 2)
    assert scene.gate.process.poll() is None


def test_a_stalled_receiver_of_large_messages_stops_its_sender_and_gets_everything_later(scene):
    sender, receiver, make, _ = scene.traffic("incoming")
    messages = run_of(make, [64 * KIB] * 60)
    data = b"".join(messages)
    writer = Writer(sender, [data])
    # Everybody waits: what is on its way fits into the sockets and one pipe.
    eventually(lambda: not takes_more(scene.gate, sender), "the sender is never stopped")
    peer_resident = scene.gate.resident_kib()
    receiver.record = bytearray()
    while len(receiver.record) < len(data):
        receiver.fill()
    writer.join(PATIENCE)
    assert receiver.record == data
    assert peer_resident < 8 * KIB


def test_errors_of_the_gate_stand_between_large_messages(scene):
    client, side = scene.client, scene.side
    large = [signal(n, "Go", sender=":1.2", signature="ay", body=body(n, 64 * KIB)) for n in range(10, 30)]
    writer = Writer(side, large)
    client.send(b"".join(call(n, "com.example.Service", "Refused", SHUT) for n in range(500, 520)))
    got = [client.receive() for _ in range(40)]
    writer.join(PATIENCE)
    assert [one.bytes for one in got if one.type == 4] == large
    assert [one.reply for one in got if one.type == 3] == list(range(500, 520))


@pytest.mark.parametrize("count", [70_000, 1 << 20, 16 << 20])
def test_large_calls_and_answers_pass_on_real_buses(workshop, bus, count):
    gate = workshop.gate([rule()], bus)
    service = join(workshop, bus.path)
    client = join(workshop, gate.path)
    for serial in range(10, 14):
        sent = random.Random(serial).randbytes(count)
        writer = Writer(client, [call(serial, service.name, "Ask", signature="ay", body=array_of(sent))])
        asked = service.receive_member("Ask")
        writer.join(PATIENCE)
        assert asked.args == [sent]
        answer = Writer(service, [message(METHOD_RETURN, 900 + serial, reply=serial, destination=asked.sender, signature="ay",
                                          body=array_of(sent[::-1]))])
        assert client.receive_reply(serial).args == [sent[::-1]]
        answer.join(PATIENCE)


class SharedPages:
    """Memory whose pages a socket holds themselves, not copies of them: what is written later is what a reader gets, until one has copied it."""

    def __init__(self, data):
        self.memory = mmap.mmap(-1, len(data))
        self.memory[:] = data

    def send(self, peer):
        ends = os.pipe()
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 1 << 20)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        parts = (ctypes.c_size_t * 2)(start, len(self.memory))  # an iovec
        assert ctypes.CDLL(None, use_errno=True).vmsplice(ends[1], parts, 1, 0) == len(self.memory)
        left = len(self.memory)
        while left:
            left -= os.splice(ends[0], peer.socket.fileno(), left)
        for end in ends:
            os.close(end)


def waiting(peer):
    return struct.unpack("i", fcntl.ioctl(peer.socket, termios.FIONREAD, bytes(4)))[0]


@DIRECTIONS
def test_a_header_that_its_sender_changes_after_the_decision_leaves_as_it_was_decided_on(scene, direction):
    sender, receiver, make, _ = scene.traffic(direction)
    for sent in run_of(make, [64 * KIB] * 6):
        sender.send(sent)
        assert receiver.receive().bytes == sent
    data = b"".join(run_of(make, [64 * KIB, 64 * KIB], start=200))
    pages = SharedPages(data)
    pages.send(sender)
    eventually(lambda: waiting(receiver) == len(data), lambda: f"{waiting(receiver)} of {len(data)} bytes have come")
    changed = data.replace(OPEN.encode(), SHUT.encode())
    assert changed != data and len(changed) == len(data)
    pages.memory[:] = changed
    assert [receiver.receive().interface for _ in range(2)] == [OPEN, OPEN]
