# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a zygote keeps when its master is killed: processes that a next master may go on with.

The master asks for that by ``{"op":"keep","directory":PATH,"seconds":S}``: from then on a spawn with
``"keep"``, any JSON that says what it is, is of such a process; ``"held"`` names further descriptors in that
request, behind those for the child. ``{"op":"close"}`` says that the master is about to end, and that nobody
will ask for what has ended.

The zygote holds a copy of the reading ends of their outputs, so that what they write meanwhile waits in the
pipes, and remembers how they have ended. It listens on a socket in a private directory, where a program of
the same user can take them over: it gets a frame ``{"version":1,"kept":N}``, and one for each process,
``{"id":N,"pid":P,"keep":...,"held":[names],"status":WAITSTATUS|null}`` with those descriptors. From then on
it is the master.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from typing import Any

from rosin.process.directory import open_private, socket_path
from rosin.process.platform import peer_uid

VERSION = 1
#: Seconds for which the end of a process is remembered of which the master has been told: it may be killed
#: before it has made anything of that.
MEMORY = 10.0
#: Seconds between two looks whether the socket is still where a next master would look for it.
LOOK = 5.0
#: Processes whose outputs are held: a zygote has as many descriptors as a shell of a user.
MAX_HELD = 200


class KeptChild:
    """A process that is kept: ``status`` once it has ended, ``told`` when the master was told of that."""

    __slots__ = ("held", "keep", "names", "number", "pid", "status", "told")

    def __init__(self, number: int, pid: int, keep: Any, names: list[str], held: list[int]) -> None:
        self.number = number
        self.pid = pid
        self.keep = keep
        self.names = names
        self.held = held
        self.status: int | None = None
        self.told = 0.0


class Keeping:
    """The kept processes of a zygote, and the socket at which they are asked for."""

    @classmethod
    def at(cls, directory: str, seconds: float) -> Keeping | None:
        """With a socket in this directory; None, and a line on standard error, where none can be."""
        try:
            return cls(directory, seconds)
        except OSError as error:
            print(f"rosin-zygote: cannot keep processes: {error.strerror}", file=sys.stderr)
            return None

    def __init__(self, directory: str, seconds: float) -> None:
        """Raises OSError."""
        self.seconds = seconds
        self.children: dict[int, KeptChild] = {}  # by request
        #: When nobody has come in time; None while there is a master.
        self.deadline: float | None = None
        self.path = f"{directory}/{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)  # of a process that had this id before
        try:
            self._bind(directory)
        except FileNotFoundError:  # another zygote has just removed the empty directory
            self._bind(directory)
        os.chmod(self.path, 0o700)
        self._place = self._found()
        self.listener.listen()
        self.listener.setblocking(False)

    def _bind(self, directory: str) -> None:
        os.close(open_private(directory))
        self.listener = socket.socket(socket.AF_UNIX)
        try:
            with socket_path(self.path) as path:
                self.listener.bind(path)
        except OSError:
            self.listener.close()
            raise

    def add(self, child: KeptChild) -> None:
        """Keep a process from now on."""
        now = time.monotonic()
        for number, other in list(self.children.items()):  # in order of start: look at some old ones
            if not other.told or now - other.told < MEMORY:
                break
            self.drop(number)
        if len(self.children) >= MAX_HELD:
            self._let_go(child)
        self.children[child.number] = child

    def ended(self, number: int, status: int) -> None:
        """A process has ended."""
        child = self.children.get(number)
        if child is not None:
            child.status = status
            if self.deadline is None:
                child.told = time.monotonic()

    def drop(self, number: int) -> None:
        """Forget a process."""
        self._let_go(self.children.pop(number))

    def _let_go(self, child: KeptChild) -> None:
        for fd in child.held:
            os.close(fd)
        child.held, child.names = [], []

    def without_ended(self) -> Keeping:
        """Nobody will ask for those that have ended."""
        for number, child in list(self.children.items()):
            if child.status is not None:
                self.drop(number)
        return self

    @property
    def wanted(self) -> bool:
        """Somebody may still want to know of one of them."""
        now = time.monotonic()
        return any(not child.told or now - child.told < MEMORY for child in self.children.values())

    def begin(self) -> None:
        """The master is gone, and so are those who were to read what is said here."""
        self.deadline = time.monotonic() + self.seconds
        fd = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(fd, number)
        os.close(fd)

    def next_look(self) -> float:
        """When to ask :meth:`over` again, by the monotonic clock."""
        deadline = time.monotonic() + LOOK
        return deadline if self.deadline is None else min(self.deadline, deadline)

    def over(self) -> bool:
        """Nobody comes any more: the time is over, or the socket has been removed with its directory."""
        if self.deadline is None:
            return False
        return time.monotonic() >= self.deadline or self._found() != self._place

    def _found(self) -> tuple[int, int] | None:
        try:
            found = os.lstat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def admit(self) -> socket.socket | None:
        """The next master, if somebody asks who may: a program of this user."""
        try:
            sock, _ = self.listener.accept()
        except OSError:
            return None
        if peer_uid(sock) != os.geteuid():
            sock.close()
            return None
        self.deadline = None
        sock.setblocking(False)
        return sock

    def account(self) -> list[tuple[dict[str, Any], list[int]]]:
        """What a new master is told: frames, and descriptors that go with them."""
        frames: list[tuple[dict[str, Any], list[int]]] = [
            ({"version": VERSION, "kept": len(self.children)}, [])
        ]
        for child in self.children.values():
            if child.status is not None:
                child.told = child.told or time.monotonic()
            fields = {"id": child.number, "pid": child.pid, "keep": child.keep, "held": child.names}
            frames.append(({**fields, "status": child.status}, [os.dup(fd) for fd in child.held]))
        return frames

    def disown(self) -> None:
        """In a child: close all that is here."""
        self.listener.close()
        for child in self.children.values():
            for fd in child.held:
                os.close(fd)

    def close(self) -> None:
        """Nobody can ask any more. The last one removes the directory."""
        self.listener.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)
            os.rmdir(os.path.dirname(self.path))
        for number in list(self.children):
            self.drop(number)
