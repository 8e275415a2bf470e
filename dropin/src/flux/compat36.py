# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.compat36: functions that Python 3.6 did not have."""

from __future__ import annotations

import signal

__all__ = ["strsignal"]


def strsignal(signum: int) -> str | None:
    """What a signal says, None for one that there is not. Raises ValueError for what is no signal."""
    return signal.strsignal(signum)
