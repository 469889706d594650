"""`busgate healthz` as the check of a container that has nothing but the program: podman's HealthCmd, and an exec, which is what Kubernetes' probe is."""

import json

import pytest

import roots

# Below /run of the guest's, which is the container's too. The storage lies on a file system that overlays can lie on.
GATE = "/busgate run --config /run/gate.json --session /run/gate/bus --bus session=unix:path=/run/bus --metrics /run/metrics"
START = f"""
    mount -t tmpfs tmpfs /var/lib/containers
    tar -C /srv/image -c . | podman import -q - gate
    systemd-run --quiet --unit=gate podman run --name gate --cgroups=disabled --network none --no-hosts --health-interval disable \\
      --health-retries 1 --health-cmd '["/busgate","healthz","/run/metrics"]' -v /srv/run:/run gate {GATE}
    until test -S /srv/run/metrics; do systemctl --quiet is-active gate || {{ journalctl -u gate; exit 1; }}; done"""


@pytest.fixture
def guest(systems):
    """A guest whose podman runs a container of the program alone, as a gate without a bus."""
    overlay = systems.overlay("trixie")
    overlay.put(roots.TREE / "build/bin/busgate", "/srv/image/busgate")
    overlay.write("/srv/run/gate.json", json.dumps({"dbus-gateway-config-session": []}))
    overlay.write("/var/lib/containers/.keep", "")
    guest = systems.boot(overlay)
    guest.run(START)
    yield guest
    guest.close()


def test_podman_and_an_exec_hear_that_a_gate_is_well_ill_and_well_again(guest):
    def healthy():
        """What podman's check comes to, what it has kept of it, and what the same says to whoever runs it in the container."""
        check = guest.run("podman healthcheck run gate", check=False)
        kept = json.loads(guest.run("podman inspect --format '{{json .State.Health}}' gate").output)
        probe = guest.run("podman exec gate /busgate healthz /run/metrics --gate session", check=False)
        assert kept["Log"][-1]["Output"].startswith("session: ") and probe.output.startswith("session: ")
        assert check.status == probe.status == kept["Log"][-1]["ExitCode"] and kept["Status"] == ("unhealthy" if check.status else "healthy")
        return check.status == 0, probe.output

    assert healthy() == (True, "session: ok\n")
    # A client, for which the gate has to ask its bus.
    assert guest.run("gdbus call --address unix:path=/srv/run/gate/bus --dest a.b --object-path / --method a.b.C", check=False).status != 0
    is_healthy, said = healthy()
    assert not is_healthy and "bus unreachable: cannot connect to the bus at unix:path=/run/bus: No such file or directory" in said
    guest.run("dbus-daemon --session --fork --nopidfile --address=unix:path=/srv/run/bus && until podman healthcheck run gate; do :; done")
    is_healthy, said = healthy()
    assert is_healthy and said.startswith("session: ok")
