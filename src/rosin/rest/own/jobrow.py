# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs as ``/rosin/v1`` shows them: all members, or those that are asked for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from rosin import _json
from rosin.errors import FormatError
from rosin.job.info import get_username
from rosin.job.table.attributes import POSITION, Row
from rosin.process.outcome import describe, return_code, signal_text
from rosin.rest.jobview import returncode
from rosin.rest.problem import Problem
from rosin.rfc import fluid, states
from rosin.rfc.idset import Idset

_AT = POSITION
_RUN, _CLEANUP = _AT["t_run"], _AT["t_cleanup"]

Getter = Callable[[Row], Any]

#: Ranks, and the GPUs of each of them.
_GPUS = re.compile(r"rank(\[[^\]]*\]|\d+)/\S*?\bgpu(\[[^\]]*\]|\d+)", re.ASCII)


def _plain(name: str) -> Getter:
    position = _AT[name]
    return lambda row: row[position]


def _decoded(name: str) -> Getter:
    position = _AT[name]
    return lambda row: None if row[position] is None else _json.loads(row[position])


def _result(row: Row) -> str | None:
    result = row[_AT["result"]]
    return states.result_name(result) if result else None


def _status(row: Row) -> str:
    return states.status_name(row[_AT["state"]], row[_AT["result"]] or 0)


def _exception(row: Row) -> dict[str, Any] | None:
    if not row[_AT["exception_occurred"]]:
        return None
    return {key: row[_AT[f"exception_{key}"]] for key in ("type", "severity", "note")}


def _runtime(row: Row) -> float | None:
    begin, end = row[_RUN], row[_CLEANUP]
    return max(0.0, end - begin) if begin and end else None


def _ending(row: Row) -> str | None:
    status = row[_AT["waitstatus"]]
    return None if status is None else describe_job(status)


def describe_job(status: int) -> str:
    """How a job ended: job shells count a signal that ended a task as 128+N."""
    code = return_code(status)
    return f"Exit {code}: {signal_text(code - 128)}" if code is not None and code > 128 else describe(status)


def _gpus(row: Row) -> int | None:
    """GPUs that the scheduler has told of in its annotations (RFC 27): the table of jobs counts none."""
    text = row[_AT["annotations"]]
    return None if text is None else gpus_of(text)


@lru_cache(4096)
def gpus_of(annotations: str | bytes) -> int | None:
    """The GPUs of ``{"sched": {"resource_summary": "rank[0-3]/core[0-7],gpu0"}}``; None if it has none."""
    try:
        summary = _json.loads(annotations)["sched"]["resource_summary"]
        return sum(
            len(Idset(ranks.strip("[]"))) * len(Idset(gpus.strip("[]")))
            for ranks, gpus in _GPUS.findall(summary)
        )
    except (FormatError, KeyError, TypeError, ValueError):
        return None


def _limit(row: Row) -> float | None:
    return row[_AT["duration"]] or None


def _expiration(row: Row) -> float | None:
    return row[_AT["expiration"]] or None


_NAMES = (
    *("name", "user", "userid", "state", "result", "status", "urgency", "priority", "queue", "project"),
    *("bank", "cwd", "ntasks", "ncores", "nnodes", "ngpus", "ranks", "nodelist", "duration", "expiration"),
    *("t_submit", "t_depend", "t_priority", "t_sched", "t_run", "t_cleanup", "t_inactive", "runtime"),
    *("success", "waitstatus", "returncode", "ending", "exception", "annotations", "dependencies"),
)
_MADE: dict[str, Getter] = {
    "user": lambda row: get_username(row[_AT["userid"]]),
    "state": lambda row: states.state_name(row[_AT["state"]]),
    "result": _result,
    "status": _status,
    "ngpus": _gpus,
    "duration": _limit,
    "expiration": _expiration,
    "runtime": _runtime,
    "returncode": returncode,
    "ending": _ending,
    "exception": _exception,
    "annotations": _decoded("annotations"),
    "dependencies": _decoded("dependencies"),
}
#: The members of a job, in their order.
FIELDS: dict[str, Getter] = {
    "id": lambda row: fluid.encode(row[0], "f58"),
    "id_dec": lambda row: str(row[0]),
    **{name: _MADE.get(name) or _plain(name) for name in _NAMES},
}


class Members:
    """The members of jobs that are asked for: ``id,name,state``; all for an empty text. Raises Problem."""

    def __init__(self, text: str = "") -> None:
        names = dict.fromkeys(["id", *_known(filter(None, text.split(",")))]) if text else FIELDS
        self._getters = [(name, FIELDS[name]) for name in names]

    def of(self, row: Row) -> dict[str, Any]:
        """The job as an object."""
        return {name: get(row) for name, get in self._getters}


ALL = Members()


def _known(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        if name not in FIELDS:
            near = difflib.get_close_matches(name[:40], FIELDS, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(FIELDS)}"
            raise Problem(400, f"fields: '{name[:40]}' is no member of a job; {hint}")
        yield name
