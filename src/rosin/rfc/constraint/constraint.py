# SPDX-License-Identifier: LGPL-3.0-or-later
"""Job constraints (RFC 31): which ranks of a resource set a job may use.

``compile`` checks a constraint once and returns a :class:`Constraint` that matches one node or a whole
:class:`~rosin.rfc.rset.ResourceSet`, the latter with one integer operation per term.

Empty lists: ``and`` and ``or`` match anything, ``not`` nothing (RFC 31); ``properties`` matches anything,
``hostlist`` and ``ranks`` nothing. ``not`` negates the ``and`` of its values, as RFC 43 has it. Where the
RFC is silent this follows flux-core: an unknown operator, or more than one operator in an object, is an
error. The texts of errors are flux-core's too; one in a nested constraint has its place before it,
``and[0].not[1]: ...``.

Sets of hosts and ranks stay as short as they were written, whatever they stand for.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter

from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset, decode_ranges, mask_of_ranges
from rosin.rfc.idset.text import merge_ranges
from rosin.rfc.payload import describe
from rosin.rfc.rset.format import ILLEGAL_IN_PROPERTY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from typing import Any, TypeVar

    from rosin.rfc.rset import ResourceSet

    R = TypeVar("R", bound=ResourceSet)

#: Constraints within constraints.
MAX_DEPTH = 64

OPERATORS = ("properties", "hostlist", "ranks", "and", "or", "not")


class Constraint:
    """A checked constraint; make one with :func:`compile`."""

    __slots__ = ("_root", "source")

    def __init__(self, source: Any, root: _Term) -> None:
        #: The RFC 31 object that it was made from.
        self.source = source
        self._root = root

    def match(self, rank: int, host: str, properties: Container[str]) -> bool:
        """Tell whether a node with this rank, host name and properties matches."""
        return self._root.match(rank, host, properties)

    def match_ranks(self, rset: ResourceSet) -> Idset:
        """Return the ranks of a resource set that match."""
        return Idset.from_mask(self._root.ranks(_View(rset)))


def compile(constraint: Any) -> Constraint:
    """Check an RFC 31 constraint object. Raises FormatError that says what is wrong."""
    return Constraint(constraint, _compile(constraint, 0))


def validate(constraint: Any) -> None:
    """Raise FormatError unless ``constraint`` is an RFC 31 constraint that this module can match."""
    _compile(constraint, 0)


def copy_constraint(rset: R, constraint: Any) -> R:
    """Return a copy of the ranks of ``rset`` that match a constraint object or :class:`Constraint`."""
    checked = constraint if isinstance(constraint, Constraint) else compile(constraint)
    return rset.copy_ranks(checked.match_ranks(rset))


class _Nested(FormatError):
    """What is wrong with a constraint within another one."""

    def __init__(self, step: str, fault: FormatError) -> None:
        self.path: str = f"{step}.{fault.path}" if isinstance(fault, _Nested) else step
        self.text: str = fault.text if isinstance(fault, _Nested) else str(fault)
        super().__init__(f"{self.path}: {self.text}")


class _View:
    """A resource set with what several terms need of it, computed once."""

    __slots__ = ("_by_host", "all", "rset")

    def __init__(self, rset: ResourceSet) -> None:
        self.rset = rset
        self.all = rset.ranks().mask
        self._by_host: dict[str, list[int]] | None = None

    def by_host(self) -> dict[str, list[int]]:
        if self._by_host is None:
            self._by_host = {}
            for rank in self.rset:
                self._by_host.setdefault(self.rset.host(rank), []).append(rank)
        return self._by_host


class _Term:
    __slots__ = ()

    def match(self, rank: int, host: str, properties: Container[str]) -> bool:
        raise NotImplementedError

    def ranks(self, view: _View) -> int:
        """Return the mask of the matching ranks, always within ``view.all``."""
        raise NotImplementedError


class _Properties(_Term):
    __slots__ = ("excluded", "required")

    def __init__(self, values: list[Any]) -> None:
        names = [_property(value) for value in values]
        self.required = [name for name in names if not name.startswith("^")]
        self.excluded = [name[1:] for name in names if name.startswith("^")]

    def match(self, rank: int, host: str, properties: Container[str]) -> bool:
        return all(name in properties for name in self.required) and not any(
            name in properties for name in self.excluded
        )

    def ranks(self, view: _View) -> int:
        mask = view.all
        for name in self.required:
            mask &= view.rset.property_ranks(name).mask
        for name in self.excluded:
            mask &= ~view.rset.property_ranks(name).mask
        return mask


class _Hosts(_Term):
    __slots__ = ("hosts",)

    def __init__(self, values: list[Any]) -> None:
        self.hosts = Hostlist()
        for value in values:
            _parsed("hostlist", value, self.hosts.append)

    def match(self, rank: int, host: str, properties: Container[str]) -> bool:
        return self.hosts.find(host) >= 0

    def ranks(self, view: _View) -> int:
        by_host = view.by_host()
        # Names are cheaper to make than to find, unless they are many more than there are nodes.
        if self.hosts.count() <= 4 * len(by_host):
            found = {host for host in self.hosts if host in by_host}
        else:
            found = {host for host in by_host if self.hosts.find(host) >= 0}
        return Idset(rank for host in found for rank in by_host[host]).mask


class _Ranks(_Term):
    __slots__ = ("_ranges",)

    def __init__(self, values: list[Any]) -> None:
        ranges: list[tuple[int, int]] = []
        for value in values:
            ranges += _parsed("idset", value, decode_ranges)
        self._ranges = merge_ranges(ranges)

    def match(self, rank: int, host: str, properties: Container[str]) -> bool:
        at = bisect_right(self._ranges, rank, key=itemgetter(0)) - 1
        return at >= 0 and rank <= self._ranges[at][1]

    def ranks(self, view: _View) -> int:
        top = view.all.bit_length()
        within = [(low, min(high, top)) for low, high in self._ranges if low < top]
        return view.all & mask_of_ranges(within)


class _And(_Term):
    __slots__ = ("terms",)

    def __init__(self, terms: list[_Term]) -> None:
        self.terms = terms

    def match(self, rank: int, host: str, properties: Container[str]) -> bool:
        return all(term.match(rank, host, properties) for term in self.terms)

    def ranks(self, view: _View) -> int:
        mask = view.all
        for term in self.terms:
            mask &= term.ranks(view)
        return mask


class _Or(_And):
    __slots__ = ()

    def match(self, rank: int, host: str, properties: Container[str]) -> bool:
        return not self.terms or any(term.match(rank, host, properties) for term in self.terms)

    def ranks(self, view: _View) -> int:
        mask = 0 if self.terms else view.all
        for term in self.terms:
            mask |= term.ranks(view)
        return mask


class _Not(_And):
    __slots__ = ()

    def match(self, rank: int, host: str, properties: Container[str]) -> bool:
        return not super().match(rank, host, properties)

    def ranks(self, view: _View) -> int:
        return view.all & ~super().ranks(view)


def _compile(constraint: Any, depth: int) -> _Term:
    if not isinstance(constraint, dict):
        raise FormatError("constraint must be JSON object")
    if not constraint:
        return _And([])
    if len(constraint) > 1:
        raise FormatError("constraint must only contain 1 element")
    if depth > MAX_DEPTH:
        raise FormatError(f"constraint nested deeper than {MAX_DEPTH} levels")
    ((operator, values),) = constraint.items()
    if operator not in OPERATORS:
        raise FormatError(f"unknown constraint operator: {operator[:80]}")
    if not isinstance(values, list):
        raise FormatError(f"{operator} operator value must be an array")
    if operator == "properties":
        return _Properties(values)
    if operator == "hostlist":
        return _Hosts(values)
    if operator == "ranks":
        return _Ranks(values)
    terms: list[_Term] = []
    for index, value in enumerate(values):
        try:
            terms.append(_compile(value, depth + 1))
        except FormatError as fault:
            raise _Nested(f"{operator}[{index}]", fault) from None
    return _And(terms) if operator == "and" else _Or(terms) if operator == "or" else _Not(terms)


def _property(value: Any) -> str:
    if not isinstance(value, str):
        raise FormatError("non-string property specified")
    name = value.removeprefix("^")
    if not name:
        raise FormatError("empty property specified")
    for character in name:
        if character in ILLEGAL_IN_PROPERTY:
            raise FormatError(f"invalid character '{character}' in property \"{value[:80]}\"")
    return value


def _parsed(what: str, value: Any, parse: Callable[[str], Any]) -> Any:
    if not isinstance(value, str):
        raise FormatError(f"invalid {what}: {describe(value)} is not a string")
    try:
        return parse(value)
    except FormatError as error:
        raise FormatError(f"invalid {what} '{value[:80]}': {error}") from None
