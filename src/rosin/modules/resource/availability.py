# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which ranks can be used now, and what changed for the scheduler that acquired them (RFC 28, 44)."""

from __future__ import annotations

from typing import Any

from rosin.rfc.acquire import transition
from rosin.rfc.idset import Idset

_NONE = Idset()


class Availability:
    """What is known of the ranks 0 to ``size - 1``.

    Attributes:
        online: ranks whose broker is up.
        torpid: ranks whose broker has been silent for long.
        drained: ranks that an administrator or a check took out of use.
        exclude: ranks that the configuration never lets be used.
        lost: ranks that were online and are not any more.
        shrinks: lost ranks never come back (the resources were not configured by the site).
    """

    def __init__(self, size: int, exclude: Idset = _NONE) -> None:
        self.size = size
        self.online = _NONE
        self.torpid = _NONE
        self.drained = _NONE
        self.lost = _NONE
        self.exclude = exclude
        self.shrinks = False

    @property
    def offline(self) -> Idset:
        """Ranks that are not online."""
        return (Idset.from_range(0, self.size - 1) if self.size else _NONE) - self.online

    @property
    def down(self) -> Idset:
        """Ranks that cannot be used now, for any of the reasons."""
        return self.offline | self.torpid | self.drained

    def set_online(self, now: Idset) -> tuple[Idset, Idset]:
        """Record who is online; return the ranks that came and the ranks that went."""
        came, went = now - self.online, self.online - now
        self.online = now
        self.lost = (self.lost | went) - came
        return came, went

    def set_torpid(self, now: Idset) -> tuple[Idset, Idset]:
        """Record who is torpid; return the ranks that became so and the ranks that recovered."""
        became, recovered = now - self.torpid, self.torpid - now
        self.torpid = now
        return became, recovered


class Acquisition:
    """What the scheduler has been told (RFC 28).

    Args:
        ranks: all ranks of R.
        state: the availability; read at each call.
    """

    def __init__(self, ranks: Idset, state: Availability) -> None:
        self._state = state
        self._valid = ranks - state.exclude
        self._removed = _NONE
        self.up = self._valid - state.down
        if state.shrinks:
            self._removed = state.lost
            self._valid -= state.lost

    def update(self) -> dict[str, Any] | None:
        """Return the response that tells what changed since the last one, or None when nothing did."""
        state = self._state
        now = self._valid - state.down - state.exclude
        gone = (state.lost & self._valid) - self._removed if state.shrinks else _NONE
        change = transition(self.up, now, gone)
        self.up = now
        self._removed |= gone
        self._valid -= gone
        return change.encode() or None
