# SPDX-License-Identifier: LGPL-3.0-or-later
"""This process becomes a broker."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from rosin.cli.start.settings import StartSettings


def run(
    settings: StartSettings,
    attrs: Mapping[str, str] | None = None,
    nursery: socket.socket | None = None,
) -> int:
    """Run the broker until its instance ends; returns its exit code. Raises OSError and ValueError.

    ``attrs`` are more than all brokers have; ``nursery``: where it gets a zygote, if it needs one (see
    :mod:`rosin.process.nursery`).
    """
    # The collector would walk through half-imported modules again and again; the broker turns it on when
    # it serves.
    gc.disable()
    from rosin import _codecache

    _codecache.install()
    from importlib import import_module

    from rosin import _json
    from rosin.broker.stdio import open_missing
    from rosin.process import credentials, signals
    from rosin.process.nursery import ask
    from rosin.process.zygote import Zygote
    from rosin.shell import PRELOAD, SHARED

    open_missing()
    ignored = signals.catch_ignored()

    if nursery is not None:
        zygote: Zygote | None = Zygote.deferred(lambda: ask(nursery, PRELOAD))
    elif sys.platform == "linux":  # forked here, before the loop, its threads and sockets exist
        _json.accelerate()
        for name in SHARED:
            import_module(name)
        zygote = Zygote.start(PRELOAD)
    else:
        zygote = None
    from rosin.broker.boot import BootOptions, run

    # Taken after the fork: what runs jobs has no part in them.
    secrets = credentials.take()
    given = {**settings.attrs, **(attrs or {})}
    options = BootOptions(settings.command, given, settings.config, settings.config_path, secrets)
    code = run(options, zygote, ignored)
    _codecache.finder.keep()
    return code


def execute(words: list[str]) -> NoReturn:
    """Become a broker by way of what wraps it. Raises OSError."""
    try:
        os.execvp(words[0], words)
    except OSError as exc:
        raise OSError(exc.errno, f"--wrap: {words[0]}: {exc.strerror}") from None
