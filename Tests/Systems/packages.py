"""What `make deb`, `make rpm`, `make tarball` and `make image` make, made once for all tests, and read file by file."""

import dataclasses
import functools
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import tarfile
import tempfile

import roots

BUILD = roots.TREE / "build"
NAMES = ("busgate", "busgatectl")


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@functools.cache
def made(target):
    """The files that a program of contrib/packaging makes, as paths."""
    said = run(roots.TREE / "contrib/packaging" / target)
    return [roots.TREE / line.split(":")[0] for line in said.splitlines()]


def package(target, name):
    """One of the packages of `target`."""
    [path] = [path for path in made(target) if path.name.split("_")[0].split("-")[0] == name]
    return path


def digests(paths):
    """What the files, or the files of a directory, have in them."""
    found = {}
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found[file.relative_to(BUILD).as_posix()] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


@dataclasses.dataclass(frozen=True)
class File:
    """A file of a package, with what can be told of it without unpacking it on the machine."""
    mode: int
    owner: str
    kind: bytes
    content: bytes | str | None


def files(archive):
    """The files, links and directories of a tar archive, by their paths."""
    found = {}
    with tarfile.open(fileobj=archive) if not isinstance(archive, pathlib.Path) else tarfile.open(archive) as tar:
        for member in tar:
            content = member.linkname if member.issym() else tar.extractfile(member).read() if member.isreg() else None
            found[member.name.removeprefix("./")] = File(member.mode, f"{member.uid}:{member.gid}", member.type, content)
    return found


def deb(name):
    """The files of a .deb."""
    with tempfile.TemporaryFile() as archive:
        subprocess.run(["dpkg-deb", "--fsys-tarfile", package("deb", name)], stdout=archive, check=True)
        archive.seek(0)
        return files(archive)


def tree(directory):
    """The files, links and directories below a directory."""
    found = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        kind = tarfile.SYMTYPE if path.is_symlink() else tarfile.DIRTYPE if path.is_dir() else tarfile.REGTYPE
        found[path.relative_to(directory).as_posix()] = File(stat.S_IMODE(status.st_mode), f"{status.st_uid}:{status.st_gid}", kind, content)
    return found


def text(file):
    return gzip.decompress(file.content) if file.content[:2] == b"\x1f\x8b" else file.content


class Image:
    """build/image, read as the specification of OCI's image layout says."""

    def __init__(self, directory):
        self.directory = directory
        self.index = json.loads((directory / "index.json").read_text())
        [self.entry] = self.index["manifests"]
        self.manifest = json.loads(self.blob(self.entry))
        self.config = json.loads(self.blob(self.manifest["config"]))
        [self.descriptor] = self.manifest["layers"]
        self.layer = gzip.decompress(self.blob(self.descriptor))

    def blob(self, descriptor):
        """What a descriptor names, which has the digest and the size that it says."""
        algorithm, digest = descriptor["digest"].split(":")
        data = (self.directory / "blobs" / algorithm / digest).read_bytes()
        assert hashlib.new(algorithm, data).hexdigest() == digest and len(data) == descriptor["size"]
        return data

    def size(self):
        return sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file())


def put(overlay, *paths):
    """Copies for a root, which sees them below /share."""
    for path in paths:
        shutil.copytree(path, overlay.share / path.name) if path.is_dir() else shutil.copy(path, overlay.share)
