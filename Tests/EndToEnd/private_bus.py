"""A bus for who is no pytest: `private_bus.py dbus-daemon|dbus-broker` says the path of its socket in one line, and ends with its input.

The oracles of the Swift tests (Tests/OracleTests) start it.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness  # noqa: E402


def main():
    shop = harness.Workshop(sys.argv[1])
    try:
        print(shop.bus().path, flush=True)
        sys.stdin.buffer.read()
    finally:
        shop.close()


if __name__ == "__main__":
    main()
