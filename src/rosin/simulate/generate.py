# SPDX-License-Identifier: LGPL-3.0-or-later
"""Traces in the style of the public archives, by the model of Lublin and Feitelson (2003), simplified.

- A quarter of the jobs are serial. Of the others three quarters have a power of two as size; the logarithm
  of the size is uniform in one of two ranges, the lower of which has 86 % of them.
- The logarithm of a run time is gamma-distributed, around a minute or around three hours. Large jobs are
  more often long.
- Jobs come more often by day than at night, and half as often on weekends. How fast they come follows from
  the load that is asked for.
- Users ask for one to five times what they need, rounded up to what people write: minutes, hours, days.
- Some users submit far more than others (Pareto).
"""

from __future__ import annotations

import bisect
import itertools
import math
import random

from rosin.simulate.trace import TraceJob, Workload, work

HOUR = 3600.0
DAY = 24 * HOUR
#: What people ask for, in seconds.
LIMITS = [60.0, 300.0, 900.0, 1800.0, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, DAY, 2 * DAY, 4 * DAY]
#: How often jobs come in each hour of a day, by day 1.
HOURS = [0.3] * 6 + [0.4, 0.6, 0.8] + [1.0] * 9 + [0.8, 0.7, 0.6, 0.5, 0.4, 0.4]
_WEEKEND = 0.5
_SERIAL, _POWER, _SMALL = 0.24, 0.75, 0.86
_SHORT, _LONG = (4.2, 0.94), (312.0, 0.03)


def generate(count: int, procs: int, load: float = 0.7, seed: int = 1) -> Workload:
    """Make a trace of *count* jobs that keep a machine of *procs* processors busy to a part of *load*.

    The same arguments make the same trace.
    """
    random_ = random.Random(seed)
    shapes = [_shape(random_, procs) for _ in range(count)]
    times = _times(random_, count)
    jobs = [TraceJob(0.0, *shape) for shape in shapes]
    span = work(jobs) / (procs * load)
    scale = span / times[-1] if count > 1 and times[-1] else 0.0
    weeks = _cycle(span)
    jobs = [
        job._replace(submit=float(round(_at(weeks, time * scale))))
        for job, time in zip(jobs, times, strict=True)
    ]
    header = {
        "Version": "2.2",
        "Computer": "generated",
        "MaxJobs": str(count),
        "MaxProcs": str(procs),
        "Note": f"rosin simulate --generate={count} --seed={seed} --load={load:g}",
    }
    return Workload(jobs, header)


def _shape(random_: random.Random, procs: int) -> tuple[float, int, float, int]:
    """Run time, size, limit and user of a job."""
    size = _size(random_, procs)
    share = max(0.1, 0.78 - 0.0054 * math.log2(size) * 10)
    alpha, beta = _SHORT if random_.random() < share else _LONG
    run = float(max(1, min(LIMITS[-1], round(math.exp(random_.gammavariate(alpha, beta))))))
    asked = run * random_.uniform(1.0, 5.0)
    limit = LIMITS[min(bisect.bisect_left(LIMITS, asked), len(LIMITS) - 1)]
    user = int(random_.paretovariate(1.0))
    return run, size, limit, user % 1000


def _size(random_: random.Random, procs: int) -> int:
    if procs == 1 or random_.random() < _SERIAL:
        return 1
    top = math.log2(procs)
    middle = max(1.0, top - 2.5)
    exponent = random_.uniform(0.8, middle) if random_.random() < _SMALL else random_.uniform(middle, top)
    size = 2 ** round(exponent) if random_.random() < _POWER else round(2**exponent)
    return max(1, min(procs, size))


def _times(random_: random.Random, count: int) -> list[float]:
    """The moments at which jobs come if they come evenly, from 0 on."""
    gaps = (random_.expovariate(1.0) for _ in range(count - 1))
    return list(itertools.accumulate(gaps, initial=0.0))


def _cycle(span: float) -> list[float]:
    """How much of a whole, which is 1, comes until the end of each hour of *span* seconds."""
    rates = [
        HOURS[hour % 24] * (_WEEKEND if hour // 24 % 7 >= 5 else 1.0)
        for hour in range(math.ceil(span / HOUR) or 1)
    ]
    sums = list(itertools.accumulate(rates, initial=0.0))
    return [part / sums[-1] * span for part in sums]


def _at(weeks: list[float], even: float) -> float:
    """The time at which comes what would come at *even* if all hours were alike."""
    hour = max(1, min(bisect.bisect_left(weeks, even), len(weeks) - 1))
    low, high = weeks[hour - 1], weeks[hour]
    return HOUR * (hour - 1 + (even - low) / (high - low))
