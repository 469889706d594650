"""A reader of the log, each format back into the same events, and a scene whose gate writes one."""

import datetime
import json
import os
import re
import socket
import struct
import subprocess
import threading

from harness import BUSGATE, PATIENCE
from peer import DRIVER, call
from scene import Scene

INTERFACE = "com.example.Interface"
PATH = "/com/example/Object"
KEYS = {line.split("\t")[0] for line in subprocess.run(
    [BUSGATE, "run", "--list", "log-keys"], capture_output=True, text=True, check=True).stdout.splitlines()}
NUMBERS = {"connection", "pid", "uid", "serial", "reply-serial", "bytes", "fds", "count", "allowed", "denied", "decisions",
           "connections", "lost", "clients"}
VERDICTS = {"allow", "deny", "drop", "audit"}


def unescape(text):
    """What stands between the quotes of a text value."""
    return re.sub(r"\\(u\{([0-9a-f]+)\}|.)", lambda match: chr(int(match[2], 16)) if match[2] else match[1], text)


def read_text(line):
    if line.startswith("busgate: "):
        level, _, message = line.removeprefix("busgate: ").partition(": ")
        if level in ("error", "warning"):
            return {"event": level, "message": message}
        return {"event": "note", "message": line.removeprefix("busgate: ")}
    word, _, rest = line.partition(" ")
    if word not in VERDICTS and not re.fullmatch("opened|closed|limit|reload|suppressed|lost|error|warning|note", word):
        return {"event": "error" if ": error: " in line else "warning", "message": line}
    event = {"event": "decision", "verdict": word} if word in VERDICTS else {"event": word}
    event["time"], _, rest = rest.partition(" ")
    while rest:
        key, value, rest = re.fullmatch(r'([a-z-]+)=("(?:[^"\\]|\\.)*"|[^ "]+)(?: (.*))?', rest).groups()
        assert key not in event, f"{key} twice in {line!r}"
        value = unescape(value[1:-1]) if value.startswith('"') else value
        event[key] = int(value) if key in NUMBERS else value
    return event


def read_json(line):
    def unique(pairs):
        assert len({key for key, _ in pairs}) == len(pairs), line
        return dict(pairs)
    return json.loads(line, object_pairs_hook=unique)


def read_journal(datagram):
    fields = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if equals:
            datagram = rest
        else:
            (count,) = struct.unpack_from("<Q", rest)
            value, datagram = rest[8:8 + count], rest[8 + count:]
            assert datagram[:1] == b"\n"
            datagram = datagram[1:]
        assert re.fullmatch(rb"[A-Z][A-Z0-9_]*", name) and name not in fields, name
        fields[name.decode()] = value.decode()
    assert fields.pop("SYSLOG_IDENTIFIER") == "busgate"
    assert fields.pop("PRIORITY") in "34567"
    event = {}
    message = fields.pop("MESSAGE")
    fields.pop("MESSAGE_ID", None)
    for name, value in fields.items():
        key = name.removeprefix("BUSGATE_").lower().replace("_", "-")
        event[key] = int(value) if key in NUMBERS else value
    if event["event"] in ("limit", "reload", "error", "warning", "note"):
        event.setdefault("message", message)
    return event


class Journal:
    """A journald of the test's own: a datagram socket, of which the kernel keeps ten datagrams, and a thread that reads it."""

    def __init__(self, path, reads=True):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.datagrams = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        if reads:
            self.read()

    def read(self):
        self._thread.start()

    def _read(self):
        while True:
            datagram = self.socket.recv(1 << 20)
            if datagram == b"end":
                return
            with self._changed:
                self.datagrams.append(datagram)
                self._changed.notify_all()

    def wait_until(self, found):
        """What ``found()`` returns, as soon as that is true; it is asked whenever a datagram came."""
        with self._changed:
            self._changed.wait_for(found, PATIENCE)
            result = found()
        assert result, self.datagrams
        return result

    def end(self):
        """All that was sent has been read when this returns."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"end", str(self.path))
        self._thread.join(PATIENCE)
        self.socket.close()


FORMATS = ("text", "json", "journal")
# What tries to be more than one word of one line.
HOSTILE = ["new\nline", 'quote" deny ', "back\\slash", "\x1b[2J\x7f", "r\u202elo", "\u2028sep", "é…", "a=b c", "tab\t\r", "BUSGATE_UID=0\nBUSGATE_PID"]


class LoggedScene(Scene):
    """One whose gate has a log in one of the formats."""

    def __init__(self, workshop, bus, rules, format, *arguments, is_read=True, **options):
        self.format = format
        self.journal = None
        arguments = ["--log-format", format, *arguments]
        if format == "journal":
            self.journal = Journal(workshop.directory / f"journal-{len(os.listdir(workshop.directory))}", is_read)
            arguments += ["--log-target", str(self.journal.path)]
        super().__init__(workshop, bus, rules, *arguments, **options)

    def call(self, member, path=PATH, interface=INTERFACE, **more):
        return self.inside.ask(call(self.outside.name, path, interface, member, **more))

    def read_so_far(self):
        """All events but what is said of the gate itself at the start (test_newcomers.py)."""
        if self.journal:
            events = [read_journal(datagram) for datagram in self.journal.datagrams]
        else:
            events = [(read_json if self.format == "json" else read_text)(line) for line in self.gate.log.lines]
        return [event for event in events if not is_about_start(event)]

    def await_event(self, wanted):
        """Returns when an event was written that is ``wanted``."""
        (self.journal or self.gate.log).wait_until(lambda: any(wanted(event) for event in self.read_so_far()))

    def await_events(self, count):
        (self.journal or self.gate.log).wait_until(lambda: len(self.read_so_far()) >= count)

    def end(self):
        """Ends everything; returns all events."""
        self.outside.subscribe(f"type='signal',sender='{DRIVER}',member='NameOwnerChanged',arg0='{self.inside.name}'")
        self.inside.close()
        # The gate closes the connection to the bus, of which the bus tells, and writes the last line about it before it reads a signal.
        self.outside.await_member("NameOwnerChanged")
        return self.stop()

    def stop(self):
        assert self.gate.terminate() == 0
        if self.journal:
            self.journal.end()
        else:
            self.gate.log.wait_until(lambda: self.gate.log.ended)
        return checked(self.read_so_far())


def is_about_start(event):
    said = event.get("message", "")
    return event["event"] == "note" and " listens on " in said or event["event"] == "warning" and " denies everything, " in said


def checked(events):
    for event in events:
        assert set(event) <= KEYS, set(event) - KEYS
        if "time" in event:
            datetime.datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%S.%fZ")
    return events


def decisions(events, **wanted):
    return [event for event in events
            if event["event"] == "decision" and all(event.get(key) == value for key, value in wanted.items())]


def total(events):
    """How many messages these events stand for."""
    return sum(event.get("count", 1) for event in events)


def without(event, *keys):
    return {key: value for key, value in event.items() if key not in ("time", "pid", "cgroup", *keys)}
