# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a broker does in each state of its life, which event its end is, and what the exit code becomes. Pure.

:class:`rosin.broker.life.Life` takes a step, does it, says how it has ended, posts the event that this is,
and takes the next.
"""

from __future__ import annotations

import enum
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.attrs import Attributes
    from rosin.broker.state import StateMachine


class Action(enum.Enum):
    """What there is to do in a state."""

    LOAD_BUILTINS = "load the services that every broker has"
    JOIN = "wait for the broker above"
    SYNC = "get the configuration of the broker above"
    RC1 = "load modules"
    QUORUM = "wait for enough brokers"
    PROGRAM = "run the initial program"
    WAIT = "wait until the end is asked for"
    FOLLOW = "run as long as the broker above"
    CLEANUP = "end the jobs"
    CHILDREN = "wait for the brokers below to be gone"
    RC3 = "remove modules"
    GOODBYE = "take leave of the broker above"


#: Actions that end when the end of the broker is asked for, with the event that takes the place of their own.
INSTEAD = {
    Action.JOIN: "parent-fail",
    Action.SYNC: "sync-fail",
    Action.QUORUM: "quorum-fail",
    Action.FOLLOW: "shutdown",
}
_ACTIONS = {
    "load-builtins": Action.LOAD_BUILTINS,
    "join": Action.JOIN,
    "config-sync": Action.SYNC,
    "init": Action.RC1,
    "quorum": Action.QUORUM,
    "run": Action.FOLLOW,
    "shutdown": Action.CHILDREN,
    "finalize": Action.RC3,
    "goodbye": Action.GOODBYE,
}


class Course:
    """The way of one broker through the states. ``log(level, text)`` writes to the broker's log."""

    def __init__(self, rank: int, log: Callable[[int, str], None]) -> None:
        self.rank = rank
        self.exit_code = 1
        #: The end has been asked for.
        self.stopping = False
        self._failed = False
        self._signum = int(signal.SIGHUP)  # what an initial program would have ended by
        self._log = log

    def begin(self, machine: StateMachine, attrs: Attributes) -> None:
        """There is a broker now."""
        self._machine = machine
        self._attrs = attrs

    def stop(self, signum: int | None = None) -> bool:
        """The end is asked for, by a signal or a request. False: it was before."""
        if self.stopping:
            return False
        self.stopping = True
        self._signum = signum or self._signum
        return True

    def fail(self) -> None:
        """However it ends, that is a failure."""
        self._failed = True

    def _norestart(self, code: int) -> int:
        """The exit code of an end after which nobody should start the instance again by himself."""
        return int(self._attrs.value("broker.exit-norestart", "0")) or code

    def step(self) -> Action | str | None:
        """What there is to do in the present state, or the event if that is nothing. None: the end."""
        state = self._machine.state
        if state == "goodbye" and not self.rank:
            return "goodbye"
        if self.rank:
            if state == "run":
                self.exit_code = 0  # however it ends: rank 0 says how the instance has
            return "cleanup-none" if state == "cleanup" else _ACTIONS.get(state)
        if state == "cleanup":
            return Action.CLEANUP
        if state != "run":
            return _ACTIONS.get(state)
        if "broker.rc2_none" in self._attrs.names():
            return Action.WAIT
        if self.stopping:
            self.exit_code = self._norestart(128 + self._signum)
            return "rc2-abort"
        return Action.PROGRAM

    def cleanup_limit(self) -> str | None:
        """How long the end of jobs may take (RFC 23): only a signal or a request makes it urgent."""
        text = self._attrs.value("broker.cleanup-timeout", "none")
        return text if text != "none" and self.stopping else None

    # -- how steps have ended: each returns the event ------------------------------------------------

    def rc1_ended(self, code: int) -> str:
        """rc1 has this exit code. In recovery mode it may fail."""
        if code and self._attrs.value("broker.recovery-mode") == "1":
            self._log(3, "rc1 has failed; going on, as this is recovery mode")
        elif code:
            self.exit_code = self._norestart(code)
            return "rc1-fail"
        return "rc1-success" if self._attrs.value("broker.rc1_path") else "rc1-none"

    def waited(self) -> str:
        """Without an initial program: the end has been asked for."""
        self.exit_code = self._norestart(0)
        return "rc2-none"

    def program_unstarted(self, code: int) -> str:
        """The initial program cannot be started."""
        self.exit_code = code
        return "rc2-fail"

    def program_ended(self, name: str, code: int, how: str, seconds: float) -> str:
        """The initial program has ended: it has not done its work if it was told to."""
        if not code and self.stopping:
            code, how = 1, "aborted after exit with rc=0"
        self._log(3 if code else 6, f"rc2.0: {name} {how} (rc={code}) {seconds:.1f}s")
        self.exit_code = self._norestart(code) if self.stopping else code
        return "rc2-fail" if code else "rc2-success"

    def cleaned_up(self, code: int = 0, limit: str | None = None) -> str:
        """The jobs have ended, or have not within *limit*. *code*: that of the commands before."""
        if limit is None:
            self.exit_code = self.exit_code or code
            return "cleanup-fail" if code else "cleanup-success"
        self._log(3, f"cleanup: not over after broker.cleanup-timeout={limit}")
        self.exit_code = self.exit_code or 1
        return "cleanup-fail"

    def rc3_ended(self, code: int) -> str:
        """rc3 has this exit code, which is the broker's if nothing failed before."""
        self.exit_code = self.exit_code or code or (self._norestart(1) if self._failed else 0)
        if code:
            return "rc3-fail"
        return "rc3-success" if self._attrs.value("broker.rc3_path") else "rc3-none"
