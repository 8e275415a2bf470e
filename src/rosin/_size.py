# SPDX-License-Identifier: LGPL-3.0-or-later
"""Numbers of bytes as people write them: ``512``, ``64k``, ``1.5G``; a suffix is a power of 1024."""

from __future__ import annotations

_SUFFIXES = "kmgtpe"


def parse(text: str) -> int:
    """The number of bytes. Raises ValueError for what is no decimal number with a suffix or none."""
    digits, power = text, 0
    if text and text[-1].lower() in _SUFFIXES:
        digits, power = text[:-1], 1 + _SUFFIXES.index(text[-1].lower())
    if not (digits.isascii() and digits.replace(".", "", 1).isdecimal() and len(digits) < 20):
        raise ValueError(f"not a size: '{text[:40]}': expected one such as 512, 64k or 1.5G")
    return int(float(digits) * 1024**power) if "." in digits else int(digits) << 10 * power


def encode(size: int) -> str:
    """Write a size for people: ``1G``, ``95.3674M``."""
    for power, unit in ((4, "T"), (3, "G"), (2, "M"), (1, "k")):
        if size >= 1 << 10 * power:
            return f"{size / (1 << 10 * power):.8g}{unit}"
    return str(size)
