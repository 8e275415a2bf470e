# SPDX-License-Identifier: LGPL-3.0-or-later
"""The archive of inactive jobs, written while the instance runs and read when it starts again.

``lookup(key, flags)`` and ``load(blobref)`` are those of :mod:`.stored`; ``rows(ids)`` asks job-list for its
rows.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rosin.constants import FLUX_KVS_READDIR, FLUX_KVS_TREEOBJ
from rosin.errors import FormatError
from rosin.modules.job_manager import chunk, restart
from rosin.modules.job_manager.archive import DIRECTORY, SHIFT, chunk_key
from rosin.modules.job_manager.chunk import ArchivedGroup
from rosin.modules.job_manager.stored import begin, value
from rosin.rfc.jobpath import job_key

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from rosin.modules.job_manager.manager import Manager
    from rosin.modules.job_manager.stored import Load, Lookup

    Promise = Callable[[], asyncio.Future[OSError | None]]

#: Bytes of texts that may be in one chunk: it is made and read in one go.
MAX_BYTES = 4 << 20


class Archiver:
    """Writes chunks, one after the other."""

    def __init__(
        self,
        manager: Manager,
        lookup: Lookup,
        rows: Callable[[list[int]], Awaitable[bytes]],
        promise: Promise,
    ) -> None:
        self._manager = manager
        self._lookup = lookup
        self._rows = rows
        self._promise = promise
        self.busy = False

    async def run(self) -> None:
        """Write what is due, and what becomes due meanwhile."""
        archive = self._manager.archive
        try:
            while archive.due:
                chosen = archive.choose(self._manager.max_jobid)
                if chosen:
                    await self._write(chosen)
        except OSError as error:
            self._manager.port.log.warning(f"inactive jobs are not archived: {error.strerror}")
            archive.put_off()
        finally:
            self.busy = False

    async def _write(self, chosen: dict[int, tuple[int, ...]]) -> None:
        """One chunk of those of the jobs, by prefix, to which nothing happens before it is written."""
        manager, archive = self._manager, self._manager.archive
        await self._stored()
        refs: dict[int, str] = {}
        for prefix in chosen:
            ref = await self._reference(prefix)
            if ref is None:
                archive.leave_out(prefix)
            else:
                refs[prefix] = ref
        shape, lines = await self._ask_rows([id for prefix in refs for id in chosen[prefix]])
        groups: list[ArchivedGroup] = []
        size = 0
        for prefix, ref in refs.items():
            if archive.unchanged(prefix, chosen[prefix]):
                jobs = [manager.inactive[id] for id in chosen[prefix]]
                size += sum(len(job.packed) for job in jobs)
                if size > MAX_BYTES and groups:
                    break
                groups.append(ArchivedGroup(prefix, ref, jobs))
        if groups:
            order = [job.id for group in groups for job in group.jobs]
            data = chunk.encode(groups, shape, [lines.get(id, b"") for id in order] if lines else [])
            manager.store.put(chunk_key(archive.next), data)
            archive.add(archive.next, len(order), [(group.prefix, chosen[group.prefix]) for group in groups])
            manager.port.wake()

    async def _stored(self) -> None:
        """Wait until all events so far are stored. Raises OSError."""
        stored = self._promise()
        self._manager.store.after(stored.set_result)
        self._manager.port.wake()
        error = await stored
        if error is not None:
            raise error

    async def _reference(self, prefix: int) -> str | None:
        """The blobref of a directory of jobs; None when it has none of its own."""
        key = job_key(prefix << SHIFT).rsplit(".", 2)[0]
        try:
            entry = await self._lookup(key, FLUX_KVS_TREEOBJ)
        except FileNotFoundError:
            return None
        return entry["data"][0] if entry["type"] == "dirref" else None

    async def _ask_rows(self, ids: list[int]) -> tuple[str, dict[int, bytes]]:
        """The shape of job-list's rows, and those that it has."""
        try:
            answer = await self._rows(ids)
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise
            return "", {}  # there is no job-list
        shape, *lines = answer.split(b"\n")
        return shape.decode(), dict(zip(ids, lines, strict=False))


async def recall(manager: Manager, lookup: Lookup, load: Load, directories: dict[int, str]) -> set[int]:
    """Make the jobs known that the archive has. *directories*: the blobref of each, by prefix.

    Returns the prefixes whose jobs are known now. A chunk that cannot be read is removed.
    """
    try:
        entries = (await lookup(DIRECTORY, FLUX_KVS_READDIR))["data"]
    except FileNotFoundError:
        return set()
    for number in sorted(int(name) for name in entries if name.isdecimal()):
        data = await value(begin(entries[str(number)], load))
        try:
            if not isinstance(data, bytes):
                raise FormatError(str(data))
            groups, rows = chunk.decode(data)
        except FormatError as error:
            manager.port.log.warning(f"{chunk_key(number)} is not used: {error}")
            manager.archive.add(number, 0, [])
            continue
        kept: list[tuple[int, tuple[int, ...]]] = []
        at = 0
        for prefix, ref, jobs in groups:
            if directories.get(prefix) == ref and not manager.archive.holds(prefix):
                for job in jobs:
                    restart.recall(manager, job)
                kept.append((prefix, tuple(job.id for job in jobs)))
            else:  # another time has come for these jobs: they are read one by one
                rows.ids[at : at + len(jobs)] = [0] * len(jobs)
            at += len(jobs)
        manager.archive.add(number, at, kept)
        if any(rows.ids):
            manager.archive.rows.append(rows)
    manager.tidy_archive()
    return {prefix for prefix in directories if manager.archive.holds(prefix)}
