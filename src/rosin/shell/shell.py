# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job shell: runs the tasks of one job on one node.

The order of what happens: ask for the job's data in one volley; prepare (directory, files, limits, binding,
environment); ``shell.init``; start the tasks; ``shell.start``; serve output, input, signals and PMI until
the last task is complete; write what is left in one commit; exit. A job of several shells has a barrier
before each of the two events (``job-exec.shell-barrier``).
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_RPC_NORESPONSE
from rosin.errors import FormatError
from rosin.process.outcome import exit_code
from rosin.process.platform import set_child_subreaper
from rosin.process.strays import end_descendants, signal_descendants
from rosin.shell import environment, foreign, jobtmp, rlimit, umask
from rosin.shell.errors import ShellError, complain, fatal_error
from rosin.shell.expiration import ExpirationSignal, parse_option
from rosin.shell.guestlog import GuestLog
from rosin.shell.head import Follower, Leader
from rosin.shell.info import JobInfo
from rosin.shell.kills import KillEvents
from rosin.shell.layout import Resources
from rosin.shell.log import FATAL, ShellLog
from rosin.shell.outcome import task_info
from rosin.shell.output import LIMIT_MAX, Limit, Output
from rosin.shell.pmi_service import PmiService
from rosin.shell.service import ShellService, service_name
from rosin.shell.services import Services
from rosin.shell.startup import Startup
from rosin.shell.tasks import Tasks

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.shell.connection import ShellHandle
    from rosin.shell.task import Task

_BARRIER = "job-exec.shell-barrier"
#: Seconds that the last commits of a failing shell may take.
_LAST_WORDS = 5.0
#: Seconds that tasks have between SIGTERM and SIGKILL when their broker or the zygote is gone.
_ORPHAN_GRACE = 1.0


