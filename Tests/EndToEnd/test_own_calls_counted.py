"""What the gate asks the bus for itself is in no verdict's count: neither the calls nor their answers, nor what it alone wants to hear of."""

import pytest

from harness import rule
from peer import Peer, driver_call
from test_control import ask
from test_metrics import values

INTERFACE = "com.example.Interface"
FOLLOWING = [
    ({"dbus-gateway-config-session": [rule("outgoing", INTERFACE, name="com.example.Service")]}, []),
    ({"dbus-gateway-config-session": [], "busgate": {"names": {"talk": ["com.example.*"], "own": ["com.example.Own"]}}}, []),
    ({"dbus-gateway-config-session": []}, ["--mode", "audit"]),
]


def counted(gate):
    """Messages by direction, type and verdict, as far as there are any."""
    return {(found["direction"], found["type"], found["verdict"]): number for (name, labels), number in values(gate).items()
            if name == "busgate_messages_total" and number for found in [dict(labels)]}


@pytest.mark.both_buses
@pytest.mark.parametrize("document, flags", FOLLOWING, ids=["rule with name", "names", "audit"])
def test_no_verdict_counts_what_the_gate_asks_for_itself(workshop, bus, document, flags):
    metrics, control = workshop.directory / "metrics", workshop.directory / "control"
    gate = workshop.gate(workshop.config(document), bus, "--metrics", metrics, "--control", control, *flags)
    gate.metrics, gate.control = metrics, control
    inside, outside = Peer(gate.address), Peer(bus.address)
    inside.await_member("NameAcquired")
    # Names that come and go, which the gate hears of and the client has not asked for.
    outside.own("com.example.Service")
    outside.own("com.example.Other")
    inside.ask(driver_call("GetId"))
    outside.close()
    Peer(bus.address).fence()
    inside.ask(driver_call("GetId"))
    skipped = {dict(labels)["direction"]: number for (name, labels), number in values(gate).items()
               if name == "busgate_message_bytes_total" and dict(labels)["outcome"] == "skipped"}
    assert skipped["incoming"] > 0 and skipped["outgoing"] == 0, "the gate has asked for nothing"
    assert counted(gate) == {
        ("outgoing", "method_call", "allow"): 3, ("incoming", "method_return", "allow"): 3, ("incoming", "signal", "allow"): 1}
    (told,) = ask(gate, "status")["gates"]
    assert (told["allowed"], told["denied"]) == (7, 0)
    # The twin: what the client asks for is counted, and only once.
    inside.ask(driver_call("ReloadConfig"))
    assert counted(gate)["outgoing", "method_call", "deny"] == 1
    (told,) = ask(gate, "status")["gates"]
    assert (told["allowed"], told["denied"]) == (7, 1)
