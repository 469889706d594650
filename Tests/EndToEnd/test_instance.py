"""`--instance NAME`: which of several gates it is stands in every event, in every series of a gate and in its status; else nowhere."""

import pytest

from logged import FORMATS, LoggedScene
from peer import Peer
from test_busgatectl import ctl
from test_control import ask
from test_metrics import OPENMETRICS, parse_openmetrics, scrape

pytestmark = pytest.mark.one_bus("the gate's own name is nothing that the bus hears of")

NAME = r"radio-2.a:b_c@d\x2de"


def eventful(scene, config):
    """Has a gate write an event of each sort that is easily had: decision, limit, closed, error, reload, opened."""
    scene.call("Denied")
    for _ in range(2):
        other = Peer(scene.gate.address, says_hello=False)
        other.socket.sendall(b"nonsense" * 10)
        other.await_close()
    config.write_text("[")
    scene.gate.process.send_signal(1)
    scene.await_event(lambda event: event.get("outcome") == "refused")
    return scene.end()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("is_named", [True, False], ids=["named", "nameless"])
def test_the_instance_stands_in_every_event_and_only_where_it_has_a_name(workshop, bus, format, is_named):
    config = workshop.config([])
    arguments = ["--log", "all", *(["--instance", NAME] if is_named else [])]
    scene = LoggedScene(workshop, bus, config, format, *arguments)
    events = eventful(scene, config)
    assert {"decision", "opened", "closed", "error", "reload"} <= {event["event"] for event in events}
    # What is wrong with a configuration is in text what an editor jumps to.
    keyed = [event for event in events if not (format == "text" and event.get("message", "").startswith(str(config)))]
    assert len(keyed) >= len(events) - 1
    assert {event.get("instance") for event in keyed} == {NAME if is_named else None}


@pytest.mark.parametrize("is_named", [True, False], ids=["named", "nameless"])
def test_the_instance_stands_beside_the_gate_in_every_series_and_in_the_status(workshop, bus, is_named):
    metrics, control = workshop.directory / "metrics", workshop.directory / "control"
    gate = workshop.gate(workshop.config([]), bus, "--metrics", metrics, "--control", control, *(["--instance", NAME] if is_named else []))
    gate.metrics, gate.control = metrics, control
    families = parse_openmetrics(scrape(gate, OPENMETRICS))
    series = [(sample.name, sample.labels) for family in families for sample in family.samples]
    assert len(series) > 50 and {labels.get("gate_instance") for _, labels in series} == {NAME if is_named else None}
    assert ask(gate, "status").get("instance") == (NAME if is_named else None)
    assert (f", instance {NAME}, pid " if is_named else ", pid ") in ctl("status", control).stdout
