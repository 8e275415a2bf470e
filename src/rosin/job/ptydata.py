# SPDX-License-Identifier: LGPL-3.0-or-later
"""Bytes of a terminal in the messages between a job shell's pseudo terminal and its clients."""

from __future__ import annotations

from typing import Any

from rosin import _base64
from rosin.errors import FormatError
from rosin.rfc.payload import field


def encode(data: bytes) -> dict[str, str]:
    """A ``data`` message: text where the bytes are UTF-8 without NUL, which flux-core takes in no string."""
    if b"\0" not in data:
        try:
            return {"type": "data", "data": data.decode()}
        except UnicodeDecodeError:  # also where a character is cut by the end of a read
            pass
    return {"type": "data", "data": _base64.encode(data), "encoding": "base64"}


def decode(message: Any) -> bytes:
    """The bytes of a ``data`` message. Raises FormatError."""
    data = field(message, "data", str)
    encoding = field(message, "encoding", str, "")
    if not encoding:
        return data.encode(errors="surrogatepass")
    if encoding != "base64":
        raise FormatError(f"pty data: unknown encoding {encoding!r}")
    try:
        return _base64.decode(data)
    except ValueError:
        raise FormatError("pty data: invalid base64") from None
