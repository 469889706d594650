"""What the gate counts, in both formats, over HTTP that may be slow, wrong or hostile, and as a real Prometheus sees it."""

import http.client
import json
import os
import re
import select
import shutil
import socket
import stat
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from harness import BUSGATE, EVERYTHING, PATIENCE, ROOT, rule
from service import spent_meanwhile
from wire import (ACCESS_DENIED, LIMITS_EXCEEDED, METHOD_CALL, METHOD_RETURN, NO_REPLY_EXPECTED, OBJECT, OPEN, OWN_UID, SHUT, SIGNAL,
                  Client, call, driver_call, eventually, hello, introduce, join, message, raw_bus)

pytestmark = pytest.mark.one_bus("the gate counts what it did itself, and is asked over a socket of its own")

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
SERVICE, CALLER, ME = "com.example.Service", ":1.2", ":1.7"
RULES = [rule("outgoing", OPEN), rule("incoming", OPEN)]


def oracle(name):
    """A program of the Debian package prometheus, installed or unpacked by contrib/packages."""
    found = shutil.which(name) or shutil.which(ROOT / "build/oracles/usr/bin" / name)
    if not found:
        pytest.skip(f"no {name} here: contrib/packages prometheus unpacks it")
    return found


class Scraper(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self.path))

    def ask(self, target="/metrics", method="GET", **headers):
        self.request(method, target, headers=headers)
        response = self.getresponse()
        response.text = response.read().decode()
        return response


def scrape(gate, accept="text/plain"):
    scraper = Scraper(gate.metrics)
    try:
        response = scraper.ask(Accept=accept)
        assert response.status == 200
        return response.text
    finally:
        scraper.close()


def values(gate):
    """Every value by its name and labels, as `name{label="value"}` has them."""
    families = parse_text(scrape(gate))
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def value(gate, name, **labels):
    """One value; a label of a gate is `session` if none is given."""
    found = values(gate)
    key = (f"busgate_{name}", tuple(sorted(labels.items())))
    return found[key] if key in found else found[(key[0], tuple(sorted({"gate": "session", **labels}.items())))]


def changes(before, after):
    """What is different, without the histogram, which counts the scrapes too."""
    return {(name[8:], *(text for label, text in labels if label != "gate")): after[name, labels] - was
            for (name, labels), was in before.items() if after[name, labels] != was and "wakeup" not in name}


def metered(workshop, config, bus, *arguments, **options):
    path = workshop.directory / "metrics"
    gate = workshop.gate(config, bus, "--metrics", path, *arguments, **options)
    gate.metrics = path
    return gate


# What is counted

