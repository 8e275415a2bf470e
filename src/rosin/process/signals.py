# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a process inherits of signals, and what it hands down.

A signal that a parent ignores stays ignored through every exec, and a mask does too: a job could not be
interrupted because of a ``trap '' INT`` around its instance. A signal that is caught, however, is back at its
default in a program that is executed. So a program that starts others catches what it was made to ignore.
"""

from __future__ import annotations

import _signal  # signal's own module is larger and slower: it makes an enumeration member of every answer
import signal

#: Python ignores these for itself, and its ``subprocess`` restores them in what it starts.
_PYTHONS_OWN = (signal.SIGPIPE, getattr(signal, "SIGXFSZ", signal.SIGPIPE))
_SETTABLE = tuple(
    int(signum)
    for signum in sorted(signal.valid_signals())
    if signum not in (signal.SIGKILL, signal.SIGSTOP, *_PYTHONS_OWN)
)


def catch_ignored() -> frozenset[int]:
    """Catch, and do nothing at, each signal that this process has been made to ignore; block none.

    Returns those signals, which the caller had better not take for a wish to end."""
    ignored = frozenset(signum for signum in _SETTABLE if _signal.getsignal(signum) == _signal.SIG_IGN)
    for signum in ignored:
        _signal.signal(signum, _nothing)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    return ignored


def set_defaults() -> None:
    """Give every signal its default action, but for the two that Python ignores; leave the mask alone."""
    for signum in _SETTABLE:
        # None: a handler that is not Python's, such as the C library's own.
        if _signal.getsignal(signum) not in (_signal.SIG_DFL, None):
            _signal.signal(signum, _signal.SIG_DFL)


def _nothing(_signum: int, _frame: object) -> None:
    """Heard, and no more."""
