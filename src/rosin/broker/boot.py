# SPDX-License-Identifier: LGPL-3.0-or-later
"""The process of one broker: its loop, its signals and its limits."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from rosin.broker.life import DEADLY, Life, ignore_signals
from rosin.broker.life import BootOptions as BootOptions
from rosin.process import descriptors

if TYPE_CHECKING:
    from rosin.process.zygote import Zygote


def run(options: BootOptions, zygote: Zygote | None = None, ignored: frozenset[int] = frozenset()) -> int:
    """Run a broker until its instance ends; returns the exit code. Raises OSError if it cannot start.

    Signals that are ``ignored`` do not end it. The last thing that a process does: they are blocked after it.
    """
    import uvloop

    from rosin import _json

    _json.accelerate()
    descriptors.raise_limit()  # after the fork of the zygote: jobs start with the limit as it was

    async def main() -> int:
        life = Life(options, zygote)
        loop = asyncio.get_running_loop()
        for signum in DEADLY:
            if signum not in ignored:
                loop.add_signal_handler(signum, life.signalled, signum)
        for signum in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(signum, life.signal_jobs, signum)
        if signal.SIGINT not in ignored:
            loop.add_signal_handler(signal.SIGINT, life.interrupted)
        try:
            life.prepare()
            return await life.run()
        finally:
            ignore_signals()
            life.clean_up()

    try:
        return uvloop.run(main())
    finally:
        if zygote is not None:
            zygote.close()
