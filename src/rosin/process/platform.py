# SPDX-License-Identifier: LGPL-3.0-or-later
"""System calls that Python's library lacks, each with a fallback for systems that do not have them.

Everything Linux-only that process supervision needs is here: child subreaper, parent-death signal, process
names, the boot, pidfds, the list of a process's children, pipe capacity, whose
the other end of a socket is, syncing a file system. A function
that sets something returns whether the kernel did it; nothing raises for a missing feature.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PTRACE_TRACEME = 0
_PTRACE_DETACH = 17

_prctl_function = None


def _prctl(option: int, argument: object) -> bool:
    global _prctl_function
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    if _prctl_function is None:
        _prctl_function = ctypes.CDLL(None, use_errno=True).prctl
    if isinstance(argument, bytes):
        return bool(_prctl_function(option, ctypes.c_char_p(argument), 0, 0, 0) == 0)
    return bool(_prctl_function(option, ctypes.c_ulong(int(str(argument))), 0, 0, 0) == 0)


def warm() -> None:
    """Load what the functions here load when first called; for a process that will fork."""
    set_process_name("rosin-zygote")


def set_child_subreaper() -> bool:
    """Make orphaned descendants children of this process instead of init's."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_parent_death_signal(signum: int) -> bool:
    """Ask for ``signum`` when the parent thread dies. Kept by exec, dropped by fork."""
    return _prctl(_PR_SET_PDEATHSIG, signum)


def hide_memory() -> bool:
    """Keep this process's memory, environment and files from other processes of its user, but for root's.

    Dropped by exec. No debugger can attach, and there is no core file.
    """
    return _prctl(_PR_SET_DUMPABLE, 0)


def _ptrace(request: int, pid: int) -> None:
    """Raises OSError, ENOSYS on systems other than Linux."""
    import ctypes
    import errno

    if not sys.platform.startswith("linux"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    function = ctypes.CDLL(None, use_errno=True).ptrace
    function.restype = ctypes.c_long
    nothing = ctypes.c_void_p(0)
    if function(ctypes.c_long(request), ctypes.c_int(pid), nothing, nothing) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace: {os.strerror(number)}")


def stop_at_exec() -> None:
    """In a child: let the program that it becomes stop before its first instruction, until its parent has
    called :func:`leave_stopped`. Raises OSError."""
    _ptrace(_PTRACE_TRACEME, 0)


def leave_stopped(pid: int) -> int | None:
    """Make a child that stops at its start a stopped process like any other: SIGCONT lets it go on.

    Waits until it has stopped; returns its wait status if it has ended instead. Raises OSError."""
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        return status
    os.kill(pid, signal.SIGSTOP)  # a SIGCONT that comes from now on is not lost
    _ptrace(_PTRACE_DETACH, pid)
    return None


def set_process_name(name: str) -> bool:
    """Set the name that ``ps -o comm`` and ``top`` show (15 bytes are kept)."""
    return _prctl(_PR_SET_NAME, name.encode()[:15])


def boot() -> str:
    """What tells this start of this machine from all others; elsewhere the name of the host."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return os.uname().nodename


def pidfd_open(pid: int) -> int | None:
    """A descriptor that becomes readable when ``pid`` exits, or None where there is no such thing."""
    opener = getattr(os, "pidfd_open", None)
    if opener is None:
        return None
    try:
        return int(opener(pid))
    except OSError:
        return None


def _parent_of(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            # The command name may hold spaces and parentheses: the fields begin after the last ')'.
            return int(stream.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


class ProcessInfo(NamedTuple):
    """Whose child a process is, what it is a member of, and when it began (in clock ticks since boot)."""

    parent: int
    group: int
    session: int
    began: int


def process_table(pids: Iterable[int] | None = None) -> dict[int, ProcessInfo]:
    """These processes, or all: those that exist, zombies excepted; empty where it cannot be known."""
    if pids is None:
        try:
            pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        except OSError:
            return {}
    found = {}
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", "rb") as stream:
                fields = stream.read().rpartition(b")")[2].split()
            info = ProcessInfo(int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))
        except (OSError, IndexError, ValueError):
            continue  # it has just ended
        if fields[0] not in (b"Z", b"X"):
            found[pid] = info
    return found


def children(pid: int) -> list[int]:
    """Process ids of the direct children of ``pid``, zombies included; empty where it cannot be known."""
    try:
        found: list[int] = []
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as stream:
                found += map(int, stream.read().split())
        return found
    except OSError:
        return _children_by_scan().get(pid, [])


def _children_by_scan() -> dict[int, list[int]]:
    """Children of every process, from each process's record of its parent."""
    table: dict[int, list[int]] = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return table
    for name in names:
        if name.isdigit():
            parent = _parent_of(int(name))
            if parent is not None:
                table.setdefault(parent, []).append(int(name))
    return table


def group_of(pid: int) -> int:
    """The process group of a process, 0 if there is no such process."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def descendants(pid: int) -> list[int]:
    """All processes below ``pid``, parents before their children."""
    found = children(pid)
    for child in found:  # grows while it is walked
        found += children(child)
    return found


def set_pipe_size(fd: int, size: int) -> bool:
    """Let a pipe hold ``size`` bytes, so that a fast writer is drained in fewer and larger reads."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, size)
        return True
    return False


def sync_file_system(fd: int) -> None:
    """Wait until all that was written to the file system of the descriptor *fd* is on the disk."""
    if sys.platform.startswith("linux"):
        import ctypes

        if ctypes.CDLL(None, use_errno=True).syncfs(fd) == 0:
            return
    os.sync()


def peer_uid(sock: socket.socket) -> int:
    """The user at the other end of a UNIX socket, -1 where the system does not say."""
    try:
        return int(struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])
    except (AttributeError, OSError):
        return -1
