# SPDX-License-Identifier: LGPL-3.0-or-later
"""The shells of jobs, as subprocess servers (RFC 42) start them and tell of them."""

from __future__ import annotations

import asyncio
import errno
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.modules.job_exec import keeper, launch
from rosin.modules.job_exec.shells import ShellExec
from rosin.remote import protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rosin.broker.module import BrokerModule
    from rosin.handle.rpc import RPC
    from rosin.modules.job_exec.run import Run

#: What is answered where a broker, or its subprocess server, is not there yet.
NOT_YET = (errno.EHOSTUNREACH, errno.ENOSYS)
#: Seconds until it is asked again.
RETRY = 1.0
#: Seconds in which subprocess servers are to say that they keep shells.
KEEP_TIMEOUT = 5.0


class Launcher:
    """Starts shells and signals them. ``moved(run)`` is called when a job has learned of a shell of its."""

    def __init__(
        self, module: BrokerModule, environ: Mapping[str, str], moved: Callable[[Run], None]
    ) -> None:
        self._module = module
        self._rank = int(module.attrs.get("rank", "0"))
        self._attrs = module.attrs
        self._environ = launch.base_environment(environ)
        self._moved = moved

    def launch(self, run: Run) -> None:
        """Start a shell on each rank of the job."""
        topic = f"{run.job.config.service}.exec"
        for rank in run.job.allocation.ranks:
            keep = run.job.keep if keeper.outlives(run.job) else 0.0
            init = launch.hand_over(run.job, self._attrs, rank, self._rank, keep)
            payload = launch.shell_command(run.job, self._environ, init, keeper.label(run.job, rank))
            rpc = self._module.h.rpc(topic, payload, nodeid=rank, flags=FLUX_RPC_STREAMING)
            run.shells[rank] = rpc
            rpc.then(self._answered, run, rank)

    def reattach(self, run: Run) -> None:
        """Look for the shell on each rank where none is known, unless that is done already."""
        until = self._module.now() + (run.job.keep if keeper.outlives(run.job) else 0.0)
        for rank in _backend(run).unstarted:
            if rank not in run.sought:
                self._attach(run, rank, until)

    def _attach(self, run: Run, rank: int, until: float) -> None:
        """Look for a shell, until then again if its broker is not there yet."""
        if run.job.finalizing:
            return
        run.sought[rank] = until
        payload = protocol.attach_request(keeper.label(run.job, rank))
        topic = f"{run.job.config.service}.attach"
        rpc = self._module.h.rpc(topic, payload, nodeid=rank, flags=FLUX_RPC_STREAMING)
        run.shells[rank] = rpc
        rpc.then(self._answered, run, rank)

    async def let_go(self, runs: Iterable[Run]) -> None:
        """Leave the shells of jobs that can be gone on with to their subprocess servers.

        From then on they tell nothing that nobody hears. The others end when their client, we, is gone.
        """
        asked = []
        for run in runs:
            if keeper.outlives(run.job) and not keeper.keepable(run.job):
                for rank, pid in _backend(run).pids.items():  # it would outlive us otherwise
                    self.kill(run, rank, pid, signal.SIGKILL)
            elif keeper.keepable(run.job):
                for rank in run.shells.keys() - run.sought.keys():
                    label = keeper.label(run.job, rank)
                    topic = f"{run.job.config.service}.keep"
                    rpc = self._module.h.rpc(topic, protocol.keep_request(label), nodeid=rank)
                    asked.append((label, rpc))
        try:
            async with asyncio.timeout(KEEP_TIMEOUT):
                for label, rpc in asked:
                    await self._kept(label, rpc)
        except TimeoutError:
            self._module.log.error(f"{label} and perhaps others cannot be kept: their brokers do not answer")

    async def _kept(self, label: str, rpc: RPC) -> None:
        try:
            await rpc
        except OSError as err:
            if err.errno != errno.ENOENT:  # it has just ended
                self._module.log.error(f"{label} cannot be kept: {err.strerror}")

    def kill(self, run: Run, rank: int, pid: int, signum: int) -> RPC:
        """Signal one shell."""
        payload = protocol.kill_request(pid, signum)
        return self._module.h.rpc(f"{run.job.config.service}.kill", payload, nodeid=rank)

    def _answered(self, rpc: RPC, run: Run, rank: int) -> None:
        while rpc.is_ready() and rank in run.shells:
            try:
                response = protocol.Response(rpc.get())
                rpc.reset()
                self._take(run, rank, response)
            except (OSError, FormatError) as err:
                del run.shells[rank]
                if not run.job.finalizing:
                    self._ended(run, rank, err)
        self._moved(run)

    def _take(self, run: Run, rank: int, response: protocol.Response) -> None:
        if run.job.finalizing:
            if response.pid is not None:  # started when its broker came back: nobody waits for it any more
                signum = signal.SIGUSR1 if run.job.multiuser else signal.SIGKILL  # the IMP's for all below it
                self.kill(run, rank, response.pid, signum)
            return
        backend = _backend(run)
        if response.io is not None:
            text = response.io.data.decode(errors="replace")
            if text:
                backend.shell_output(rank, launch.component(run.job), response.io.stream, text)
        elif response.type == "attached":
            assert response.pid is not None
            run.sought.pop(rank, None)
            backend.shell_found(rank, response.pid, self._module.now())
        elif response.pid is not None:
            backend.shell_started(rank, response.pid, self._module.now())
        elif response.status is not None:
            run.statuses[rank] = response.status

    def _ended(self, run: Run, rank: int, err: OSError | FormatError) -> None:
        """The last response of a shell has come, or none will."""
        backend = _backend(run)
        if rank in run.statuses:
            backend.shell_exited(rank, run.statuses[rank])
        elif rank in run.sought and rank in backend.unstarted:
            early = getattr(err, "errno", None) in NOT_YET
            if early and self._module.now() < run.sought[rank]:
                self._module.call_later(RETRY, partial(self._attach, run, rank, run.sought[rank]))
                return
            del run.sought[rank]
            backend.shell_gone(rank, self._module.now(), away=early and rank != self._rank)
        else:
            errnum = getattr(err, "errno", None) or errno.EPROTO
            backend.shell_failed(rank, errnum, getattr(err, "strerror", None) or str(err))


def _backend(run: Run) -> ShellExec:
    backend: Any = run.job.backend
    assert isinstance(backend, ShellExec)
    return backend
