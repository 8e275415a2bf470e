# SPDX-License-Identifier: LGPL-3.0-or-later
"""Forgetting jobs that have been over for long: from memory, and their directory from the KVS (RFC 16).

``[job-manager] inactive-age-limit`` (FSD) and ``inactive-num-limit`` say when. Unlike flux-core, which keeps
everything unless told otherwise, an instance keeps 100,000 jobs, so that its memory and its store stay
bounded; ``inactive-num-limit = -1`` keeps all.
"""

from __future__ import annotations

import errno
import heapq
from typing import TYPE_CHECKING

from rosin.modules.job_manager.emptied import EmptiedDirectories
from rosin.modules.job_manager.settings import DEFAULT_NUM_LIMIT, UNLIMITED
from rosin.rfc.jobpath import job_key
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.modules.job_manager.core import Core
    from rosin.modules.job_manager.inactive import InactiveJob
    from rosin.modules.job_manager.settings import ManagerSettings
    from rosin.rfc.message import Message

BATCH_MAX = 100


class Purge:
    """The inactive jobs in the order in which they ended.

    Ages are by the monotonic clock: no job is old because the wall clock has been set.
    """

    def __init__(self, manager: Core) -> None:
        self.manager = manager
        self.age_limit = float(UNLIMITED)
        self.num_limit = DEFAULT_NUM_LIMIT
        self._heap: list[tuple[float, int]] = []
        self._emptied = EmptiedDirectories(manager)

    def configure(self, settings: ManagerSettings) -> None:
        """Take the limits."""
        self.age_limit, self.num_limit = settings.age_limit, settings.num_limit

    def add(self, job: InactiveJob) -> None:
        """*job* is over: now, or in an earlier run, when the wall clock tells how long that is ago."""
        port = self.manager.port
        job.ended = port.monotonic() - max(0.0, port.now() - job.t_clean)
        heapq.heappush(self._heap, (job.ended, job.id))

    def request(self, msg: Message) -> int:
        """``job-manager.purge``: purge up to ``batch`` jobs beyond the limits, or only count them."""
        args = msg.args
        age_limit = field(args, "age_limit", float)
        num_limit = field(args, "num_limit", int)
        batch = field(args, "batch", int)
        force = field(args, "force", bool)
        if age_limit != UNLIMITED and not age_limit >= 0:
            raise OSError(errno.EINVAL, "if set, age limit must be >= 0")
        if num_limit != UNLIMITED and num_limit < 0:
            raise OSError(errno.EINVAL, "if set, num limit must be >= 0")
        if not 1 <= batch <= BATCH_MAX:
            raise OSError(errno.EINVAL, f"batch must be >= 1 and <= {BATCH_MAX}")
        if force:
            return self.run(age_limit, num_limit, batch)
        now = self.manager.port.monotonic()
        total = len(self.manager.inactive)
        surplus = max(0, total - num_limit) if num_limit != UNLIMITED else 0
        aged = 0
        if age_limit != UNLIMITED:
            aged = sum(1 for job in self.manager.inactive.values() if now - job.ended >= age_limit)
        return max(surplus, aged)

    def run(self, age_limit: float, num_limit: int, batch: int) -> int:
        """Purge up to *batch* jobs, oldest first, that are beyond a limit (-1 = none); returns how many."""
        manager = self.manager
        now = manager.port.monotonic()
        chosen: list[int] = []
        while self._heap and len(chosen) < batch:
            ended, id = self._heap[0]
            if id not in manager.inactive:  # purged by id
                heapq.heappop(self._heap)
                continue
            surplus = num_limit != UNLIMITED and len(manager.inactive) > num_limit
            if not surplus and not (age_limit != UNLIMITED and now - ended >= age_limit):
                break
            heapq.heappop(self._heap)
            self._forget(id)
            chosen.append(id)
        self._publish(chosen)
        return len(chosen)

    def purge_id(self, id: int, force: bool) -> None:
        """Purge one job, or say whether that would be possible. Raises OSError ENOENT or EINVAL."""
        if id in self.manager.active:
            raise OSError(errno.EINVAL, "cannot purge active job")
        if id not in self.manager.inactive:
            raise OSError(errno.ENOENT, "id not found")
        if force:
            self._forget(id)
            self._publish([id])

    def overdue(self) -> bool:
        """So many jobs are beyond the number limit that a purge is worth a commit of its own."""
        return self.num_limit != UNLIMITED and len(self.manager.inactive) - self.num_limit >= BATCH_MAX

    def due(self) -> int:
        """Apply the configured limits; returns how many jobs were purged."""
        if self.age_limit == UNLIMITED and self.num_limit == UNLIMITED:
            return 0
        return self.run(self.age_limit, self.num_limit, BATCH_MAX)

    def _forget(self, id: int) -> None:
        manager = self.manager
        job = manager.inactive.pop(id)
        manager.jobtap.tell("job.inactive-remove", job)
        manager.store.unlink(job_key(id))
        self._emptied.purged(id)
        manager.forgotten(id)

    def _publish(self, ids: list[int]) -> None:
        """Announce purged jobs once stored, beside the highest job id, which must never be given again."""
        if not ids:
            return
        manager = self.manager
        self._emptied.prune()
        manager.checkpoint()

        def stored(error: OSError | None) -> None:
            if error is None:
                manager.port.publish("job-purge-inactive", {"jobs": ids})
            else:
                manager.store.after(stored)

        manager.store.after(stored)
        manager.port.wake()
