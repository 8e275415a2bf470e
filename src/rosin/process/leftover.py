# SPDX-License-Identifier: LGPL-3.0-or-later
"""Directories that go with an instance or a program, when that is killed: the next start removes them.

Who makes one claims it first (flock(2) on the directory) and then marks it. The kernel drops the
claims of processes that die. So what is marked and not claimed is nobody's any more, on the machine on which
it was made, where claims are seen. What others have put there, or had in their hands, is not touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from rosin.process.directory import open_private
from rosin.process.platform import boot
from rosin.process.remove import clear_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MARK = ".rosin"
#: How the names of made directories begin.
PREFIX = "flux-"
#: Entries of a directory that are looked at.
_MAX_ENTRIES = 10_000


class LeftDirectory(NamedTuple):
    """A directory, and the descriptor that holds its claim."""

    path: str
    fd: int


def mark(path: str) -> None:
    """Mark a claimed directory as one that goes. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(f"{path}/{_MARK}", flags, 0o600)
    try:
        os.write(fd, boot().encode())
    finally:
        os.close(fd)


@contextlib.contextmanager
def temporary(kind: str) -> Iterator[str]:
    """Within this context: a new directory of the user's own in TMPDIR. Raises OSError."""
    import tempfile

    path = tempfile.mkdtemp(prefix=f"{PREFIX}{kind}-")
    fd = open_private(path, create=False)
    try:
        if _is_free(fd):
            mark(path)
        yield path
    finally:
        remove([LeftDirectory(path, fd)])


def unmark(path: str) -> None:
    """It stays from now on."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{path}/{_MARK}")


def is_last(path: str, claim: int) -> bool:
    """Whether a marked directory is claimed by *claim* alone, which is then nobody else's any more."""
    return os.path.lexists(f"{path}/{_MARK}") and _is_free(claim)


def find(bases: Iterable[str]) -> list[LeftDirectory]:
    """What killed instances have left in these directories, claimed."""
    found = []
    for path in (f"{base}/{name}" for base in bases for name in _names(base)):
        try:
            fd = open_private(path, create=False)
        except OSError:
            continue  # another user's, a link, gone
        # Looked at before: who is about to claim it must not find it claimed. And after: he may have.
        if _is_marked(fd) and _is_free(fd) and _is_marked(fd):
            found.append(LeftDirectory(path, fd))
        else:
            os.close(fd)
    return found


def remove(found: Iterable[LeftDirectory]) -> None:
    """Remove what was found; what cannot be removed stays."""
    for path, fd in found:
        try:
            clear_tree(fd)
            with contextlib.suppress(OSError):  # something is mounted there, or it has gone
                os.rmdir(path)
        finally:
            os.close(fd)


def _names(base: str) -> list[str]:
    try:
        with os.scandir(base) as entries:
            return [entry.name for entry in islice(entries, _MAX_ENTRIES) if entry.name.startswith(PREFIX)]
    except OSError:
        return []  # where nothing can be made, nothing was left


def _is_marked(directory: int) -> bool:
    """Whether the mark is there, the user's own, and from this start of the machine."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(_MARK, flags, dir_fd=directory)
    except OSError:
        return False
    try:
        status = os.fstat(fd)
        own = stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid()
        return own and os.read(fd, 256) == boot().encode()
    finally:
        os.close(fd)


def _is_free(claim: int) -> bool:
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False  # somebody has it, or a file system without locks: then nobody knows
    return True
