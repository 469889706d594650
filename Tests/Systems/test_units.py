"""busgate@.socket and busgate@.service under a real systemd: what an integrator relies on while nothing is wrong."""

import json
import re
import sys

import pytest

from host import Host, ask, is_refused, is_served, temperature_policy
import roots

sys.path.insert(0, str(roots.TREE / "Tests/EndToEnd"))

from wire import Client, Ended  # noqa: E402


def test_systemd_has_nothing_to_say_about_the_units(host):
    said = host.run("""systemd-analyze verify --man=no busgate@x.socket busgate@x.service 2>&1
                       export XDG_RUNTIME_DIR=/run; systemd-analyze --user --man=no verify busgate@x.socket busgate@x.service 2>&1""")
    assert said.output == ""


def test_a_key_that_systemd_does_not_know_would_be_noticed(host):
    said = host.run("sed 's/^Restart=/Retsart=/' /usr/lib/systemd/system/busgate@.service >/tmp/typo@.service; systemd-analyze verify "
                    "--man=no /tmp/typo@x.service 2>&1", check=False)
    assert "Retsart" in said.output


def test_the_service_is_exposed_by_at_most_1_0(host):
    said = host.run("systemd-analyze security --no-pager busgate@x.service").output
    exposure = re.search(r"Overall exposure level for busgate@x.service: ([\d.]+) (\w+)", said)
    print(said.strip().splitlines()[-1])
    assert exposure and float(exposure[1]) <= 1.0 and exposure[2] == "SAFE"


def test_the_service_sees_other_users_and_their_processes(host):
    """Peers' uids and maps are what the gate logs and judges by."""
    assert host.show("busgate@x.service", "PrivateUsers", "ProtectProc", "ProcSubset") == ["no", "default", "all"]


# What the gate does once it runs, what it does while it starts, and what it needs to confine itself: more than any one test makes it do.
CALLS = """accept4 epoll_create1 epoll_ctl epoll_wait epoll_pwait poll ppoll recvmsg sendmsg sendto read write splice pipe2 pread64 lseek ioctl fcntl
setsockopt getsockopt shutdown close close_range socket connect bind listen getpeername getsockname timerfd_create timerfd_settime brk mmap munmap
mprotect madvise mremap futex openat newfstatat getdents64 getrandom pidfd_open pidfd_send_signal geteuid getpid gettid prlimit64 unlink unlinkat
exit_group rt_sigaction rt_sigreturn rt_sigprocmask restart_syscall clock_nanosleep clock_gettime tgkill clone3 execve prctl seccomp
landlock_create_ruleset landlock_add_rule landlock_restrict_self""".split()


def test_the_filter_of_calls_lets_through_what_the_gate_does_and_not_what_it_never_does(host):
    [calls] = host.show("busgate@x.service", "SystemCallFilter")
    assert set(CALLS) - {*calls.split()} == set()
    assert not {*calls.split()} & {"mount", "ptrace", "bpf", "init_module", "reboot", "chown", "setuid"}


def test_the_socket_is_there_after_booting_and_a_container_ordered_after_it_does_not_wait_for_itself(host):
    assert host.show("busgate@radio.socket", "ActiveState", "UnitFileState")[0] == "active"
    assert host.show("radio-container.service", "ActiveState", "Result") == ["active", "success"]


def test_the_first_client_starts_the_service_an_allowed_call_is_answered_and_a_denied_one_is_not(host):
    host.instance("first")
    assert host.show("busgate@first.service", "ActiveState") == ["inactive"]
    assert is_served(host.call("first", "GetTemperature"))
    assert host.show("busgate@first.service", "ActiveState", "StatusText") == ["active", "serving system"]
    assert is_refused(host.call("first", "SetTemperature", "30"), "SetTemperature")


