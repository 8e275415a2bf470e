# SPDX-License-Identifier: LGPL-3.0-or-later
"""Credentials from the environment, kept where jobs do not look: a program's environment stays in
``/proc/PID/environ`` for its whole life, whatever it does to its variables.

:func:`hide` executes the program again without them. They reach the new one through a descriptor on memory,
which :data:`VARIABLE` names as ``FD:DEVICE:INODE``, and which it closes at once. The initial program of an
instance may be a shell that keeps its descriptors while jobs run, and jobs can open the files of
``/proc/PID/fd``. So it gets a socket, which nobody can open there; who has it asks the broker
(:class:`Offer`).
"""

from __future__ import annotations

import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: The variables that hold a secret.
NAMES = ("FLUX_TOKEN", "FLUX_SECRET_KEY")
VARIABLE = "ROSIN_CREDENTIALS"
#: All that a jobspec is no place for: those, and the token of programs that use a server.
PRIVATE = (*NAMES, VARIABLE, "ROSIN_TOKEN")
#: Seconds to wait for a broker.
_PATIENCE = 30.0


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


class Offer:
    """A broker's end of the socket on which servers below its initial program ask for credentials."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        import socket

        self._secrets = dict(secrets)
        self._own, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._own.setblocking(False)
        about = os.fstat(self._theirs.fileno())
        #: For who inherits the descriptor ``theirs``.
        self.variable = f"{self._theirs.fileno()}:{about.st_dev}:{about.st_ino}"

    @property
    def theirs(self) -> int:
        """The descriptor to be inherited."""
        return self._theirs.fileno()

    def fileno(self) -> int:
        """The descriptor to wait for; when it can be read call :meth:`answer`."""
        return self._own.fileno()

    def given(self) -> None:
        """The program has its descriptor."""
        self._theirs.close()

    def answer(self) -> bool:
        """Answer who asks; False if nobody is left who could."""
        import socket

        try:
            if not self._own.recv(16):
                return False
            fd, _ = share(self._secrets)
            try:
                socket.send_fds(self._own, [b"!"], [fd])
            finally:
                os.close(fd)
        except BlockingIOError:
            pass  # whoever asked has been answered, or takes nothing
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Answer nobody any more."""
        self._own.close()
        self._theirs.close()


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
        if stat.S_ISSOCK(about.st_mode):
            fd = _ask(fd)
        data = os.pread(fd, os.fstat(fd).st_size, 0)
    except (OSError, ValueError):
        raise ValueError(
            f"{VARIABLE} is set but the credentials did not come along: unset it, or set FLUX_TOKEN_FILE"
        ) from None
    os.close(fd)
    pairs = (item.decode("utf-8", "surrogateescape").partition("=") for item in data.split(b"\0") if item)
    return {name: value for name, _, value in pairs}


def _ask(fd: int) -> int:
    """The descriptor that a broker sends over the socket *fd*, which is closed. Raises OSError."""
    import socket

    with socket.socket(fileno=fd) as sock:
        sock.settimeout(_PATIENCE)
        sock.send(b"?")
        _, fds, _, _ = socket.recv_fds(sock, 1, 1)
    if len(fds) != 1:
        raise OSError("the broker has gone")
    os.set_inheritable(fds[0], False)
    return fds[0]


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
