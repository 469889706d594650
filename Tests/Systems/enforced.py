"""What test_apparmor.py runs where a kernel enforces the profile: `enforced.py system|user` says as JSON what became of a gate under it."""

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "EndToEnd"))

from opened import LAYOUTS, Installed  # noqa: E402

import harness  # noqa: E402


def outcome(layout):
    """"done", or what went wrong; the profile that the gate had, and what it said of a file that is none of its business."""
    shop = harness.Workshop("dbus-daemon")
    found = {}
    try:
        gate = Installed(shop, layout)
        found["profile"] = Path(f"/proc/{gate.pid}/attr/current").read_text().strip()
        gate.use()
        gate.place("/etc/secret.json").write_text("{}")
        found["secret"] = subprocess.run([str(part) for part in gate.container("run", "--config", "/etc/secret.json", "--session", "/run/busgate/s")],
                                         capture_output=True, text=True, timeout=harness.PATIENCE).stderr
        gate.reload_and_stop()
        found["outcome"] = "done"
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        found["outcome"] = repr(error)
    finally:
        shop.close()
    return found


if __name__ == "__main__":
    print(json.dumps(outcome(LAYOUTS[sys.argv[1]])))
