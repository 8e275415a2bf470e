# SPDX-License-Identifier: LGPL-3.0-or-later
"""How a process ended: a wait status as exit code, signal and words. Nobody else takes one apart.

Two kinds of codes are in use. A POSIX shell counts 128+N for signal N: so do RFC 21 and the exit codes of
programs. Python counts -N: so does the API. A dumped core changes none of them. The words are flux-core's.
"""

from __future__ import annotations

import _signal  # signal's own module is larger and slower, and commands import this one
import errno
import os

#: Exit codes for errors that keep a program from being started, as a POSIX shell reports them.
_UNSTARTED = {errno.ENOENT: 127, errno.EACCES: 126, errno.EPERM: 126}


# --- making one


def exited(code: int) -> int:
    """The wait status of a process that has left with an exit code (of which 8 bits count)."""
    return (code & 0xFF) << 8


def waited(si_code: int, si_status: int) -> int:
    """The wait status that ``os.waitpid`` would give for the result of an ``os.waitid``."""
    if si_code == os.CLD_EXITED:
        return exited(si_status)
    return si_status | 0x80 if si_code == os.CLD_DUMPED else si_status


def unstarted(errnum: int | None, other: int = 1) -> int:
    """The exit code for a program that could not be started: 127 for one that does not exist, 126 for one
    that may not be run, else ``other``."""
    return _UNSTARTED.get(errnum or 0, other)


# --- taking one apart


def termsig(status: int) -> int:
    """The signal that ended the process, 0 if none did."""
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def exit_code(status: int) -> int:
    """The exit code as a shell counts it: 128+N for signal N."""
    signum = termsig(status)
    return 128 + signum if signum else os.WEXITSTATUS(status)


def return_code(status: int) -> int | None:
    """The exit code as Python counts it: -N for signal N. None for a status that is no end."""
    signum = termsig(status)
    return -signum if signum else os.WEXITSTATUS(status) if os.WIFEXITED(status) else None


# --- in words


def signal_number(text: str) -> int:
    """The number of a signal, of ``TERM`` or ``SIGTERM``; a number as it is. Raises ValueError."""
    if text.removeprefix("-").isdecimal():
        return int(text)
    import signal

    members = signal.Signals.__members__
    member = members.get(text) or members.get(f"SIG{text}")
    if member is None:
        raise ValueError(f"signal '{text}' is invalid")
    return int(member)


def signal_name(signum: int) -> str:
    """``SIGTERM`` of 15; ``signal 40`` of one that has no name."""
    import signal

    try:
        return signal.Signals(signum).name
    except ValueError:
        return f"signal {signum}"


def signal_text(signum: int, unknown: str = "Unknown signal {}") -> str:
    """The C library's words for a signal: ``Segmentation fault``."""
    try:
        return _signal.strsignal(signum) or unknown.format(signum)
    except (ValueError, OverflowError):  # beyond all signals
        return unknown.format(signum)


def describe(status: int) -> str:
    """How a process ended: ``Exit 2`` or ``Segmentation fault``."""
    signum = termsig(status)
    return signal_text(signum) if signum else f"Exit {os.WEXITSTATUS(status)}"


def job_report(status: int) -> tuple[int, str]:
    """The exit code of a job with this wait status, and what to say about it, "" for success.

    The status is that of the job's shells, which count a signal that ended a task as 128+N."""
    signum = termsig(status)
    if signum:
        return 128 + signum, f"job shell {signal_text(signum)}"
    if not os.WIFEXITED(status):  # no process ends so, but a mock execution may
        return 1, f"unexpected wait(2) status {status}"
    code = os.WEXITSTATUS(status)
    if code > 128:
        return code, f"task(s) {signal_text(code - 128)}"
    return code, f"task(s) exited with exit code {code}" if code else ""
