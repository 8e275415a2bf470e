# SPDX-License-Identifier: LGPL-3.0-or-later
"""The tasks of one shell: starting them, signalling them, and noticing how they end."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable

from rosin.process.outcome import exit_code
from rosin.process.strays import signal_descendants
from rosin.shell.environment import task_environment
from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import Api, ShellPlugin
from rosin.shell.task import Task, start_error

#: Open files of a shell besides those of its tasks.
_DESCRIPTORS = 32
#: Up to so many tasks get large pipes.
_FEW_TASKS = 16


class Tasks:
    """``on_complete(task)`` is called for each task that is over."""

    def __init__(self, shell: Api) -> None:
        self._shell = shell
        self._by_pid: dict[int, Task] = {}
        self._left = len(shell.info.local_tasks)
        self._killed = False
        self.on_complete: Callable[[Task], None] | None = None
        shell.complete = not self._left

    # --- starting

    def start(self) -> None:
        """Start every task. Raises ShellError for the first that cannot be started; those before it run."""
        shell, options = self._shell, self._shell.info.options
        for localid, rank in enumerate(shell.info.local_tasks):
            shell.tasks.append(self._make(rank, localid))
        _check_descriptors(shell.tasks)
        group, stop = not options.flag("nosetpgrp"), options.flag("stop-tasks-in-exec")
        large_pipes = len(shell.tasks) <= _FEW_TASKS
        shell.h.reactor.add_signal(signal.SIGCHLD, self._reap)
        for task in shell.tasks:
            shell.stack.call(ShellPlugin.task_exec, task)
            try:
                task.start(group=group, stop=stop, large_pipes=large_pipes)
            except OSError as error:
                raise start_error(task, shell.info.node.hostname, error) from None
            assert task.child is not None
            self._by_pid[task.child.pid] = task
            shell.stack.call(ShellPlugin.task_fork, task)
        if shell.stack.handlers(ShellPlugin.child_exit):  # one may have ended before there was a handler
            shell.h.reactor.defer(lambda: self._reap(signal.SIGCHLD))

    def _make(self, rank: int, localid: int) -> Task:
        shell = self._shell
        argv = [shell.info.render(word, (rank, localid)) for word in shell.info.spec.command]
        task = Task(rank, localid, argv, task_environment(shell.environment, rank, localid), shell.h.reactor)
        task.on_end = self._check
        shell.stack.call(ShellPlugin.task_init, task)
        return task

    # --- running

    def kill(self, signum: int) -> None:
        """Signal every task. SIGKILL also reaches what tasks that have ended left behind in sessions of its
        own and with their output open: nothing else would end the job."""
        for task in self._shell.tasks:
            try:
                task.kill(signum)
            except OSError as error:
                self._shell.log.error(f"kill task {task.rank}: signal {signum}: {error.strerror}")
        if signum == signal.SIGKILL:
            self._killed = True
            self._kill_strays()

    def _kill_strays(self) -> None:
        if self._killed and self._left and self._shell.tasks and not self._by_pid:
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
                self._shell.stack.call(ShellPlugin.child_exit, pid, status)
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
        self._shell.complete = not self._left
        if self.on_complete is not None:
            self.on_complete(task)

    def exit_code(self) -> int:
        """The greatest exit code of the tasks that have ended."""
        ended = [task.child.status for task in self._shell.tasks if task.child is not None]
        return max((exit_code(status) for status in ended if status is not None), default=0)

    def close(self) -> None:
        """Let go of tasks that are still open."""
        for task in self._shell.tasks:
            task.close()


def _check_descriptors(tasks: list[Task]) -> None:
    """Refuse at once what would fail when most tasks have been started. Raises ShellError."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    needed = sum(task.descriptors for task in tasks) + _DESCRIPTORS
    if limit != resource.RLIM_INFINITY and needed > limit:
        raise ShellError(
            f"{len(tasks)} tasks on this node need {needed} open files, the limit is {limit}: start fewer on "
            f"each node, or raise it, as in --rlimit=nofile={needed}"
        )
