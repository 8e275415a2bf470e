# SPDX-License-Identifier: LGPL-3.0-or-later
"""A model on a screen: pieces of text, each with its place and its look. Pure."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from rosin.cli.base import ascii_ids, id_text
from rosin.rfc import fsd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.cli.top.model import JobLine, Model, ResourceCount

#: Rows above the list of jobs, and columns that the summary takes.
_SUMMARY, WIDTH = 6, 80
_BAR = 36


class Span(NamedTuple):
    """Text from a place on; ``look`` are words of :data:`rosin.cli.top.terminal.LOOKS`."""

    row: int
    column: int
    text: str
    look: tuple[str, ...] = ()


def draw(model: Model, rows: int, columns: int) -> list[Span]:
    """Everything that is to be seen, cut to the size of the screen."""
    spans = (*_head(model), *_bars(model), *_numbers(model), *_foot(model), *_list(model, rows, columns))
    if model.message:
        spans = (*spans, Span(rows - 1, 0, model.message.ljust(columns), ("reverse", "red")))
    return [
        span._replace(text=span.text[: columns - span.column])
        for span in spans
        if span.row < rows and span.column < columns
    ]


def _head(model: Model) -> Iterator[Span]:
    yield Span(0, 2, "f" if ascii_ids() else "ƒ", ("yellow",))
    title, room = model.facts.title, WIDTH - 18
    if len(title) > room:
        title = "…" + title[len(title) - room + 1 :]
    if title:
        yield Span(0, 6 + (room - len(title)) // 2, title, ("blue", "bold"))
    left = model.facts.expiration - model.now
    text = f"{fsd.brief(left)} left" if left > 0 else "∞"
    yield Span(0, WIDTH - 1 - len(text), text)


def _bars(model: Model) -> Iterator[Span]:
    for row, (name, count) in enumerate(model.counts.items(), 1):
        yield from _bar(row, name, count)


def _bar(row: int, name: str, count: ResourceCount) -> Iterator[Span]:
    """What jobs use grows from the left, what is down from the right."""
    begin, end = f"{name:>5} [", f"{count.used}/{count.total}]"
    slots = _BAR - len(begin) - len(end)
    yield Span(row, 4, f"{begin}{'':{slots}}{end}")
    at = 4 + len(begin)
    used, down = (ceil(part / count.total * slots) if count.total else 0 for part in (count.used, count.down))
    if used:
        yield Span(row, at, "|" * used, ("yellow",))
    if down:
        yield Span(row, at + slots - down, "|" * down, ("red",))


def _numbers(model: Model) -> Iterator[Span]:
    pending, running, *ended = model.summary()
    for row, text in enumerate((pending, running), 1):
        yield Span(row, 65 - text.index(" "), text)
    if len(ended) == 1:
        yield Span(3, 65 - ended[0].index(" "), ended[0])
        return
    complete, failed = ended
    yield Span(3, 48 - complete.index(" "), f"{complete},")
    yield Span(3, 65 - failed.index(" "), failed)
    for text, column, color in ((complete, 48, "green"), (failed, 65, "red")):
        number = text.partition(" ")[0]
        if number != "0":
            yield Span(3, column - len(number), number, (color, "bold"))


def _foot(model: Model) -> Iterator[Span]:
    facts = model.facts
    yield Span(3, WIDTH - 3, "♡" if model.heart else " ")
    yield Span(5, 1, f"size: {facts.size}", ("dim",))
    if facts.level:
        yield Span(5, 11, f"depth: {facts.level}", ("dim",))
    yield Span(5, 31, f"uptime: {fsd.brief(max(0.0, model.now - facts.started))}", ("dim",))
    yield Span(5, WIDTH - 1 - len(facts.version), facts.version, ("dim",))


def _list(model: Model, rows: int, columns: int) -> Iterator[Span]:
    queue = f"{'QUEUE':>8} " if model.has_queues else ""
    heading = f"{'JOBID':>13} {queue}{'USER':>8} ST NTASKS NNODES RUNTIME NAME"
    yield Span(_SUMMARY, 0, heading.ljust(columns), ("reverse",))
    jobs = model.rows
    if not jobs and model.queue is not None:
        yield Span(_SUMMARY + 5, 25, f"No jobs to display in queue {model.queue}")
    for row, job in enumerate(_window(model, jobs, rows - _SUMMARY - 1), _SUMMARY + 1):
        look = ("blue", "bold") if job.uri is not None else ()
        yield Span(row, 0, _line(model, job), (*look, "reverse") if job.id == model.selected else look)


def _window(model: Model, jobs: list[JobLine], room: int) -> list[JobLine]:
    """As many jobs as there is room for, the chosen one among them."""
    at = next((number for number, job in enumerate(jobs) if job.id == model.selected), 0)
    first = max(0, at - room + 1)
    return jobs[first : first + max(0, room)]


def _line(model: Model, job: JobLine) -> str:
    queue = f"{job.queue:>8.8} " if model.has_queues else ""
    counts = f"{job.ntasks:>6} {job.nnodes:>6} {model.runtime(job):>7.7}"
    name = "".join(char if char.isprintable() else "?" for char in job.name)
    return f"{id_text(job.id):>13.13} {queue}{job.user:>8.8} {job.state:>2.2} {counts} {name}"
