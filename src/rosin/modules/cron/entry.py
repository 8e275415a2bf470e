# SPDX-License-Identifier: LGPL-3.0-or-later
"""An entry of the cron service, and the runs of its command, as they are told of. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from rosin.modules.cron.trigger import trigger
from rosin.process.outcome import exit_code
from rosin.rfc.payload import field, int_field

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX = 2**31 - 1
#: Runs that an entry remembers at most.
MAX_HISTORY = 1000
_COUNTS = ("count", "failcount", "total", "success", "failure", "deferred")


class CronRun:
    """One run of a command: moments are None until they have come."""

    def __init__(self, rank: int, now: float) -> None:
        self.rank = rank
        self.created = now
        self.started: float | None = None
        self.running: float | None = None
        self.ended: float | None = None
        self.pid = 0
        self.status = 0
        self.errnum = 0
        self.timed_out = False

    @property
    def state(self) -> str:
        """What has become of it, in flux-core's words."""
        if self.errnum:
            return "Rexec Failure"
        if self.started is None:
            return "Deferred"
        if self.ended is None:
            return "Running"
        if self.timed_out:
            return "Timeout"
        return "Failed" if self.status else "Exited"

    def encode(self) -> dict[str, Any]:
        """The object in an entry's ``tasks``."""
        result: dict[str, Any] = {
            "rank": self.rank,
            "pid": self.pid,
            "status": self.status,
            "state": self.state,
            "create-time": self.created,
        }
        if self.errnum:
            result["rexec_errno"] = self.errnum
        if self.timed_out:
            result["timedout"] = True
        if self.ended is not None:
            result["code"] = exit_code(self.status)
        for key in ("started", "running", "ended"):
            moment = getattr(self, key)
            if moment is not None:
                result[{"started": "start", "running": "running", "ended": "end"}[key] + "-time"] = moment
        return result


class CronEntry:
    """A command, what makes it run, and how its runs have ended."""

    def __init__(self, number: int, request: Mapping[str, Any], now: float) -> None:
        """Raises FormatError and OSError that name the key at fault."""
        self.id = number
        self.kind = field(request, "type", str)
        self.name = field(request, "name", str)
        self.command = field(request, "command", str)
        args = field(request, "args", dict)
        self.environ: dict[str, str] | None = field(request, "environ", (dict, type(None)), None)
        self.cwd: str | None = field(request, "cwd", (str, type(None)), None)
        self.repeat = int_field(request, "repeat", 0, _MAX, 0)
        self.rank = int_field(request, "rank", 0, _MAX, 0)
        history = int_field(request, "task-history-count", 0, MAX_HISTORY, 1)
        self.stop_on_failure: int = int_field(request, "stop-on-failure", 0, _MAX, 0)
        self.timeout = float(field(request, "timeout", (int, float), -1.0))
        self.trigger = trigger(self.kind, args)
        self.stopped = True
        self.current: CronRun | None = None
        self.runs: deque[CronRun] = deque(maxlen=history)
        self.ctime = now
        self.starttime = 0.0
        self.lastrun = 0.0
        self.counts = dict.fromkeys(_COUNTS, 0)

    def start(self, now: float) -> None:
        """CronRun from now on; what was counted towards ``repeat`` and ``stop-on-failure`` counts anew."""
        self.stopped = False
        self.starttime = now
        self.counts["count"] = self.counts["failcount"] = 0
        self.trigger.begin(now)

    def schedule(self, now: float) -> CronRun | None:
        """It is time for a run; None if one is under way. The last one stops the entry."""
        if self.current is not None:
            return None
        self.current = CronRun(self.rank, now)
        self.counts["total"] += 1
        self.counts["count"] += 1
        if self.counts["count"] == self.repeat:
            self.stopped = True
        return self.current

    def ended(self) -> bool:
        """The current run is over; whether it was one failure too many."""
        run, self.current = self.current, None
        assert run is not None
        self.runs.appendleft(run)
        if run.state == "Exited":
            self.counts["success"] += 1
            return False
        self.counts["failure"] += 1
        self.counts["failcount"] += 1
        return bool(self.stop_on_failure) and self.counts["failcount"] >= self.stop_on_failure

    def encode(self) -> dict[str, Any]:
        """The object that clients get."""
        result: dict[str, Any] = {
            "id": self.id,
            "rank": self.rank,
            "name": self.name,
            "command": self.command,
            "repeat": self.repeat,
            "stopped": self.stopped,
            "type": self.kind,
        }
        if self.timeout >= 0:
            result["timeout"] = self.timeout
        times = {"ctime": self.ctime, "starttime": self.starttime, "lastrun": self.lastrun}
        runs = [*([self.current] if self.current else []), *self.runs]
        return {
            **result,
            "stats": {**times, **self.counts},
            "typedata": self.trigger.encode(),
            "tasks": [run.encode() for run in runs],
        }
