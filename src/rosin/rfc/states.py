# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: job states and results, the events that move a job, and the status words of listings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from rosin.errors import FormatError
from rosin.rfc.payload import field

#: State bit: (name, abbreviation), the real states first and in order, then the virtual ones.
STATES = {
    FLUX_JOB_STATE_NEW: ("NEW", "N"),
    FLUX_JOB_STATE_DEPEND: ("DEPEND", "D"),
    FLUX_JOB_STATE_PRIORITY: ("PRIORITY", "P"),
    FLUX_JOB_STATE_SCHED: ("SCHED", "S"),
    FLUX_JOB_STATE_RUN: ("RUN", "R"),
    FLUX_JOB_STATE_CLEANUP: ("CLEANUP", "C"),
    FLUX_JOB_STATE_INACTIVE: ("INACTIVE", "I"),
    FLUX_JOB_STATE_PENDING: ("PENDING", "PD"),
    FLUX_JOB_STATE_RUNNING: ("RUNNING", "RU"),
    FLUX_JOB_STATE_ACTIVE: ("ACTIVE", "A"),
}

#: Result bit: (name, abbreviation).
RESULTS = {
    FLUX_JOB_RESULT_COMPLETED: ("COMPLETED", "CD"),
    FLUX_JOB_RESULT_FAILED: ("FAILED", "F"),
    FLUX_JOB_RESULT_CANCELED: ("CANCELED", "CA"),
    FLUX_JOB_RESULT_TIMEOUT: ("TIMEOUT", "TO"),
}

if TYPE_CHECKING:
    ContextTable = dict[str, tuple[dict[str, tuple[type, ...]], dict[str, tuple[type, ...]]]]

_UNKNOWN = ("(unknown)", "?")

#: Pictures of states and results for listings.
STATE_EMOJI = {
    FLUX_JOB_STATE_NEW: "\U0001f381",
    FLUX_JOB_STATE_DEPEND: "\U0001f6d1",
    FLUX_JOB_STATE_PRIORITY: "\U0001f6a6",
    FLUX_JOB_STATE_SCHED: "\U0001f4c5",
    FLUX_JOB_STATE_RUN: "\U0001f3c3",
    FLUX_JOB_STATE_CLEANUP: "\U0001f5d1",
    FLUX_JOB_STATE_INACTIVE: "\U0001f480",
}
#: Result bit: (picture, ASCII stand-in).
RESULT_EMOJI = {
    FLUX_JOB_RESULT_COMPLETED: ("\U0001f600", ":-)"),
    FLUX_JOB_RESULT_FAILED: ("\U0001f4a9", ":'-("),
    FLUX_JOB_RESULT_CANCELED: ("\U0001f4a5", "%-|"),
    FLUX_JOB_RESULT_TIMEOUT: ("\u231b", "(-_-)"),
}

#: The state machine: state -> {event name: next state}. Every other event leaves the state as it is; an
#: ``exception`` moves a job only when its severity is 0, see :func:`next_state`.
TRANSITIONS = {
    FLUX_JOB_STATE_NEW: {"validate": FLUX_JOB_STATE_DEPEND},
    FLUX_JOB_STATE_DEPEND: {
        "depend": FLUX_JOB_STATE_PRIORITY,
        "exception": FLUX_JOB_STATE_CLEANUP,
    },
    FLUX_JOB_STATE_PRIORITY: {
        "priority": FLUX_JOB_STATE_SCHED,
        "exception": FLUX_JOB_STATE_CLEANUP,
    },
    FLUX_JOB_STATE_SCHED: {
        "alloc": FLUX_JOB_STATE_RUN,
        "flux-restart": FLUX_JOB_STATE_PRIORITY,
        "urgency": FLUX_JOB_STATE_PRIORITY,
        "jobspec-update": FLUX_JOB_STATE_PRIORITY,
        "exception": FLUX_JOB_STATE_CLEANUP,
    },
    FLUX_JOB_STATE_RUN: {
        "finish": FLUX_JOB_STATE_CLEANUP,
        "exception": FLUX_JOB_STATE_CLEANUP,
    },
    FLUX_JOB_STATE_CLEANUP: {"clean": FLUX_JOB_STATE_INACTIVE},
    FLUX_JOB_STATE_INACTIVE: {},
}

_int = (int,)
_str = (str,)
_number = (int, float)
_userid = {"userid": _int}

