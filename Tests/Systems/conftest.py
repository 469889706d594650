import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import guests  # noqa: E402
import host as hosts  # noqa: E402
import roots  # noqa: E402

os.umask(0o022)


def pytest_configure(config):
    if os.geteuid() != 0:
        pytest.exit("make test-systems mounts root file systems and boots them: it has to be run as root", 1)


@pytest.hookimpl(hookwrapper=True)
def pytest_exception_interact(node, call, report):
    """What can't be had is one line, not the way to it."""
    if call.excinfo.errisinstance(roots.Unavailable):
        report.longrepr = str(call.excinfo.value)
    yield


@pytest.fixture(scope="session")
def systems():
    """Makes fresh roots and boots them; all of that is gone at the end."""
    (roots.SYSTEMS / "run").mkdir(parents=True, exist_ok=True)
    directory = pathlib.Path(tempfile.mkdtemp(dir=roots.SYSTEMS / "run"))
    running = []

    class Systems:
        @staticmethod
        def overlay(name):
            """A fresh root over `bookworm`, `trixie` or `tools`."""
            return roots.Overlay(tempfile.mkdtemp(prefix=f"{name}-", dir=directory), name)

        @staticmethod
        def boot(overlay, kind=guests.Guest):
            running.append(kind(overlay))
            return running[-1]

    yield Systems
    for guest in running:
        guest.close()
    shutil.rmtree(directory)


@pytest.fixture(scope="session", params=["bookworm", "trixie"])
def host(request, systems):
    """A guest with gates' units, `host.Host`, for all tests that want one: systemd 252, then 257."""
    guest = systems.boot(systems.overlay(request.param), hosts.Host)
    yield guest
    guest.close()  # before the next one boots
