"""Entries of the tree as a tar archive: everything root's, everything of one time. `tarball` and `image` call it."""

import io
import tarfile


def member(path, time, mode, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(path)
    info.mtime, info.mode, info.type = time, mode, kind
    info.uname = info.gname = "root"
    return info


def add(archive, top, time, entries):
    """The entries, each behind its directories."""
    made = set()
    for entry in entries:
        path = f"{top}/{entry.path}"
        parts = path.split("/")
        for directory in ("/".join(parts[:count]) for count in range(1, len(parts))):
            if directory and directory not in made:
                made.add(directory)
                archive.addfile(member(directory, time, 0o755, tarfile.DIRTYPE))
        if entry.link is not None:
            info = member(path, time, 0o777, tarfile.SYMTYPE)
            info.linkname = entry.link
            archive.addfile(info)
        else:
            content = entry.content()
            info = member(path, time, entry.mode)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
