# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 27, RFC 30: the queue of pending jobs, the job manager's and the schedulers'.

Entries are sorted in pieces of bounded length: insertion, removal and change of place move a piece at most,
and a walk in order costs nothing beforehand, so that 100,000 jobs are never sorted at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Entry = tuple[Any, int]


class Pending(Protocol):
    """What a job has that waits."""

    id: int
    priority: int


J = TypeVar("J", bound=Pending)

#: Entries of a piece at most.
_PIECE = 1024


def by_priority(job: Pending) -> tuple[int, int]:
    """The usual key: highest priority first, then the oldest.

    Ids ascend in the order of submission; times do not when the wall clock is set.
    """
    return (-job.priority, job.id)


class PendingQueue(Generic[J]):
    """Jobs by id, and in the order of their keys: smallest first, of equal ones the lowest id.

    A loop over it is in order and costs what it reads. The queue may change meanwhile: jobs that leave are
    not met any more, and those that come are if their place is behind that of the last one met.

    Args:
        order: the sort key of a job. When it has changed, ``add`` the job again.
    """

    __slots__ = ("_changes", "_jobs", "_lasts", "_order", "_pieces")

    def __init__(self, order: Callable[[J], Any] = by_priority) -> None:
        self._order = order
        self._jobs: dict[int, tuple[Entry, J]] = {}
        self._pieces: list[list[Entry]] = []
        self._lasts: list[Entry] = []  # the last entry of each piece
        self._changes = 0

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, jobid: object) -> bool:
        return jobid in self._jobs

    def __iter__(self) -> Iterator[J]:
        at = i = 0
        last: Entry | None = None
        changes = self._changes
        while True:
            if changes != self._changes and last is not None:
                at = min(bisect_left(self._lasts, last), len(self._lasts) - 1)
                i = bisect_right(self._pieces[at], last) if at >= 0 else 0
                changes = self._changes
            if 0 <= at < len(self._pieces) and i == len(self._pieces[at]):
                at, i = at + 1, 0
            if not 0 <= at < len(self._pieces):
                return
            last = self._pieces[at][i]
            i += 1
            yield self._jobs[last[1]][1]

    def add(self, job: J) -> None:
        """Insert *job*, or move it to where it belongs now; one of the same id is replaced."""
        entry = (self._order(job), job.id)
        known = self._jobs.get(job.id)
        if known is None or known[0] != entry:
            self._insert(entry)  # first: a key that cannot be compared leaves all as it was
            if known is not None:
                self._remove(known[0])
        else:
            entry = known[0]
        self._jobs[job.id] = (entry, job)

    def get(self, jobid: int) -> J | None:
        """Return a job by id; None when it is not here."""
        known = self._jobs.get(jobid)
        return None if known is None else known[1]

    def pop(self, jobid: int) -> J | None:
        """Take a job out and return it; None when it is not here."""
        known = self._jobs.pop(jobid, None)
        if known is None:
            return None
        self._remove(known[0])
        return known[1]

    def first(self) -> J | None:
        """Return the job that is next, or None."""
        return self._jobs[self._pieces[0][0][1]][1] if self._pieces else None

    def head(self, count: int) -> list[J]:
        """Return the first *count* jobs in order."""
        found: list[J] = []
        for piece in self._pieces:
            found += [self._jobs[jobid][1] for _, jobid in piece[: count - len(found)]]
            if len(found) >= count:
                break
        return found

    def ahead(self, jobid: int) -> int:
        """Return how many jobs come before the one of this id, all when it is not here."""
        known = self._jobs.get(jobid)
        if known is None:
            return len(self._jobs)
        at = bisect_left(self._lasts, known[0])
        return sum(map(len, self._pieces[:at])) + bisect_left(self._pieces[at], known[0])

    def reorder(self) -> None:
        """Work out all keys again: they depend on something that has changed."""
        self._jobs = {jobid: ((self._order(job), jobid), job) for jobid, (_, job) in self._jobs.items()}
        entries = sorted(entry for entry, _ in self._jobs.values())
        half = _PIECE // 2
        self._pieces = [entries[i : i + half] for i in range(0, len(entries), half)]
        self._lasts = [piece[-1] for piece in self._pieces]
        self._changes += 1

    def _insert(self, entry: Entry) -> None:
        self._changes += 1
        if not self._pieces:
            self._pieces.append([entry])
            self._lasts.append(entry)
            return
        at = min(bisect_left(self._lasts, entry), len(self._lasts) - 1)
        piece = self._pieces[at]
        insort(piece, entry)
        if len(piece) > _PIECE:
            rest = piece[_PIECE // 2 :]
            del piece[_PIECE // 2 :]
            self._pieces.insert(at + 1, rest)
            self._lasts.insert(at + 1, rest[-1])
        self._lasts[at] = piece[-1]

    def _remove(self, entry: Entry) -> None:
        self._changes += 1
        at = bisect_left(self._lasts, entry)
        piece = self._pieces[at] if at < len(self._pieces) else []
        i = bisect_left(piece, entry)
        if i == len(piece) or piece[i] is not entry:  # keys without an order, such as a NaN
            at, i = next(
                (at, i) for at, ps in enumerate(self._pieces) for i, e in enumerate(ps) if e is entry
            )
            piece = self._pieces[at]
        del piece[i]
        if piece:
            self._lasts[at] = piece[-1]
        else:
            del self._pieces[at], self._lasts[at]
