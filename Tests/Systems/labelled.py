"""What test_selinux.py runs where a kernel has the policy in force: a gate of type busgate_t, with what is around it labelled as on a real system.

`labelled.py DIRECTORY` returns when it has been used. The kernel only says what it would refuse, as the machine's own files have no labels.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "EndToEnd"))

from harness import BUSGATE, EVERYTHING, PATIENCE, Daemon  # noqa: E402
from service import NotifySocket  # noqa: E402

RUN = Path("/run")


def context(name, kind):
    return f"system_u:{'object_r' if kind == 'file' else 'system_r'}:{name}:s0"


def label(path, name):
    os.setxattr(path, "security.selinux", context(name, "file").encode() + b"\0")


def attribute(name, value):
    """What the next program (`exec`), or the next socket (`sockcreate`), of this thread is to be."""
    Path(f"/proc/thread-self/attr/{name}").write_text(value)


def becoming(name):
    """For Popen: the program is of this type, whatever it would be otherwise."""
    return lambda: attribute("exec", context(name, "process"))


def listener(path, process, file):
    """A datagram socket as a process of this type would have made it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    attribute("sockcreate", context(process, "process"))
    made = NotifySocket(path)
    attribute("sockcreate", "\n")
    label(path, file)
    return made


def lay_out():
    for path, name in ((RUN, "var_run_t"), (Path("/dev"), "device_t"), (Path("/dev/null"), "null_device_t")):
        label(path, name)
    for file in ("passwd", "group", "localtime"):
        if Path(f"/etc/{file}").exists():
            copy = shutil.copy(f"/etc/{file}", RUN / file)
            label(copy, "locale_t" if file == "localtime" else "etc_t")
            subprocess.run(["mount", "--bind", copy, os.path.realpath(f"/etc/{file}")], check=True)
    (RUN / "etc").mkdir()
    (RUN / "etc/radio.json").write_text(json.dumps({"dbus-gateway-config-system": EVERYTHING}))
    program = shutil.copy(BUSGATE, RUN / "program")
    (RUN / "busgate").mkdir()
    for path, name in ((RUN / "etc", "etc_t"), (RUN / "etc/radio.json", "etc_t"), (program, "busgate_exec_t"),
                       (RUN / "busgate", "busgate_var_run_t")):
        label(path, name)
    return program


def start_bus():
    directory = RUN / "dbus"
    directory.mkdir()
    label(directory, "system_dbusd_runtime_t")
    attribute("exec", context("system_dbusd_t", "process"))
    bus = Daemon(directory, name="system_bus_socket")
    attribute("exec", "\n")
    label(bus.path, "system_dbusd_runtime_t")
    return bus


def main():
    program = lay_out()
    journal = listener(RUN / "systemd/journal/socket", "syslogd_t", "devlog_t")
    notify = listener(RUN / "systemd/notify", "init_t", "init_runtime_t")
    label(RUN / "systemd", "init_runtime_t")
    label(RUN / "systemd/journal", "syslogd_runtime_t")
    bus = start_bus()
    sockets = RUN / "busgate/radio"
    # As init_t, from which the program's own label makes busgate_t of it.
    gate = subprocess.Popen(
        ["/bin/sh", "-c", 'exec "$@"', "sh", program, "run", "--config-base", "/run/etc/radio", "--instance", "radio", "--as-root",
         "--system", f"{sockets}/bus/system", "--bus", f"system={bus.address}", "--control", f"{sockets}/control",
         "--metrics", f"{sockets}/metrics", "--log-format", "journal", "--log", "all", "--allow-uid", "root"],
        preexec_fn=becoming("init_t"), env={**os.environ, "NOTIFY_SOCKET": str(RUN / "systemd/notify")},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert notify.receive()["READY"] == "1"
    print(json.dumps({"gate": Path(f"/proc/{gate.pid}/attr/current").read_text().strip("\0\n"),
                      **{str(path): os.getxattr(path, "security.selinux").decode().strip("\0") for path in (
                          sockets / "control", sockets / "bus", sockets / "bus/system")}}))
    for client in ("container_t", "qm_container_ipc_t", "qm_container_t"):
        subprocess.run(["dbus-send", f"--bus=unix:path={sockets}/bus/system", "--print-reply", "--dest=org.freedesktop.DBus", "/",
                        "org.freedesktop.DBus.GetId"], preexec_fn=becoming(client), check=True, capture_output=True, timeout=PATIENCE)
    # As ExecReload= has it.
    subprocess.run([program, "reload", sockets / "control"], preexec_fn=becoming("busgate_t"), check=True, timeout=PATIENCE,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not journal.is_quiet():
        journal.receive()
    gate.terminate()
    assert gate.wait(PATIENCE) == 0
    bus.kill()


if __name__ == "__main__":
    main()
