# SPDX-License-Identifier: LGPL-3.0-or-later
"""The directories of an instance, ``rundir`` and ``statedir``: made, checked, claimed and removed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from typing import NamedTuple

from rosin.broker.program import installed
from rosin.process.directory import SOCKET_PATH_MAX, check_link
from rosin.process.leftover import PREFIX
from rosin.process.remove import remove_tree

#: Where a directory is made that is not named, unless TMPDIR says otherwise.
_BASE = {"rundir": "/tmp", "statedir": "/var/tmp"}
#: What the socket adds to the path of its directory.
_SOCKET_NAME = "/local-0"


def bases() -> list[str]:
    """Where directories are made that are not named."""
    base = os.environ.get("TMPDIR")
    return [os.path.abspath(base)] if base else list(_BASE.values())


class OwnedDirectory(NamedTuple):
    """A directory of the broker; ``made``: by this broker."""

    path: str
    made: bool


def prepare(name: str, path: str | None) -> OwnedDirectory:
    """The directory of an attribute: the one named, which is made if it is missing, else a new one.

    In a directory for all, as ``/tmp`` is (sticky bit), a new one is made. Raises OSError that names the
    attribute, the directory and what is wrong with it.
    """
    if path is None:
        return OwnedDirectory(_make_temporary(name), True)
    path = os.path.abspath(path)
    try:
        check_link(path)
        status = os.stat(path)
    except FileNotFoundError:
        return OwnedDirectory(_make(name, path), True)
    except OSError as exc:
        text = exc.strerror if str(exc.strerror).startswith(path) else f"{path}: {exc.strerror}"
        raise OSError(exc.errno, f"{name} {text}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise OSError(errno.ENOTDIR, f"{name} {path} is not a directory")
    if status.st_mode & stat.S_ISVTX:
        return OwnedDirectory(_make_in(name, path), True)
    if status.st_uid != os.getuid():
        raise OSError(errno.EPERM, f"{name} {path} belongs to another user")
    if status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        raise OSError(errno.EACCES, f"{name} {path} is not writable by its owner: chmod u+rwx {path}")
    if status.st_mode & stat.S_IWOTH:
        raise OSError(errno.EPERM, f"{name} {path} can be written by everybody: chmod o-w {path}")
    return OwnedDirectory(path, False)


def _make(name: str, path: str) -> str:
    try:
        os.mkdir(path, 0o700)
    except OSError as exc:
        raise OSError(exc.errno, f"{name}: cannot create {path}: {exc.strerror}") from None
    return path


def _make_in(name: str, base: str, hint: str = "") -> str:
    """What tempfile.mkdtemp does, whose import takes longer than all else that the directories cost."""
    try:
        while True:
            path = f"{base}/{PREFIX}{os.urandom(4).hex()}"
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o700)
                return path
    except OSError as exc:
        text = f"{name}: cannot create a directory in {base}: {exc.strerror}{hint}"
        raise OSError(exc.errno, text) from None


def _make_temporary(name: str) -> str:
    base = os.environ.get("TMPDIR")
    if not base:
        return _make_in(name, _BASE[name])
    made = _make_in(name, os.path.abspath(base), f"; TMPDIR={base} must be a directory that you can write to")
    if name == "rundir" and _is_too_long(made):
        # Rosin reaches sockets with longer paths, other programs do not.
        os.rmdir(made)
        return _make_in(name, _BASE[name])
    return made


def _is_too_long(path: str) -> bool:
    return len(os.fsencode(path + _SOCKET_NAME)) > SOCKET_PATH_MAX


def notice(path: str, *, named: bool) -> str | None:
    """What to say of a rundir: that it is not in TMPDIR, or that its socket is out of reach for some."""
    if named or not _is_too_long(os.path.join(os.environ.get("TMPDIR", ""), os.path.basename(path))):
        if _is_too_long(path):
            return (
                f"rundir {path} is too long for the socket's path: other programs than Rosin do not reach it"
            )
        return None
    return f"rundir is {path}: TMPDIR={os.environ['TMPDIR']} is too long for the path of a UNIX socket"


def link_command(path: str) -> list[str]:
    """Make ``bin/flux`` in a rundir, where who comes over ssh finds the command; returns what was made."""
    command, directory = installed("flux", "rosin"), f"{path}/bin"
    if command is None:
        return []
    link = f"{directory}/flux"
    if os.path.islink(link) and os.listdir(directory) == ["flux"]:
        remove_tree(directory)  # a killed broker has left it
    try:
        os.mkdir(directory, 0o755)
    except FileExistsError:
        return []
    except OSError as exc:
        raise OSError(exc.errno, f"rundir: cannot create {directory}: {exc.strerror}") from None
    os.symlink(command, link)
    return [directory]


def lock(path: str, name: str, *, shared: bool = False) -> int:
    """Claim a directory for this process; returns the descriptor that holds the claim until it is closed.

    The kernel drops the claim of a process that dies. Raises BlockingIOError (EAGAIN) while another instance
    has it. ``name``: the attribute that named the directory; ``shared``: with others that claim it so.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise OSError(
            errno.EAGAIN, f"{name} {path} is in use by another instance; stop that one or name another {name}"
        ) from None
    except OSError:
        pass  # a file system without locks: the store's own lock has to do
    return fd


def make_private(path: str) -> int | None:
    """Let only its owner into a directory; returns its permissions if they were wider. Raises OSError."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return None
    try:
        os.chmod(path, stat.S_IRWXU)
    except OSError as exc:
        raise OSError(exc.errno, f"{path} is open to other users: chmod 0700: {exc.strerror}") from None
    return mode


def remove(path: str) -> None:
    """Remove a directory tree; what cannot be removed is left, as it no longer matters."""
    remove_tree(path)
