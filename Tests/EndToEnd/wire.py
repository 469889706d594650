"""D-Bus written and read byte by byte, so that a test can say what no library would: messages, and the two ends of a socket.

Peer is one end of a socket; Client is one that authenticates and says Hello; RawBus plays a bus where a real one behaves too well.
Everything waits for events, bounded by PATIENCE.
"""

import array
import fcntl
import os
import select
import socket
import struct
import termios
import time

from harness import PATIENCE

LITTLE, BIG = "<", ">"
METHOD_CALL, METHOD_RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY_EXPECTED = 1
(PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE, UNIX_FDS,
 CONTAINER_INSTANCE) = range(1, 11)

DRIVER, DRIVER_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
LIMITS_EXCEEDED = "org.freedesktop.DBus.Error.LimitsExceeded"
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"

# What the tests' services speak; OPEN is what their policies allow.
OPEN, SHUT, OBJECT = "com.example.Open", "com.example.Shut", "/com/example/Object"

GUID = "0123456789abcdef0123456789abcdef"
OWN_UID = str(os.getuid()).encode().hex().encode()
ALIGNMENT = {"y": 1, "g": 1, "v": 1, "n": 2, "q": 2, "x": 8, "t": 8, "d": 8, "(": 8, "{": 8}
FIXED = {"y": "B", "n": "h", "q": "H", "i": "i", "u": "I", "b": "I", "h": "I", "x": "q", "t": "Q", "d": "d"}


# Values

def complete_type(signature, at=0):
    """The first complete type of a signature."""
    end = at
    while signature[end] == "a":
        end += 1
    depth = 0
    while True:
        depth += (signature[end] in "({") - (signature[end] in ")}")
        end += 1
        if depth == 0:
            return signature[at:end]


def complete_types(signature):
    at = 0
    while at < len(signature):
        one = complete_type(signature, at)
        at += len(one)
        yield one


def put(data, order, kind, value):
    """Appends a value of one complete type."""
    code = kind[0]
    data.extend(bytes(-len(data) % ALIGNMENT.get(code, 4)))
    if code in FIXED:
        data.extend(struct.pack(order + FIXED[code], value))
    elif code in "so":
        text = value.encode() if isinstance(value, str) else value
        data.extend(struct.pack(order + "I", len(text)) + text + b"\0")
    elif code == "g":
        text = value.encode() if isinstance(value, str) else value
        data.extend(bytes([len(text)]) + text + b"\0")
    elif code == "v":
        put(data, order, "g", value[0])
        put(data, order, value[0], value[1])
    elif code in "({":
        for one, item in zip(complete_types(kind[1:-1]), value):
            put(data, order, one, item)
    else:
        start = len(data)
        data.extend(bytes(4))
        data.extend(bytes(-len(data) % ALIGNMENT.get(kind[1], 4)))
        first = len(data)
        for item in value:
            put(data, order, kind[1:], item)
        struct.pack_into(order + "I", data, start, len(data) - first)


def get(data, at, order, kind):
    """Reads a value; returns it and where it ends."""
    code = kind[0]
    at += -at % ALIGNMENT.get(code, 4)
    if code in FIXED:
        form = order + FIXED[code]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if code in "so":
        (count,) = struct.unpack_from(order + "I", data, at)
        return bytes(data[at + 4:at + 4 + count]).decode(), at + 5 + count
    if code == "g":
        count = data[at]
        return bytes(data[at + 1:at + 1 + count]).decode(), at + 2 + count
    if code == "v":
        inner, at = get(data, at, order, "g")
        return get(data, at, order, inner)
    items = []
    if code in "({":
        for one in complete_types(kind[1:-1]):
            item, at = get(data, at, order, one)
            items.append(item)
        return tuple(items), at
    (count,) = struct.unpack_from(order + "I", data, at)
    at += 4
    at += -at % ALIGNMENT.get(kind[1], 4)
    end = at + count
    if kind == "ay":
        return bytes(data[at:end]), end
    while at < end:
        item, at = get(data, at, order, kind[1:])
        items.append(item)
    return items, at


# Messages

def header_field(data, order, code, kind, value):
    data.extend(bytes(-len(data) % 8))
    data.append(code)
    put(data, order, "v", (kind, value))


