# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which ranks are drained, since when and why (RFC 44).

Requests are checked, made into an event, written down, and only then applied: :meth:`DrainState.apply`
takes live events and, after a restart, the recorded ones.
"""

from __future__ import annotations

from errno import EEXIST, EINVAL
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc import resource_events
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field
from rosin.rfc.resource_events import UPDATE_ALL, UPDATE_NOTHING, UPDATE_REASON
from rosin.rfc.resource_events.replay import Drained

if TYPE_CHECKING:
    from rosin.modules.resource.hosts import HostMap

    Event = dict[str, Any]

#: Request mode -> the event's ``overwrite``. Without a mode, ranks in the wanted state already are an error.
MODES = {"update": UPDATE_NOTHING, "overwrite": UPDATE_REASON, "force-overwrite": UPDATE_ALL}


class DrainState:
    """Drained ranks with time stamp and reason (None: no reason given)."""

    def __init__(self, hosts: HostMap) -> None:
        self._hosts = hosts
        self._drained = Drained()

    @property
    def ranks(self) -> Idset:
        """All drained ranks."""
        return self._drained.ranks()

    def move(self, hosts: HostMap) -> None:
        """Use another map of ranks to hosts; ranks beyond it are not drained any more."""
        self._hosts = hosts
        self._drained.undrain(self.ranks - Idset.from_range(0, len(hosts) - 1))

    # -- requests --

    def drain(self, ranks: Idset, mode: str | None, reason: str | None, exclude: Idset, now: float) -> Event:
        """Return the ``drain`` event that a request asks for.

        Raises OSError: EINVAL on an unknown mode or, without a mode, excluded ranks; EEXIST when without a
        mode some are drained with a reason already.
        """
        if mode is None:
            self._refuse_known(ranks, exclude)
        elif mode not in MODES:
            raise OSError(EINVAL, f"Invalid mode specified: {mode!r} is not one of {', '.join(MODES)}")
        return self._event("drain", ranks, mode, reason, now)

    def _event(self, name: str, ranks: Idset, mode: str | None, reason: str | None, now: float) -> Event:
        overwrite = UPDATE_NOTHING if mode is None else MODES[mode]
        return resource_events.drain(ranks, self._hosts.names(ranks), overwrite, reason, now, name=name)

    def _refuse_known(self, ranks: Idset, exclude: Idset) -> None:
        known = Idset([rank for rank in ranks & self.ranks if self._reason(rank) is not None])
        excluded = ranks & exclude
        causes = [text for text, ids in (("already drained", known), ("excluded", excluded)) if ids]
        if causes:
            raise OSError(EEXIST if known else EINVAL, f"{_named(known | excluded)} {' or '.join(causes)}")

    def _reason(self, rank: int) -> str | None:
        held = self._drained.get(rank)
        return held[1] if held else None

    def undrain(self, ranks: Idset, mode: str | None, reason: str | None, now: float) -> Event:
        """Return the ``undrain`` event that a request asks for.

        Raises OSError: EEXIST when without a mode some are not drained, EINVAL on an unknown mode.
        """
        if mode is None:
            other = ranks - self.ranks
            if other:
                raise OSError(EEXIST, f"{_named(other)} not drained")
        elif mode not in MODES:
            raise OSError(EINVAL, f"invalid undrain mode {mode!r}: use one of {', '.join(MODES)}")
        return self._event("undrain", ranks, mode, reason, now)

    # -- events --

    def apply(self, event: Event) -> None:
        """Take a ``drain`` or ``undrain`` event into account; others are ignored. Raises FormatError."""
        self._drained.apply(event, self._hosts.place)

    # -- views --

    def info(self) -> dict[str, dict[str, Any]]:
        """Return ``{idset: {timestamp, reason}}``, as ``resource.status`` shows it; no reason is ``""``."""
        groups: dict[tuple[float, str], list[int]] = {}
        for rank, (timestamp, reason) in self._drained.items():
            groups.setdefault((float(round(timestamp)), reason or ""), []).append(rank)
        return {
            Idset(ranks).encode(): {"timestamp": timestamp, "reason": reason}
            for (timestamp, reason), ranks in groups.items()
        }

    def checkpoint(self, now: float, last: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what is kept in the KVS under ``checkpoint.resource``; ``last``: the last recorded event."""
        state = self.info()
        for ids, entry in state.items():
            entry["nodelist"] = self._hosts.names(Idset.decode(ids)).encode()
        return {"timestamp": now, "drain_state": state, "last": last}

    def restore(self, stored: bytes, recorded: list[dict[str, Any]]) -> int:
        """Take over a checkpoint (JSON text of :meth:`checkpoint`); return how many events it covers.

        Those are the ``recorded`` ones up to its last event. Times would say the same if nobody set the
        clock; they are compared where the event is not there any more. Raises FormatError.
        """
        try:
            checkpoint = _json.loads(stored)
        except ValueError as error:
            raise FormatError(f"checkpoint.resource: not JSON: {error}") from None
        for ids, entry in field(checkpoint, "drain_state", dict).items():
            timestamp = field(entry, "timestamp", float)
            reason = field(entry, "reason", str) or None
            ranks = self._hosts.place(Idset.decode(ids), Hostlist(field(entry, "nodelist", str)))
            self._drained.drain(ranks, timestamp, reason, UPDATE_ALL)
        since, last = field(checkpoint, "timestamp", float), checkpoint.get("last")
        for number in range(len(recorded), 0, -1):
            if recorded[number - 1] == last:
                return number
        later = (number for number, event in enumerate(recorded) if event["timestamp"] >= since)
        return next(later, len(recorded))

    def replay(self, events: list[dict[str, Any]], covered: int = 0) -> None:
        """Apply recorded events but for the first ``covered``. Raises FormatError naming the event."""
        for number, event in enumerate(events[covered:], covered + 1):
            try:
                self.apply(event)
            except FormatError as error:
                text = str(error).removeprefix("resource-events: ")
                raise FormatError(f"resource.eventlog: event {number}: {text}") from None


def _named(ranks: Idset) -> str:
    return f"rank{'s' if len(ranks) > 1 else ''} {ranks.encode()}"
