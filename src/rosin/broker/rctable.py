# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which module an instance has on which rank, and since when; in the order in which they need each other.

The table ``[modules]`` of the configuration adds to it and changes it, in the terms of flux-core's modprobe.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rosin.broker.rcplan.tasks import Module


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
    #: The services for which it is loaded, where others may provide them in its place.
    provides: tuple[str, ...] = ()


TABLE = (
    RcRow("content", everywhere=True),
    RcRow("content-sqlite", attribute="content.backing-module", provides=("content-backing",)),
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
    RcRow("sched-simple", provides=("sched", "feasibility")),
)


class Load(NamedTuple):
    """A module to load: its name, where it is found, its arguments; in a process of its own."""

    name: str
    path: str
    args: list[str]
    process: bool = False


class ConfiguredBroker:
    """What conditions of modules ask of the broker (:class:`rosin.broker.rcplan.tasks.RcConditions`)."""

    def __init__(self, rank: int, attrs: Mapping[str, str], config: Mapping[str, Any]) -> None:
        self.rank = rank
        self._config = config
        self.attr_get = attrs.get
        self.getenv = os.environ.get

    def conf_get(self, key: str) -> Any:
        """A value of the configuration by its dotted key, or None."""
        value: Any = self._config
        for step in key.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        return value


def loads(
    rank: int = 0, attrs: Mapping[str, str] | None = None, config: Mapping[str, Any] | None = None
) -> list[Load]:
    """What rc1 loads on a rank, one after the other. Raises FormatError for a table that does not do."""
    modules = (config or {}).get("modules")
    if modules:
        found = _planned(ConfiguredBroker(rank, attrs or {}, config or {}), _wanted(TABLE), modules)
        return [Load(task.name, task.module, task.args, task.exec) for task in found]
    rows = (row for row in TABLE if row.everywhere or not rank)
    named = ((row, (attrs or {}).get(row.attribute, row.name) if row.attribute else row.name) for row in rows)
    return [Load(name, name, list(row.args)) for row, name in named]


def _planned(broker: ConfiguredBroker, wanted: Iterable[str], modules: Mapping[str, Any]) -> list[Module]:
    from rosin import configfile  # few instances need that, and the rest
    from rosin.broker.rcplan.plan import planned
    from rosin.handle.builtin import paths

    entries = configfile.load(os.path.join(paths()["datadir"], "modprobe", "modprobe.toml"))["modules"]
    builtin = [{"name": name} for name in always()]
    try:
        return planned(broker, [*builtin, *entries], wanted, modules)
    except ValueError as exc:
        raise FormatError(f"modules: {exc}") from None


def check(config: Mapping[str, Any]) -> None:
    """Raises FormatError for a table ``[modules]`` with which no instance of this configuration starts."""
    loads(0, config=config)


def _wanted(rows: Iterable[RcRow]) -> list[str]:
    return [name for row in rows for name in row.provides or (row.name,)]


def wanted() -> list[str]:
    """What rc1 is to load: modules, and services that one of several modules provides."""
    return _wanted(row for row in TABLE if not row.always)


def modules(
    rank: int = 0, attrs: Mapping[str, str] | None = None, config: Mapping[str, Any] | None = None
) -> list[str]:
    """The names of the modules that rc1 loads on a rank."""
    return [load.name for load in loads(rank, attrs, config)]


def always() -> list[str]:
    """Those that a broker has without rc1."""
    return [row.name for row in TABLE if row.always]
