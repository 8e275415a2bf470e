# SPDX-License-Identifier: LGPL-3.0-or-later
"""The text of host lists (RFC 29) as entries ``(prefix, low, high, width)``.

A name that does not end in a number is ``(name, -1, -1, 0)``. ``width`` is 0 unless the lowest id needs
leading zeros, and a prefix never ends in a digit. Entries that continue one another are joined, so that
equal lists have equal entries.
"""

from __future__ import annotations

from itertools import compress, groupby, islice, repeat
from operator import itemgetter, le, sub

from rosin.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Entry = tuple[str, int, int, int]

#: Hosts in one range (flux-core's limit), in one list, and in all ranges of a list that have a suffix
#: (those are kept name by name).
MAX_RANGE = 1 << 20
MAX_HOSTS = 1 << 22
MAX_SUFFIXED = 1 << 17
#: Characters of one name.
MAX_NAME = 255

DIGITS = "0123456789"
_PREFIX, _LOW, _HIGH, _WIDTH = map(itemgetter, range(4))
_MAX_DIGITS = 18
_LONG = 256
_SEPARATORS = {ord(c): "," for c in " \t\r\n"}
_ENDS = bytes(1 if byte == 0x2C else 0 for byte in range(256))


def split(name: str) -> tuple[str, int, int]:
    """Return the prefix, the number at the end and its length in digits; (name, -1, 0) without one."""
    prefix = name.rstrip(DIGITS)
    length = len(name) - len(prefix)
    return (prefix, int(name[len(prefix) :]), length) if 0 < length <= _MAX_DIGITS else (name, -1, 0)


def push(entries: list[Entry], prefix: str, low: int, high: int, width: int) -> None:
    """Append an entry, joined to the last one where the names go on."""
    if low > 0 and entries:
        last_prefix, last_low, last_high, last_width = entries[-1]
        if (
            last_high + 1 == low
            and last_low >= 0
            and last_prefix == prefix
            and (last_width == width or (not width and len(str(low)) >= last_width))
        ):
            entries[-1] = (prefix, last_low, high, last_width)
            return
    entries.append((prefix, low, high, width))


def extend(entries: list[Entry], prefix: str, lows: list[int], highs: list[int], width: int) -> None:
    """Append ranges of one prefix and width, joined where the names go on."""
    if not lows:
        return
    gaps = list(map(sub, islice(lows, 1, None), highs))
    if 1 in gaps:
        ends = [at for at, gap in enumerate(gaps) if gap != 1]
        highs, lows = (
            [*map(highs.__getitem__, ends), highs[-1]],
            [lows[0], *[lows[at + 1] for at in ends]],
        )
    push(entries, prefix, lows[0], highs[0], width)
    entries += [(prefix, low, high, width) for low, high in zip(lows[1:], highs[1:], strict=True)]


def add_names(entries: list[Entry], names: Iterable[str]) -> None:
    """Append plain names, which are not parsed; empty ones are skipped.

    One run of names is kept open while they continue one another or share their prefix: most do.
    """
    prefix, size = "", 0
    low = high = -2
    width = 0
    if entries and entries[-1][1] >= 0:
        prefix, low, high, width = entries.pop()
        size = len(prefix)
    for name in names:
        rest = name[size:]
        length = len(rest)
        if not (rest.isdigit() and length <= _MAX_DIGITS and rest.isascii() and name.startswith(prefix)):
            if not name:
                continue
            if low >= 0:
                entries.append((prefix, low, high, width))
                low = high = -2
            prefix = name.rstrip(DIGITS)
            size = len(prefix)
            rest = name[size:]
            length = len(rest)
            if not 0 < length <= _MAX_DIGITS:
                entries.append((name, -1, -1, 0))
                continue
        number = int(rest)
        if rest[0] != "0" or length == 1:
            if number == high + 1 and length >= width:
                high = number
                continue
            padding = 0
        else:
            padding = length
            if number == high + 1 and length == width:
                high = number
                continue
        if low >= 0:
            entries.append((prefix, low, high, width))
        low = high = number
        width = padding
    if low >= 0:
        entries.append((prefix, low, high, width))


