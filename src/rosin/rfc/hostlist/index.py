# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where each host of a long list (RFC 29) comes first, found in logarithmic time without expanding it."""

from __future__ import annotations

from bisect import bisect_right
from heapq import heappop, heappush
from itertools import pairwise

from rosin.rfc.hostlist.runs import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.rfc.hostlist.runs import Runs

    # Low ends, high ends and what to add to a number to get its position.
    Segments = tuple[list[int], list[int], list[int]]


class Index:
    """Looks up positions in ``runs``, which must not change."""

    __slots__ = ("_names", "_segments", "_singles")

    def __init__(self, runs: Runs) -> None:
        self._names: dict[str, int] = {}
        self._singles: dict[tuple[str, int], dict[int, int]] = {}
        self._segments: dict[tuple[str, int], Segments] = {}
        ranges: dict[tuple[str, int], list[tuple[int, int, int]]] = {}
        start = 0
        key = ("", -1)
        singles: dict[int, int] = {}
        for prefix, low, high, width in runs:
            if low < 0:
                self._names.setdefault(prefix, start)
            elif low == high:
                if key[1] != width or key[0] != prefix:
                    key = (prefix, width)
                    singles = self._singles.setdefault(key, {})
                singles.setdefault(low, start)
            elif width and high >= 10 ** (width - 1):
                border = 10 ** (width - 1)
                ranges.setdefault((prefix, width), []).append((low, border - 1, start))
                ranges.setdefault((prefix, 0), []).append((border, high, start + border - low))
            else:
                ranges.setdefault((prefix, width), []).append((low, high, start))
            start += high - low + 1
        for key, found in ranges.items():
            self._segments[key] = _segments(found)

    def find(self, host: str) -> int:
        """Return the position of the first ``host``, or -1."""
        prefix, number, length = split(host)
        if number < 0:
            return self._names.get(prefix, -1)
        key = (prefix, length if length > len(str(number)) else 0)
        singles = self._singles.get(key)
        found = singles.get(number, -1) if singles else -1
        segments = self._segments.get(key)
        if segments:
            lows, highs, offsets = segments
            at = bisect_right(lows, number) - 1
            if at >= 0 and number <= highs[at] and not 0 <= found < number + offsets[at]:
                found = number + offsets[at]
        return found


def _segments(ranges: list[tuple[int, int, int]]) -> Segments:
    """Cut ranges ``(low, high, position)`` where they overlap; the lowest position wins in each piece."""
    lows: list[int] = []
    highs: list[int] = []
    offsets: list[int] = []
    edges = sorted({low for low, _, _ in ranges} | {high + 1 for _, high, _ in ranges})
    ranges = sorted(ranges)
    # Open ranges by position of their first host; those that ended are dropped when they come up.
    open_ranges: list[tuple[int, int, int]] = []
    at = 0
    for edge, following in pairwise(edges):
        while at < len(ranges) and ranges[at][0] <= edge:
            low, high, position = ranges[at]
            # Of two ranges with one number, the one that comes first in the list has it first.
            heappush(open_ranges, (position, low, high))
            at += 1
        while open_ranges and open_ranges[0][2] < edge:
            heappop(open_ranges)
        if open_ranges:
            position, low, _ = open_ranges[0]
            lows.append(edge)
            highs.append(following - 1)
            offsets.append(position - low)
    return lows, highs, offsets
