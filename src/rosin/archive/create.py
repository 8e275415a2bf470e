# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 37: make the entries of an archive from files."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator

from rosin.archive.extents import chunks, extents, read
from rosin.rfc import archive
from rosin.rfc.archive import Entry

#: Defaults of ``flux archive create``: pieces of large files, and the size up to which a file is not large.
CHUNKSIZE = 1 << 20
SMALL_FILE = 1 << 10


def create(
    directory: str,
    paths: list[str] | None = None,
    store: Callable[[bytes], str] | None = None,
    chunksize: int = CHUNKSIZE,
    small_file: int = SMALL_FILE,
) -> list[Entry]:
    """Return entries for *paths* below *directory* (all of it without *paths*), directories with contents.

    With *store*, which takes a blob and returns its blobref, files of more than *small_file* bytes are
    stored in chunks of *chunksize* and their holes left out; without it every file is in place.

    Symbolic links are kept as such. Raises OSError for what cannot be read and for objects that an archive
    cannot hold (sockets, devices, FIFOs: ENOTSUP), FormatError for a path that leads out of *directory*.
    """
    found: dict[str, Entry] = {}
    for path in [""] if paths is None else paths:
        for below in _walk(directory, archive.clean_path(path)):
            found[below] = _entry(os.path.join(directory, below), below, store, chunksize, small_file)
    return list(found.values())


def _walk(directory: str, path: str) -> Iterator[str]:
    """*path* and, when it is a directory, all in it, in order."""
    todo = [path]
    while todo:
        path = todo.pop()
        if path:
            yield path
        full = os.path.join(directory, path)
        if not os.path.islink(full) and os.path.isdir(full):
            todo += [os.path.join(path, name) for name in sorted(os.listdir(full), reverse=True)]


def _entry(
    full: str, path: str, store: Callable[[bytes], str] | None, chunksize: int, small_file: int
) -> Entry:
    try:
        # A FIFO must not make this wait, nor a link lead elsewhere between look and read.
        fd = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            info = os.lstat(full)
            return archive.symlink(path, os.readlink(full), **_times(info))
        if error.errno == errno.ENXIO:
            raise _unsupported(full) from None
        raise
    try:
        info = os.fstat(fd)
        permissions = stat.S_IMODE(info.st_mode)
        if stat.S_ISDIR(info.st_mode):
            return archive.directory(path, permissions, **_times(info))
        if not stat.S_ISREG(info.st_mode):
            raise _unsupported(full)
        parts = extents(fd, info.st_size)
        if not parts:
            return archive.blobvec(path, info.st_size, [], permissions, **_times(info))
        if store is None or info.st_size <= small_file:
            return archive.file(path, _read(fd, 0, info.st_size, full), permissions, **_times(info))
        regions = [
            (offset, size, store(_read(fd, offset, size, full))) for offset, size in chunks(parts, chunksize)
        ]
        return archive.blobvec(path, info.st_size, regions, permissions, **_times(info))
    finally:
        os.close(fd)


def _times(info: os.stat_result) -> dict[str, int]:
    return {"mtime": int(info.st_mtime), "ctime": int(info.st_ctime)}


def _unsupported(full: str) -> OSError:
    return OSError(errno.ENOTSUP, "unsupported file type: no file, directory or symbolic link", full)


def _read(fd: int, offset: int, size: int, full: str) -> bytes:
    data = read(fd, offset, size)
    if len(data) < size:
        raise OSError(errno.EIO, "became shorter while it was read", full)
    return data