def encode(entries: list[Entry]) -> str:
    """Return RFC 29 text with neighbours of one prefix joined in brackets."""
    if len(entries) == 1:
        prefix, low, high, width = entries[0]
        if low == high:
            return prefix if low < 0 else f"{prefix}{low:0{width}d}"
        return f"{prefix}[{low:0{width}d}-{high:0{width}d}]" if width else f"{prefix}[{low}-{high}]"
    parts: list[str] = []
    for prefix, group in groupby(entries, _PREFIX):
        members = list(group)
        lows, highs = list(map(_LOW, members)), list(map(_HIGH, members))
        if any(map(_WIDTH, members)) or min(lows) < 0:
            parts.extend(_encode_mixed(prefix, members))
        elif lows == highs:
            _bracket(parts, prefix, list(map(str, lows)))
        else:
            _bracket(
                parts, prefix, [str(n) if n == m else f"{n}-{m}" for n, m in zip(lows, highs, strict=True)]
            )
    return ",".join(parts)


def _encode_mixed(prefix: str, members: list[Entry]) -> list[str]:
    """Encode entries with leading zeros and without.

    An id with fewer digits than the first id of a bracket, if that has leading zeros, begins a new one:
    by the letter of the RFC it would inherit the zeros.
    """
    parts: list[str] = []
    group: list[str] = []
    first_width = 0
    for _, low, high, width in members:
        if low < 0 or (first_width and width != first_width and len(str(low)) < first_width):
            _bracket(parts, prefix, group)
            group = []
        if low < 0:
            parts.append(prefix)
            continue
        if not group:
            first_width = width
        text = f"{low:0{width}d}"
        group.append(f"{text}-{high:0{width}d}" if high > low else text)
    _bracket(parts, prefix, group)
    return parts


def _bracket(parts: list[str], prefix: str, group: list[str]) -> None:
    if len(group) == 1 and "-" not in group[0]:
        parts.append(prefix + group[0])
    elif group:
        parts.append(f"{prefix}[{','.join(group)}]")


def parse(entries: list[Entry], text: str, inherit_width: bool) -> None:
    """Append the hosts of a text. FormatError names the column of a fault."""
    if not isinstance(text, str):
        raise TypeError(f"hostlist: expected text, not {type(text).__name__}")
    plain = text.translate(_SEPARATORS)
    if not (plain.isascii() and plain.isprintable()):
        at = next(i for i, c in enumerate(plain) if not "!" <= c <= "~")
        raise FormatError(f"hostlist: {plain[at]!r} at column {at + 1} is not printable ASCII")
    if "[" in plain or "]" in plain:
        _parse_brackets(entries, text, plain, inherit_width)
    else:
        _parse_names(entries, plain)


def _parse_names(entries: list[Entry], plain: str) -> None:
    if len(plain) > _LONG and _add_alike(entries, plain):
        return
    names = plain.split(",")
    if len(plain) > MAX_NAME and max(map(len, names)) > MAX_NAME:
        at = 0
        for name in names:
            _check_length(name, at)
            at += len(name) + 1
    if len(names) > MAX_HOSTS and len(names) - names.count("") > MAX_HOSTS:
        raise FormatError(f"hostlist: more than {MAX_HOSTS} hosts at column {_nth_name(names)}")
    add_names(entries, names)


def _add_alike(entries: list[Entry], plain: str) -> bool:
    """Append many names of one prefix with a few calls; False, and nothing done, if they are not alike."""
    prefix = plain[: plain.find(",")].rstrip(DIGITS)
    numbers = plain[len(prefix) :].split("," + prefix)
    longest = max(map(len, numbers))
    if longest > _MAX_DIGITS or len(numbers) > MAX_HOSTS or "" in numbers:
        return False
    if len(prefix) + longest > MAX_NAME or not "".join(numbers).isdigit():
        return False
    ids = list(map(int, numbers))
    if plain.count(f",{prefix}0") + (numbers[0][0] == "0") == numbers.count("0"):
        extend(entries, prefix, ids, ids, 0)
        return True
    border = 10 ** (longest - 1)
    if min(map(len, numbers)) < longest or 1 in map(sub, islice(ids, 1, None), ids):
        return False
    push(entries, prefix, ids[0], ids[0], longest if ids[0] < border else 0)
    entries += [(prefix, n, n, longest if n < border else 0) for n in islice(ids, 1, None)]
    return True


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


