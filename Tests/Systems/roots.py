"""Root file systems of Debian, and its packages unpacked, for the tests of whole systems. All of it lies below build/systems and stays there;
nothing is installed on the machine.

What comes from the network comes from the archive that apt knows, and is checked with Debian's keys: by apt, or by debootstrap with a keyring
that it may not do without. A root is named after a digest of what it is made of, so another list of packages makes another one. Where
something is neither there nor to be had, `Unavailable` says so, and the tests fail.

  root("bookworm")            the directory of a root; not to be written to
  unpacked("lintian", …)      a directory with these packages of the machine's own release unpacked, without what they depend on
  Overlay(directory, "tools") a fresh root over that: `write`, `put`, `run`; `guests.Guest` boots one

BUSGATE_SYSTEMS names another directory than build/systems, which several working trees may share.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
SYSTEMS = pathlib.Path(os.environ.get("BUSGATE_SYSTEMS", TREE / "build/systems"))
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Debian's own programs, whatever else the machine has; debootstrap wants those of sbin.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive",
               **{name: value for name, value in os.environ.items() if name.endswith("_proxy")}}
COMMON = ["systemd", "systemd-sysv", "libpam-systemd", "dbus", "dbus-user-session", "libglib2.0-bin", "procps", "bubblewrap", "uidmap"]
# A mount namespace of a command's own takes with it what the command mounts.
PRIVATELY = ["unshare", "--mount", "--propagation", "private"]
# What each root is made of. None has a compiler, or Swift.
ROOTS = {
    # systemd 252, without nss-systemd: dynamic users have no names there.
    "bookworm": ("bookworm", COMMON),
    # systemd 257, podman 5 with quadlet.
    "trixie": ("trixie", COMMON + ["libnss-systemd", "podman", "crun", "conmon", "netavark", "systemd-container", "xdg-dbus-proxy", "dbus-broker"]),
    # Not to be booted: programs that look at packages and policies, in a root as they have more dependencies than files.
    "tools": ("bookworm", ["lintian", "rpm", "apparmor", "checkpolicy", "semodule-utils", "man-db"]),
}


class Unavailable(Exception):
    """Something that the tests need is neither below build/systems nor to be had."""


def remembered(function):
    """What it returned, or raised, the first time: who asks again without network need not wait again."""
    @functools.cache
    def outcome(*arguments):
        try:
            return function(*arguments), None
        except Unavailable as error:
            return None, error

    @functools.wraps(function)
    def ask(*arguments):
        result, error = outcome(*arguments)
        if error:
            raise error
        return result

    return ask


@contextlib.contextmanager
def alone():
    """Two runs don't make the same thing at once."""
    SYSTEMS.mkdir(parents=True, exist_ok=True)
    with open(SYSTEMS / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made_once(kind, name, key, make):
    """build/systems/KIND/NAME-DIGEST: what `make(directory)` filled, now or earlier. What has another digest, and was not asked for since
    yesterday, is out of date and removed; until then it may be in use."""
    digest = hashlib.sha256(repr(key).encode()).hexdigest()[:12]
    directory = SYSTEMS / kind / f"{name}-{digest}"
    with alone():
        if directory.exists():
            os.utime(directory)
            return directory
        for old in directory.parent.glob(f"{name}-{'?' * 12}*"):
            if old.stat().st_mtime < time.time() - 86400:
                shutil.rmtree(old)
        unfinished = directory.with_name(directory.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
        unfinished.mkdir(parents=True)
        try:
            make(unfinished)
        except BaseException:
            shutil.rmtree(unfinished)
            raise
        unfinished.rename(directory)
    return directory


def obtain(what, command, log, **options):
    """Runs what fetches something; if it can't, says what is missing and the last thing that it said."""
    with open(log, "a") as output:
        try:
            status = subprocess.run(command, env={**ENVIRONMENT, **options.pop("env", {})}, stdin=subprocess.DEVNULL, stdout=output,
                                    stderr=subprocess.STDOUT, **options).returncode
        except FileNotFoundError as error:
            raise Unavailable(f"{what} can't be had: there is no {error.filename} here") from error
    if status:
        said = [line for line in pathlib.Path(log).read_text(errors="replace").splitlines() if line.strip()]
        raise Unavailable(f"{what} can't be had, and is not in {SYSTEMS} yet (no network?): {command[0]} said: {' / '.join(said[-2:])}")


@remembered
def update():
    """What apt knows of its archives, anew."""
    SYSTEMS.mkdir(parents=True, exist_ok=True)
    obtain("the list of Debian's packages", ["apt-get", "update", "-q", "-o", "APT::Update::Error-Mode=any"], SYSTEMS / "apt.log")


@remembered
def unpacked(*packages):
    def download(directory):
        obtain(f"the package {' '.join(packages)}", ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *packages],
               SYSTEMS / "apt.log", cwd=directory)

    def make(directory):
        try:
            download(directory)
        except Unavailable:
            # There are no lists yet, or they name packages that the archive has newer ones of.
            with contextlib.suppress(Unavailable):
                update()
            download(directory)
        for package in directory.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, directory], check=True)
            package.unlink()

    return made_once("packages", "+".join(packages), packages, make)


