"""The SELinux module of contrib/examples: it compiles, linked with Debian's policy it allows what it is to allow and nothing beside, and a kernel
that has that policy in force would refuse a gate nothing that it does.

Debian's policy knows neither podman's types nor QM's; a module of the test's own stands in for their names.
"""

import bz2
import json
import re
import subprocess
import sys

import pytest
from roots import ENVIRONMENT, TREE, unpacked
from uml import Booted

EXAMPLES = TREE / "contrib/examples/selinux"
MODULE = (EXAMPLES / "busgate.te").read_text()
CONTEXTS = EXAMPLES / "busgate.fc"

STAND_INS = """
module containers 1.0;
require {{
  attribute domain;
  role system_r;
}}
{types}
"""


def packages():
    return unpacked("checkpolicy", "semodule-utils", "libsepol2", "libselinux1", "selinux-policy-default")


def run(program, *arguments, **options):
    directory = packages()
    libraries = ":".join(str(path) for top in ("lib", "usr/lib") for path in directory.glob(f"{top}/*-linux-gnu"))
    return subprocess.run([directory / "usr/bin" / program, *arguments], capture_output=True, text=True,
                          env={**ENVIRONMENT, "LD_LIBRARY_PATH": libraries}, **options)


def compiled(directory, name, text):
    """checkmodule's word on a module; its name has to be its file's."""
    (directory / f"{name}.te").write_text(text)
    return run("checkmodule", "-M", "-m", "-o", f"{name}.mod", f"{name}.te", cwd=directory)


def package(directory, name, text, *flags):
    done = compiled(directory, name, text)
    assert done.returncode == 0, done.stderr
    done = run("semodule_package", "-o", f"{name}.pp", "-m", f"{name}.mod", *flags, cwd=directory)
    assert done.returncode == 0, done.stderr
    return f"{name}.pp"


class Policy:
    """A policy of Debian's with the module in it, and checkpolicy's debugger to ask it."""

    def __init__(self, directory, stand_ins=(), module=MODULE):
        self.directory = directory
        base = packages() / "usr/share/selinux/default/base.pp.bz2"
        (directory / "base.pp").write_bytes(bz2.decompress(base.read_bytes()))
        modules = [package(directory, "busgate", module, "-f", CONTEXTS)]
        if stand_ins:
            types = "\n".join(f"type {name}, domain;\nrole system_r types {name};" for name in stand_ins)
            modules.append(package(directory, "containers", STAND_INS.format(types=types)))
        for command in (["semodule_link", "-o", "linked.pp", "base.pp", *modules], ["semodule_expand", "linked.pp", "policy"]):
            done = run(*command, cwd=directory)
            assert done.returncode == 0, done.stderr

    def ask(self, script):
        done = run("checkpolicy", "-M", "-b", "-d", "policy", cwd=self.directory, input="".join(f"{line}\n" for line in [*script, "q"]))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def allowed(self, source, target, kind):
        """What a process of one type may do to an object of a type and a class."""
        contexts = ["2", context(source), "2", context(target)]
        sids = re.findall(r"^sid (\d+)$", self.ask(contexts), re.MULTILINE)
        assert len(sids) == 2, (source, target)
        answer = self.ask([*contexts, "0", *sids, kind])
        return set(re.search(r"^allowed \{(.*)\}$", answer, re.MULTILINE)[1].split())


def context(name):
    """The domains of processes are system_r's, the types of files object_r's."""
    kind, _, name = name.rpartition(":")
    return f"system_u:{'object_r' if kind == 'file' else 'system_r'}:{name}:s0"


CLIENTS = ["container_t", "qm_container_ipc_t", "qm_t", "qm_container_t"]


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    return Policy(tmp_path_factory.mktemp("policy"), CLIENTS)


def test_the_module_compiles_and_is_packaged_with_its_contexts(tmp_path):
    done = compiled(tmp_path, "busgate", MODULE)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    package(tmp_path, "busgate", MODULE, "-f", CONTEXTS)
    assert run("semodule_unpackage", "busgate.pp", "out.mod", "out.fc", cwd=tmp_path).returncode == 0
    assert (tmp_path / "out.fc").read_text() == CONTEXTS.read_text()


@pytest.mark.parametrize("what, how", [
    ("  type init_t, bin_t,", "  type bin_t,"), ("allow busgate_t self:fifo_file { getattr", "allow busgate_t self:fifo_file { frobnicate"),
    ("type busgate_t, domain;", "type busgate_t, nothing;"), ("role system_r types busgate_t;", "role system_r types busgate_t")])
