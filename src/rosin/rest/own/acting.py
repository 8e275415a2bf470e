# SPDX-License-Identifier: LGPL-3.0-or-later
"""What can be done to a job: the request that does it, for one and for many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from rosin.constants import FLUX_JOB_URGENCY_DEFAULT, FLUX_JOB_URGENCY_HOLD
from rosin.errors import FormatError
from rosin.job import control
from rosin.job.table.attributes import POSITION, Row
from rosin.process.outcome import signal_number
from rosin.rest import jobview
from rosin.rest.instance import InstanceLink
from rosin.rest.own.fields import field_problem
from rosin.rest.own.schema.base import Model
from rosin.rest.own.schema.requests import Cancel, Empty, Signal, Update, Urgency
from rosin.rest.problem import Problem
from rosin.rfc import fsd

_STATE = POSITION["state"]
_RUNNING = 16
_MOST_SIGNAL = 64

Action = Callable[[InstanceLink, int, Row, Any], Awaitable[dict[str, Any]]]


async def _cancel(instance: InstanceLink, jobid: int, row: Row, asked: Cancel) -> dict[str, Any]:
    _must_be_active(row)
    await instance.answer(control.cancel_async(await instance.connected(), jobid, asked.reason))
    return {}


async def _signal(instance: InstanceLink, jobid: int, row: Row, asked: Signal) -> dict[str, Any]:
    number = _signal_number(asked.signal)
    _must_be_active(row)
    if row[_STATE] != _RUNNING:
        raise Problem(409, "the job is not running: it has no tasks to signal")
    await instance.answer(control.kill_async(await instance.connected(), jobid, number))
    return {"signal": number}


def _signal_number(given: int | str) -> int:
    try:
        number = given if isinstance(given, int) else signal_number(given)
        if 0 < number <= _MOST_SIGNAL:
            return number
    except ValueError:
        pass
    raise field_problem(
        "signal", f"'{str(given)[:40]}' is no signal: it takes a number or a name such as TERM"
    )


async def _set_urgency(instance: InstanceLink, jobid: int, row: Row, value: int) -> dict[str, Any]:
    _must_be_active(row)
    reply = await instance.answer(control.urgency_async(await instance.connected(), jobid, value))
    return {"urgency": value, "old_urgency": reply.get("old_urgency")}


async def _hold(instance: InstanceLink, jobid: int, row: Row, _asked: Empty) -> dict[str, Any]:
    return await _set_urgency(instance, jobid, row, FLUX_JOB_URGENCY_HOLD)


async def _release(instance: InstanceLink, jobid: int, row: Row, _asked: Empty) -> dict[str, Any]:
    return await _set_urgency(instance, jobid, row, FLUX_JOB_URGENCY_DEFAULT)


async def _urgency(instance: InstanceLink, jobid: int, row: Row, asked: Urgency) -> dict[str, Any]:
    return await _set_urgency(instance, jobid, row, asked.urgency)


async def _update(instance: InstanceLink, jobid: int, row: Row, asked: Update) -> dict[str, Any]:
    _must_be_active(row)
    updates: dict[str, Any] = {f"attributes.{path}": value for path, value in asked.attributes.items()}
    if asked.duration is not None:
        updates["attributes.system.duration"] = _duration(asked.duration, row)
    if asked.queue is not None:
        updates["attributes.system.queue"] = asked.queue
    if asked.name is not None:
        updates["attributes.system.job.name"] = asked.name
    if not updates:
        raise field_problem("", "nothing is to be changed: give duration, queue, name or attributes")
    await instance.answer(control.update_async(await instance.connected(), jobid, updates))
    return {"updates": updates}


def _duration(given: float | str, row: Row) -> float:
    if isinstance(given, float | int):
        return float(given)
    try:
        if given[0] not in "+-":
            return fsd.parse(given)
        now = row[POSITION["duration"]] or 0.0
        change = fsd.parse(given[1:])
    except FormatError:
        raise field_problem(
            "duration", f"'{given[:40]}' is no duration: it takes seconds, 90s, +1h"
        ) from None
    if not now:
        raise field_problem("duration", "the job has no limit that could be changed by so much")
    result = now + change if given[0] == "+" else now - change
    if result <= 0:
        raise field_problem("duration", f"nothing would be left of the limit of {now} seconds")
    return float(result)


ACTIONS: dict[str, tuple[type[Model], Action]] = {
    "cancel": (Cancel, _cancel),
    "signal": (Signal, _signal),
    "hold": (Empty, _hold),
    "release": (Empty, _release),
    "urgency": (Urgency, _urgency),
    "update": (Update, _update),
}


def _must_be_active(row: Row) -> None:
    if jobview.is_inactive(row):
        raise Problem(409, "the job is over")
