# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 43: constraints on listed jobs, in the object form of RFC 31.

:func:`compile_constraint` turns ``{"and": [{"userid": [42]}, {"t_run": [">=1.5"]}]}`` into a
:class:`JobConstraint`: a predicate on rows, and two masks of job states. ``may`` holds the states whose
jobs can match at all, so that whole parts of the index are skipped; ``must`` those whose jobs all match,
which is what the mask of a negation is computed from. The error texts are those of flux-core, which
programs show.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache, partial
from operator import ge, gt, le, lt
from typing import Any

from rosin.constants import (
    FLUX_JOB_STATE_CLEANUP,
    FLUX_JOB_STATE_DEPEND,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_PRIORITY,
    FLUX_JOB_STATE_RUN,
    FLUX_USERID_UNKNOWN,
)
from rosin.errors import FormatError
from rosin.job.table.attributes import POSITION, RESULT, STATE, USERID, Row
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import decode_ranges
from rosin.rfc.idset.text import merge_ranges
from rosin.rfc.states import RESULTS, parse_result, parse_state

Predicate = Callable[[Row], Any]

ALL_STATES = 2 * FLUX_JOB_STATE_INACTIVE - 1
_MIN_HOSTS = 1024
#: Times the limit of hosts that all operators of a constraint may name together.
_OPERATORS = 4
#: Efforts in comparisons of numbers; reading a list of hosts or ranks is much of it.
_HOSTS_WEIGHT, _RANKS_WEIGHT = 100, 20
_MAX_DEPTH = 64


def _from(state: int) -> int:
    """The mask of this state and all later ones."""
    return ALL_STATES & ~(state - 1)


#: First state in which a job can have each time. SCHED may fall back to PRIORITY and keep its time.
_TIMES = {
    "t_submit": _from(1),
    "t_depend": _from(FLUX_JOB_STATE_DEPEND),
    "t_priority": _from(FLUX_JOB_STATE_PRIORITY),
    "t_sched": _from(FLUX_JOB_STATE_PRIORITY),
    "t_run": _from(FLUX_JOB_STATE_RUN),
    "t_cleanup": _from(FLUX_JOB_STATE_CLEANUP),
    "t_inactive": FLUX_JOB_STATE_INACTIVE,
}
_COMPARE = ((">=", ge), ("<=", le), (">", gt), ("<", lt))


class JobConstraint:
    """A compiled constraint; ``cost`` is the number of comparisons per job in the worst case.

    ``weight`` is their effort: what is the time of many numbers' comparison counts as many.
    """

    __slots__ = ("cost", "matches", "may", "must", "weight")

    def __init__(
        self, matches: Predicate, may: int = ALL_STATES, must: int = 0, cost: int = 1, weight: int = 1
    ) -> None:
        self.matches = matches
        self.may = may
        self.must = must
        self.cost = cost
        self.weight = weight


class Context:
    """What constraints depend on besides the request: virtual queues and the instance's size."""

    __slots__ = ("_named", "max_hosts", "parents")

    def __init__(self, size: int = 1, parents: dict[str, str] | None = None) -> None:
        self.max_hosts = max(size, _MIN_HOSTS)
        self.parents = parents or {}
        self._named = 0

    def begin(self) -> None:
        """Another request begins: no hosts are named yet."""
        self._named = 0

    def name_hosts(self, count: int) -> None:
        """Take note of so many more hosts. Raises FormatError for too many, at once or in all."""
        self._named += count
        if count > self.max_hosts or self._named > _OPERATORS * self.max_hosts:
            raise FormatError("too many hosts specified")


def _anything(row: Row) -> bool:
    return True


def _strings(op: str, values: list[Any], what: str) -> list[str]:
    for value in values:
        if not isinstance(value, str):
            raise FormatError(f"{what} value must be a string")
    return values


def _userid(op: str, values: list[Any], context: Context) -> JobConstraint:
    for value in values:
        if type(value) is not int:
            raise FormatError("userid value must be an integer")
    wanted = {value & FLUX_USERID_UNKNOWN for value in values}
    if FLUX_USERID_UNKNOWN in wanted:
        return JobConstraint(_anything)
    return JobConstraint(lambda row: row[USERID] in wanted)


def _name(op: str, values: list[Any], context: Context) -> JobConstraint:
    wanted = set(_strings(op, values, "name"))
    position = POSITION["name"]
    return JobConstraint(lambda row: row[position] in wanted)


