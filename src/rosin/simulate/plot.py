# SPDX-License-Identifier: LGPL-3.0-or-later
"""Simulations as a picture (SVG): how busy the machine was, how many jobs waited, and how long."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from rosin.simulate.measures import span, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rosin.simulate.run import Simulation

    Point = tuple[float, float]

_WIDTH, _HEIGHT, _LEFT, _GAP = 720, 180, 70, 50
#: Points of a line at most.
_POINTS = 360
_COLOURS = ("#1b6ca8", "#d1495b", "#66a182", "#edae49", "#6a4c93", "#444444")


class Chart(NamedTuple):
    """Lines over each other.

    Attributes:
        lines: (x, y) of each.
        right, top: the largest x and y; both axes begin at 0.
        x, y: how numbers of the axes are written.
    """

    title: str
    lines: Sequence[Sequence[Point]]
    right: float
    top: float
    x: Callable[[float], str]
    y: Callable[[float], str]


def svg(runs: Sequence[tuple[str, Simulation]], cores: int) -> str:
    """Return a picture of runs of the same trace, by their names, on so many cores."""
    last = max((outcome.end - run.began for _, run in runs for outcome in run.outcomes), default=1.0)
    last = max(last, 1.0)
    busy = [_steps(_changes(run, busy=True), last, 1 / max(1, cores)) for _, run in runs]
    waiting = [_steps(_changes(run, busy=False), last, 1.0) for _, run in runs]
    most = max((y for line in waiting for _, y in line), default=1.0) or 1.0
    decades = math.ceil(math.log10(max(10.0, *(_longest(run) for _, run in runs))))
    charts = [
        Chart("cores in use", busy, last, 1.0, span, lambda y: f"{100 * y:.0f}%"),
        Chart("jobs that wait", waiting, last, most, span, lambda y: f"{y:.0f}"),
        Chart(
            "jobs that have waited no longer than",
            [_distribution(run, decades) for _, run in runs],
            float(decades),
            1.0,
            lambda x: span(10**x),
            lambda y: f"{100 * y:.0f}%",
        ),
    ]
    height = len(charts) * (_HEIGHT + _GAP) + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH + _LEFT + 20} {height}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        *_legend([name for name, _ in runs]),
        *(part for i, chart in enumerate(charts) for part in _draw(chart, _GAP + i * (_HEIGHT + _GAP))),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _longest(run: Simulation) -> float:
    return max((wait(run, outcome) for outcome in run.outcomes if outcome.end >= 0), default=0.0)


def _changes(run: Simulation, *, busy: bool) -> list[tuple[float, int]]:
    """When cores are taken and given back; or when jobs begin and end to wait."""
    found: list[tuple[float, int]] = []
    for outcome in run.outcomes:
        if outcome.end < 0:
            continue
        if busy:
            found += [(outcome.start, outcome.cores), (outcome.end, -outcome.cores)]
        else:
            found += [(run.began + outcome.job.submit, 1), (outcome.start, -1)]
    return sorted((time - run.began, by) for time, by in found)


def _steps(changes: list[tuple[float, int]], last: float, unit: float) -> list[Point]:
    """The sum of changes over time, as its mean in each of many pieces of the time."""
    area = [0.0] * _POINTS
    piece = last / _POINTS
    level = before = 0.0
    for time, by in [*changes, (last, 0)]:
        _spread(area, piece, before, min(time, last), level)
        level, before = level + by, min(time, last)
    return [((i + 0.5) * piece, area[i] / piece * unit) for i in range(_POINTS)]


def _spread(area: list[float], piece: float, start: float, end: float, level: float) -> None:
    i = int(start / piece)
    while start < end and i < _POINTS:
        until = min(end, (i + 1) * piece)
        area[i] += level * max(0.0, until - start)
        start, i = max(start, until), i + 1


def _distribution(run: Simulation, decades: int) -> list[Point]:
    """Which part of the jobs has waited no longer than a time, by its logarithm from one second on."""
    waits = sorted(wait(run, outcome) for outcome in run.outcomes if outcome.end >= 0)
    points = []
    count = 0
    for i in range(_POINTS + 1):
        x = decades * i / _POINTS
        while count < len(waits) and waits[count] <= 10**x:
            count += 1
        points.append((x, count / max(1, len(waits))))
    return points


def _legend(names: Sequence[str]) -> list[str]:
    parts, x = [], float(_LEFT)
    for i, name in enumerate(names):
        parts.append(f'<rect x="{x:.0f}" y="12" width="12" height="12" fill="{_colour(i)}"/>')
        parts.append(f'<text x="{x + 16:.0f}" y="22">{escape(name)}</text>')
        x += 36 + 7.5 * len(name)
    return parts


def _draw(chart: Chart, top: float) -> list[str]:
    bottom = top + _HEIGHT
    parts = [f'<text x="{_LEFT}" y="{top - 6:.0f}" font-weight="bold">{escape(chart.title)}</text>']
    for i in range(5):
        share = i / 4
        y, x = bottom - share * _HEIGHT, _LEFT + share * _WIDTH
        parts.append(f'<path d="M{_LEFT} {y:.0f}h{_WIDTH}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{chart.y(share * chart.top)}</text>'
        )
        label = chart.x(share * chart.right)
        parts.append(f'<text x="{x:.0f}" y="{bottom + 16:.0f}" text-anchor="middle">{label}</text>')
    for i, line in enumerate(chart.lines):
        points = " ".join(
            f"{_LEFT + x / chart.right * _WIDTH:.1f},{bottom - min(y, chart.top) / chart.top * _HEIGHT:.1f}"
            for x, y in line
        )
        parts.append(f'<polyline fill="none" stroke="{_colour(i)}" stroke-width="1.5" points="{points}"/>')
    return parts


def _colour(i: int) -> str:
    return _COLOURS[i % len(_COLOURS)]
