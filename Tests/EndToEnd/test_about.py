"""A denied call to the bus itself that is about a name says which: to who asked, and in the log, in each of its forms."""

import subprocess

import pytest
from gi.repository import GLib

from harness import BUSGATE, rule
from logged import FORMATS, HOSTILE, LoggedScene, decisions, read_journal
from peer import DRIVER, DRIVER_PATH, Peer, driver_call, error_of, refusal, strings
from wire import Client
from wire import driver_call as driver_bytes

pytestmark = pytest.mark.one_bus("a denied call is answered and logged by the gate, and no bus hears of it")

WANTED, OTHER = "com.example.Wanted", "com.example.Other"
QUESTIONS = ["GetNameOwner", "NameHasOwner", "ListQueuedOwners", "GetConnectionUnixUser", "GetConnectionUnixProcessID",
             "GetConnectionCredentials", "GetAdtAuditSessionData", "GetConnectionSELinuxSecurityContext", "ReleaseName"]
STATS = "org.freedesktop.DBus.Debug.Stats"


def request(name, member="RequestName"):
    return driver_call(member, GLib.Variant("(su)", (name, 4)))


def said(events):
    """The name that each denial is about, and how many it stands for."""
    return [(event.get("about"), event.get("count", 1)) for event in decisions(events) if event["verdict"] != "allow"]


@pytest.mark.parametrize("format", FORMATS)
def test_every_call_that_is_about_a_name_says_which_when_it_is_denied(workshop, bus, format):
    scene = LoggedScene(workshop, bus, [rule("outgoing", DRIVER, action="deny")], format)
    calls = [driver_call(member, strings(WANTED)) for member in QUESTIONS] + [request(WANTED), request(WANTED, "StartServiceByName")]
    calls.append(driver_call("GetConnectionStats", strings(WANTED), STATS))
    for asked in calls:
        interface, member = asked.get_interface(), asked.get_member()
        assert error_of(scene.inside.ask(asked)) == refusal(interface, member, DRIVER_PATH, about=WANTED)
    events = scene.end()
    assert [event["member"] for event in decisions(events)] == [one.get_member() for one in calls]
    assert said(events) == [(WANTED, 1)] * len(calls)


@pytest.mark.both_buses
@pytest.mark.parametrize("format", FORMATS)
def test_what_is_allowed_or_about_nothing_says_no_name(workshop, bus, format):
    scene = LoggedScene(workshop, bus, [], format, "--log", "all")
    scene.inside.ask(driver_call("NameHasOwner", strings(WANTED)))
    assert error_of(scene.inside.ask(driver_call("ReloadConfig"))) == refusal(DRIVER, "ReloadConfig", DRIVER_PATH)
    scene.call("Denied", body=strings(WANTED))
    events = scene.end()
    assert not [event for event in events if "about" in event]
    assert WANTED not in repr(events)


@pytest.mark.parametrize("format", FORMATS)
def test_denials_about_different_names_are_not_counted_as_one(workshop, bus, format):
    scene = LoggedScene(workshop, bus, [], format)
    for name in (WANTED, OTHER) * 3:
        scene.inside.ask(request(name))
    assert sorted(said(scene.end())) == [(OTHER, 1), (OTHER, 2), (WANTED, 1), (WANTED, 2)]


@pytest.mark.both_buses
def test_a_hidden_name_and_one_that_does_not_exist_are_answered_in_the_same_words(workshop, bus):
    hidden = Peer(bus.address)
    hidden.own("com.example.Hidden")
    gate = workshop.gate({"dbus-gateway-config-session": [], "busgate": {"names": {"talk": ["com.example.Open"]}}}, bus)
    inside = Peer(gate.address)
    for asked in QUESTIONS:
        texts = []
        for name in ("com.example.Hidden", "com.example.Nobody"):
            answer = inside.ask(driver_call(asked, strings(name)))
            text = error_of(answer) if asked != "NameHasOwner" else ("", f" about {name} ")
            assert f" about {name} " in text[1]
            texts.append((text[0], text[1].replace(name, "NAME"), answer.get_body()[0] if asked == "NameHasOwner" else None))
        assert texts[0] == texts[1]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", [*HOSTILE, "com.example.X\nallow 2026-01-31T09:30:00.250Z gate=session", "x" * 5000,
                                  "com.example.X reason=rule", '","verdict":"allow'])