def test_the_example_for_systemd_itself_lets_units_be_listed_and_not_stopped(host):
    host.instance("units", json.loads((roots.TREE / "configs/systemd-read-only.json").read_text()))
    systemd = "gdbus call --system --dest org.freedesktop.systemd1 --object-path /org/freedesktop/systemd1 --method org.freedesktop.systemd1.Manager"
    listed = host.run(f"container units {systemd}.ListUnits")
    assert "busgate@units.service" in listed.output
    stopped = host.run(f"container units {systemd}.StopUnit temperature.service replace", check=False)
    assert stopped.status != 0 and "AccessDenied: busgate: outgoing call org.freedesktop.systemd1.Manager.StopUnit" in stopped.output


def test_descriptors_and_large_messages_pass_a_confined_service(host):
    host.instance("large")
    assert host.run("container large fd-client open-log").output.startswith("temperature log: ")
    assert host.run("container large fd-client read-from through-a-pipe").output == "through-a-pipe\n"
    script = f"""text=$(head -c 60000 /dev/zero | tr '\\0' x); set -- "$text"; container large {ask("Echo")} "$1$1"'"""
    assert host.run(script.rstrip("'")).output == f"('{'x' * 120000}',)\n"


def test_the_service_may_open_as_many_descriptors_as_its_limits_of_connections_need(host):
    name = host.instance("open")
    host.run(f"systemctl start busgate@{name}.service")
    limits = host.run("grep -h '^Max open files' /proc/1/limits /proc/$(systemctl show --value -p MainPID busgate@open)/limits").output.split("\n")
    most, soft = int(limits[0].split()[4]), int(limits[1].split()[3])
    assert soft == min(most, 65536)


def test_the_service_tells_how_it_is_on_the_socket_of_its_metrics(host):
    name = host.instance("health")
    told = host.run(f"systemctl start busgate@{name}.service; busgate healthz /run/busgate/{name}/metrics")
    assert told.output.startswith("system")


def test_each_instance_has_a_user_of_its_own(host):
    names = [host.instance(f"own{number}") for number in range(4)]
    for name in names:
        assert is_served(host.call(name, "GetTemperature"))
    uids = {host.run(f"stat -c %u /proc/$(systemctl show --value -p MainPID busgate@{name})").output for name in names}
    assert len(uids) == 4 and "0\n" not in uids
    lasting = host.run("grep -c '^busgate-own[0-3]:' /etc/passwd || true").output.strip()
    has_names_of_dynamic_users = host.run("grep -q '^passwd:.*systemd' /etc/nsswitch.conf", check=False).status == 0
    assert lasting == ("0" if has_names_of_dynamic_users else "4")


def hold(host, names):
    """As many connections of each instance's clients as it lets have, or the bus."""
    held = []
    for name in names:
        for _ in range(64):
            held.append(Client(host.path(f"/run/busgate/{name}/bus/system")))
            try:
                held[-1].authenticate()
                held[-1].say_hello()
            except (Ended, OSError):
                break
    return held


def test_four_instances_whose_clients_keep_every_connection_leave_a_fifth_working(host):
    """dbus-daemon gives a user 256 connections."""
    names = [host.instance(f"kept{number}") for number in range(5)]
    held = hold(host, names[:4])
    assert len(held) == 256
    assert is_served(host.call(names[4], "GetTemperature"))
    for client in held:
        client.close()


def test_instances_that_a_drop_in_gives_one_user_have_one_share_of_dbus_daemon(host):
    """The twin: what the instances' own users are for. dbus-broker does not count connections."""
    is_counted = host.run("pgrep -x dbus-daemon", check=False).status == 0
    host.run("useradd --system crowd")
    names = [f"crowd{number}" for number in range(5)]
    for name in names:
        drop_in(host, name, "[Service]\nUser=crowd\n")
        host.instance(name)
    held = hold(host, names[:4])
    assert is_served(host.call(names[4], "GetTemperature")) is not is_counted
    for client in held:
        client.close()


def modes(host, name):
    """Name, mode, user and group of everything that the instance has below /run."""
    return host.run(f"cd /run/busgate/{name}; stat -c '%n %a %u %g' . * bus/*").output.split("\n")[:-1]


