# SPDX-License-Identifier: LGPL-3.0-or-later
"""Ordered lists of host names as text (RFC 29): ``node[0-3,7]-ib,login1``.

A :class:`Hostlist` keeps runs such as ``node[0-1048575]`` as one run and expands a name only when it is
asked for. Order and repetition mean something: nothing is sorted or made unique unless asked.

Where flux-core and the RFC differ:

- ``foo[005,4]`` is foo005,foo004 in the RFC and foo005,foo4 in flux-core, whose output relies on its
  reading. Decoding follows flux-core unless ``inherit_width`` is set; encoding writes ``foo005,foo4``,
  which both read alike.
- White space separates expressions as a comma does and empty expressions are skipped, as in flux-core.
- A second bracket group (``a[1]b[2]``) and names that are not printable ASCII are refused, as in the RFC.
  flux-core keeps the second group as if it were letters.
- flux-core takes ``foo[1-]`` and ``foo[+1]`` for ``foo1`` and more than one sign of that kind; they are
  refused here. It limits brackets to 10240 ranges; this module limits the hosts of a list.
- flux-core compares numbers as wide as their names were written and may call foo[01-10] and foo10
  different hosts of one width when it sorts; here hosts are the same when their names are.
"""

from __future__ import annotations

from itertools import accumulate, chain
from operator import sub

from rosin.errors import FormatError
from rosin.rfc.hostlist.encode import encode
from rosin.rfc.hostlist.runs import Runs, split
from rosin.rfc.hostlist.text import MAX_HOSTS, add_names, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from rosin.rfc.hostlist.index import Index
    from rosin.rfc.hostlist.sets import Multiset


_PORTION = 4096  # names that are made at a time
_SCAN_LIMIT = 64  # more runs than this are searched through an index, if searched twice


