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


@pytest.fixture
def workshop():
    """A directory and processes of the test's own."""
    shop = harness.Workshop()
    yield shop
    shop.close()


@pytest.fixture
def bus(workshop):
    """A private dbus-daemon."""
    return workshop.bus()
