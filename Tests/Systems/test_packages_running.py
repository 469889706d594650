"""The .deb, and nothing else of busgate, in a Debian 12 that runs: the demonstration's policy behind its units, an upgrade, and the end."""

import json
import re

import pytest

import host as hosts
import roots
from packages import NAMES, package, put


@pytest.fixture(scope="module")
def guest(systems):
    """Debian 12 with the packages, the demonstration's service on its system bus, and its policy, whose socket has been enabled."""
    overlay = systems.overlay("bookworm")
    put(overlay, *(package("deb", name) for name in NAMES))
    overlay.run("sh", "-c", "dpkg -i /share/*.deb")
    for name in ("temperature-service", "fd-client"):
        overlay.put(hosts.demonstration() / name, f"/usr/local/bin/{name}")
    for name, text in hosts.SCRIPTS.items():
        overlay.write(f"/usr/local/bin/{name}", text, 0o755)
    overlay.write("/etc/systemd/system/temperature.service", hosts.TEMPERATURE_UNIT)
    overlay.write(f"/etc/dbus-1/system.d/{hosts.SERVICE}.conf", hosts.BUS_POLICY)
    overlay.write("/etc/busgate/temperature.json", json.dumps(hosts.temperature_policy()))
    guest = systems.boot(overlay)
    guest.run("systemctl start temperature.service; systemctl enable --now busgate@temperature.socket")
    return guest


def call(guest, *words):
    return guest.run(f"container temperature {hosts.ask(*words)}", check=False)


def main_pid(guest):
    return guest.run("systemctl show --value --property=MainPID busgate@temperature.service").output.strip()


def test_the_demonstrations_policy_is_served_behind_the_units_of_the_package(guest):
    assert hosts.is_served(call(guest, "GetTemperature"))
    assert hosts.is_refused(call(guest, "SetTemperature", "30"), "SetTemperature")
    assert guest.run("systemctl is-active busgate@temperature.service").output == "active\n"


def test_the_installed_tool_asks_the_running_gate_and_the_catalog_explains_what_it_wrote(guest):
    assert hosts.is_refused(call(guest, "SetTemperature", "30"), "SetTemperature")
    assert json.loads(guest.run("busgatectl status /run/busgate/temperature/control --json").output)
    assert "system" in guest.run("busgate healthz /run/busgate/temperature/metrics").output
    guest.run("systemctl reload busgate@temperature.service")
    catalog = (roots.TREE / "contrib/systemd/busgate.catalog").read_text()
    listed = guest.run("journalctl --no-pager --list-catalog").output
    for identity in re.findall(r"^-- ([0-9a-f]{32})$", catalog, re.M):
        assert identity in listed


def test_installing_it_again_leaves_a_running_gate_alone(guest):
    assert hosts.is_served(call(guest, "GetTemperature"))
    before = main_pid(guest)
    guest.run("dpkg -i /share/busgate_*.deb")
    assert main_pid(guest) == before != "0"
    assert hosts.is_served(call(guest, "GetTemperature"))


def test_the_example_of_the_manual_page_runs(guest):
    """Those that want a manager of services; test_manuals.py has the others."""
    page = guest.run("zcat /usr/share/man/man1/busgate.1.gz").output
    blocks = re.findall(r'^\.\\" example: (file radio\.json|guest)\n\.EX\n(.*?)\n\.EE', page, re.M | re.S)
    assert [what for what, _ in blocks] == ["file radio.json", "guest"]
    policy, commands = (text.replace("\\-", "-") for _, text in blocks)
    guest.run(f"cd /root; cat > radio.json <<'END'\n{policy}\nEND\nset -e\n{commands}")
    assert guest.run("systemctl is-active busgate@radio.socket; systemctl is-enabled busgate@radio.socket").output.split() == ["active", "enabled"]


def test_removing_stops_the_instances_and_a_purge_leaves_the_administrators_policies_alone(guest):
    assert hosts.is_served(call(guest, "GetTemperature"))
    policies = guest.run("sha256sum /etc/busgate/*").output
    guest.run("dpkg --purge busgate busgatectl")
    assert guest.run("systemctl list-units --no-legend --plain 'busgate@*'").output == ""
    assert guest.run("pidof busgate", check=False).output == ""
    left = guest.run("ls /run/busgate; find / -xdev -path /share -prune -o -path /proc -prune -o -name '*busgate*' -print", check=False).output
    assert [line for line in left.splitlines() if not line.startswith("ls:")] == ["/etc/busgate"]
    assert guest.run("sha256sum /etc/busgate/*").output == policies and "temperature.json" in policies
    # This system has no libnss-systemd: the socket unit made a user that stays.
    assert guest.run("getent passwd busgate-temperature").status == 0
