"""A peer on a bus or a gate that sees every message: a socket and the handshake here, the messages written and read by GLib.

It answers nothing by itself, reorders nothing and waits for nothing but bytes, so that a test can say which message came
before which. What real client libraries do is in test_clients.py.
"""

import array
import os
import socket
import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

from harness import PATIENCE  # noqa: E402

DRIVER = "org.freedesktop.DBus"
DRIVER_PATH = "/org/freedesktop/DBus"
PEER = "org.freedesktop.DBus.Peer"
PROPERTIES = "org.freedesktop.DBus.Properties"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
UNKNOWN_METHOD = "org.freedesktop.DBus.Error.UnknownMethod"

CALL = Gio.DBusMessageType.METHOD_CALL
RETURN = Gio.DBusMessageType.METHOD_RETURN
ERROR = Gio.DBusMessageType.ERROR
SIGNAL = Gio.DBusMessageType.SIGNAL

BIG_ENDIAN = Gio.DBusMessageByteOrder.BIG_ENDIAN
LITTLE_ENDIAN = Gio.DBusMessageByteOrder.LITTLE_ENDIAN


def call(destination, path, interface, member, body=None, wants_reply=True):
    """A method call; ``body`` is a GLib.Variant of a tuple, ``interface`` may be None."""
    message = Gio.DBusMessage.new_method_call(destination, path, interface, member)
    if not wants_reply:
        message.set_flags(Gio.DBusMessageFlags.NO_REPLY_EXPECTED)
    return with_body(message, body)


def driver_call(member, body=None, interface=DRIVER, path=DRIVER_PATH, wants_reply=True):
    """A call to the message bus itself."""
    return call(DRIVER, path, interface, member, body, wants_reply)


def signal(path, interface, member, body=None, destination=None):
    """A signal, broadcast if it has no destination."""
    message = Gio.DBusMessage.new_signal(path, interface, member)
    if destination is not None:
        message.set_destination(destination)
    return with_body(message, body)


def answer(destination, reply_serial, body=None):
    """A METHOD_RETURN, whether or not anybody asked."""
    message = Gio.DBusMessage()
    message.set_message_type(RETURN)
    message.set_destination(destination)
    message.set_reply_serial(reply_serial)
    return with_body(message, body)


def with_body(message, body):
    if body is not None:
        message.set_body(body)
    return message


def with_descriptors(message, descriptors):
    """The message with duplicates of these descriptors attached, and nothing in its body that names them."""
    message.set_unix_fd_list(Gio.UnixFDList.new_from_array([os.dup(number) for number in descriptors]))
    return message


def strings(*texts):
    """A body of strings."""
    return GLib.Variant("(" + "s" * len(texts) + ")", texts)


class Closed(Exception):
    """The other side closed the connection."""


