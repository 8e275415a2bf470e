# SPDX-License-Identifier: LGPL-3.0-or-later
"""Directories of the KVS that are empty as all jobs in them have been purged (RFC 16).

The directories above a job's own are named by when it was submitted, so that each new job may make some.
Purged jobs would leave them behind for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.rfc.jobpath import job_key

if TYPE_CHECKING:
    from rosin.modules.job_manager.core import Core

#: Bits of a job id below those that name ``job.XXXX.XXXX``: ids of 256 ms share it.
SHIFT = 32
#: Ids are given before jobs are known here. No directory is removed that is younger than ten minutes.
YOUNG = 10 * 60 * 1000 // 256
#: So many are looked at together, as all jobs have to be.
MANY = 256


class EmptiedDirectories:
    """Those that may be empty."""

    def __init__(self, manager: Core) -> None:
        self._manager = manager
        self._prefixes: set[int] = set()

    def purged(self, id: int) -> None:
        """A job has gone."""
        self._prefixes.add(id >> SHIFT)

    def prune(self) -> None:
        """Remove what is empty, if it is worth it, with the next commit."""
        manager = self._manager
        newest = manager.max_jobid >> SHIFT
        old = {prefix for prefix in self._prefixes if newest - prefix > YOUNG}
        if len(old) < MANY:
            return
        self._prefixes -= old  # those that are not empty come again with their next job
        for jobs in (manager.active, manager.inactive):
            old.difference_update(id >> SHIFT for id in jobs)
        for prefix in sorted(old):
            manager.store.unlink(job_key(prefix << SHIFT).rsplit(".", 2)[0])
