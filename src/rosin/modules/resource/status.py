# SPDX-License-Identifier: LGPL-3.0-or-later
"""The answers to ``resource.status`` and ``resource.sched-status``, worked out once per change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.resource.allocator import counted
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from rosin.modules.resource.availability import Availability
    from rosin.modules.resource.drain import DrainState


def status(R: dict[str, Any], state: Availability, drain: DrainState) -> dict[str, Any]:
    """Return the body of a ``resource.status`` response."""
    return {
        "R": {key: value for key, value in R.items() if key != "scheduling"},
        "drain": drain.info(),
        "online": state.online.encode(),
        "offline": state.offline.encode(),
        "exclude": state.exclude.encode(),
        "torpid": state.torpid.encode(),
    }


class SchedStatus:
    """Resources as the scheduler sees them: all, down and allocated.

    Excluded ranks, and where lost ranks never come back those too, are not among them.
    """

    def __init__(self, R: ResourceSet, state: Availability) -> None:
        usable = R.copy()
        usable.scheduling = counted.attach(None, counted.decode(R.scheduling))
        usable.remove_ranks(state.exclude)
        if state.shrinks:
            usable.remove_ranks(state.lost)
        self._usable = usable
        self._state = state
        self._all = usable.encode()
        self._down: tuple[Idset, dict[str, Any]] | None = None

    def response(self, allocated: Any) -> dict[str, Any]:
        """Return the body of a response; ``allocated`` is an R object without properties, or None."""
        down = self._state.down
        if self._down is None or self._down[0] != down:
            self._down = (down, self._usable.copy_ranks(down).encode())
        return {"all": self._all, "down": self._down[1], "allocated": self._with_properties(allocated)}

    def _with_properties(self, allocated: Any) -> dict[str, Any]:
        R = ResourceSet() if allocated is None else ResourceSet.decode(allocated)
        ranks = R.ranks()
        for name in self._usable.get_properties():
            mine = self._usable.property_ranks(name) & ranks
            if mine:
                R.set_property(name, mine)
        return R.encode()
