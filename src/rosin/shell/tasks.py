# SPDX-License-Identifier: LGPL-3.0-or-later
"""The tasks of one shell: starting them, reading them, signalling them, and noticing how they end."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from rosin.process.outcome import exit_code
from rosin.process.strays import signal_descendants
from rosin.shell import affinity, environment, jobtmp
from rosin.shell.errors import ShellError
from rosin.shell.task import Task, start_error

if TYPE_CHECKING:
    from rosin.handle.reactor import Reactor
    from rosin.shell.info import JobInfo
    from rosin.shell.log import ShellLog
    from rosin.shell.output import Output
    from rosin.shell.pty import Pty

#: Open files of a shell besides those of its tasks.
_DESCRIPTORS = 32
#: Up to so many tasks get large pipes.
_FEW_TASKS = 16
#: Names for what this shell serves, and for what it could be told not to.
_PMI_SERVERS = frozenset(("simple", "pmi1", "pmi2"))
_PMI_ELSEWHERE = frozenset(("off", "none", "pmix", "cray-pals"))


class Tasks:
    """``on_complete(task)`` is called for each task that is over, ``on_pmi(task, line)`` for PMI requests.

    ``tasks`` is the list to fill, which others hold as well."""

    def __init__(
        self, info: JobInfo, output: Output, log: ShellLog, reactor: Reactor, tasks: list[Task]
    ) -> None:
        self._info = info
        self._output = output
        self._log = log
        self._reactor = reactor
        self._by_pid: dict[int, Task] = {}
        self._left = len(info.local_tasks)
        self._killed = False
        self.all = tasks
        #: What the tasks that were started share.
        self.environment: dict[str, str] = {}
        #: Terminals by task rank.
        self.terminals: dict[int, Pty] = {}
        self.on_complete: Callable[[Task], None] | None = None
        self.on_output: Callable[[], None] | None = None
        self.on_pmi: Callable[[Task, str], None] | None = None
        #: Called with the process id and wait status of every other child that has ended.
        self.on_child: Callable[[int, int], object] | None = None

    @property
    def complete(self) -> bool:
        """All tasks are over."""
        return self._left == 0

    # --- starting

    def start(self, env: dict[str, str], stdin_path: str | None, script: str | None) -> None:
        """Start every task. Raises ShellError for the first that cannot be started; those before it run."""
        info, options = self._info, self._info.options
        self.environment = env
        gpus = environment.add_gpus(info, env)
        environment.expand(info, env)
        cpus = self._bind()
        pmi = _pmi_enabled(options.optional_string("pmi"))
        _check_descriptors(len(info.local_tasks) - len(self.terminals), 2 + pmi + (stdin_path is None))
        self._reactor.add_signal(signal.SIGCHLD, self._reap)
        for localid, rank in enumerate(info.local_tasks):
            argv = [info.render(word, (rank, localid)) for word in info.spec.command]
            if script is not None:
                argv = jobtmp.batch_command(argv, info.spec.system["batch"], rank, script)
            task_env = environment.task_environment(info, env, rank, localid)
            if gpus is not None:
                task_env["CUDA_VISIBLE_DEVICES"] = gpus[localid]
            terminal = self.terminals.get(rank)
            if terminal is not None:
                task_env["FLUX_TERMINUS_SESSION"] = str(rank)
            if pmi:
                task_env["PMI_RANK"] = str(rank)
                task_env["PMI_SIZE"] = str(info.ntasks)
            task = Task(rank, localid, argv, task_env, self._reactor)
            task.on_output = self._data
            task.on_pmi = self._pmi
            self.all.append(task)
            try:
                task.start(
                    line={name: conf.line for name, conf in self._output.conf.items()},
                    stdin_path=stdin_path,
                    pmi=pmi,
                    group=not options.flag("nosetpgrp"),
                    cpus=cpus[localid] if cpus else None,
                    stop=options.flag("stop-tasks-in-exec"),
                    large_pipes=len(info.local_tasks) <= _FEW_TASKS,
                    terminal=terminal,
                )
            except OSError as error:
                raise start_error(task, info.node.hostname, error) from None
            assert task.child is not None
            self._by_pid[task.child.pid] = task
            if terminal is not None:
                self._connect(task, terminal)
        if self.on_child is not None:  # a client's command may have ended before there was a handler
            self._reactor.defer(lambda: self._reap(signal.SIGCHLD))

    def _connect(self, task: Task, terminal: Pty) -> None:
        """The task's output is what comes out of its terminal, if that is captured: it has only stdout."""
        assert task.child is not None
        terminal.started(task.child.pid)
        rank = str(task.rank)
        self._output.eof("stderr", rank)
        if not terminal.capture:
            self._output.eof("stdout", rank)
            return
        terminal.on_data = lambda data: self._data(task, "stdout", data, False)
        terminal.on_closed = lambda: self._data(task, "stdout", b"", True)

    def _bind(self) -> list[frozenset[int]] | None:
        """``cpu-affinity``: bind this shell to the job's cores; returns each task's own share, if any."""
        option = affinity.CpuOption(self._info.options.string("cpu-affinity", "on"))
        if option.mode == "off" or not hasattr(os, "sched_setaffinity"):
            return None
        cores = self._info.node.cores
        table = affinity.topology()
        cpus = affinity.cpus_of(cores, table)
        if cpus is None:
            self._log.warn(f"unable to get cpuset for cores {cores}. Disabling affinity", "cpu-affinity")
            return None
        mine = [table[core] for core in cores]
        per_task = option.per_task(mine, max(1, len(self._info.local_tasks)))
        if option.verbose or option.dry_run:
            self._log.notice(f"cpus: {affinity.format_cpus(cpus)}", "cpu-affinity")
            for rank, share in zip(self._info.local_tasks, per_task or (), strict=False):
                self._log.notice(f"task {rank}: cpus: {affinity.format_cpus(share)}", "cpu-affinity")
        if option.dry_run:
            return None
        try:
            if cpus != os.sched_getaffinity(0):
                os.sched_setaffinity(0, cpus)
        except OSError as error:
            raise ShellError(f"cannot bind to cpus {affinity.format_cpus(cpus)}: {error.strerror}") from None
        return per_task

    # --- running

    def _data(self, task: Task, stream: str, data: bytes, eof: bool) -> None:
        if data:
            self._output.write(stream, str(task.rank), data)
        if eof:
            self._output.eof(stream, str(task.rank))
            self._check(task)
        if self.on_output is not None:
            self.on_output()

    def _pmi(self, task: Task, line: str) -> None:
        if self.on_pmi is not None:
            self.on_pmi(task, line)

    def pause(self, paused: bool) -> None:
        """Stop or go on reading the output of all tasks."""
        for task in self.all:
            task.pause(paused)

    def kill(self, signum: int) -> None:
        """Signal every task. SIGKILL also reaches what tasks that have ended left behind in sessions of its
        own and with their output open: nothing else would end the job."""
        for task in self.all:
            try:
                task.kill(signum)
            except OSError as error:
                self._log.error(f"kill task {task.rank}: signal {signum}: {error.strerror}")
        if signum == signal.SIGKILL:
            self._killed = True
            self._kill_strays()

    def _kill_strays(self) -> None:
        if self._killed and self._left and self.all and not self._by_pid:
            signal_descendants(signal.SIGKILL)

    # --- the end

    def _reap(self, _signum: int) -> None:
        """Collect what has ended: tasks, and orphans of tasks that became this shell's children."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                self._kill_strays()
                return
            task = self._by_pid.pop(pid, None)
            if task is None:
                if self.on_child is not None:
                    self.on_child(pid, status)
            elif task.child is not None:
                task.child.reaped(status)
                if task.terminal is not None:
                    task.terminal.exited(status)
                self._check(task)

    def _check(self, task: Task) -> None:
        if task.completed or not task.finished:
            return
        task.completed = True
        task.close()
        self._left -= 1
        if self.on_complete is not None:
            self.on_complete(task)

    def exit_code(self) -> int:
        """The greatest exit code of the tasks that have ended."""
        ended = [task.child.status for task in self.all if task.child is not None]
        return max((exit_code(status) for status in ended if status is not None), default=0)

    def close(self) -> None:
        """Let go of tasks that are still open."""
        for task in self.all:
            task.close()


def _check_descriptors(tasks: int, each: int) -> None:
    """Refuse at once what would fail when most tasks have been started. Raises ShellError."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    needed = tasks * each + _DESCRIPTORS
    if limit != resource.RLIM_INFINITY and needed > limit:
        raise ShellError(
            f"{tasks} tasks on this node need {needed} open files, the limit is {limit}: start fewer on each "
            f"node, or raise it, as in --rlimit=nofile={needed}"
        )


def _pmi_enabled(option: str | None) -> bool:
    """``pmi``: the simple server serves unless the list of wanted ones leaves it out."""
    if option is None:
        return True
    wanted = set(option.split(","))
    for name in sorted(wanted - _PMI_SERVERS - _PMI_ELSEWHERE):
        raise ShellError(f"shell option pmi={option}: unknown server {name!r}: expected simple or off")
    return bool(_PMI_SERVERS & wanted)
