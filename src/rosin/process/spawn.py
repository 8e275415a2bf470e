# SPDX-License-Identifier: LGPL-3.0-or-later
"""Starting a program as a child process.

``subprocess.Popen`` uses vfork as long as no ``preexec_fn`` is given, which makes a start cost the same in a
large process as in a small one; so the process group comes from ``process_group`` and everything else
that a child needs is prepared by its parent. A child is watched through a pidfd where there is one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Mapping, Sequence

from rosin.process import descriptors
from rosin.process.outcome import return_code
from rosin.process.platform import descendants, leave_stopped, pidfd_open, set_pipe_size, stop_at_exec
from rosin.process.pump import CHUNK


class ChildProcess:
    """A started program: ``pid``, and after its end ``status`` (a wait status, as ``os.waitpid`` has it)."""

    __slots__ = ("_group", "_pidfd", "_popen", "pid", "status")

    def __init__(self, popen: subprocess.Popen[bytes], group: bool) -> None:
        self._popen = popen
        self._group = group
        self.pid = popen.pid
        self._pidfd: int | None = None
        self.status: int | None = None

    @property
    def pidfd(self) -> int | None:
        """A descriptor that is readable once the child has ended; None on systems without, and after the end.

        It is opened when first asked for, and closed when the status is collected."""
        if self._pidfd is None and self.status is None:
            self._pidfd = pidfd_open(self.pid)
        return self._pidfd

    def poll(self) -> int | None:
        """Collect the wait status if the child has ended, without waiting; None while it runs."""
        return self._collect(os.WNOHANG)

    def wait(self) -> int:
        """Wait for the end and return the wait status."""
        while self.status is None:
            self._collect(0)
        return self.status

    def _collect(self, options: int) -> int | None:
        if self.status is None:
            try:
                pid, status = os.waitpid(self.pid, options)
            except ChildProcessError:
                pid, status = self.pid, 0
            if pid:
                self.reaped(status)
        return self.status

    def reaped(self, status: int) -> None:
        """Record a status that someone else's ``waitpid(-1)`` collected."""
        self.status = status
        self._popen.returncode = return_code(status)
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def kill(self, signum: int) -> bool:
        """Signal the child's process group (the child alone if it has none of its own).

        Returns False when it has ended; it is then never signalled, since its id may be someone else's."""
        if self.status is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            if self._group:
                os.killpg(self.pid, signum)
            else:
                os.kill(self.pid, signum)
            return True
        return False

    def kill_rest(self, signum: int) -> bool:
        """Signal what is left of the process group of a child that somebody else has collected.

        Its id may be another's by now, so only descendants of this process are meant. Returns whether there
        was any."""
        found = False
        for pid in descendants(os.getpid()) if self._group else ():
            with contextlib.suppress(ProcessLookupError):
                if os.getpgid(pid) == self.pid:
                    os.kill(pid, signum)
                    found = True
        return found


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    pass_fds: Sequence[int] = (),
    process_group: bool = True,
    terminal: bool = False,
    stopped: bool = False,
) -> ChildProcess:
    """Start ``argv``; the program is looked up in the PATH of ``env``.

    ``stdin``, ``stdout`` and ``stderr`` are descriptors that become the child's 0, 1 and 2 (None: the
    parent's own); ``pass_fds`` keep their numbers; all others are closed. With ``process_group`` the child
    leads a group of its own. With ``terminal`` it leads a session of its own, whose terminal is ``stdin``;
    that costs a fork of this process, which must have one thread only. So does ``stopped``: the program stops
    before its first instruction, until it gets SIGCONT (EPERM where that is not allowed). Raises OSError as
    exec reports it (ENOENT, EACCES, ...), also for a ``cwd`` that cannot be entered.
    """
    if not argv[0]:  # a search in PATH would find directories
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "")
    prepare = [_take_terminal] if terminal else []
    if stopped:
        prepare.append(stop_at_exec)
    try:
        popen = descriptors.start(
            lambda: subprocess.Popen(
                list(argv),
                env=None if env is None else dict(env),
                cwd=cwd,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=tuple(pass_fds),
                close_fds=True,
                restore_signals=True,
                process_group=0 if process_group and not terminal else None,
                start_new_session=terminal,
                preexec_fn=(lambda: [call() for call in prepare]) if prepare else None,
            )
        )
    except subprocess.SubprocessError:  # in ``prepare``, of which nothing more is known
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM)) from None
    child = ChildProcess(popen, process_group or terminal)
    if stopped and (status := leave_stopped(child.pid)) is not None:
        child.reaped(status)
    return child


def _take_terminal() -> None:
    """Make descriptor 0 the terminal of this new session, from which Ctrl-C and the like come."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def output_pipe(*, large: bool = True) -> tuple[int, int]:
    """A pipe for a child's output (read end, write end).

    A large one allows big reads; a program with very many pipes must not ask for that, since the kernel
    then makes a user's further pipes tiny."""
    reader, writer = os.pipe()
    if large:
        set_pipe_size(reader, CHUNK)
    return reader, writer
