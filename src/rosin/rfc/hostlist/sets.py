# SPDX-License-Identifier: LGPL-3.0-or-later
"""Sorting and set algebra of host lists (RFC 29), on ranges: a million hosts in one range are one pair.

Hosts are filed by prefix and by the width of their numbers: numbers with leading zeros under the digits
they have, all others under 0. Two hosts are the same when prefix, width and number are. Within a file,
ascending ranges that do not overlap are merged and compared as sorted lists of their ends.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import chain, compress, islice, repeat
from operator import lt

from rosin.rfc.hostlist.runs import MAX_DIGITS, NAME, Runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    #: Names without a number and how often they come; low and high ends of ranges by prefix and width.
    Ends = tuple[list[int], list[int]]


_BEYOND = 10**MAX_DIGITS  # above any number


class Multiset:
    """The hosts of a list without their order.

    Attributes:
        names: how often each name without a number comes.
        ranges: ``{prefix: {width: (low ends, high ends)}}``, in the order of the list until
            :meth:`arrange` sorts them.
    """

    __slots__ = ("names", "ranges")

    def __init__(self, runs: Runs | None = None) -> None:
        self.names: dict[str, int] = {}
        self.ranges: dict[str, dict[int, Ends]] = {}
        last_prefix, last_width = None, -1
        ends: Ends = ([], [])
        if runs is None:
            return
        if runs.alike() and not any(runs.widths):
            self.ranges[runs.prefixes[0]] = {0: (runs.lows, runs.highs)}
            return
        for prefix, low, high, width in runs:
            if low < 0:
                self.names[prefix] = self.names.get(prefix, 0) + 1
                continue
            if width and high >= 10 ** (width - 1):
                # 08-12: 08 and 09 have a leading zero, 10 to 12 are ordinary numbers.
                border = 10 ** (width - 1)
                self._add(prefix, 0, border, high)
                high = border - 1
                last_prefix = None
            if prefix != last_prefix or width != last_width:
                ends = self.ranges.setdefault(prefix, {}).setdefault(width, ([], []))
                last_prefix, last_width = prefix, width
            ends[0].append(low)
            ends[1].append(high)

    def _add(self, prefix: str, width: int, low: int, high: int) -> None:
        lows, highs = self.ranges.setdefault(prefix, {}).setdefault(width, ([], []))
        lows.append(low)
        highs.append(high)

    def arrange(self, unique: bool) -> bool:
        """Sort the ranges of each file so that none overlap; returns whether a host came twice.

        With ``unique`` hosts that came twice are kept once; else their files become single hosts.
        """
        repeated = any(count > 1 for count in self.names.values())
        if unique:
            self.names = dict.fromkeys(self.names, 1)
        for files in self.ranges.values():
            for width, ends in files.items():
                files[width], again = _arranged(ends, unique)
                repeated = repeated or again
        return repeated

    def runs(self) -> Runs:
        """The hosts of arranged files, sorted by prefix, by digits of the number and by the number."""
        out = Runs()
        for prefix in sorted(self.names.keys() | self.ranges.keys()):
            again = self.names.get(prefix, 0)
            out.extend([prefix] * again, [-1] * again, [-1] * again, bytes((NAME,)) * again)
            files = self.ranges.get(prefix)
            if files:
                _by_length(out, prefix, files)
        return out

    def count(self) -> int:
        """Return the number of hosts."""
        return sum(self.names.values()) + sum(
            sum(highs) - sum(lows) + len(lows)
            for files in self.ranges.values()
            for lows, highs in files.values()
        )


def combine(one: Multiset, other: Multiset, least: int, most: int) -> Multiset:
    """Return hosts that are in ``least`` to ``most`` of two arranged, unique files."""
    result = Multiset()
    for name in one.names.keys() | other.names.keys():
        if least <= (name in one.names) + (name in other.names) <= most:
            result.names[name] = 1
    none: Ends = ([], [])
    for prefix in one.ranges.keys() | other.ranges.keys():
        mine, theirs = one.ranges.get(prefix, {}), other.ranges.get(prefix, {})
        for width in mine.keys() | theirs.keys():
            ends = _combined(mine.get(width, none), theirs.get(width, none), least, most)
            if ends[0]:
                result.ranges.setdefault(prefix, {})[width] = ends
    return result


def without(runs: Runs, gone: Multiset) -> Runs:
    """Return the hosts in their order without any that is in the arranged, unique ``gone``."""
    out = Runs()
    if runs.lows == runs.highs and runs.alike() and not any(runs.widths):
        prefix = runs.prefixes[0]
        kept = _left(runs.lows, gone.ranges.get(prefix, {}).get(0))
        out.extend_alike(prefix, kept, kept, 0)
        return out
    for prefix, low, high, width in runs:
        if low < 0:
            if prefix not in gone.names:
                out.push(prefix, low, high, width)
            continue
        files = gone.ranges.get(prefix)
        if files is None:
            out.push(prefix, low, high, width)
        elif width and high >= 10 ** (width - 1):
            border = 10 ** (width - 1)
            _cut(out, prefix, low, border - 1, width, files.get(width))
            _cut(out, prefix, border, high, 0, files.get(0))
        else:
            _cut(out, prefix, low, high, width, files.get(width))
    return out


def _left(numbers: list[int], gone: Ends | None) -> list[int]:
    """Return the numbers that are in none of the ranges ``gone``."""
    if gone is None:
        return numbers
    lows, highs = [*gone[0], _BEYOND], gone[1]
    next_lows = map(lows.__getitem__, map(bisect_left, repeat(highs), numbers))
    return list(compress(numbers, map(lt, numbers, next_lows)))


def _cut(out: Runs, prefix: str, low: int, high: int, width: int, gone: Ends | None) -> None:
    """Append ``low-high`` without the ranges ``gone``."""
    if gone is not None:
        lows, highs = gone
        at = bisect_left(highs, low)
        while at < len(lows) and lows[at] <= high:
            if low < lows[at]:
                out.push(prefix, low, lows[at] - 1, width)
            low = highs[at] + 1
            at += 1
    if low <= high:
        out.push(prefix, low, high, width)


def _arranged(ends: Ends, unique: bool) -> tuple[Ends, bool]:
    lows, highs = ends
    if not all(map(lt, highs, islice(lows, 1, None))):
        pairs = sorted(zip(lows, highs, strict=True))
        lows, highs = [low for low, _ in pairs], [high for _, high in pairs]
        if not all(map(lt, highs, islice(lows, 1, None))):
            return (_merged(lows, highs) if unique else _expanded(lows, highs)), True
    return (lows, highs), False


def _merged(lows: Sequence[int], highs: Sequence[int]) -> Ends:
    """Merge sorted ranges that may overlap."""
    starts: list[int] = []
    stops: list[int] = []
    last = -2
    for low, high in zip(lows, highs, strict=True):
        if low > last:
            starts.append(low)
            stops.append(high)
            last = high
        elif high > last:
            stops[-1] = last = high
    return starts, stops


def _expanded(lows: Sequence[int], highs: Sequence[int]) -> Ends:
    numbers = sorted(chain.from_iterable(map(range, lows, [high + 1 for high in highs])))
    return numbers, numbers


def _combined(one: Ends, other: Ends, least: int, most: int) -> Ends:
    """Walk over the ends of all ranges in order and count in how many of both sets it is."""
    if not other[0]:
        return one if least <= 1 <= most else ([], [])
    if not one[0]:
        return other if least <= 1 <= most else ([], [])
    edges: list[int] = []
    for lows, highs in (one, other):
        edges += [low * 2 + 1 for low in lows]  # odd: one set more from here on
        edges += [high * 2 + 2 for high in highs]  # even: one set less
    edges.sort()
    starts: list[int] = []
    stops: list[int] = []
    depth = start = 0
    for edge in edges:
        at = edge >> 1
        if at > start:
            if least <= depth <= most:
                starts.append(start)
                stops.append(at - 1)
            start = at
        depth += 1 if edge & 1 else -1
    return starts, stops


def _by_length(out: Runs, prefix: str, files: dict[int, Ends]) -> None:
    """Append the files of one prefix: numbers of fewer digits first, then those with leading zeros."""
    lows, highs = files.get(0, ([], []))
    done = 0
    for width in sorted(files):
        if not width:
            continue
        border = 10 ** (width - 1)
        at = bisect_left(lows, border, done)
        out.extend_alike(prefix, lows[done:at], highs[done:at], 0)
        done = at
        if at and highs[at - 1] >= border:
            # One range of ordinary numbers goes over the border: 8-12 comes apart around 01-09.
            push_high = highs[at - 1]
            out.highs[-1] = border - 1
            out.extend_alike(prefix, *files[width], width)
            lows, highs, done = [border, *lows[at:]], [push_high, *highs[at:]], 0
        else:
            out.extend_alike(prefix, *files[width], width)
    out.extend_alike(prefix, lows[done:], highs[done:], 0)
