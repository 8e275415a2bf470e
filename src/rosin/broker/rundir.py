# SPDX-License-Identifier: LGPL-3.0-or-later
"""The directories of an instance and the link by which other terminals find it."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile

from rosin.process.remove import remove_tree


def make_private(path: str) -> bool:
    """Make sure that a directory exists and is the user's own; True if it was created here (mode 0700).

    Raises OSError that names the directory and what is wrong with it.
    """
    try:
        os.mkdir(path, 0o700)
        return True
    except FileExistsError:
        pass
    except OSError as exc:
        raise OSError(exc.errno, f"cannot create {path}: {exc.strerror}") from None
    status = os.stat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise OSError(errno.ENOTDIR, f"{path} is not a directory")
    if status.st_uid != os.getuid():
        raise OSError(errno.EPERM, f"{path} belongs to another user")
    if not os.access(path, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, f"{path} is not writable")
    return False


def lock(path: str, name: str) -> int:
    """Claim a directory for this process; returns the descriptor that holds the claim until it is closed.

    The kernel drops the claim of a process that dies. Raises BlockingIOError (EAGAIN) while another instance
    has it. ``name``: the attribute that named the directory.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise OSError(
            errno.EAGAIN, f"{name} {path} is in use by another instance; stop that one or name another {name}"
        ) from None
    except OSError:
        pass  # a file system without locks: the store's own lock has to do
    return fd


def make_temporary() -> str:
    """A new directory of mode 0700, short enough for a UNIX socket path in it."""
    base = os.environ.get("TMPDIR", "/tmp")
    if len(base) > 70 or not os.path.isdir(base):
        base = "/tmp"
    return tempfile.mkdtemp(prefix="flux-", dir=base)


def remove(path: str) -> None:
    """Remove a directory tree; what cannot be removed is left, as it no longer matters."""
    remove_tree(path)
