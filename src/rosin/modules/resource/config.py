# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``[resource]`` table and the module's arguments (flux-config-resource)."""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING, Any, TypeVar

from rosin.errors import FormatError
from rosin.resource.definition import from_entries, load_file, load_json
from rosin.resource.verify import Verification
from rosin.rfc import fsd
from rosin.rfc.payload import field
from rosin.rfc.rset import ResourceSet

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
            rset.scheduling = _named("scheduling", load_json, table["scheduling"])
        return rset


def _named(key: str, load: Callable[[str], T], path: str) -> T:
    try:
        return load(path)
    except FormatError as error:
        raise FormatError(f"{key}: {error}") from None
