# SPDX-License-Identifier: LGPL-3.0-or-later
"""Ending processes that somebody else started, when that somebody is gone.

A guard watches processes that are not its children, by pidfds, and knows what belongs to them: their
descendants, their process groups and sessions, and those of their descendants. What has left all of these (a
daemon that has detached itself before its starter was gone) is not found.
"""

from __future__ import annotations

import os
import select
import signal

from rosin.process.platform import ProcessInfo, pidfd_open, process_table


class Guard:
    """The guarded processes, and later the victims: process id -> pidfd."""

    def __init__(self) -> None:
        self._guarded: dict[int, int] = {}
        self._victims: dict[int, int] = {}
        self._leaders: set[int] = set()  # ids of processes whose groups and sessions are to go

    @property
    def fds(self) -> list[int]:
        """Descriptors that are readable when a victim has ended: :meth:`collect` then."""
        return list(self._victims.values())

    @property
    def pids(self) -> list[int]:
        """The victims that live."""
        return list(self._victims)

    @property
    def busy(self) -> bool:
        """There are victims that live."""
        return bool(self._victims)

    def add(self, pid: int) -> None:
        """Guard a process; its starter keeps it, or its zombie, until :meth:`remove`."""
        self.remove(pid)
        fd = pidfd_open(pid)
        if fd is not None:
            self._guarded[pid] = fd

    def remove(self, pid: int) -> None:
        """Let go of a process."""
        fd = self._guarded.pop(pid, None)
        if fd is not None:
            os.close(fd)

    def end(self, signum: int) -> None:
        """Signal all that is guarded, and all that belongs to it; again, to reach what has been added."""
        for pid, fd in self._guarded.items():
            # The id of a process that has ended may be somebody else's by now, unless its group has members.
            if not _ended(fd) or not _exists(pid):
                self._leaders.add(pid)
        for fd in self._guarded.values():
            os.close(fd)
        self._guarded.clear()
        if not self._leaders:
            return
        table = process_table()
        for pid in belonging(table, self._leaders | set(self._victims)):
            if pid != os.getpid() and pid not in self._victims:
                self._take(pid, table[pid])
        for pid, fd in self._victims.items():
            self._leaders.add(pid)
            _send(fd, signum)

    def _take(self, pid: int, info: ProcessInfo) -> None:
        fd = pidfd_open(pid)
        if fd is None:
            return
        if process_table([pid]).get(pid) == info and not _ended(fd):
            self._victims[pid] = fd
        else:  # another process has come to its id
            os.close(fd)

    def collect(self) -> list[int]:
        """Forget the victims that have ended; their descriptors, which are closed."""
        gone = [(pid, fd) for pid, fd in self._victims.items() if _ended(fd)]
        for pid, fd in gone:
            del self._victims[pid]
            os.close(fd)
        return [fd for _, fd in gone]


def belonging(table: dict[int, ProcessInfo], roots: set[int]) -> list[int]:
    """The processes of *table* that are in *roots*, descend from them, or are in groups or sessions led by
    one of them."""
    below: dict[int, list[int]] = {}
    for pid, info in table.items():
        for leader in {info.parent, info.group, info.session}:
            below.setdefault(leader, []).append(pid)
    seen = set(roots)
    todo = list(roots)
    for leader in todo:  # grows while it is walked
        new = [pid for pid in below.get(leader, ()) if pid not in seen]
        seen.update(new)
        todo += new
    return [pid for pid in todo if pid in table]


def _ended(fd: int) -> bool:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(0))


def _exists(pid: int) -> bool:
    return bool(process_table([pid]))


def _send(fd: int, signum: int) -> None:
    try:
        signal.pidfd_send_signal(fd, signum)
    except (ProcessLookupError, PermissionError):
        return  # it has ended, or belongs to somebody else now
