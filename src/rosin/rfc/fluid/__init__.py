# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 19: FLUIDs, 64-bit job ids made without coordination, and their textual forms.

A FLUID is ``timestamp_ms << 24 | generator << 10 | sequence``: 40 bits of milliseconds since an epoch of the
instance's own, 14 bits of generator (the broker rank), 10 bits of sequence number.
"""

from __future__ import annotations

from rosin.errors import FormatError

MAX_FLUID = (1 << 64) - 1
MAX_GENERATOR = (1 << 14) - 1
_MAX_SEQUENCE = (1 << 10) - 1
_MAX_TIMESTAMP = (1 << 40) - 1

#: Names of the forms, as ``flux job id --to=`` and the Python API know them.
FORMS = ("dec", "hex", "dothex", "kvs", "f58", "f58plain", "words", "emoji")

_B58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_B58_VALUE = {digit: value for value, digit in enumerate(_B58)}
_B58_MAX_DIGITS = 12
_NWORDS = 1626
_NEMOJI = 576
_EMOJI_MAX_DIGITS = 7
_MAX_TEXT = 256  # longer than any form, so that hostile input costs nothing
_HEX = "0123456789abcdefABCDEF"

_word_value: dict[str, int] = {}


def encode(fluid: int, form: str = "f58") -> str:
    """Return the textual form of *fluid*.

    *form* is one of :data:`FORMS`: ``f58`` begins with ``ƒ``, ``f58plain`` with ``f`` (for places where only
    ASCII is safe). FormatError: *fluid* is not 0 to 2^64 - 1, or *form* is unknown.
    """
    if not 0 <= fluid <= MAX_FLUID:
        raise FormatError(f"fluid: {fluid} is outside of 0 to 2^64 - 1")
    if form == "f58":
        return "ƒ" + _encode_b58(fluid)
    if form == "f58plain":
        return "f" + _encode_b58(fluid)
    if form == "dec":
        return str(fluid)
    if form == "kvs":
        return "job." + _encode_dothex(fluid)
    if form == "dothex":
        return _encode_dothex(fluid)
    if form == "hex":
        return f"{fluid:#x}"
    if form == "words":
        return _encode_words(fluid)
    if form == "emoji":
        return _encode_emoji(fluid)
    raise FormatError(f"fluid: unknown form '{form}' (known: {', '.join(FORMS)})")


def parse(text: str) -> int:
    """Return the FLUID that *text* writes in any form, blanks around it ignored. FormatError tells why not.

    A flux-core job id may also have a sign in decimal, and an F58 id that overflows there wraps around;
    neither is taken here.
    """
    s = text.strip()
    if 0 < len(s) <= _MAX_TEXT:
        value = _parse(s)
        if value is not None and value <= MAX_FLUID:
            return value
    from rosin.rfc.fluid.error import invalid

    raise invalid(text, _B58, _MAX_TEXT)


def _parse(s: str) -> int | None:
    """Try the forms in the RFC's order of precedence."""
    if "." in s:
        return _parse_dothex(s)
    if "-" in s:
        return _parse_words(s)
    first = s[0]
    if first == "ƒ" or first == "f":
        return _parse_b58(s)
    if "\U0001f000" <= first <= "\U0001ffff":
        return _parse_emoji(s)
    if not s.isascii() or not s.isalnum():  # int() would take signs, underscores and other digits
        return None
    if s[:2] in ("0x", "0X"):
        return int(s, 16) if len(s) > 2 and not s[2:].strip(_HEX) else None
    return int(s) if s.isdecimal() else None


def _encode_b58(n: int) -> str:
    digits = _B58
    text = ""
    while n >= 58:
        n, rest = divmod(n, 58)
        text = digits[rest] + text
    return digits[n] + text


def _parse_b58(s: str) -> int | None:
    if not 1 < len(s) <= _B58_MAX_DIGITS + 1:
        return None
    n = 0
    try:
        for digit in s[1:]:
            n = n * 58 + _B58_VALUE[digit]
    except KeyError:
        return None
    return n


def _encode_dothex(fluid: int) -> str:
    h = f"{fluid:016x}"
    return f"{h[:4]}.{h[4:8]}.{h[8:12]}.{h[12:]}"


