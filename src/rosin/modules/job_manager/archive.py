# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which inactive jobs are in the archive, and which belong there (RFC 16 has the directories).

Jobs go into the archive by groups (see :mod:`.chunk`), in which nobody is active any more. A group that
changes, as a job in it is purged or another one comes, is out of it again. So the archive never says what the
KVS does not; it may say less, and what it does not say is read from the eventlogs at a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rosin.modules.job_manager.chunk import Rows

#: Bits of a job id below those that name ``job.XXXX.XXXX``: ids of 256 ms share it.
SHIFT = 32
#: Jobs that are worth a chunk. So many or a few more are read one by one at a restart.
BATCH = 1000
#: Where the chunks are in the KVS.
DIRECTORY = "job-archive"


def chunk_key(number: int) -> str:
    """The key of a chunk."""
    return f"{DIRECTORY}.{number}"


class _Chunk:
    """A chunk that is stored: how many jobs are in it, and the groups that still count."""

    __slots__ = ("jobs", "left", "prefixes")

    def __init__(self) -> None:
        self.jobs = self.left = 0
        self.prefixes: set[int] = set()


class JobArchive:
    """The groups of jobs, by the prefix of their ids.

    ``rows`` are those that a restart has found, until job-list has them. ``emptied`` are chunks of which
    most does not count any more: they are to be removed.
    """

    def __init__(self) -> None:
        #: Somebody may find it: else there is none, and nothing is noted.
        self.lasts = True
        self.rows: list[Rows] = []
        self.emptied: list[int] = []
        self.next = 0
        self._active: dict[int, int] = {}
        self._loose: dict[int, set[int]] = {}
        self._groups: dict[int, tuple[int, tuple[int, ...]]] = {}
        self._chunks: dict[int, _Chunk] = {}
        self._waiting = 0
        self._left_out: set[int] = set()

    # -- what happens to jobs -----------------------------------------------------------------------

    def begun(self, id: int) -> None:
        """The job *id* is known, and not over."""
        if not self.lasts:
            return
        prefix = id >> SHIFT
        self._active[prefix] = self._active.get(prefix, 0) + 1
        if prefix in self._groups:
            self._take_out(prefix)

    def over(self, id: int) -> None:
        """The job *id*, which had begun, is inactive."""
        if not self.lasts:
            return
        prefix = id >> SHIFT
        left = self._active[prefix] - 1
        if left:
            self._active[prefix] = left
        else:
            del self._active[prefix]
        self._loose.setdefault(prefix, set()).add(id)
        self._left_out.discard(prefix)
        self._waiting += 1

    def purged(self, id: int) -> None:
        """The inactive job *id* is gone."""
        if not self.lasts:
            return
        prefix = id >> SHIFT
        if prefix in self._groups:
            self._take_out(prefix)
        ids = self._loose[prefix]
        ids.discard(id)
        self._left_out.discard(prefix)
        self._waiting += 1
        if not ids:
            del self._loose[prefix]

    def _take_out(self, prefix: int) -> None:
        number, ids = self._groups.pop(prefix)
        self._loose[prefix] = set(ids)
        chunk = self._chunks[number]
        chunk.left -= len(ids)
        chunk.prefixes.discard(prefix)
        if 2 * chunk.left < chunk.jobs:
            del self._chunks[number]
            self.emptied.append(number)
            self._waiting += chunk.left
            for other in chunk.prefixes:
                self._loose[other] = set(self._groups.pop(other)[1])

    # -- chunks -------------------------------------------------------------------------------------

    @property
    def due(self) -> bool:
        """So much has happened that there may be a chunk to write."""
        return self._waiting >= BATCH

    def choose(self, newest: int) -> dict[int, tuple[int, ...]]:
        """Jobs for a chunk, by prefix; none when they are too few. *newest*: the highest job id."""
        chosen: dict[int, tuple[int, ...]] = {}
        count = 0
        for prefix, ids in self._loose.items():
            if prefix < newest >> SHIFT and prefix not in self._active and prefix not in self._left_out:
                chosen[prefix] = tuple(sorted(ids))
                count += len(ids)
                if count >= BATCH:
                    return chosen
        self.put_off()
        return {}

    def put_off(self) -> None:
        """Nothing is due before as much has happened again."""
        self._waiting = 0

    def leave_out(self, prefix: int) -> None:
        """These jobs cannot be in the archive as they are in the KVS, until something happens to them."""
        self._left_out.add(prefix)

    def unchanged(self, prefix: int, ids: tuple[int, ...]) -> bool:
        """Nothing has happened to these jobs since they were chosen."""
        return prefix not in self._active and self._loose.get(prefix) == set(ids)

    def add(self, number: int, jobs: int, groups: Iterable[tuple[int, tuple[int, ...]]]) -> None:
        """The chunk *number* has so many jobs, of which those of *groups* (prefix and ids) count."""
        self.next = max(self.next, number + 1)
        chunk = _Chunk()
        for prefix, ids in groups:
            self._loose.pop(prefix, None)
            self._groups[prefix] = number, ids
            chunk.prefixes.add(prefix)
            chunk.left += len(ids)
        chunk.jobs = jobs
        if chunk.left:
            self._chunks[number] = chunk
        else:
            self.emptied.append(number)

    @property
    def jobs(self) -> int:
        """How many are in the archive."""
        return sum(chunk.left for chunk in self._chunks.values())

    def holds(self, prefix: int) -> bool:
        """Whether the jobs with this prefix are in the archive."""
        return prefix in self._groups
