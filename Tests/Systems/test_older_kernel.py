"""A gate on Linux 6.1, Debian 12's own, which names no peer by a descriptor (SO_PEERPIDFD is of 6.5)."""

import sys

from roots import TREE
from uml import Booted

SCRIPT = """
import sys
sys.path[:0] = ["{tree}/Tests/Systems", "{tree}/Tests/EndToEnd"]
import harness
from opened import LAYOUTS, Installed
shop = harness.Workshop("dbus-daemon")
try:
    gate = Installed(shop, LAYOUTS["system"])
    gate.use(["unshare", "--user", "--map-user=1000"])
    lines = []
    while not gate.journal.is_quiet():
        lines.append(gate.journal.socket.recv(65536))
    assert any(b"BUSGATE_CGROUP=/" in line for line in lines), lines
finally:
    shop.close()
"""


def test_a_client_of_another_user_namespace_is_let_in_and_its_control_group_is_logged(tmp_path):
    (tmp_path / "client.py").write_text(SCRIPT.format(tree=TREE))
    booted = Booted(tmp_path, f"uname -r\nmount -t cgroup2 cgroup2 /sys/fs/cgroup\n{sys.executable} client.py")
    assert booted.status == 0 and booted.output.startswith("6.1."), booted.output