class Peer:
    """One connection, authenticated and, unless it is told not to, registered."""

    def __init__(self, address, says_hello=True, takes_descriptors=True):
        assert address.startswith("unix:path=")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(address.removeprefix("unix:path=").split(",")[0])
        self._bytes = b""
        self._descriptors = []
        self._serial = 0
        self._read = []
        self._capabilities = Gio.DBusCapabilityFlags.NONE
        self._authenticate(takes_descriptors)
        self.name = None
        if says_hello:
            self.name = self.ask(driver_call("Hello")).get_body()[0]

    def close(self):
        self.socket.close()

    # The handshake

    def _authenticate(self, takes_descriptors):
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        line = self._line()
        assert line.startswith(b"OK "), line
        self.guid = line.split()[1].decode()
        if takes_descriptors:
            self.socket.sendall(b"NEGOTIATE_UNIX_FD\r\n")
            assert self._line() == b"AGREE_UNIX_FD"
            self._capabilities = Gio.DBusCapabilityFlags.UNIX_FD_PASSING
        self.socket.sendall(b"BEGIN\r\n")

    def _line(self):
        while b"\r\n" not in self._bytes:
            self._receive()
        line, self._bytes = self._bytes.split(b"\r\n", 1)
        return line

    # Messages out

    def send(self, message):
        """Sends a message; returns its serial."""
        self._serial += 1
        message.set_serial(self._serial)
        blob = bytes(message.to_blob(self._capabilities))
        numbers = message.get_unix_fd_list().peek_fds() if message.get_unix_fd_list() else []
        if numbers:
            sent = socket.send_fds(self.socket, [blob], list(numbers))
            blob = blob[sent:]
        self.socket.sendall(blob)
        return self._serial

    # Messages in

    def _receive(self):
        data, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(253 * 4))
        for level, kind, numbers in ancillary:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            received = array.array("i")
            received.frombytes(numbers)
            self._descriptors += received
        if not data:
            raise Closed
        self._bytes += data

    def _message(self):
        while len(self._bytes) < 16 or len(self._bytes) < Gio.DBusMessage.bytes_needed(self._bytes[:16]):
            self._receive()
        count = Gio.DBusMessage.bytes_needed(self._bytes[:16])
        message = Gio.DBusMessage.new_from_blob(self._bytes[:count], Gio.DBusCapabilityFlags.UNIX_FD_PASSING)
        self._bytes = self._bytes[count:]
        carried = message.get_num_unix_fds()
        message.descriptors, self._descriptors = self._descriptors[:carried], self._descriptors[carried:]
        return message

    def await_message(self, wanted, patience=PATIENCE):
        """The first message, of those read before and not yet asked for and of those to come, that is ``wanted``."""
        for index, message in enumerate(self._read):
            if wanted(message):
                return self._read.pop(index)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            message = self._message()
            if wanted(message):
                return message
            self._read.append(message)
        raise AssertionError(f"the message did not come, but {[text_of(other) for other in self._read]}")

    def ask(self, message):
        """Sends a call and returns its answer, an error too."""
        serial = self.send(message)
        return self.answer_to(serial)

    def answer_to(self, serial):
        return self.await_message(lambda message: is_reply(message) and message.get_reply_serial() == serial)

    def await_member(self, member):
        """The next call or signal with this member."""
        return self.await_message(lambda message: message.get_member() == member)

    def await_close(self):
        """Reads until the other side closes; what comes before is kept."""
        try:
            while True:
                self._read.append(self._message())
        except (Closed, ConnectionResetError):
            return

    def fence(self):
        """Returns when the bus has routed all that was sent here, and all that it had sent here has arrived."""
        reply = self.ask(driver_call("GetId"))
        assert reply.get_message_type() == RETURN, text_of(reply)

    def seen(self):
        """The members of the calls and signals that have been read and not asked for, but the driver's."""
        return [message.get_member() for message in self._read if message.get_member() and message.get_sender() != DRIVER]

    def unasked(self):
        """The messages that have been read and not asked for."""
        return list(self._read)

    # Often needed

    def subscribe(self, rule="type='signal'"):
        reply = self.ask(driver_call("AddMatch", strings(rule)))
        assert reply.get_message_type() == RETURN, text_of(reply)

    def own(self, name):
        """RequestName; returns the answer."""
        return self.ask(driver_call("RequestName", GLib.Variant("(su)", (name, 4))))

    def reply(self, request, body=None):
        """Answers a call."""
        return self.send(with_body(Gio.DBusMessage.new_method_reply(request), body))


def is_reply(message):
    return message.get_message_type() in (RETURN, ERROR)


def error_of(message):
    """The error's name and text, or None."""
    if message.get_message_type() != ERROR:
        return None
    body = message.get_body()
    return (message.get_error_name(), body[0] if body else "")


def text_of(message):
    """For people."""
    return message.print_(0)


def refusal(interface, member, path, direction="outgoing", bus="SESSION", about=None):
    """What a denied call is answered; ``about`` is the name that a call to the bus itself asks for."""
    subject = path if about is None else f"{path} about {about}"
    return (ACCESS_DENIED, f"busgate: {direction} call {interface}.{member} on {subject} is not allowed by the {bus} policy")


def is_from_gate(message):
    """Whether an error was written by the gate."""
    error = error_of(message)
    return error is not None and error[1].startswith("busgate: ")
