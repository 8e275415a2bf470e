# SPDX-License-Identifier: LGPL-3.0-or-later
"""What ``rosin job attach`` does for debuggers: it tells where tasks are, and lets those that wait go on."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.job.control import kill_async
from rosin.job.lookup import job_info_lookup
from rosin.job.proctable import decode
from rosin.rfc import eventlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.flux import Flux
    from rosin.handle.rpc import RPC


def is_over(handle: Flux, jobid: int) -> bool:
    """Whether a job has no tasks any more, or will never have any. Raises OSError, FormatError."""
    log = job_info_lookup(handle, jobid, ["eventlog"]).get()["eventlog"]
    return any(event.name in ("finish", "clean") for event in eventlog.decode(log))


class Debug:
    """One job. ``say(text)`` prints a line; ``show``: the process table is printed, too."""

    def __init__(self, handle: Flux, jobid: int, say: Callable[[str], None], *, show: bool) -> None:
        self._h = handle
        self._jobid = jobid
        self._say = say
        self._show = show
        self._service: tuple[str, int] | None = None
        self._sync = False

    def shell_init(self, service: str, leader: int) -> None:
        """The shell tells its service, and the rank where its leader is."""
        self._service = (service, leader)

    def shell_start(self, context: dict[str, Any]) -> None:
        """The tasks have been started; with ``sync`` they wait before their first instruction."""
        self._sync = bool(context.get("sync"))
        if self._show and self._service is not None:
            service, leader = self._service
            self._h.rpc(f"{service}.proctable", None, leader).then(self._told)
        else:
            self._go_on()

    def _told(self, rpc: RPC) -> None:
        try:
            for task, host, program, pid, _ in sorted(decode(rpc.get())):
                self._say(f"task {task}: {host}:{pid} {program}")
        except (OSError, FormatError) as exc:
            self._say(f"failed to get MPIR_proctable from job shell: {getattr(exc, 'strerror', None) or exc}")
        self._go_on()

    def _go_on(self) -> None:
        if self._sync:
            kill_async(self._h, self._jobid, signal.SIGCONT).then(self._sent)

    def _sent(self, rpc: RPC) -> None:
        try:
            rpc.get()
        except OSError as exc:
            self._say(f"failed to send SIGCONT to the job: {exc.strerror}")
