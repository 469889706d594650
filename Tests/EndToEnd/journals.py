"""A journal of a test's own: what a gate sent to its socket, as entries that journalctl reads and the programs behind it."""

import subprocess

from harness import PATIENCE, ROOT

REMOTE = "/lib/systemd/systemd-journal-remote"
CATALOG = ROOT / "contrib/systemd/busgate.catalog"
UNIT = "busgate@radio.service"


def entries(datagrams):
    """The datagrams in the journal's export format: with what journald adds to each."""
    return b"".join(
        b"__CURSOR=s=%d\n__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n_PID=7\n_SYSTEMD_UNIT=%s\n"
        % (number, number + 1, number + 1, b"1" * 32, UNIT.encode()) + datagram + b"\n" for number, datagram in enumerate(datagrams))


def journal(directory, exported):
    """A journal file of these entries."""
    file = directory / "test.journal"
    file.unlink(missing_ok=True)
    source = directory / "test.export"
    source.write_bytes(exported)
    subprocess.run([REMOTE, "-o", file, source], check=True, capture_output=True, timeout=PATIENCE)
    return file


def journalctl(file, *arguments, before=()):
    """What journalctl makes of it, as bytes; ``before`` is what starts it."""
    return subprocess.run(
        [*before, "journalctl", "--file", file, "--all", "--no-pager", *arguments], check=True, capture_output=True, timeout=PATIENCE).stdout