def message(kind, serial=1, *, path=None, interface=None, member=None, error=None, reply=None, destination=None, sender=None,
            signature=None, fds=None, container=None, fields=(), args=(), body=None, body_length=None, flags=0, order=LITTLE,
            version=1):
    """A message's bytes. ``fields`` are further header fields as (code, type, value); ``body`` goes in as it is, instead of
    ``args``; ``body_length`` is what the header claims of it."""
    known = [(PATH, "o", path), (INTERFACE, "s", interface), (MEMBER, "s", member), (ERROR_NAME, "s", error),
             (REPLY_SERIAL, "u", reply), (DESTINATION, "s", destination), (SENDER, "s", sender), (SIGNATURE, "g", signature),
             (UNIX_FDS, "u", fds), (CONTAINER_INSTANCE, "o", container)]
    if body is None:
        body = bytearray()
        for one, value in zip(complete_types(signature or ""), args):
            put(body, order, one, value)
    data = bytearray(16)
    for code, form, value in [field for field in known if field[2] is not None] + list(fields):
        header_field(data, order, code, form, value)
    count = len(body) if body_length is None else body_length
    struct.pack_into(order + "BBBBIII", data, 0, ord("l" if order == LITTLE else "B"), kind, flags, version, count, serial,
                     len(data) - 16)
    data.extend(bytes(-len(data) % 8))
    return bytes(data) + bytes(body)


def call(serial, destination, member, interface=OPEN, path=OBJECT, **more):
    return message(METHOD_CALL, serial, destination=destination, path=path, interface=interface, member=member, **more)


def signal(serial, member, interface=OPEN, path=OBJECT, **more):
    return message(SIGNAL, serial, path=path, interface=interface, member=member, **more)


def driver_call(serial, member, interface=DRIVER, **more):
    return call(serial, DRIVER, member, interface, DRIVER_PATH, **more)


def hello(serial=1, **more):
    return driver_call(serial, "Hello", **more)


class Message:
    """A message that was received, with its descriptors."""

    NAMES = {PATH: "path", INTERFACE: "interface", MEMBER: "member", ERROR_NAME: "error", REPLY_SERIAL: "reply",
             DESTINATION: "destination", SENDER: "sender", SIGNATURE: "signature", UNIX_FDS: "unix_fds",
             CONTAINER_INSTANCE: "container"}

    def __init__(self, data):
        self.bytes = bytes(data)
        self.order = LITTLE if data[0] == ord("l") else BIG
        self.type, self.flags = data[1], data[2]
        self.serial, count = struct.unpack_from(self.order + "II", data, 8)
        for name in self.NAMES.values():
            setattr(self, name, None)
        self.unknown = {}
        at, end = 16, 16 + count
        while at < end:
            at += -at % 8
            code = data[at]
            value, at = get(data, at + 1, self.order, "v")
            if code in self.NAMES:
                setattr(self, self.NAMES[code], value)
            else:
                self.unknown[code] = value
        self.body = self.bytes[end + -end % 8:]
        self.fds = []

    @property
    def args(self):
        at, values = 0, []
        for one in complete_types(self.signature or ""):
            value, at = get(self.body, at, self.order, one)
            values.append(value)
        return values

    def __repr__(self):
        parts = [f"{name}={getattr(self, name)!r}" for name in self.NAMES.values() if getattr(self, name) is not None]
        text = f" {self.args}" if self.error else ""
        return f"<type {self.type} serial={self.serial} {' '.join(parts)}{text}>"


def size_of(data):
    """How many bytes the message at the front of ``data`` has; None if that can't be seen yet."""
    if len(data) < 16:
        return None
    body, _, fields = struct.unpack_from((LITTLE if data[0] == ord("l") else BIG) + "III", data, 4)
    return 16 + (fields + 7 & ~7) + body


# Sockets

class Ended(Exception):
    """The other end closed."""


