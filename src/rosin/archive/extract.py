# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 37: extract an archive below a directory and nowhere else.

Every directory on the way to an object is opened by itself, without following symbolic links, so neither a
path nor a link that is already there, nor one that somebody makes meanwhile, leads out of the destination.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable

from rosin.rfc.archive import Entry

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def extract(
    entries: Iterable[Entry],
    directory: str,
    load: Callable[[str], bytes] | None = None,
    overwrite: bool = False,
) -> None:
    """Write *entries*, as :func:`rosin.rfc.archive.decode` returns them, below *directory*.

    *load* fetches the blob of a blobref. Directories on the way are made. Files and links that are there
    already are replaced with *overwrite*, else they are an error; directories are kept. Set-user-id and
    set-group-id bits are not restored, modification times are; directories get their permissions last.

    Raises OSError, with the path: EEXIST for what is there, ENOTDIR or ELOOP for a file or symbolic link
    where a directory is needed, EIO for a blob of another size than its region, and what *load* raises.
    """
    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    directories = []
    try:
        for entry in entries:
            try:
                if entry.is_directory:
                    os.close(_open_below(root, entry.path.split("/")))
                    directories.append(entry)
                else:
                    _write(root, entry, load, overwrite)
            except OSError as error:
                raise OSError(error.errno, error.strerror, entry.path) from None
        for entry in sorted(directories, key=lambda entry: entry.path, reverse=True):
            fd = _open_below(root, entry.path.split("/"))
            try:
                _finish(fd, entry)
            finally:
                os.close(fd)
    finally:
        os.close(root)


def _open_below(root: int, names: list[str]) -> int:
    """Open the directory *names* below *root*, making what is missing."""
    fd = os.dup(root)
    try:
        for name in names:
            try:
                below = os.open(name, _DIRECTORY, dir_fd=fd)
            except FileNotFoundError:
                with contextlib.suppress(FileExistsError):  # another process extracts to the same place
                    os.mkdir(name, dir_fd=fd)
                below = os.open(name, _DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = below
    except BaseException:
        os.close(fd)
        raise
    return fd


def _write(root: int, entry: Entry, load: Callable[[str], bytes] | None, overwrite: bool) -> None:
    *above, name = entry.path.split("/")
    parent = _open_below(root, above)
    try:
        if not overwrite:
            _make(parent, name, entry, load)
            return
        # Made beside what it replaces: several processes may extract to the same place.
        new = f".{os.urandom(8).hex()}"
        try:
            _make(parent, new, entry, load)
            os.rename(new, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(new, dir_fd=parent)
            raise
    finally:
        os.close(parent)


def _make(parent: int, name: str, entry: Entry, load: Callable[[str], bytes] | None) -> None:
    if entry.is_symlink:
        os.symlink(entry.data, name, dir_fd=parent)
        return
    fd = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
    try:
        _fill(fd, entry, load)
        _finish(fd, entry)
    finally:
        os.close(fd)


def _fill(fd: int, entry: Entry, load: Callable[[str], bytes] | None) -> None:
    regions = entry.regions()
    if regions:
        if load is None:
            raise OSError(errno.ENOTSUP, "its content is in a content store")
        for offset, size, blobref in regions:
            data = load(blobref)
            if len(data) != size:
                raise OSError(errno.EIO, f"blob {blobref} has {len(data)} bytes instead of {size}")
            _pwrite(fd, data, offset)
    else:
        _pwrite(fd, entry.content(), 0)
    if entry.size is not None:
        os.ftruncate(fd, entry.size)  # what no data reaches is a hole


def _pwrite(fd: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, offset)
        offset += written
        rest = rest[written:]


def _finish(fd: int, entry: Entry) -> None:
    os.fchmod(fd, entry.permissions & ~(stat.S_ISUID | stat.S_ISGID))
    if entry.mtime is not None:
        os.utime(fd, (entry.mtime, entry.mtime))
