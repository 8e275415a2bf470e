# SPDX-License-Identifier: LGPL-3.0-or-later
"""What users and administrators do with jobs, and what they have been promised."""

from __future__ import annotations

import os
from typing import Any

from rosin import _json
from rosin.kvs import PRIMARY, KVSTxn
from rosin.rfc import sign
from rosin.rfc.jobpath import job_key
from rosin.rfc.jobspec.build import from_command, set_attribute
from rosin.testing.jobs.world import BEGIN, QUEUES, BrokerWorld

#: The generator of ids of guests' jobs, which is no rank.
GENERATOR = 7


class JobWork(BrokerWorld):
    """``acked``: ids that a submitter was told; ``purged``: those of jobs that may be gone."""

    def __init__(self, scheduler: tuple[str, ...] = (), plugins: tuple[str, ...] = ()) -> None:
        super().__init__(scheduler, plugins)
        self.acked: list[int] = []
        self.purged: set[int] = set()
        #: Ids that clients know, whether or not they have been kept.
        self.known: list[int] = []
        #: How often ranks were drained or undrained.
        self.drains = 0
        self.purges = 0
        self._guests = 0

    def pick(self, number: int) -> int:
        """One of the jobs, 0 the newest; an id that nobody has when there is none."""
        return self.known[-1 - number % len(self.known)] if self.known else 1

    def submit(
        self,
        *,
        userid: int | None = None,
        slots: int = 1,
        cores: int = 1,
        seconds: float = 1.0,
        limit: float = 0.0,
        status: int = 0,
        urgency: int = 16,
        queue: str | None = None,
        after: tuple[str, int] | None = None,
        flags: int = 0,
        test: dict[str, Any] | None = None,
        **system: Any,
    ) -> None:
        """Submit a mock job. ``after``: a scheme, and which of the jobs."""
        spec = from_command(["true"], num_tasks=slots, cores_per_task=cores)
        run = {"run_duration": f"{seconds}s", "wait_status": status, **(test or {})}
        set_attribute(spec, "exec.test", run)
        set_attribute(spec, "duration", limit)
        if queue is not None:
            set_attribute(spec, "queue", queue)
        if after is not None:
            set_attribute(spec, "dependencies", [{"scheme": after[0], "value": str(self.pick(after[1]))}])
        for name, value in system.items():
            set_attribute(spec, name, value)
        purges = self.purges
        if userid is None:
            request = {"J": sign.wrap(_json.dumps(spec), os.getuid()), "urgency": urgency, "flags": flags}
            self.ask("job-ingest.submit", request, lambda answer: self._submitted(answer["id"], purges))
        else:
            self._submit_for(userid, spec, {"urgency": urgency, "flags": flags})

    def _submit_for(self, userid: int, spec: dict[str, Any], options: dict[str, Any]) -> None:
        """Do for a guest what job-ingest does, which takes signed requests only."""
        now = self.instance.clock.now()
        self._guests = self._guests % 1000 + 1
        id = int((now - BEGIN) * 1000) << 24 | GENERATOR << 10 | self._guests  # RFC 19
        set_attribute(spec, "queue", spec["attributes"]["system"].get("queue", QUEUES[0]))
        job = {"id": id, "userid": userid, "t_submit": now, "jobspec": spec, **options}
        purges = self.purges

        def stored(_answer: Any) -> None:
            self.ask("job-manager.submit", {"jobs": [job]}, taken)

        def taken(answer: Any) -> None:
            if not answer["errors"]:
                self._submitted(id, purges)

        txn = KVSTxn(namespace=PRIMARY)
        txn.put(job_key(id, "jobspec"), _json.dumps(spec), raw=True)
        self.ask("kvs.commit", {"namespace": PRIMARY, "flags": 0, "ops": txn.ops}, stored)

    def _submitted(self, id: int, purges: int) -> None:
        self.acked.append(id)
        self.known.append(id)
        if purges < self.purges:  # it may have come, ended and been forgotten
            self.purged.add(id)

    def raise_(self, number: int, kind: str, severity: int, userid: int | None = None) -> None:
        """Raise an exception on a job."""
        request = {"id": self.pick(number), "type": kind, "severity": severity, "note": "machine"}
        self.ask("job-manager.raise", request, userid=userid)

    def urgency(self, number: int, urgency: int, userid: int | None = None) -> None:
        """Set a job's urgency."""
        request = {"id": self.pick(number), "urgency": urgency}
        self.ask("job-manager.urgency", request, userid=userid)

    def update(self, number: int, path: str, value: Any, userid: int | None = None) -> None:
        """Change a job's jobspec."""
        request = {"id": self.pick(number), "updates": {path: value}}
        self.ask("job-manager.update", request, userid=userid)

    def memo(self, number: int, memo: dict[str, Any]) -> None:
        """Attach something to a job."""
        self.ask("job-manager.memo", {"id": self.pick(number), "memo": memo})

    def override(self, number: int, event: str) -> None:
        """Let a mock job start or finish that waits to be told."""
        self.ask("job-exec.override", {"jobid": self.pick(number), "event": event, "status": 0})

    def drain(self, ranks: str) -> None:
        """Take ranks out of use."""
        self.drains += 1
        self.ask("resource.drain", {"targets": ranks, "reason": "machine", "mode": "update"})

    def undrain(self, ranks: str) -> None:
        """Take ranks into use again."""
        self.drains += 1
        self.ask("resource.undrain", {"targets": ranks, "mode": "update"})

    def queue_start(self, start: bool, name: str | None, checkpoint: bool = True) -> None:
        """Start or stop a queue, or all."""
        request: dict[str, Any] = {"start": start, "all": name is None, "nocheckpoint": not checkpoint}
        if name is not None:
            request["name"] = name
        self.ask("job-manager.queue-start", request)

    def queue_enable(self, enable: bool, name: str | None) -> None:
        """Enable or disable a queue, or all."""
        request: dict[str, Any] = {"enable": enable, "all": name is None, "reason": "machine"}
        if name is not None:
            request["name"] = name
        self.ask("job-manager.queue-enable", request)

    def purge(self, keep: int) -> None:
        """Forget jobs that are over, but for so many."""
        self.purges += 1
        self.purged.update(self.known)
        request = {"age_limit": -1.0, "num_limit": keep, "batch": 100, "force": True}
        self.ask("job-manager.purge", request, lambda _: self.purged.update(self.known))

    def cancel_all(self) -> None:
        """Cancel all jobs."""
        request = {"dry_run": False, "userid": 0xFFFFFFFF, "states": 0xFF, "severity": 0, "type": "cancel"}
        self.ask("job-manager.raiseall", request)
