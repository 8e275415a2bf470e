# SPDX-License-Identifier: LGPL-3.0-or-later
"""Base64 as Flux sends it: strict, with padding, without line ends.

The standard library's codec serves what is short. For long data pybase64 is forty times faster; it is
imported when the first such data comes, and done without where it is not installed.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Data = bytes | bytearray | memoryview

#: From this length on the faster codec pays for itself.
LONG = 1 << 14


def decode(text: str) -> bytes:
    """The bytes of *text*. Raises ValueError for what is not base64, TypeError for what is no text."""
    if len(text) % 4:  # which the standard library lets pass where only padding is too much
        raise ValueError("base64 text comes in groups of four")
    return a2b_base64(text, strict_mode=True) if len(text) < LONG else _long_codec()[0](text)


def encode(data: Data) -> str:
    """The text of *data*."""
    return b2a_base64(data, newline=False).decode("ascii") if len(data) < LONG else _long_codec()[1](data)


_found: tuple[Callable[[str], bytes], Callable[[Data], str]] | None = None


def _long_codec() -> tuple[Callable[[str], bytes], Callable[[Data], str]]:
    global _found
    if _found is None:
        _found = _find_long_codec()
    return _found


def _find_long_codec() -> tuple[Callable[[str], bytes], Callable[[Data], str]]:
    try:
        from pybase64 import b64decode, b64encode_as_string
    except ImportError:
        return (
            lambda text: a2b_base64(text, strict_mode=True),
            lambda data: b2a_base64(data, newline=False).decode("ascii"),
        )

    def strict(text: str) -> bytes:
        try:
            return b64decode(text, validate=True)
        except ValueError:
            return a2b_base64(text, strict_mode=True)  # the verdict does not depend on the length

    return strict, b64encode_as_string
