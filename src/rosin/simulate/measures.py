# SPDX-License-Identifier: LGPL-3.0-or-later
"""What came of a simulation, in a few numbers."""

from __future__ import annotations

from statistics import fmean, median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rosin.simulate.run import Simulation
    from rosin.simulate.world import Outcome

#: Run times below this count as this in the bounded slowdown, in seconds.
BOUND = 10.0


class Measures(NamedTuple):
    """Numbers of one run.

    Attributes:
        jobs: how many ran.
        refused: how many could never run.
        wait_mean, wait_median, wait_95, wait_max: seconds from submission to start.
        slowdown: mean of (wait + run time) / run time, where a run time is 10 s at least; 1 without any wait.
        slowdown_median: the median of it.
        utilisation: part of the cores that was in use between the first submission and the last end.
        makespan: seconds from the first submission to the last end.
        seconds: how long the simulation took.
    """

    jobs: int
    refused: int
    wait_mean: float
    wait_median: float
    wait_95: float
    wait_max: float
    slowdown: float
    slowdown_median: float
    utilisation: float
    makespan: float
    seconds: float


def measure(run: Simulation, cores: int) -> Measures:
    """Return the numbers of a run on a machine of so many cores."""
    ran = [outcome for outcome in run.outcomes if outcome.end >= 0]
    waits = sorted(wait(run, outcome) for outcome in ran) or [0.0]
    slowdowns = [slowdown(run, outcome) for outcome in ran] or [1.0]
    begin = min((run.began + outcome.job.submit for outcome in ran), default=0.0)
    makespan = max((outcome.end for outcome in ran), default=0.0) - begin
    work = sum(outcome.cores * (outcome.end - outcome.start) for outcome in ran)
    return Measures(
        len(ran),
        len(run.outcomes) - len(ran),
        fmean(waits),
        median(waits),
        waits[(len(waits) - 1) * 95 // 100],
        waits[-1],
        fmean(slowdowns),
        median(slowdowns),
        work / (cores * makespan) if makespan else 0.0,
        makespan,
        run.seconds,
    )


def wait(run: Simulation, outcome: Outcome) -> float:
    """Seconds from submission to start."""
    return max(0.0, outcome.start - run.began - outcome.job.submit)


def slowdown(run: Simulation, outcome: Outcome) -> float:
    """The bounded slowdown of a job."""
    took = max(BOUND, outcome.end - outcome.start)
    return max(1.0, (wait(run, outcome) + outcome.end - outcome.start) / took)


def span(seconds: float) -> str:
    """Seconds as people say them: ``12s``, ``3.5m``, ``2.1h``, ``40.2d``."""
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "m")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f}{unit}"
    return f"{seconds:.0f}s"


_COLUMNS = ("POLICY", "JOBS", "WAIT", "MEDIAN", "95%", "MAX", "SLOWDOWN", "MEDIAN", "USE", "MAKESPAN", "TOOK")


def table(rows: Sequence[tuple[str, Measures]]) -> str:
    """Return the numbers as lines, one for each run by its name."""
    lines: list[tuple[str, ...]] = [_COLUMNS]
    for name, found in rows:
        waits = (found.wait_mean, found.wait_median, found.wait_95, found.wait_max)
        lines.append(
            (
                name,
                str(found.jobs),
                *map(span, waits),
                f"{found.slowdown:.1f}",
                f"{found.slowdown_median:.2f}",
                f"{100 * found.utilisation:.1f}%",
                span(found.makespan),
                span(found.seconds),
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(text.ljust(width) if i == 0 else text.rjust(width) for i, (text, width) in enumerate(row))
        for row in (zip(line, widths, strict=True) for line in lines)
    )
