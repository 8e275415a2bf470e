# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 32, RFC 50: the execution of one job as a state machine (pure).

Methods are events; each appends to :attr:`ExecJob.actions` what is to be done, which the module performs in
order. Everything that is the same for real and mock execution is here: the life cycle, exceptions, expiration
and the kill sequence; what runs is behind :class:`Backend`.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Protocol

from rosin.modules.job_exec.actions import (
    Action,
    Arm,
    Close,
    Disarm,
    DisarmAll,
    DrainRanks,
    Forget,
    LogText,
    Post,
    Respond,
    SignalTasks,
)
from rosin.modules.job_exec.settings import MAX_KILL_PAUSE
from rosin.process.outcome import exit_code, exited
from rosin.rfc import fluid
from rosin.rfc.exec_protocol import ALL
from rosin.rfc.jobpath import guest_namespace

if TYPE_CHECKING:
    from rosin.modules.job_exec.allocation import JobNodes
    from rosin.modules.job_exec.settings import ExecSettings
    from rosin.rfc.exec_protocol import StartRequest
    from rosin.rfc.idset import Idset

_MAX_NOTE = 255


class Backend(Protocol):
    """A way to execute jobs."""

    name: str

    def prepare(self) -> None:
        """Before the namespace exists: post the first events or refuse the job by :meth:`ExecJob.fatal`."""

    def launch(self, now: float) -> None:
        """Start what runs."""

    def reattach(self, now: float, history: JobHistory) -> None:
        """Go on after a restart of the broker."""

    def kill(self, signum: int) -> None:
        """Signal everything that runs."""

    def timer(self, name: str, now: float) -> None:
        """A timer of the backend's own has run out."""

    def active(self) -> Idset | None:
        """Ranks where something still runs; None if that is not known."""

    def stats(self) -> dict[str, Any]: ...


class JobHistory:
    """What the KVS says of a job that ran before a restart."""

    __slots__ = ("critical", "ended", "exec_events", "restarted", "start_time")

    def __init__(
        self,
        exec_events: list[str],
        start_time: float | None,
        ended: dict[int, int] | None = None,
        critical: Idset | None = None,
        *,
        restarted: bool = False,
    ) -> None:
        self.restarted = restarted  # the whole broker, and with it its connection to the job's shells
        self.critical = critical  # shells without which the job cannot go on; None: it has not said
        self.ended = ended or {}  # rank -> wait status of shells that are known to have ended
        self.exec_events = exec_events  # names in the exec.eventlog, empty if it is lost
        self.start_time = start_time  # of the "start" event, None if there is none


