# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 44: what a log of resource events leads to: who is online, torpid and drained, since when and why.

Recorded ranks hold for the mapping of ranks to hosts of their time. A rank whose host is another by now
becomes the first rank of its host (:func:`remapped`), and one whose host is gone is left out.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field
from rosin.rfc.resource_events import UPDATE_ALL, UPDATE_NOTHING, UPDATE_REASON, validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_NONE = Idset()


def remapped(ranks: Idset, names: Hostlist, hosts: Mapping[int, str], first: Mapping[str, int]) -> Idset:
    """Return where recorded ranks are now.

    ``names`` are their hosts at the time, ``hosts`` maps a rank to its host and ``first`` a host to its first
    rank. Without as many names, ranks hold as they are.
    """
    known = list(names) if len(names) == len(ranks) else [None] * len(ranks)
    found = [_now(rank, name, hosts, first) for rank, name in zip(ranks, known, strict=True)]
    return Idset([rank for rank in found if rank is not None])


def _now(rank: int, name: str | None, hosts: Mapping[int, str], first: Mapping[str, int]) -> int | None:
    if name is None or hosts.get(rank) == name:
        return rank if rank in hosts else None
    return first.get(name)


class Drained:
    """Drained ranks with ``(timestamp, reason)``; a reason of None: none was given."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[int, tuple[float, str | None]] = {}

    def drain(self, ranks: Iterable[int], timestamp: float, reason: str | None, overwrite: int) -> None:
        """Take ranks out of use.

        Of one that is out of use already, ``overwrite`` 1 replaces the reason, 2 the time stamp too, and 0
        nothing, except that a reason is noted where there was none.
        """
        for rank in ranks:
            held = self._held.get(rank)
            if held is None or overwrite == UPDATE_ALL:
                self._held[rank] = (timestamp, reason)
            elif overwrite == UPDATE_REASON or held[1] is None:
                self._held[rank] = (held[0], reason)

    def undrain(self, ranks: Iterable[int]) -> None:
        """Put ranks into use again."""
        for rank in ranks:
            self._held.pop(rank, None)

    def ranks(self) -> Idset:
        """Return the drained ranks."""
        return Idset(list(self._held))

    def get(self, rank: int) -> tuple[float, str | None] | None:
        """Return since when and why a rank is drained, or None."""
        return self._held.get(rank)

    def items(self) -> list[tuple[int, tuple[float, str | None]]]:
        """Return the drained ranks in order, with since when and why."""
        return sorted(self._held.items())

    def __len__(self) -> int:
        return len(self._held)


class ResourceLog:
    """The state that events lead to.

    Attributes:
        ranks, online, torpid: execution targets, those that can be reached, those long silent.
        drained: see :class:`Drained`.
        method: how the resources came to be known, "" before ``resource-define``.
        expiration: when they go away, seconds since the epoch, 0.0 = never or not told.
        truncated: events before this time are missing, or None.
    """

    __slots__ = (
        "_first",
        "_hosts",
        "drained",
        "expiration",
        "method",
        "online",
        "ranks",
        "torpid",
        "truncated",
    )

    def __init__(self) -> None:
        self.ranks = self.online = self.torpid = _NONE
        self.drained = Drained()
        self.method = ""
        self.expiration = 0.0
        self.truncated: float | None = None
        self._hosts: dict[int, str] | None = None
        self._first: dict[str, int] = {}

    def replay(self, events: Iterable[dict[str, Any]]) -> None:
        """Apply events in turn. FormatError names the number of the event at fault."""
        for number, event in enumerate(events, 1):
            try:
                self.apply(event)
            except FormatError as error:
                text = str(error).removeprefix("resource-events: ")
                raise FormatError(f"resource-events: event {number}: {text}") from None

    def apply(self, event: dict[str, Any]) -> None:
        """Take one event into account; what the RFC does not have changes nothing. Raises FormatError."""
        name = validate(event)["name"]
        context = event.get("context") or {}
        if name == "restart":
            self._restart(context)
        elif name == "resource-define":
            self.method = context["method"]
        elif name == "resource-update":
            self.expiration = field(context, "expiration", float)
        elif name == "truncate":
            self.truncated = event["timestamp"]
        elif name in ("drain", "undrain"):
            self._drain(name, context, event["timestamp"])
        elif name in ("online", "offline", "torpid", "lively"):
            ids = Idset(context["idset"])
            if name == "online":
                self.online |= ids
            elif name == "offline":
                self.online -= ids
                self.torpid -= ids
            elif name == "torpid":
                self.torpid |= ids
            else:
                self.torpid -= ids

    def _restart(self, context: dict[str, Any]) -> None:
        """Ranks may have other hosts from here on; drained hosts stay so."""
        self.ranks, self.online, self.torpid = Idset(context["ranks"]), Idset(context["online"]), _NONE
        before, drained = self._hosts, self.drained
        hosts = Hostlist(context["nodelist"])
        self._hosts = dict(zip(self.ranks, hosts, strict=True))
        self._first = {}
        for rank, host in self._hosts.items():
            self._first.setdefault(host, rank)
        self.drained = Drained()
        for rank, (timestamp, reason) in drained.items():
            now = _now(rank, (before or {}).get(rank), self._hosts, self._first)
            if now is not None:
                self.drained.drain((now,), timestamp, reason, UPDATE_NOTHING)

    def _drain(self, name: str, context: dict[str, Any], timestamp: float) -> None:
        ranks = Idset(context["idset"])
        if self._hosts is not None:
            ranks = remapped(ranks, Hostlist(context["nodelist"]), self._hosts, self._first)
        if name == "undrain":
            self.drained.undrain(ranks)
        else:
            self.drained.drain(ranks, timestamp, context.get("reason"), context["overwrite"])

    def available(self) -> Idset:
        """Return the ranks that are online and neither torpid nor drained."""
        return self.online - self.torpid - self.drained.ranks()

    def host(self, rank: int) -> str:
        """Return the host of a rank, "" when no ``restart`` told it."""
        return (self._hosts or {}).get(rank, "")
