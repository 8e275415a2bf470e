# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which module an instance has on which rank, and since when; in the order in which they need each other.

The table ``[modules]`` of the configuration adds to it and changes it, in the terms of flux-core's modprobe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    from collections.abc import Mapping


class RcRow(NamedTuple):
    """One module."""

    name: str
    #: On every rank; else on rank 0 alone.
    everywhere: bool = False
    #: There without rc1, too: flux-core builds it into its broker.
    always: bool = False
    #: The attribute that names another one to load in its place.
    attribute: str | None = None
    #: What it is loaded with.
    args: tuple[str, ...] = ()


TABLE = (
    RcRow("content", everywhere=True),
    RcRow("content-sqlite", attribute="content.backing-module"),
    RcRow("kvs", everywhere=True),
    RcRow("kvs-watch", everywhere=True),
    RcRow("heartbeat", everywhere=True),
    RcRow("cron", args=("sync=heartbeat.pulse",)),
    RcRow("groups", everywhere=True, always=True),
    RcRow("barrier", everywhere=True),
    RcRow("rexec", everywhere=True, always=True),
    RcRow("resource", everywhere=True),
    RcRow("job-manager"),
    RcRow("job-info", everywhere=True),
    RcRow("job-list"),
    RcRow("job-ingest", everywhere=True),
    RcRow("job-exec"),
    RcRow("sched-simple"),
)


class Load(NamedTuple):
    """A module to load: its name, where it is found, its arguments; in a process of its own."""

    name: str
    path: str
    args: list[str]
    process: bool = False


def loads(
    rank: int = 0, attrs: Mapping[str, str] | None = None, config: Mapping[str, Any] | None = None
) -> list[Load]:
    """What rc1 loads on a rank: the usual modules, then those that the configuration adds, in its order."""
    changes = {
        name: change for name, change in (config or {}).get("modules", {}).items() if name != "alternatives"
    }
    usual = {row.name: row for row in TABLE}
    found = []
    for name in (*usual, *(name for name in changes if name not in usual)):
        row, change = usual.get(name), changes.get(name, {})
        ranks = change.get("ranks", "all" if row is None or row.everywhere else "0")
        if change.get("disabled") or not includes(ranks, rank):
            continue
        if row is not None and row.attribute:
            name = (attrs or {}).get(row.attribute, name)
        args = change.get("args", list(row.args if row is not None else ()))
        found.append(Load(name, change.get("module", name), args, change.get("exec", False)))
    return found


def modules(
    rank: int = 0, attrs: Mapping[str, str] | None = None, config: Mapping[str, Any] | None = None
) -> list[str]:
    """The names of the modules that rc1 loads on a rank."""
    return [load.name for load in loads(rank, attrs, config)]


def includes(ranks: str, rank: int) -> bool:
    """Whether a rank is among ``all``, ``>N``, ``<N`` or an idset. Raises ValueError."""
    if ranks == "all":
        return True
    sign, number = ranks[:1], ranks[1:]
    if sign in ("<", ">") and number.isdecimal():
        return rank < int(number) if sign == "<" else rank > int(number)
    return rank in Idset(ranks)


def always() -> list[str]:
    """Those that a broker has without rc1."""
    return [row.name for row in TABLE if row.always]