def test_a_hostile_name_forges_no_line_and_no_word_of_the_answer(workshop, bus, format, name):
    scene = LoggedScene(workshop, bus, [], format)
    text = error_of(scene.inside.ask(request(name)))[1]
    assert text.startswith(f"busgate: outgoing call {DRIVER}.RequestName on {DRIVER_PATH} about ")
    assert text.endswith(" is not allowed by the SESSION policy")
    assert all(0x20 <= ord(one) < 0x7F or one == "…" for one in text)
    if format == "journal":
        (datagram,) = scene.journal.wait_until(lambda: [datagram for datagram in scene.journal.datagrams if datagram.startswith(b"MESSAGE=deny ")])
        sentence, _, rest = datagram.decode().partition("\nMESSAGE_ID=")
        assert rest and "\n" not in sentence
        read_journal(datagram)
    (event,) = scene.end()
    assert event["event"] == "decision" and event["verdict"] == "deny" and event["reason"] == "no-rule"
    assert event["about"] == (name if len(name) < 1024 else name[:1024] + "…")


@pytest.mark.parametrize("size", [255, 256])
def test_a_name_is_cut_in_the_answer_like_the_other_parts(workshop, bus, size):
    name = "a." + "b" * (size - 2)
    answer = Peer(workshop.gate([], bus).address).ask(request(name))
    assert error_of(answer) == refusal(DRIVER, "RequestName", DRIVER_PATH, about=name[:255] + ("…" if size > 255 else ""))


def test_a_call_that_comes_in_pieces_is_denied_when_its_name_is_there(workshop, bus):
    gate = workshop.gate([], bus)
    client = workshop.keep(Client(gate.path))
    client.authenticate()
    client.say_hello()
    data = driver_bytes(7, "RequestName", signature="su", args=[WANTED, 0])
    for cut in range(1, len(data), 7):
        client.send(data[:cut])
        client.send(data[cut:])
        assert client.receive_reply(7).args == [refusal(DRIVER, "RequestName", DRIVER_PATH, about=WANTED)[1]]


@pytest.mark.parametrize("signature, args", [(None, []), ("s", [WANTED]), ("us", [0, WANTED]), ("suu", [WANTED, 0, 0]), ("as", [[WANTED]])])
def test_a_call_with_other_arguments_is_about_nothing(workshop, bus, signature, args):
    gate = workshop.gate([], bus)
    client = workshop.keep(Client(gate.path))
    client.authenticate()
    client.say_hello()
    client.send(driver_bytes(7, "RequestName", signature=signature, args=args))
    assert client.receive_reply(7).args == [refusal(DRIVER, "RequestName", DRIVER_PATH)[1]]


def test_a_body_that_is_too_large_to_be_looked_into_is_not_waited_for(workshop, bus):
    gate = workshop.gate([], bus, "--limit", "inspect-bytes-max=4096")
    client = workshop.keep(Client(gate.path))
    client.authenticate()
    client.say_hello()
    data = driver_bytes(7, "RequestName", signature="su", args=["a." + "b" * 10_000, 0])
    client.send(data[:1000])
    assert client.receive_reply(7).args == [refusal(DRIVER, "RequestName", DRIVER_PATH)[1]]
    client.send(data[1000:])
    client.round_trip()


@pytest.mark.both_buses
def test_audit_says_it_too(workshop, bus):
    scene = LoggedScene(workshop, bus, [], "json", "--mode", "audit")
    assert scene.inside.ask(request(WANTED)).get_body()[0] == 1
    assert said(scene.end()) == [(WANTED, 1)]


@pytest.mark.both_buses
@pytest.mark.parametrize("format", ["text", "json"])
def test_the_operators_tools_read_it(workshop, bus, format):
    """`explain` of a line asks about the very name; `learn` passes over what it does not need."""
    config = workshop.config([rule("outgoing", name=WANTED)])
    scene = LoggedScene(workshop, bus, config, format, "--log", "all")
    for name in (WANTED, OTHER, 'a "b c'):
        scene.inside.ask(request(name, "StartServiceByName"))
    scene.inside.ask(request('a "b c'))
    scene.end()
    log = workshop.directory / "log"
    log.write_text("".join(line + "\n" for line in scene.gate.log.lines))
    done = subprocess.run([BUSGATE.parent / "busgatectl", "learn", "--denied", log], capture_output=True, text=True)
    # What nobody called is not learned to be started; and what is no name is never suggested as one.
    assert done.returncode == 1
    assert f'StartServiceByName of {OTHER}' in done.stderr and f'"talk": ["{OTHER}"]' in done.stderr, done.stderr
    assert '"talk": ["a' not in done.stderr and "of a name that the log does not tell" in done.stderr, done.stderr
    assert f'StartServiceByName of {WANTED}' not in done.stderr
    lines = [line for line in log.read_text().splitlines() if "StartServiceByName" in line and OTHER in line]
    done = subprocess.run([BUSGATE.parent / "busgatectl", "explain", config, "--json"], input="\n".join(lines) + "\n", capture_output=True, text=True)
    assert "service-unknown" in done.stdout, (done.stdout, done.stderr)
