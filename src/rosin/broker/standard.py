# SPDX-License-Identifier: LGPL-3.0-or-later
"""Methods that every module has (RFC 5): what ``debug`` and ``rusage`` answer."""

from __future__ import annotations

import errno
import resource
from typing import Any

from rosin.rfc.payload import field


def debug_flags(current: int, args: dict[str, Any]) -> int:
    """The debug flags after a request ``{op, flags}``. Raises OSError EPROTO, FormatError."""
    op, flags = field(args, "op", str), field(args, "flags", int)
    if op == "setbit":
        return current | flags
    if op == "clrbit":
        return current & ~flags
    if op in ("set", "clr"):
        return flags if op == "set" else 0
    raise OSError(errno.EPROTO, f"debug: unknown op '{op}', expected setbit, clrbit, set or clr")


def rusage(who: str) -> dict[str, Any]:
    """The resource usage of this process ("self"), its children or the thread. Raises OSError EPROTO."""
    targets = {
        "self": resource.RUSAGE_SELF,
        "children": resource.RUSAGE_CHILDREN,
        "thread": getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF),
    }
    if who not in targets:
        raise OSError(errno.EPROTO, f"rusage: unknown target '{who}', expected self, children or thread")
    usage = resource.getrusage(targets[who])
    return {name.removeprefix("ru_"): getattr(usage, name) for name in dir(usage) if name.startswith("ru_")}
