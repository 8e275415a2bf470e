# SPDX-License-Identifier: LGPL-3.0-or-later
"""Signals of a command that follows a job: passed on, or Ctrl-C twice to cancel, Ctrl-C Ctrl-Z to detach."""

from __future__ import annotations

import _signal  # signal's own module imports enum
import os
import time

from rosin.job.control import cancel_async, kill_async

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.cli.job.output import OutputWriter
    from rosin.handle.flux import Flux
    from rosin.handle.rpc import RPC

_PASSED_ON = (_signal.SIGTERM, _signal.SIGHUP, _signal.SIGALRM, _signal.SIGUSR1, _signal.SIGUSR2)
#: Seconds within which a second key counts.
_WINDOW = 2.0


class Signals:
    """Handles the signals of this process until :meth:`stop`. ``detach()`` is called for Ctrl-C Ctrl-Z.

    ``come_back``: the command that follows the job again.
    """

    def __init__(
        self, handle: Flux, jobid: int, output: OutputWriter, detach: Callable[[], None], come_back: str
    ) -> None:
        self._handle = handle
        self._jobid = jobid
        self._output = output
        self._detach = detach
        self._return = f"To come back: {come_back}"
        self._interrupted = -_WINDOW
        self._caught: set[int] = set()
        for signum in _PASSED_ON:
            self._catch(signum, self._pass_on)
        self._catch(_signal.SIGINT, self._interrupt)
        if _signal.getsignal(_signal.SIGTSTP) != _signal.SIG_IGN:
            self._catch(_signal.SIGTSTP, self._suspend)

    def _catch(self, signum: int, callback: Callable[[int], None]) -> None:
        if signum not in self._caught:
            self._caught.add(signum)
            self._handle.reactor.add_signal(signum, callback)

    def _release(self, signum: int) -> None:
        self._caught.discard(signum)
        self._handle.reactor.remove_signal(signum)

    def stop(self) -> None:
        """Restore what was before."""
        for signum in list(self._caught):
            self._release(signum)

    def _say(self, text: str) -> None:
        self._output.message(text)
        self._output.flush()

    def _recent(self) -> bool:
        return time.monotonic() - self._interrupted <= _WINDOW

    def _pass_on(self, signum: int) -> None:
        kill_async(self._handle, self._jobid, signum).then(self._answered, "kill")

    def _interrupt(self, _signum: int) -> None:
        if self._recent():
            cancel_async(self._handle, self._jobid, "interrupted by ctrl-C").then(self._answered, "cancel")
            return
        self._interrupted = time.monotonic()
        self._say("one more ctrl-C within 2s to cancel or ctrl-Z to detach")

    def _suspend(self, signum: int) -> None:
        """Ctrl-Z: behind Ctrl-C detach, else stop this process, not the job, until it is continued."""
        if self._recent():
            self._say(f"detaching... {self._return}")
            self._detach()
            return
        self._say(f"suspended, the job goes on. 'fg' follows it again. {self._return}")
        self._release(signum)
        os.kill(os.getpid(), signum)
        self._catch(signum, self._suspend)

    def _answered(self, rpc: RPC, what: str) -> None:
        try:
            rpc.get()
        except OSError as exc:
            self._say(f"{what}: {exc.strerror}")
