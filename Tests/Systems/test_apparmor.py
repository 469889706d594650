"""The AppArmor profile of contrib/examples: it compiles, what an installed gate opens is in it, and a kernel that enforces it lets that gate work."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from opened import LAYOUTS, PROGRAM, Access, traced
from roots import ENVIRONMENT, TREE, unpacked
from uml import Booted

import harness

EXAMPLES = TREE / "contrib/examples/apparmor"
PROFILE = (EXAMPLES / "busgate").read_text()
# Of a compiled rule: what the owner of a file may, and everybody else 14 bits on. Source: parser/libapparmor_re/apparmor_re.h.
BITS = {"r": 4, "w": 2, "x": 1}
OTHERS = 14


def parser(profile, *flags):
    """apparmor_parser on a text, without a kernel and a cache."""
    directory = unpacked("apparmor")
    # The second line of its standard error always says that there is no cache.
    return subprocess.run([directory / "sbin/apparmor_parser", "--config-file", "/dev/null", "--skip-kernel-load", "--skip-cache", "--base",
                           directory / "etc/apparmor.d", *flags], input=profile, capture_output=True, text=True, env=ENVIRONMENT)


def rules(profile):
    """The file rules as the parser expands them: a pattern, and what it allows."""
    done = parser(profile, "-D", "rule-exprs")
    assert done.returncode == 0, done.stderr
    blocks = re.findall(r"^aare: \S+ +-> +(\S+)\nrule: .*\((0x[0-9a-f]+)/", done.stderr + done.stdout, re.MULTILINE)
    found = [(re.compile(pattern), int(allowed, 16)) for pattern, allowed in blocks if pattern.startswith(("/", "(/"))]
    assert found
    return found


def uncovered(accesses, profile):
    """The accesses that no rules allow."""
    compiled = rules(profile)

    def is_allowed(access, letter):
        shifts = [0, OTHERS] if access.is_own else [OTHERS]
        return any(pattern.fullmatch(access.path) and allowed >> shift & BITS[letter] for pattern, allowed in compiled for shift in shifts)

    return [access for access in accesses if not all(is_allowed(access, letter) for letter in access.mode)]


def without(rule):
    """The profile without a line that is in it."""
    assert f"\n  {rule}\n" in PROFILE, rule
    return PROFILE.replace(f"\n  {rule}\n", "\n")


@pytest.fixture(scope="module")
def opened():
    """What the gate opens, by layout; strace from its package where the machine has none."""
    strace = shutil.which("strace") or unpacked("strace") / "usr/bin/strace"
    found = {}
    for name, layout in LAYOUTS.items():
        shop = harness.Workshop("dbus-daemon")
        try:
            found[name] = traced(shop, strace, layout)
        finally:
            shop.close()
    return found


def test_the_profile_compiles():
    done = parser(PROFILE)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower() and "error" not in done.stderr.lower(), done.stderr


@pytest.mark.parametrize("broken", [
    PROFILE.replace("/dev/null rw,", "/dev/null rq,"), PROFILE.replace("  unix,\n", "  unix\n"), PROFILE.rstrip().removesuffix("}")])
def test_a_broken_twin_does_not(broken):
    assert broken != PROFILE
    done = parser(broken)
    assert done.returncode != 0 and "AppArmor parser error" in done.stderr


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_that_an_installed_gate_opens_is_named(opened, layout):
    assert {Access(PROGRAM, "r", False)} < set(opened[layout])
    assert uncovered(opened[layout], PROFILE) == []


@pytest.mark.parametrize("layout, rule, path", [
    ("system", "/etc/busgate/** r,", "/etc/busgate/radio.json"),
    ("system", "@{run}/busgate/** rw,", "/run/busgate/radio/bus/system"),
    ("system", "@{run}/dbus/system_bus_socket rw,", "/run/dbus/system_bus_socket"),
    ("system", "@{run}/systemd/notify w,", "/run/systemd/notify"),
    ("system", "@{run}/systemd/journal/socket w,", "/run/systemd/journal/socket"),
    ("system", "@{PROC}/@{pids}/cgroup r,", "/cgroup"),
    ("system", "@{PROC}/@{pids}/uid_map r,", "/uid_map"),
    ("system", "owner @{PROC}/@{pid}/maps r,", "/maps"),
    ("system", "/etc/passwd r,", "/etc/passwd"),
    ("system", "/etc/group r,", "/etc/group"),
    ("system", "/etc/localtime r,", "/etc/localtime"),
    ("user", "owner @{HOME}/.config/busgate/** r,", "/home/user/.config/busgate/radio.json"),
    ("user", "owner @{run}/user/*/busgate/** rw,", "/run/user/1000/busgate/radio/bus/session"),
    ("user", "owner @{run}/user/*/bus rw,", "/run/user/1000/bus"),
    ("user", "owner @{run}/user/*/systemd/notify w,", "/run/user/1000/systemd/notify"),
])
def test_a_rule_that_is_missing_is_found_by_what_is_opened(opened, layout, rule, path):
    assert any(access.path.endswith(path) for access in uncovered(opened[layout], without(rule)))


@pytest.mark.parametrize("path, mode", [
    ("/etc/shadow", "r"), ("/etc/busgate/radio.json", "w"), ("/usr/bin/busgate", "w"), ("/run/systemd/private", "rw"), ("/proc/1/environ", "r"),
    ("/proc/1/maps", "r"), ("/run/user/1000/bus", "rw"), ("/bin/sh", "x"), ("/run/docker.sock", "rw")])
def test_what_a_gate_does_not_need_is_not_allowed(path, mode):
    stranger = Access(path, mode, is_own=False)
    assert uncovered([stranger], PROFILE) == [stranger]


# In a kernel that enforces it: Linux 6.1, which mediates files, capabilities, signals and kinds of sockets, and not yet whom a socket reaches.

NAMED = re.compile(r' name="([^"]+)".* requested_mask="(\w+)"')


def enforced(tmp_path, profile, layout):
    """What became of a gate under the profile, and which paths the kernel refused it."""
    directory = unpacked("apparmor")
    tmp_path.chmod(0o755)
    (tmp_path / "busgate").write_text(profile)
    booted = Booted(tmp_path, f"""
mount -t securityfs security /sys/kernel/security
{directory}/sbin/apparmor_parser --config-file /dev/null --skip-cache --base {directory}/etc/apparmor.d -r busgate || exit 1
exec {sys.executable} {TREE}/Tests/Systems/enforced.py {layout} 2>errors
""", "lsm=apparmor")
    assert booted.status == 0, booted.output + (tmp_path / "errors").read_text()
    denials = [line for line in booted.kernel_log.splitlines() if 'apparmor="DENIED"' in line and 'profile="busgate"' in line]
    return json.loads(booted.output.splitlines()[-1]), [named.groups() if (named := NAMED.search(line)) else line for line in denials]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_under_the_profile_a_gate_does_all_that_it_is_for_and_reads_no_other_file(tmp_path, layout):
    found, refused = enforced(tmp_path, PROFILE, layout)
    assert (found["outcome"], found["profile"]) == ("done", "busgate (enforce)")
    assert "/etc/secret.json" in found["secret"] and "Permission denied" in found["secret"]
    assert refused == [("/etc/secret.json", "r")]


def test_under_a_profile_that_lacks_its_configuration_it_does_not_start(tmp_path):
    found, refused = enforced(tmp_path, without("/etc/busgate/** r,"), "system")
    assert found["outcome"] != "done"
    assert refused == [("/etc/busgate/radio.d/", "r")]
