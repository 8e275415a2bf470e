# SPDX-License-Identifier: LGPL-3.0-or-later
"""The fields of job listings: the attributes of jobs (RFC 43) that each needs, and its heading."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: Every attribute, in the order of ``job-list.list-attrs``.
ATTRIBUTES = (
    "userid",
    "urgency",
    "priority",
    "t_submit",
    "t_depend",
    "t_priority",
    "t_sched",
    "t_run",
    "t_cleanup",
    "t_inactive",
    "state",
    "name",
    "cwd",
    "queue",
    "project",
    "bank",
    "ntasks",
    "ncores",
    "duration",
    "nnodes",
    "ranks",
    "nodelist",
    "success",
    "exception_occurred",
    "exception_type",
    "exception_severity",
    "exception_note",
    "result",
    "expiration",
    "annotations",
    "waitstatus",
    "dependencies",
)

_IDS = ("id", "id.dec", "id.hex", "id.f58", "id.f58plain", "id.emoji", "id.kvs", "id.words", "id.dothex")
_STATUS = ("state", "result")
_EXCEPTION = tuple(name for name in ATTRIBUTES if name.startswith("exception_"))

#: Field name: attributes to ask job-list for (the id always comes).
ATTRS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_IDS, ()),
    **{name: (name,) for name in ATTRIBUTES if name not in _EXCEPTION},
    **dict.fromkeys(("state_single", "state_emoji"), ("state",)),
    **dict.fromkeys(("result_abbrev", "result_emoji"), ("result",)),
    **dict.fromkeys(("status", "status_abbrev", "status_emoji"), _STATUS),
    **{f"exception.{name[10:]}": (name,) for name in _EXCEPTION},
    **dict.fromkeys(("expiration", "t_remaining"), ("expiration", *_STATUS)),
    **dict.fromkeys(("sched", "user", "uri", "uri.local"), ("annotations",)),
    "username": ("userid",),
    "returncode": ("waitstatus", "result"),
    "runtime": ("t_run", "t_cleanup"),
    "contextual_info": ("state", "dependencies", "annotations", "nodelist", "priority", "urgency"),
    "contextual_time": ("state", "t_run", "t_cleanup", "duration"),
    "inactive_reason": ("state", "result", "waitstatus", *_EXCEPTION),
}

#: Field name: heading. Fields below ``annotations``, ``sched``, ``user`` and ``instance``: :func:`heading`.
HEADINGS = {
    **dict.fromkeys(_IDS, "JOBID"),
    "userid": "UID",
    "username": "USER",
    "urgency": "URG",
    "priority": "PRI",
    "state": "STATE",
    "state_single": "S",
    "state_emoji": "STATE",
    "name": "NAME",
    "cwd": "CWD",
    "queue": "QUEUE",
    "project": "PROJECT",
    "bank": "BANK",
    "ntasks": "NTASKS",
    "ncores": "NCORES",
    "duration": "DURATION",
    "nnodes": "NNODES",
    "expiration": "EXPIRATION",
    "t_remaining": "T_REMAINING",
    "ranks": "RANKS",
    "nodelist": "NODELIST",
    "success": "SUCCESS",
    "result": "RESULT",
    "result_abbrev": "RS",
    "result_emoji": "RESULT",
    "t_submit": "T_SUBMIT",
    "t_depend": "T_DEPEND",
    "t_priority": "T_PRIORITY",
    "t_sched": "T_SCHED",
    "t_run": "T_RUN",
    "t_cleanup": "T_CLEANUP",
    "t_inactive": "T_INACTIVE",
    "runtime": "RUNTIME",
    "status": "STATUS",
    "status_abbrev": "ST",
    "status_emoji": "STATUS",
    "waitstatus": "WSTATUS",
    "returncode": "RC",
    "exception.occurred": "EXCEPTION-OCCURRED",
    "exception.severity": "EXCEPTION-SEVERITY",
    "exception.type": "EXCEPTION-TYPE",
    "exception.note": "EXCEPTION-NOTE",
    "annotations": "ANNOTATIONS",
    "dependencies": "DEPENDENCIES",
    "contextual_info": "INFO",
    "contextual_time": "TIME",
    "inactive_reason": "INACTIVE-REASON",
    "annotations.sched.t_estimate": "T_ESTIMATE",
    "annotations.sched.reason_pending": "REASON",
    "annotations.sched.resource_summary": "RESOURCES",
    "sched": "SCHED",
    "sched.t_estimate": "T_ESTIMATE",
    "sched.reason_pending": "REASON",
    "sched.resource_summary": "RESOURCES",
    "user": "USER",
    "uri": "URI",
    "uri.local": "URI",
    "instance.stats.total": "NJOBS",
    "instance.utilization": "CORE%",
    "instance.gpu_utilization": "GPU%",
    "instance.progress": "PROG",
    **{
        f"instance.resources.{kind}.n{unit}": title
        for kind, titles in (
            ("all", ("CORES", "GPUS", "NODES")),
            ("up", ("UP",) * 3),
            ("down", ("DOWN",) * 3),
            ("allocated", ("USED",) * 3),
            ("free", ("FREE",) * 3),
        )
        for unit, title in zip(("cores", "gpus", "nodes"), titles, strict=True)
    },
}


def heading(field: str) -> str:
    """The heading of a field. Raises KeyError for a field that jobs do not have."""
    known = HEADINGS.get(field)
    if known is not None:
        return known
    head, dot, rest = field.partition(".")
    if dot and head == "annotations":
        return rest.upper()
    if dot and head in ("sched", "user"):
        return field.upper()
    if dot and head == "instance":
        return rest.upper().removeprefix("RESOURCES.")
    raise KeyError(field)


def job_fields_to_attrs(fields: Iterable[str]) -> set[str]:
    """The attributes that job-list must be asked for to show these fields. Raises KeyError for unknown
    fields.
    """
    attrs: set[str] = set()
    for field in fields:
        head, dot, _ = field.partition(".")
        if dot and head == "instance":
            attrs.update(("annotations", *_STATUS))
        elif dot and head in ("annotations", "sched", "user"):
            attrs.add("annotations")
        else:
            attrs.update(ATTRS[field])
    return attrs
