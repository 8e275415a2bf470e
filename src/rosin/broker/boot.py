# SPDX-License-Identifier: LGPL-3.0-or-later
"""The process of one broker: its loop, its signals and its limits."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from rosin.broker.life import DEADLY, Life, ignore_signals
from rosin.broker.life import BootOptions as BootOptions
from rosin.broker.program import check_terminal
from rosin.process import descriptors

if TYPE_CHECKING:
    from rosin.broker.overlay.bootstrap import Bootstrap
    from rosin.process.zygote import Zygote


#: How the variables begin of those who start several processes at once.
_LAUNCHED = ("PMI_", "PMI2_", "PMIX_", "SLURM_", "PALS_", "ALPS_", "FLUX_PMI_")


def run(options: BootOptions, zygote: Zygote | None = None, ignored: frozenset[int] = frozenset()) -> int:
    """Run a broker until its instance ends; returns the exit code. Raises OSError or ValueError at the start.

    Signals that are ``ignored`` do not end it. The last thing that a process does: they are blocked after it.
    """
    import uvloop

    from rosin import _json

    _json.accelerate()
    if options.bootstrap is None:
        options.bootstrap = _bootstrap(options)
    if options.bootstrap is None or not options.bootstrap.rank:
        check_terminal(options.command, options.attrs)
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


def _bootstrap(options: BootOptions) -> Bootstrap | None:
    """How it finds the other brokers; None: nothing says that there are any. Raises OSError."""
    named = "bootstrap" in options.config or "broker.boot-method" in options.attrs
    if not named and not any(name.startswith(_LAUNCHED) for name in os.environ):
        return None
    from rosin.broker.overlay.bootstrap import find

    return find(os.environ, options.config, options.attrs)
