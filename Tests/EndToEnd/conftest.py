import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import harness  # noqa: E402


@pytest.fixture(autouse=True)
def not_forever():
    """A test that waits for what never comes fails, instead of keeping the others waiting."""
    def give_up(number, frame):
        raise TimeoutError("the test took too long")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(int(2 * harness.PATIENCE))
    yield
    signal.alarm(0)


@pytest.fixture(params=["dbus-daemon", "dbus-broker"])
def bus_program(request):
    """What a real bus is: a test that starts one, by ``bus`` or by ``workshop.bus``, runs on each of them."""
    return request.param


@pytest.fixture
def workshop(request):
    """A directory and processes of the test's own."""
    shop = harness.Workshop(request.getfixturevalue("bus_program") if "bus_program" in request.fixturenames else None)
    yield shop
    shop.close()


@pytest.fixture
def bus(workshop, bus_program):
    """A private bus; where the two differ, ``bus.program`` says which it is."""
    return workshop.bus()
