# SPDX-License-Identifier: LGPL-3.0-or-later
"""Options of the scheduler: module arguments, and the same names in the ``[sched-simple]`` table."""

from __future__ import annotations

from errno import EINVAL
from typing import Any

from rosin.broker.arguments import Argument, choice
from rosin.errors import did_you_mean
from rosin.modules.sched_simple.pool import ALLOC_MODES
from rosin.rfc.syslog import SEVERITIES

_MAX_DEPTH = 2147483647


def _depth(text: str) -> int | None:
    if text == "unlimited":
        return None
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:11]) <= _MAX_DEPTH:
        raise ValueError("expected a number of 1 or more, or unlimited")
    return int(text)


def _mode(text: str) -> int | None:
    mode, _, limit = text.partition("=")
    if mode not in ("limited", "unlimited") or (limit == "") != (mode == "unlimited"):
        raise ValueError("expected unlimited or limited=N")
    return _depth(limit or mode)


def _level(text: str) -> int:
    return SEVERITIES.index(choice(*SEVERITIES)(text.lower()))


#: Arguments of the module; but for the last, which is of flux-core's tests, keys of the table as well.
ARGUMENTS = (
    Argument("mode", "limited=N|unlimited", "jobs that are looked at, in the words of old releases", _mode),
    Argument("queue-depth", "N|unlimited", "jobs that are looked at (unlimited)", _depth),
    Argument("alloc-mode", "MODE", f"order of nodes: {', '.join(ALLOC_MODES)}", choice(*ALLOC_MODES)),
    Argument("log-level", "LEVEL", "least severity that is logged (info)", _level),
    Argument("test-hello-nopartial", "", "do not take over jobs that have lost nodes, for tests"),
)
_READ = {argument.name: argument.read for argument in ARGUMENTS if argument.form}


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


def parse(given: dict[str, Any], table: Any) -> Options:
    """Read the configuration table, then the arguments. Raises OSError EINVAL naming a bad option."""
    options = Options()
    if not isinstance(table, dict):
        raise OSError(EINVAL, "sched-simple: [sched-simple] must be a table")
    for name, value in table.items():
        if name not in _READ:
            hint = did_you_mean(name[:64], _READ) or f"; known: {', '.join(_READ)}"
            raise OSError(EINVAL, f"sched-simple: unknown option [sched-simple] {name}{hint}")
        try:
            _set(options, name, _READ[name](str(value)))
        except ValueError as error:
            raise OSError(EINVAL, f"sched-simple: [sched-simple] {name}: {error}") from None
    for name, value in given.items():
        _set(options, name, value)
    return options


def _set(options: Options, name: str, value: Any) -> None:
    if name in ("mode", "queue-depth"):
        options.depth = value
    elif name == "alloc-mode":
        options.alloc_mode = value
    elif name == "log-level":
        options.log_level = value
