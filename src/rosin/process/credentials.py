# SPDX-License-Identifier: LGPL-3.0-or-later
"""Credentials from the environment, kept where jobs do not look: a program's environment stays in
``/proc/PID/environ`` for its whole life, whatever it does to its variables.

:func:`hide` executes the program again without them. They reach the new one, and the initial program of an
instance, through a descriptor on memory, which :data:`VARIABLE` names as ``FD:DEVICE:INODE``.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: The variables that hold a secret.
NAMES = ("FLUX_TOKEN", "FLUX_SECRET_KEY")
VARIABLE = "ROSIN_CREDENTIALS"


def hide() -> None:
    """Execute this program again without secrets in its environment, if there are any.

    To be called before anything is started or opened. Raises OSError and ValueError.
    """
    given = {name: os.environ[name] for name in NAMES if name in os.environ}
    if not any(given.values()):
        return
    for name in NAMES:
        if given.get(name):
            _warn(name, given[name])
    secrets = {**take(), **given}
    for name in NAMES:
        os.environ.pop(name, None)
    fd, os.environ[VARIABLE] = share(secrets)
    os.set_inheritable(fd, True)
    os.execv(sys.executable, sys.orig_argv)


def share(secrets: Mapping[str, str]) -> tuple[int, str]:
    """A new descriptor that holds *secrets*, and the value of :data:`VARIABLE` for who inherits it.

    It can be read any number of times, so that each server of one shell finds them.
    """
    fd = _memory()
    data = b"".join(f"{name}={value}\0".encode("utf-8", "surrogateescape") for name, value in secrets.items())
    while data:
        data = data[os.write(fd, data) :]
    about = os.fstat(fd)
    return fd, f"{fd}:{about.st_dev}:{about.st_ino}"


def _memory() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("credentials")
    import tempfile

    with tempfile.TemporaryFile() as stream:  # has no name
        return os.dup(stream.fileno())


def take() -> dict[str, str]:
    """The secrets that this process was given by descriptor, which is closed; empty if it was given none.

    Raises ValueError if the descriptor has gone: nobody may take that for no secret at all.
    """
    text = os.environ.pop(VARIABLE, "")
    if not text:
        return {}
    try:
        fd, device, inode = map(int, text.split(":"))
        about = os.fstat(fd)
        if (about.st_dev, about.st_ino) != (device, inode):
            raise OSError("it is another file")
        data = os.pread(fd, about.st_size, 0)
    except (OSError, ValueError):
        raise ValueError(
            f"{VARIABLE} is set but the credentials did not come along: unset it, or set FLUX_TOKEN_FILE"
        ) from None
    os.close(fd)
    pairs = (item.decode("utf-8", "surrogateescape").partition("=") for item in data.split(b"\0") if item)
    return {name: value for name, _, value in pairs}


def _warn(name: str, value: str) -> None:
    """Tell of a program above this one (make, nohup) that keeps the secret in its own environment."""
    needle = f"{name}={value}".encode("utf-8", "surrogateescape")
    pid = os.getppid()
    while pid > 1:
        try:
            with open(f"/proc/{pid}/environ", "rb") as stream:
                found = needle in stream.read().split(b"\0")
            with open(f"/proc/{pid}/stat", "rb") as stream:
                head, _, tail = stream.read().rpartition(b")")
        except OSError:
            return  # another user's, which jobs cannot read either, or this is no Linux
        if found:
            command = ascii(head.partition(b"(")[2].decode("utf-8", "replace"))[1:-1]
            sys.stderr.write(
                f"rosin: warning: {name} is in the environment of process {pid} ({command}), where your jobs "
                f"can read it: put it into a file and set {name}_FILE\n"
            )
            return
        pid = int(tail.split()[1])
