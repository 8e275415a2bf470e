# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``signal`` option: a warning signal some time before the job's time limit."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.job.control import kill_async
from rosin.process.outcome import signal_name
from rosin.shell.errors import ShellError
from rosin.shell.layout import Resources
from rosin.shell.options import parse_duration
from rosin.shell.plugins.api import Api, ShellPlugin

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.handle.reactor import Timer


def parse_option(value: Any) -> tuple[int, float] | None:
    """(signal number, seconds before the end), SIGUSR1 and 60 by default; None when the option is not set."""
    if value is None or (isinstance(value, int) and value == 0):
        return None
    signum, left = int(signal.SIGUSR1), 60.0
    if isinstance(value, dict):
        signum = value.get("signum", signum)
        seconds = parse_duration(value.get("timeleft", left))
        if seconds is None:
            raise ShellError(
                f"signal.timeleft={value.get('timeleft')} is invalid: expected a duration, as in 30s"
            )
        left = seconds
    elif not isinstance(value, int):
        raise ShellError(f"error in shell `signal' option: expected an object, got {value!r}")
    if not isinstance(signum, int) or not 0 < signum < signal.NSIG:
        raise ShellError(
            f"error in shell `signal' option: signal.signum={signum!r}: expected a signal's number, as in 10"
        )
    return None if left <= 0 else (signum, left)


class ExpirationSignal(ShellPlugin):
    """Sends the signal to the whole job, through the job manager; follows changes of the time limit."""

    name = "signal"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        self._wanted = parse_option(shell.info.options.get("signal"))
        self._signum, self._left = self._wanted or (0, 0.0)
        self._timer: Timer | None = None
        self._expiration: float | None = None
        self._name = signal_name(self._signum)

    def shell_start(self) -> None:
        """The leader warns for all."""
        if self._wanted is not None and self.shell.leader:
            self.set_expiration(self.shell.info.resources.expiration)
            self.shell.startup.watch_R().then(self._updated)

    def _updated(self, rpc: Future) -> None:
        try:
            self.set_expiration(Resources(rpc.get()["R"]).expiration)
        except (OSError, FormatError, KeyError) as error:
            self.shell.log.error(f"error getting R from job-info watch response: {error}")
            return
        rpc.reset()

    def set_expiration(self, expiration: float) -> None:
        """Take the (new) end of the job, seconds since the epoch; 0 means none.

        The same end again, as in the first answer of a watch, is no news: nobody is warned of it twice."""
        if expiration == self._expiration:
            return
        self._expiration = expiration
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if expiration == 0:
            self.shell.log.notice(f"job has no expiration, {self._name} will not be sent", "signal")
            return
        after = max(0.0, expiration - self._left - time.time())
        self.shell.log.debug(f"Will send {self._name} to job in {after:.2f}s", "signal")
        self._timer = self.shell.h.reactor.timer(after, self._fire)

    def _fire(self) -> None:
        self.shell.log.notice(f"job will expire in {self._left:.1f}s, sending {self._name} to job", "signal")
        kill_async(self.shell.h, self.shell.jobid, self._signum).then(self._sent)

    def _sent(self, rpc: Future) -> None:
        try:
            rpc.get()
        except OSError as error:
            self.shell.log.error(f"failed to send {self._name} to job: {error.strerror}", "signal")