class ExecJob:
    """One job under execution; ``actions`` collects what its owner must do."""

    def __init__(
        self,
        request: StartRequest,
        allocation: JobNodes,
        config: ExecSettings,
        uid: int,
        keep: float = 0.0,
    ) -> None:
        """``keep``: seconds for which shells outlive their broker; 0: they do not."""
        self.keep = keep
        self.id = request.id
        self.userid = request.userid
        self.request = request
        self.allocation = allocation
        self.config = config
        self.multiuser = request.userid != uid
        self.namespace = guest_namespace(request.id)
        self.actions: list[Action] = []
        self.critical_ranks = allocation.ranks.__class__.from_range(0, len(allocation.ranks) - 1)
        self.backend: Backend | None = None
        self.has_namespace = False
        self.started = False
        self.running = False
        self.finalizing = False
        self.exception_in_progress = False
        self.wait_status = 0
        self.exception_wait_status = -1
        self.expiration = allocation.expiration
        self.kill_timeout = config.kill_timeout
        self.kill_count = 0
        self.kill_shell_count = 0
        self._t0: float | None = None
        self._killing = False

    def system(self, *path: str) -> Any:
        """A value below ``attributes.system`` of the jobspec, None if any step is missing."""
        value: Any = self.request.jobspec
        for key in ("attributes", "system", *path):
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    # -- life cycle -------------------------------------------------------------------------------

    def begin(self, backend: Backend) -> None:
        """Start the life cycle. The guest namespace is being created; what is posted will go into it."""
        self.backend = backend
        self.has_namespace = True
        if self.request.reattach:
            self.post("reattach")
        else:
            self.post("init")
            backend.prepare()

    def namespace_ready(self, now: float, history: JobHistory | None = None) -> None:
        """The guest namespace exists. ``history`` comes with a reattach."""
        if self.finalizing:
            return
        assert self.backend is not None
        if self.exception_in_progress:
            self.finalize()
            return
        self.started = True
        if history is not None:
            if history.critical is not None:
                self.critical_ranks = history.critical
            self.backend.reattach(now, history)
        else:
            self.backend.launch(now)

    def namespace_failed(self, errnum: int) -> None:
        """There is no guest namespace, so the job cannot run."""
        self.has_namespace = False
        self.fatal("failed to create guest ns", errnum)

    def running_now(self, now: float) -> None:
        """Everything has been started (or found again): answer the job manager, watch the time limit."""
        self.set_expiration(now)
        self.running = True
        self.respond("reattached" if self.request.reattach else "start")

    def complete(self, status: int) -> None:
        """Nothing runs any more; ``status`` is the greatest wait status."""
        if self.finalizing:
            return
        self.running = False
        self.wait_status = max(self.wait_status, status)
        if self.exception_in_progress:
            if self.exception_wait_status >= 0:
                self.wait_status = self.exception_wait_status
            elif self.wait_status == 0:
                self.wait_status = exited(1)
        self.post("complete", {"status": self.wait_status})
        self.respond("finish", {"status": self.wait_status})
        self.finalize()

    def finalize(self) -> None:
        """Close the books: nothing follows in the guest namespace but ``done``."""
        if self.finalizing:
            return
        self.finalizing = True
        self.running = False
        self.actions.append(DisarmAll())
        if self.has_namespace:
            self.post("done")
            self.actions.append(Close())
        else:
            self.moved()

    def moved(self) -> None:
        """The guest namespace is part of the primary one (or there was none): give the resources back."""
        self.respond("release", {"ranks": ALL, "final": True})
        self.actions.append(Forget())

    # -- exceptions -------------------------------------------------------------------------------

    def fatal(self, note: str, errnum: int = 0) -> None:
        """The job cannot go on: raise an ``exec`` exception unless one is in progress, and end it."""
        if self.finalizing:
            return
        if not self.exception_in_progress:
            self.exception_in_progress = True
            self.raise_exception("exec", 0, f"{note}: {os.strerror(errnum)}" if errnum else note)
        if self.started:
            self._cancel()
        else:
            self.finalize()

    def raise_exception(self, kind: str, severity: int, note: str) -> None:
        """Report an exception to the job manager."""
        note = note if len(note) <= _MAX_NOTE else note[: _MAX_NOTE - 1] + "+"
        self.actions.append(LogText(6, f"job-exception: id={fluid.encode(self.id, 'f58')}: {note}"))
        self.respond("exception", {"severity": severity, "type": kind, "note": note})

    def exception(self, kind: str, severity: int, wait_status: int = -1) -> None:
        """The job manager announced an exception of this job, raised by anyone."""
        if severity != 0 or self.finalizing:
            return
        if self.exception_in_progress:
            if self.started and self.backend is not None:
                self.backend.kill(self.config.term_signal)
            return
        self.exception_in_progress = True
        if wait_status >= 0:
            self.exception_wait_status = exited(exit_code(wait_status))
        self.actions.append(LogText(7, f"exec aborted: id={fluid.encode(self.id, 'f58')}"))
        self.fatal(f"aborted due to exception type={kind}")

    def _cancel(self) -> None:
        if self._killing or self.backend is None:
            return
        self.actions.append(Disarm("shell-exit"))
        self._arm_kill_timers()
        self.backend.kill(self.config.term_signal)

    def _arm_kill_timers(self) -> None:
        if self._killing:
            return
        self._killing = True
        self.actions.append(Arm("kill", self.kill_timeout))
        self.actions.append(Arm("kill-shell", 5 * self.kill_timeout))
        if self.config.max_kill_timeout > 0:
            self.actions.append(Arm("max-kill", self.config.max_kill_timeout))

    # -- timers -----------------------------------------------------------------------------------

    def set_expiration(self, now: float) -> None:
        """Watch the time limit of the allocation (0: none)."""
        self.actions.append(Disarm("expire"))
        if self.expiration == 0:
            return
        if self._t0 is None:
            self._t0 = now
        self.actions.append(Arm("expire", max(0.0, self._adjusted(self.expiration) - now)))

    def _adjusted(self, expiration: float) -> float:
        """A job that was started so late that its time is much shortened gets the delay added."""
        start = self.allocation.starttime
        assert self._t0 is not None
        if start <= 0 or expiration <= start:
            return expiration
        delay = self._t0 - start
        late = delay / (expiration - start) * 100 > self.config.max_start_delay_percent
        return expiration + delay if late else expiration

    def update_expiration(self, expiration: float, now: float) -> None:
        """The job manager changed the end of the allocation."""
        self.expiration = expiration
        if self.running:
            self.set_expiration(now)

    def timer(self, name: str, now: float) -> None:
        """The timer ``name`` ran out."""
        if self.finalizing or self.backend is None:
            return
        if name == "expire":
            self.exception_in_progress = True
            self.raise_exception("timeout", 0, "resource allocation expired")
            self._arm_kill_timers()
            self.backend.kill(int(signal.SIGALRM))  # a plain number: it may be a wait status
        elif name == "kill":
            self.kill_count += 1
            self.actions.append(SignalTasks(self.config.kill_signal))
            self.actions.append(Arm("kill", self.config.kill_timeout))
        elif name == "kill-shell":
            self._kill_shells()
        elif name == "max-kill":
            self._give_up()
        else:
            self.backend.timer(name, now)

    def _kill_shells(self) -> None:
        """Kill the shells themselves, again and again with growing pauses, and in the end give up."""
        assert self.backend is not None
        self.kill_shell_count += 1
        self.actions.append(Disarm("kill"))
        self.kill_timeout = min(2 * self.kill_timeout, MAX_KILL_PAUSE)
        self.actions.append(Arm("kill-shell", self.kill_timeout))
        # The IMP takes SIGUSR1 for "kill everything in the job's cgroup" (RFC 15).
        self.backend.kill(int(signal.SIGUSR1) if self.multiuser else self.config.kill_signal)
        if self.config.max_kill_timeout <= 0 and self.kill_shell_count >= self.config.max_kill_count:
            self._give_up()

    def _give_up(self) -> None:
        """Processes that nothing kills: take their nodes out of service and end the job without them."""
        assert self.backend is not None
        active = self.backend.active()
        if active and not self.finalizing:
            name = fluid.encode(self.id, "f58")
            reason = "timeout" if self.config.max_kill_timeout > 0 else "count"
            text = f"{name}: exceeded max kill {reason}. Draining active ranks {active.encode()}"
            self.actions.append(LogText(3, text))
            self.actions.append(DrainRanks(active, f"unkillable user processes for job {name}"))
            self.complete(1)

    # -- actions ----------------------------------------------------------------------------------

    def respond(self, kind: str, data: dict[str, Any] | None = None) -> None:
        """Answer the start request."""
        self.actions.append(Respond(kind, data or {}))

    def post(self, name: str, context: dict[str, Any] | None = None) -> None:
        """Add an event to the exec.eventlog."""
        self.actions.append(Post(name, context))

    def take(self) -> list[Action]:
        """The actions since the last call."""
        actions, self.actions = self.actions, []
        return actions

    def stats(self, expiration: float) -> dict[str, Any]:
        """The entry of this job in ``job-exec.stats-get``; ``expiration``: when its timer runs out."""
        stats = {
            "implementation": self.backend.name if self.backend else "none",
            "ns": self.namespace,
            "critical_ranks": self.critical_ranks.encode(),
            "multiuser": int(self.multiuser),
            "has_namespace": int(self.has_namespace),
            "exception_in_progress": int(self.exception_in_progress),
            "started": int(self.started),
            "running": int(self.running),
            "finalizing": int(self.finalizing),
            "expiration": expiration,
            "kill_timeout": self.kill_timeout,
            "kill_count": self.kill_count,
            "kill_shell_count": self.kill_shell_count,
        }
        return {**(self.backend.stats() if self.backend else {}), **stats}
