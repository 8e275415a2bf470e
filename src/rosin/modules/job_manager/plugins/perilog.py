# SPDX-License-Identifier: LGPL-3.0-or-later
"""Commands before a job starts and after it has ended, on its nodes or on rank 0 (``perilog.so``).

The prolog keeps the shells from being started, the epilog keeps the resources. A prolog that fails is fatal,
an epilog that fails is not; either drains the nodes on which it did if it runs on each (flux-core).
"""

from __future__ import annotations

import errno
import signal
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOB_STATE_CLEANUP
from rosin.errors import FormatError
from rosin.modules.job_manager.plugins.api import Plugin, callback
from rosin.modules.job_manager.plugins.perilog_run import ScriptRun
from rosin.modules.job_manager.plugins.perilog_settings import PerilogSettings
from rosin.process.outcome import exited
from rosin.resource.control import drain_payload
from rosin.rfc import fluid
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job

#: The number of the broker's state ``cleanup``, in which jobs are canceled because it ends.
_BROKER_CLEANUP = 6
_RANK_0 = Idset([0])
#: How severe a failure is.
_SEVERITY = {"prolog": 0, "epilog": 2}


class Perilog(Plugin):
    """The runs, by job id: at most one at a time for each."""

    name = "perilog.so"

    def start(self) -> None:
        self._settings = PerilogSettings()
        self._runs: dict[int, ScriptRun] = {}
        self._hosts: list[str] = []
        self._shutting_down = False
        self.rpc("attr.get", {"name": "hostlist"}, self._hostlist)
        port = self.manager.port
        port.stream("state-machine.monitor", {"final": _BROKER_CLEANUP}, 0, self._state, self._unwatched)

    def stop(self) -> None:
        removed = not self.manager.jobtap.has(self)
        for run in list(self._runs.values()):
            run.abandon()
            if removed:  # else their jobs would wait for ever
                run.status = run.status or signal.SIGTERM
                self._end(run, f"{run.name}: the plugin was removed")

    @callback("conf.update")
    def configure(self, config: dict[str, Any]) -> None:
        """Take the settings for what is started from now on. Raises FormatError."""
        self._settings = PerilogSettings.parse(config)

    @callback("plugin.query")
    def query(self) -> dict[str, Any]:
        """Settings and runs."""
        runs = {fluid.encode(id, "f58"): run.describe() for id, run in self._runs.items()}
        return {"conf": self._settings.describe(), "procs": runs}

    # -- what happens to a job ------------------------------------------------------------------------

    @callback("job.state.run")
    def allocated(self, job: Job) -> None:
        """Its resources are there: run the prolog."""
        if self._settings.prolog is None and self._settings.epilog is None:
            return
        self.subscribe(job)
        if self._settings.prolog is not None:
            self.prolog_start(job, "job-manager.prolog")
            self._run(job, "prolog")

    @callback("job.event.finish")
    def finished(self, job: Job, _entry: dict[str, Any]) -> None:
        """Its shells have ended: run the epilog."""
        self._epilog(job)

    @callback("job.event.exception")
    def excepted(self, job: Job, entry: dict[str, Any]) -> None:
        """A fatal exception ends a prolog, or comes between it and the start of the shells."""
        if entry["context"]["severity"] == 0:
            run = self._runs.get(job.id)
            if run is not None:
                run.cancel()
            elif not job.start_pending:
                self._epilog(job)

    @callback("job.event.release")
    def released(self, job: Job, entry: dict[str, Any]) -> None:
        """There are no shells any more, though they have not finished: some were never started."""
        if entry["context"]["final"]:
            self._epilog(job)

    def _epilog(self, job: Job) -> None:
        """Run the epilog, once.

        Sites' scripts may take any time, and an instance that ends has little: it runs none.
        """
        kept = self.aux(job)
        if self._settings.epilog is None or self._shutting_down or "epilog" in kept:
            return
        if job.state == FLUX_JOB_STATE_CLEANUP and job.has_resources:
            kept["epilog"] = True
            self.epilog_start(job, "job-manager.epilog")
            self._run(job, "epilog")

    def _run(self, job: Job, name: str) -> None:
        settings = self._settings.prolog if name == "prolog" else self._settings.epilog
        assert settings is not None
        try:
            ranks = ResourceSet.decode(job.R or {}).ranks()
        except FormatError as error:
            self.raise_exception(job, name, _SEVERITY[name], f"failed to start job {name}: R: {error}")
            self._finish(job, name, exited(1))
            return
        places = ranks if settings.per_rank else _RANK_0
        run = ScriptRun(self.manager.port, self, name, job.id, settings, places)
        self._runs[job.id] = run
        env = {
            "FLUX_JOB_ID": fluid.encode(job.id, "f58"),
            "FLUX_JOB_RANKS": ranks.encode(),
            "FLUX_JOB_USERID": str(job.userid),
        }
        run.start(env, lambda: self.manager.jobtap.guard(self, name, lambda: self._ended(run), job.id))

    # -- what a run tells (ScriptOwner) -----------------------------------------------------------------

    def output(self, run: ScriptRun, rank: int, stream: str, line: str) -> None:
        """Log a line."""
        if not self._settings.ignores(line):
            text = f"{self._name(run)}: {run.name}: {self._host(rank)} (rank {rank}): {stream}: {line}"
            (self.log.error if stream == "stderr" else self.log.info)(text)

    def unstarted(self, run: ScriptRun, rank: int, text: str) -> None:
        """Log why there is no process."""
        self._log(run, f"{self._host(rank)} (rank {rank}): {text}")

    def unkillable(self, run: ScriptRun) -> None:
        """Log that some have not ended."""
        self.log.error(f"{self._name(run)}: timed out waiting for SIGTERM to terminate {run.name}")

    def _ended(self, run: ScriptRun) -> None:
        """Drain the nodes to blame, so that no job gets them, and then let the job go on."""
        problem = run.problem()
        if problem is None or not (run.settings.per_rank or run.hangs):
            self._end(run, problem)
            return

        def drained(_answer: Any, error: OSError | None) -> None:
            if error is not None:
                self._log(run, f"cannot drain rank {ranks}: {error.strerror}")
            self._end(run, problem)

        ranks = run.bad_ranks().encode()
        how = (
            "canceled then timed out"
            if run.hangs and run.canceled
            else "timed out"
            if run.timed_out
            else "failed"
        )
        reason = f"{run.name} {how} for job {self._name(run)}"
        self.rpc("resource.drain", drain_payload(ranks, reason, "update"), drained)

    def _end(self, run: ScriptRun, problem: str | None) -> None:
        self._runs.pop(run.id, None)
        job = self.lookup(run.id)
        if problem is not None:
            note = f"{problem} on {self._places(run.bad_ranks())}"
            self.raise_exception(job, run.name, _SEVERITY[run.name], note)
        # What the prolog has begun the epilog may have to undo: before the job can go on to its end.
        if run.name == "prolog" and self.manager.jobtap.has(self):
            self._epilog(job)
        self._finish(job, run.name, run.status)

    def _finish(self, job: Job, name: str, status: int) -> None:
        finish = self.prolog_finish if name == "prolog" else self.epilog_finish
        finish(job, f"job-manager.{name}", status)

    # -- words ------------------------------------------------------------------------------------------

    def _log(self, run: ScriptRun, text: str) -> None:
        self.log.error(f"{self._name(run)}: {run.name}: {text}")

    @staticmethod
    def _name(run: ScriptRun) -> str:
        return fluid.encode(run.id, "f58")

    def _host(self, rank: int) -> str:
        return self._hosts[rank] if rank < len(self._hosts) else "?"

    def _places(self, ranks: Idset) -> str:
        hosts = Hostlist.from_names([self._host(rank) for rank in ranks]).encode()
        return f"{hosts} (rank {ranks.encode()})"

    # -- what the broker tells --------------------------------------------------------------------------

    def _hostlist(self, answer: Any, error: OSError | None) -> None:
        if error is None:
            self._hosts = Hostlist(answer["value"]).expand()

    def _state(self, answer: dict[str, Any]) -> None:
        self._shutting_down = self._shutting_down or answer.get("state") == _BROKER_CLEANUP

    def _unwatched(self, error: OSError | FormatError) -> None:
        if getattr(error, "errno", None) not in (errno.ENODATA, errno.ENOSYS):
            self.log.warning(f"perilog: cannot tell when the broker ends: {error}")
