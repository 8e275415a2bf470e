# SPDX-License-Identifier: LGPL-3.0-or-later
"""Ordered lists of host names as text (RFC 29): ``node[0-3,7]-ib,login1``.

A :class:`Hostlist` keeps runs such as ``node[0-1048575]`` as one entry and expands a name only when it is
asked for. Order and repetition mean something: nothing is sorted or made unique unless asked.

Where flux-core and the RFC differ:

- ``foo[005,4]`` is foo005,foo004 in the RFC and foo005,foo4 in flux-core, whose output relies on its
  reading. Decoding follows flux-core unless ``inherit_width`` is set; encoding writes ``foo005,foo4``,
  which both read alike.
- White space separates expressions as a comma does and empty expressions are skipped, as in flux-core.
- A second bracket group (``a[1]b[2]``) and names that are not printable ASCII are refused, as in the RFC.
"""

from __future__ import annotations

from rosin.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

#: Hosts in one range (flux-core's limit), in one list, and in all ranges of a list that have a suffix
#: (those are kept name by name).
MAX_RANGE = 1 << 20
MAX_HOSTS = 1 << 22
MAX_SUFFIXED = 1 << 17
#: Characters of one name.
MAX_NAME = 255

_MAX_DIGITS = 18
_DIGITS = "0123456789"
_SCAN_LIMIT = 64  # more entries than this are searched through a dictionary
_SEPARATORS = {ord(c): "," for c in " \t\r\n"}