def test_every_message_is_counted_once_by_direction_type_and_verdict(workshop):
    bus = raw_bus(workshop)
    gate = metered(workshop, RULES, bus)
    client, side = introduce(workshop, gate, bus)
    before = values(gate)
    sent = {"forwarded": 0, "skipped": 0}

    def outgoing(outcome, data):
        client.send(data)
        sent[outcome] += len(data)

    for serial in (10, 11, 12):
        outgoing("forwarded", message(SIGNAL, serial, path=OBJECT, interface=OPEN, member="S"))
    outgoing("forwarded", call(13, SERVICE, "M", OPEN, OBJECT))
    outgoing("skipped", call(14, SERVICE, "M", SHUT, OBJECT, flags=NO_REPLY_EXPECTED))
    outgoing("skipped", message(METHOD_RETURN, 15, reply=9, destination=CALLER))
    outgoing("skipped", message(77, 16, path=OBJECT))
    outgoing("skipped", call(17, SERVICE, "M", SHUT, OBJECT))
    assert client.receive_reply(17).error == ACCESS_DENIED
    side.send(message(SIGNAL, 20, path=OBJECT, interface=OPEN, member="S", sender=CALLER))
    side.send(message(SIGNAL, 21, path=OBJECT, interface=SHUT, member="S", sender=CALLER))
    side.send(call(22, ME, "M", OPEN, OBJECT, sender=CALLER))
    side.send(message(METHOD_RETURN, 23, reply=99, sender=CALLER, destination=ME))
    side.send(call(24, ME, "M", SHUT, OBJECT, sender=CALLER))
    assert side.receive_reply(24).error == ACCESS_DENIED

    after = values(gate)
    changed = changes(before, after)
    amount = {key: changed.pop(key) for key in list(changed) if key[0] == "message_bytes_total"}
    assert changed == {
        ("messages_total", "outgoing", "signal", "allow"): 3,
        ("messages_total", "outgoing", "method_call", "allow"): 1,
        ("messages_total", "outgoing", "method_call", "deny"): 2,
        ("messages_total", "outgoing", "method_return", "drop"): 1,
        ("messages_total", "outgoing", "unknown", "drop"): 1,
        ("messages_total", "incoming", "signal", "allow"): 1,
        ("messages_total", "incoming", "signal", "deny"): 1,
        ("messages_total", "incoming", "method_call", "allow"): 1,
        ("messages_total", "incoming", "method_return", "drop"): 1,
        ("messages_total", "incoming", "method_call", "deny"): 1,
        ("denials_total", "outgoing", "no-rule"): 2,
        ("denials_total", "outgoing", "stray-reply"): 1,
        ("denials_total", "outgoing", "unknown-type"): 1,
        ("denials_total", "incoming", "no-rule"): 2,
        ("denials_total", "incoming", "stray-reply"): 1,
        ("replies_pending", "outgoing"): 1,
        ("replies_pending", "incoming"): 1,
    }
    assert {key[2]: count for key, count in amount.items() if key[1] == "outgoing"} == sent

    # What an ended connection counted stays; what it waited for is over.
    client.close()
    side.expect_end()
    side.close()
    eventually(lambda: value(gate, "connections") == 0, "the connection does not end")
    closed = changes(after, values(gate))
    assert closed == {("connections",): -1, ("connections_closed_total", "client-closed"): 1,
                      ("replies_pending", "outgoing"): -1, ("replies_pending", "incoming"): -1}


@pytest.mark.parametrize("mode", ["enforce", "audit"])
def test_what_audit_lets_pass_is_counted_as_audit(workshop, mode):
    bus = raw_bus(workshop)
    gate = metered(workshop, RULES, bus, "--mode", mode)
    client, side = introduce(workshop, gate, bus)
    if mode == "audit":
        # There the gate asks who owns which name, for the log; the client's calls wait for the answers.
        side.reply(side.receive_member("AddMatch"))
        side.reply(side.receive_member("ListNames"), signature="as", args=[[]])
        client.send(driver_call(13, "GetId"))
        side.receive_member("GetId")
    before = values(gate)
    client.send(call(14, SERVICE, "M", SHUT, OBJECT))
    if mode == "audit":
        side.receive_member("M")
    else:
        assert client.receive_reply(14).error == ACCESS_DENIED
    changed = changes(before, values(gate))
    assert [key for key in changed if key[0] in ("messages_total", "denials_total")] == (
        [("messages_total", "outgoing", "method_call", "audit")] if mode == "audit" else
        [("messages_total", "outgoing", "method_call", "deny"), ("denials_total", "outgoing", "no-rule")])


def test_a_body_that_is_still_coming_counts_as_far_as_it_has_come(workshop):
    bus = raw_bus(workshop)
    gate = metered(workshop, RULES, bus)
    client, side = introduce(workshop, gate, bus)
    before = values(gate)
    for serial, interface, outcome in ((10, OPEN, "forwarded"), (11, SHUT, "skipped")):
        data = message(SIGNAL, serial, path=OBJECT, interface=interface, member="S", signature="ay",
                       body=b"\0\0\1\0" + bytes(65536))
        client.send_parts(data[:1000], data[1000:3000])
        client.await_read()
        eventually(lambda: changes(before, values(gate)).get(("message_bytes_total", "outgoing", outcome)) == 3000, "not 3000")
        client.send(data[3000:])
        eventually(lambda: changes(before, values(gate)).get(("message_bytes_total", "outgoing", outcome)) == len(data), "not all")
    side.receive_member("S")


