"""The units of a user's own manager: a rootless container, the session bus, and no root anywhere."""

import shlex

import pytest

from host import SERVICE, OBJECT, temperature_policy

USER = "driver"


class Session:
    """A user whose manager runs, without anybody who has logged in."""

    def __init__(self, host):
        self.host = host
        host.run(f"useradd --create-home {USER}; loginctl enable-linger {USER}; systemctl start user@$(id -u {USER}).service")
        self.run("systemd-run --user --quiet --service-type=dbus --property=BusName=" + SERVICE + " temperature-service --session --interval 0")

    def run(self, script, check=True):
        environment = f"XDG_RUNTIME_DIR=/run/user/$(id -u {USER}) PATH=$PATH HOME=/home/{USER}"
        return self.host.run(f"cd /; runuser -u {USER} -- env -i {environment} bash -c {shlex.quote(script)}", check)

    def write(self, path, text):
        self.host.write(f"/home/{USER}/.config/busgate/{path}", text)
        self.host.run(f"chown -R {USER}: /home/{USER}/.config")

    def call(self, name, *call):
        """As a rootless container's user 1234, which is the session's user outside."""
        return self.run("bwrap --unshare-user --uid 1234 --gid 1234 --unshare-net --die-with-parent --ro-bind / / --dev /dev --tmpfs /run "
                        f"--ro-bind $XDG_RUNTIME_DIR/busgate/{name}/bus /run/bus --setenv DBUS_SESSION_BUS_ADDRESS unix:path=/run/bus/session "
                        f"gdbus call --session --dest {SERVICE} --object-path {OBJECT} --method {SERVICE}.{' '.join(call)}", check=False)


@pytest.fixture(scope="module")
def session(host):
    return Session(host)


def policy():
    document = temperature_policy()
    return {"dbus-gateway-config-session": document["dbus-gateway-config-system"], "dbus-gateway-config-system": []}


def instance(session, name):
    session.write(f"{name}.json", policy())
    session.run(f"systemctl --user start busgate@{name}.socket")
    return name


def test_a_rootless_containers_client_starts_the_service_and_is_served_by_the_session_bus(session):
    name = instance(session, "app")
    assert session.call(name, "GetTemperature").output == "(20.0,)\n"
    refused = session.call(name, "SetTemperature", "30")
    assert refused.status != 0 and "busgate: outgoing call" in refused.output and "is not allowed by the SESSION policy" in refused.output
    assert session.run(f"systemctl --user is-active busgate@{name}.service").output == "active\n"


def test_the_users_directory_is_nobody_elses_and_what_a_container_mounts_survives_the_service(session):
    name = instance(session, "lives")
    inode = session.run(f"stat -c %i $XDG_RUNTIME_DIR/busgate/{name}/bus").output
    for event in ("restart", "stop", "kill --signal=KILL"):
        assert session.call(name, "GetTemperature").output == "(20.0,)\n"
        session.run(f"systemctl --user {event} busgate@{name}.service")
    assert session.call(name, "GetTemperature").output == "(20.0,)\n"
    assert session.run(f"cd $XDG_RUNTIME_DIR/busgate/{name}; stat -c %i bus; stat -c '%a %U' . bus control").output.split("\n")[:-1] == [
        inode.strip(), f"700 {USER}", f"755 {USER}", f"600 {USER}"]


def test_a_refused_reload_makes_systemctl_fail_and_a_good_one_does_not(session):
    name = instance(session, "reload")
    assert session.call(name, "GetTemperature").output == "(20.0,)\n"
    session.write(f"{name}.json", '{"dbus-gateway-config-session": 1}')
    assert session.run(f"systemctl --user reload busgate@{name}.service", check=False).status != 0
    assert session.call(name, "GetTemperature").output == "(20.0,)\n"
    session.write(f"{name}.json", policy())
    session.run(f"systemctl --user reload busgate@{name}.service")


def test_a_missing_file_takes_neither_unit_down(session):
    session.run("""systemctl --user start busgate@absent.socket
        exec {socket}<>/dev/null; systemctl --user start busgate@absent.service""", check=False)
    assert session.run("systemctl --user is-active busgate@absent.socket").output == "active\n"
    session.write("absent.json", policy())
    assert session.call("absent", "GetTemperature").output == "(20.0,)\n"