def ids(host, name):
    """The uid and gid that the instance's service runs as."""
    return host.run(f"stat -c '%u %g' /proc/$(systemctl show --value -p MainPID busgate@{name})").output.split()


ROOTS_OWN = [". 700 0 0", "bus 755 0 0", "bus/system 666 0 0"]


def test_the_directory_is_roots_and_lets_the_services_group_make_its_sockets_while_that_runs(host):
    name = host.instance("mode")
    assert modes(host, name) == ROOTS_OWN
    assert is_served(host.call(name, "GetTemperature"))
    uid, gid = ids(host, name)
    assert "0" not in (uid, gid)
    assert modes(host, name) == [f". 1770 0 {gid}", "bus 755 0 0", f"control 600 {uid} {gid}", f"metrics 600 {uid} {gid}", "bus/system 666 0 0"]
    host.run(f"systemctl stop busgate@{name}.service")
    assert modes(host, name) == ROOTS_OWN


def test_nothing_of_the_services_user_stays_behind_it(host):
    name = host.instance("heir")
    assert is_served(host.call(name, "GetTemperature"))
    uid, gid = ids(host, name)
    host.run(f"""setpriv --reuid={uid} --regid={gid} --clear-groups sh -euc 'cd /run/busgate/{name}; rm control; mkdir control; ln -s /etc/passwd mine'
        systemctl kill --signal=KILL busgate@{name}.service""")
    assert is_served(host.call(name, "GetTemperature"))
    assert [line.split()[:2] for line in modes(host, name)] == [[".", "1770"], ["bus", "755"], ["control", "600"], ["metrics", "600"],
                                                              ["bus/system", "666"]]
    host.run("test -s /etc/passwd")


def test_the_log_goes_to_the_journal_with_the_name_of_the_instance(host):
    name = host.instance("logged")
    assert is_refused(host.call(name, "SetTemperature", "30"), "SetTemperature")
    found = host.run(f"journalctl --sync; journalctl -o json -u busgate@{name} BUSGATE_INSTANCE={name} BUSGATE_VERDICT=deny").output.splitlines()
    assert [json.loads(line)["BUSGATE_MEMBER"] for line in found] == ["SetTemperature"]


def test_a_client_with_another_user_namespace_is_served_and_its_real_user_is_seen(host):
    name = host.instance("mapped")
    assert is_served(host.call(name, "GetTemperature", way="mapped"))
    assert is_refused(host.call(name, "SetTemperature", "30", way="mapped"), "SetTemperature")
    found = host.run(f"journalctl --sync; journalctl -o json -u busgate@{name} BUSGATE_VERDICT=deny").output.splitlines()
    assert [json.loads(line)["BUSGATE_UID"] for line in found] == ["201000"]


# The life of the directory that containers have mounted

def inode(host, name):
    return host.run(f"stat -c %i /run/busgate/{name}/bus").output


@pytest.mark.parametrize("event", ["restart", "stop", "kill", "restart-socket"])
def test_a_container_with_the_directory_is_served_again_after(host, event):
    name = host.instance(f"box-{event}")
    host.run(f"start-box {name}")
    assert is_served(host.call(name, "GetTemperature", way="in-box"))
    before = inode(host, name)
    host.run({"restart": f"systemctl restart busgate@{name}.service",
              "stop": f"systemctl stop busgate@{name}.service",
              "kill": f"systemctl kill --signal=KILL busgate@{name}.service",
              "restart-socket": f"systemctl restart busgate@{name}.socket"}[event])
    assert is_served(host.call(name, "GetTemperature", way="in-box"))
    assert is_refused(host.call(name, "SetTemperature", "30", way="in-box"), "SetTemperature")
    assert inode(host, name) == before


