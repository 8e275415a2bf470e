# SPDX-License-Identifier: LGPL-3.0-or-later
"""What flux.scheduler has of a job that waits, and how it makes passes."""

from __future__ import annotations

import inspect
from functools import total_ordering
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator

    from flux.core.handle import Flux


class Answering(Protocol):
    """What sends answers."""

    def alloc_success(
        self, msg: Any, R: dict[str, Any], annotations: dict[str, Any] | None = None
    ) -> None: ...
    def alloc_deny(self, msg: Any, note: str | None = None) -> None: ...
    def alloc_cancel(self, msg: Any) -> None: ...
    def alloc_annotate(self, msg: Any, annotations: dict[str, Any]) -> None: ...


@total_ordering
class PendingJob:
    """A job that waits: of two the one with the higher priority comes first, then the older."""

    __slots__ = ("_last_annotation", "jobid", "priority", "request", "resource_request", "t_submit")

    def __init__(
        self, jobid: int, priority: int, t_submit: float, request: AllocRequest, resource_request: Any
    ) -> None:
        self.jobid = jobid
        self.priority = priority
        self.t_submit = t_submit
        self.request = request
        self.resource_request = resource_request
        self._last_annotation: Any = None

    def _key(self) -> tuple[int, int]:
        return -self.priority, self.jobid

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, PendingJob) else NotImplemented

    def __lt__(self, other: PendingJob) -> bool:
        return self._key() < other._key()

    __hash__ = None  # type: ignore[assignment]


class AllocRequest:
    """A request of the job manager: annotated any number of times, and then answered once."""

    __slots__ = ("_annotated", "_answered", "_msg", "_scheduler", "jobid")

    def __init__(self, scheduler: Answering, msg: Any) -> None:
        self._scheduler = scheduler
        self._msg = msg
        self.jobid: int = msg.payload["id"]
        self._annotated: set[str] = set()
        self._answered = False

    def success(self, R: Any, annotations: dict[str, Any] | None = None, clear: bool = True) -> None:
        """Give the job R, a pool or its object; with *clear* what was annotated before goes away."""
        self._answered = True
        if clear and self._annotated:
            given = annotations or {}
            annotations = {**given, "sched": {**dict.fromkeys(self._annotated), **given.get("sched", {})}}
        self._scheduler.alloc_success(self._msg, R if isinstance(R, dict) else R.to_dict(), annotations)

    def deny(self, note: str | None = None) -> None:
        """The job can never run, because of *note*."""
        self._answered = True
        self._scheduler.alloc_deny(self._msg, note)

    def cancel(self) -> None:
        """The job is not waited for any more."""
        self._answered = True
        self._scheduler.alloc_cancel(self._msg)

    def annotate(self, annotations: dict[str, Any]) -> None:
        """Tell something of a job that waits; nothing when it was answered."""
        if not self._answered:
            self._annotated.update((annotations or {}).get("sched", {}))
            self._scheduler.alloc_annotate(self._msg, annotations)


class Passes:
    """A method that is called again and again, and that may be a generator, of which each step is a turn."""

    def __init__(self, h: Flux, method: Any, over: Any) -> None:
        self._method = method
        self._over = over
        self.steps: Generator[Any, Any, Any] | None = None
        self.passes = self.yields = 0
        self._idle = h.idle_watcher_create()
        self._check = h.check_watcher_create(self._step)

    def begin(self) -> None:
        """Call the method."""
        result = self._method()
        if inspect.isgenerator(result):
            self.steps = result
            self._idle.start()
            self._check.start()
        else:
            self._end()

    def drop(self) -> None:
        """Take no more steps."""
        if self.steps is not None:
            self.steps.close()
            self._rest()

    def _step(self, *_: Any) -> None:
        assert self.steps is not None
        try:
            next(self.steps)
            self.yields += 1
        except StopIteration:
            self._rest()
            self._end()

    def _rest(self) -> None:
        self.steps = None
        self._idle.stop()
        self._check.stop()

    def _end(self) -> None:
        self.passes += 1
        self._over()
