# SPDX-License-Identifier: LGPL-3.0-or-later
"""The terminal of a launcher, which its brokers and the initial program share: as before at the end."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Within this context the terminal's settings may be changed. Without a terminal, nothing happens."""
    if not os.isatty(0):
        yield
        return
    import termios

    settings = termios.tcgetattr(0)
    try:
        yield
    finally:
        # A shell that was killed has left the terminal to a group of its own: who is not in that may not
        # change it, and would be stopped for trying.
        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSAFLUSH, settings)
        signal.signal(signal.SIGTTOU, before)
