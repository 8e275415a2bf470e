# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 19: what is wrong with a text that is no FLUID; loaded only to say so."""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.payload import describe

_HEX = "0123456789abcdefABCDEF"


def invalid(text: str, base58: str, longest: int) -> FormatError:
    """Return the error for *text*: *base58* is the alphabet, *longest* the limit on a text."""
    shown = text if len(text) <= 60 else text[:57] + "..."
    if len(text.strip()) > longest:
        why = f"it is longer than {longest} characters"
    else:
        why = _fault(text.rstrip(), len(text) - len(text.lstrip()), base58)
    return FormatError(f"fluid: {shown!r} is not a valid job id: {why}")


def _fault(text: str, start: int, base58: str) -> str:
    """Follow the RFC's order of precedence; columns count from 1."""
    body = text[start:]
    if not body:
        return "it is empty"
    if "." in body:
        return _dothex_fault(body, start)
    if "-" in body:
        return _words_fault(body)
    if body[0] in "ƒf":
        if len(body) == 1:
            return f"no digits after {body[0]!r}"
        if len(body) > 13:
            return "it has more than 12 digits"
        return _digit_fault(text, start + 1, base58, "base58 digit") or "it does not fit into 64 bits"
    if "\U0001f000" <= body[0] <= "\U0001ffff":
        from rosin.rfc.fluid.emoji import EMOJI

        if len(body) > 7:
            return "it has more than 7 digits"
        return _digit_fault(text, start, EMOJI, "emoji digit") or "it does not fit into 64 bits"
    if body[:2] in ("0x", "0X"):
        if len(body) == 2:
            return "no digits after '0x'"
        return _digit_fault(text, start + 2, _HEX, "hex digit") or "it does not fit into 64 bits"
    return _digit_fault(text, start, "0123456789", "decimal digit") or "it does not fit into 64 bits"


def _digit_fault(text: str, at: int, digits: str, what: str) -> str | None:
    for place in range(at, len(text)):
        if text[place] not in digits:
            return f"{text[place]!r} at column {place + 1} is no {what}"
    return None


def _dothex_fault(body: str, start: int) -> str:
    column = start + 1
    if body.startswith("job."):
        body, column = body[4:], column + 4
    groups = body.split(".")
    if len(groups) != 4:
        return f"expected 4 groups of hex digits between periods, got {len(groups)}"
    for group in groups:
        if not 1 <= len(group) <= 4 or group.strip(_HEX):
            return f"expected 1 to 4 hex digits at column {column}, got {describe(group)}"
        column += len(group) + 1
    return "it does not fit into 64 bits"


def _words_fault(body: str) -> str:
    from rosin.rfc.fluid.words import WORDS

    words = "".join([c if c.isascii() and c.isalpha() else " " for c in body]).lower().split()
    if body[0] == "-" and body[1:].isdecimal():
        return "it is negative"
    if len(words) != 6:
        return f"expected 6 words, got {len(words)}"
    for word in words:
        if word not in WORDS:
            return f"unknown word {describe(word)}"
    return "it does not fit into 64 bits"
