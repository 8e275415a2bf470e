# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 31 constraints over all nodes at once: a constraint is a set of nodes, an operator a set operation.

Results are remembered until a property changes: the constraint of a queue or of a batch of jobs is worked
out once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.rset_format import check_property

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_KNOWN = 1024
_MAX_DEPTH = 64


class Eligible:
    """Maps constraints to masks of nodes.

    Args:
        ranks: rank of each node.
        hosts: host of each node.
        properties: property -> mask of nodes; read at each call.
    """

    def __init__(self, ranks: list[int], hosts: list[str], properties: Mapping[str, int]) -> None:
        self._properties = properties
        self._all = (1 << len(ranks)) - 1
        self._by_rank = {rank: i for i, rank in enumerate(ranks)}
        self._by_host: dict[str, int] = {}
        for i, host in enumerate(hosts):
            self._by_host[host] = self._by_host.get(host, 0) | 1 << i
        self._known: dict[bytes, int] = {}

    def forget(self) -> None:
        """Drop remembered results: properties changed."""
        self._known.clear()

    def __call__(self, constraint: dict[str, Any]) -> int:
        """Return the mask of the nodes that meet a constraint. Raises FormatError."""
        key = _json.dumps_sorted(constraint)
        mask = self._known.get(key)
        if mask is None:
            mask = self._evaluate(constraint, 0)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[key] = mask
        return mask

    def _evaluate(self, constraint: Any, depth: int) -> int:
        if depth > _MAX_DEPTH:
            raise FormatError(f"constraint: nested deeper than {_MAX_DEPTH} levels")
        if not isinstance(constraint, dict) or len(constraint) > 1:
            raise FormatError("constraint: expected an object with one operator")
        if not constraint:
            return self._all
        ((operator, values),) = constraint.items()
        if not isinstance(values, list):
            raise FormatError(f"constraint: the value of '{operator}' must be an array")
        if operator in ("and", "or", "not"):
            return self._combine(operator, [self._evaluate(value, depth + 1) for value in values])
        if not all(isinstance(value, str) for value in values):
            raise FormatError(f"constraint: the values of '{operator}' must be strings")
        if operator == "properties":
            return self._with_properties(values)
        if operator == "ranks":
            found = [self._by_rank[r] for text in values for r in Idset(text) if r in self._by_rank]
            return Idset(found).mask
        if operator == "hostlist":
            mask = 0
            for text in values:
                for host in Hostlist(text):
                    mask |= self._by_host.get(host, 0)
            return mask
        raise FormatError(f"constraint: unknown operator '{operator}'")

    def _combine(self, operator: str, masks: list[int]) -> int:
        if operator == "or" and masks:  # RFC 31: an empty 'or' is true
            mask = 0
            for other in masks:
                mask |= other
            return mask
        mask = self._all
        for other in masks:
            mask &= other
        return self._all & ~mask if operator == "not" else mask

    def _with_properties(self, names: list[str]) -> int:
        """Return the nodes that have all of ``names``, or for ``^name`` do not have it."""
        mask = self._all
        for name in names:
            absent = name.startswith("^")
            check_property(name[1:] if absent else name)
            nodes = self._properties.get(name[1:] if absent else name, 0)
            mask &= ~nodes if absent else nodes
        return mask