class Shell:
    """One run of the shell; :meth:`run` returns the exit code."""

    def __init__(self, handle: ShellHandle, jobid: int, init: dict[str, Any], env: Mapping[str, str]) -> None:
        self.h = handle
        self.jobid = jobid
        self.env = env
        self.log = ShellLog()
        self.guest = GuestLog(handle, jobid)
        self.guest.on_error = self._commit_failed
        self.log.sink = lambda context: self.guest.append("output", "log", context)
        self.startup = Startup(handle, jobid, init)
        self.service = ShellService(handle, service_name(jobid))
        self.kills = KillEvents(handle, jobid, self.log, self._kill)
        self.info: JobInfo
        self.head: Leader | Follower
        self.output: Output
        self.tasks: Tasks | None = None
        self.services: Services | None = None
        self._parent = os.getppid()
        self._lost: OSError | None = None
        self._failed = False
        self._commit_error = False
        self._done: Callable[[], bool] = lambda: False
        self.guest.on_idle = self._check_done
        handle.on_lost = self._on_lost

    # --- the whole

    def run(self) -> int:
        """Run the job's tasks; returns the exit code of the shell."""
        try:
            self._prepare()
            return self._run_tasks()
        except Exception as error:  # also a fault of this program must reach the user as one line
            return self._fatal(fatal_error(error))
        finally:
            self._clean_up()

    def _prepare(self) -> None:
        set_child_subreaper()
        announced = False
        with self.h.corked():
            self.kills.subscribe()
            self.startup.send()
            registered = self.h.service_register(self.service.name)
            early = self.startup.early_jobspec()
            if early is not None:
                self._learn(JobInfo(self.jobid, early, self.startup.R(), self.startup.rank()))
                announced = self._announce_early()
                self.kills.catch_up(self.info.node.rank)
        if early is None:
            R = self.startup.R()
            self._learn(JobInfo(self.jobid, self.startup.jobspec(), R, self.startup.rank()))
            self.kills.catch_up(self.info.node.rank)
        else:
            self.info.set_environment(self.startup.jobspec())
        try:
            registered.get()
        except OSError as error:
            raise ShellError(f"flux_service_register: {error.strerror}") from None
        self._set_up_node()
        if not announced:
            self._open_files()
            self.head.begin()
            if self.info.size > 1:
                self.guest.sync()  # the other shells watch the input log once they are past the barrier
                self._barrier()
            self.head.announce()

    def _learn(self, info: JobInfo) -> None:
        """Take in the job's data and decide on this shell's role."""
        self.info = info
        self.log.rank = info.rank
        self.log.verbose = min(info.options.integer("verbose", 0), 2)
        tasks: list[Task] = []
        limit = None
        if info.rank == 0:
            leader = Leader(self.h, info, self.log, tasks, self.guest, self.service)
            owner = self.startup.attr("security.owner") or str(os.getuid())
            default = "1G" if owner == str(os.getuid()) else "10M"
            limit = Limit(*info.options.size("output.limit", default, LIMIT_MAX), self.log)
            self.head = leader
        else:
            self.head = Follower(self.h, info, self.log, tasks, self.service)
        self.output = Output(info.options, self.log, self.head.emit, limit, info.ntasks)
        self.head.output = self.output
        self.head.on_released = self._check_done
        self.tasks = Tasks(info, self.output, self.log, self.h.reactor, tasks)
        self.tasks.on_complete = self._task_complete
        self.tasks.on_output = self.head.check_backlog
        self.head.on_pause = self.tasks.pause
        self.services = Services(self.h, info, self.log, self.tasks, self.service)
        self.services.on_idle = self._check_done
        for text in info.adjusted:
            self.log.warn(text)

    def _announce_early(self) -> bool:
        """Let the headers and ``shell.init`` travel with the first requests.

        Not where something has to be prepared first that may fail, or with several shells."""
        redirected = any(conf.path is not None for conf in self.output.conf.values())
        if redirected or self.info.size > 1 or not self.head.input.is_service:
            return False
        self.head.begin()
        self.head.announce()
        self.guest.flush()
        return True

    # --- preparation

    def _set_up_node(self) -> None:
        info = self.info
        cwd = info.spec.cwd
        if cwd is not None:
            try:
                os.chdir(cwd)
            except OSError as error:
                self.log.error(
                    f"host {socket.gethostname()}: Could not change dir to {cwd}: {error.strerror}. "
                    "Going to /tmp instead"
                )
                os.chdir("/tmp")
        foreign.check(info.options, self.log)
        tmpdir = info.spec.environment.get("TMPDIR")
        if tmpdir and not jobtmp.ensure_directory(tmpdir):
            self.log.warn(f"Unable to create TMPDIR={tmpdir}, resetting TMPDIR=/tmp")
            tmpdir = info.spec.environment["TMPDIR"] = "/tmp"
        info.tmpdir = jobtmp.make_tmpdir(self.startup.attr("rundir"), tmpdir, info.rank, info.f58)
        files = info.spec.system.get("files")
        if files:
            jobtmp.extract_files(files, info.tmpdir, self._load_blob)
        rlimit.apply(info.options.object("rlimit"), self.log.warn)
        umask.apply(info.options.get("umask"))
        self.head.input.check_file()

    def _load_blob(self, blobref: str) -> bytes:
        from rosin.content import load_async

        return load_async(self.h, blobref).get_raw()

    def _open_files(self) -> None:
        """Open output files; on a follower only those that no other shell writes."""
        leader = self.info.rank == 0

        def remote(template: str) -> bool:
            return not leader and not self.info.is_per_shell(template)

        for localid, rank in enumerate(self.info.local_tasks):
            self.output.open(rank, partial(self.info.render, task=(rank, localid)), remote)
        if self.output.conf["stderr"].path is not None:
            self.log.sink = self.output.log_event

    def _barrier(self) -> None:
        """Wait until every shell of the job is here. Raises ShellError when one is lost."""
        request = {"id": self.jobid, "rank": self.info.node.rank}
        self.h.rpc(_BARRIER, request, flags=FLUX_RPC_NORESPONSE)
        while True:
            msg = self.h.recv()
            if msg.topic == _BARRIER:
                break
        if msg.errnum:
            # EIO means that the job has an exception already, which says more than this shell could.
            text = "" if msg.errnum == errno.EIO else f"shell_barrier: {msg.text or os.strerror(msg.errnum)}"
            raise ShellError(text)

    # --- running

    def _run_tasks(self) -> int:
        tasks = self.tasks
        assert tasks is not None
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            self.h.reactor.add_signal(signum, self._forward_signal)
        warning = parse_option(self.info.options.get("signal")) if self.info.rank == 0 else None
        script = None
        if "batch" in self.info.spec.system and self.info.tmpdir is not None:
            script = jobtmp.write_script(self.info.spec.system["batch"], self.info.tmpdir, self.info.rank)
        jobid_path = self.startup.attr("jobid-path", "/") or "/"
        env = environment.job_environment(self.info, self.env, self.h.uri, jobid_path)
        pmi = PmiService(self.info, self.log, self.startup, self.head.exchange, tasks.all)
        tasks.on_pmi = pmi.request
        tasks.start(env, self.head.input.path, script)
        if self.info.size > 1:
            self._barrier()
        self.head.started()
        if warning is not None:
            self._warn_before_end(*warning)
        if tasks.complete:  # a node may have no task at all
            self.head.shell_complete(self.info.rank)
        self._serve(self._tasks_over)
        if self.services is not None and self._lost is None:
            self.services.stop()
            self._serve(self._services_over)
        code = tasks.exit_code()
        self.log.debug(f"exit {code}")
        self.output.close()
        if self.output.incomplete:
            code = max(code, 1)
        self.guest.flush()
        self._serve(lambda: self.guest.idle)
        return code if self._lost is None else max(code, 1)

    def _serve(self, done: Callable[[], bool]) -> None:
        """Run the reactor until ``done()``, which is asked whenever something came to an end."""
        self._done = done
        while not done():
            try:
                self.h.reactor.run()
            except (ShellError, OSError, FormatError):
                if self._lost is None and not self._failed:
                    raise  # of several errors the first one ends the job

    def _check_done(self) -> None:
        if self._done():
            self.h.reactor.stop()

    def _tasks_over(self) -> bool:
        if self.tasks is None or not self.tasks.complete:
            return False
        if self._lost is not None:
            return True
        return self.head.released and (self.services is None or self.services.idle)

    def _services_over(self) -> bool:
        return self._lost is not None or self.services is None or self.services.stopped

    def _task_complete(self, task: Task) -> None:
        assert self.tasks is not None
        assert task.child is not None
        status = task.child.status or 0
        self.log.debug(f"task {task.rank} complete status={exit_code(status)}")
        if self._lost is None:
            self.head.task_exit(task_info(task.localid, task.rank, task.child.pid, status))
            if self.tasks.complete:
                self.head.shell_complete(self.info.rank)
        self._check_done()

    def _warn_before_end(self, signum: int, left: float) -> None:
        warning = ExpirationSignal(self.h, self.jobid, self.log, signum, left)
        warning.set_expiration(self.info.resources.expiration)

        def updated(rpc: Future) -> None:
            try:
                warning.set_expiration(Resources(rpc.get()["R"]).expiration)
            except (OSError, FormatError, KeyError) as error:
                self.log.error(f"error getting R from job-info watch response: {error}")
                return
            rpc.reset()

        self.startup.watch_R().then(updated)

    # --- signals

    def _kill(self, signum: int) -> None:
        if self.tasks is not None and self.services is not None:
            self.tasks.kill(signum)
            self.services.signalled(signum)

    def _forward_signal(self, signum: int) -> None:
        self.log.debug(f"forwarding signal {signum} to tasks")
        self._kill(signum)
        if os.getppid() != self._parent:  # the signal is what a dying zygote leaves us
            self._abandon()

    def _on_lost(self, error: OSError) -> None:
        """The broker is gone: nobody can ask for this job any more."""
        self._lost = error
        self.guest.close()
        complain(str(error.strerror))
        self._abandon()

    def _commit_failed(self, error: OSError) -> None:
        """Output is lost. Said once, and not in the log: that is what cannot be written."""
        if not self._commit_error:
            self._commit_error = True
            complain(f"job output is incomplete: kvs commit: {error.strerror}")

    def _abandon(self) -> None:
        if self.tasks is None or self.tasks.complete:
            self.h.reactor.stop()
            return
        self.tasks.kill(signal.SIGTERM)
        self.tasks.pause(False)
        self.h.reactor.timer(_ORPHAN_GRACE, partial(signal_descendants, signal.SIGKILL))

    # --- the end

    def _fatal(self, error: ShellError) -> int:
        """End the job: log, kill what runs, raise the exception."""
        if self._lost is not None:
            return 1
        self._failed = self.service.closed = True
        text = str(error)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            # The exception makes job-exec send this one: the exit code is to tell of the cause, not of that.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            if text:
                self.log.message(FATAL, text, error.component)
            if self.tasks is not None:
                self.tasks.kill(signal.SIGKILL)
            self._last_words(text, error.wait_status)
        except OSError as failure:
            complain(f"{text}: failed to raise job exception: {failure.strerror}")
        return error.code

    def _last_words(self, text: str, wait_status: int | None) -> None:
        commit = self.guest.flush()
        if commit is not None:
            # Readers see the reason before the exception ends the job, unless that takes too long.
            with contextlib.suppress(TimeoutError):
                commit.wait_for(_LAST_WORDS)
        if text:
            request: dict[str, Any] = {"id": self.jobid, "type": "exec", "severity": 0, "note": text}
            if wait_status is not None:
                request["wait_status"] = wait_status
            rpc = self.h.rpc("job-manager.raise", request)
            rpc.wait_for(_LAST_WORDS)
            rpc.get()
        deadline = time.monotonic() + _LAST_WORDS
        self.h.reactor.timer(_LAST_WORDS, self.h.reactor.stop)
        self._serve(lambda: self.guest.idle or time.monotonic() >= deadline)

    def _clean_up(self) -> None:
        if self.services is not None:
            self.services.close()
        if self.tasks is not None:
            self.tasks.close()
            end_descendants(_ORPHAN_GRACE)
        if getattr(self, "info", None) is not None and self.info.tmpdir is not None:
            jobtmp.remove_tree(self.info.tmpdir)
