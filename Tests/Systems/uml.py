"""A Linux kernel of its own for what this machine's kernel may not have: Debian's user-mode Linux 6.1, an ordinary process that boots in two seconds.

Its root file system is the machine's, which it can only read; `directory` it may write. It has no network and no service manager.
"""

import subprocess

from roots import ENVIRONMENT, unpacked

INIT = """#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TMPDIR=/run
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t hostfs none -o {directory} {directory}
ln -sf /proc/self/fd /dev/fd
cd {directory}
bash ./script <&- >output 2>&1
echo $? >status
dmesg >kernel-log
sync
echo o >/proc/sysrq-trigger
# Until it is off: an init that ends is a panic.
exec sleep infinity
"""


class Booted:
    """What a script said in a guest that is gone again: `status`, `output`, and what its kernel said."""

    def __init__(self, directory, script, *parameters, patience=120):
        """Runs a bash script as root, in `directory`; `parameters` are the kernel's."""
        (directory / "script").write_text(script)
        init = directory / "init"
        init.write_text(INIT.format(directory=directory))
        init.chmod(0o755)
        kernel = unpacked("user-mode-linux") / "usr/bin/linux.uml"
        # Its memory is a file there, which has to be one of memory.
        console = subprocess.run([kernel, "mem=512M", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}", "con=null", "con0=fd:0,fd:1", "quiet",
                                  *parameters], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 env={**ENVIRONMENT, "TMPDIR": "/dev/shm"}, timeout=patience).stdout
        assert (directory / "status").exists(), f"the guest did not come to its end:\n{console}"
        self.status = int((directory / "status").read_text())
        self.output = (directory / "output").read_text()
        self.kernel_log = (directory / "kernel-log").read_text(errors="replace")
