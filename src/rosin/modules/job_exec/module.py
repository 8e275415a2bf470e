# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job-exec module: RFC 32's execution service on rank 0.

The decisions are made by the state machine in job.py; this module carries its actions out and brings it what
comes of them. Of what a job writes, only the creation of its guest namespace and the final content of that
are waited for.
"""

from __future__ import annotations

import errno
import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

from rosin import kvs
from rosin.broker.module import DEFERRED, event_handler, request_handler
from rosin.broker.settings import KeepSettings
from rosin.constants import FLUX_RPC_NORESPONSE
from rosin.errors import FormatError
from rosin.kvs.namespace import empty_root
from rosin.modules.job_exec import actions, keeper, recovery, settings
from rosin.modules.job_exec.allocation import JobNodes
from rosin.modules.job_exec.base import ShellRequests, f58
from rosin.modules.job_exec.job import ExecJob
from rosin.modules.job_exec.launcher import Launcher
from rosin.modules.job_exec.mock import MockExec, mock_config
from rosin.modules.job_exec.run import Run
from rosin.modules.job_exec.shells import ShellExec
from rosin.modules.job_exec.writer import Writer
from rosin.resource.control import drain
from rosin.rfc import eventlog, fluid
from rosin.rfc.exec_protocol import ALL, StartRequest, StartResponse, hello
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field, id_field, int_field
from rosin.rfc.rset.format import MAX_RANKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.future import Future
    from rosin.rfc.message import Message


class JobExec(ShellRequests):
    """Service ``job-exec``."""

    name = "job-exec"
    arguments = settings.ARGUMENTS
    follows = ("job-manager", "kvs")

    async def start(self) -> None:
        self.settings = settings.ExecSettings.parse(self.config, self.arg_values)
        self._keeping = KeepSettings.parse(self.config)
        self.empty_root = empty_root(self.attrs.get("content.hash", "sha1"))
        self.runs: dict[int, Run] = {}
        self.writer = Writer(self)
        self.launcher = Launcher(self, os.environ, self._do_all)
        self._perform: dict[type, Callable[[Run, Any], None]] = {
            actions.Respond: self._do_respond,
            actions.Post: self._do_post,
            actions.Launch: self._do_launch,
            actions.Reattach: self._do_reattach,
            actions.Signal: self._do_signal,
            actions.SignalTasks: self._do_signal_tasks,
            actions.Arm: self._do_arm,
            actions.Disarm: self._do_disarm,
            actions.DisarmAll: self._do_disarm_all,
            actions.DrainRanks: self._do_drain,
            actions.KeepEnded: self._do_keep_ended,
            actions.TellLeader: self._do_tell_leader,
            actions.Release: self._do_release,
            actions.Close: self._do_close,
            actions.Forget: self._do_forget,
            actions.LogText: self._do_log,
        }
        await self.h.rpc("job-manager.exec-hello", hello(self.module_name))

    async def stop(self) -> None:
        """Keep running jobs, and what they have written, for a reattach or at least for their owners."""
        await self.launcher.let_go(self.runs.values())
        kept = [run for run in self.runs.values() if run.job.has_namespace and not run.job.finalizing]
        for run in kept:
            if isinstance(run.job.backend, ShellExec) and run.job.backend.exits:
                self._do_keep_ended(run, None)
        written = {run.job.id: self.writer.write(run.guest) for run in kept}
        await recovery.graft_all(self.h, written, self.report)
        for run in list(self.runs.values()):
            self._answer(run)
            self._do_forget(run, None)
            for rpc in run.shells.values():
                rpc.abandon()
            run.shells.clear()

    def reconfigure(self, config: dict[str, Any]) -> None:
        KeepSettings.parse(config)  # which counts at the next start
        self.settings = settings.ExecSettings.parse(config, self.arg_values)

    def stats(self) -> dict[str, Any]:
        jobs = {f58(run.job.id): run.job.stats(run.expires) for run in self.runs.values()}
        return {**self.settings.stats(), "jobs": jobs}

    # -- requests ---------------------------------------------------------------------------------

    @request_handler("start")
    def start_job(self, msg: Message) -> object:
        request = StartRequest.decode(msg.args)
        known = self.runs.get(request.id)
        if known is not None:
            self._restart(known, msg, request)
            return DEFERRED
        try:
            job = ExecJob(request, JobNodes(request.R), self.settings, os.getuid(), self._keep())
            mock = mock_config(job.system())
            if mock is None:
                self._check_ranks(job.allocation.ranks)
            backend = ShellExec(job) if mock is None else MockExec(job, mock)
        except FormatError as err:
            self._refuse(msg, request.id, str(err))
            return DEFERRED
        run = self.runs[request.id] = Run(job, msg)
        if request.reattach:
            self.create_task(self._reattach(run, backend))
        else:
            kept = keeper.outlives(job) and mock is None
            rpc = kvs.namespace_create_async(
                self.h, job.namespace, job.userid, rootref=self.empty_root, kept=kept
            )
            rpc.then(self._created, run)
            job.begin(backend)
            self._do_all(run)
        return DEFERRED

    def _keep(self) -> float:
        """Seconds for which shells outlive their broker."""
        return self._keeping.timeout if self._keeping.applies(self.attrs) else 0.0

    def _check_ranks(self, ranks: Idset) -> None:
        """Raises FormatError where there can be no shell: one is asked for on each rank."""
        size = int(self.attrs["size"])
        if (last := ranks.last() or 0) >= size:
            raise FormatError(f"R: rank {last}: this instance has {size} broker{'s' if size > 1 else ''}")

    @request_handler("expiration")
    def expiration(self, msg: Message) -> None:
        run = self._lookup(id_field(msg.args))
        seconds = field(msg.args, "expiration", (int, float))
        if seconds < 0:
            raise OSError(errno.EINVAL, f"invalid expiration {seconds}")
        run.job.update_expiration(float(seconds), self.now())
        self._do_all(run)
        self.log.debug(f"updated expiration of {f58(run.job.id)} to {seconds:.2f}")

    @request_handler("critical-ranks", allow_guest=True)
    def critical_ranks(self, msg: Message) -> None:
        run = self._lookup(id_field(msg.args))
        self._owner_only(run, msg)
        run.job.critical_ranks = Idset.decode(field(msg.args, "ranks", str), limit=MAX_RANKS)
        rpc = recovery.keep_critical(self.h, run.job.id, run.job.critical_ranks)
        rpc.then(self.writer.check, f"{f58(run.job.id)}: {recovery.CRITICAL_KEY}")

    @request_handler("override", allow_guest=True)
    def override(self, msg: Message) -> None:
        event = field(msg.args, "event", str)
        run = self.runs.get(field(msg.args, "jobid", int))
        status = field(msg.args, "status", int, 0)
        if run is None or not isinstance(run.job.backend, MockExec):
            raise OSError(errno.ENOENT, "Job not found")
        if msg.userid != run.job.userid:
            raise OSError(errno.EPERM, "Permission denied")
        run.job.backend.override(event, status, self.now())
        self._do_all(run)

    @event_handler("job-exception")
    def job_exception(self, msg: Message) -> None:
        args = msg.args
        run = self.runs.get(id_field(args))
        if run is not None:
            run.job.exception(
                field(args, "type", str), field(args, "severity", int), field(args, "wait_status", int, -1)
            )
            self._do_all(run)

    @event_handler("shell-")
    def tasks_signalled(self, msg: Message) -> None:
        """Somebody signals the tasks of a job: keep it for shells that do not listen yet."""
        jobid, _, what = msg.topic.removeprefix("shell-").partition(".")
        known = what == "kill" and jobid.isdecimal() and len(jobid) <= 20
        run = self.runs.get(int(jobid)) if known else None
        if run is not None and isinstance(run.job.backend, ShellExec):
            run.job.backend.tasks_signalled(int_field(msg.args, "signum", 0, signal.NSIG - 1), msg.seq)

    def _restart(self, run: Run, msg: Message, request: StartRequest) -> None:
        """A start request for a job that is here already: its manager was reloaded."""
        if not request.reattach:
            raise OSError(errno.EEXIST, f"job {f58(run.job.id)} is already being executed")
        run.msg, run.job.request = msg, request
        if run.job.running:
            run.job.respond("reattached")
            self._do_all(run)

    def _refuse(self, msg: Message, jobid: int, reason: str) -> None:
        """A job that cannot even be begun: an exception and the final release."""
        data = {"severity": 0, "type": "exec", "note": reason}
        self.respond(msg, StartResponse(jobid, "exception", data).encode())
        self.respond(msg, StartResponse(jobid, "release", {"ranks": ALL, "final": True}).encode())

    # -- actions ----------------------------------------------------------------------------------

    def _do_all(self, run: Run) -> None:
        job = run.job
        while job.actions:
            for action in job.take():
                self._perform[type(action)](run, action)

    def _do_respond(self, run: Run, action: actions.Respond) -> None:
        answer = StartResponse(run.job.id, action.type, action.data).encode()
        if action.type == "start":  # with the link to the namespace, one commit
            self.writer.after(partial(self._answer, run))
        elif (
            action.type != "finish" and not run.answers
        ):  # with the final content and the release, one commit
            self.respond(run.msg, answer)
            return
        run.answers.append(answer)

    def _answer(self, run: Run) -> None:
        """Give the answers that were held back."""
        answers, run.answers = run.answers, []
        for answer in answers:
            self.respond(run.msg, answer)

    def _do_post(self, run: Run, action: actions.Post) -> None:
        self.writer.post(run.guest, eventlog.encode(action.name, action.context, self.now()))

    def _do_launch(self, run: Run, _action: actions.Launch) -> None:
        self.launcher.launch(run)

    def _do_reattach(self, run: Run, _action: actions.Reattach) -> None:
        self.launcher.reattach(run)

    def _do_signal(self, run: Run, action: actions.Signal) -> None:
        rpc = self.launcher.kill(run, action.rank, action.pid, int(action.signum))
        what = f"{f58(run.job.id)}: signal shell on rank {action.rank}"
        rpc.then(self.writer.check, what, errno.ESRCH, errno.EHOSTUNREACH)  # its exec request tells of a loss

    def _do_signal_tasks(self, run: Run, action: actions.SignalTasks) -> None:
        self.log.debug(f"Sending signal {action.signum} to the tasks of job {f58(run.job.id)}")
        self.h.event_send(f"shell-{run.job.id}.kill", {"signum": action.signum})

    def _do_arm(self, run: Run, action: actions.Arm) -> None:
        self._do_disarm(run, action)
        run.timers[action.timer] = self.call_later(action.seconds, partial(self._timer, run, action.timer))
        if action.timer == "expire":
            run.expires = self.now() + action.seconds

    def _do_disarm(self, run: Run, action: actions.Arm | actions.Disarm) -> None:
        timer = run.timers.pop(action.timer, None)
        if timer is not None:
            timer.cancel()
            if action.timer == "expire":
                run.expires = 0.0

    def _do_disarm_all(self, run: Run, _action: actions.DisarmAll | None) -> None:
        for timer in run.timers.values():
            timer.cancel()
        run.timers.clear()
        run.expires = 0.0

    def _do_drain(self, run: Run, action: actions.DrainRanks) -> None:
        ranks = action.ranks.encode()
        rpc = drain(self.h, ranks, action.reason, "update")
        rpc.then(self.writer.check, f"failed to drain ranks {ranks} for job {f58(run.job.id)}")

    def _do_keep_ended(self, run: Run, _action: actions.KeepEnded | None) -> None:
        assert isinstance(run.job.backend, ShellExec)
        rpc = recovery.keep_ended(self.h, run.job.id, run.job.backend.exits)
        rpc.then(self.writer.check, f"{f58(run.job.id)}: {recovery.ENDED_KEY}")

    def _do_tell_leader(self, run: Run, action: actions.TellLeader) -> None:
        service = f"{run.job.userid}-shell-{fluid.encode(run.job.id, 'f58plain')}"
        leader = run.job.allocation.ranks.first()
        assert leader is not None
        self.h.rpc(f"{service}.exception", action.payload, nodeid=leader, flags=FLUX_RPC_NORESPONSE)

    def _do_release(self, _run: Run, action: actions.Release) -> None:
        if action.errnum:
            self.respond_error(action.token, action.errnum, action.text)
        else:
            self.respond(action.token)

    def _do_close(self, run: Run, _action: actions.Close) -> None:
        self.writer.close(run.guest, partial(self._closed, run))

    def _do_forget(self, run: Run, _action: actions.Forget | None) -> None:
        self._do_disarm_all(run, None)
        if self.runs.get(run.job.id) is run:
            del self.runs[run.job.id]

    def _do_log(self, _run: Run, action: actions.LogText) -> None:
        self.log(action.level, action.text)

    # -- what comes back --------------------------------------------------------------------------

    def _timer(self, run: Run, name: str) -> None:
        run.timers.pop(name, None)
        run.job.timer(name, self.now())
        self._do_all(run)

    def report(self, text: str) -> None:
        """Log a failure."""
        self.log.error(text)

    def _closed(self, run: Run) -> None:
        self._answer(run)
        run.job.moved()
        self._do_all(run)

    def _created(self, rpc: Future, run: Run) -> None:
        try:
            rpc.get()
        except OSError as err:
            run.guest.lines.clear()
            run.job.namespace_failed(err.errno or errno.EIO)
        else:
            if not run.job.finalizing:
                self.writer.link(run.guest)
            run.job.namespace_ready(self.now())
        self._do_all(run)

    # -- after a restart --------------------------------------------------------------------------

    async def _reattach(self, run: Run, backend: ShellExec | MockExec) -> None:
        job = run.job
        try:
            kept = keeper.outlives(job) and isinstance(backend, ShellExec)
            new = await recovery.restore_namespace(self.h, job.id, job.userid, self.empty_root, kept=kept)
        except OSError as err:
            job.namespace_failed(err.errno or errno.EIO)
        else:
            history = await recovery.read_history(self.h, job.id, self.log.warning, restarted=new)
            if job.finalizing:  # by an exception in the meantime
                kvs.namespace_remove_async(self.h, job.namespace)
            else:
                self.writer.link(run.guest)
                job.begin(backend)
                job.namespace_ready(self.now(), history)
        self._do_all(run)
        asked, run.asked = run.asked, []
        for msg in asked:  # shells that were back before their job
            try:
                self.respond(msg, self.shell_ready(msg))
            except (OSError, FormatError) as exc:
                self.respond_exception(msg, exc)