def _parse_brackets(entries: list[Entry], text: str, plain: str, inherit_width: bool) -> None:
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
                add_names(entries, (name,))
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
            lows, highs, widths = _parse_ids(text, opening + 1, closing, inherit_width)
            count = sum(highs) - sum(lows) + len(lows)
            hosts += count
            suffixed += count if suffix else 0
            if suffixed > MAX_SUFFIXED:
                raise FormatError(
                    f"hostlist: more than {MAX_SUFFIXED} hosts with a suffix at column {opening + 1}"
                )
            if hosts <= MAX_HOSTS:
                _add_ids(entries, head, lows, highs, widths, suffix, opening + 1)
        if hosts > MAX_HOSTS:
            raise FormatError(f"hostlist: more than {MAX_HOSTS} hosts at column {at + 1}")
        at = end + 1


def _check_brackets(part: str, start: int) -> None:
    if "[" in part or "]" in part:
        at = next(i for i, c in enumerate(part) if c in "[]")
        what = "a second '['" if part[at] == "[" else "unbalanced ']'"
        raise FormatError(f"hostlist: {what} at column {start + at + 1}")


def _parse_ids(
    text: str, start: int, end: int, inherit_width: bool
) -> tuple[list[int], list[int], list[int] | None]:
    """Parse ``text[start:end]`` to low ends, high ends and digits as written (None: no leading zeros)."""
    if end - start > _LONG:
        long = _read_long(text[start:end])
        if long is not None:
            return long[0], long[1], None
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
        lows.append(low)
        highs.append(high)
        widths.append(max(width, inherited))
        column += len(item) + 1
    return lows, highs, widths


def _read_long(text: str) -> tuple[list[int], list[int]] | None:
    """Read many ids without leading zeros with a few calls; None if anything is unusual."""
    data = text.encode()
    separators = data.translate(None, DIGITS.encode())
    if separators.translate(None, b",-") or b"--" in separators or data[:1] == b"0":
        return None
    if b",0" in data or b"-0" in data:
        return None
    try:
        numbers = list(map(int, data.replace(b"-", b",").split(b",")))
    except ValueError:  # an empty item, or a number of thousands of digits
        return None
    if max(numbers) >= 10**_MAX_DIGITS:
        return None
    if b"-" not in separators:
        return numbers, numbers
    ends = separators.translate(_ENDS)
    lows, highs = list(compress(numbers, b"\1" + ends)), list(compress(numbers, ends + b"\1"))
    if not all(map(le, lows, highs)) or max(map(sub, highs, lows)) >= MAX_RANGE:
        return None
    return lows, highs


def _number(text: str, column: int) -> int:
    if not (text.isascii() and text.isdigit()):
        bad = next((i for i, c in enumerate(text) if not "0" <= c <= "9"), len(text))
        what = f"unexpected {text[bad]!r}" if text[bad:] else "expected a number"
        raise FormatError(f"hostlist: {what} at column {column + bad}")
    if len(text) > 64 or len(text.lstrip("0")) > _MAX_DIGITS:
        raise FormatError(f"hostlist: number too long at column {column}")
    return int(text)


def _add_ids(
    entries: list[Entry],
    prefix: str,
    lows: list[int],
    highs: list[int],
    widths: list[int] | None,
    suffix: str,
    column: int,
) -> None:
    """Append ``prefix[ids]suffix``, so that each number holds all digits at the end of its name."""
    head = prefix.rstrip(DIGITS)
    digits = prefix[len(head) :]
    if widths is None and not digits and not suffix:
        extend(entries, head, lows, highs, 0)
        return
    for low, high, width in zip(lows, highs, widths or repeat(0), strict=False):
        longest = len(digits) + _length(high, width)
        if suffix or longest > _MAX_DIGITS:
            if high - low >= MAX_SUFFIXED:
                raise FormatError(f"hostlist: too many hosts with long numbers at column {column}")
            add_names(entries, [f"{prefix}{number:0{width}d}{suffix}" for number in range(low, high + 1)])
        elif not digits:
            push(entries, head, low, high, width if len(str(low)) < width else 0)
        else:
            _add_after_digits(entries, head, digits, low, high, width)


def _add_after_digits(entries: list[Entry], head: str, digits: str, low: int, high: int, width: int) -> None:
    """Append ``foo1[8-12]``: the ids that are written with one digit are foo18-foo19, and so on."""
    for size in range(_length(low, width), _length(high, width) + 1):
        first = max(low, 10 ** (size - 1) if size > width else 0)
        last = min(high, 10**size - 1)
        base = int(digits) * 10**size
        padded = len(digits) + size if digits[0] == "0" else 0
        push(entries, head, base + first, base + last, padded)


def _length(number: int, width: int) -> int:
    return max(width, len(str(number)))
