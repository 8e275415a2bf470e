# SPDX-License-Identifier: LGPL-3.0-or-later
"""Signals for the tasks of a job, which the job manager publishes as ``shell-ID.kill`` events.

A job may be signalled as soon as it is started, which is before its shells have subscribed. So a shell asks
with ``job-exec.shell-ready``, right behind its subscription, for the signals that were published before.
Those that reached it all the same are told by the numbers of their events. An execution service that does
not know the request (flux-core's) refuses it, and a signal that early is lost there.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from rosin.errors import FormatError
from rosin.rfc.payload import field, int_field
from rosin.shell.plugins.api import Api, ShellPlugin

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.rfc.message import Message


class Kill(ShellPlugin):
    """Signals the tasks once for every signal that is meant for the job."""

    name = "kill"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        self._taken: set[int] = set()  # numbers of events that must not count again
        self._caught_up = False

    def shell_connect(self) -> None:
        """Receive the events from now on."""
        prefix = f"shell-{self.shell.jobid}."
        self.shell.h.on_event(f"{prefix}kill", self._event)
        self.shell.h.event_subscribe(prefix)

    def shell_begin(self) -> None:
        """Ask for earlier signals."""
        self.shell.h.rpc("job-exec.shell-ready", self.shell.ready()).then(self.catch_up)

    def _event(self, msg: Message) -> None:
        try:
            signum = int_field(msg.args, "signum", 0, signal.NSIG - 1)
        except FormatError:
            self.shell.log.warn("kill: ignoring malformed event")
            return
        if msg.seq in self._taken:
            return
        if not self._caught_up:
            self._taken.add(msg.seq)
        self.shell.kill(signum)

    def begin_again(self) -> None:
        """Another broker numbers its events anew."""
        self._caught_up = False
        self._taken.clear()

    def catch_up(self, rpc: Future) -> None:
        """Take the answer."""
        self._caught_up = True
        try:
            signals = field(rpc.get(), "signals", list)
        except (OSError, FormatError) as error:
            self.shell.log.debug(f"kill: signals before the start of this shell are unknown: {error}")
            return
        for seq, signum in signals:
            if seq not in self._taken:
                self.shell.kill(signum)
        self._taken = {seq for seq, _ in signals}