def test_a_client_that_comes_while_the_service_restarts_waits_and_is_served(host):
    name = host.instance("between")
    drop_in(host, name, "[Service]\nExecStartPre=/bin/sh -c 'read -r _ </run/go'\n")
    host.run("mkfifo -m 666 /run/go; (echo >/run/go) & systemctl start busgate@between.service")
    waiting = host.run(f"""systemctl restart --no-block busgate@between.service
        wait-for busgate@between.service 2 '^Starting '
        container {name} {ask("GetTemperature")} & client=$!
        echo >/run/go; wait $client""", check=False)
    assert is_served(waiting)


def test_a_connection_ends_with_the_service_that_had_it(host):
    """A program with gdbus's default, to exit with its connection, ends; it is for the container to start it again."""
    name = host.instance("living")
    script = f"""exec {{said}}< <(exec container {name} gdbus monitor --system --dest {ask("x").split()[4]} 2>&1); pid=$!
        until [[ ${{line-}} == *"is owned by"* ]]; do read -r -u $said line || exit 90; done
        systemctl restart busgate@{name}.service
        tail --pid=$pid -f /dev/null; wait $pid; echo "ended $?" """
    assert host.run(script).output == "ended 143\n"
    assert is_served(host.call(name, "GetTemperature"))


# Reload

def without(method):
    policy = temperature_policy()
    for rule in policy["dbus-gateway-config-system"]:
        if isinstance(rule["method"], list) and method in rule["method"]:
            rule["method"].remove(method)
    return policy


def test_a_reload_puts_the_new_policy_in_force_before_systemctl_returns(host):
    name = host.instance("reload")
    assert is_served(host.call(name, "GetTemperature"))
    host.write(f"/etc/busgate/{name}.json", without("GetTemperature"))
    host.run(f"systemctl reload busgate@{name}.service")
    assert is_refused(host.call(name, "GetTemperature"), "GetTemperature")
    assert host.show(f"busgate@{name}.service", "ActiveState", "NRestarts") == ["active", "0"]


def test_a_reload_that_is_refused_makes_systemctl_fail_and_the_old_policy_stays(host):
    name = host.instance("refused")
    assert is_served(host.call(name, "GetTemperature"))
    pid = host.show(f"busgate@{name}.service", "MainPID")
    host.write(f"/etc/busgate/{name}.json", '{"dbus-gateway-config-system": [{"direction": "sideways"}]}')
    assert host.run(f"systemctl reload busgate@{name}.service", check=False).status != 0
    assert len(host.journal(f"busgate@{name}.service", f"/etc/busgate/{name}.json:1:47: error: ")) >= 1
    assert is_served(host.call(name, "GetTemperature"))
    assert is_refused(host.call(name, "SetTemperature", "30"), "SetTemperature")
    assert host.show(f"busgate@{name}.service", "ActiveState", "MainPID") == ["active", *pid]
    host.write(f"/etc/busgate/{name}.json", temperature_policy())
    host.run(f"systemctl reload busgate@{name}.service")


# Users

def drop_in(host, name, text):
    host.write(f"/etc/systemd/system/busgate@{name}.service.d/own.conf", text)
    host.run("systemctl daemon-reload")


@pytest.mark.parametrize("more", ["", "--gid users"], ids=["with a group", "in another's group"])
def test_a_drop_in_of_one_line_chooses_another_user(host, more):
    name = "another" + str(len(more))
    host.run(f"useradd --system {more} gate{len(more)}")
    drop_in(host, name, f"[Service]\nUser=gate{len(more)}\n")
    host.instance(name)
    assert is_served(host.call(name, "GetTemperature"))
    uid, gid = ids(host, name)
    assert [uid] == host.run(f"id -u gate{len(more)}").output.split()
    assert gid not in host.run("getent group users nogroup root | cut -d: -f3").output.split(), "others of that group could connect"
    assert modes(host, name)[:3] == [f". 1770 0 {gid}", "bus 755 0 0", f"control 600 {uid} {gid}"]


