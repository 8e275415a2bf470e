# SPDX-License-Identifier: LGPL-3.0-or-later
"""JSON as Flux sends it: compact UTF-8.

The standard library's codec serves commands, whose start-up time counts; long-running processes call
:func:`accelerate` once to switch to orjson, which is several times faster but slow to import. Call through
the module (``_json.loads(...)``) so that the switch reaches every user.
"""

import json
from collections.abc import Callable
from typing import Any

JSONDecodeError = json.JSONDecodeError  # orjson's own error is a subclass

_encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_sorted_encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, sort_keys=True)


def _dumps(obj: Any) -> bytes:
    return _encoder.encode(obj).encode()


def _dumps_sorted(obj: Any) -> bytes:
    return _sorted_encoder.encode(obj).encode()


def _loads(data: bytes | str) -> Any:
    return json.loads(data)


#: Encode to compact JSON bytes. Raises TypeError or ValueError on what JSON cannot hold.
dumps: Callable[[Any], bytes] = _dumps
#: The same with object keys sorted: the canonical form that blobrefs are computed from (RFC 10).
dumps_sorted: Callable[[Any], bytes] = _dumps_sorted
#: Decode JSON text. Raises :data:`JSONDecodeError`, a ValueError.
loads: Callable[[bytes | str], Any] = _loads


def dumps_to_keep(obj: Any) -> bytes:
    """Like :data:`dumps`, for what stays in memory: bytes from orjson hold 4 KiB however short they are."""
    return bytes(memoryview(dumps(obj)))


def accelerate() -> None:
    """Use orjson in this process from now on."""
    global dumps, dumps_sorted, loads
    import orjson

    fast, in_order = orjson.dumps, orjson.OPT_SORT_KEYS

    def fast_dumps(obj: Any) -> bytes:
        try:
            return fast(obj)
        except TypeError as exc:
            if "64-bit" not in str(exc):
                raise
            return _dumps(obj)

    def fast_sorted(obj: Any) -> bytes:
        try:
            return fast(obj, option=in_order)
        except TypeError as exc:
            if "64-bit" not in str(exc):
                raise
            return _dumps_sorted(obj)

    dumps, dumps_sorted, loads = fast_dumps, fast_sorted, orjson.loads