@pytest.mark.both_buses
def test_connections_are_counted_as_they_come_authenticate_and_go(workshop, bus):
    gate = metered(workshop, EVERYTHING, bus)
    silent = workshop.keep(Client(gate.path))
    eventually(lambda: value(gate, "connections_unauthenticated") == 1, "it was not accepted")
    joined = join(workshop, gate.path)
    broken = join(workshop, gate.path)
    broken.send(b"x" * 16)
    broken.expect_end()
    silent.send(b"no leading NUL")
    silent.expect_end()
    joined.round_trip()
    assert [value(gate, f"connections{name}") for name in ("", "_accepted_total", "_unauthenticated", "_hello_pending")] == [1, 3, 0, 0]
    assert value(gate, "connections_closed_total", reason="client-malformed") == 1
    assert value(gate, "connections_closed_total", reason="client-handshake") == 1
    assert value(gate, "bus_connects_total", result="ok") == 2


def test_a_bus_that_is_away_and_reloads_are_counted(workshop):
    gate = metered(workshop, config := workshop.config(EVERYTHING), "unix:path=/nowhere/bus")
    client = workshop.keep(Client(gate.path))
    client.send(b"\0AUTH EXTERNAL " + OWN_UID + b"\r\n")
    client.expect_end()
    assert value(gate, "bus_connects_total", result="failed") == 1
    assert value(gate, "connections_closed_total", reason="bus-unreachable") == 1
    gate.reload()
    config.write_text("[")
    gate.reload()
    assert [value(gate, "reloads_total", result=result) for result in ("ok", "refused")] == [1, 1]
    assert value(gate, "last_reload_successful") == 0
    config.write_text("[]")
    gate.reload()
    assert value(gate, "last_reload_successful") == 1


def test_every_limit_has_its_series_from_the_start(workshop, bus):
    gate = metered(workshop, EVERYTHING, bus)
    listed = subprocess.run([BUSGATE, "run", "--list", "limits"], capture_output=True, text=True).stdout
    names = {line.split("\t")[0] for line in listed.splitlines()}
    found = {dict(labels)["limit"]: count for (name, labels), count in values(gate).items() if name == "busgate_limit_hits_total"}
    # The process's own bound has no flag.
    assert len(names) >= 18 and found == dict.fromkeys(names | {"descriptors"}, 0)


def test_every_label_and_its_values_stand_in_the_operators_table(workshop, bus):
    page = (ROOT / "contrib/OPERATORS.md").read_text()
    rows = re.findall(r"(?m)^\| `([a-z_]+)`([a-z ]*) \| (.*) \|$", page.split("| label | values |")[1].split("\n\n")[0])
    told = {name + what: set(re.findall("`([a-z_-]+)`", values)) for name, what, values in rows}
    tables = {name: {line.split("\t")[0] for line in subprocess.run(
        [BUSGATE, "run", "--list", name], capture_output=True, text=True, check=True).stdout.splitlines()} for name in ("limits", "reasons")}
    told["limit"] |= tables["limits"]
    found = {}
    for (name, labels) in values(metered(workshop, EVERYTHING, bus, "--instance", "radio")):
        for label, text in labels:
            what = {"busgate_denials_total": " of a denial", "busgate_connections_closed_total": " of an end"}.get(name, "")
            found.setdefault(label + (what if label == "reason" else ""), set()).add(text)
    assert found.pop("reason of a denial") < tables["reasons"] and told.pop("reason of a denial") == set()
    assert found.pop("gate") == {"session"} and told.pop("gate") == set()
    assert found.pop("gate_instance") == {"radio"} and told.pop("gate_instance") == set()
    del found["le"], found["version"]
    assert found == told


