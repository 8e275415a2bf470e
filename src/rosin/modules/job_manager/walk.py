# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16: finding all jobs in the KVS: those that the archive has (:mod:`.archiver`), and the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_KVS_READDIR
from rosin.errors import FormatError
from rosin.modules.job_manager import archiver, restart
from rosin.modules.job_manager.archive import SHIFT
from rosin.modules.job_manager.stored import WINDOW, stored_jobs
from rosin.rfc import fluid
from rosin.rfc.jobpath import job_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rosin.modules.job_manager.manager import Manager
    from rosin.modules.job_manager.stored import Load, Lookup

_DIRECTORY = "job"


async def _below(lookup: Lookup, directories: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The directories in these directories: their tree objects by key."""
    keys = list(directories)
    below: dict[str, dict[str, Any]] = {}
    for first in range(0, len(keys), WINDOW):
        window = keys[first : first + WINDOW]
        answers = [lookup(key, FLUX_KVS_READDIR) for key in window]
        for key, answer in zip(window, answers, strict=True):
            try:
                entries = (await answer)["data"]
            except FileNotFoundError:
                continue
            for name, entry in entries.items():
                if entry["type"] in ("dir", "dirref"):
                    below[f"{key}.{name}"] = entry
    return below


def _prefix(key: str) -> int | None:
    """The upper half of the ids of jobs below ``job.XXXX.XXXX``; None: it is somebody else's."""
    try:
        return fluid.parse(f"{key}.0000.0000") >> SHIFT
    except FormatError:
        return None


async def _ids_below(lookup: Lookup, directories: Iterable[str]) -> list[int]:
    """The ids of all jobs that have a directory below these ``job.XXXX.XXXX``, in ascending order."""
    ids = []
    for key in await _below(lookup, await _below(lookup, directories)):
        try:
            ids.append(fluid.parse(key))
        except FormatError:
            continue  # not a job's directory: somebody else's data below "job"
    return sorted(ids)


async def load(manager: Manager, lookup: Lookup, load: Load) -> tuple[int, list[tuple[int, str]]]:
    """Replay all jobs that the KVS holds; returns their number, and (id, reason) of those that cannot be.

    What is left of a submission that was cut short, of which nobody was told, is removed; if it is still on
    its way, as this service alone was started again, it comes too late.
    """
    directories = await _below(lookup, await _below(lookup, [_DIRECTORY]))
    prefixes = {key: _prefix(key) for key in directories}
    refs = {
        prefix: entry["data"][0]
        for (key, prefix), entry in zip(prefixes.items(), directories.values(), strict=True)
        if prefix is not None and entry["type"] == "dirref" and job_key(prefix << SHIFT).startswith(f"{key}.")
    }
    known = await archiver.recall(manager, lookup, load, refs)
    count = len(manager.inactive)
    ids = await _ids_below(lookup, [key for key, prefix in prefixes.items() if prefix not in known])
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
            manager.removed.add(stored.id)
        else:
            restart.load(manager, job)
    return count + len(ids), lost
