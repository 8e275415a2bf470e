# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: whether an eventlog tells of a life that a job can have."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rosin.constants import (
    FLUX_JOB_STATE_CLEANUP,
    FLUX_JOB_STATE_DEPEND,
    FLUX_JOB_STATE_NEW,
    FLUX_JOB_STATE_PENDING,
    FLUX_JOB_STATE_PRIORITY,
    FLUX_JOB_STATE_RUN,
    FLUX_JOB_STATE_RUNNING,
    FLUX_JOB_STATE_SCHED,
)
from rosin.errors import FormatError
from rosin.rfc.states import check_context, next_state, state_name

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIVE = FLUX_JOB_STATE_NEW | FLUX_JOB_STATE_PENDING | FLUX_JOB_STATE_RUNNING
#: Event -> the states in which it may come. Others, an application's, may come in any but the last.
ALLOWED = {
    "submit": FLUX_JOB_STATE_NEW,
    "validate": FLUX_JOB_STATE_NEW,
    "invalidate": FLUX_JOB_STATE_NEW,
    "dependency-add": FLUX_JOB_STATE_NEW | FLUX_JOB_STATE_DEPEND,
    "dependency-remove": FLUX_JOB_STATE_NEW | FLUX_JOB_STATE_DEPEND,
    "depend": FLUX_JOB_STATE_DEPEND,
    "priority": FLUX_JOB_STATE_PRIORITY | FLUX_JOB_STATE_SCHED,
    "urgency": FLUX_JOB_STATE_PENDING,
    "flux-restart": FLUX_JOB_STATE_SCHED,
    "alloc": FLUX_JOB_STATE_SCHED,
    "resource-update": FLUX_JOB_STATE_RUNNING,
    "prolog-start": FLUX_JOB_STATE_RUN,
    "prolog-finish": FLUX_JOB_STATE_RUNNING,
    "start": FLUX_JOB_STATE_RUNNING,
    "finish": FLUX_JOB_STATE_RUNNING,
    "epilog-start": FLUX_JOB_STATE_CLEANUP,
    "epilog-finish": FLUX_JOB_STATE_CLEANUP,
    "release": FLUX_JOB_STATE_RUNNING,
    "free": FLUX_JOB_STATE_CLEANUP,
    "clean": FLUX_JOB_STATE_CLEANUP,
}
ONCE = ("submit", "validate", "invalidate", "depend", "alloc", "start", "finish", "free", "clean")
#: Event -> what must have come before it.
_AFTER = {
    "prolog-start": "alloc",
    "start": "alloc",
    "finish": "alloc",
    "release": "alloc",
    "free": "alloc",
    "resource-update": "alloc",
}
#: What is begun, and how it ends, by description.
_PAIRS = {
    "dependency-remove": "dependency-add",
    "prolog-finish": "prolog-start",
    "epilog-finish": "epilog-start",
}


class JobLife:
    """What the events of a job have come to so far."""

    def __init__(self) -> None:
        self.state = FLUX_JOB_STATE_NEW
        self.count: Counter[str] = Counter()
        self.open: Counter[tuple[str, str]] = Counter()
        self.time = 0.0
        #: The scheduler could not take the job's resources over: they are gone.
        self.bereft = False
        self.fatal = False

    @property
    def holds(self) -> bool:
        """The job has resources."""
        return bool(self.count["alloc"]) and not self.count["free"] and not self.bereft

    def take(self, entry: dict[str, Any]) -> None:
        """Take one event of RFC 18. Raises FormatError for one that cannot come now."""
        name, context = entry["name"], entry.get("context") or {}
        check_context(name, context)
        if (name == "submit") == bool(self.count):
            raise FormatError("submit is not the first event, or not the only one of its kind")
        if not self.state & ALLOWED.get(name, _LIVE):
            raise FormatError(f"{name} in {state_name(self.state)}")
        if name in ONCE and self.count[name]:
            raise FormatError(f"{name} twice")
        if name in _AFTER and not self.count[_AFTER[name]]:
            raise FormatError(f"{name} without {_AFTER[name]}")
        if entry["timestamp"] < self.time:
            raise FormatError(f"{name} is older than the event before")
        self._pair(name, context)
        self._leave(name)
        self.time = entry["timestamp"]
        self.count[name] += 1
        fatal = name == "exception" and not context["severity"]
        self.fatal |= fatal
        self.bereft |= fatal and context["type"] == "scheduler-restart"
        self.state = next_state(self.state, name, context.get("severity", 0))

    def _pair(self, name: str, context: dict[str, Any]) -> None:
        if name in _PAIRS.values():
            self.open[name, context["description"]] += 1
        elif name in _PAIRS:
            begun = (_PAIRS[name], context["description"])
            if not self.open[begun]:
                raise FormatError(f"{name} {begun[1]} without {begun[0]}")
            self.open[begun] -= 1

    def _leave(self, name: str) -> None:
        if name == "depend" and any(times for (what, _), times in self.open.items() if what[0] == "d"):
            raise FormatError(f"depend, but {dict(+self.open)} is left")
        if name == "finish" and not (self.fatal or self.count["start"]):
            raise FormatError("finish, but the job has neither started nor failed")
        if name == "clean" and self.holds:
            raise FormatError("clean, but the resources were not freed")
        if name == "clean" and not (self.fatal or self.count["finish"]):
            raise FormatError("clean, but the job has neither finished nor failed")


def live(entries: Sequence[dict[str, Any]]) -> JobLife:
    """The life that an eventlog tells of. Raises FormatError, which names the event."""
    life = JobLife()
    for number, entry in enumerate(entries, 1):
        try:
            life.take(entry)
        except FormatError as error:
            names = " ".join(entry["name"] for entry in entries)
            raise FormatError(f"event {number}: {error} ({names})") from None
    return life
