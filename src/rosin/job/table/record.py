# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21, RFC 43: what is known of one active job, brought up to date by its events.

Everything that is listed follows from the job's jobspec, its R and the events of its primary eventlog, so a
record fed with the same events is the same after a restart. What the events carry is shared with other
services and is never changed here.
"""

from __future__ import annotations

from collections.abc import Callable
from sys import intern
from typing import Any

from rosin import _json
from rosin.constants import (
    FLUX_JOB_STATE_CLEANUP,
    FLUX_JOB_STATE_DEPEND,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_NEW,
    FLUX_JOB_STATE_PRIORITY,
    FLUX_JOB_STATE_RUN,
    FLUX_JOB_STATE_SCHED,
    FLUX_USERID_UNKNOWN,
)
from rosin.job.table.attributes import Row
from rosin.job.table.demand import Demand, ResourceSummary
from rosin.rfc.payload import field
from rosin.rfc.states import job_result, next_state
from rosin.rfc.treedict import merge, with_value

_NUMBER = (int, float)


class ActiveJob:
    """A job that has not ended. ``seen``: the states it has been in and not fallen back from, as a mask."""

    __slots__ = (
        "R",
        "_row",
        "allocation",
        "annotations",
        "demand",
        "dependencies",
        "exception",
        "id",
        "jobspec",
        "priority",
        "seen",
        "state",
        "success",
        "t_cleanup",
        "t_depend",
        "t_inactive",
        "t_priority",
        "t_run",
        "t_sched",
        "t_submit",
        "urgency",
        "userid",
        "waitstatus",
    )

    def __init__(self, jobid: int, jobspec: dict[str, Any] | None = None) -> None:
        self.id = jobid
        self.jobspec = jobspec
        self.R: dict[str, Any] | None = None
        self.state = self.seen = FLUX_JOB_STATE_NEW
        self.userid = FLUX_USERID_UNKNOWN
        self.urgency = -1
        self.priority = 0
        self.t_submit = 0.0
        self.t_depend: float | None = None
        self.t_priority: float | None = None
        self.t_sched: float | None = None
        self.t_run: float | None = None
        self.t_cleanup: float | None = None
        self.t_inactive: float | None = None
        self.demand: Demand | None = None
        self.allocation: ResourceSummary | None = None
        self.waitstatus: int | None = None
        self.success = False
        self.exception: tuple[int, str, str] | None = None  # severity, type, note of the gravest one
        self.annotations: dict[str, Any] | None = None
        self.dependencies: dict[str, bool] = {}
        self._row: Row | None = None

    @property
    def queue(self) -> str | None:
        """Name of the job's queue, None for the anonymous one."""
        return self.demand.queue if self.demand else None

    # -- events -----------------------------------------------------------------------------------

    def apply(self, name: str, timestamp: float, context: dict[str, Any]) -> None:
        """Take one event. Raises FormatError if its context is not what RFC 21 says."""
        self._row = None
        handler = _HANDLERS.get(name)
        severity = 0
        if handler is not None:
            severity = handler(self, timestamp, context) or 0
        state = next_state(self.state, name, severity)
        if name == "clean":
            state = FLUX_JOB_STATE_INACTIVE
        if state != self.state:
            self._enter(state, timestamp)

    def _enter(self, state: int, timestamp: float) -> None:
        if state == FLUX_JOB_STATE_DEPEND:
            self.t_depend = timestamp
            self._read_jobspec()
        elif state == FLUX_JOB_STATE_PRIORITY:
            if self.state == FLUX_JOB_STATE_SCHED:
                self.seen &= ~FLUX_JOB_STATE_SCHED
            # PRIORITY and SCHED can be entered more than once: their times are those of the first entry
            self.t_priority = self.t_priority or timestamp
        elif state == FLUX_JOB_STATE_SCHED:
            self.t_sched = self.t_sched or timestamp
        elif state == FLUX_JOB_STATE_RUN:
            self.t_run = timestamp
            self._read_R()
        elif state == FLUX_JOB_STATE_CLEANUP:
            self.t_cleanup = timestamp
        elif state == FLUX_JOB_STATE_INACTIVE:
            self.t_inactive = timestamp
        self.state = state
        self.seen |= state

    def _read_jobspec(self) -> None:
        if self.jobspec is not None:
            self.demand = Demand(self.jobspec)

    def _read_R(self) -> None:
        if self.R is not None:
            self.allocation = ResourceSummary(self.R)

    def _submit(self, timestamp: float, context: dict[str, Any]) -> None:
        self.userid = field(context, "userid", int)
        self.urgency = field(context, "urgency", int)
        self.t_submit = timestamp
        if field(context, "version", int, -1) < 1:  # written before the validate event existed
            self._enter(FLUX_JOB_STATE_DEPEND, timestamp)

    def _priority(self, timestamp: float, context: dict[str, Any]) -> None:
        self.priority = field(context, "priority", int)

    def _urgency(self, timestamp: float, context: dict[str, Any]) -> None:
        self.urgency = field(context, "urgency", int)

    def _finish(self, timestamp: float, context: dict[str, Any]) -> None:
        self.waitstatus = field(context, "status", int)
        self.success = self.waitstatus == 0 and not (self.exception and self.exception[0] == 0)

    def _exception(self, timestamp: float, context: dict[str, Any]) -> int:
        severity = field(context, "severity", int)
        if self.exception is None or severity < self.exception[0]:
            self.exception = severity, intern(field(context, "type", str)), field(context, "note", str, "")
        return severity

    def _annotate(self, timestamp: float, context: dict[str, Any]) -> None:
        self.annotations = field(context, "annotations", (dict, type(None))) or None

    def _alloc(self, timestamp: float, context: dict[str, Any]) -> None:
        # A history holds no annotations events: what the scheduler said of the allocation is in this one.
        annotations = field(context, "annotations", (dict, type(None)), None)
        if annotations:
            self.annotations = merge(self.annotations or {}, annotations) or None

    def _memo(self, timestamp: float, context: dict[str, Any]) -> None:
        self.annotations = merge(self.annotations or {}, {"user": context}) or None

    def _add_dependency(self, timestamp: float, context: dict[str, Any]) -> None:
        self.dependencies[field(context, "description", str)] = True

    def _remove_dependency(self, timestamp: float, context: dict[str, Any]) -> None:
        self.dependencies.pop(field(context, "description", str), None)

    def _update_jobspec(self, timestamp: float, context: dict[str, Any]) -> None:
        if self.jobspec is not None:
            for path, value in context.items():
                self.jobspec = with_value(self.jobspec, path, value)
            self._read_jobspec()

    def _update_R(self, timestamp: float, context: dict[str, Any]) -> None:
        if self.allocation is not None:
            self.allocation.expiration = float(field(context, "expiration", _NUMBER))

    # -- what is listed ---------------------------------------------------------------------------

    def result(self) -> int:
        """The result of a job that is inactive."""
        return job_result(0 if self.success else -1, self.exception[1] if self.exception else None)

    def row(self) -> Row:
        """The job as a row, see :mod:`.attributes`."""
        if self._row is None:
            self._row = self._make_row()
        return self._row

    def _make_row(self) -> Row:
        demand = self.demand or _NO_DEMAND
        allocation = self.allocation or _NO_ALLOCATION
        done = self.state == FLUX_JOB_STATE_INACTIVE
        exception = (self.exception if done else None) or (None, None, None)
        nnodes, ncores = allocation.nnodes, allocation.ncores
        return (
            self.id,
            self.userid,
            self.urgency,
            self.priority if self.seen & FLUX_JOB_STATE_SCHED else None,
            self.t_submit,
            self.t_depend,
            self.t_priority,
            self.t_sched,
            self.t_run,
            self.t_cleanup,
            self.t_inactive,
            self.state,
            demand.name,
            demand.cwd,
            demand.queue,
            demand.project,
            demand.bank,
            demand.ntasks(nnodes, ncores),
            demand.ncores if ncores is None else ncores,
            demand.duration,
            demand.nnodes if nnodes is None else nnodes,
            allocation.ranks,
            allocation.nodelist,
            self.success if done else None,
            self.exception is not None if done else None,
            exception[1],
            exception[0],
            exception[2],
            self.result() if done else None,
            allocation.expiration,
            _encoded(self.annotations) if self.annotations else None,
            self.waitstatus,
            _encoded(list(self.dependencies)) if self.dependencies else None,
        )


def _encoded(obj: Any) -> str:
    """JSON text as a str: a fast encoder's bytes object keeps its whole buffer, of kilobytes."""
    return _json.dumps(obj).decode()


_NO_DEMAND = Demand({})
_NO_ALLOCATION = ResourceSummary({})

_HANDLERS: dict[str, Callable[[ActiveJob, float, dict[str, Any]], int | None]] = {
    "submit": ActiveJob._submit,
    "priority": ActiveJob._priority,
    "urgency": ActiveJob._urgency,
    "finish": ActiveJob._finish,
    "exception": ActiveJob._exception,
    "alloc": ActiveJob._alloc,
    "annotations": ActiveJob._annotate,
    "memo": ActiveJob._memo,
    "dependency-add": ActiveJob._add_dependency,
    "dependency-remove": ActiveJob._remove_dependency,
    "jobspec-update": ActiveJob._update_jobspec,
    "resource-update": ActiveJob._update_R,
}
