"""The bus policy of contrib/examples, installed as its page says in booted systems: Debian 12 with dbus-daemon, Debian 13 with dbus-broker.

Users call the bus themselves here: it is by user that the bus judges, gate or not.
"""

import re

import pytest
from roots import TREE

EXAMPLES = TREE / "contrib/examples/bus-policy"
OWN = "busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus RequestName su {name} 4"
DENIED = "ccess denied"  # busctl's words for the error of either bus
ASK_SYSTEMD = "busctl get-property org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager Version"


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def guest(request, systems):
    overlay = systems.overlay(request.param)
    overlay.put(EXAMPLES, "/root/bus-policy")
    if request.param == "trixie":
        overlay.link("/usr/lib/systemd/system/dbus-broker.service", "/etc/systemd/system/dbus.service")
    booted = systems.boot(overlay)
    booted.run("systemctl start dbus.service; echo 'u busgate-other -' | systemd-sysusers -")
    [commands] = re.findall(r"^```sh\n(.*?)^```", (EXAMPLES / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    booted.run(f"set -e; cd /root/bus-policy\n{commands}")
    assert booted.run("ps -C dbus-daemon,dbus-broker -o comm=").output.split()[0] == {"bookworm": "dbus-daemon", "trixie": "dbus-broker"}[request.param]
    return booted


def asked(guest, user, command):
    done = guest.run(f"setpriv --reuid={user} --regid={user} --clear-groups {command}", check=False)
    return "done" if done.status == 0 else done.output


@pytest.mark.parametrize("user, name, may", [
    ("busgate-radio", "org.example.Radio", True), ("busgate-radio", "org.example.Another", False), ("busgate-other", "org.example.Radio", False)])
def test_a_name_is_the_gates_users_to_own_and_no_others(guest, user, name, may):
    answer = asked(guest, user, OWN.format(name=name))
    assert answer == "done" if may else DENIED in answer, answer


def test_a_service_that_is_open_to_everybody_is_closed_to_that_user_alone(guest):
    assert asked(guest, "busgate-other", ASK_SYSTEMD) == "done"
    assert DENIED in asked(guest, "busgate-radio", ASK_SYSTEMD)


def test_a_dynamic_user_of_that_name_is_the_user_that_is_there(guest):
    who = guest.run("systemd-run -q --wait -P -p DynamicUser=yes -p User=busgate-radio id -u").output.split()
    assert who == guest.run("id -u busgate-radio").output.split()