class Hostlist:
    """A mutable ordered list of host names.

    ``Hostlist("node[0-3]")``, or any iterable of hostlist texts. FormatError names the column of a fault.
    """

    __slots__ = ("_count", "_entries", "_index", "_starts")

    def __init__(self, hosts: str | Iterable[str] | Hostlist = "") -> None:
        # (prefix, low, high, width); a name that does not end in a number is (name, -1, -1, 0).
        # width is 0 unless the lowest id needs leading zeros, and a prefix never ends in a digit.
        self._entries: list[tuple[str, int, int, int]] = []
        self._count = 0
        self._starts: list[int] | None = None
        self._index: dict[str, int] | None = None
        if isinstance(hosts, str):
            _parse(self, hosts, False)
        elif isinstance(hosts, Hostlist):
            self._entries, self._count = hosts._entries.copy(), hosts._count
        else:
            for text in hosts:
                _parse(self, text, False)

    @staticmethod
    def decode(text: str, *, inherit_width: bool = False) -> Hostlist:
        """Decode RFC 29 text; ``inherit_width``: the first id's leading zeros apply to its whole group."""
        new = Hostlist()
        _parse(new, text, inherit_width)
        return new

    @staticmethod
    def from_names(names: Iterable[str]) -> Hostlist:
        """Make a list of plain names, which are not parsed: brackets and commas are not expected."""
        new = Hostlist()
        for name in names:
            new._add_name(name)
        return new

    def encode(self) -> str:
        """Return RFC 29 text with adjacent hosts of one prefix joined in brackets."""
        parts: list[str] = []
        group: list[str] = []
        prefix, first_width = "", 0
        for entry in self._entries:
            name, low, high, width = entry
            alone = low < 0 or (first_width and width != first_width and len(str(low)) < first_width)
            if group and (alone or name != prefix):
                parts.append(_bracket(prefix, group))
                group = []
            if low < 0:
                parts.append(name)
                continue
            if not group:
                prefix, first_width = name, width
            text = f"{low:0{width}d}" if width else str(low)
            if high > low:
                text += f"-{high:0{width}d}" if width else f"-{high}"
            group.append(text)
        if group:
            parts.append(_bracket(prefix, group))
        return ",".join(parts)

    def append(self, hosts: str | Iterable[str] | Hostlist) -> int:
        """Append hosts; returns how many. On FormatError the list is unchanged."""
        other = hosts if isinstance(hosts, Hostlist) else Hostlist(hosts)
        if self._count + other._count > MAX_HOSTS:
            raise FormatError(f"hostlist: more than {MAX_HOSTS} hosts")
        count = other._count
        for entry in other._entries.copy():  # other may be self
            self._push(*entry)
        return count

    def find(self, host: str) -> int:
        """Return the position of the first ``host``, or -1. ``foo1`` and ``foo01`` are two hosts."""
        if self._index is None and len(self._entries) > _SCAN_LIMIT:
            self._index = {}
            for position, name in enumerate(self):
                self._index.setdefault(name, position)
        if self._index is not None:
            return self._index.get(host, -1)
        prefix, number, length = _split(host)
        start = 0
        for name, low, high, width in self._entries:
            if name == prefix and low <= number <= high and (low < 0 or _length(number, width) == length):
                return start + number - low
            start += high - low + 1
        return -1

    def index(self, hosts: str | Iterable[str] | Hostlist, ignore_nomatch: bool = False) -> list[int]:
        """Return the position of each of ``hosts``; FileNotFoundError if one is missing and not ignored."""
        found: list[int] = []
        for host in Hostlist(hosts):
            position = self.find(host)
            if position >= 0:
                found.append(position)
            elif not ignore_nomatch:
                raise FileNotFoundError(2, f"host '{host}' not found")
        return found

    def delete(self, hosts: str | Iterable[str] | Hostlist) -> int:
        """Delete the first occurrence of each of ``hosts``; returns how many were there."""
        wanted: dict[str, int] = {}
        for host in Hostlist(hosts):
            wanted[host] = wanted.get(host, 0) + 1
        if not wanted:
            return 0
        names, before = self.expand(), self._count
        self._clear()
        for name in names:
            if wanted.get(name):
                wanted[name] -= 1
            else:
                self._add_name(name)
        return before - self._count

    def sort(self) -> None:
        """Sort by prefix, then by the length of the number, then by the number."""
        self._rebuild(sorted(self._keys()))

    def uniq(self) -> None:
        """Sort, and keep one of each host."""
        self._rebuild(sorted(set(self._keys())))

    def count(self) -> int:
        """Return the number of hosts (also ``len()``)."""
        return self._count

    def copy(self) -> Hostlist:
        """Return an independent copy; costs one list copy."""
        return Hostlist(self)

    def expand(self) -> list[str]:
        """Return the names as a list."""
        return list(self)

    def nth(self, position: int) -> str:
        """Return the host at ``position``, negative from the end; IndexError outside the list."""
        at = position + self._count if position < 0 else position
        if not 0 <= at < self._count:
            raise IndexError("Hostlist index out of range")
        if self._starts is None:
            self._starts = []
            start = 0
            for entry in self._entries:
                self._starts.append(start)
                start += entry[2] - entry[1] + 1
        from bisect import bisect_right

        slot = bisect_right(self._starts, at) - 1
        prefix, low, _, width = self._entries[slot]
        return _name(prefix, low + at - self._starts[slot] if low >= 0 else -1, width)

    def __getitem__(self, key: int | slice | Iterable[int]) -> Any:
        """Return the host at an integer, or a Hostlist for a slice or several positions."""
        if isinstance(key, int):
            return self.nth(key)
        if isinstance(key, slice):
            key = range(self._count)[key]
        return Hostlist.from_names(map(self.nth, key))

    def __iter__(self) -> Iterator[str]:
        for prefix, low, high, width in self._entries:
            if low < 0:
                yield prefix
            elif width:
                for number in range(low, high + 1):
                    yield f"{prefix}{number:0{width}d}"
            else:
                for number in range(low, high + 1):
                    yield f"{prefix}{number}"

    def __contains__(self, host: object) -> bool:
        return isinstance(host, str) and self.find(host) >= 0

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        return self._count > 0

    def __eq__(self, other: object) -> bool:
        # Adjacent hosts always share an entry, so equal lists have equal entries.
        return self._entries == other._entries if isinstance(other, Hostlist) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.encode()

    def __repr__(self) -> str:
        return f"Hostlist({self.encode()!r})"

    def _clear(self) -> None:
        self._entries = []
        self._count = 0
        self._starts = self._index = None

    def _push(self, prefix: str, low: int, high: int, width: int) -> None:
        """Append an entry, joined to the last one where the names go on."""
        self._starts = self._index = None
        self._count += high - low + 1
        if low > 0 and self._entries:
            last_prefix, last_low, last_high, last_width = self._entries[-1]
            if (
                last_high + 1 == low
                and last_low >= 0
                and last_prefix == prefix
                and (last_width == width or (not width and len(str(low)) >= last_width))
            ):
                self._entries[-1] = (prefix, last_low, high, last_width)
                return
        self._entries.append((prefix, low, high, width))

    def _add_name(self, name: str) -> None:
        prefix, number, length = _split(name)
        self._push(prefix, number, number, length if length > len(str(number)) else 0)

    def _keys(self) -> Iterator[tuple[str, int, int]]:
        for prefix, low, high, width in self._entries:
            if low < 0:
                yield prefix, 0, -1
            else:
                for number in range(low, high + 1):
                    yield prefix, _length(number, width), number

    def _rebuild(self, keys: list[tuple[str, int, int]]) -> None:
        self._clear()
        for prefix, length, number in keys:
            self._push(prefix, number, number, length if length > len(str(number)) else 0)


def _length(number: int, width: int) -> int:
    return max(width, len(str(number)))


def _name(prefix: str, number: int, width: int) -> str:
    return prefix if number < 0 else f"{prefix}{number:0{width}d}" if width else f"{prefix}{number}"


def _bracket(prefix: str, group: list[str]) -> str:
    if len(group) == 1 and "-" not in group[0]:
        return prefix + group[0]
    return f"{prefix}[{','.join(group)}]"


def _split(name: str) -> tuple[str, int, int]:
    """Return the prefix, the number at the end and its length in digits; (name, -1, 0) without one."""
    prefix = name.rstrip(_DIGITS)
    length = len(name) - len(prefix)
    return (prefix, int(name[len(prefix) :]), length) if 0 < length <= _MAX_DIGITS else (name, -1, 0)


