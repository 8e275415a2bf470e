# SPDX-License-Identifier: LGPL-3.0-or-later
"""Directories that are nobody else's, also where all may write (``/tmp``), and sockets with long paths.

In a shared directory another user may be there first, with a directory or a symbolic link of the name that
we want. So a directory is opened without following links, and looked at through its descriptor.
"""

from __future__ import annotations

import errno
import os
import stat

#: Bytes that a socket's path may have (``sun_path`` without its NUL).
SOCKET_PATH_MAX = 107


def open_private(path: str, create: bool = True) -> int:
    """A descriptor of a directory that belongs to this user and into which nobody else can write.

    It is made with mode 0700 if it is missing. Raises OSError with one line: EPERM for somebody else's
    directory or one that others may write to, ELOOP for a symbolic link, ENOTDIR, ENOENT.
    """
    if create:
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as exc:
        if os.path.islink(path):
            raise OSError(errno.ELOOP, f"{path} is a symbolic link") from None
        raise OSError(exc.errno, f"{path}: {exc.strerror}") from None
    status = os.fstat(fd)
    fault = None
    if status.st_uid != os.getuid():
        fault = "belongs to another user"
    elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        fault = "can be written by others"
    if fault is None:
        return fd
    os.close(fd)
    raise OSError(errno.EPERM, f"{path} {fault}")


def is_private(path: str) -> bool:
    """Whether there is such a directory."""
    try:
        os.close(open_private(path, create=False))
    except OSError:
        return False
    return True


def check_link(path: str) -> None:
    """Refuse a symbolic link that another user has laid; the user's own and root's may be followed.

    Raises OSError EPERM.
    """
    try:
        status = os.lstat(path)
    except OSError:
        return
    if stat.S_ISLNK(status.st_mode) and status.st_uid not in (0, os.getuid()):
        raise OSError(errno.EPERM, f"{path} is a symbolic link of another user")


class socket_path:
    """Within this context: a path for ``bind`` or ``connect`` that is short enough for the socket at *path*.

    A longer one is reached through a descriptor of its directory, where the system allows that (Linux).
    Raises OSError: ENAMETOOLONG, or that the directory cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1

    def __enter__(self) -> str:
        if len(os.fsencode(self._path)) <= SOCKET_PATH_MAX:
            return self._path
        directory, name = os.path.split(self._path)
        if not os.path.isdir("/proc/self/fd") or len(os.fsencode(name)) > SOCKET_PATH_MAX - 24:
            raise OSError(errno.ENAMETOOLONG, f"{self._path} is too long for the path of a UNIX socket")
        self._fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._fd}/{name}"

    def __exit__(self, *_exc: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
