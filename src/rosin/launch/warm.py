# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a broker, its zygote and its shells import, imported before they are forked: they share its memory."""

from __future__ import annotations

import gc
import importlib

from rosin.broker.loader import MODULES, find
from rosin.shell import PRELOAD

#: What is imported where it is first needed.
_LATER = (
    "orjson",
    "uvloop",
    "rosin.broker.boot",
    "rosin.broker.rc",
    "rosin.broker.connector",
    "rosin.broker.overlay.boot",
    "rosin.broker.overlay.bootstrap.simple",
    "rosin.broker.overlay.zmq",
    "rosin.process.zygote",
    "rosin.process.zygote_server",
    "rosin.process.worker",
    "rosin.rfc.jobspec.graph",
    "rosin.rfc.jobspec.rules",
)


def warm() -> None:
    """Import it all, and keep the garbage collector from writing to it. For a process without threads.

    Nothing is collected before: objects of children in the holes that this makes would unshare whole pages.
    """
    gc.disable()
    for name in _LATER:
        importlib.import_module(name)
    for name in MODULES:
        find(name)
    for name in PRELOAD:
        module, _, function = name.partition(":")
        getattr(importlib.import_module(module), function)()
    gc.freeze()
