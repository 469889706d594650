import functools
import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import harness  # noqa: E402

os.umask(0o022)  # whatever the shell's is: some tests let other users in


@pytest.fixture(autouse=True)
def not_forever():
    """A test that waits for what never comes fails, instead of keeping the others waiting."""
    def give_up(number, frame):
        raise TimeoutError("the test took too long")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(int(2 * harness.PATIENCE))
    yield
    signal.alarm(0)


BUSES = ["dbus-daemon", "dbus-broker"]


def pytest_addoption(parser):
    parser.addoption("--shared", type=pathlib.Path, metavar="DIRECTORY",
                     help="leave out the files that another pytest with this directory, which is empty at first, has begun")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    """Returns true, which means that the test was dealt with, if another process runs its file."""
    directory = item.config.getoption("shared")
    return True if directory and not has_claimed(directory / item.path.name) else None


@functools.cache
def has_claimed(path):
    try:
        path.touch(exist_ok=False)
        return True
    except FileExistsError:
        return False


def pytest_configure(config):
    config.addinivalue_line("markers", "one_bus(why): the gate does this by itself, so that a second bus behind it would show nothing more")
    config.addinivalue_line("markers", "both_buses: not so this test of a module that is marked one_bus")


def pytest_generate_tests(metafunc):
    if "bus_program" in metafunc.fixturenames:
        # The test's own mark comes before its module's.
        mark = next((mark for mark in metafunc.definition.iter_markers() if mark.name in ("one_bus", "both_buses")), None)
        is_one = mark is not None and mark.name == "one_bus"
        assert not is_one or mark.args, f"{metafunc.definition.nodeid}: one_bus without a reason"
        metafunc.parametrize("bus_program", BUSES[:1] if is_one else BUSES, indirect=True)


@pytest.fixture
def bus_program(request):
    """What a real bus is: a test that starts one, by ``bus`` or by ``workshop.bus``, runs on each of them unless it is marked one_bus."""
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
