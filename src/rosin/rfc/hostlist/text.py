# SPDX-License-Identifier: LGPL-3.0-or-later
"""Reading the text of host lists (RFC 29) to :class:`~rosin.rfc.hostlist.runs.Runs`.

Long texts of a usual form are read with a few whole-text operations; anything unusual is read item by
item, which finds the column of a fault.
"""

from __future__ import annotations

from itertools import compress, repeat
from operator import le, sub

from rosin.errors import FormatError
from rosin.rfc.hostlist.runs import DIGITS, MAX_DIGITS, NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rosin.rfc.hostlist.runs import Runs

    #: Low ends, high ends and widths as in Runs.
    Ids = tuple[list[int], list[int], bytes]

#: Hosts in one range (flux-core's limit), in one list, and in all ranges of a list that have a suffix
#: (those are kept name by name).
MAX_RANGE = 1 << 20
MAX_HOSTS = 1 << 22
MAX_SUFFIXED = 1 << 17
#: Characters of one name.
MAX_NAME = 255

_LONG = 256
_FEW = 8
_SEPARATORS = {ord(c): "," for c in " \t\r\n"}
_COMMA, _NUMBERS = b",", DIGITS.encode()
_LETTERS = bytes(byte for byte in range(256) if byte not in _COMMA + _NUMBERS)
_KINDS = bytes(48 if byte in _NUMBERS else byte if byte in _COMMA else 97 for byte in range(256))
_ENDS = bytes(byte in _COMMA for byte in range(256))


def add_names(runs: Runs, names: Iterable[str]) -> None:
    """Append plain names, which are not parsed; empty ones are skipped."""
    names = list(filter(None, names))
    if len(names) <= _FEW:
        for name in names:
            runs.push_name(name)
        return
    prefixes = list(map(str.rstrip, names, repeat(DIGITS)))
    if prefixes == names:
        none = [-1] * len(names)
        runs.extend(names, none, none, bytes((NAME,)) * len(names))
        return
    numbers = list(map(str.removeprefix, names, prefixes))
    ids = _read_ids(",".join(numbers).encode())
    if ids is None:  # not every name ends in a number
        lows = [int(number) if 0 < len(number) <= MAX_DIGITS else -1 for number in numbers]
        prefixes = [p if low >= 0 else name for p, low, name in zip(prefixes, lows, names, strict=True)]
        padded = bytes(
            _padding(number) if low >= 0 else NAME for number, low in zip(numbers, lows, strict=True)
        )
        ids = lows, padded
    runs.extend(_shared(prefixes), ids[0], ids[0], ids[1])


def parse(runs: Runs, text: str, inherit_width: bool) -> None:
    """Append the hosts of a text. FormatError names the column of a fault."""
    if not isinstance(text, str):
        raise TypeError(f"hostlist: expected text, not {type(text).__name__}")
    plain = text.translate(_SEPARATORS)
    if not (plain.isascii() and plain.isprintable()):
        at = next(i for i, c in enumerate(plain) if not "!" <= c <= "~")
        raise FormatError(f"hostlist: {plain[at]!r} at column {at + 1} is not printable ASCII")
    if "[" in plain or "]" in plain:
        _parse_brackets(runs, text, plain, inherit_width)
    else:
        _parse_names(runs, plain)


def _parse_names(runs: Runs, plain: str) -> None:
    if len(plain) > _LONG and _add_numbered(runs, plain):
        return
    names = plain.split(",")
    if len(plain) > MAX_NAME and max(map(len, names)) > MAX_NAME:
        at = 0
        for name in names:
            _check_length(name, at)
            at += len(name) + 1
    if len(names) > MAX_HOSTS and len(names) - names.count("") > MAX_HOSTS:
        raise FormatError(f"hostlist: more than {MAX_HOSTS} hosts at column {_nth_name(names)}")
    add_names(runs, names)