def test_a_broken_twin_does_not_compile(tmp_path, what, how):
    assert MODULE.count(what) == 1, what
    done = compiled(tmp_path, "busgate", MODULE.replace(what, how))
    assert done.returncode != 0 and "busgate.te" in done.stderr + done.stdout


def test_a_policy_without_containers_takes_the_module(tmp_path):
    policy = Policy(tmp_path)
    assert "connectto" in policy.allowed("busgate_t", "system_dbusd_t", "unix_stream_socket")
    with pytest.raises(AssertionError, match="container_t"):
        policy.allowed("container_t", "busgate_t", "unix_stream_socket")


def test_a_policy_that_lacks_what_the_module_cannot_do_without_refuses_it(tmp_path):
    package(tmp_path, "busgate", MODULE.replace("type init_t, bin_t,", "type init_t, no_such_t, bin_t,"))
    (tmp_path / "base.pp").write_bytes(bz2.decompress((packages() / "usr/share/selinux/default/base.pp.bz2").read_bytes()))
    done = run("semodule_link", "-o", "linked.pp", "base.pp", "busgate.pp", cwd=tmp_path)
    assert done.returncode != 0 and "no_such_t" in done.stderr


@pytest.mark.parametrize("source, target, kind, what", [
    ("busgate_t", "file:etc_t", "file", "read"),
    ("busgate_t", "file:busgate_var_run_t", "sock_file", "create"),
    ("busgate_t", "file:busgate_bus_t", "sock_file", "unlink"),
    ("busgate_t", "file:system_dbusd_runtime_t", "sock_file", "write"),
    ("busgate_t", "system_dbusd_t", "unix_stream_socket", "connectto"),
    ("busgate_t", "system_dbusd_t", "dbus", "send_msg"),
    ("busgate_t", "file:devlog_t", "sock_file", "write"),
    ("busgate_t", "syslogd_t", "unix_dgram_socket", "sendto"),
    ("busgate_t", "file:init_runtime_t", "sock_file", "write"),
    ("busgate_t", "container_t", "file", "read"),
    ("busgate_t", "container_t", "process", "signull"),
    ("busgate_t", "busgate_t", "unix_stream_socket", "connectto"),
    ("init_t", "busgate_t", "process", "transition"),
    ("init_t", "busgate_t", "unix_stream_socket", "listen"),
    ("init_t", "file:busgate_bus_t", "sock_file", "create"),
    ("container_t", "busgate_t", "unix_stream_socket", "connectto"),
    ("container_t", "file:busgate_bus_t", "sock_file", "write"),
    ("container_t", "file:busgate_bus_t", "dir", "search"),
    ("qm_container_ipc_t", "busgate_t", "unix_stream_socket", "connectto"),
    ("qm_t", "file:busgate_bus_t", "dir", "mounton"),
])
def test_what_is_to_work_is_allowed(policy, source, target, kind, what):
    assert what in policy.allowed(source, target, kind)


@pytest.mark.parametrize("source, target, kind, what", [
    ("busgate_t", "file:shadow_t", "file", "read"),
    ("busgate_t", "file:etc_t", "file", "write"),
    ("busgate_t", "file:shell_exec_t", "file", "execute"),
    ("busgate_t", "busgate_t", "capability", "dac_override"),
    ("busgate_t", "busgate_t", "tcp_socket", "create"),
    ("busgate_t", "busgate_t", "process", "execmem"),
    ("busgate_t", "init_t", "process", "ptrace"),
    ("busgate_t", "init_t", "file", "read"),
    ("busgate_t", "container_t", "process", "signal"),
    ("busgate_t", "qm_container_t", "process", "signull"),
    ("container_t", "file:busgate_bus_t", "sock_file", "unlink"),
    ("container_t", "file:busgate_bus_t", "dir", "add_name"),
    ("container_t", "file:busgate_var_run_t", "sock_file", "write"),
    ("container_t", "file:busgate_var_run_t", "dir", "search"),
    ("qm_t", "busgate_t", "unix_stream_socket", "connectto"),
    ("qm_container_t", "busgate_t", "unix_stream_socket", "connectto"),
    ("qm_container_t", "file:busgate_bus_t", "sock_file", "write"),
])
def test_what_stands_beside_it_is_not(policy, source, target, kind, what):
    assert what not in policy.allowed(source, target, kind)


