# SPDX-License-Identifier: LGPL-3.0-or-later
"""Real execution: one job shell on each rank of the job (flux-core's bulk-exec, pure)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.modules.job_exec import keeper
from rosin.modules.job_exec.actions import (
    Arm,
    Disarm,
    DrainRanks,
    KeepEnded,
    Launch,
    Reattach,
    Signal,
    TellLeader,
)
from rosin.modules.job_exec.barrier import ShellBarrier
from rosin.modules.job_exec.settings import check_keys
from rosin.modules.job_exec.silence import Silence
from rosin.process.outcome import exited, signal_text, termsig, unstarted
from rosin.rfc import fluid, fsd
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rosin.modules.job_exec.job import ExecJob, JobHistory

_CRITICAL = 2  # severity of an exception that a job may survive
#: Shells wait for each other so many times before they serve their tasks: a job that has not come so far
#: cannot go on without one of them.
BARRIERS = 2
#: Shells that end within so many seconds of each other are told of at once.
ENDS = 0.01


class ShellExec:
    """The backend: counts shells as they start and end."""

    def __init__(self, job: ExecJob) -> None:
        """Raises FormatError for bad ``attributes.system.exec.bulkexec`` settings."""
        self.job = job
        self.name = job.config.method
        options = job.system("exec", "bulkexec") or {}
        if isinstance(options, dict):
            check_keys(options)
        self.mock_exception = field(options, "mock_exception", str, "")
        self.barrier_timeout: float = field(
            options, "barrier-timeout", (int, float), job.config.barrier_timeout
        )
        ranks = job.allocation.ranks
        self.total = len(ranks)
        self.leader = ranks.first()
        self.pids: dict[int, int] = {}  # of the shells that run now
        self.ended = 0
        self.exits: dict[int, int] = {}  # rank -> wait status, -1: nobody knows
        self._ends: dict[int, int] = {}  # wait statuses of those of which nothing was told yet
        self.started = 0
        self.status = 0
        self.unstarted = ranks
        self.early_signal = 0  # came before a shell had its pid
        self.deaf = ranks  # shells that have not said that they hear of signals for their tasks
        self.missed: dict[int, int] = {}  # signal -> the number of its event, for those
        self.barrier, self.early_end = ShellBarrier(ranks), False  # a shell ended before the first one
        self._found = 0  # of the shells that were looked for after a restart
        self._was_started = False  # before it
        self._recovers = True  # if they are found
        self._silence, self._unheard = Silence(self.leader), keeper.UNHEARD

    # -- Backend ----------------------------------------------------------------------------------

    def prepare(self) -> None:
        job = self.job
        if job.multiuser and job.config.imp is None:
            job.fatal("multi-user job but no IMP is configured (set exec.imp)")
        else:
            job.post("starting")

    def launch(self, now: float) -> None:
        if self.mock_exception == "init":
            self.job.fatal("mock init exception generated")
            self.job.post("shell-exit", {"rank": self.leader, "wait_status": 0})
            self.job.complete(0)
        else:
            self.job.actions.append(Launch())

    def reattach(self, now: float, history: JobHistory) -> None:
        self._was_started = history.start_time is not None
        for rank, status in history.ended.items():
            if rank in self.unstarted:
                self.unstarted = self.unstarted.without_id(rank)
                self.ended += 1
                self.exits[rank] = status
                self.status = max(self.status, status)
        self._silence.begin(keeper.unheard(self.job, history), done=keeper.done(self.job, history))
        self._unheard = keeper.ended_unheard(self.job, history)
        if not history.restarted:  # else it asks again, by its new connection
            self.deaf = Idset()
        self.barrier.skip(BARRIERS)
        self._recovers = keeper.recoverable(self.job, history)
        self.job.actions.append(Reattach())

    def kill(self, signum: int) -> None:
        if self.unstarted:
            self.early_signal = signum
        for rank, pid in self.pids.items():
            self.job.actions.append(Signal(rank, pid, signum))

    def active(self) -> Idset:
        return Idset(self.pids) | self.unstarted

    def stats(self) -> dict[str, Any]:
        return {
            "total_shells": self.total,
            "active_shells": self.total - self.ended,
            "active_ranks": self.active().encode(),
        }

    def timer(self, name: str, now: float) -> None:
        if name == "ends":
            self._tell_ends()
        elif name == "barrier":
            self._barrier_timeout()
        elif name == "shell-exit":
            self._shell_exit_timeout()

    # -- shells -----------------------------------------------------------------------------------

    def tasks_signalled(self, signum: int, seq: int) -> None:
        """The event ``seq`` asked the shells to signal their tasks. Of equal signals the last one counts, as
        for any process that is not yet listening."""
        if self.deaf:
            self.missed[signum] = seq

    def shell_ready(self, rank: int, over: Sequence[int] = ()) -> list[list[int]]:
        """The shell on ``rank`` hears of signals from now on; returns [seq, signum] of those before.

        It is up to the shell to leave out those that it has heard of. The leader knows that the tasks on the
        ranks ``over`` are: their shells may end unheard."""
        self.job.actions += self._silence.heard(rank, over)
        if rank == self.leader:
            self._count_silent()
            self._look_at_ends()
        missed = sorted([seq, signum] for signum, seq in self.missed.items())
        self._listens(rank)
        return missed

    def _listens(self, rank: int) -> None:
        self.deaf = self.deaf.without_id(rank)
        if not self.deaf:
            self.missed.clear()

    def shell_started(self, rank: int, pid: int, now: float) -> None:
        """The shell on ``rank`` runs."""
        self.unstarted = self.unstarted.without_id(rank)
        self.pids[rank] = pid
        self.started += 1
        if self.early_signal:
            self.job.actions.append(Signal(rank, pid, self.early_signal))
        if self.started == self.total:
            self.job.running_now(now)
            if self.total == 1:
                self._recoverable()
        if self.mock_exception == "starting":
            self.mock_exception = ""
            self.job.fatal("mock starting exception generated")

    def _recoverable(self) -> None:
        """From now on the job can be gone on with by another execution service."""
        if self.name == "bgexec" and not self.job.finalizing:
            self.job.post("recoverable")

    def shell_found(self, rank: int, pid: int, now: float) -> None:
        """The shell on ``rank`` still runs, or has ended in the meantime, which is told next."""
        self._found += 1
        self.unstarted = self.unstarted.without_id(rank)
        self.pids[rank] = pid
        if self.early_signal:
            self.job.actions.append(Signal(rank, pid, self.early_signal))
        elif not self._recovers:
            self.job.fatal(keeper.HALF_STARTED)
        self._looked_for(now)

    def shell_gone(self, rank: int, now: float, *, away: bool = False) -> None:
        """The shell on ``rank`` did not outlive the restart; ``away``: nor is its broker there."""
        self.unstarted = self.unstarted.without_id(rank)
        host, why = self.job.allocation.host(rank), keeper.why_lost(self.job)
        if self._found or self.unstarted or self.pids:
            what = f"node failure on {host}" if away else f"{keeper.LOST} on {host}"
            self._lost(rank, what, keeper.AWAY if away else why)
            self._count_end(rank, -1)
            self._looked_for(now)
        else:
            self._all_gone(f"node failure on {host}{keeper.AWAY}" if away else keeper.LOST + why)

    def _looked_for(self, now: float) -> None:
        if not self.unstarted and not self.job.running and not self.job.finalizing:
            self.job.running_now(now)

    def _all_gone(self, note: str) -> None:
        """Nothing is left of the job but what it has written."""
        job = self.job
        self.ended = self.total
        job.fatal(note)
        if self._was_started:
            job.complete(exited(1))
        else:
            job.finalize()

    def shell_output(self, rank: int, component: str, stream: str, data: str) -> None:
        """The shell itself (not a task) wrote something: it goes to the exec.eventlog."""
        if not self.job.finalizing:
            self.job.post("log", {"component": component, "stream": stream, "rank": str(rank), "data": data})

    def shell_exited(self, rank: int, status: int) -> None:
        """The shell on ``rank`` ended."""
        self.pids.pop(rank, None)
        self.status = max(self.status, status)
        if not self._silence.hold(rank, status, self.active()):
            self._check_heard(rank)
            self._count_end(rank, status)

    def _check_heard(self, rank: int) -> None:
        if rank in self._silence:
            self.job.fatal(self._unheard)

    def _count_silent(self) -> None:
        """The leader has said what it knows: what the ends of others mean is clear now."""
        for rank, status in self._silence.take().items():
            self._check_heard(rank)
            self._count(rank, status)

    def shell_failed(self, rank: int, errnum: int, text: str) -> None:
        """The shell on ``rank`` could not be started, or contact with it was lost."""
        away = errnum == errno.EHOSTUNREACH and rank in self.pids and keeper.waits(self.job)
        if away and (self.total == 1 or self.barrier.passed >= BARRIERS):
            self._look_again(rank)
            return
        self.pids.pop(rank, None)
        self.unstarted = self.unstarted.without_id(rank)
        if errnum != errno.EHOSTUNREACH:  # the job may survive that: it is no failure of its
            self.status = max(self.status, exited(unstarted(errnum)))
        self._tell_failure(rank, errnum, text)
        self._count_end(rank, -1)

    def _look_again(self, rank: int) -> None:
        """The broker of a shell that outlives it is gone: look for the shell when there is another one."""
        del self.pids[rank]
        here = Idset([rank])
        self.unstarted, self.deaf, self._was_started = self.unstarted | here, self.deaf | here, True
        self._silence.begin(here)
        self.job.actions.append(Reattach())

    def _tell_failure(self, rank: int, errnum: int, text: str) -> None:
        job, host, service = self.job, self.job.allocation.host(rank), self.job.config.service
        name = fluid.encode(job.id, "f58")
        if errnum == errno.EHOSTUNREACH:
            self._lost(rank, f"node failure on {host}")
        elif errnum == errno.ENOSYS:
            job.fatal(f"{service} service is not loaded on {host} (rank {rank})")
        elif service == "sdexec" and errnum == errno.EDEADLK:
            job.actions.append(DrainRanks(Idset([rank]), f"sdexec reports {text} for job {name}"))
            self._lost(rank, f"shell exited with unkillable processes on {host}")
        elif service == "sdexec" and errnum == errno.EIO:
            fault = f"sdexec constraint check failed on {host}"
            job.actions.append(DrainRanks(Idset([rank]), f"{fault} for job {name}: {text}"))
            job.fatal(f"{fault} (rank {rank}): {text}")
        else:
            job.fatal(f"job shell exec error on broker {host} (rank {rank}): {text}")

    def _count_end(self, rank: int, status: int) -> None:
        if self.job.finalizing:
            return
        self._count(rank, status)
        if rank == self.leader:
            self._silence.leader_ended()
            self._count_silent()
        self._look_at_ends()

    def _count(self, rank: int, status: int) -> None:
        self._listens(rank)
        self.ended += 1
        self._ends[rank] = self.exits[rank] = status
        if len(self._ends) == 1 and self.ended < self.total:
            self.job.actions.append(Arm("ends", ENDS))

    def _look_at_ends(self) -> None:
        if self.ended == self.total and self._ends:
            self._tell_ends()
            self.job.complete(self.status)

    def _tell_ends(self) -> None:
        """Draw the conclusions from the shells that have ended."""
        ends, self._ends = self._ends, {}
        if self.leader in ends:
            self._leader_ended(self.leader, ends[self.leader])
        if self.total > 1:
            self._some_of_many_ended(ends)
            if self.active() and keeper.outlives(self.job):
                self.job.actions.append(KeepEnded())

    def _leader_ended(self, rank: int, status: int) -> None:
        context: dict[str, Any] = {"rank": rank, "wait_status": status}
        active = self.active()
        if active:
            context["active_ranks"] = active.encode()
        self.job.post("shell-exit", context)
        timeout = self.job.config.shell_exit_timeout
        if active and timeout > 0 and not self.job.exception_in_progress:
            self.job.actions.append(Arm("shell-exit", timeout))

    def _some_of_many_ended(self, ends: dict[int, int]) -> None:
        job = self.job
        if not self.barrier.passed and (not job.exception_in_progress or self.early_end):
            self._ended_early(Idset(ends))
        job.actions += self.barrier.shell_exited()
        for rank, status in sorted(ends.items()):
            signum = termsig(status)
            if not signum:
                continue
            number = job.allocation.shell_rank(rank)
            text = f"shell rank {number} (on {job.allocation.host(rank)}): {signal_text(signum)}"
            if number:
                self._notify_lost(number, text)
            if not number or self.barrier.passed < BARRIERS:
                job.fatal(text)

    def _ended_early(self, ranks: Idset) -> None:
        """No shell of these has got so far that it could have told why."""
        job = self.job
        self.early_end = True
        job.fatal(f"{self._places(ranks)} terminated before first barrier")
        suspect = ranks & self.barrier.pending
        if job.multiuser and suspect:  # perhaps the nodes are at fault, for example their credential daemons
            name = fluid.encode(job.id, "f58")
            job.actions.append(DrainRanks(suspect, f"{name} terminated before first barrier"))

    def _lost(self, rank: int, what: str, why: str = "") -> None:
        number = self.job.allocation.shell_rank(rank)
        self._notify_lost(number, f"{what} (shell rank {number})")
        if number in self.job.critical_ranks:
            self.job.fatal(f"{what} (rank {rank}){why}")

    def _notify_lost(self, number: int, message: str) -> None:
        """Tell the leader shell that another is gone; an exception of the job is raised if it may go on."""
        critical = number in self.job.critical_ranks
        if not critical:
            self.job.raise_exception("node-failure", _CRITICAL, message)
            message = ""  # the leader shows the exception's note already
        payload = {
            "type": "lost-shell",
            "severity": 0 if critical else _CRITICAL,
            "shell_rank": number,
            "message": message,
        }
        told = TellLeader(payload)
        if not self._silence.postpone(told):
            self.job.actions.append(told)

    def _shell_exit_timeout(self) -> None:
        active = self.active()
        if active:
            timeout = fsd.encode(self.job.config.shell_exit_timeout)
            self.job.fatal(
                f"job shells still active on {self._places(active)} {timeout} after leader shell exit"
            )

    def _places(self, ranks: Idset) -> str:
        return f"{self.job.allocation.hosts(ranks)} ({_named(ranks)})"

    # -- barrier ----------------------------------------------------------------------------------

    def enter_barrier(self, rank: int, token: Any) -> None:
        """A shell enters the barrier; ``token`` comes back in the answer."""
        passed = self.barrier.passed
        self.job.actions += self.barrier.enter(rank, token)
        if passed < BARRIERS == self.barrier.passed:
            self._recoverable()
        if passed == 0:
            if self.barrier.passed:
                self.job.actions.append(Disarm("barrier"))
            elif self.barrier.waiting == 1 and self.barrier_timeout > 0:
                self.job.actions.append(Arm("barrier", self.barrier_timeout))

    def _barrier_timeout(self) -> None:
        pending = self.barrier.pending
        name = fluid.encode(self.job.id, "f58")
        self.job.actions.append(DrainRanks(pending, f"job {name} start timeout: possible node hang"))
        self.job.fatal(
            f"start barrier timeout waiting for {len(pending)}/{self.total} nodes ({_named(pending)})"
        )


def _named(ranks: Idset) -> str:
    return f"rank{'s' if len(ranks) > 1 else ''} {ranks.encode()}"
