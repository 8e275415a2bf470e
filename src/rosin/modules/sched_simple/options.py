# SPDX-License-Identifier: LGPL-3.0-or-later
"""Options of the scheduler: module arguments, and the same names in the ``[sched-simple]`` table."""

from __future__ import annotations

from errno import EINVAL
from typing import Any

from rosin.modules.sched_simple.pool import ALLOC_MODES
from rosin.rfc.syslog import SEVERITIES

_MAX_DEPTH = 2147483647
_NAMES = ("mode", "queue-depth", "alloc-mode", "log-level")


class Options:
    """What can be set.

    Attributes:
        depth: how many jobs the job manager may have waiting here at a time; None is all of them. All of
            them is the default: what fits is then allocated and written down in one commit.
        alloc_mode: in which order nodes are tried, a key of ``pool.ALLOC_MODES``.
        log_level: the highest syslog severity that is logged.
    """

    __slots__ = ("alloc_mode", "depth", "log_level")

    def __init__(self) -> None:
        self.depth: int | None = None
        self.alloc_mode = "worst-fit"
        self.log_level = SEVERITIES.index("info")

    def ready(self) -> dict[str, Any]:
        """Return the body of ``job-manager.sched-ready`` (RFC 27)."""
        if self.depth is None:
            return {"mode": "unlimited"}
        return {"mode": "limited", "limit": self.depth}


def parse(args: list[str], table: Any) -> Options:
    """Read the configuration table, then the arguments. Raises OSError EINVAL naming a bad option."""
    options = Options()
    if not isinstance(table, dict):
        raise OSError(EINVAL, "sched-simple: [sched-simple] must be a table")
    for name, value in table.items():
        _set(options, name, str(value), f"[sched-simple] {name}")
    for arg in args:
        name, _, value = arg.partition("=")
        _set(options, name, value, f"argument '{arg}'")
    return options


def _set(options: Options, name: str, value: str, where: str) -> None:
    if name == "queue-depth":
        options.depth = _depth(value, where)
    elif name == "mode":
        mode, _, limit = value.partition("=")
        if mode not in ("limited", "unlimited") or (limit == "") != (mode == "unlimited"):
            raise OSError(EINVAL, f"sched-simple: {where}: expected unlimited or limited=N")
        options.depth = _depth(limit or mode, where)
    elif name == "alloc-mode":
        if value not in ALLOC_MODES:
            raise OSError(EINVAL, f"sched-simple: {where}: expected one of {', '.join(ALLOC_MODES)}")
        options.alloc_mode = value
    elif name == "log-level":
        if value.lower() not in SEVERITIES:
            raise OSError(EINVAL, f"sched-simple: {where}: expected one of {', '.join(SEVERITIES)}")
        options.log_level = SEVERITIES.index(value.lower())
    else:
        raise OSError(EINVAL, f"sched-simple: unknown option {where}: expected one of {', '.join(_NAMES)}")


def _depth(value: str, where: str) -> int | None:
    if value == "unlimited":
        return None
    if not (value.isascii() and value.isdigit()) or not 1 <= int(value[:11]) <= _MAX_DEPTH:
        raise OSError(EINVAL, f"sched-simple: {where}: expected a number of 1 or more, or unlimited")
    return int(value)
