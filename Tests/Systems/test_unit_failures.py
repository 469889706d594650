"""busgate@.socket and busgate@.service when something is wrong: files, clients that knock all the same, a service that dies. Neither unit is
out of service for good: once it is mended, whoever waits is served."""

import pytest

from host import ask, is_refused, is_served, temperature_policy

REFUSED = "Main process exited, code=exited, status=65"


def missing(host, name):
    host.run(f"rm /etc/busgate/{name}.json")
    return f"/etc/busgate/{name}.json: error: cannot be read: No such file or directory"


def unreadable(host, name):
    host.run(f"chmod 600 /etc/busgate/{name}.json")
    return f"/etc/busgate/{name}.json: error: cannot be read: Permission denied"


def wrong(host, name):
    host.write(f"/etc/busgate/{name}.json", '{"dbus-gateway-config-system": [{"direction": "sideways"}]}')
    return f"/etc/busgate/{name}.json:1:47: error: "


def half_written(host, name):
    host.write(f"/etc/busgate/{name}.d/10-more.json", '{"dbus-gateway-config-system": [')
    return f"/etc/busgate/{name}.d/10-more.json:"


FAULTS = [missing, unreadable, wrong, half_written]


@pytest.fixture(scope="module")
def knocking(host):
    """An instance for each fault, with a client that waits at its socket; each with the name of the file that the journal has to name."""
    started = {}
    for fault in FAULTS:
        name = host.instance(fault.__name__.replace("_", "-"))
        started[fault] = name, fault(host, name)
        host.run(f"systemd-run --quiet --unit=knock-{name} -p RemainAfterExit=yes container {name} {ask('GetTemperature')}")
    return started


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_is(host, knocking, fault):
    """…wrong is told in one line for each try, and takes neither unit down: mended, it serves who waited and who comes next."""
    name, says = knocking[fault]
    tries = 10 if fault is wrong else 2
    host.run(f"wait-for busgate@{name}.service {tries} '{REFUSED}'")
    assert host.show(f"busgate@{name}.socket", "ActiveState", "Result") == ["active", "success"]
    host.write(f"/etc/busgate/{name}.json", temperature_policy())
    host.run(f"rm -rf /etc/busgate/{name}.d")
    assert is_served(host.call(name, "GetTemperature"))
    assert is_refused(host.call(name, "SetTemperature", "30"), "SetTemperature")
    host.run(f"wait-for knock-{name}.service 1 '^\\(20.0,\\)$'")
    assert host.show(f"busgate@{name}.service", "ActiveState") == ["active"]
    errors = host.journal(f"busgate@{name}.service", says)
    starts = len(host.journal(f"busgate@{name}.service", REFUSED))
    assert starts >= tries and len(errors) == starts, errors
    assert len({*errors}) == 1 and "expected" in errors[0], errors


def test_a_knocking_client_does_not_have_the_service_started_without_pause(host, knocking):
    """Each try ends two seconds after it has failed, in which nothing is started."""
    name = knocking[wrong][0]
    times = host.run(f"journalctl -o short-monotonic -u busgate@{name}.service | grep '{REFUSED}' | tr -d '[' | cut -d. -f1").output.split()
    assert len(times) >= 10 and int(times[9]) - int(times[0]) >= 17


def test_documents_that_contradict_each_other_are_told_in_one_line_and_the_rest_is_served(host):
    name = host.instance("contradict")
    rules = [{**rule, "action": "deny"} for rule in temperature_policy()["dbus-gateway-config-system"] if "Echo" in rule["method"]]
    del rules[0]["max-fds"]  # with it, the rule would deny descriptors only
    host.write(f"/etc/busgate/{name}.d/10-deny.json", {"dbus-gateway-config-session": [], "dbus-gateway-config-system": rules})
    assert is_refused(host.call(name, "GetTemperature"), "GetTemperature")
    assert host.run(f"container {name} fd-client open-log").output.startswith("temperature log: ")
    told = host.journal(f"busgate@{name}.service", "warning: ") or host.journal(f"busgate@{name}.service", "a deny rule wins")
    assert len(told) == 1 and f"/etc/busgate/{name}.d/10-deny.json:" in told[0] and f"/etc/busgate/{name}.json:" in told[0]
    host.run(f"rm -r /etc/busgate/{name}.d; systemctl reload busgate@{name}.service")
    assert is_served(host.call(name, "GetTemperature"))


def test_a_service_that_refuses_its_configuration_is_not_tried_again_by_itself(host):
    name = host.instance("once")
    wrong(host, name)
    assert host.run(f"systemctl start busgate@{name}.service", check=False).status != 0
    assert host.show(f"busgate@{name}.service", "ActiveState", "SubState", "NRestarts", "ExecMainStatus") == ["failed", "failed", "0", "65"]


def test_a_service_that_dies_is_started_again_by_itself(host):
    name = host.instance("again")
    host.run(f"""systemctl start busgate@{name}.service; systemctl kill --signal=SEGV busgate@{name}.service
                 wait-for busgate@{name}.service 2 '^Started '""")
    assert host.show(f"busgate@{name}.service", "ActiveState", "NRestarts") == ["active", "1"]
    assert is_served(host.call(name, "GetTemperature"))


def test_a_service_that_dies_often_is_not_given_up(host):
    name = host.instance("often")
    for number in range(1, 8):
        assert is_served(host.call(name, "GetTemperature"))
        host.run(f"systemctl kill --signal=KILL busgate@{name}.service; wait-for busgate@{name}.service {number} 'status=9/KILL'")
    assert host.show(f"busgate@{name}.socket", "ActiveState") == ["active"]


def test_a_foreign_file_in_the_place_of_the_control_socket_is_left_alone_and_named(host):
    name = host.instance("foreign")
    host.run(f"echo mine >/run/busgate/{name}/control")
    assert host.run(f"systemctl start busgate@{name}.service", check=False).status != 0
    assert host.show(f"busgate@{name}.service", "SubState", "NRestarts", "ExecMainStatus") == ["failed", "0", "78"]
    assert len(host.journal(f"busgate@{name}.service", f"/run/busgate/{name}/control exists and is no socket")) == 1
    assert host.run(f"cat /run/busgate/{name}/control; rm /run/busgate/{name}/control").output == "mine\n"
    assert is_served(host.call(name, "GetTemperature"))


def test_an_unknown_user_in_a_drop_in_is_named_and_once_it_is_there_the_next_client_is_served(host):
    name = "nobodys"
    host.write(f"/etc/systemd/system/busgate@{name}.service.d/own.conf", "[Service]\nDynamicUser=no\nUser=later\nGroup=later\n")
    host.run("systemctl daemon-reload")
    host.write(f"/etc/busgate/{name}.json", temperature_policy())
    host.run(f"systemctl start busgate@{name}.socket; systemd-run --quiet --unit=knock-{name} container {name} {ask('GetTemperature')}")
    if host.run("id later", check=False).status:
        host.run(f"wait-for busgate@{name}.service 2 'status=21[67]/'; useradd --system later")
    assert is_served(host.call(name, "GetTemperature"))
