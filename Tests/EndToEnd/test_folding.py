"""Short-lived clients of one container are one line and a count; another container's, another user's, another gate's are their own."""

import os
import pathlib
import subprocess

import pytest

from harness import PATIENCE, rule
from logged import FORMATS, INTERFACE, PATH, LoggedScene, decisions, total, without
from peer import Peer, call, signal
from service import NOBODY, only_for_root

pytestmark = pytest.mark.one_bus("the gate folds what it decided itself")

COUNT = 40


def run_clients(scene, count=COUNT, address=None, members=("Denied",), before=()):
    """So many programs, one after the other, each of which asks for what no rule allows."""
    for number in range(count):
        done = subprocess.run(
            [*before, "dbus-send", f"--bus={address or scene.gate.address}", "--print-reply", f"--dest={scene.outside.name}", PATH,
             f"{INTERFACE}.{members[number % len(members)]}"], capture_output=True, text=True, timeout=PATIENCE)
        assert "AccessDenied" in done.stderr


@pytest.mark.parametrize("format", FORMATS)
def test_forty_short_lived_clients_are_one_line_and_a_count(workshop, bus, format):
    scene = LoggedScene(workshop, bus, [], format)
    run_clients(scene)
    first, rest = scene.end()
    assert (rest["count"], rest["clients"], "count" in first) == (COUNT - 1, COUNT - 1, False)
    # The first names its client; the others have no process and no name in common.
    assert set(first) - set(rest) == {"connection", "pid", "sender", "serial", "bytes"}
    assert without(first, "connection", "sender", "serial", "bytes") == without(rest, "count", "clients")


def test_that_they_come_and_go_is_folded_with_its_like_too_and_adds_up(workshop, bus):
    scene = LoggedScene(workshop, bus, [], "json", "--log", "all")
    run_clients(scene)
    events = scene.end()
    assert len(decisions(events, verdict="deny")) == 2 and total(decisions(events, verdict="deny")) == COUNT
    opened, closed = ([event for event in events if event["event"] == kind] for kind in ("opened", "closed"))
    assert total(opened) == total(closed) == COUNT + 1 and len(opened) == 2 and len(closed) <= 4
    assert sum(event["denied"] for event in closed) == COUNT
    assert sum(event["allowed"] for event in closed) == total(decisions(events, verdict="allow"))


def test_different_things_that_they_do_are_not_folded_into_each_other(workshop, bus):
    scene = LoggedScene(workshop, bus, [], "json")
    run_clients(scene, members=("First", "Second"))
    events = decisions(scene.end())
    assert [(event["member"], event.get("count", 1)) for event in events] == [
        ("First", 1), ("Second", 1), ("First", COUNT // 2 - 1), ("Second", COUNT // 2 - 1)]


def test_what_one_connection_repeats_still_names_it_and_its_end_writes_nothing_out(workshop, bus):
    scene = LoggedScene(workshop, bus, [], "json")
    other = Peer(scene.gate.address)
    for peer in (scene.inside, other, scene.inside):
        peer.ask(call(scene.outside.name, PATH, INTERFACE, "Both"))
    for _ in range(3):
        other.ask(call(scene.outside.name, PATH, INTERFACE, "One"))
    other.close()
    scene.call("Both")
    both, one, *counts = decisions(scene.end())
    assert [(event["member"], event["count"], event.get("clients")) for event in counts] == [("Both", 3, 1), ("One", 2, None)]
    assert counts[1]["connection"] == one["connection"] != both["connection"] and "connection" not in counts[0]


def test_what_is_denied_on_its_way_to_short_lived_clients_is_folded_although_their_names_differ(workshop, bus):
    scene = LoggedScene(workshop, bus, [], "json")
    for _ in range(5):
        peer = Peer(scene.gate.address)
        scene.outside.send(signal(PATH, INTERFACE, "In", destination=peer.name))
        scene.outside.fence()
        peer.fence()
        peer.close()
    first, rest = decisions(scene.end(), direction="incoming")
    assert (rest["count"], rest["clients"], first["sender"], rest["sender"]) == (4, 4, scene.outside.name, scene.outside.name)
    assert first["destination"].startswith(":") and "destination" not in rest


# Whose they are

def test_a_flood_at_one_gate_hides_nothing_at_another(workshop, bus):
    path = workshop.directory / "other/bus"
    scene = LoggedScene(workshop, bus, [], "json", "--listen", f"other={path}", "--policy", "other=session", "--bus", f"other={bus.address}")
    run_clients(scene, count=10)
    run_clients(scene, count=1, address=f"unix:path={path}")
    assert [(event["gate"], event.get("count", 1)) for event in decisions(scene.end())] == [("session", 1), ("other", 1), ("session", 9)]


def test_a_flood_of_one_user_hides_nothing_of_another(workshop, bus):
    only_for_root()
    scene = LoggedScene(workshop, bus, [], "json")
    workshop.let_others_in()
    run_clients(scene, count=10)
    run_clients(scene, count=1, before=["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"])
    assert [(event["uid"], event.get("count", 1)) for event in decisions(scene.end())] == [(0, 1), (NOBODY, 1), (0, 9)]


def test_a_flood_of_one_control_group_hides_nothing_of_another(workshop, bus):
    only_for_root()
    mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    unified = [pathlib.Path(words[1]) for words in mounts if words[2] == "cgroup2" and os.access(words[1], os.W_OK)]
    if not unified:
        pytest.skip("there is no control group that may be made")
    scene = LoggedScene(workshop, bus, [], "json")
    group = unified[0] / workshop.directory.name
    group.mkdir()
    try:
        run_clients(scene, count=10)
        run_clients(scene, count=3, before=["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"])
    finally:
        group.rmdir()
    events = decisions(scene.end())
    groups = [event["cgroup"] for event in events]
    assert [event.get("count", 1) for event in events] == [1, 1, 9, 2] and groups[:2] == groups[2:] and groups[1].endswith(group.name) and groups[0] != groups[1]


def test_who_may_not_connect_is_said_once_for_each_user_and_counted(workshop, bus):
    only_for_root()
    scene = LoggedScene(workshop, bus, [rule()], "json", "--allow-uid", "0")
    workshop.let_others_in()
    program = ("import socket, sys\nfor _ in range(20):\n    s = socket.socket(socket.AF_UNIX)\n    s.connect(sys.argv[1])\n"
               "    s.sendall(b'\\0AUTH EXTERNAL\\r\\n')\n    assert b'REJECTED' in s.recv(100)\n    s.close()\n")
    for user in (NOBODY, NOBODY - 1):
        subprocess.run(["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "/usr/bin/python3", "-c", program,
                        str(scene.gate.path)], check=True, timeout=PATIENCE)
    turned = [event for event in scene.end() if event["event"] == "warning"]
    assert [(event["uid"], event.get("count", 1)) for event in turned] == [(NOBODY, 1), (NOBODY - 1, 1), (NOBODY, 19), (NOBODY - 1, 19)]
