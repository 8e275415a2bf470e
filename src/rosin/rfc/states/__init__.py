# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: job states and results, the events that move a job, and the status words of listings.

All of it is answered from :mod:`rosin.rfc.states.table`.
"""

from __future__ import annotations

from rosin.constants import (
    FLUX_JOB_RESULT_CANCELED,
    FLUX_JOB_RESULT_COMPLETED,
    FLUX_JOB_RESULT_FAILED,
    FLUX_JOB_RESULT_TIMEOUT,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_NEW,
)
from rosin.errors import FormatError
from rosin.rfc.payload import field, int_field
from rosin.rfc.states.table import EVENT_ROWS, RESULT_ROWS, STATE_ROWS

#: State bit: (name, abbreviation), the real states first and in order, then the virtual ones.
STATES = {bit: (name, letter) for bit, name, letter, _, _ in STATE_ROWS}

#: Result bit: (name, abbreviation).
RESULTS = {bit: (name, letter) for bit, name, letter, _, _, _ in RESULT_ROWS}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    ContextTable = dict[str, tuple[dict[str, tuple[type, ...]], dict[str, tuple[type, ...]]]]

_UNKNOWN = ("(unknown)", "?")

#: Pictures of states and results for listings.
STATE_EMOJI = {bit: picture for bit, _, _, picture, _ in STATE_ROWS if picture}
#: Result bit: (picture, ASCII stand-in).
RESULT_EMOJI = {bit: (picture, plain) for bit, _, _, picture, plain, _ in RESULT_ROWS}

#: The state machine: state -> {event name: next state}. Every other event leaves the state as it is; an
#: ``exception`` moves a job only when its severity is 0, see :func:`next_state`.
TRANSITIONS = {
    bit: {name: moves[bit] for name, _, _, moves, _ in EVENT_ROWS if bit in moves}
    for bit, _, _, picture, _ in STATE_ROWS
    if picture
}

#: Event name -> (required context keys, optional ones), each with the JSON types of its value. Contexts may
#: hold more keys than these; an event that is not listed has a free context.
EVENTS: ContextTable = {name: (required, optional) for name, required, optional, _, _ in EVENT_ROWS}


#: Integers that the text limits, from 0 on.
_HIGHEST = {"urgency": 31, "severity": 7, "priority": 0xFFFFFFFF}


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
        for key, high in _HIGHEST.items():
            if key in required:
                int_field(obj, key, 0, high)
    except FormatError as error:
        raise FormatError(f"event {name}: {str(error).removeprefix('payload: ')}") from None


def replay(entries: Iterable[dict[str, Any]]) -> int:
    """Return the state that a job is in after the events *entries* (dicts of RFC 18) of its eventlog.

    NEW for none. FormatError names the event: the first is not ``submit``, or a context is not as it must be.
    """
    state = FLUX_JOB_STATE_NEW
    for number, entry in enumerate(entries, 1):
        name, context = entry["name"], entry.get("context")
        if (name == "submit") != (number == 1):
            raise FormatError(
                f"job-eventlog: event {number}: expected submit as the first event and no other"
            )
        try:
            check_context(name, context)
        except FormatError as error:
            raise FormatError(f"job-eventlog: event {number}: {error}") from None
        state = next_state(state, name, context["severity"] if context and name == "exception" else 0)
    return state


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