def _add_numbered(runs: Runs, plain: str) -> bool:
    """Append many names that have digits at their ends only; False, and nothing done, if not all have."""
    data = plain.encode()
    kinds = data.translate(_KINDS)
    if b"0a" in kinds or b"a" * (MAX_NAME - MAX_DIGITS) in kinds or data.count(_COMMA) >= MAX_HOSTS:
        return False
    ids = _read_ids(data.translate(None, _LETTERS))
    if ids is None:
        return False
    heads = data.translate(None, _NUMBERS).decode()
    prefix = heads[: heads.find(",") + 1]
    alike = heads == (prefix * len(ids[0]))[:-1]
    prefixes = [prefix[:-1]] * len(ids[0]) if alike else _shared(heads.split(","))
    runs.extend(prefixes, ids[0], ids[0], ids[1])
    return True


def _shared(prefixes: list[str]) -> list[str]:
    """Return equal prefixes as one object, which costs less memory and compares at once."""
    known: dict[str, str] = {}
    return list(map(known.setdefault, prefixes, prefixes))


def _nth_name(names: list[str]) -> int:
    """Return the column of the first name above the limit."""
    seen, at = 0, 1
    for name in names:
        seen += name != ""
        if seen > MAX_HOSTS:
            break
        at += len(name) + 1
    return at


def _check_length(name: str, at: int) -> None:
    if len(name) > MAX_NAME:
        raise FormatError(f"hostlist: name at column {at + 1} is longer than {MAX_NAME} characters")


def _parse_brackets(runs: Runs, text: str, plain: str, inherit_width: bool) -> None:
    hosts = suffixed = at = 0
    while at < len(plain):
        end = plain.find(",", at)
        if end < 0:
            end = len(plain)
        opening = plain.find("[", at, end)
        if opening < 0:
            name = plain[at:end]
            _check_brackets(name, at)
            _check_length(name, at)
            if name:
                runs.push_name(name)
                hosts += 1
        else:
            closing = plain.find("]", opening)
            if closing < 0 or plain.find("[", opening + 1, closing) >= 0:
                raise FormatError(f"hostlist: unbalanced '[' at column {opening + 1}")
            end = plain.find(",", closing)
            if end < 0:
                end = len(plain)
            head, suffix = plain[at:opening], plain[closing + 1 : end]
            _check_brackets(head, at)
            _check_brackets(suffix, end - len(suffix))
            _check_length(head + suffix, at)
            ids = _parse_ids(text, opening + 1, closing, inherit_width)
            count = len(ids[0]) + sum(ids[1]) - sum(ids[0])
            hosts += count
            suffixed += count if suffix else 0
            if suffixed > MAX_SUFFIXED:
                raise FormatError(
                    f"hostlist: more than {MAX_SUFFIXED} hosts with a suffix at column {opening + 1}"
                )
            if hosts <= MAX_HOSTS:
                _add_ids(runs, head, ids, suffix, opening + 1)
        if hosts > MAX_HOSTS:
            raise FormatError(f"hostlist: more than {MAX_HOSTS} hosts at column {at + 1}")
        at = end + 1


def _check_brackets(part: str, start: int) -> None:
    if "[" in part or "]" in part:
        at = next(i for i, c in enumerate(part) if c in "[]")
        what = "a second '['" if part[at] == "[" else "unbalanced ']'"
        raise FormatError(f"hostlist: {what} at column {start + at + 1}")


def _parse_ids(text: str, start: int, end: int, inherit_width: bool) -> Ids:
    """Parse the ids of a bracket, ``text[start:end]``."""
    if end - start > _LONG and not (inherit_width and text[start] == "0"):
        long = _read_ranges(text[start:end])
        if long is not None:
            return long
    lows: list[int] = []
    highs: list[int] = []
    widths: list[int] = []
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
        if inherit_width and not lows and low_text[0] == "0":
            inherited = width
        width = max(width, inherited)
        lows.append(low)
        highs.append(high)
        widths.append(width if width > 1 and low < 10 ** (width - 1) else 0)
        column += len(item) + 1
    return lows, highs, bytes(widths)