def _parse(hosts: Hostlist, text: str, inherit_width: bool) -> None:
    if not isinstance(text, str):
        raise TypeError(f"hostlist: expected text, not {type(text).__name__}")
    plain = text.translate(_SEPARATORS)
    if not (plain.isascii() and plain.isprintable()):
        at = next(i for i, c in enumerate(plain) if not "!" <= c <= "~")
        raise FormatError(f"hostlist: {plain[at]!r} at column {at + 1} is not printable ASCII")
    suffixed = 0
    at = 0
    while at < len(plain):
        end = plain.find(",", at)
        if end < 0:
            end = len(plain)
        opening = plain.find("[", at, end)
        if opening >= 0:
            closing = plain.find("]", opening)
            inner = plain.find("[", opening + 1, closing if closing >= 0 else None)
            if closing < 0 or inner >= 0:
                raise FormatError(f"hostlist: unbalanced '[' at column {opening + 1}")
            end = plain.find(",", closing)
            if end < 0:
                end = len(plain)
        head = plain[at : opening if opening >= 0 else end]
        suffix = plain[closing + 1 : end] if opening >= 0 else ""
        _check_brackets(head, at)
        _check_brackets(suffix, end - len(suffix))
        name = head + suffix
        if len(name) > MAX_NAME:
            raise FormatError(f"hostlist: name at column {at + 1} is longer than {MAX_NAME} characters")
        if opening >= 0:
            ids = _parse_ids(text, opening + 1, closing, inherit_width)
            if suffix:
                suffixed += sum(high - low + 1 for low, high, _ in ids)
                if suffixed > MAX_SUFFIXED:
                    raise FormatError(
                        f"hostlist: more than {MAX_SUFFIXED} hosts with a suffix at column {opening + 1}"
                    )
            _add_ids(hosts, head, ids, suffix, opening + 1)
        elif name:
            hosts._add_name(name)
        if hosts._count > MAX_HOSTS:
            raise FormatError(f"hostlist: more than {MAX_HOSTS} hosts at column {at + 1}")
        at = end + 1


def _check_brackets(part: str, start: int) -> None:
    if "[" in part or "]" in part:
        at = next(i for i, c in enumerate(part) if c in "[]")
        what = "a second '['" if part[at] == "[" else "unbalanced ']'"
        raise FormatError(f"hostlist: {what} at column {start + at + 1}")


def _parse_ids(text: str, start: int, end: int, inherit_width: bool) -> list[tuple[int, int, int]]:
    """Parse ``text[start:end]`` to ``(low, high, width)``; width counts the written digits."""
    ids: list[tuple[int, int, int]] = []
    column = start + 1
    inherited = 0
    for item in text[start:end].split(","):
        low_text, dash, high_text = item.partition("-")
        low = high = _number(low_text, column)
        width = len(low_text)
        if dash:
            high = _number(high_text, column + width + 1)
            if high < low:
                raise FormatError(f"hostlist: range {item} descends at column {column}")
            if high - low >= MAX_RANGE:
                raise FormatError(f"hostlist: more than {MAX_RANGE} hosts in a range at column {column}")
        if inherit_width and not ids and low_text[0] == "0":
            inherited = width
        ids.append((low, high, max(width, inherited)))
        column += len(item) + 1
    return ids


def _number(text: str, column: int) -> int:
    if not (text.isascii() and text.isdigit()):
        bad = next((i for i, c in enumerate(text) if not "0" <= c <= "9"), len(text))
        what = f"unexpected {text[bad]!r}" if text[bad:] else "a number is missing"
        raise FormatError(f"hostlist: {what} at column {column + bad}")
    if len(text) > 64 or len(text.lstrip("0")) > _MAX_DIGITS:
        raise FormatError(f"hostlist: number too long at column {column}")
    return int(text)


def _add_ids(hosts: Hostlist, prefix: str, ids: list[tuple[int, int, int]], suffix: str, column: int) -> None:
    """Append ``prefix[ids]suffix``, so that each number holds all digits at the end of its name."""
    head = prefix.rstrip(_DIGITS)
    digits = prefix[len(head) :]
    for low, high, width in ids:
        longest = len(digits) + _length(high, width)
        if suffix or longest > _MAX_DIGITS:
            if high - low >= MAX_SUFFIXED:
                raise FormatError(f"hostlist: too many hosts with long numbers at column {column}")
            for number in range(low, high + 1):
                hosts._add_name(f"{prefix}{number:0{width}d}{suffix}")
            continue
        for size in range(_length(low, width), _length(high, width) + 1):
            # The ids that are written with ``size`` digits; all of them unless ``digits`` come before.
            first, last = (low, high) if not digits else _of_size(low, high, size, width)
            base = int(digits or "0") * 10**size if digits else 0
            padded = digits.startswith("0") or (not digits and len(str(first)) < width)
            hosts._push(head, base + first, base + last, (len(digits) + size if digits else width) * padded)
            if not digits:
                break


def _of_size(low: int, high: int, size: int, width: int) -> tuple[int, int]:
    return max(low, 10 ** (size - 1) if size > width else 0), min(high, 10**size - 1)
