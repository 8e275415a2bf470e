# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job shell: runs the tasks of one job on one node.

The order of what happens: ask for the job's data in one volley; prepare the node (``shell.init``); start the
tasks; ``shell.start``; serve until the last task is complete and nothing else holds the shell
(``shell.finish``); write what is left in one commit; exit (``shell.exit``). A job of several shells has a
barrier before each of the two events (``job-exec.shell-barrier``). What is done at these points is the
plugins' (:mod:`rosin.shell.plugins`); this is the life alone.
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
from rosin.job.control import job_raise_async
from rosin.process.outcome import exit_code
from rosin.process.platform import set_child_subreaper
from rosin.process.strays import end_descendants, signal_descendants
from rosin.rfc.exec_eventlog import KEY
from rosin.rfc.idset import Idset
from rosin.shell import environment, vocabulary
from rosin.shell.comeback import Comeback
from rosin.shell.errors import ShellError, complain, fatal_error
from rosin.shell.info import ShellInfo
from rosin.shell.log import FATAL
from rosin.shell.others import Hearing, Tidings
from rosin.shell.plugins import table, userrc
from rosin.shell.plugins.api import Api, ShellPlugin
from rosin.shell.plugins.kill import Kill
from rosin.shell.startup import SITE
from rosin.shell.tasks import Tasks

if TYPE_CHECKING:
    from rosin.shell.connection import ShellHandle
    from rosin.shell.task import Task

_BARRIER = "job-exec.shell-barrier"
#: Seconds that the last commits of a failing shell may take.
_LAST_WORDS = 5.0
#: Seconds that tasks have between SIGTERM and SIGKILL when their broker or the zygote is gone.
_ORPHAN_GRACE = 1.0


def _give_up(_signum: int, _frame: object) -> None:
    """The job ends while this shell waits for others: it ends as if the barrier had failed."""
    raise ShellError("")


