# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16: reading all jobs from the KVS, many lookups in flight at a time.

``lookup(key, flags)`` sends a ``kvs.lookup`` at once and returns what to await for its tree object;
``load(blobref)`` does the same with ``content.load`` for the bytes of a blob. Values are loaded from there
directly: each is read once, so that the caches of the KVS have no use for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rosin import _json
from rosin.constants import FLUX_KVS_READDIR
from rosin.errors import FormatError
from rosin.modules.job_manager import restart
from rosin.rfc import fluid, treeobj
from rosin.rfc.jobpath import job_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.manager import Manager

    Lookup = Callable[[str, int], Awaitable[dict[str, Any]]]
    Load = Callable[[str], Awaitable[bytes]]
    Value = bytes | None | Exception

_DIRECTORY = "job"
_LEVELS = 4
_WINDOW = 256
_NAMES = ("eventlog", "jobspec", "R")


async def job_ids(lookup: Lookup) -> list[int]:
    """The ids of all jobs that have a directory, in ascending order."""
    directories = [_DIRECTORY]
    for _ in range(_LEVELS):
        below: list[str] = []
        for first in range(0, len(directories), _WINDOW):
            keys = directories[first : first + _WINDOW]
            answers = [lookup(key, FLUX_KVS_READDIR) for key in keys]
            for key, answer in zip(keys, answers, strict=True):
                try:
                    entries = (await answer)["data"]
                except FileNotFoundError:
                    continue
                below += [
                    f"{key}.{name}" for name, entry in entries.items() if entry["type"] in ("dir", "dirref")
                ]
        directories = below
    ids = []
    for key in directories:
        try:
            ids.append(fluid.parse(key))
        except FormatError:
            continue  # not a job's directory: somebody else's data below "job"
    return sorted(ids)


async def load(manager: Manager, lookup: Lookup, load: Load) -> tuple[int, list[tuple[int, str]]]:
    """Replay all jobs that the KVS holds; returns their number, and (id, reason) of those that cannot be.

    What is left of a submission that was cut short, of which nobody was told, is removed.
    """
    ids = await job_ids(lookup)
    lost: list[tuple[int, str]] = []
    async for stored in stored_jobs(lookup, load, ids):
        manager.max_jobid = max(manager.max_jobid, stored.id)
        try:
            job = stored.replay()
        except FormatError as error:
            lost.append((stored.id, str(error)))
            continue
        if job is None:
            manager.store.unlink(job_key(stored.id))
        else:
            restart.load(manager, job)
    return len(ids), lost


class Stored:
    """What the KVS holds of one job: bytes, None for a key that does not exist, or why it cannot be read."""

    __slots__ = ("R", "eventlog", "id", "jobspec")

    def __init__(self, id: int, eventlog: Value, jobspec: Value, R: Value) -> None:
        self.id = id
        self.eventlog = eventlog
        self.jobspec = jobspec
        self.R = R

    def replay(self) -> Job | None:
        """The job; None when its submission was cut short. Raises FormatError when its data is damaged."""
        values = (self.eventlog, self.jobspec, self.R)
        for name, value in zip(_NAMES, values, strict=True):
            if isinstance(value, Exception):
                raise FormatError(f"{name}: {value}")
        eventlog, jobspec, R = cast("tuple[bytes | None, ...]", values)
        if eventlog is None:
            return None
        try:
            spec, resources = _json.loads(jobspec or b"null"), _json.loads(R or b"null")
        except ValueError as error:
            raise FormatError(f"jobspec or R is not JSON: {error}") from None
        return restart.replay(self.id, eventlog, spec, resources)


async def stored_jobs(lookup: Lookup, load: Load, ids: Sequence[int]) -> AsyncIterator[Stored]:
    """The data of the jobs *ids*, in that order."""
    for first in range(0, len(ids), _WINDOW):
        window = ids[first : first + _WINDOW]
        directories = [lookup(job_key(id), FLUX_KVS_READDIR) for id in window]
        begun = []
        for directory in directories:
            try:
                entries = (await directory)["data"]
            except FileNotFoundError:
                entries = {}
            begun.append([_begin(entries.get(name), load) for name in _NAMES])
        for id, three in zip(window, begun, strict=True):
            yield Stored(id, *[await _value(part) for part in three])


def _begin(entry: dict[str, Any] | None, load: Load) -> Value | list[Awaitable[bytes]]:
    """The value of a directory entry, or what to await for its parts."""
    if entry is None:
        return None
    if entry["type"] == "valref":
        return [load(ref) for ref in entry["data"]]
    try:
        return treeobj.val_data(entry)
    except FormatError as error:
        return error


async def _value(begun: Value | list[Awaitable[bytes]]) -> Value:
    if not isinstance(begun, list):
        return begun
    parts: list[bytes] = []
    failure: OSError | None = None
    for part in begun:
        try:
            parts.append(await part)
        except OSError as error:
            failure = error
    return b"".join(parts) if failure is None else failure
