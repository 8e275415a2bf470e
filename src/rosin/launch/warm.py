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
    "pathlib",
    "shlex",
    "uvloop",
    "rosin.archive",
    "rosin.broker.boot",
    "rosin.broker.connector",
    "rosin.broker.enclosing",
    "rosin.broker.fakeresources",
    "rosin.broker.overlay.boot",
    "rosin.broker.overlay.bootstrap.simple",
    "rosin.broker.overlay.overlay",
    "rosin.broker.overlay.zmq",
    "rosin.broker.quorum",
    "rosin.broker.rc",
    "rosin.broker.reminder",
    "rosin.handle.aio",
    "rosin.process.zygote",
    "rosin.process.zygote_server",
    "rosin.process.worker",
    "rosin.rfc.fluxion",
    "rosin.rfc.jobspec.graph",
    "rosin.rfc.jobspec.rules",
    "rosin.rfc.taskmap",
    "rosin.rfc.treepool.place",
    "xml.etree.ElementTree",
)


def warm() -> None:
    """Import it all, and keep the garbage collector from writing to it. For a process without threads.

    Nothing is collected before: objects of children in the holes that this makes would unshare whole pages.
    """
    gc.disable()
    for name in _LATER:
        importlib.import_module(name)
    for name in MODULES:
        for rank in (0, 1):
            find(name).at(rank)
    for name in PRELOAD:
        module, _, function = name.partition(":")
        getattr(importlib.import_module(module), function)()
    gc.freeze()
