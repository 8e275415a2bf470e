# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.compat36: functions that Python 3.6 did not have."""

from signal import strsignal

__all__ = ["strsignal"]