class Shell:
    """One run of the shell; :meth:`run` returns the exit code."""

    def __init__(self, handle: ShellHandle, jobid: int, init: dict[str, Any], env: Mapping[str, str]) -> None:
        self.h = handle
        self.api = api = Api(handle, jobid, env, init)
        self.log = api.log
        self.log.sink = lambda context: api.guest.append("output", "log", context)
        self.tasks: Tasks | None = None
        #: A user's code runs in this process: it cannot be trusted to be as before when the job is over.
        self.foreign = False
        self._parent = os.getppid()
        self._lost: OSError | None = None
        self._failed = False
        self._left = False
        self._commit_error = False
        self._done: Callable[[], bool] = lambda: False
        api.kill = self._kill
        api.on_release = self._check_done
        api.guest.on_idle = self._check_done
        api.guest.on_error = self._commit_failed
        handle.on_lost = self._on_lost
        kill = Kill(api)
        api.stack.push(kill)
        self._comeback = Comeback(api, kill)

    # --- the whole

    def run(self) -> int:
        """Run the job's tasks; returns the exit code of the shell."""
        try:
            self._prepare()
            return self._run_tasks()
        except (Exception, SystemExit) as error:  # also a fault of a program must reach the user as one line
            return self._fatal(fatal_error(error))
        finally:
            self._clean_up()

    # --- preparation

    def _prepare(self) -> None:
        set_child_subreaper()
        api, startup = self.api, self.api.startup
        announced = False
        with self.h.corked():
            api.stack.call(ShellPlugin.shell_connect)
            startup.send()
            registered = self.h.service_register(api.service.name)
            early = startup.early_jobspec()
            if early is not None:
                self._learn(ShellInfo(api.jobid, early, startup.R(), startup.rank()))
                announced = self._announce_early()
        if early is None:
            R = startup.R()
            self._learn(ShellInfo(api.jobid, startup.jobspec(), R, startup.rank()))
        else:
            api.info.set_environment(startup.jobspec())
        try:
            registered.get()
        except OSError as error:
            raise ShellError(f"flux_service_register: {error.strerror}") from None
        self._enter_directory()
        api.stack.call(ShellPlugin.shell_init)
        if not announced:
            self._announce()

    def _learn(self, info: ShellInfo) -> None:
        """Take in the job's data and load the plugins that it needs."""
        self.api.info = info
        self.log.rank = self.api.guest.rank = info.rank
        if info.rank == 0:  # one of them says it for all
            info.on_bad_template = partial(self.log.error, component="mustache")
        site = self.api.startup.attr(SITE)
        self.foreign = bool(userrc.files(info.options, site))
        own = userrc.plugin_classes(info, site)
        for cls in own:
            cls.choose(info.options)
        vocabulary.check(info.spec.options, {name for cls in own for name in cls.options})
        verbose = info.options.integer("verbose", 0)
        self.log.verbose = min(verbose, 2)
        if verbose > 2:
            self.log.warn("Ignoring shell verbosity > 2")
        if self.api.startup.keep and info.size > 1:
            self._relay()
        table.load_all(self.api)
        for cls in own:
            plugin = cls(self.api)
            plugin.prepares = True
            self.api.stack.push(plugin)
        self.tasks = Tasks(self.api)
        self.tasks.on_complete = self._task_complete
        for text in info.adjusted:
            self.log.warn(text)

    def _relay(self) -> None:
        """What a shell tells the leader is not to be lost with a broker on the way."""
        if self.api.leader:
            Hearing(self.api)
        else:
            self.api.relay = Tidings(self.api)
            self.api.relay.on_idle = self._check_done

    def _announce_early(self) -> bool:
        """Let the headers and ``shell.init`` travel with the first requests.

        Not where something has to be prepared first that may fail, or with several shells."""
        if self.api.info.size > 1 or any(plugin.prepares for plugin in self.api.stack):
            return False
        self._announce()
        self.api.guest.flush()
        return True

    def _announce(self) -> None:
        """Begin the logs and tell clients that they may use the service."""
        api, info = self.api, self.api.info
        api.stack.call(ShellPlugin.shell_begin)
        if info.size > 1:
            api.guest.sync()  # the other shells watch the input log once they are past the barrier
            self._barrier()
        self._event(
            "shell.init",
            {
                "service": api.service.name,
                "leader-rank": info.node.rank,
                "size": info.size,
                **api.announcement,
            },
        )
        if info.size > 1:
            api.guest.flush()  # nothing is sent while this shell waits in the next barrier

    def _event(self, name: str, context: dict[str, Any], *, lazy: bool = False) -> None:
        if self.api.leader:
            self.api.guest.append(KEY, name, context, lazy=lazy)

    def _enter_directory(self) -> None:
        cwd = self.api.info.spec.cwd
        if cwd is None:
            return
        try:
            os.chdir(cwd)
        except OSError as error:
            self.log.error(
                f"host {socket.gethostname()}: Could not change dir to {cwd}: {error.strerror}. "
                "Going to /tmp instead"
            )
            os.chdir("/tmp")

    def _barrier(self) -> None:
        """Wait until every shell of the job is here. Raises ShellError when one is lost."""
        early = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # no task runs yet
        if early:
            signal.signal(signal.SIGTERM, _give_up)
        try:
            request = {"id": self.api.jobid, "rank": self.api.info.node.rank}
            self.h.rpc(_BARRIER, request, flags=FLUX_RPC_NORESPONSE)
            while (msg := self.h.recv()).topic != _BARRIER:
                pass
        finally:
            if early:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if msg.errnum:
            # EIO means that the job has an exception already, which says more than this shell could.
            text = "" if msg.errnum == errno.EIO else f"shell_barrier: {msg.text or os.strerror(msg.errnum)}"
            raise ShellError(text)

    # --- running

    def _run_tasks(self) -> int:
        api, info, tasks = self.api, self.api.info, self.tasks
        assert tasks is not None
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            self.h.reactor.add_signal(signum, self._forward_signal)
        jobid_path = api.startup.attr("jobid-path", "/") or "/"
        api.environment = environment.job_environment(info, api.env, self.h.uri, jobid_path)
        self._say_where()
        api.stack.call(ShellPlugin.shell_post_init)
        tasks.start()
        api.stack.call(ShellPlugin.shell_start)
        if info.size > 1:
            self._barrier()
        self._comeback.allow()
        sync = {"sync": True} if info.options.flag("stop-tasks-in-exec") else {}
        self._event("shell.start", {"taskmap": info.taskmap.wrap(), **sync}, lazy=True)
        if api.complete:  # a node may have no task at all
            api.stack.call(ShellPlugin.shell_finish)
        self._serve(self._over)
        code = tasks.exit_code()
        self.log.debug(f"exit {code}")
        self._leave()
        api.guest.flush()
        if api.relay is not None:
            api.relay.hurry()
        self._serve(lambda: api.guest.idle and (api.relay is None or api.relay.idle))
        return max(code, api.exit_code, int(self._lost is not None))

    def _say_where(self) -> None:
        if self.log.verbose < 1:
            return
        info, spec = self.api.info, self.api.info.spec
        if self.api.leader:
            per_node = spec.slot_count // spec.node_count if spec.node_count > 0 else -1
            self.log.debug(
                f"0: task_count={info.ntasks} slot_count={spec.slot_count} "
                f"cores_per_slot={spec.cores_per_slot} slots_per_node={per_node}"
            )
        ranks = Idset(info.local_tasks)
        plural = "s" if len(ranks) > 1 else ""
        self.log.debug(f"{info.rank}: task{plural} {ranks.encode(brackets=True)} on cores {info.node.cores}")

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

    def _over(self) -> bool:
        return self.api.complete and (self._lost is not None or not self.api.held)

    def _task_complete(self, task: Task) -> None:
        assert task.child is not None
        self.log.debug(f"task {task.rank} complete status={exit_code(task.child.status or 0)}")
        if self._lost is None:
            self.api.stack.call(ShellPlugin.task_exit, task)
            if self.api.complete:
                self.api.stack.call(ShellPlugin.shell_finish)
        self._check_done()

    # --- signals

    def _kill(self, signum: int) -> None:
        if self.tasks is not None:
            self.tasks.kill(signum)
            self.api.stack.call(ShellPlugin.shell_kill, signum)

    def _forward_signal(self, signum: int) -> None:
        self.log.debug(f"forwarding signal {signum} to tasks", "signals")
        self._kill(signum)
        if os.getppid() != self._parent:  # the signal is what a dying zygote leaves us
            self._stay()
            self._abandon()

    def _stay(self) -> None:
        """Look for no other broker than this one: this shell is not to outlive it any more."""
        self.h.patience = 0.0
        if self.h.away:
            self.h.give_up()

    def _on_lost(self, error: OSError) -> None:
        """The broker is gone: nobody can ask for this job any more."""
        self._lost = error
        self.api.guest.close()
        if self.api.relay is not None:
            self.api.relay.close()
        complain(str(error.strerror))
        self._abandon()

    def _commit_failed(self, error: OSError) -> None:
        """Output is lost. Said once, and not in the log: that is what cannot be written."""
        if not self._commit_error:
            self._commit_error = True
            complain(f"job output is incomplete: kvs commit: {error.strerror}")

    def _abandon(self) -> None:
        if self.tasks is None or self.api.complete:
            self.h.reactor.stop()
            return
        self.tasks.kill(signal.SIGTERM)
        self.api.pause(False)
        self.h.reactor.timer(_ORPHAN_GRACE, partial(signal_descendants, signal.SIGKILL))

    # --- the end

    def _leave(self) -> None:
        """``shell.exit``, once: each plugin gets it, whatever becomes of another's."""
        if not self._left:
            self._left = True
            self._call_each(ShellPlugin.shell_exit)

    def _call_each(self, point: Callable[[Any], None]) -> None:
        """Call the plugins at the end, the last one first: nothing may keep the shell from it."""
        for handler in reversed(self.api.stack.handlers(point)):
            try:
                handler()
            except Exception as error:
                if self._lost is None:  # else its clients have gone with the broker
                    complain(str(fatal_error(error)))
                    self.api.exit_code = max(self.api.exit_code, 1)

    def _fatal(self, error: ShellError) -> int:
        """End the job: log, kill what runs, raise the exception."""
        self._stay()
        if self._lost is not None:
            return 1
        self._failed = self.api.service.closed = True
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
        commit = self.api.guest.flush()
        if commit is not None:
            # Readers see the reason before the exception ends the job, unless that takes too long.
            with contextlib.suppress(TimeoutError):
                commit.wait_for(_LAST_WORDS)
        if text:
            rpc = job_raise_async(self.h, self.api.jobid, "exec", note=text, wait_status=wait_status)
            rpc.wait_for(_LAST_WORDS)
            rpc.get()
        deadline = time.monotonic() + _LAST_WORDS
        self.h.reactor.timer(_LAST_WORDS, self.h.reactor.stop)
        self._serve(lambda: self.api.guest.idle or time.monotonic() >= deadline)

    def _clean_up(self) -> None:
        self._leave()
        if self.tasks is not None:
            self.tasks.close()
            end_descendants(_ORPHAN_GRACE)
        self._call_each(ShellPlugin.close)
