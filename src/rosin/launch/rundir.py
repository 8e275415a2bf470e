# SPDX-License-Identifier: LGPL-3.0-or-later
"""The directory that the brokers of a launcher share, and that of the first one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator

from rosin.broker import rundir


@contextlib.contextmanager
def shared(path: str | None, size: int, cleanup: bool) -> Iterator[str]:
    """Within this context: the directory's path. Raises OSError with one line.

    One that is named must exist, and stays unless it is to be cleaned up; a new one goes. Nobody else has it
    meanwhile: the claim becomes one that the brokers share, if there are several.
    """
    if path is not None and not os.path.isdir(path):
        number = errno.ENOTDIR if os.path.exists(path) else errno.ENOENT
        raise OSError(number, f"--test-rundir: {path}: {os.strerror(number)}: name a directory that exists")
    directory, made = rundir.prepare("rundir", path)
    claim = rundir.lock(directory, "rundir")
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(claim, fcntl.LOCK_SH if size > 1 else fcntl.LOCK_UN)
        yield directory
    finally:
        if made or cleanup:
            rundir.remove(directory)
        os.close(claim)


@contextlib.contextmanager
def temporary_statedir() -> Iterator[str]:
    """Within this context: a new directory for the state of the first broker, which may be killed.

    Raises OSError with one line.
    """
    directory, _ = rundir.prepare("statedir", None)
    try:
        yield directory
    finally:
        rundir.remove(directory)
