"""What is installed, and where below a prefix: the one list that `make install`, the packages, the tarball and the image are made of.

Who calls it: the programs beside it. It reads the checkout and build/, and writes only what `write` is told to.
"""

import dataclasses
import os
import pathlib
import platform
import re
import stat
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "build/bin"
SHARE = ROOT / "build/share"
SYSTEMD = ROOT / "contrib/systemd"
# Where the units in contrib/systemd look for the program; replaced by where it is installed.
UNITS_PROGRAM = b"/usr/bin/busgate"
SCHEMA = ("configs/gateway.schema.json", "share/busgate/gateway.schema.json")
DOCUMENTS = "share/doc/busgate"
# Pages and sections for who changes busgate are of no use to who runs it.
NOT_INSTALLED = {"ARCHITECTURE.md"}
FOR_CONTRIBUTORS = ("Where things are", "Change it")
# Packages have them in other places, each kind as it is used to: no page can lead to them.
NOTICES = (f"{DOCUMENTS}/LICENSE", f"{DOCUMENTS}/CHANGELOG.md")


class Failure(Exception):
    """A sentence for who called; nothing has been left half-made."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file or a link below the prefix."""
    path: str
    source: pathlib.Path | None = None
    mode: int = 0o644
    text: bytes | None = None
    link: str | None = None

    def content(self):
        return self.text if self.text is not None else read(self.source)

    @property
    def package(self):
        return "busgatectl" if "busgatectl" in self.path.rsplit("/", 1)[-1] else "busgate"


