# SPDX-License-Identifier: LGPL-3.0-or-later
"""Tables for notebooks: what ``_repr_html_`` gives."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Characters of a cell; the rest is in the object itself.
_WIDTH = 120


def escaped(text: str) -> str:
    """Text that is nothing but text: names of jobs are what their users have made of them."""
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;")):
        text = text.replace(char, entity)
    return text


def table(columns: Sequence[str], rows: Iterable[Iterable[object]], caption: str = "") -> str:
    """A table; None is an empty cell."""
    head = "".join(f"<th>{escaped(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    title = f"<caption>{escaped(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"<td>{escaped(text if len(text) <= _WIDTH else text[: _WIDTH - 1] + '…')}</td>"