@pytest.mark.parametrize("name", ["n" * 24, "a.b"])
def test_a_name_that_no_user_can_have_is_refused_once_and_served_with_a_drop_in(host, name):
    host.write(f"/etc/busgate/{name}.json", temperature_policy())
    assert host.run(f"systemctl start busgate@{name}.service", check=False).status != 0
    assert host.show(f"busgate@{name}.service", "ActiveState", "NRestarts") == ["inactive", "0"]
    assert len(host.journal(f"busgate@{name}.socket", f"no user can be called busgate-{name}, expected")) == 1
    drop_in(host, name, f"[Service]\nUser=fit{len(name)}\nGroup=fit{len(name)}\n")
    host.instance(name)
    assert is_served(host.call(name, "GetTemperature"))


def test_a_name_as_long_as_a_users_can_be_is_served(host):
    assert is_served(host.call(host.instance("n" * 23), "GetTemperature"))


def test_a_dynamic_user_gets_its_directory_without_a_name_and_if_the_bus_then_refuses_it_the_journal_says_so(host):
    """As where the socket unit can make no user, since /etc is read-only."""
    name = "nameless"
    host.write(f"/etc/systemd/system/busgate@{name}.socket.d/own.conf", "[Socket]\nExecStartPre=\n"
               "ExecStartPre=/usr/bin/install -d -o root -g root -m 0700 /run/busgate/%i\n")
    host.run("systemctl daemon-reload")
    host.instance(name)
    done = host.call(name, "GetTemperature")
    uid, gid = ids(host, name)
    assert 61184 <= int(uid) <= 65519
    assert modes(host, name)[:3] == [f". 1770 0 {gid}", "bus 755 0 0", f"control 600 {uid} {gid}"]
    if host.run(f"getent passwd busgate-{name}", check=False).status == 0:
        assert is_served(done)
    else:
        assert done.status != 0 and len(host.journal(f"busgate@{name}.service", f"hung up before Hello was answered (does it let in uid {uid}")) == 1


# A gate that somebody has taken over

CHANGES = ["chmod 777 .", "chown 201000 .", "mv bus away", "rmdir bus", "ln -s /etc bus/link", "ln -sfn /etc bus"]


@pytest.mark.parametrize("who", ["the service", "its user outside of the service", "a container that the service gave a descriptor to"])
def test_nobody_but_root_can_change_the_directory_that_containers_mount(host, who):
    """Who could would have the container engine mount what they like. A working directory is a descriptor of it, to be used by another user."""
    name = host.instance(f"taken-{len(who)}")
    assert is_served(host.call(name, "GetTemperature"))
    uid, gid = ("201000", "201000") if "container" in who else ids(host, name)
    enter = f"nsenter --mount --wd=/run/busgate/{name} --target $(systemctl show --value -p MainPID busgate@{name})" if who == "the service" else ""

    def attempt(change, directory=f"/run/busgate/{name}", enter=enter):
        return host.run(f"cd {directory}; {enter} setpriv --reuid={uid} --regid={gid} --clear-groups sh -c '{change}'", check=False).status

    before = modes(host, name)
    assert [change for change in CHANGES if attempt(change) == 0] == []
    assert modes(host, name) == before
    assert (attempt("touch mine && rm mine") == 0) is ("container" not in who)
    # The same of a directory that is theirs, which shows that these are attempts.
    host.run(f"mkdir -p /run/theirs-{name}/bus; chown {uid}:{gid} /run/theirs-{name}")
    assert [attempt(change, f"/run/theirs-{name}", "") for change in ("chmod 777 .", "mv bus away", "ln -s /etc bus")] == [0, 0, 0]


def test_the_service_sees_what_containers_mount_as_a_mount_that_nobody_can_write_to(host):
    """A second lock: root itself could not, in there."""
    name = host.instance("second")
    assert is_served(host.call(name, "GetTemperature"))
    done = host.run(f"nsenter --mount --target $(systemctl show --value -p MainPID busgate@{name}) touch /run/busgate/{name}/bus/mine", check=False)
    assert done.status != 0 and "Read-only" in done.output


