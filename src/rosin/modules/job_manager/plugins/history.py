# SPDX-License-Identifier: LGPL-3.0-or-later
"""The order in which each user submitted jobs (``.history``: ``job-manager.history.get``), newest first."""

from __future__ import annotations

import errno
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from rosin.modules.job_manager.plugins.api import Plugin, callback, service
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.modules.job_manager.inactive import InactiveJob
    from rosin.modules.job_manager.job import Job
    from rosin.rfc.message import Message


class History(Plugin):
    """Job ids by user; they ascend in the order of submission, whatever is done to the wall clock."""

    name = ".history"

    def start(self) -> None:
        self._users: dict[int, list[int]] = {}
        for job in self.manager.inactive.values():
            self.add(job)

    @callback("job.new", "job.inactive-add")
    def add(self, job: Job | InactiveJob) -> None:
        """Note that the user of *job* submitted it."""
        jobs = self._users.setdefault(job.userid, [])
        index = bisect_left(jobs, job.id)
        if index == len(jobs) or jobs[index] != job.id:
            jobs.insert(index, job.id)

    @callback("job.inactive-remove")
    def discard(self, job: InactiveJob) -> None:
        """Forget *job*, which has been purged."""
        jobs = self._users.get(job.userid, [])
        index = bisect_left(jobs, job.id)
        if index < len(jobs) and jobs[index] == job.id:
            del jobs[index]
            if not jobs:
                del self._users[job.userid]

    @service("get", allow_guest=True)
    def get(self, msg: Message) -> dict[str, Any]:
        """``{slice}`` -> ``{jobs}``: what a slice (``[0:10]``) takes of the sender's, newest first."""
        cut = parse_slice(field(msg.args, "slice", str))
        return {"jobs": self._users.get(msg.userid, [])[::-1][cut]}


def parse_slice(text: str) -> slice:
    """A slice object from ``[start:stop:step]``. Raises OSError EINVAL."""
    parts = text[1:-1].split(":") if text[:1] == "[" and text[-1:] == "]" else []
    try:
        numbers = [int(part) if part.strip() else None for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or (len(numbers) == 3 and numbers[2] == 0):
        raise OSError(errno.EINVAL, "could not parse python-style slice expression")
    return slice(*numbers)
