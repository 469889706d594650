import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import harness  # noqa: E402


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
