# SPDX-License-Identifier: LGPL-3.0-or-later
"""The directory that the brokers of a launcher share, and that of the first one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from typing import NamedTuple

from rosin.broker import rundir
from rosin.process import leftover


class SharedDirectory(NamedTuple):
    """A directory, and the descriptor that holds the launcher's claim; its brokers claim it, too."""

    path: str
    claim: int


@contextlib.contextmanager
def shared(path: str | None, cleanup: bool) -> Iterator[SharedDirectory]:
    """Within this context: a directory for the sockets. Raises OSError with one line.

    One that is named must exist, and stays unless it is to be cleaned up; a new one goes. Nobody else has it
    meanwhile.
    """
    if path is not None and not os.path.isdir(path):
        number = errno.ENOTDIR if os.path.exists(path) else errno.ENOENT
        raise OSError(number, f"--test-rundir: {path}: {os.strerror(number)}: name a directory that exists")
    directory, made = rundir.prepare("rundir", path)
    with _claimed("rundir", directory, goes=made or cleanup) as claimed:
        yield claimed


@contextlib.contextmanager
def temporary_statedir() -> Iterator[SharedDirectory]:
    """Within this context: a new directory for the state of the first broker, which may be killed.

    Raises OSError with one line.
    """
    with _claimed("statedir", rundir.prepare("statedir", None).path, goes=True) as claimed:
        yield claimed


@contextlib.contextmanager
def _claimed(name: str, path: str, *, goes: bool) -> Iterator[SharedDirectory]:
    claim = rundir.lock(path, name)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(claim, fcntl.LOCK_SH)
        if goes:
            leftover.mark(path)
        yield SharedDirectory(path, claim)
    finally:
        if goes:
            rundir.remove(path)
        os.close(claim)
