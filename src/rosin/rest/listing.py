# SPDX-License-Identifier: LGPL-3.0-or-later
"""Pages of jobs from the mirror: newest first, filtered, with a cursor that new jobs do not disturb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rosin.errors import FormatError
from rosin.job.info import get_username
from rosin.job.table.attributes import POSITION, Row
from rosin.rest import jobview
from rosin.rest.mirror import Mirror
from rosin.rest.problem import Problem
from rosin.rfc import fluid, states

_STATE = POSITION["state"]
_RESULT = POSITION["result"]
_NAME = POSITION["name"]
_NODELIST = POSITION["nodelist"]
_USERID = POSITION["userid"]


def _mask(text: str) -> tuple[int, int]:
    """Masks of the states and results that ``state=run,failed`` names. Raises Problem."""
    wanted_states = wanted_results = 0
    for word in filter(None, text.split(",")):
        try:
            wanted_states |= states.parse_state(word)
        except FormatError:
            try:
                wanted_results |= states.parse_result(word)
            except FormatError:
                raise Problem(400, f"state: '{word[:40]}' is neither a state nor a result of jobs") from None
    return wanted_states, wanted_results


def matcher(state: str, text: str) -> Callable[[Row], bool]:
    """A filter by states or results, and by text in name, id, user or hosts. Raises Problem."""
    wanted_states, wanted_results = _mask(state)
    needle = text.casefold()

    def match(row: Row) -> bool:
        if state and not (row[_STATE] & wanted_states or (row[_RESULT] or 0) & wanted_results):
            return False
        return not needle or needle in _haystack(row)

    return match


def _haystack(row: Row) -> str:
    words = (fluid.encode(row[0], "f58"), str(row[0]), row[_NAME], get_username(row[_USERID]), row[_NODELIST])
    return "\n".join(word for word in words if word).casefold()


def page(mirror: Mirror, limit: int, cursor: str, state: str, text: str) -> dict[str, Any]:
    """A :class:`~rosin.rest.models.JobPage`. Raises Problem."""
    match = matcher(state, text)
    before = jobview.parse_id(cursor) if cursor else None
    found: list[dict[str, Any]] = []
    more = False
    for row in mirror.newest(before):
        if match(row):
            if len(found) == limit:
                more = True
                break
            found.append(jobview.summary(row))
    return {
        "jobs": found,
        "total": len(mirror),
        "next": found[-1]["jobid"] if more and found else None,
        "counts": mirror.counts(),
    }
