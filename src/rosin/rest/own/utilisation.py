# SPDX-License-Identifier: LGPL-3.0-or-later
"""How many cores, nodes and jobs there were over time, from what the jobs themselves tell."""

from __future__ import annotations

from typing import Any

from rosin.job.table.attributes import POSITION, Row
from rosin.rest.mirror import Mirror
from rosin.rest.own.jobpage import slices

_SUBMIT, _RUN = POSITION["t_submit"], POSITION["t_run"]
_CLEANUP, _INACTIVE = POSITION["t_cleanup"], POSITION["t_inactive"]
_CORES, _NODES = POSITION["ncores"], POSITION["nnodes"]


class Intervals:
    """Sums over *count* intervals of *step* seconds from *start* on of what was there for some time."""

    def __init__(self, start: float, step: float, count: int) -> None:
        self.start, self.step, self.count = start, step, count
        self._rates = [0.0] * (count + 1)  # changes of the sum from one whole interval to the next
        self._parts = [0.0] * (count + 1)  # what intervals have of others' beginnings and ends

    def add(self, begin: float, end: float, amount: float) -> None:
        """*amount* was there from *begin* to *end*."""
        first = max(0.0, (begin - self.start) / self.step)
        last = min(float(self.count), (end - self.start) / self.step)
        if last <= first:
            return
        low, high = int(first), int(last)
        self._rates[low] += amount
        self._rates[high] -= amount
        self._parts[low] -= amount * (first - low)
        self._parts[high] += amount * (last - high)

    def averages(self) -> list[float]:
        """The average of each interval."""
        found, rate = [], 0.0
        for index in range(self.count):
            rate += self._rates[index]
            found.append(round(max(0.0, rate + self._parts[index]), 3))
        return found


async def utilisation(mirror: Mirror, now: float, span: float, points: int) -> dict[str, Any]:
    """A :class:`~rosin.rest.own.schema.instance.Utilisation` of the last *span* seconds."""
    start, step = now - span, span / points
    sums = {name: Intervals(start, step, points) for name in ("cores", "nodes", "running", "pending")}
    async for rows in slices(mirror.snapshot()):
        for row in rows:
            _add(sums, row, start, now)
    return {"start": start, "step": step, **{name: found.averages() for name, found in sums.items()}}


def _add(sums: dict[str, Intervals], row: Row, start: float, now: float) -> None:
    over = row[_INACTIVE]
    if over is not None and over < start:
        return
    run = row[_RUN]
    sums["pending"].add(row[_SUBMIT] or now, run or over or now, 1)
    if run:
        end = row[_CLEANUP] or over or now
        sums["running"].add(run, end, 1)
        sums["cores"].add(run, end, row[_CORES] or 0)
        sums["nodes"].add(run, end, row[_NODES] or 0)
