"""Unmodified clients through the gate."""

import subprocess

from harness import EVERYTHING, rule


def gdbus(address, *arguments):
    return subprocess.run(["gdbus", *arguments, "--address", address], capture_output=True, text=True, timeout=30)


def test_the_driver_answers_through_a_gate_that_opens_nothing(workshop, bus):
    gate = workshop.gate([], bus)
    done = gdbus(gate.address, "call", "--dest", "org.freedesktop.DBus", "--object-path", "/org/freedesktop/DBus",
                 "--method", "org.freedesktop.DBus.GetId")
    assert done.returncode == 0, done.stderr