def _queue(op: str, values: list[Any], context: Context) -> JobConstraint:
    """A queue's name also stands for the virtual queues below it (RFC 33)."""
    wanted = set(_strings(op, values, "queue"))
    wanted |= {name for name, parent in context.parents.items() if parent in wanted}
    position = POSITION["queue"]
    return JobConstraint(lambda row: row[position] in wanted)


def _mask(op: str, values: list[Any], parse: Callable[[str], int], valid: int) -> int:
    mask = 0
    for value in values:
        if isinstance(value, str):
            try:
                mask |= parse(value)
            except FormatError:
                raise FormatError(f"invalid {op} value '{value}' specified") from None
        elif type(value) is not int:
            raise FormatError(f"{op} value invalid type")
        elif value & ~valid:
            raise FormatError(f"invalid {op} value '{value & 0xFFFFFFFF:X}h' specified")
        else:
            mask |= value
    return mask


def _states(op: str, values: list[Any], context: Context) -> JobConstraint:
    mask = _mask(op, values, parse_state, ALL_STATES)
    return JobConstraint(lambda row: row[STATE] & mask, mask, mask)


def _results(op: str, values: list[Any], context: Context) -> JobConstraint:
    mask = _mask(op, values, parse_result, sum(RESULTS))
    return JobConstraint(lambda row: (row[RESULT] or 0) & mask, FLUX_JOB_STATE_INACTIVE)


def _remembered(position: int, matches: Callable[[str], bool]) -> Predicate:
    """Many jobs ran in the same place: each distinct text is looked at once."""
    known: dict[str | None, bool] = {None: False}

    def predicate(row: Row) -> bool:
        text = row[position]
        answer = known.get(text)
        if answer is None:
            answer = known[text] = matches(text)
        return answer

    return predicate


def _hostlist(op: str, values: list[Any], context: Context) -> JobConstraint:
    text = ",".join(_strings(op, values, "host"))
    try:
        wanted = Hostlist(text)
    except FormatError:
        raise FormatError("host value not in valid Hostlist format") from None
    context.name_hosts(len(wanted))
    hosts = frozenset(wanted)
    matches = _remembered(POSITION["nodelist"], lambda text: not hosts.isdisjoint(_hosts_of(text)))
    return JobConstraint(matches, _from(FLUX_JOB_STATE_RUN), weight=_HOSTS_WEIGHT)


@lru_cache(maxsize=16)
def _hosts_of(text: str) -> frozenset[str]:
    """The hosts of a job; all operators of a constraint ask for those of one job, then of the next."""
    return frozenset(Hostlist(text))


def _ranks(op: str, values: list[Any], context: Context) -> JobConstraint:
    ranges: list[tuple[int, int]] = []
    for value in _strings(op, values, "ranks"):
        try:
            ranges += decode_ranges(value)
        except FormatError as error:
            raise FormatError(f"ranks value '{value[:80]}': {error}") from None
    ranges = merge_ranges(ranges)
    if sum(high - low + 1 for low, high in ranges) > context.max_hosts:
        raise FormatError("too many ranks specified")

    lows, highs = [low for low, _ in ranges], [high for _, high in ranges]

    def within(text: str) -> bool:
        for low, high in decode_ranges(text):
            nearest = bisect_right(lows, high)  # behind the last range that begins in or before this one
            if nearest and highs[nearest - 1] >= low:
                return True
        return False

    matches = _remembered(POSITION["ranks"], within)
    return JobConstraint(matches, _from(FLUX_JOB_STATE_RUN), weight=_RANKS_WEIGHT)


def _time(op: str, values: list[Any], context: Context) -> JobConstraint:
    if not values:
        raise FormatError("timestamp value not specified")
    text = values[0]
    if not isinstance(text, str):
        raise FormatError(f"{op} value must be a string")
    sign, compare = next((pair for pair in _COMPARE if text.startswith(pair[0])), ("", ge))
    if not sign:
        raise FormatError("timestamp comparison operator not specified")
    try:
        limit = float(text[len(sign) :])
    except ValueError:
        raise FormatError("Invalid timestamp value specified") from None
    if not limit >= 0.0:
        raise FormatError("timestamp value must be >= 0.0")
    position = POSITION[op]
    return JobConstraint(lambda row: row[position] is not None and compare(row[position], limit), _TIMES[op])


