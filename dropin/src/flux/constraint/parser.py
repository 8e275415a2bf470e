# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.constraint.parser: the query language of ``--requires`` as RFC 31 objects."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from flux._generator import GeneratedParser
from rosin.errors import FormatError
from rosin.rfc.constraint.query import parse

__all__ = ["ConstraintParser", "ConstraintSyntaxError"]


class ConstraintSyntaxError(FormatError):
    """A text is no query."""


class ConstraintParser(GeneratedParser):
    """Parses queries; a subclass says which operators its language has.

    ``operator_map``: short names to operators, the key None for bare terms. ``split_values``: operators
    whose operand is several values, with what separates them. ``combined_terms``: operators whose
    neighbours become one.
    """

    operator_map: ClassVar[Mapping[str | None, str]] = {}
    split_values: ClassVar[Mapping[str, str]] = {}
    combined_terms: ClassVar[Collection[str]] = ()

    def parse(self, query: str, **kw_args: Any) -> dict[str, Any]:
        """The RFC 31 object of a query. Raises ConstraintSyntaxError, a ValueError."""
        try:
            return parse(query, self.operator_map, self.split_values, self.combined_terms)
        except FormatError as exc:
            raise ConstraintSyntaxError(str(exc)) from None
