# SPDX-License-Identifier: LGPL-3.0-or-later
"""Standard error as a log sink: what it cannot take is lost, and whoever had something to say goes on.

It may be a full device, a terminal that has gone, a pipe that nobody reads (any more).
"""

from __future__ import annotations

import os
import select

#: A pipe that is writable has room for so many bytes (PIPE_BUF).
_PIECE = 4096


def write_stderr(text: str) -> None:
    """Write to descriptor 2, without waiting for a reader and without an error."""
    data = memoryview(text.encode(errors="backslashreplace"))
    try:
        while data and _ready():
            data = data[os.write(2, data[:_PIECE]) :]
    except OSError:
        return  # nobody is left to be told


def _ready() -> bool:
    poller = select.poll()
    poller.register(2, select.POLLOUT)
    return bool(poller.poll(0))
