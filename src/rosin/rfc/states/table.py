# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: the table of job states, results and events.

What :mod:`rosin.rfc.states` answers from and what docs/reference/job-states.md is made of. Meanings are text
in Markdown.
"""

from __future__ import annotations

from rosin.constants import (
    FLUX_JOB_RESULT_CANCELED,
    FLUX_JOB_RESULT_COMPLETED,
    FLUX_JOB_RESULT_FAILED,
    FLUX_JOB_RESULT_TIMEOUT,
    FLUX_JOB_STATE_ACTIVE,
    FLUX_JOB_STATE_CLEANUP,
    FLUX_JOB_STATE_DEPEND,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_NEW,
    FLUX_JOB_STATE_PENDING,
    FLUX_JOB_STATE_PRIORITY,
    FLUX_JOB_STATE_RUN,
    FLUX_JOB_STATE_RUNNING,
    FLUX_JOB_STATE_SCHED,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    Keys = dict[str, tuple[type, ...]]

#: (bit, name, abbreviation, picture, meaning), the real states first and in order, then the virtual ones,
#: which have no picture.
STATE_ROWS: tuple[tuple[int, str, str, str, str], ...] = (
    (FLUX_JOB_STATE_NEW, "NEW", "N", "\U0001f381", "submitted, not yet validated"),
    (FLUX_JOB_STATE_DEPEND, "DEPEND", "D", "\U0001f6d1", "waits for its dependencies"),
    (FLUX_JOB_STATE_PRIORITY, "PRIORITY", "P", "\U0001f6a6", "waits for a priority"),
    (FLUX_JOB_STATE_SCHED, "SCHED", "S", "\U0001f4c5", "waits for resources"),
    (FLUX_JOB_STATE_RUN, "RUN", "R", "\U0001f3c3", "has resources: prologs, shells and tasks run"),
    (
        FLUX_JOB_STATE_CLEANUP,
        "CLEANUP",
        "C",
        "\U0001f5d1",
        "has ended or was stopped; epilogs run, resources go back",
    ),
    (FLUX_JOB_STATE_INACTIVE, "INACTIVE", "I", "\U0001f480", "is over; its data no longer change"),
    (FLUX_JOB_STATE_PENDING, "PENDING", "PD", "", "DEPEND, PRIORITY or SCHED"),
    (FLUX_JOB_STATE_RUNNING, "RUNNING", "RU", "", "RUN or CLEANUP"),
    (FLUX_JOB_STATE_ACTIVE, "ACTIVE", "A", "", "PENDING or RUNNING"),
)

#: (bit, name, abbreviation, picture, ASCII stand-in, meaning)
RESULT_ROWS: tuple[tuple[int, str, str, str, str, str], ...] = (
    (FLUX_JOB_RESULT_COMPLETED, "COMPLETED", "CD", "\U0001f600", ":-)", "every task exited with 0"),
    (
        FLUX_JOB_RESULT_FAILED,
        "FAILED",
        "F",
        "\U0001f4a9",
        ":'-(",
        "a task failed, or an exception of severity 0 other than those below",
    ),
    (FLUX_JOB_RESULT_CANCELED, "CANCELED", "CA", "\U0001f4a5", "%-|", "exception `cancel`"),
    (
        FLUX_JOB_RESULT_TIMEOUT,
        "TIMEOUT",
        "TO",
        "\u231b",
        "(-_-)",
        "exception `timeout`: the time limit is over",
    ),
)

_NEW, _DEPEND, _PRIORITY, _SCHED, _RUN, _CLEANUP, _INACTIVE = (row[0] for row in STATE_ROWS[:7])
_int = (int,)
_str = (str,)
_number = (int, float)
_described: Keys = {"description": _str}
_ended: Keys = {"description": _str, "status": _int}

#: (name, required context keys, optional ones, {state: next state}, meaning). A key has the JSON types of its
#: value. Contexts may hold more keys; an event that is not listed has a free context and moves no job.
EVENT_ROWS: tuple[tuple[str, Keys, Keys, dict[int, int], str], ...] = (
    (
        "submit",
        {"userid": _int, "urgency": _int, "flags": _int},
        {"version": _int},
        {},
        "The job was submitted: always the first event.",
    ),
    ("validate", {}, {}, {_NEW: _DEPEND}, "The job is valid."),
    ("invalidate", {}, {}, {}, "The job is not valid; it is removed with its eventlog."),
    (
        "jobspec-update",
        {},
        {},
        {_SCHED: _PRIORITY},
        "Values of the jobspec have changed, by period-delimited path. The signed request stays as it is.",
    ),
    ("resource-update", {"expiration": _number}, {}, {}, "The resources expire at another time."),
    ("set-flags", {"flags": (list,)}, {}, {}, "Flags were set, by name."),
    ("dependency-add", _described, {}, {}, "A dependency was added."),
    ("dependency-remove", _described, {}, {}, "A dependency was met."),
    ("depend", {}, {}, {_DEPEND: _PRIORITY}, "All dependencies are met."),
    ("priority", {"priority": _int}, {}, {_PRIORITY: _SCHED}, "The job has a priority, 0 to 4294967295."),
    (
        "urgency",
        {"urgency": _int, "userid": _int},
        {},
        {_SCHED: _PRIORITY},
        "Somebody changed the urgency, 0 to 31.",
    ),
    ("flux-restart", {}, {}, {_SCHED: _PRIORITY}, "The job manager has started again."),
    (
        "alloc",
        {},
        {"annotations": (dict, type(None))},
        {_SCHED: _RUN},
        "The scheduler has allocated resources.",
    ),
    ("prolog-start", _described, {}, {}, "A prolog began; shells wait until it has finished."),
    ("prolog-finish", _ended, {}, {}, "A prolog has finished; a status of 0 is success."),
    ("epilog-start", _described, {}, {}, "An epilog began; resources wait until it has finished."),
    ("epilog-finish", _ended, {}, {}, "An epilog has finished; a status of 0 is success."),
    ("start", {}, {}, {}, "The job shells have started."),
    (
        "finish",
        {"status": _int},
        {},
        {_RUN: _CLEANUP},
        "The job shells have ended: the largest wait status, or what the first exception of severity 0 says.",
    ),
    ("release", {"ranks": _str, "final": (bool,)}, {}, {}, "Ranks (an idset, or `all`) are no longer used."),
    ("free", {}, {}, {}, "The resources are back at the scheduler."),
    ("clean", {}, {}, {_CLEANUP: _INACTIVE}, "Nothing is left to do."),
    (
        "exception",
        {"type": _str, "severity": _int},
        {"note": _str, "userid": _int, "wait_status": _int},
        {_DEPEND: _CLEANUP, _PRIORITY: _CLEANUP, _SCHED: _CLEANUP, _RUN: _CLEANUP},
        "Something is wrong. Severity 0 ends the job; 1 to 7 move it nowhere.",
    ),
    ("memo", {}, {}, {}, "Pairs that somebody attached; null takes one away."),
)
