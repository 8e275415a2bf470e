# SPDX-License-Identifier: LGPL-3.0-or-later
"""The standard descriptors of a process that was started without some of them."""

from __future__ import annotations

import os


def open_missing() -> None:
    """Open /dev/null in place of closed descriptors 0 to 2.

    Otherwise the next sockets take their numbers, and whatever is printed goes into those.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