class Peer:
    """One end of a socket, with what it received."""

    def __init__(self, end):
        self.socket = end
        self.socket.settimeout(PATIENCE)
        self.buffer = bytearray()
        self.descriptors = []
        self.serial = 1
        # Everything that ever came, for tests that want to see exactly that; off, since floods come too.
        self.record = None

    def fileno(self):
        return self.socket.fileno()

    def close(self):
        self.socket.close()
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []

    kill = close

    # Sending

    def send(self, data, fds=()):
        """All bytes; the descriptors go with the first."""
        if fds:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            sent = self.socket.sendmsg([data], rights)
            data = data[sent:]
        if data:
            self.socket.sendall(data)

    def await_read(self):
        """Returns when the other end has read everything that was sent. BrokenPipeError: it never will."""
        deadline = time.monotonic() + PATIENCE
        while self.unread():
            if self.is_hung_up():
                raise BrokenPipeError
            assert time.monotonic() < deadline, "the other end does not read"
            os.sched_yield()

    def unread(self):
        """How many bytes the other end has not read yet."""
        count = array.array("i", [1])
        fcntl.ioctl(self.socket, termios.TIOCOUTQ, count)
        return count[0]

    def is_hung_up(self):
        poll = select.poll()
        poll.register(self.socket, select.POLLRDHUP)
        return bool(poll.poll(0))

    def send_parts(self, *parts):
        """Each part in a read of its own at the other end. Returns when the last one is sent."""
        for part in parts[:-1]:
            if part:
                self.send(part)
                self.await_read()
        if parts[-1]:
            self.send(parts[-1])

    def next_serial(self):
        self.serial += 1
        return self.serial

    # Receiving

    def fill(self):
        """One read. Raises Ended."""
        try:
            data, control, flags, _ = self.socket.recvmsg(1 << 18, socket.CMSG_SPACE(253 * 4))
        except ConnectionResetError:
            raise Ended from None
        assert not flags & socket.MSG_CTRUNC
        for level, kind, content in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self.descriptors.extend(array.array("i", content[:len(content) // 4 * 4]))
        if not data:
            raise Ended
        self.buffer += data
        if self.record is not None:
            self.record += data

    def line(self):
        """The next line of a handshake, without its end."""
        while b"\r\n" not in self.buffer:
            self.fill()
        line, _, rest = bytes(self.buffer).partition(b"\r\n")
        self.buffer = bytearray(rest)
        return line.decode()

    def receive(self):
        """The next message."""
        while (count := size_of(self.buffer)) is None or len(self.buffer) < count:
            self.fill()
        got = Message(memoryview(self.buffer)[:count].tobytes())
        del self.buffer[:count]
        got.fds = self.descriptors[:got.unix_fds or 0]
        assert len(got.fds) == (got.unix_fds or 0)
        del self.descriptors[:len(got.fds)]
        return got

    def receive_until(self, wanted):
        """Messages up to the first for which ``wanted`` holds, that one last."""
        got = []
        while True:
            got.append(self.receive())
            if wanted(got[-1]):
                return got

    def receive_reply(self, serial):
        """The answer to a call of ours. What else comes first is dropped."""
        return self.receive_until(lambda one: one.reply == serial)[-1]

    def receive_member(self, member):
        """The next call or signal of that name. What else comes first is dropped."""
        return self.receive_until(lambda one: one.member == member)[-1]

    def receive_all(self):
        """Messages up to the other end's closing."""
        got = []
        try:
            while True:
                got.append(self.receive())
        except Ended:
            return got

    def expect_end(self):
        """The other end closes, whatever it says before."""
        try:
            while True:
                self.fill()
        except Ended:
            return

    def is_readable(self):
        return bool(select.select([self.socket], [], [], 0)[0])


class Client(Peer):
    """A connection to a bus, or to a gate in front of one."""

    def __init__(self, path):
        end = socket.socket(socket.AF_UNIX)
        end.settimeout(PATIENCE)
        end.connect(str(path))
        super().__init__(end)
        self.name = None

    def authenticate(self, fds=True):
        self.send(b"\0AUTH EXTERNAL " + OWN_UID + (b"\r\nNEGOTIATE_UNIX_FD" if fds else b"") + b"\r\nBEGIN\r\n")
        return self.finish_handshake(fds)

    def finish_handshake(self, fds=True):
        line = self.line()
        assert line.startswith("OK "), line
        if fds:
            agreement = self.line()
            assert agreement == "AGREE_UNIX_FD", agreement
        return line[3:]

    def say_hello(self):
        self.send(hello(1))
        return self.finish_hello()

    def finish_hello(self):
        self.name = self.receive_reply(1).args[0]
        assert self.receive().member == "NameAcquired"
        return self.name

    def ask(self, destination, member, interface=OPEN, path=OBJECT, **more):
        """A call and its answer."""
        serial = self.next_serial()
        self.send(call(serial, destination, member, interface, path, **more))
        return self.receive_reply(serial)

    def ask_driver(self, member, interface=DRIVER, **more):
        return self.ask(DRIVER, member, interface, DRIVER_PATH, **more)

    def round_trip(self):
        """A call to the driver and back; returns what came before the answer."""
        serial = self.next_serial()
        self.send(driver_call(serial, "GetId"))
        return self.receive_until(lambda one: one.reply == serial)[:-1]

    def request_name(self, name):
        assert self.ask_driver("RequestName", signature="su", args=[name, 0]).args == [1]
        return name

    def add_match(self, rule):
        reply = self.ask_driver("AddMatch", signature="s", args=[rule])
        assert reply.type == METHOD_RETURN, reply

    def answer(self, asked, signature=None, args=(), **more):
        """A METHOD_RETURN for a call that was received."""
        self.send(message(METHOD_RETURN, self.next_serial(), reply=asked.serial, destination=asked.sender, signature=signature,
                          args=args, **more))


def join(workshop, path, fds=True):
    """A client that has said Hello."""
    client = workshop.keep(Client(path))
    client.authenticate(fds)
    client.say_hello()
    return client


class BusSide(Peer):
    """The bus's end of a connection that a gate opened."""

    def handshake(self, agree=True, guid=GUID):
        """Answers the gate's handshake as a bus does; keeps what the gate had said."""
        while b"BEGIN\r\n" not in self.buffer:
            self.fill()
        end = self.buffer.index(b"BEGIN\r\n") + len(b"BEGIN\r\n")
        self.opening = bytes(self.buffer[:end])
        del self.buffer[:end]
        agreement = b""
        if b"NEGOTIATE_UNIX_FD" in self.opening:
            agreement = b"AGREE_UNIX_FD\r\n" if agree else b"ERROR\r\n"
        self.send(b"OK " + guid.encode() + b"\r\n" + agreement)

    def answer_hello(self, name=":1.7"):
        asked = self.receive()
        assert asked.member == "Hello", asked
        self.reply(asked, name, signature="s", args=[name])
        self.send(message(SIGNAL, self.next_serial(), path=DRIVER_PATH, interface=DRIVER, member="NameAcquired", sender=DRIVER,
                          destination=name, signature="s", args=[name]))

    def reply(self, asked, name=":1.7", sender=DRIVER, **more):
        self.send(message(METHOD_RETURN, self.next_serial(), reply=asked.serial, sender=sender, destination=name, **more))


class RawBus:
    """A socket that a gate takes for a bus."""

    def __init__(self, directory, name="raw-bus"):
        # What it says of itself to a gate that only wants to know that.
        self.guid, self.agree = GUID, True
        self.path = directory / name
        self.address = f"unix:path={self.path}"
        self.listener = None
        self.open()

    def open(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.settimeout(PATIENCE)
        self.listener.bind(str(self.path))
        self.listener.listen(128)

    def accept(self):
        """The next connection of a client's: with its handshake comes its Hello. Before it, the gate may ask who the bus is."""
        while True:
            side = self.accept_any()
            side.fill()
            if not side.buffer.endswith(b"BEGIN\r\n"):
                return side
            self.answer(side)

    def accept_any(self):
        """The next connection, whatever the gate wants."""
        return BusSide(self.listener.accept()[0])

    def answer(self, probe):
        """Answers the gate's question who the bus is."""
        probe.handshake(self.agree, self.guid)
        probe.expect_end()
        probe.close()

    def tell(self):
        """Waits for the gate's question who the bus is, and answers it."""
        self.answer(self.accept_any())

    def is_asked(self):
        """Whether a connection waits to be accepted."""
        return bool(select.select([self.listener], [], [], 0)[0])

    def close(self):
        self.listener.close()
        self.path.unlink(missing_ok=True)

    kill = close


def raw_bus(workshop):
    return workshop.keep(RawBus(workshop.directory))


def introduce(workshop, gate, bus, fds=True, agree=True, name=":1.7"):
    """A client and the raw bus's end of its connection, Hello said and answered."""
    client = workshop.keep(Client(gate.path))
    client.send(b"\0AUTH EXTERNAL " + OWN_UID + (b"\r\nNEGOTIATE_UNIX_FD" if fds else b"") + b"\r\nBEGIN\r\n" + hello(1))
    bus.agree = agree
    side = workshop.keep(bus.accept())
    side.handshake(agree)
    client.finish_handshake(fds and agree)
    if fds and not agree:
        assert client.line().startswith("ERROR")
    side.answer_hello(name)
    client.finish_hello()
    return client, side


# Waiting for what has no event

def eventually(condition, what):
    """Polls for something that a peer cannot tell us, such as how many descriptors a process has open."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.001)


def expect_descriptors(gate, count):
    eventually(lambda: gate.descriptors() == count, lambda: f"{gate.descriptors()} descriptors are open, {count} were before")
