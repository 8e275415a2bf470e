# SPDX-License-Identifier: LGPL-3.0-or-later
"""What job-info asks of kvs-watch beside flux-core's ``kvs-watch.lookup``: values as bytes, and no faster
than they are passed on.

With ``raw`` in its request a watcher gets each piece of the value as the payload of a response, which has
none where another would get its sentinel. It confirms what it has passed on by ``kvs-watch.more``.
"""

from __future__ import annotations

from typing import Any

from rosin.rfc.payload import field

LOOKUP, MORE, CANCEL = "kvs-watch.lookup", "kvs-watch.more", "kvs-watch.cancel"


def lookup(namespace: str, key: str, flags: int) -> dict[str, Any]:
    """The payload of a request for a stream of bytes."""
    return {"namespace": namespace, "key": key, "flags": flags, "raw": True}


def is_raw(request: Any) -> bool:
    """Whether the payload of a lookup asks for that. Raises FormatError."""
    raw: bool = field(request, "raw", bool, False)
    return raw


def more(matchtag: int, count: int) -> dict[str, Any]:
    """The payload that confirms *count* pieces of the stream with this matchtag."""
    return {"matchtag": matchtag, "count": count}


def confirmed(request: Any) -> int:
    """The number of pieces in a payload of :func:`more`. Raises FormatError."""
    count: int = field(request, "count", int)
    return count
