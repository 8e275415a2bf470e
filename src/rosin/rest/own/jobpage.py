# SPDX-License-Identifier: LGPL-3.0-or-later
"""Pages of jobs: filtered, sorted by any attribute, with a cursor that new and changed jobs do not disturb.

A page of a hundred thousand jobs is looked for in slices, between which others have their turn. Without a
filter, newest first, nothing is looked through at all.
"""

from __future__ import annotations

import asyncio
import base64
import difflib
import hashlib
import heapq
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from rosin import _json
from rosin.job.table.attributes import POSITION, Row
from rosin.rest.mirror import Mirror
from rosin.rest.own.jobrow import FIELDS, Members
from rosin.rest.own.where import Where
from rosin.rest.problem import Problem
from rosin.rfc import states

#: Rows that are looked at without a turn for others: a few milliseconds.
SLICE = 1000
_STATE, _RESULT = POSITION["state"], POSITION["result"]
_NEWEST = "-id"
_SORTABLE = (str, int, float, tuple, type(None))


class SortedBy:
    """An order of jobs by the name of a member, with ``-`` before it the other way round. Raises Problem."""

    __slots__ = ("backwards", "get", "text")

    def __init__(self, text: str) -> None:
        name = text.removeprefix("-")
        if name not in FIELDS or name in ("annotations", "exception", "dependencies"):
            near = difflib.get_close_matches(name[:40], FIELDS, 1)
            hint = f"did you mean '{near[0]}'?" if near else "it takes a member of a job, such as -t_submit"
            raise Problem(400, f"sort: '{name[:40]}' is nothing to sort by; {hint}")
        self.text = text
        self.backwards = text.startswith("-")
        self.get = _VALUES.get(name) or FIELDS[name]

    def key(self, row: Row) -> _Key:
        """What the job is sorted by."""
        return _Key(self.get(row), row[0], self.backwards)


class _Key:
    """None is last in both directions; newer jobs are first among equals when the order is backwards."""

    __slots__ = ("backwards", "jobid", "value")

    def __init__(self, value: Any, jobid: int, backwards: bool) -> None:
        self.value = value
        self.jobid = jobid
        self.backwards = backwards

    def __lt__(self, other: _Key) -> bool:
        return _before(self.value, self.jobid, other)


def _before(value: Any, jobid: int, other: _Key) -> bool:
    """Whether a job with this value comes before another one."""
    theirs = other.value
    if value == theirs:
        return jobid > other.jobid if other.backwards else jobid < other.jobid
    if value is None or theirs is None:
        return theirs is None
    return bool(value > theirs if other.backwards else value < theirs)


#: What is sorted by number and not by name.
_VALUES: dict[str, Callable[[Row], Any]] = {
    "id": lambda row: row[0],
    "id_dec": lambda row: row[0],
    "state": lambda row: row[_STATE],
    "result": lambda row: row[_RESULT],
    "status": lambda row: (row[_STATE], row[_RESULT] or 0),
}


def _cursor(order: SortedBy, key: _Key) -> str:
    data = _json.dumps([order.text, key.value, str(key.jobid)])
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _parse_cursor(text: str, order: SortedBy) -> _Key:
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        sort, value, jobid = _json.loads(data)
        if sort != order.text or not isinstance(jobid, str) or len(jobid) > 20:
            raise ValueError
        key = _Key(tuple(value) if isinstance(value, list) else value, int(jobid), order.backwards)
        if not isinstance(key.value, _SORTABLE):
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise _no_cursor() from None
    return key


def _no_cursor() -> Problem:
    return Problem(400, "cursor: it is the `next` of a page with the same `sort`")


