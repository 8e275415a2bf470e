# SPDX-License-Identifier: LGPL-3.0-or-later
"""Job constraints (RFC 31): which ranks of a resource set a job may use.

``compile`` checks a constraint once and returns a :class:`Constraint` that matches one node or a whole
:class:`~rosin.rfc.rset.ResourceSet`, the latter with one integer operation per term.

Empty lists: ``and`` and ``or`` match anything, ``not`` nothing (RFC 31); ``properties`` matches anything,
``hostlist`` and ``ranks`` nothing. ``not`` negates the ``and`` of its values, as RFC 43 has it. Where the
RFC is silent this follows flux-core: an unknown operator, or more than one operator in an object, is an
error.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.rset_format import ILLEGAL_IN_PROPERTY

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
        self.hosts: set[str] = set()
        for value in values:
            self.hosts.update(_parsed("hostlist", value, Hostlist))

    def match(self, rank: int, host: str, properties: Container[str]) -> bool:
        return host in self.hosts

    def ranks(self, view: _View) -> int:
        by_host = view.by_host()
        small, large = (by_host, self.hosts) if len(by_host) < len(self.hosts) else (self.hosts, by_host)
        return Idset(rank for host in small if host in large for rank in by_host[host]).mask


class _Ranks(_Term):
    __slots__ = ("mask",)

    def __init__(self, values: list[Any]) -> None:
        self.mask = 0
        for value in values:
            self.mask |= _parsed("idset", value, Idset).mask

    def match(self, rank: int, host: str, properties: Container[str]) -> bool:
        return bool(self.mask >> rank & 1)

    def ranks(self, view: _View) -> int:
        return view.all & self.mask


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
        raise FormatError(f"unknown constraint operator: {operator}")
    if not isinstance(values, list):
        raise FormatError(f"{operator} operator value must be an array")
    if operator == "properties":
        return _Properties(values)
    if operator == "hostlist":
        return _Hosts(values)
    if operator == "ranks":
        return _Ranks(values)
    terms = [_compile(value, depth + 1) for value in values]
    return _And(terms) if operator == "and" else _Or(terms) if operator == "or" else _Not(terms)


def _property(value: Any) -> str:
    if not isinstance(value, str):
        raise FormatError("non-string property specified")
    name = value.removeprefix("^")
    if not name:
        raise FormatError("empty property specified")
    for character in name:
        if character in ILLEGAL_IN_PROPERTY:
            raise FormatError(f"invalid character '{character}' in property \"{value}\"")
    return value


def _parsed(what: str, value: Any, parse: Callable[[str], Any]) -> Any:
    if not isinstance(value, str):
        raise FormatError(f"invalid {what}: {value!r} is not a string")
    try:
        return parse(value)
    except FormatError as error:
        raise FormatError(f"invalid {what} '{value[:80]}': {error}") from None
