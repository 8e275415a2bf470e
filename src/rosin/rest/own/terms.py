# SPDX-License-Identifier: LGPL-3.0-or-later
"""What one term of a filter says of jobs: ``state:run``, ``ntasks:>=16``, ``t_run:>-2h``, ``name:sim-*``.

Each attribute of a job has one kind of term, for the query language and for parameters alike. Operands that
are lists (``queue:batch,debug``) hold for any of their words.
"""

from __future__ import annotations

import math
import pwd
import re
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from fnmatch import translate
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from rosin.errors import FormatError
from rosin.job.info import get_username
from rosin.job.table.attributes import POSITION, Row
from rosin.job.table.constraint import Context, compile_constraint
from rosin.rest.jobview import returncode
from rosin.rfc import fluid, fsd, states

Predicate = Callable[[Row], Any]

_AT = POSITION
_COMPARE = ((">=", ge), ("<=", le), ("!=", ne), (">", gt), ("<", lt), ("=", eq), ("", eq))
_UIDS = re.compile("[0-9]{1,10}")
#: Distinct texts of an attribute whose answer is remembered.
_MOST_KNOWN = 4096


def _words(text: str) -> list[str]:
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        raise FormatError("a value is missing")
    return found


def _remembered(position: int, matches: Callable[[str], Any]) -> Predicate:
    known: dict[str | None, Any] = {None: False}

    def predicate(row: Row) -> Any:
        text = row[position]
        answer = known.get(text)
        if answer is None:
            if len(known) >= _MOST_KNOWN:
                known.clear()
                known[None] = False
            answer = known[text] = bool(matches(text))
        return answer

    return predicate


def _text(name: str) -> Callable[[str], Predicate]:
    """Whole values, or shell patterns; ``=`` before a value takes its characters as they are."""
    position = _AT[name]

    def term(operand: str) -> Predicate:
        exact = {word.removeprefix("=") for word in _words(operand)}
        patterns = [word for word in _words(operand) if not word.startswith("=") and re.search("[*?[]", word)]
        if not patterns:
            return lambda row: row[position] in exact
        match = re.compile("|".join(translate(re.sub(r"\*+", "*", word)) for word in patterns)).match
        return _remembered(position, lambda text: text in exact or match(text))

    return term


def _state(operand: str) -> Predicate:
    wanted_states, wanted_results = state_masks(operand)
    state, result = _AT["state"], _AT["result"]
    return lambda row: row[state] & wanted_states or (row[result] or 0) & wanted_results


def state_masks(text: str) -> tuple[int, int]:
    """Masks of the states and results that ``run,failed`` names. Raises FormatError."""
    wanted_states = wanted_results = 0
    for word in _words(text):
        try:
            wanted_states |= states.parse_state(word)
        except FormatError:
            try:
                wanted_results |= states.parse_result(word)
            except FormatError:
                raise FormatError(
                    f"'{word[:40]}' is neither a state nor a result; there are pending, running, inactive, "
                    "depend, priority, sched, run, cleanup, completed, failed, canceled, timeout"
                ) from None
    return wanted_states, wanted_results


def _user(operand: str) -> Predicate:
    wanted = set()
    for word in _words(operand):
        if _UIDS.fullmatch(word):
            wanted.add(int(word))
            continue
        try:
            wanted.add(pwd.getpwnam(word).pw_uid)
        except (KeyError, ValueError):
            raise FormatError(f"there is no user '{word[:40]}'") from None
    position = _AT["userid"]
    return lambda row: row[position] in wanted


def _id(operand: str) -> Predicate:
    wanted = {fluid.parse(word) for word in _words(operand)}
    return lambda row: row[0] in wanted


def _listed(operator: str) -> Callable[[str], Predicate]:
    """Sets of hosts and ranks, as in RFC 43."""
    return lambda operand: compile_constraint({operator: [operand]}, Context()).matches


def _compared(text: str) -> tuple[Callable[[Any, Any], bool], str]:
    return next((compare, text[len(sign) :].strip()) for sign, compare in _COMPARE if text.startswith(sign))