class CountByState:
    """Numbers of jobs by state and by result."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int], int] = {}

    def add(self, row: Row) -> None:
        """Count a job."""
        key = row[_STATE], row[_RESULT] or 0
        self._numbers[key] = self._numbers.get(key, 0) + 1

    def encode(self) -> dict[str, int]:
        """All names, also of what there is none."""
        names = dict.fromkeys(COUNTED, 0)
        for (state, result), number in self._numbers.items():
            names["total"] += number
            names[states.state_name(state).lower()] += number
            if result:
                names[states.result_name(result).lower()] += number
        return names


COUNTED = (
    *("total", "new", "depend", "priority", "sched", "run", "cleanup", "inactive"),
    *("completed", "failed", "canceled", "timeout"),
)


async def page(
    mirror: Mirror, where: Where, order: SortedBy, fields: Members, limit: int, cursor: str, count: bool
) -> dict[str, Any]:
    """A :class:`~rosin.rest.own.schema.jobs.JobPage`. Raises Problem."""
    after = _parse_cursor(cursor, order) if cursor else None
    if where.matches is None and order.text == _NEWEST:
        return _newest(mirror, order, fields, limit, after, count)
    try:
        found, total, counts = await _search(mirror, where, order, limit, after)
    except TypeError:  # the cursor's value and those of jobs cannot be compared
        raise _no_cursor() from None
    more = len(found) > limit
    rows = [row for _, row in found[:limit]]
    return {
        "items": [fields.of(row) for row in rows],
        "next": _cursor(order, found[limit - 1][0]) if more and limit else None,
        "total": total,
        "counts": counts.encode() if count else None,
    }


def _newest(
    mirror: Mirror, order: SortedBy, fields: Members, limit: int, after: _Key | None, count: bool
) -> dict[str, Any]:
    rows = list(islice(mirror.newest(after.jobid if after else None), limit + 1))
    more = len(rows) > limit and limit > 0
    return {
        "items": [fields.of(row) for row in rows[:limit]],
        "next": _cursor(order, order.key(rows[limit - 1])) if more else None,
        "total": len(mirror),
        "counts": all_counts(mirror) if count else None,
    }


def all_counts(mirror: Mirror) -> dict[str, int]:
    """Numbers of all jobs, which the table keeps."""
    known = mirror.counts()
    counts = {name: known.get(name, 0) for name in COUNTED}
    counts["completed"] = known["successful"]
    counts["total"] = len(mirror)
    counts["new"] = max(0, len(mirror) - known["total"])
    return counts


async def _search(
    mirror: Mirror, where: Where, order: SortedBy, limit: int, after: _Key | None
) -> tuple[list[tuple[_Key, Row]], int, CountByState]:
    """The jobs of a page and one more, how many match, and how many of each state match the rest."""
    counts, total = CountByState(), 0
    best: list[tuple[_Key, Row]] = []
    worst: _Key | None = None  # of a whole page: what is behind it needs no key of its own
    others, states_mask, results_mask = where.others, where.states, where.results
    async for chunk in slices(mirror.snapshot()):
        candidates = []
        for row in chunk:
            if others is not None and not others(row):
                continue
            counts.add(row)
            if (states_mask or results_mask) and not (
                row[_STATE] & states_mask or (row[_RESULT] or 0) & results_mask
            ):
                continue
            total += 1
            value = order.get(row)
            if worst is not None and not _before(value, row[0], worst):
                continue
            key = _Key(value, row[0], order.backwards)
            if after is None or after < key:
                candidates.append((key, row))
        if candidates:
            best = heapq.nsmallest(limit + 1, [*best, *candidates], key=_first)
            worst = best[-1][0] if len(best) > limit else None
    return best, total, counts


def _first(pair: tuple[_Key, Row]) -> _Key:
    return pair[0]


async def slices(rows: Iterator[Row]) -> Any:
    """The rows in parts, with a turn for others after each."""
    while chunk := list(islice(rows, SLICE)):
        yield chunk
        await asyncio.sleep(0)


def etag(mirror: Mirror, *about: str) -> str:
    """What names an answer that is made of all jobs and of what was asked."""
    digest = hashlib.sha256("\0".join(about).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f'W/"{mirror.epoch}.{mirror.version}.{digest}"'
