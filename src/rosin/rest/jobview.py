# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs as JSON: a summary for tables, everything for one job, and the records of RFC 43.

Ids are sent as F58 text (``jobid``) and decimal text (``id_str``) beside the integer ``id``, which is more
than the numbers of a browser can hold once an instance is a week old.
"""

from __future__ import annotations

from typing import Any

from rosin.job.info import JobInfo, get_username
from rosin.job.table.attributes import POSITION, Projection, Row
from rosin.process.outcome import return_code
from rosin.rfc import fluid, states

_ALL = Projection(["all"])
_AT = POSITION
_INACTIVE = 64


def attributes_of(row: Row) -> dict[str, Any]:
    """The attributes of RFC 43 that the job has: states and results are numbers."""
    return _ALL.object(row)


def record(row: Row) -> dict[str, Any]:
    """The job as job-list sends it, and its id in other spellings."""
    job = _ALL.object(row)
    job["jobid"] = fluid.encode(row[0], "f58")
    job["id_str"] = str(row[0])
    return job


def detail(row: Row) -> dict[str, Any]:
    """Everything about a job; what it does not have yet is an empty text or 0."""
    job = JobInfo(_ALL.object(row)).to_dict(filtered=False)
    job["id_str"] = str(row[0])
    for name in ("exception_occurred", "exception_type", "exception_severity", "exception_note"):
        job[name] = _or_empty(row[_AT[name]])
    job["state_id"] = row[_AT["state"]]
    job["result_id"] = row[_AT["result"]] or 0
    job["dependencies"] = list(job["dependencies"])
    return job


def _or_empty(value: Any) -> Any:
    return "" if value is None else value


def returncode(row: Row) -> int | None:
    """The exit code, -signal of a job that a signal ended, -128 of one canceled before it ran."""
    status = row[_AT["waitstatus"]]
    if status is None:
        return None if not row[_AT["result"]] else -128 if row[_AT["result"]] == 4 else 1
    return return_code(status)


def summary(row: Row) -> dict[str, Any]:
    """What a table shows of a job."""
    at = _AT
    state, result = row[at["state"]], row[at["result"]]
    return {
        "jobid": fluid.encode(row[0], "f58"),
        "id": row[0],
        "id_str": str(row[0]),
        "name": row[at["name"]] or "",
        "user": get_username(row[at["userid"]]),
        "state": states.state_name(state),
        "result": states.result_name(result) if result else "",
        "status": states.status_name(state, result or 0),
        "urgency": row[at["urgency"]],
        "ntasks": row[at["ntasks"]],
        "ncores": row[at["ncores"]],
        "nnodes": row[at["nnodes"]],
        "nodelist": row[at["nodelist"]] or "",
        "queue": row[at["queue"]] or "",
        "duration": row[at["duration"]] or 0.0,
        "t_submit": row[at["t_submit"]],
        "t_run": row[at["t_run"]],
        "t_cleanup": row[at["t_cleanup"]],
        "t_inactive": row[at["t_inactive"]],
        "returncode": returncode(row),
        "exception": row[at["exception_note"]] or row[at["exception_type"]] or "",
    }


def is_inactive(row: Row) -> bool:
    """Whether a job has ended."""
    return bool(row[_AT["state"]] == _INACTIVE)


def parse_id(text: str) -> int:
    """A job id in any spelling of RFC 19. Raises Problem 400."""
    from rosin.errors import FormatError
    from rosin.rest.problem import Problem

    try:
        jobid = fluid.parse(text)
    except FormatError as exc:
        raise Problem(400, f"'{text[:80]}' is not a job id: {exc}") from None
    if not 0 <= jobid < 1 << 63:
        raise Problem(400, f"'{text[:80]}' is not a job id: it is out of range")
    return jobid