def test_a_limit_that_is_hit_is_counted(workshop):
    bus = raw_bus(workshop)
    limits = {"pending-replies-max": 1, "matches-max": 1, "names-max": 1, "header-bytes-max": 1024, "message-bytes-max": 4096,
              "pending-incoming-per-caller-max": 1, "pending-incoming-max": 2, "connections-max": 2, "unauthenticated-max": 2,
              "auth-timeout": "300s"}
    flags = [part for name, number in limits.items() for part in ("--limit", f"{name}={number}")]
    gate = metered(workshop, EVERYTHING, bus, *flags)
    client, side = introduce(workshop, gate, bus)

    def refused(data, serial):
        client.send(data)
        assert client.receive_reply(serial).error == LIMITS_EXCEEDED

    driver = dict(destination="org.freedesktop.DBus", path="/org/freedesktop/DBus", interface="org.freedesktop.DBus")
    quiet = dict(flags=NO_REPLY_EXPECTED)
    client.send(message(METHOD_CALL, 10, member="AddMatch", signature="s", args=["type='signal'"], **driver, **quiet))
    refused(message(METHOD_CALL, 11, member="AddMatch", signature="s", args=["type='error'"], **driver), 11)
    client.send(message(METHOD_CALL, 12, member="RequestName", signature="su", args=["a.b", 0], **driver, **quiet))
    refused(message(METHOD_CALL, 13, member="RequestName", signature="su", args=["a.c", 0], **driver), 13)
    refused(call(14, SERVICE, "M", OPEN, "/" + "p" * 1100), 14)
    refused(call(15, SERVICE, "M", OPEN, OBJECT, signature="ay", args=[bytes(5000)]), 15)
    client.send(call(16, SERVICE, "M", OPEN, OBJECT))
    refused(call(17, SERVICE, "M", OPEN, OBJECT), 17)
    for serial, caller, fits in ((30, ":1.2", True), (31, ":1.2", False), (32, ":1.3", True), (33, ":1.4", False)):
        side.send(call(serial, ME, "M", OPEN, OBJECT, sender=caller))
        assert (client.receive_member("M").serial if fits else side.receive_reply(serial).reply) == serial
    workshop.keep(Client(gate.path))
    workshop.keep(Client(gate.path)).expect_end()

    hit = {dict(labels)["limit"]: count for (name, labels), count in values(gate).items()
           if name == "busgate_limit_hits_total" and count}
    hits = {name for name in limits if name not in ("auth-timeout", "unauthenticated-max")}
    assert hit == dict.fromkeys(hits, 1)
    for name in hits:
        gate.log.wait_for(name)


def test_a_limit_on_time_or_on_those_who_wait_is_counted(workshop):
    bus = raw_bus(workshop)
    limits = ("unauthenticated-max=1", "auth-timeout=500ms", "hello-timeout=1s", "hello-pending-max=1")
    gate = metered(workshop, EVERYTHING, bus, *(part for limit in limits for part in ("--limit", limit)))
    for silent in [workshop.keep(Client(gate.path)) for _ in range(2)]:
        silent.expect_end()
    whole = b"\0AUTH EXTERNAL " + OWN_UID + b"\r\nBEGIN\r\n" + hello(1)
    first = workshop.keep(Client(gate.path))
    first.send(whole)
    workshop.keep(bus.accept()).handshake()
    assert first.line().startswith("OK")
    second = workshop.keep(Client(gate.path))
    second.send(whole)
    first.expect_end()
    second.expect_end()
    hits = {limit: value(gate, "limit_hits_total", limit=limit.split("=")[0]) for limit in limits}
    assert hits == dict(zip(limits, (1, 2, 2, 1)))
    for limit in limits:
        gate.log.wait_for(limit.split("=")[0])


def test_a_limit_on_what_waits_for_a_receiver_is_logged(workshop):
    bus = raw_bus(workshop)
    gate = metered(workshop, RULES, bus, "--limit", "fds-in-flight-max=1", "--limit", "own-output-bytes-max=1000", "--log", "none")
    client, side = introduce(workshop, gate, bus)
    read, write = os.pipe()
    for serial in (10, 11):
        client.send(call(serial, SERVICE, "M", OPEN, OBJECT, signature="h", args=[0], fds=1, flags=NO_REPLY_EXPECTED), [read])
    gate.log.wait_for("limit ", "connection=1 ", "limit=fds-in-flight-max", "until the bus has taken")
    side.receive_member("M")
    side.receive_member("M")
    client.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        for serial in range(1000, 100_000):
            client.socket.send(call(serial, SERVICE, "M", SHUT, OBJECT))
    gate.log.wait_for("limit ", "connection=1 ", "limit=own-output-bytes-max", "until the client has taken")
    assert [value(gate, "limit_hits_total", limit=name) > 0 for name in ("fds-in-flight-max", "own-output-bytes-max")] == [True, True]
    os.close(read)
    os.close(write)