def _measure(get: Callable[[Row], Any], parse: Callable[[str], float]) -> Callable[[str], Predicate]:
    """Comparisons with a number: ``>4``, ``!=0``, ``16``. What has none does not match."""

    def term(operand: str) -> Predicate:
        compare, text = _compared(operand)
        limit = parse(text)

        def predicate(row: Row) -> bool:
            value = get(row)
            return value is not None and compare(value, limit)

        return predicate

    return term


def _number(text: str) -> float:
    try:
        value = float(text) if re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", text) else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FormatError(f"'{text[:40]}' is no number: it takes for example 4, >=4 or !=0")
    return value


def _seconds(text: str) -> float:
    try:
        return fsd.parse(text)
    except FormatError:
        raise FormatError(f"'{text[:40]}' is no duration: it takes for example >1h or <=90s") from None


def _moment(text: str) -> float:
    """UNIX time, a date with or without time and zone, or a duration ago such as ``-2h``."""
    try:
        if text.startswith("-"):
            return time.time() - fsd.parse(text[1:])
        return datetime.fromisoformat(text).timestamp() if re.match("[0-9]{4}-", text) else _number(text)
    except (FormatError, ValueError, OverflowError, OSError):
        raise FormatError(
            f"'{text[:40]}' is no time: it takes for example >2026-01-31T08:00, <1700000000 or >-2h"
        ) from None


def _success(operand: str) -> Predicate:
    if operand not in ("true", "false"):
        raise FormatError(f"'{operand[:40]}' is neither true nor false")
    wanted, position = operand == "true", _AT["success"]
    return lambda row: row[position] is wanted


def _within(name: str) -> Callable[[str], Predicate]:
    """Text somewhere in a value."""
    position = _AT[name]

    def term(operand: str) -> Predicate:
        needle = operand.casefold()
        return lambda row: row[position] is not None and needle in row[position].casefold()

    return term


_SEARCHED = [_AT[name] for name in ("name", "nodelist", "queue", "project", "bank", "exception_note")]


def _search(operand: str) -> Predicate:
    """Text in what a listing shows: id, name, user, hosts, queue, project, bank, exception."""
    needle = operand.casefold()
    users: dict[int, bool] = {}
    userid = _AT["userid"]

    def predicate(row: Row) -> bool:
        for position in _SEARCHED:
            text = row[position]
            if text is not None and needle in text.casefold():
                return True
        uid = row[userid]
        if uid not in users:
            users[uid] = needle in get_username(uid).casefold()
        return users[uid] or needle in str(row[0]) or needle in fluid.encode(row[0], "f58").casefold()

    return predicate


def _at(name: str) -> Callable[[Row], Any]:
    position = _AT[name]
    return lambda row: row[position]


def _runtime(row: Row) -> float | None:
    begin, end = row[_AT["t_run"]], row[_AT["t_cleanup"]]
    return (end or time.time()) - begin if begin else None


_TIMES = [name for name in _AT if name.startswith("t_")]
#: Attribute to what makes its predicate of an operand. Raises FormatError.
TERMS: dict[str, Callable[[str], Predicate]] = {
    "search": _search,
    "state": _state,
    "user": _user,
    "id": _id,
    "host": _listed("hostlist"),
    "ranks": _listed("ranks"),
    **{name: _text(name) for name in ("name", "queue", "project", "bank", "cwd")},
    "exception": _text("exception_type"),
    **{
        name: _measure(_at(name), _number)
        for name in ("urgency", "priority", "ntasks", "ncores", "nnodes", "waitstatus")
    },
    "returncode": _measure(returncode, _number),
    "duration": _measure(_at("duration"), _seconds),
    "runtime": _measure(_runtime, _seconds),
    **{name: _measure(_at(name), _moment) for name in (*_TIMES, "expiration")},
    "success": _success,
    "dependency": _within("dependencies"),
    "annotations": _within("annotations"),
}


def all_of(predicates: Iterable[Predicate]) -> Predicate:
    """What holds when all of them do."""
    parts = list(predicates)
    if len(parts) == 1:
        return parts[0]
    return lambda row: all(part(row) for part in parts)
