# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker's process: a fork of this one, which has everything imported, or what that executes."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING

from rosin.process import platform

if TYPE_CHECKING:
    from collections.abc import Callable


def fork(become: Callable[[], int], forget: Callable[[], None], *, tied: bool = True) -> int:
    """Start a process that calls ``become``, whose result is its exit code; returns its id. Raises OSError.

    ``forget`` closes there what is this process's alone, and restores the signals. Like its parent the new
    process belongs to the terminal's process group. If it is ``tied`` to its parent, it is asked to end
    (SIGTERM) when that has ended.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    # A signal for the child waits until it has its own way to deal with it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if not pid:
            _child(become, forget, parent if tied else None, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _child(
    become: Callable[[], int],
    forget: Callable[[], None],
    parent: int | None,
    mask: set[signal.Signals | int],
) -> None:
    code = 1
    try:
        forget()
        if parent is not None:
            platform.set_parent_death_signal(signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if parent in (None, os.getppid()):  # else it ended before we asked to be told
            code = become()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
