# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the execution of a job asks its surroundings to do.

The machine (job.py) and its backends return these; the module does them, in order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rosin.rfc.idset import Idset


class Respond(NamedTuple):
    """A response to the start request (RFC 32)."""

    type: str
    data: dict[str, Any]


class Post(NamedTuple):
    """An entry for the job's ``exec.eventlog`` (RFC 50)."""

    name: str
    context: dict[str, Any] | None = None


class Launch(NamedTuple):
    """Start the job shell on every rank of the job."""


class Reattach(NamedTuple):
    """Find the job shells that run already."""


class Signal(NamedTuple):
    """Signal the shell on one rank."""

    rank: int
    pid: int
    signum: int


class SignalTasks(NamedTuple):
    """Ask the shells to signal their tasks."""

    signum: int


class Arm(NamedTuple):
    """Start (again) the named timer."""

    timer: str
    seconds: float


class Disarm(NamedTuple):
    """Stop the named timer if it runs."""

    timer: str


class DisarmAll(NamedTuple):
    """Stop every timer."""


class DrainRanks(NamedTuple):
    """Take ranks out of service."""

    ranks: Idset
    reason: str


class KeepEnded(NamedTuple):
    """Write which shells have ended, while others go on: nobody could tell after a restart."""


class TellLeader(NamedTuple):
    """Call the ``exception`` method of the leader shell's service."""

    payload: dict[str, Any]


class Release(NamedTuple):
    """Answer a shell that waits in the barrier; errnum 0 lets it through."""

    token: Any
    errnum: int
    text: str | None = None


class Close(NamedTuple):
    """Write what is posted, move the guest namespace into the primary one, then call ``moved``."""


class Forget(NamedTuple):
    """The job is done with."""


class LogText(NamedTuple):
    """A line for the broker's log; ``level`` is a syslog severity."""

    level: int
    text: str


Action = (
    Respond
    | Post
    | Launch
    | Reattach
    | Signal
    | SignalTasks
    | Arm
    | Disarm
    | DisarmAll
    | DrainRanks
    | KeepEnded
    | TellLeader
    | Release
    | Close
    | Forget
    | LogText
)
