# SPDX-License-Identifier: LGPL-3.0-or-later
"""Signals for the tasks of a job, which the job manager publishes as ``shell-ID.kill`` events.

A job may be signalled as soon as it is started, which is before its shells have subscribed. So a shell asks
with ``job-exec.shell-ready``, right behind its subscription, for the signals that were published before.
Those that reached it all the same are told by the numbers of their events. An execution service that does
not know the request (flux-core's) refuses it, and a signal that early is lost there.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from rosin.errors import FormatError
from rosin.rfc.payload import field, int_field

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.rfc.message import Message
    from rosin.shell.connection import ShellHandle
    from rosin.shell.log import ShellLog


class KillEvents:
    """Calls ``kill(signum)`` once for every signal that is meant for the job, from the reactor."""

    def __init__(self, handle: ShellHandle, jobid: int, log: ShellLog, kill: Callable[[int], None]) -> None:
        self._h = handle
        self._jobid = jobid
        self._log = log
        self._kill = kill
        self._taken: set[int] = set()  # numbers of events that must not count again
        self._caught_up = False

    def subscribe(self) -> None:
        """Receive the events from now on."""
        self._h.on_event(f"shell-{self._jobid}.kill", self._event)
        self._h.event_subscribe(f"shell-{self._jobid}.")

    def catch_up(self, rank: int) -> None:
        """Ask for earlier signals; ``rank`` is that of the shell's broker."""
        self._h.rpc("job-exec.shell-ready", {"id": self._jobid, "rank": rank}).then(self._earlier)

    def _event(self, msg: Message) -> None:
        try:
            signum = int_field(msg.args, "signum", 0, signal.NSIG - 1)
        except FormatError:
            self._log.warn("kill: ignoring malformed event")
            return
        if msg.seq in self._taken:
            return
        if not self._caught_up:
            self._taken.add(msg.seq)
        self._kill(signum)

    def _earlier(self, rpc: Future) -> None:
        self._caught_up = True
        try:
            signals = field(rpc.get(), "signals", list)
        except (OSError, FormatError) as error:
            self._log.debug(f"kill: signals before the start of this shell are unknown: {error}")
            return
        for seq, signum in signals:
            if seq not in self._taken:
                self._kill(signum)
        self._taken = {seq for seq, _ in signals}
