# SPDX-License-Identifier: LGPL-3.0-or-later
"""Files below a directory, and nowhere else: no ``..``, no symbolic link is followed, only files are opened.

Each step of a path is opened in the directory before it (openat(2) with O_NOFOLLOW), so that nothing can be
put in its place between the look and the use.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Names in a path, bytes of a name, and names in a listing.
MOST_STEPS = 64
MOST_NAME = 255
MOST_NAMES = 10_000

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_STEP = _DIRECTORY | os.O_NOFOLLOW
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


def steps(path: str) -> list[str]:
    """The names in a relative path. Raises ValueError."""
    names = [name for name in path.split("/") if name != "."]
    if names and names[-1] == "":
        names.pop()
    if len(names) > MOST_STEPS:
        raise ValueError(f"a path has at most {MOST_STEPS} names")
    for name in names:
        if name in ("", "..") or "\0" in name:
            raise ValueError("a path is relative, and has no '..' and no empty name")
        if len(name.encode("utf-8", "surrogatepass")) > MOST_NAME:
            raise ValueError(f"a name has at most {MOST_NAME} bytes")
    return names


@contextmanager
def _parent(root: str, names: list[str]) -> Iterator[int]:
    """The directory that holds the last name. Raises OSError."""
    fd = os.open(root, _DIRECTORY)
    try:
        for name in names[:-1]:
            inner = os.open(name, _STEP, dir_fd=fd)
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


def listing(root: str, path: str) -> tuple[list[dict[str, Any]], bool]:
    """What a directory holds, by name, and whether that is all. Raises ValueError and OSError."""
    names = steps(path)
    with _parent(root, names) as fd:
        target = os.open(names[-1], _STEP, dir_fd=fd) if names else os.dup(fd)
    try:
        with os.scandir(target) as entries:
            found: list[dict[str, Any]] = []
            for entry in entries:
                if len(found) == MOST_NAMES:
                    return sorted(found, key=_name), False
                found.append(_about(entry))
        return sorted(found, key=_name), True
    finally:
        os.close(target)


def _name(about: dict[str, Any]) -> str:
    return str(about["name"])


def _about(entry: os.DirEntry[str]) -> dict[str, Any]:
    name = entry.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return {"name": name, "type": "other", "size": 0, "mtime": 0.0, "mode": 0}
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "other")
    mode = stat.S_IMODE(status.st_mode)
    return {"name": name, "type": kind, "size": status.st_size, "mtime": status.st_mtime, "mode": mode}


def open_file(root: str, path: str) -> int:
    """A descriptor of a file, to be read. Raises ValueError and OSError."""
    return _opened(root, path, os.O_RDONLY)


def _opened(root: str, path: str, flags: int, mode: int = 0o600) -> int:
    names = steps(path)
    if not names:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    # O_NONBLOCK: a FIFO would keep us until somebody else opens it.
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    with _parent(root, names) as parent:
        fd = os.open(names[-1], flags, mode, dir_fd=parent)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        kind = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL
        raise OSError(kind, "it is a directory" if kind == errno.EISDIR else "it is no file")
    return fd


def write(root: str, path: str, data: bytes, offset: int | None) -> int:
    """Write a new file, or with *offset* a part of one; returns its size. Raises ValueError and OSError.

    A part begins within the file or at its end, so that no file has holes.
    """
    flags = os.O_WRONLY | (os.O_CREAT if not offset else 0)
    fd = _opened(root, path, flags)
    try:
        size = os.fstat(fd).st_size
        if offset is None:
            os.ftruncate(fd, 0)
        elif offset > size:
            raise OSError(errno.EINVAL, f"the file has {size} bytes: a part cannot begin at {offset}")
        at = offset or 0
        while data:
            done = os.pwrite(fd, data, at)
            at, data = at + done, data[done:]
        return os.fstat(fd).st_size
    finally:
        os.close(fd)
