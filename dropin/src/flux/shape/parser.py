# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.shape.parser: the resources of a jobspec as one line (RFC 46)."""

from __future__ import annotations

from typing import Any

from flux._generator import GeneratedParser
from rosin.errors import FormatError
from rosin.rfc.shape import parse

__all__ = ["ShapeParser", "ShapeSyntaxError"]


class ShapeSyntaxError(FormatError):
    """A text is no shape."""


class ShapeParser(GeneratedParser):
    """Parses shapes.

    ``default_slot_label``: the label of a single slot without one. ``range_as_dict``: a range of counts
    becomes an object instead of the text that it is.
    """

    default_slot_label = "task"
    range_as_dict = False

    def parse(self, query: str, **kw_args: Any) -> list[dict[str, Any]]:
        """The ``resources`` of a shape. Raises ShapeSyntaxError, a ValueError."""
        try:
            return parse(query, self.default_slot_label, range_strings=not self.range_as_dict)
        except FormatError as exc:
            raise ShapeSyntaxError(str(exc)) from None
