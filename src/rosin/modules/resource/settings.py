# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``[resource]`` table and the module's arguments (flux-config-resource)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from rosin.broker.settings import NO_ARGUMENTS, Table
from rosin.errors import FormatError
from rosin.resource.allocator import counted
from rosin.resource.definition import from_entries, load_file, load_json
from rosin.resource.verify import Verification
from rosin.rfc import fsd
from rosin.rfc.payload import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.settings import Config
    from rosin.rfc.rset import ResourceSet

    T = TypeVar("T")

_KEYS = (
    "path",
    "scheduling",
    "config",
    "pools",
    "verify",
    "exclude",
    "norestrict",
    "noverify",
    "no-update-watch",
    "rediscover",
    "journal-max",
    "history",
)
#: What counts when the service starts, and then no more.
READ_AT_START = (
    *(f"resource.{key}" for key in _KEYS if key not in ("journal-max", "no-update-watch")),
    "queues.*.hosts",  # properties of nodes
)
_JOURNAL_MAX = 100_000
_HISTORY = fsd.parse("90d")


class ResourceSettings(NamedTuple):
    """What a site configures.

    Attributes:
        rset: configured resources, or None.
        exclude: idset or hostlist of targets that are never used, or None.
        verify: how the machine is compared with configured resources.
        noverify: do not compare.
        norestrict: discover all processing units, not only those that the broker may run on.
        rediscover: do not use the resources of an enclosing job, only its time limit.
        journal_max: events that are kept in memory.
        history: seconds of events that a restart keeps in the KVS.
        force_up: act as if all ranks were online (argument ``monitor-force-up``).
        pools: name -> size of counted pools, None where nothing is said of them.
        notruncate: never shorten the event log in the KVS (argument ``notruncate``).
    """

    rset: ResourceSet | None
    exclude: str | None
    verify: Verification
    noverify: bool
    norestrict: bool
    rediscover: bool
    journal_max: int
    history: float
    force_up: bool
    notruncate: bool
    pools: dict[str, int] | None

    @classmethod
    def parse(cls, config: Config, arguments: Config = NO_ARGUMENTS) -> ResourceSettings:
        """Read them, and the files that they name. Raises FormatError that names the key."""
        table = Table(config, "resource", _KEYS)
        table.get("no-update-watch", bool)
        return cls(
            rset=_rset(table),
            exclude=table.get("exclude", str),
            verify=_verify(table),
            noverify=table.get("noverify", bool, False) or "noverify" in arguments,
            norestrict=table.get("norestrict", bool, False),
            rediscover=table.get("rediscover", bool, False),
            journal_max=table.integer("journal-max", _JOURNAL_MAX, 1),
            history=table.seconds("history", _HISTORY),
            force_up="monitor-force-up" in arguments,
            notruncate="notruncate" in arguments,
            pools=counted.parse(table.values["pools"], "resource.pools") if "pools" in table.values else None,
        )


def _verify(table: Table) -> Verification:
    value = table.values.get("verify")
    if not isinstance(value, dict | bool | None):
        raise FormatError(f"resource.verify: expected a table or true or false, got {describe(value)}")
    return _named("resource.", Verification, value)


def _rset(table: Table) -> ResourceSet | None:
    entries, path = table.get("config", list), table.get("path", str)
    scheduling = table.get("scheduling", str)
    rset = None
    if entries is not None:
        rset = _named("resource.", from_entries, entries)
    elif path is not None:
        rset = _named("resource.path: ", load_file, path)
    if scheduling is not None:
        if rset is None:
            raise FormatError("resource.scheduling requires resource.path or [resource.config]")
        rset.scheduling = _named("resource.scheduling: ", load_json, scheduling)
    return rset


def _named(place: str, read: Callable[[Any], T], value: Any) -> T:
    try:
        return read(value)
    except FormatError as error:
        raise FormatError(f"{place}{error}") from None
