# SPDX-License-Identifier: LGPL-3.0-or-later
"""The answer of ``kvs.tail``, private to kvs and kvs-watch: a part of a value, without base64 around it."""

from __future__ import annotations

from typing import Any

from rosin import _json
from rosin.errors import FormatError


def encode(head: dict[str, Any], data: bytes = b"") -> bytes:
    """The payload: what is said about the part as a JSON line, then its bytes."""
    return b"".join((_json.dumps(head), b"\n", data))


def decode(payload: bytes) -> tuple[dict[str, Any], bytes]:
    """The head and the bytes. Raises FormatError."""
    end = payload.find(b"\n")
    try:
        head = _json.loads(payload[:end])
    except ValueError:
        head = None
    if end < 0 or not isinstance(head, dict):
        raise FormatError("kvs.tail: malformed answer")
    return head, payload[end + 1 :]