def test_calls_that_are_refused_among_others_like_them_are_logged_and_counted(workshop):
    """Those before them go the short way, which nothing is said on."""
    bus = raw_bus(workshop)
    gate = metered(workshop, RULES, bus, "--limit", "pending-incoming-per-caller-max=8")
    client, side = introduce(workshop, gate, bus)

    def ask(serials):
        for serial in serials:
            side.send(call(serial, ME, "M", OPEN, OBJECT, sender=CALLER))
            (client.receive_member("M") if serial < 38 else side.receive_reply(serial))

    ask(range(30, 38))
    assert not gate.log.matching("pending-incoming") and value(gate, "replies_pending", direction="incoming") == 8
    ask(range(38, 41))
    assert value(gate, "limit_hits_total", limit="pending-incoming-per-caller-max") == 3
    gate.log.wait_for("deny ", "connection=1 ", "reason=pending-incoming-per-caller-max")
    assert value(gate, "denials_total", direction="incoming", reason="pending-incoming-per-caller-max") == 3
    assert value(gate, "replies_pending", direction="incoming") == 8


def test_a_reader_that_takes_nothing_shows_as_a_lent_buffer_and_as_own_output(workshop, bus):
    gate = metered(workshop, [], bus, "--log", "none")
    client = join(workshop, gate.path)
    flood = b"".join(call(serial, SERVICE, "M", SHUT, OBJECT) for serial in range(1000, 4000))
    client.socket.setblocking(False)
    try:
        while True:
            client.socket.send(flood)
    except BlockingIOError:
        pass
    eventually(lambda: value(gate, "limit_hits_total", limit="own-output-bytes-max") >= 1, "its own output has no end")
    assert value(gate, "buffers_lent") == 1


def test_log_lines_that_nobody_read_are_counted(workshop, bus):
    read, write = os.pipe()
    path = workshop.directory / "metrics"
    ready, tell = os.pipe()
    config = workshop.config([])
    process = subprocess.Popen(
        [BUSGATE, "run", "--config", config, "--session", workshop.directory / "g", "--bus", f"session={bus.address}", "--metrics", path,
         "--ready-fd", str(tell), "--log-fold", "0", "--log-rate", "1000000"], stderr=write, pass_fds=[tell])
    os.close(write)
    os.close(tell)
    try:
        assert select.select([ready], [], [], PATIENCE)[0]
        process.metrics = path
        client = join(workshop, workshop.directory / "g")
        while value(process, "log_lines_lost_total") == 0:
            client.send(b"".join(call(serial, SERVICE, "M", SHUT, OBJECT, flags=NO_REPLY_EXPECTED) for serial in range(10, 500)))
            client.round_trip()
    finally:
        process.kill()
        process.wait()
        os.close(read)
        os.close(ready)


def test_two_gates_are_told_apart(workshop, bus):
    other = workshop.directory / "other"
    gate = metered(workshop, EVERYTHING, bus, "--listen", f"extra={other}", "--policy", "extra=session", "--bus",
                   f"extra={bus.address}")
    join(workshop, other)
    assert [values(gate)["busgate_connections", (("gate", name),)] for name in ("session", "extra")] == [0, 1]


@pytest.mark.both_buses
def test_the_gates_own_time_is_a_histogram(workshop, bus):
    gate = metered(workshop, EVERYTHING, bus)
    client = join(workshop, gate.path)
    before = value(gate, "wakeup_duration_seconds_count")
    for _ in range(100):
        client.round_trip()
    found = values(gate)
    buckets = [count for (name, _), count in found.items() if name == "busgate_wakeup_duration_seconds_bucket"]
    assert buckets == sorted(buckets) and len(buckets) == 14
    assert buckets[-1] == found["busgate_wakeup_duration_seconds_count", ()] >= before + 200
    assert 0 < found["busgate_wakeup_duration_seconds_sum", ()] < 100