#: Event name -> (required context keys, optional ones), each with the JSON types of its value. Contexts may
#: hold more keys than these; an event that is not listed has a free context.
EVENTS: ContextTable = {
    "submit": ({"userid": _int, "urgency": _int, "flags": _int}, {"version": _int}),
    "validate": ({}, {}),
    "invalidate": ({}, {}),
    "jobspec-update": ({}, {}),
    "resource-update": ({"expiration": _number}, {}),
    "set-flags": ({"flags": (list,)}, {}),
    "dependency-add": ({"description": _str}, {}),
    "dependency-remove": ({"description": _str}, {}),
    "depend": ({}, {}),
    "priority": ({"priority": _int}, {}),
    "urgency": ({"urgency": _int, **_userid}, {}),
    "flux-restart": ({}, {}),
    "alloc": ({}, {"annotations": (dict, type(None))}),
    "prolog-start": ({"description": _str}, {}),
    "prolog-finish": ({"description": _str, "status": _int}, {}),
    "epilog-start": ({"description": _str}, {}),
    "epilog-finish": ({"description": _str, "status": _int}, {}),
    "start": ({}, {}),
    "finish": ({"status": _int}, {}),
    "release": ({"ranks": _str, "final": (bool,)}, {}),
    "free": ({}, {}),
    "clean": ({}, {}),
    "exception": ({"type": _str, "severity": _int}, {"note": _str, **_userid, "wait_status": _int}),
    "memo": ({}, {}),
}


def next_state(state: int, event: str, severity: int = 0) -> int:
    """Return the state after *event* (with *severity*, for an exception) in *state*. Unlisted: no change."""
    if severity and event == "exception":
        return state
    return TRANSITIONS[state].get(event, state)


def check_context(name: str, context: dict[str, Any] | None, events: ContextTable = EVENTS) -> None:
    """Check the context of event *name* by the table *events*. Raises FormatError."""
    required, optional = events.get(name, ({}, {}))
    obj = {} if context is None else context
    try:
        for key, types in required.items():
            field(obj, key, types)
        for key, types in optional.items():
            field(obj, key, types, None)
    except FormatError as error:
        raise FormatError(f"event {name}: {str(error).removeprefix('payload: ')}") from None


def _style(names: tuple[str, str], style: str) -> str:
    name = {"L": names[0], "l": names[0].lower(), "S": names[1], "s": names[1].lower()}.get(style)
    if name is None:
        raise FormatError(f"states: unknown style '{style}' (L and l: name, S and s: abbreviation)")
    return name


def state_name(state: int, style: str = "L") -> str:
    """Name a state bit: *style* ``L`` RUN, ``l`` run, ``S`` R, ``s`` r.

    An unknown bit is ``(unknown)`` or ``?``. FormatError: an unknown style.
    """
    return _style(STATES.get(state, _UNKNOWN), style)


def result_name(result: int, style: str = "L") -> str:
    """Name a result bit: COMPLETED, completed, CD or cd by *style*, as for :func:`state_name`."""
    return _style(RESULTS.get(result, _UNKNOWN), style)


def _lookup(table: dict[int, tuple[str, str]], text: str, what: str) -> int:
    if text.isupper() or text.islower():
        name = text.upper()
        for bit, names in table.items():
            if name in names:
                return bit
    known = ", ".join(names[0].lower() for names in table.values())
    raise FormatError(f"states: unknown job {what} '{text[:40]}' (known: {known})")


def parse_state(text: str) -> int:
    """Return the bit of a state given by name or abbreviation, upper or lower case. Raises FormatError."""
    return _lookup(STATES, text, "state")


def parse_result(text: str) -> int:
    """Return the bit of a result given by name or abbreviation, upper or lower case. Raises FormatError."""
    return _lookup(RESULTS, text, "result")


def status_name(state: int, result: int = 0, style: str = "L") -> str:
    """Name the status of a job, as in the ``status`` fields of listings: its result once it is inactive,
    else its state.

    *style* is that of :func:`state_name`.
    """
    return result_name(result, style) if state == FLUX_JOB_STATE_INACTIVE else state_name(state, style)


def job_result(status: int, exception_type: str | None = None) -> int:
    """Return the result of an ended job.

    *status* is the wait status of the ``finish`` event, or -1 when the job never ran. *exception_type* is
    the type of the first exception of severity 0, if there was one. A job that ended well has completed even
    if an exception came at the same moment.
    """
    if status == 0:
        return FLUX_JOB_RESULT_COMPLETED
    if exception_type == "cancel":
        return FLUX_JOB_RESULT_CANCELED
    if exception_type == "timeout":
        return FLUX_JOB_RESULT_TIMEOUT
    return FLUX_JOB_RESULT_FAILED