def _read_ranges(text: str) -> Ids | None:
    """Read many ids and ranges with a few calls; None if anything is unusual."""
    data = text.encode()
    separators = data.translate(None, _NUMBERS)
    if separators.translate(None, b",-") or b"--" in separators:
        return None
    ids = _read_ids(data.replace(b"-", _COMMA))
    if ids is None:
        return None
    numbers, widths = ids
    if b"-" not in separators:
        return numbers, numbers, widths
    ends = separators.translate(_ENDS)
    first, last = b"\1" + ends, ends + b"\1"
    lows, highs = list(compress(numbers, first)), list(compress(numbers, last))
    if not all(map(le, lows, highs)) or max(map(sub, highs, lows)) >= MAX_RANGE:
        return None
    return lows, highs, bytes(compress(widths, first))


def _read_ids(data: bytes) -> tuple[list[int], bytes] | None:
    """Read digits and commas as numbers and their widths; None if one is missing or too long."""
    from rosin import _json

    try:
        try:
            ids = _json.loads(b"[%b]" % data)
            widths = bytes(len(ids))
        except ValueError:  # JSON has no leading zeros
            numbers = data.decode().split(",")
            if max(map(len, numbers)) > MAX_DIGITS:
                return None
            ids, widths = list(map(int, numbers)), bytes(map(_padding, numbers))
    except ValueError:
        return None
    return (ids, widths) if ids and max(ids) < 10**MAX_DIGITS else None


def _padding(number: str) -> int:
    """Return the width of a number if it has leading zeros, else 0."""
    return len(number) if number[0] == "0" and len(number) > 1 else 0


def _number(text: str, column: int) -> int:
    if not (text.isascii() and text.isdigit()):
        bad = next((i for i, c in enumerate(text) if not "0" <= c <= "9"), len(text))
        what = f"unexpected {text[bad]!r}" if text[bad:] else "expected a number"
        raise FormatError(f"hostlist: {what} at column {column + bad}")
    if len(text) > 64 or len(text.lstrip("0")) > MAX_DIGITS:
        raise FormatError(f"hostlist: number too long at column {column}")
    return int(text)


def _add_ids(runs: Runs, prefix: str, ids: Ids, suffix: str, column: int) -> None:
    """Append ``prefix[ids]suffix``, so that each number holds all digits at the end of its name."""
    head = prefix.rstrip(DIGITS)
    digits = prefix[len(head) :]
    if len(ids[0]) > _FEW and not digits and not suffix and max(ids[2]) <= MAX_DIGITS:
        runs.extend([head] * len(ids[0]), *ids)
        return
    for low, high, width in zip(*ids, strict=True):
        longest = len(digits) + _length(high, width)
        if suffix or longest > MAX_DIGITS:
            if high - low >= MAX_SUFFIXED:
                raise FormatError(f"hostlist: too many hosts with long numbers at column {column}")
            add_names(runs, [f"{prefix}{number:0{width}d}{suffix}" for number in range(low, high + 1)])
        elif not digits:
            runs.push(head, low, high, width)
        else:
            _add_after_digits(runs, head, digits, low, high, width)


def _add_after_digits(runs: Runs, head: str, digits: str, low: int, high: int, width: int) -> None:
    """Append ``foo1[8-12]``: the ids that are written with one digit are foo18-foo19, and so on."""
    for size in range(_length(low, width), _length(high, width) + 1):
        first = max(low, 10 ** (size - 1) if size > max(width, 1) else 0)
        last = min(high, 10**size - 1)
        base = int(digits) * 10**size
        padded = len(digits) + size if digits[0] == "0" else 0
        runs.push(head, base + first, base + last, padded)


def _length(number: int, width: int) -> int:
    return max(width, len(str(number)))
