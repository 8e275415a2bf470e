# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 33: job queues, their status, and what of it survives a restart.

Without ``[queues]`` there is one anonymous queue (name None); with it, all queues are named. A virtual queue
(one with a ``parent``) schedules only while its parent does too.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rosin.modules.job_manager.settings import ManagerSettings

_OFFLINE = "Scheduler is offline"
_RESTARTED = "Automatically stopped due to restart"


class Queue:
    """One queue. ``sticky`` is the started state that a restart brings back."""

    __slots__ = (
        "constraint",
        "disable_reason",
        "enabled",
        "name",
        "parent",
        "started",
        "sticky",
        "stop_reason",
    )

    def __init__(self, name: str | None) -> None:
        self.name = name
        self.parent: Queue | None = None
        #: The properties that this queue's jobs require.
        self.constraint: list[str] = []
        self.enabled = True
        # Named queues wait for an administrator, so that a system instance starts nothing by itself.
        self.started = self.sticky = name is None
        self.disable_reason: str | None = None
        self.stop_reason: str | None = None

    @property
    def running(self) -> bool:
        """Jobs of this queue may be scheduled."""
        return self.started and (self.parent is None or self.parent.started)

    def start(self, checkpoint: bool) -> None:
        self.started = True
        self.stop_reason = None
        if checkpoint:
            self.sticky = True

    def stop(self, reason: str | None, checkpoint: bool) -> None:
        self.started = False
        self.stop_reason = reason
        if checkpoint:
            self.sticky = False

    def status(self, sched_ready: bool) -> dict[str, Any]:
        """The RFC 33 status object."""
        status: dict[str, Any] = {"enable": self.enabled, "start": sched_ready and self.running}
        if self.parent is not None:
            status["parent"] = self.parent.name
        reason = self.stop_reason
        if not sched_ready:
            reason = _OFFLINE
            if self.started:
                status["blocked"] = "scheduler"
        elif self.started and self.parent is not None and not self.parent.started:
            status["blocked"] = "parent"
            reason = f"parent queue '{self.parent.name}' is stopped"
        if not self.enabled and self.disable_reason is not None:
            status["disable_reason"] = self.disable_reason
        if not status["start"] and reason is not None:
            status["stop_reason"] = reason
        return status

    def save(self) -> dict[str, Any]:
        """What ``checkpoint.job-manager`` holds of this queue."""
        saved: dict[str, Any] = {"enable": self.enabled, "start": self.sticky}
        if self.name is not None:
            saved["name"] = self.name
        if not self.enabled and self.disable_reason is not None:
            saved["disable_reason"] = self.disable_reason
        if not self.sticky and self.stop_reason is not None:
            saved["stop_reason"] = self.stop_reason
        return saved


class Queues:
    """All queues by name; ``{None: queue}`` when there is only the anonymous one."""

    def __init__(self) -> None:
        self._queues: dict[str | None, Queue] = {None: Queue(None)}
        self.stop_on_restart = False

    @property
    def named(self) -> bool:
        return None not in self._queues

    def names(self) -> list[str]:
        """The names of the named queues."""
        return [name for name in self._queues if name is not None]

    def configure(self, settings: ManagerSettings) -> None:
        """Take the queues; those that stay keep their state."""
        conf = settings.queues
        queues: dict[str | None, Queue] = {}
        for name in conf.queues:
            queues[name] = self._queues.get(name) or Queue(name)
        for name, entry in conf.queues.items():
            queues[name].constraint = conf.required(name)
            queues[name].parent = queues[entry.parent] if entry.parent is not None else None
        self._queues = queues or {None: self._queues.get(None) or Queue(None)}
        self.stop_on_restart = settings.stop_on_restart

    def lookup(self, name: str | None) -> Queue:
        """The queue *name*; raises OSError EINVAL when there is none."""
        queue = self._queues.get(name)
        if queue is None:
            text = "a named queue is required" if name is None else f"'{name}' is not a valid queue"
            raise OSError(errno.EINVAL, text)
        return queue

    def request_enable(self, args: dict[str, Any]) -> None:
        """``queue-enable {name?, enable, reason?, all}``. Raises OSError EINVAL, FormatError."""
        enable = field(args, "enable", bool)
        reason = field(args, "reason", (str, type(None)), None)
        selected = self._selected(args)
        if not enable and reason is None:
            raise OSError(errno.EINVAL, "reason is required for disable")
        for queue in selected:
            queue.enabled = enable
            queue.disable_reason = None if enable else reason

    def request_start(self, args: dict[str, Any]) -> None:
        """``queue-start {name?, start, reason?, all, nocheckpoint?}``. Raises OSError EINVAL, FormatError."""
        start = field(args, "start", bool)
        reason = field(args, "reason", (str, type(None)), None)
        checkpoint = not field(args, "nocheckpoint", bool, False)
        for queue in self._selected(args):
            if start:
                queue.start(checkpoint)
            else:
                queue.stop(reason, checkpoint)

    def _selected(self, args: dict[str, Any]) -> Iterable[Queue]:
        """The queues that an administrative request is for."""
        name = field(args, "name", (str, type(None)), None)
        all_queues = field(args, "all", bool)
        if name is None and self.named:
            if not all_queues:
                raise OSError(errno.EINVAL, "Use --all to apply this command to all queues")
            return list(self._queues.values())
        return [self.lookup(name)]

    def check_submit(self, name: str | None) -> None:
        """Raise OSError EINVAL when the queue *name* takes no jobs."""
        queue = self.lookup(name)
        if not queue.enabled:
            to = f" to {name}" if name else ""
            raise OSError(errno.EINVAL, f"job submission{to} is disabled: {queue.disable_reason}")

    def started(self, name: str | None) -> bool:
        """Jobs of queue *name* may be scheduled; those of a queue that was removed may not."""
        queue = self._queues.get(name)
        return queue is not None and queue.running

    def save(self) -> list[dict[str, Any]]:
        """The state of all queues for the checkpoint."""
        return [queue.save() for queue in self._queues.values()]

    def restore(self, saved: Any) -> None:
        """Bring back what :meth:`save` returned; what no longer exists is skipped. Raises FormatError."""
        if not isinstance(saved, list):
            raise FormatError("checkpoint.job-manager: 'queue' is not an array")
        for entry in saved:
            queue = self._queues.get(field(entry, "name", (str, type(None)), None))
            if queue is None:
                continue
            queue.enabled = bool(entry.get("enable", True))
            queue.disable_reason = entry.get("disable_reason")
            queue.started = queue.sticky = bool(entry.get("start", True))
            queue.stop_reason = entry.get("stop_reason")
            if queue.started and self.stop_on_restart:
                queue.stop(_RESTARTED, checkpoint=False)
