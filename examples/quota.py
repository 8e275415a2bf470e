# SPDX-License-Identifier: LGPL-3.0-or-later
"""A job manager plugin: no user has more than so many jobs at a time.

rosin start sh -c 'rosin jobtap load $PWD/examples/quota.py most=2 && rosin submit --cc=1-3 hostname'
"""

from collections import Counter

from rosin.modules.job_manager.plugins import Job, Plugin, Reject, callback


class Quota(Plugin):
    def start(self) -> None:
        self.most = self.conf.get("most", 100)
        if not isinstance(self.most, int):
            raise Reject(f"most: expected a number, got {self.most!r}")
        self.active: Counter[int] = Counter()

    @callback("job.validate")
    def check(self, job: Job) -> None:
        if self.active[job.userid] >= self.most:
            raise Reject(f"you have {self.most} jobs already")

    @callback("job.new")
    def new(self, job: Job) -> None:
        self.active[job.userid] += 1

    @callback("job.inactive-add")
    def over(self, job: Job) -> None:
        self.active[job.userid] -= 1

    @callback("plugin.query")
    def query(self) -> dict[str, int]:
        return {"most": self.most, "active": self.active.total()}