def test_each_file_has_the_type_that_the_page_says():
    contexts = [line.split() for line in CONTEXTS.read_text().splitlines() if not line.startswith("#")]
    # The last that matches decides, as restorecon sorts them by the length of what is literal in front.
    found = {path: [line[-1].split(":")[2] for line in contexts if re.fullmatch(line[0], path)][-1] for path in (
        "/usr/bin/busgate", "/run/busgate", "/run/busgate/radio/control", "/run/busgate/radio/bus", "/run/busgate/radio/bus/system")}
    assert list(found.values()) == ["busgate_exec_t", "busgate_var_run_t", "busgate_var_run_t", "busgate_bus_t", "busgate_bus_t"]
    assert not any(re.fullmatch(line[0], path) for line in contexts for path in ("/run/busgated", "/usr/bin/busgatectl"))


# In a kernel that has the policy in force, and says what it would refuse: the machine's own files, which have no labels, need not be allowed.

STREAM = "getopt setopt bind listen accept connect connectto read write shutdown ioctl"
REFUSED = re.compile(r"avc: +denied +\{ (.*) \} for .* scontext=\w+:\w+:(\w+):s0 tcontext=\w+:\w+:(\w+):s0 tclass=(\w+) ")


def in_force(tmp_path, module):
    """The types of the gate and its files, and who would have been refused what, to whom."""
    Policy(tmp_path, CLIENTS, module)
    booted = Booted(tmp_path, f"""
mount -t selinuxfs selinuxfs /sys/fs/selinux
dd if=policy of=/sys/fs/selinux/load bs=16M status=none || exit 1
echo 0 >/proc/sys/kernel/printk_ratelimit
{sys.executable} {TREE}/Tests/Systems/labelled.py
""", "lsm=selinux", "enforcing=0", "audit=1", "audit_backlog_limit=0", "log_buf_len=16M")
    assert booted.status == 0, booted.output
    assert "audit_lost" not in booted.kernel_log
    refused = {(source, target, kind, what) for words, source, target, kind in REFUSED.findall(booted.kernel_log) for what in words.split()}
    others = ("unlabeled_t", "kernel_t")  # the machine's files, and the test itself
    # Nor is a gate to look at who may not connect to it, and gets in here as nothing is enforced.
    return json.loads(booted.output.splitlines()[-1]), {
        one for one in refused if one[0] not in others and one[1] not in others and one[:2] != ("busgate_t", "qm_container_t")}


def test_a_gate_is_refused_nothing_and_only_the_containers_that_may_connect(tmp_path):
    types, refused = in_force(tmp_path, MODULE)
    assert {path: text.split(":")[2] for path, text in types.items()} == {
        "gate": "busgate_t", "/run/busgate/radio/control": "busgate_var_run_t", "/run/busgate/radio/bus": "busgate_bus_t",
        "/run/busgate/radio/bus/system": "busgate_bus_t"}
    assert {one for one in refused if one[0] == "busgate_t"} == set()
    # The test has no mounts: its containers come by the directories above.
    above = ("busgate_var_run_t", "dir", "search")
    mine = {one for one in refused if one[1].startswith("busgate_")}
    assert mine == {("container_t", *above), ("qm_container_ipc_t", *above), ("qm_container_t", *above),
                    ("qm_container_t", "busgate_bus_t", "dir", "search"), ("qm_container_t", "busgate_bus_t", "sock_file", "write"),
                    ("qm_container_t", "busgate_t", "unix_stream_socket", "connectto")}


@pytest.mark.parametrize("rule, without, missing", [
    (f"{{\n  create getattr setattr {STREAM}\n}};", f"{{\n  create getattr {STREAM}\n}};", ("busgate_t", "unix_stream_socket", "setattr")),
    ("allow busgate_t init_t:unix_dgram_socket sendto;", "", ("init_t", "unix_dgram_socket", "sendto")),
    ("allow busgate_t system_dbusd_t:unix_stream_socket connectto;", "", ("system_dbusd_t", "unix_stream_socket", "connectto")),
])
def test_a_rule_that_is_missing_is_found_by_what_a_gate_does(tmp_path, rule, without, missing):
    assert MODULE.count(rule) == 1
    _, refused = in_force(tmp_path, MODULE.replace(rule, without))
    assert {one for one in refused if one[0] == "busgate_t"} == {("busgate_t", *missing)}