def test_the_socket_unit_follows_no_link_and_puts_it_out(host):
    """Of whoever had the directory before, such as the user to whom other units gave it."""
    name = host.instance("links")
    host.run(f"""systemctl stop busgate@{name}.socket; mkdir -m 777 /run/foreign; cd /run/busgate/{name}; mv bus away; ln -s /run/foreign bus
        ln -s /run/foreign/c control; chown -h 201000:201000 . bus away control; chmod 777 .; systemctl start busgate@{name}.socket""")
    assert modes(host, name) == ROOTS_OWN
    assert is_served(host.call(name, "GetTemperature"))
    assert host.run("ls -A /run/foreign").output == ""


def test_an_engine_that_looks_for_the_mount_in_a_user_namespace_finds_it_while_the_service_runs(host):
    name = host.instance("userns")
    assert is_served(host.call(name, "GetTemperature"))
    assert is_served(host.run("bwrap --unshare-user --unshare-net --ro-bind / / --dev /dev --tmpfs /run "
                              f"--ro-bind /run/busgate/{name}/bus /run/bus --setenv DBUS_SYSTEM_BUS_ADDRESS unix:path=/run/bus/system "
                              + ask("GetTemperature"), check=False))


# Recipes of the page

def recipe(heading, name):
    """The commands below a heading of UNITS.md, for this instance."""
    section = (roots.TREE / "contrib/UNITS.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.search(r"```sh\n(.*?)```", section, re.S)[1].replace("radio", name)


def test_the_pages_three_commands_make_an_instance(host):
    host.write("/root/recipe.json", temperature_policy())
    host.run(f"cd /root; set -e; {recipe('An instance in three commands', 'recipe')}")
    assert is_served(host.call("recipe", "GetTemperature"))


def test_the_pages_way_to_learn_a_policy_leads_to_one_that_allows_what_was_asked_and_no_more(host):
    name = host.instance("learning", {"dbus-gateway-config-session": [], "dbus-gateway-config-system": []})
    assert is_refused(host.call(name, "GetTemperature"), "GetTemperature")
    before, after = recipe("Learn a policy", name).split("# use the container\n")
    host.run(f"set -e; cd /root; {before}")
    assert is_served(host.call(name, "GetTemperature"))
    host.run(f"set -e; cd /root; journalctl --sync\n{after}\ninstall -m 644 learned.json /etc/busgate/{name}.json\n"
             f"systemctl try-reload-or-restart busgate@{name}.service")
    assert is_served(host.call(name, "GetTemperature"))
    assert is_refused(host.call(name, "SetTemperature", "30"), "SetTemperature")
    assert "audit" not in host.show(f"busgate@{name}.service", "Environment")[0]


# The bus, and time

def test_a_service_that_hangs_is_killed_and_the_next_client_is_served(host):
    name = "hangs"
    drop_in(host, name, "[Service]\nWatchdogSec=2\n")
    host.instance(name)
    assert is_served(host.call(name, "GetTemperature"))
    host.run(f"systemctl kill --signal=STOP busgate@{name}.service; wait-for busgate@{name}.service 1 'Watchdog timeout'")
    assert is_served(host.call(name, "GetTemperature"))
    assert host.show(f"busgate@{name}.service", "ActiveState") == ["active"]


@pytest.mark.parametrize("debian", ["bookworm", "trixie"])
def test_the_hosts_bus_may_restart_and_new_clients_are_served(systems, debian):
    """On a host of its own, as much else of a host does not take that well. The bus is dbus-daemon, then dbus-broker."""
    host = systems.boot(systems.overlay(debian), Host)
    name = host.instance("bus")
    assert is_served(host.call(name, "GetTemperature"))
    pid = host.show(f"busgate@{name}.service", "MainPID")
    host.run("systemctl restart dbus.socket dbus.service; systemctl restart temperature.service")
    assert is_served(host.call(name, "GetTemperature"))
    assert host.show(f"busgate@{name}.service", "ActiveState", "MainPID") == ["active", *pid]
    assert host.show(f"busgate@{name}.socket", "ActiveState") == ["active"]
    host.close()
