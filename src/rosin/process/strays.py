# SPDX-License-Identifier: LGPL-3.0-or-later
"""Ending what a program's children left running, before the program itself ends.

It finds everything only in a child subreaper (:func:`rosin.process.platform.set_child_subreaper`): elsewhere
an orphan belongs to init.
"""

from __future__ import annotations

import os
import signal
import time

from rosin.process.platform import children, descendants


def signal_descendants(signum: int) -> None:
    """Signal every process below this one."""
    for pid in descendants(os.getpid()):
        try:
            os.kill(pid, signum)
        except (ProcessLookupError, PermissionError):
            continue


def end_descendants(grace: float) -> None:
    """End every process below this one and collect it: SIGTERM, SIGKILL ``grace`` seconds later.

    Returns when none is left. Takes over SIGCHLD of the calling thread, so it is for the end of a program."""
    if not children(os.getpid()):
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    signal_descendants(signal.SIGTERM)
    deadline = time.monotonic() + grace
    while not _reap():
        left = deadline - time.monotonic()
        if left <= 0:
            signal_descendants(signal.SIGKILL)
            left = max(grace, 0.1)
            deadline = time.monotonic() + left
        signal.sigtimedwait({signal.SIGCHLD}, left)


def _reap() -> bool:
    """Collect the children that have ended; True when there is none any more."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return False
        except ChildProcessError:
            return True
