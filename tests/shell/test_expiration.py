# SPDX-License-Identifier: LGPL-3.0-or-later
"""The warning before a job's time limit."""

import signal
import time
from types import SimpleNamespace
from typing import Any

from rosin.shell.expiration import ExpirationSignal
from rosin.shell.log import ShellLog


def test_the_same_end_again_is_no_reason_to_warn_again() -> None:
    delays: list[float] = []

    def timer(after: float, callback: Any) -> Any:
        delays.append(after)
        return SimpleNamespace(cancel=lambda: None)

    handle: Any = SimpleNamespace(reactor=SimpleNamespace(timer=timer))
    log = ShellLog()
    log.sink = lambda context: None
    warning = ExpirationSignal(handle, 1, log, signal.SIGUSR1, 60.0)
    end = time.time() + 10
    warning.set_expiration(end)
    warning.set_expiration(end)
    assert delays == [0.0]
    warning.set_expiration(end + 1000)
    assert len(delays) == 2