def _parts(values: list[Any], context: Context, depth: int) -> list[JobConstraint]:
    return [_compile(value, context, depth + 1) for value in values]


def _every(predicates: list[Predicate], row: Row) -> bool:
    return all(predicate(row) for predicate in predicates)


def _some(predicates: list[Predicate], row: Row) -> bool:
    return any(predicate(row) for predicate in predicates)


def _and(values: list[Any], context: Context, depth: int) -> JobConstraint:
    parts = _parts(values, context, depth)
    may = must = ALL_STATES
    for part in parts:
        may &= part.may
        must &= part.must
    # What always holds in the states that are looked at need not be asked of each job.
    asked = [part.matches for part in parts if part.must & may != may]
    if not asked:
        matches: Predicate = _anything
    elif len(asked) == 1:
        matches = asked[0]
    else:
        matches = partial(_every, asked)
    if len(asked) < len(parts) and may != ALL_STATES:
        matches = _within(may, matches)
    return JobConstraint(matches, may, must, sum(part.cost for part in parts) or 1, _weight(parts))


def _weight(parts: list[JobConstraint]) -> int:
    return 1 + sum(part.weight for part in parts)


def _within(states: int, matches: Predicate) -> Predicate:
    if matches is _anything:
        return lambda row: row[STATE] & states
    return lambda row: row[STATE] & states and matches(row)


def _or(values: list[Any], context: Context, depth: int) -> JobConstraint:
    parts = _parts(values, context, depth)
    if not parts:
        return JobConstraint(_anything, ALL_STATES, ALL_STATES)
    may = must = 0
    for part in parts:
        may |= part.may
        must |= part.must
    predicates = [part.matches for part in parts]
    cost = sum(part.cost for part in parts)
    return JobConstraint(partial(_some, predicates), may, must, cost, _weight(parts))


def _not(values: list[Any], context: Context, depth: int) -> JobConstraint:
    inner = _and(values, context, depth)
    matches = inner.matches
    may, must = ALL_STATES & ~inner.must, ALL_STATES & ~inner.may
    return JobConstraint(lambda row: not matches(row), may, must, inner.cost, inner.weight + 1)


_LEAVES: dict[str, Callable[[str, list[Any], Context], JobConstraint]] = {
    "userid": _userid,
    "name": _name,
    "queue": _queue,
    "states": _states,
    "results": _results,
    "hostlist": _hostlist,
    "ranks": _ranks,
    **dict.fromkeys(_TIMES, _time),
}
_BRANCHES = {"and": _and, "or": _or, "not": _not}


def _compile(constraint: Any, context: Context, depth: int) -> JobConstraint:
    if not isinstance(constraint, dict):
        raise FormatError("constraint must be JSON object")
    if len(constraint) > 1:
        raise FormatError("constraint must only contain 1 element")
    if depth > _MAX_DEPTH:
        raise FormatError(f"constraint is nested more than {_MAX_DEPTH} deep")
    for op, values in constraint.items():
        if not isinstance(values, list):
            raise FormatError(f"operator {op} values not an array")
        if op in _BRANCHES:
            return _BRANCHES[op](values, context, depth)
        if op in _LEAVES:
            return _LEAVES[op](op, values, context)
        raise FormatError(f"unknown constraint operator: {op}")
    return JobConstraint(_anything, ALL_STATES, ALL_STATES)


def compile_constraint(constraint: Any, context: Context) -> JobConstraint:
    """Compile the constraint object of a request; ``{}`` matches every job. Raises FormatError."""
    context.begin()
    return _compile(constraint, context, 0)


def legacy_constraint(args: dict[str, Any]) -> dict[str, Any]:
    """The constraint that the fields of the oldest requests stand for, ``{}`` if the request is not one."""
    userid, states, results = args.get("userid"), args.get("states"), args.get("results")
    if type(userid) is not int or type(states) is not int or type(results) is not int:
        return {}
    parts: list[dict[str, Any]] = []
    if userid & FLUX_USERID_UNKNOWN != FLUX_USERID_UNKNOWN:
        parts.append({"userid": [userid]})
    parts += [{key: [args[key]]} for key in ("name", "queue") if args.get(key) is not None]
    parts += [{key: [args[key]]} for key in ("states", "results") if args[key]]
    return {"and": parts}