# The formats

def test_the_listing_names_every_metric_with_its_type_and_help(workshop, bus):
    gate = metered(workshop, EVERYTHING, bus)
    listed = subprocess.run([BUSGATE, "run", "--list", "metrics"], capture_output=True, text=True).stdout
    rows = [tuple(line.split("\t")) for line in listed.splitlines()]
    suffixes = {"counter": "_total", "info": "_info"}
    told = [(family.name + suffixes.get(family.type, ""), family.type, family.documentation)
            for family in parse_openmetrics(scrape(gate, OPENMETRICS))]
    assert rows == told


def test_both_formats_say_the_same(workshop, bus):
    gate = metered(workshop, EVERYTHING, bus)
    join(workshop, gate.path)
    samples = [{(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples
                if "wakeup" not in sample.name}
               for families in (parse_text(scrape(gate)), parse_openmetrics(scrape(gate, OPENMETRICS)))]
    assert samples[0] == samples[1] and len(samples[0]) > 100
    units = {family.name: family.unit for family in parse_openmetrics(scrape(gate, OPENMETRICS)) if family.unit}
    assert units == {"busgate_start_time_seconds": "seconds", "busgate_message_bytes": "bytes",
                     "busgate_wakeup_duration_seconds": "seconds"}
    assert scrape(gate, OPENMETRICS).endswith("\n# EOF\n") and "# EOF" not in scrape(gate)


def test_promtool_has_nothing_to_say_about_the_text_format(workshop, bus):
    gate = metered(workshop, EVERYTHING, bus)
    join(workshop, gate.path)
    checked = subprocess.run([oracle("promtool"), "check", "metrics"], input=scrape(gate), capture_output=True, text=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


class Forwarder:
    """A loopback port in front of a Unix socket, for those who know no Unix sockets."""

    def __init__(self, path):
        self.path = path
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                outer, _ = self.listener.accept()
            except OSError:
                return
            inner = socket.socket(socket.AF_UNIX)
            inner.connect(str(self.path))
            for source, target in ((outer, inner), (inner, outer)):
                threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    @staticmethod
    def _copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def kill(self):
        self.listener.close()


def test_a_real_prometheus_scrapes_openmetrics_and_finds_what_was_counted(workshop, bus):
    program = oracle("prometheus")
    gate = metered(workshop, [], bus)
    client = join(workshop, gate.path)
    for _ in range(7):
        assert client.ask(SERVICE, "M", SHUT).error == ACCESS_DENIED
    forwarder = workshop.keep(Forwarder(gate.metrics))
    config = workshop.directory / "prometheus.yml"
    config.write_text(json.dumps({"global": {"scrape_interval": "250ms", "scrape_timeout": "250ms"}, "scrape_configs": [
        {"job_name": "busgate", "static_configs": [{"targets": [f"127.0.0.1:{forwarder.port}"]}]}]}))
    prometheus = workshop.child(
        [program, f"--config.file={config}", f"--storage.tsdb.path={workshop.directory / 'tsdb'}", "--web.listen-address=127.0.0.1:0"])
    address = re.search(r"address=(127\.0\.0\.1:[1-9]\d*)", prometheus.log.wait_for("Listening on", "address=127.0.0.1:")).group(1)
    prometheus.log.wait_for("Server is ready to receive web requests")

    def ask(path, **query):
        with urllib.request.urlopen(f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=PATIENCE) as response:
            return json.load(response)["data"]

    def found():
        return ask("query", query='busgate_denials_total{gate="session",direction="outgoing",reason="no-rule"}')["result"]

    def told():
        return "\n".join(prometheus.log.lines) + json.dumps(ask("targets"))

    eventually(lambda: found() and found()[0]["value"][1] == "7", told)
    # The unit is said in OpenMetrics only, and only its parser knows the metric without its suffix.
    assert ask("metadata", metric="busgate_message_bytes")["busgate_message_bytes"][0]["unit"] == "bytes"
    # Every scrape was taken as a whole.
    [[_, samples]] = [one["value"] for one in ask("query", query="scrape_samples_scraped")["result"]]
    assert int(samples) == len(values(gate))
    assert prometheus.terminate() == 0


# HTTP

def test_one_connection_serves_many_requests(workshop, bus):
    gate = metered(workshop, EVERYTHING, bus)
    scraper = Scraper(gate.metrics)
    scraper.connect()
    first = scraper.sock
    assert [scraper.ask(method=method).status for method in ("GET", "HEAD", "GET", "POST", "DELETE")] == [200, 200, 200, 405, 405]
    assert [scraper.ask(target).status for target in ("/", "/metrics?x=1", "/metrics/")] == [404, 200, 404]
    assert scraper.sock is first
    head = scraper.ask(method="HEAD")
    assert head.text == "" and int(head.headers["Content-Length"]) > 1000
    assert scraper.ask(method="POST").headers["Allow"] == "GET, HEAD"
    last = scraper.ask(Connection="close")
    assert last.status == 200 and last.headers["Connection"] == "close" and scraper.sock is None
    assert last.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert scraper.ask(Accept=OPENMETRICS).headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    scraper.close()


def raw(gate, data=b""):
    end = socket.socket(socket.AF_UNIX)
    end.settimeout(PATIENCE)
    end.connect(str(gate.metrics))
    end.sendall(data)
    return end


def rest(end):
    """All that comes until the other end closes."""
    data = b""
    try:
        while more := end.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    end.close()
    return data


def test_requests_may_be_pipelined_and_cut_anywhere(workshop, bus):
    gate = metered(workshop, EVERYTHING, bus)
    end = raw(gate, b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n" * 100 + b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    answers = rest(end)
    assert answers.count(b"HTTP/1.1 404 Not Found\r\n") == 100 and answers.count(b"HTTP/1.1 200 OK\r\n") == 1
    end = raw(gate)
    for byte in b"GET /metrics HTTP/1.0\r\nAccept: */*\r\n\r\n":
        end.sendall(bytes([byte]))
    assert rest(end).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("data, status", [
    (b"\x00\xff\xfe\r\n\r\n", 400), (b"GET /metrics\r\n\r\n", 400), (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
    (b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 400),
    (b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431), (b"x" * 100_000, 431),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
])
def test_what_is_no_scrape_is_answered_and_closed(workshop, bus, data, status):
    gate = metered(workshop, EVERYTHING, bus)
    end = raw(gate)
    try:
        end.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass
    answer = rest(end)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()) and b"\r\nConnection: close\r\n" in answer
    assert "busgate_build_info" in scrape(gate)


def test_idle_and_stalled_clients_cost_the_gate_and_others_nothing(workshop, bus):
    gate = metered(workshop, EVERYTHING, bus)
    client = join(workshop, gate.path)
    client.round_trip()
    before = gate.descriptors()
    idle = [raw(gate) for _ in range(100)]
    # Each asks often and takes nothing.
    greedy = []
    for _ in range(20):
        greedy.append(raw(gate))
        greedy[-1].setblocking(False)
        try:
            greedy[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 10_000)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass
        client.round_trip()
    assert "busgate_build_info" in scrape(gate)
    client.round_trip()
    assert gate.descriptors() <= before + 16
    # Nothing spins: what all of them cost from now on is next to nothing.
    assert spent_meanwhile(workshop, bus, gate.pid) < 30_000_000
    assert gate.resident_kib() < 20_000
    for end in idle + greedy:
        end.close()
    client.round_trip()
    eventually(lambda: gate.descriptors() == before, "descriptors are left open")


def test_a_request_that_takes_ten_seconds_is_given_up(workshop, bus):
    gate = metered(workshop, EVERYTHING, bus)
    end = raw(gate, b"GET /metr")
    started = time.monotonic()
    end.settimeout(1)
    while time.monotonic() < started + PATIENCE:
        try:
            end.sendall(b"x")
            if answer := end.recv(65536):
                break
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
            break
    assert answer.startswith(b"HTTP/1.1 408 ") and 9 < time.monotonic() - started < 15
    assert rest(end) == b""


# The socket

def test_the_socket_is_the_users_own_and_gone_after_the_gate(workshop, bus):
    gate = metered(workshop, EVERYTHING, bus)
    assert stat.S_IMODE(gate.metrics.stat().st_mode) == 0o600
    assert gate.terminate() == 0
    assert not gate.metrics.exists()


def test_a_mode_can_be_given_and_a_path_in_use_is_refused(workshop, bus):
    gate = metered(workshop, EVERYTHING, bus, "--metrics-mode", "0660")
    assert stat.S_IMODE(gate.metrics.stat().st_mode) == 0o660
    child = workshop.child([BUSGATE, "run", "--config", workshop.config(EVERYTHING), "--session", workshop.directory / "second", "--bus",
                            f"session={bus.address}", "--metrics", gate.metrics])
    assert child.process.wait(PATIENCE) == 78
    assert not (workshop.directory / "second").exists()
    assert "busgate_build_info" in scrape(gate)



# What to alert on

ALERTS = ROOT / "contrib/examples/prometheus"


def alerts():
    """The rules' names and expressions."""
    text = (ALERTS / "busgate.rules.yml").read_text()
    parts = re.split(r"(?m)^ +- alert: (\w+)$", text)[1:]
    return {name: re.search(r"(?ms)expr:(.*?)^ +(?:for|labels):", body)[1] for name, body in zip(parts[::2], parts[1::2])}


def test_prometheus_understands_every_rule_and_its_cases(tmp_path):
    promtool = oracle("promtool")
    checked = subprocess.run([promtool, "check", "rules", ALERTS / "busgate.rules.yml"], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "") and f"{len(alerts())} rules found" in checked.stdout
    tested = subprocess.run([promtool, "test", "rules", ALERTS / "busgate.rules.test.yml"], capture_output=True, text=True)
    assert tested.returncode == 0 and "SUCCESS" in tested.stdout, tested.stdout + tested.stderr


def test_every_rule_has_a_case_that_fires_and_one_that_does_not():
    cases = re.findall(r"- alertname: (\w+)\n.*\n +exp_alerts:( \[\])?\n", (ALERTS / "busgate.rules.test.yml").read_text())
    assert {name for name, none in cases if none} == {name for name, none in cases if not none} == set(alerts())


def test_every_metric_of_the_rules_is_one_of_the_gates():
    listed = [line.split("\t") for line in subprocess.run([BUSGATE, "run", "--list", "metrics"], capture_output=True, text=True, check=True).stdout.splitlines()]
    known = {name for name, _, _ in listed} | {f"{name}_bucket" for name, kind, _ in listed if kind == "histogram"}
    for name, expression in alerts().items():
        found = set(re.findall(r"\bbusgate_\w+", expression))
        assert found <= known and (found or name == "BusgateDown"), (name, found - known)


def test_the_pages_tell_every_alert_in_the_order_of_the_rules():
    for page, heading in ((ALERTS / "README.md", "\n| alert | fires |"), (ROOT / "contrib/OPERATORS.md", "\n| alert | what it means")):
        table = page.read_text().split(heading)[1].split("\n\n")[0]
        assert re.findall(r"(?m)^\| `(\w+)` \|", table) == list(alerts())


def test_a_label_that_a_rule_groups_by_or_asks_for_is_one_of_the_page():
    page = (ROOT / "contrib/OPERATORS.md").read_text().split("| label | values |")[1].split("\n\n")[0]
    known = set(re.findall(r"(?m)^\| `(\w+)`", page)) | {"job", "instance", "gate_instance", "le"}
    for expression in alerts().values():
        asked = re.findall(r"(\w+)!?[=~]+\"", expression)
        asked += [label for labels in re.findall(r"\b(?:by|ignoring) \(([^)]*)\)|ignoring\(([^)]*)\)", expression) for label in re.findall(r"\w+", " ".join(labels))]
        assert set(asked) <= known
