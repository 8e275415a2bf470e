# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which jobs are meant: parameters of a request and its query (RFC 35) as one predicate on rows."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from rosin.errors import FormatError
from rosin.rest.own.terms import TERMS, Predicate, all_of, state_masks
from rosin.rest.problem import Problem
from rosin.rfc.constraint.query import parse

#: Terms of a query, which is a filter and no program.
MOST_TERMS = 32
_SHORT: dict[str | None, str] = {
    None: "search",
    "rank": "ranks",
    "hosts": "host",
    "is": "state",
    "result": "state",
    "status": "state",
    "rc": "returncode",
    "dependencies": "dependency",
}


class Where:
    """A filter: ``matches`` is of all of it, ``others`` of all but the parameter ``state``; None is all jobs.

    Raises Problem 400 that names the parameter.
    """

    __slots__ = ("matches", "others", "results", "states")

    def __init__(self, query: str = "", state: str = "", parameters: Mapping[str, str] | None = None) -> None:
        parts = [_named(name, operand) for name, operand in (parameters or {}).items() if operand]
        if query.strip():
            parts.append(_query(query))
        self.states = self.results = 0
        self.others = all_of(parts) if parts else None
        self.matches = self.others
        if state:
            try:
                self.states, self.results = state_masks(state)
            except FormatError as exc:
                raise Problem(400, f"state: {exc}") from None
            parts.insert(0, TERMS["state"](state))
            self.matches = all_of(parts)


def _named(name: str, operand: str) -> Predicate:
    try:
        return TERMS[name](operand)
    except FormatError as exc:
        raise Problem(400, f"{name}: {exc}") from None


def _query(text: str) -> Predicate:
    try:
        return _compile(parse(text, _SHORT), [0])
    except FormatError as exc:
        raise Problem(400, f"q: {str(exc).removeprefix('query: ')}") from None


def _compile(constraint: dict[str, Any], count: list[int]) -> Predicate:
    """The predicate of an RFC 31 object, whose depth the parser has limited."""
    ((operator, values),) = constraint.items()
    if operator == "and":
        return all_of(_compile(value, count) for value in values)
    if operator == "or":
        parts = [_compile(value, count) for value in values]
        return lambda row: any(part(row) for part in parts)
    if operator == "not":
        part = _compile(values[0], count)
        return lambda row: not part(row)
    count[0] += 1
    if count[0] > MOST_TERMS:
        raise FormatError(f"there are more than {MOST_TERMS} terms")
    if operator not in TERMS:
        near = difflib.get_close_matches(operator[:40], TERMS, 1)
        hint = f"did you mean '{near[0]}:'?" if near else f"there are: {', '.join(sorted(TERMS))}"
        raise FormatError(f"'{operator[:40]}:' is no attribute of jobs; {hint}")
    try:
        return TERMS[operator](values[0])
    except FormatError as exc:
        raise FormatError(f"{operator}: {exc}") from None