def read(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None


def files(directory, why):
    """The files below a directory that has to be there, in order."""
    if not directory.is_dir():
        raise Failure(f"{directory.relative_to(ROOT)} is missing: {why}")
    found = sorted(path for path in directory.rglob("*") if not path.is_dir())
    foreign = [path for path in found if not stat.S_ISREG(path.lstat().st_mode)]
    if foreign:
        raise Failure(f"{foreign[0]} is no regular file, expected only such below {directory.relative_to(ROOT)}")
    if not found:
        raise Failure(f"{directory.relative_to(ROOT)} is empty: {why}")
    return [(path.relative_to(directory).as_posix(), path) for path in found]


def program(name):
    if not (BIN / name).is_file():
        raise Failure(f"build/bin/{name} is missing: make programs makes it")
    return Entry(f"bin/{name}", BIN / name, 0o755)


def version():
    """What the program says of itself; both have to agree."""
    said = {name: run(BIN / name, "--version").split()[-1] for name in ("busgate", "busgatectl") if program(name)}
    if len(set(said.values())) > 1:
        raise Failure(f"build/bin/busgate is {said['busgate']}, build/bin/busgatectl is {said['busgatectl']}: make programs makes them alike")
    return said["busgate"]


def run(*command):
    """What a program prints."""
    try:
        return subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure(f"{command[0]}: {(getattr(error, 'stderr', None) or str(error)).strip()}") from None


def tables(busgate):
    """The tables that `busgate --list` has, in its order."""
    rows = [line.split("\t") for line in run(busgate, "--list", "flags").splitlines()]
    return next(row[1] for row in rows if row[0] == "--list").split("|")


def helped(busgate, program):
    """What the help of a personality lists below its usage, in order: `(flag, value, meaning)` or a sentence. A line that goes on is indented more."""
    rows = []
    for line in run(busgate, program, "--help").split("\n\n", 1)[1].splitlines():
        flag = re.fullmatch(r"  (--[a-z-]+)(?:=(\S+))?(?:  +(\S.*))?", line)
        if flag:
            rows.append((flag[1], flag[2], flag[3] or ""))
        elif line.startswith("      ") and rows and isinstance(rows[-1], tuple):
            rows[-1] = (*rows[-1][:2], f"{rows[-1][2]} {line.strip()}".strip())
        elif line and rows and isinstance(rows[-1], str) and rows[-1]:
            rows[-1] += f" {line.strip()}"
        else:
            rows.append(line.strip())
    return [row for row in rows if row]


def epoch():
    """The time of everything that is packaged: SOURCE_DATE_EPOCH, else the commit's. In an archive of git's every file has that."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        try:
            return int(run("git", "log", "-1", "--format=%ct"))
        except (Failure, ValueError):
            return int((ROOT / "CHANGELOG.md").stat().st_mtime)
    if not re.fullmatch(r"[0-9]+", given):
        raise Failure(f"SOURCE_DATE_EPOCH is \"{given}\", expected seconds since 1970")
    return int(given)


def machine():
    """x86_64, aarch64: as the kernel, rpm and systemd call it."""
    return platform.machine()


def pages(prefix, zsh):
    """Manual pages and completions, as make manuals leaves them. Below /usr the page of xdg-dbus-proxy steps aside, as a package of that name has it there."""
    section = "1busgate" if prefix == "/usr" else "1"
    for path, source in files(SHARE, "make manuals makes it"):
        text = read(source)
        if path.startswith("man/"):
            text = text.replace(b"@PREFIX@", prefix.replace("-", "\\-").encode()).replace(b"@PEER@", section.encode())
        if path == "man/man1/xdg-dbus-proxy.1":
            path = f"man/man1/xdg-dbus-proxy.{section}"
        yield Entry(f"share/{path}".replace("share/zsh/site-functions/", f"share/zsh/{zsh}/"), text=text)


def units(prefix):
    """What systemd reads. The program's place is put in."""
    where = UNITS_PROGRAM.replace(b"/usr", prefix.encode(), 1)
    for there, here in (("lib/systemd/system", "system"), ("lib/systemd/user", "user"), ("lib/tmpfiles.d", "tmpfiles.d")):
        for path, source in files(SYSTEMD / here, "the units are installed from it"):
            yield Entry(f"{there}/{path}", text=read(source).replace(UNITS_PROGRAM, where))
    catalog = SYSTEMD / "busgate.catalog"
    if not catalog.is_file():
        raise Failure(f"{catalog.relative_to(ROOT)} is missing: the journal's explanations are installed from it")
    yield Entry("lib/systemd/catalog/busgate.catalog", catalog)


def readable():
    """Pages, flat, and examples, which keep their folders: where each is in the checkout, and where it goes."""
    for page in ["README.md", "SECURITY.md", *sorted(f"contrib/{path.name}" for path in (ROOT / "contrib").glob("*.md"))]:
        if page.rsplit("/", 1)[-1] not in NOT_INSTALLED:
            yield page, f"{DOCUMENTS}/{page.rsplit('/', 1)[-1]}"
    for path, _ in files(ROOT / "contrib/examples", "the examples are installed from it"):
        yield f"contrib/examples/{path}", f"{DOCUMENTS}/examples/{path}"
    for path, _ in files(ROOT / "configs", "the policies are installed from it"):
        if f"configs/{path}" != SCHEMA[0]:
            yield f"configs/{path}", f"{DOCUMENTS}/examples/policies/{path}"


def linked(text, source, target, places):
    """A page with links that lead to where things are installed. What is not installed keeps its words and loses its link; a picture goes."""
    def link(found):
        picture, words, path, anchor = found.groups("")
        place = places.get(os.path.normpath(os.path.join(os.path.dirname(source), path)))
        if place is None:
            return "" if picture else words
        place = os.path.relpath(place, os.path.dirname(target))
        return f"{picture}[{place if words == path else words}]({place}{anchor})"
    return re.sub(r"(!?)\[([^\]]*)\]\(([^)#\s:]+)(#[^)\s]*)?\)", link, text)


def for_users(text):
    """The page without its sections for contributors; the licence, which stands below the last of them, stays."""
    for title in FOR_CONTRIBUTORS:
        text = re.sub(rf"^## {title}\n.*?(?=^## |^Licence: |\Z)", "", text, flags=re.M | re.S)
    return text


def documents():
    """What people read, and the examples."""
    places = dict([*readable(), SCHEMA])
    for source, target in readable():
        path = ROOT / source
        if path.suffix == ".md":
            yield Entry(target, text=linked(for_users(read(path).decode()), source, target, places).encode())
        else:
            is_run = path.stat().st_mode & stat.S_IXUSR and "/policies/" not in target
            yield Entry(target, path, 0o755 if is_run else 0o644)
    for target in NOTICES:
        yield Entry(target, ROOT / target.rsplit("/", 1)[-1])


def presets():
    """Policies that documents name; there are none yet in a checkout without their folder."""
    if (ROOT / "configs/presets").is_dir():
        for path, source in files(ROOT / "configs/presets", "the presets are installed from it"):
            yield Entry(f"share/busgate/presets/{path}", source)


def sidecar():
    """The static program with its two names, as all places of installation have it."""
    yield program("busgate")
    for name in ("dbus-proxy", "xdg-dbus-proxy"):
        yield Entry(f"libexec/busgate/{name}", link="../../bin/busgate")


def entries(prefix, zsh="site-functions"):
    """Everything that is installed below `prefix`, in order of the paths. `zsh`: what the folder of functions is called."""
    found = [*sidecar(), program("busgatectl"), *units(prefix), *presets(), *documents(), *pages(prefix, zsh),
             Entry(SCHEMA[1], ROOT / SCHEMA[0])]
    return sorted(found, key=lambda entry: entry.path)


def write(directory, entry, time=None):
    """Puts an entry below a directory of ours."""
    target = directory / entry.path
    target.parent.mkdir(parents=True, exist_ok=True)
    if entry.link is not None:
        target.symlink_to(entry.link)
    else:
        target.write_bytes(entry.content())
        target.chmod(entry.mode)
    if time is not None:
        os.utime(target, (time, time), follow_symlinks=False)


def main(program, perform):
    """Runs a program of this folder: a failure is one line, and status 1."""
    os.umask(0o022)
    try:
        return perform()
    except Failure as failure:
        print(f"{program}: {failure}", file=sys.stderr)
    except OSError as error:
        print(f"{program}: {f'{error.filename}: ' if error.filename else ''}{error.strerror}", file=sys.stderr)
    return 1
