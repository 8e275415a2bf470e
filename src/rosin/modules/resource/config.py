# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``[resource]`` table and the module's arguments (flux-config-resource)."""

from __future__ import annotations

from errno import EINVAL
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rosin import _json
from rosin.errors import FormatError
from rosin.modules.resource.verify import Verification
from rosin.rfc import fsd
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field
from rosin.rfc.rset import ResourceSet
from rosin.rfc.rset_format import check_property

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    T = TypeVar("T")

_KEYS: dict[str, tuple[type, ...]] = {
    "path": (str,),
    "scheduling": (str,),
    "config": (list,),
    "verify": (dict, bool),
    "exclude": (str,),
    "norestrict": (bool,),
    "noverify": (bool,),
    "no-update-watch": (bool,),
    "rediscover": (bool,),
    "journal-max": (int,),
    "history": (str,),
}
_ENTRY_KEYS = {"hosts", "cores", "gpus", "properties"}
_JOURNAL_MAX = 100_000
_HISTORY = "90d"


class ResourceConfig:
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
        notruncate: never shorten the event log in the KVS (argument ``notruncate``).
    """

    __slots__ = (
        "exclude",
        "force_up",
        "history",
        "journal_max",
        "norestrict",
        "notruncate",
        "noverify",
        "rediscover",
        "rset",
        "verify",
    )

    def __init__(self, table: Any, args: Container[str] = ()) -> None:
        """Raises OSError EINVAL that names the key and what is wrong with it."""
        self.noverify = False
        try:
            self.rset = self._read(table)
        except FormatError as error:
            raise OSError(EINVAL, f"error parsing [resource] configuration: {error}") from None
        self.noverify = self.noverify or "noverify" in args
        self.force_up = "monitor-force-up" in args
        self.notruncate = "notruncate" in args

    def _read(self, table: Any) -> ResourceSet | None:
        if not isinstance(table, dict):
            raise FormatError("expected a table")
        for key in table:
            if key not in _KEYS:
                raise FormatError(f"unknown key '{key}': expected one of {', '.join(_KEYS)}")
            field(table, key, _KEYS[key])
        self.exclude: str | None = table.get("exclude")
        self.noverify = table.get("noverify", False)
        self.norestrict: bool = table.get("norestrict", False)
        self.rediscover: bool = table.get("rediscover", False)
        self.journal_max: int = table.get("journal-max", _JOURNAL_MAX)
        if self.journal_max <= 0:
            raise FormatError(f"journal-max: expected a number above 0, got {self.journal_max}")
        try:
            self.history = fsd.parse(table.get("history", _HISTORY))
        except FormatError as error:
            raise FormatError(f"history: {error}") from None
        self.verify = Verification(table.get("verify"))
        rset = None
        if "config" in table:
            rset = from_entries(table["config"])
        elif "path" in table:
            rset = _named("path", load_file, table["path"])
        if "scheduling" in table:
            if rset is None:
                raise FormatError("resource.scheduling requires resource.path or [resource.config]")
            rset.scheduling = _named("scheduling", _load_json, table["scheduling"])
        return rset


def _named(key: str, load: Callable[[str], T], path: str) -> T:
    try:
        return load(path)
    except FormatError as error:
        raise FormatError(f"{key}: {error}") from None


def _load_json(path: str) -> Any:
    try:
        return _json.loads(Path(path).read_bytes())
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise FormatError(f"{path}: not JSON: {error}") from None


def load_file(path: str) -> ResourceSet:
    """Read R from a file. Raises FormatError that names the file."""
    R = _load_json(path)
    try:
        return ResourceSet.decode(R)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def from_entries(entries: list[Any]) -> ResourceSet:
    """Make the resource set of a ``[[resource.config]]`` array.

    Each entry gives cores, GPUs and properties to hosts; hosts are ranked in the order in which they are
    first named, and entries that name the same host add up. Raises FormatError that names the entry.
    """
    rset = ResourceSet()
    ranks: dict[str, int] = {}
    for number, entry in enumerate(entries):
        try:
            _add_entry(rset, ranks, entry)
        except FormatError as error:
            raise FormatError(f"config[{number}]: {error}") from None
    if not ranks:
        raise FormatError("config: no hosts configured")
    idle = [host for host, rank in ranks.items() if not rset.core_mask(rank) and not rset.gpu_mask(rank)]
    if idle:
        raise FormatError(f"config: {Hostlist(idle).encode()} assigned no resources")
    return rset


def _add_entry(rset: ResourceSet, ranks: dict[str, int], entry: Any) -> None:
    hosts = list(Hostlist(field(entry, "hosts", str)))
    unknown = sorted(set(entry) - _ENTRY_KEYS)
    if unknown:
        raise FormatError(f"unknown key '{unknown[0]}': expected one of {', '.join(sorted(_ENTRY_KEYS))}")
    if not hosts:
        raise FormatError("hosts is empty")
    cores, gpus = Idset(field(entry, "cores", str, "")), Idset(field(entry, "gpus", str, ""))
    properties = field(entry, "properties", list, [])
    mine = []
    for host in hosts:
        rank = ranks.setdefault(host, len(ranks))
        rset.add_rank(rank, host, cores, gpus)
        mine.append(rank)
    for name in properties:
        if not isinstance(name, str):
            raise FormatError("properties must be an array of strings")
        check_property(name)
        rset.set_property(name, Idset(mine))
