# SPDX-License-Identifier: LGPL-3.0-or-later
"""Host lists as text (RFC 29): neighbours of one prefix are joined in brackets.

A long list is written by one ``%`` with a format that is put together from a piece for each run.
"""

from __future__ import annotations

from itertools import compress
from operator import ne

from rosin.rfc.hostlist.runs import NAME, changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rosin.rfc.hostlist.runs import Runs

# What is told of a run by the bits of one byte; its width stands above them.
_FIRST, _LAST, _RANGE, _WIDTH = 1, 2, 4, 8


class _Formats(dict[int, str]):
    """How a run is written, by its byte; made when first asked for."""

    def __missing__(self, kind: int) -> str:
        width, bits = divmod(kind, _WIDTH)
        number = f"%0{width}d" if width else "%d"
        if bits & _RANGE:
            number = f"{number}-{number}"
        opening = "%s[" if bits & _FIRST else ""
        closing = "]" if bits & _LAST else ""
        if width == NAME:
            text = "%s,"
        elif bits == _FIRST | _LAST:
            text = f"%s{number},"
        else:
            text = f"{opening}{number}{closing},"
        self[kind] = text
        return text


_FORMATS = _Formats()
_NUMBERED = bytes(width != NAME for width in range(256))


def encode(runs: Runs) -> str:
    """Return RFC 29 text."""
    prefixes, lows, highs, widths = runs.prefixes, runs.lows, runs.highs, runs.widths
    count = len(lows)
    if count == 1 and not widths[0]:
        return f"{prefixes[0]}{lows[0]}" if lows == highs else f"{prefixes[0]}[{lows[0]}-{highs[0]}]"
    single = lows == highs
    if single and count and not any(widths) and runs.alike():
        return f"{prefixes[0]}[{('%d,' * count)[:-1] % tuple(lows)}]"
    if widths.count(NAME) == count:
        return ",".join(prefixes)
    first = _first(runs)
    ranges = bytes(count) if single else bytes(map(ne, lows, highs))
    last = first[1:] + b"\1"
    kinds = (
        int.from_bytes(first) * _FIRST
        + int.from_bytes(last) * _LAST
        + int.from_bytes(ranges) * _RANGE
        + int.from_bytes(widths) * _WIDTH
    )
    text = "".join(map(_FORMATS.__getitem__, kinds.to_bytes(count)))
    columns: list[tuple[list[Any], bytes | bytearray]] = [
        (prefixes, first),
        (lows, widths.translate(_NUMBERED)),
    ]
    if not single:
        columns.append((highs, ranges))
    step = len(columns)
    values, chosen = [None] * (step * count), bytearray(step * count)
    for at, (column, flags) in enumerate(columns):
        values[at::step], chosen[at::step] = column, flags
    return (text % tuple(compress(values, chosen)))[:-1]


def _first(runs: Runs) -> bytes:
    """Return flags of the runs that stand first in their bracket, or alone.

    An id with fewer digits than the first id of a bracket, if that has leading zeros, begins a new one:
    by the letter of the RFC it would inherit the zeros.
    """
    same = runs.alike()
    flags = b"\1" + bytes(len(runs) - 1) if same else changes(runs.prefixes)
    if not any(runs.widths):
        return flags
    first = bytearray(flags)
    opened, border = NAME, 0
    for at, (low, width) in enumerate(zip(runs.lows, runs.widths, strict=True)):
        if first[at] or width == NAME or opened == NAME or (low < border and width != opened):
            first[at] = 1
            opened, border = width, 10 ** (width - 1) if 0 < width < NAME else 0
    return bytes(first)
