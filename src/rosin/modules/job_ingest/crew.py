# SPDX-License-Identifier: LGPL-3.0-or-later
"""The processes in which plugins of files look at jobs, one job at a time each.

They are somebody else's code: one that hangs, ends or answers nonsense costs the job that it had, and is
replaced.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rosin import _json
from rosin.errors import FormatError
from rosin.job.plugin_file import plugin_name
from rosin.modules.job_ingest.worker import Ended, PluginProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from rosin.broker.settings import Table

#: Processes of one stage at most, as flux-core has; more than processors are of no use.
_WORKERS = min(4, os.cpu_count() or 1)
#: Seconds without a job after which a process ends; one stays.
_IDLE = 5.0
#: Seconds for which jobs are refused at once when a process could not begin.
_BROKEN = 1.0


class CrewSettings(NamedTuple):
    """``program``: job-validator or job-frobnicator; ``files``; ``args``; ``timeout`` of one job, seconds."""

    program: str
    files: tuple[str, ...]
    args: tuple[str, ...]
    timeout: float

    @classmethod
    def parse(cls, table: Table, files: tuple[str, ...], args: tuple[str, ...]) -> CrewSettings:
        """Read those of ``[ingest.validator]`` or ``[ingest.frobnicator]``. Raises FormatError."""
        for path in files:
            if not os.path.isfile(path) or not path.endswith(".py"):
                text = f"{path!r}: no such file: expected a Python file, such as ./site.py"
                raise FormatError(f"{table.name}.plugins: {text}")
        timeout = table.seconds("timeout", 30.0, positive=True)
        return cls(f"job-{table.name.rpartition('.')[2]}", files, args, timeout)

    @property
    def names(self) -> str:
        """The plugins, for messages."""
        return ", ".join(map(plugin_name, self.files))

    def argv(self) -> list[str]:
        """What to execute."""
        own = [sys.executable, "-m", "rosin", self.program, f"--plugins={','.join(self.files)}"]
        return [*own, *self.args]


class CrewPort(Protocol):
    """What a crew asks of its module."""

    def begin(self, argv: list[str]) -> PluginProcess:
        """Start a process. Raises OSError."""

    def create_task(self, coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that ends with the module."""

    def blame(self, text: str) -> None:
        """Log an error."""


class Crew:
    """The processes of one stage."""

    def __init__(self, settings: CrewSettings, port: CrewPort, room: Callable[[], int]) -> None:
        """*room*: how many bytes a job may have."""
        self.settings = settings
        self.counts = {"requests": 0, "errors": 0}
        self._port = port
        self._room = room
        self._waiting: deque[tuple[dict[str, Any], asyncio.Future[dict[str, Any]]]] = deque()
        self._tasks: dict[asyncio.Task[None], PluginProcess | None] = {}
        self._idle = 0
        self._more = asyncio.Condition()
        self._retired = False
        self._fault: tuple[float, str] = (0.0, "")

    def stats(self) -> dict[str, Any]:
        """flux-core's shape."""
        pids = [worker.pid for worker in self._tasks.values() if worker is not None]
        trash = len(pids) if self._retired else 0
        return {
            "running": len(pids),
            "trash": trash,
            "backlog": len(self._waiting),
            "pids": pids,
            **self.counts,
        }

    async def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return what the plugins say of a job. Raises OSError, with one line, if they do not."""
        self.counts["requests"] += 1
        if asyncio.get_running_loop().time() < self._fault[0]:
            raise self._refusal(errno.EINVAL, self._fault[1])
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, future))
        if self._idle < len(self._waiting) and len(self._tasks) < _WORKERS:
            task = self._port.create_task(self._work())
            self._tasks[task] = None
            task.add_done_callback(lambda done: self._tasks.pop(done, None))
        async with self._more:
            self._more.notify()
        return await future

    def _refusal(self, errnum: int, text: str) -> OSError:
        self.counts["errors"] += 1
        return OSError(errnum, f"{self.settings.program} ({self.settings.names}): {text}")

    async def _work(self) -> None:
        """The life of one process, and of those that replace it."""
        worker: PluginProcess | None = None
        task = asyncio.current_task()
        assert task is not None
        try:
            while await self._wait_for_job():
                job, future = self._waiting.popleft()
                line = _json.dumps(job) + b"\n"
                if len(line) > self._room():
                    text = f"a job of {len(line)} bytes is larger than ingest.buffer-size"
                    future.set_exception(self._refusal(errno.EFBIG, text))
                    continue
                try:
                    if worker is None:
                        worker = self._tasks[task] = self._port.begin(self.settings.argv())
                    answer = await worker.ask(line, self.settings.timeout)
                except (Ended, OSError) as error:
                    self._lost(worker, error, future)
                    worker = self._tasks[task] = None
                else:
                    if not future.done():
                        future.set_result(answer)
        finally:
            if worker is not None:
                await worker.stop()

    async def _wait_for_job(self) -> bool:
        """Whether there is one; not if this process is one too many."""
        self._idle += 1
        try:
            while not self._waiting:
                if self._retired:
                    return False
                try:
                    async with asyncio.timeout(_IDLE), self._more:
                        await self._more.wait()
                except TimeoutError:
                    if len(self._tasks) > 1 and not self._waiting:
                        return False
            return True
        finally:
            self._idle -= 1

    def _lost(
        self, worker: PluginProcess | None, error: Exception, future: asyncio.Future[dict[str, Any]]
    ) -> None:
        """The process has gone, and cannot say anything of the job that it had."""
        text = str(error.strerror if isinstance(error, OSError) else error)
        if worker is None or not worker.answered:
            self._fault = (asyncio.get_running_loop().time() + _BROKEN, text)
        self._port.blame(f"{self.settings.program} ({self.settings.names}): {text}")
        if not future.done():
            future.set_exception(self._refusal(errno.EINVAL, text))

    async def retire(self) -> None:
        """Take no more jobs, and end when those that there are have been answered."""
        self._retired = True
        async with self._more:
            self._more.notify_all()
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    async def stop(self) -> None:
        """End at once; jobs that wait are refused."""
        self._retired = True
        for task, worker in list(self._tasks.items()):
            if worker is not None:
                worker.kill()
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(OSError(errno.ENOSYS, "job-ingest is shutting down"))
