# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 44: what recorded drains lead to: who is drained, since when and why.

Recorded ranks hold for the mapping of ranks to hosts of their time. A rank whose host is another by now
becomes the first rank of its host (:func:`remapped`), and one whose host is gone is left out.
"""

from __future__ import annotations

from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.resource_events import UPDATE_ALL, UPDATE_REASON, validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


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

    __slots__ = ("_held", "_ranks")

    def __init__(self) -> None:
        self._held: dict[int, tuple[float, str | None]] = {}
        self._ranks = Idset()  # the keys

    def apply(self, event: dict[str, Any], place: Callable[[Idset, Hostlist], Idset]) -> None:
        """Take a ``drain`` or ``undrain`` event into account; others change nothing.

        *place* tells where recorded ranks, with the names of their hosts, are now. A drain without
        ``overwrite``, as flux-core writes when a rank drains itself, updates the reason. Raises FormatError.
        """
        if event["name"] not in ("drain", "undrain"):
            return
        if event["name"] == "drain" and isinstance(event.get("context"), dict):
            event = {**event, "context": {"overwrite": UPDATE_REASON, **event["context"]}}
        context = validate(event)["context"]
        ranks = place(Idset(context["idset"]), Hostlist(context["nodelist"]))
        if event["name"] == "undrain":
            self.undrain(ranks)
        else:
            self.drain(ranks, event["timestamp"], context.get("reason"), context["overwrite"])

    def drain(self, ranks: Iterable[int], timestamp: float, reason: str | None, overwrite: int) -> None:
        """Take ranks out of use.

        Of one that is out of use already, ``overwrite`` 1 replaces the reason, 2 the time stamp too, and 0
        nothing, except that a reason is noted where there was none.
        """
        wanted = Idset(ranks)
        for rank in wanted:
            held = self._held.get(rank)
            if held is None or overwrite == UPDATE_ALL:
                self._held[rank] = (timestamp, reason)
            elif overwrite == UPDATE_REASON or held[1] is None:
                self._held[rank] = (held[0], reason)
        self._ranks |= wanted

    def undrain(self, ranks: Iterable[int]) -> None:
        """Put ranks into use again."""
        mine = Idset(ranks) & self._ranks
        for rank in mine:
            del self._held[rank]
        self._ranks -= mine

    def ranks(self) -> Idset:
        """Return the drained ranks."""
        return self._ranks

    def get(self, rank: int) -> tuple[float, str | None] | None:
        """Return since when and why a rank is drained, or None."""
        return self._held.get(rank)

    def items(self) -> list[tuple[int, tuple[float, str | None]]]:
        """Return the drained ranks in order, with since when and why."""
        return sorted(self._held.items())