@remembered
def archive():
    """Debian's archive, as apt knows it; other vendors' lists may stand beside it."""
    def known():
        targets = subprocess.run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"], capture_output=True,
                                 text=True, env=ENVIRONMENT).stdout
        return [line.split()[1] for line in targets.splitlines() if line.startswith("Debian ") and "security" not in line]

    if not known():
        update()
    if not known():
        raise Unavailable("apt knows no archive of Debian here")
    return known()[0]


def debootstrap(directory, suite, mirror, log):
    """The base of a root. Not with --include: debootstrap configures packages in an order that some of them can't bear."""
    program = unpacked("debootstrap")
    obtain(f"Debian's {suite}", [*PRIVATELY, program / "usr/sbin/debootstrap", "--variant=minbase", f"--keyring={KEYRING}", "--force-check-gpg",
                                 suite, directory, mirror], log, env={"DEBOOTSTRAP_DIR": str(program / "usr/share/debootstrap")})


def install(directory, packages, log):
    """By the root's own apt; no service is started."""
    policy = directory / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    script = 'mount -t proc proc "$1/proc"; root=$1; shift; exec chroot "$root" apt-get "$@"'
    obtain(f"{', '.join(packages)}", [*PRIVATELY, "sh", "-euc", script, "sh", directory, "install", "-qq", "-y", "--no-install-recommends", "-o",
                                      "Dpkg::Options::=--force-unsafe-io", *packages], log)
    policy.unlink()
    for package in (directory / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()


@remembered
def root(name):
    suite, packages = ROOTS[name]

    def make(directory):
        log = SYSTEMS / f"{name}.log"
        debootstrap(directory, suite, archive(), log)
        install(directory, packages, log)

    unpacked("debootstrap")  # before the lock is taken again for the root
    return made_once("roots", name, (suite, packages), make)


class Overlay:
    """A root of its own over one that is shared: what is written stays in `directory`, for as long as that is there."""

    def __init__(self, directory, name):
        self.directory, self.lower = pathlib.Path(directory), root(name)
        self.share = self.directory / "share"
        for part in ("upper", "work", "merged", "share"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)

    def path(self, inside):
        """Where a file is to be put before the root is used, its directory made as it is in the root below."""
        inside = inside.lstrip("/")
        for parent in reversed(pathlib.PurePath(inside).parents):
            below, ours = self.lower / parent, self.directory / "upper" / parent
            if below.is_symlink():
                raise ValueError(f"/{parent} is a link in {self.lower}: name the directory that it leads to")
            if not ours.exists():
                ours.mkdir()
                if below.exists():
                    shutil.copystat(below, ours)
        return self.directory / "upper" / inside

    def write(self, inside, text, mode=0o644):
        path = self.path(inside)
        path.write_text(text)
        path.chmod(mode)

    def link(self, target, inside):
        self.path(inside).symlink_to(target)

    def put(self, source, inside):
        """A copy of a file or a directory."""
        if pathlib.Path(source).is_dir():
            shutil.copytree(source, self.path(inside), symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(source, self.path(inside))

    def command(self, *arguments):
        """A command for the machine: systemd-nspawn in this root, which sees `share` as /share, in namespaces that end with it."""
        container = unpacked("systemd-container", "libsystemd-shared")
        [libraries] = container.glob("usr/lib/*/systemd")
        return [HERE / "with-overlay", self.directory, self.lower, f"LD_LIBRARY_PATH={libraries}", container / "usr/bin/systemd-nspawn",
                "--quiet", "--directory", self.directory / "merged", "--register=no", "--keep-unit", "--private-network", "--capability=all",
                "--system-call-filter=@keyring bpf", "--resolv-conf=off", "--timezone=off", f"--bind={self.share}:/share", *arguments]

    def run(self, *command, check=True):
        """Runs a program in the root, without network; daemons that it leaves behind end with it."""
        done = subprocess.run(self.command("--pipe", "--as-pid2", "--", *command), env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert not check or done.returncode == 0, f"{' '.join(map(str, command))}: status {done.returncode}:\n{done.stdout}"
        return done
