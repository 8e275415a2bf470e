# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which module an instance has on which rank, and since when; in the order in which they need each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Row(NamedTuple):
    """One module."""

    name: str
    #: On every rank; else on rank 0 alone.
    everywhere: bool = False
    #: There without rc1, too: flux-core builds it into its broker.
    always: bool = False
    #: The attribute that names another one to load in its place.
    attribute: str | None = None


TABLE = (
    Row("content", everywhere=True),
    Row("content-sqlite", attribute="content.backing-module"),
    Row("kvs", everywhere=True),
    Row("kvs-watch", everywhere=True),
    Row("heartbeat", everywhere=True),
    Row("groups", everywhere=True, always=True),
    Row("barrier", everywhere=True),
    Row("rexec", everywhere=True, always=True),
    Row("resource", everywhere=True),
    Row("job-manager"),
    Row("job-info", everywhere=True),
    Row("job-list"),
    Row("job-ingest", everywhere=True),
    Row("job-exec"),
    Row("sched-simple"),
)


def modules(rank: int = 0, attrs: Mapping[str, str] | None = None) -> list[str]:
    """The modules that rc1 loads on a rank."""
    rows = [row for row in TABLE if row.everywhere or rank == 0]
    given = attrs or {}
    return [given.get(row.attribute, row.name) if row.attribute else row.name for row in rows]


def always() -> list[str]:
    """Those that a broker has without rc1."""
    return [row.name for row in TABLE if row.always]