class Hostlist:
    """A mutable ordered list of host names.

    ``Hostlist("node[0-3]")``, or any iterable of hostlist texts. FormatError names the column of a fault.
    """

    __slots__ = ("_count", "_index", "_more", "_runs", "_searched")

    def __init__(self, arg: str | Iterable[str] | Hostlist = "") -> None:
        self._more: list[int] | None = None  # hosts before each run, above one for each
        self._index: Index | None = None
        self._searched = False
        self._count: int = 0
        self._runs: Runs
        if isinstance(arg, Hostlist):
            self._runs, self._count = arg._runs.part(0, len(arg._runs)), arg._count
            return
        self._runs = Runs()
        if isinstance(arg, str):
            if arg:
                parse(self._runs, arg, False)
                self._recount()
        else:
            if not hasattr(arg, "__iter__"):
                raise TypeError(f"Hostlist(): expected string or Iterable, got {type(arg)}")
            for text in arg:
                parse(self._runs, text, False)
                if len(self._runs) > MAX_HOSTS:
                    break
            self._recount()

    @staticmethod
    def decode(text: str, *, inherit_width: bool = False) -> Hostlist:
        """Decode RFC 29 text; ``inherit_width``: the first id's leading zeros apply to its whole group."""
        new = Hostlist()
        parse(new._runs, text, inherit_width)
        new._recount()
        return new

    @staticmethod
    def from_names(names: Iterable[str]) -> Hostlist:
        """Make a list of plain names, which are not parsed: brackets and commas are not expected."""
        new = Hostlist()
        add_names(new._runs, names)
        new._recount()
        return new

    def encode(self) -> str:
        """Return RFC 29 text with adjacent hosts of one prefix joined in brackets."""
        return encode(self._runs)

    def append(self, *hosts: str | Iterable[str] | Hostlist) -> int:
        """Append hosts; returns how many. On FormatError the list is unchanged."""
        others = [part if isinstance(part, Hostlist) else Hostlist(part) for part in hosts]
        added = sum(other._count for other in others)
        if self._count + added > MAX_HOSTS:
            raise FormatError(f"hostlist: more than {MAX_HOSTS} hosts")
        for other in others:
            self._runs.append(other._runs)
        self._changed(self._count + added)
        return added

    # -- positions ----------------------------------------------------------------------------------

    def find(self, host: str) -> int:
        """Return the position of the first ``host``, or -1. ``foo1`` and ``foo01`` are two hosts."""
        if self._index is None:
            if len(self._runs.lows) <= _SCAN_LIMIT or not self._searched:
                self._searched = True
                return self._scan(host)
            from rosin.rfc.hostlist.index import Index

            self._index = Index(self._runs)
        return self._index.find(host)

    def _scan(self, host: str) -> int:
        prefix, number, length = split(host)
        runs = self._runs
        if self._count == len(runs.lows) > _SCAN_LIMIT:
            return self._scan_names(prefix, number, length)
        start = 0
        for at, low in enumerate(runs.lows):
            high = runs.highs[at]
            if low <= number <= high and runs.prefixes[at] == prefix and runs.has_length(at, number, length):
                return start + number - low
            start += high - low + 1
        return -1

    def _scan_names(self, prefix: str, number: int, length: int) -> int:
        """Find a host among runs of one host each."""
        runs, at = self._runs, -1
        column: list[Any] = runs.lows
        wanted: Any = number
        if number < 0:
            column, wanted = runs.prefixes, prefix
        try:
            while True:
                at = column.index(wanted, at + 1)
                if runs.prefixes[at] == prefix and runs.has_length(at, number, length):
                    return at
        except ValueError:
            return -1

    def index(self, hosts: str | Iterable[str] | Hostlist, ignore_nomatch: bool = False) -> list[int]:
        """Return the position of each of ``hosts``; FileNotFoundError if one is missing and not ignored."""
        positions = list(map(self.find, Hostlist(hosts)))
        if -1 not in positions:
            return positions
        if not ignore_nomatch:
            missing = next(host for host in Hostlist(hosts) if self.find(host) < 0)
            raise FileNotFoundError(2, f"host '{missing}' not found")
        return [position for position in positions if position >= 0]

    def nth(self, position: int) -> str:
        """Return the host at ``position``, negative from the end; IndexError outside the list."""
        at = position + self._count if position < 0 else position
        if not 0 <= at < self._count:
            raise IndexError("Hostlist index out of range")
        slot, start = self._slot(at)
        runs = self._runs
        prefix, low, width = runs.prefixes[slot], runs.lows[slot], runs.widths[slot]
        return prefix if low < 0 else f"{prefix}{low + at - start:0{width}d}"

    def _slot(self, at: int) -> tuple[int, int]:
        """Return which run holds a position, and the position of its first host."""
        runs = self._runs
        if self._count == len(runs.lows):
            return at, at
        if len(runs.lows) == 1:
            return 0, 0
        if self._more is None:
            self._more = list(accumulate(map(sub, runs.highs, runs.lows), initial=0))
        from bisect import bisect_right

        more = self._more
        slot = bisect_right(range(len(runs)), at, key=lambda slot: slot + more[slot]) - 1
        return slot, slot + more[slot]

    def __getitem__(self, key: int | slice | Iterable[int]) -> Any:
        """Return the host at an integer, or a Hostlist for a slice or several positions."""
        if isinstance(key, int):
            return self.nth(key)
        if isinstance(key, slice):
            key = range(self._count)[key]
            if key.step == 1:
                return self._part(key.start, key.stop)
        return Hostlist.from_names(map(self.nth, key))

    def _part(self, start: int, stop: int) -> Hostlist:
        """Return the hosts from position ``start`` to before ``stop``."""
        new = Hostlist()
        if start < stop:
            first, first_start = self._slot(start)
            last, last_start = self._slot(stop - 1)
            runs = new._runs = self._runs.part(first, last + 1)
            if runs.lows[-1] >= 0:
                runs.highs[-1] = runs.lows[-1] + stop - 1 - last_start
            if runs.lows[0] >= 0:
                runs.lows[0] += start - first_start
                if len(str(runs.lows[0])) >= runs.widths[0]:  # the canonical form of what is left of 08-12
                    runs.widths[0] = 0
            new._changed(stop - start)
        return new

    # -- changes ------------------------------------------------------------------------------------

    def delete(self, hosts: str | Iterable[str] | Hostlist) -> int:
        """Delete the first occurrence of each of ``hosts``; returns how many were there."""
        gone = Hostlist(hosts)
        before = self._count
        if gone._count and before:
            mine, theirs = self._multiset(), gone._multiset()
            if mine.arrange(True) or theirs.arrange(True):
                self._delete_names(gone)
            else:
                self._replace(_without(self._runs, theirs))
        return before - self._count

    def _delete_names(self, gone: Hostlist) -> None:
        """Delete one by one, when hosts come more than once."""
        wanted: dict[str, int] = {}
        for host in gone:
            wanted[host] = wanted.get(host, 0) + 1
        kept: list[str] = []
        for name in self:
            left = wanted.get(name)
            if left:
                wanted[name] = left - 1
            else:
                kept.append(name)
        runs = Runs()
        add_names(runs, kept)
        self._replace(runs)

    def sort(self) -> Hostlist:
        """Sort by prefix, then by the length of the number, then by the number. Returns the list itself."""
        files = self._multiset()
        files.arrange(False)
        self._replace(files.runs())
        return self

    def uniq(self) -> Hostlist:
        """Sort, and keep one of each host. Returns the list itself."""
        self._replace(self._unique().runs())
        return self

    # -- set algebra --------------------------------------------------------------------------------

    def union(self, *others: str | Iterable[str] | Hostlist) -> Hostlist:
        """Return the hosts of any of the lists, sorted, once each."""
        new = self.copy()
        new.append(*others)
        new.uniq()
        return new

    def intersect(self, *others: str | Iterable[str] | Hostlist) -> Hostlist:
        """Return the hosts that are in all of the lists, sorted, once each."""
        return self._combined(others, 2, 2)

    def xor(self, *others: str | Iterable[str] | Hostlist) -> Hostlist:
        """Return the hosts that are in an odd number of the lists, sorted, once each."""
        return self._combined(others, 1, 1)

    def minus(self, *others: str | Iterable[str] | Hostlist) -> Hostlist:
        """Return this list, in its order, without any host of the others."""
        new = self.copy()
        for other in others:
            gone = Hostlist(other)._unique()
            new._replace(_without(new._runs, gone))
        return new

    def _combined(self, others: Iterable[str | Iterable[str] | Hostlist], least: int, most: int) -> Hostlist:
        from rosin.rfc.hostlist.sets import combine

        files = self._unique()
        for other in others:
            files = combine(files, Hostlist(other)._unique(), least, most)
        new = Hostlist()
        new._replace(files.runs())
        return new

    def _multiset(self) -> Multiset:
        from rosin.rfc.hostlist.sets import Multiset

        return Multiset(self._runs)

    def _unique(self) -> Multiset:
        files = self._multiset()
        files.arrange(True)
        return files

    # -- the rest -----------------------------------------------------------------------------------

    def count(self) -> int:
        """Return the number of hosts (also ``len()``)."""
        return self._count

    def copy(self) -> Hostlist:
        """Return an independent copy; costs one list copy."""
        return Hostlist(self)

    def expand(self) -> list[str]:
        """Return the names as a list."""
        return list(self)

    def __iter__(self) -> Iterator[str]:
        runs = self._runs
        if len(runs.lows) == 1:
            return iter(_names(runs.prefixes[0], runs.lows[0], runs.highs[0], runs.widths[0]))
        if self._count > len(runs.lows) or any(runs.widths):
            return chain.from_iterable(map(_names, runs.prefixes, runs.lows, runs.highs, runs.widths))
        return chain.from_iterable(_separate_names(runs))

    def __contains__(self, host: object) -> bool:
        return isinstance(host, str) and self.find(host) >= 0

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        return self._count > 0

    def __eq__(self, other: object) -> bool:
        return self._runs == other._runs if isinstance(other, Hostlist) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.encode()

    def __repr__(self) -> str:
        return f"Hostlist({self.encode()!r})"

    def _recount(self) -> None:
        """Count the hosts after runs were added."""
        count = self._runs.count()
        if count > MAX_HOSTS:
            raise FormatError(f"hostlist: more than {MAX_HOSTS} hosts")
        self._changed(count)

    def _replace(self, runs: Runs) -> None:
        self._runs = runs
        self._recount()

    def _changed(self, count: int) -> None:
        self._count = count
        self._more = self._index = None
        self._searched = False


def _without(runs: Runs, gone: Multiset) -> Runs:
    from rosin.rfc.hostlist.sets import without

    return without(runs, gone)


def _separate_names(runs: Runs) -> Iterator[list[str]]:
    """Yield the names of runs of one host each, without leading zeros."""
    for at in range(0, len(runs), _PORTION):
        columns = runs.prefixes[at : at + _PORTION], runs.lows[at : at + _PORTION]
        yield [f"{prefix}{number}" for prefix, number in zip(*columns, strict=True)]


def _names(prefix: str, low: int, high: int, width: int) -> Iterable[str]:
    if low == high:
        return (prefix if low < 0 else f"{prefix}{low:0{width}d}" if width else f"{prefix}{low}",)
    if high - low >= _PORTION:
        parts = range(low, high + 1, _PORTION)
        return chain.from_iterable(
            _names(prefix, part, min(part + _PORTION - 1, high), width) for part in parts
        )
    if width:
        return [f"{prefix}{number:0{width}d}" for number in range(low, high + 1)]
    return [f"{prefix}{number}" for number in range(low, high + 1)]