def _parse_dothex(s: str) -> int | None:
    groups = s.removeprefix("job.").split(".")
    if len(groups) != 4:
        return None
    n = 0
    for group in groups:
        if not 1 <= len(group) <= 4 or group.strip(_HEX):
            return None
        n = n << 16 | int(group, 16)
    return n


def _encode_words(fluid: int) -> str:
    from rosin.rfc.fluid.words import WORDS

    halves = []
    for half in (fluid & 0xFFFFFFFF, fluid >> 32):
        rest, first = divmod(half, _NWORDS)
        third, second = divmod(rest, _NWORDS)
        halves.append(f"{WORDS[first]}-{WORDS[second]}-{WORDS[third]}")
    return "--".join(halves)


def _parse_words(s: str) -> int | None:
    if not _word_value:
        from rosin.rfc.fluid.words import WORDS

        _word_value.update((word, value) for value, word in enumerate(WORDS))
    words = "".join([c if c.isascii() and c.isalpha() else " " for c in s]).lower().split()
    if len(words) != 6:
        return None
    try:
        a, b, c, d, e, f = [_word_value[word] for word in words]
    except KeyError:
        return None
    low = a + _NWORDS * (b + _NWORDS * c)
    high = d + _NWORDS * (e + _NWORDS * f)
    return high << 32 | low if low <= 0xFFFFFFFF else None


def _encode_emoji(n: int) -> str:
    from rosin.rfc.fluid.emoji import EMOJI

    text = ""
    while n >= _NEMOJI:
        n, rest = divmod(n, _NEMOJI)
        text = EMOJI[rest] + text
    return EMOJI[n] + text


def _parse_emoji(s: str) -> int | None:
    from rosin.rfc.fluid.emoji import EMOJI

    if len(s) > _EMOJI_MAX_DIGITS:
        return None
    n = 0
    for digit in s:
        value = EMOJI.find(digit)
        if value < 0:
            return None
        n = n * _NEMOJI + value
    return n


def timestamp(fluid: int) -> int:
    """Return the milliseconds since the instance's epoch that are part of *fluid*."""
    return fluid >> 24


class Generator:
    """Makes unique, increasing FLUIDs; the caller supplies the clock.

    *genid* is 0 to 16383 (FormatError otherwise). *timestamp_ms* is the instance time, in milliseconds since
    its epoch, at the moment *now_ms* of the caller's clock, or, when that is None, at the first call of a
    method. A restarted instance begins with the timestamp of its largest id plus one.
    """

    __slots__ = ("_epoch", "_genid", "_sequence", "_start", "_timestamp")

    def __init__(self, genid: int, timestamp_ms: int = 0, now_ms: int | None = None) -> None:
        if not 0 <= genid <= MAX_GENERATOR:
            raise FormatError(f"fluid: generator {genid} is outside of 0 to {MAX_GENERATOR}")
        if not 0 <= timestamp_ms <= _MAX_TIMESTAMP:
            raise FormatError(f"fluid: timestamp {timestamp_ms} is outside of 0 to 2^40 - 1")
        self._genid = genid << 10
        self._start = timestamp_ms
        self._epoch = None if now_ms is None else now_ms - timestamp_ms
        self._timestamp = timestamp_ms
        self._sequence = -1

    def timestamp(self, now_ms: int) -> int:
        """Return the instance time in milliseconds: never earlier than that of the last id made."""
        if self._epoch is None:
            self._epoch = now_ms - self._start
        return max(now_ms - self._epoch, self._timestamp)

    def next(self, now_ms: int) -> int:
        """Return a new id. FormatError: the 34 years of the timestamp are used up.

        When all sequence numbers of a millisecond are used, or the clock stepped back, ids continue in the
        next millisecond after the last used, ahead of the clock, so that no call ever has to wait.
        """
        now = self.timestamp(now_ms)
        if now > self._timestamp:
            self._timestamp = now
            self._sequence = 0
        elif self._sequence == _MAX_SEQUENCE:
            self._timestamp += 1
            self._sequence = 0
        else:
            self._sequence += 1
        if self._timestamp > _MAX_TIMESTAMP:
            raise FormatError("fluid: timestamps are exhausted; start a new instance")
        return self._timestamp << 24 | self._genid | self._sequence
