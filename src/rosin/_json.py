# SPDX-License-Identifier: LGPL-3.0-or-later
"""JSON as Flux sends it: compact UTF-8.

The standard library's codec serves commands, whose start-up time counts: the part of it that is written in C,
which behaves as ``json`` does but is there without the regular expressions that ``json`` imports. What it
does not take is left to ``json``, to decode or to say what is wrong. Long-running processes call
:func:`accelerate` once to switch to orjson, which is several times faster but slow to import. Call through
the module (``_json.loads(...)``) so that the switch reaches every user.
"""

from __future__ import annotations

import _signal
from _json import encode_basestring, make_encoder, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from json import JSONDecodeError as JSONDecodeError
    from typing import Any

#: The deepest nesting of arrays and objects in a request. What a client sends is wrapped a few times on its
#: way to whoever reads it, and each codec has a limit of its own: 254 for orjson to encode, 1024 to decode,
#: what the stack leaves of 1000 for the standard library's. Nothing gets in that somebody cannot read again.
MAX_DEPTH = 128

_SAME = bytes.maketrans(b"{}", b"[]")
_OTHER = bytes(byte for byte in range(256) if byte not in b"[]{}")
_PLAIN = bytes(byte for byte in range(256) if byte not in b'[]{}"\\')
_DEEP = b"[" * (MAX_DEPTH + 1)


def __getattr__(name: str) -> object:
    """``JSONDecodeError``, the ValueError of :data:`loads`; orjson's own error is a subclass."""
    if name == "JSONDecodeError":
        from json import JSONDecodeError

        return JSONDecodeError
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def too_deep(data: bytes) -> bool:
    """Whether JSON text nests deeper than :data:`MAX_DEPTH`; takes less time than to decode it."""
    if len(data) <= 2 * MAX_DEPTH:
        return False
    left = data.translate(_SAME, _PLAIN)
    if left.count(b"[") <= MAX_DEPTH:
        return False
    if b"\\" not in left and 2 * left.count(b'""') == left.count(b'"'):
        left = left.translate(None, b'"')
    else:  # some string holds brackets, or what is escaped
        left = _without_strings(data).translate(_SAME, _OTHER)
    for _ in range(MAX_DEPTH):
        if _DEEP in left:
            return True
        inner = left.replace(b"[]", b"")
        if not inner or len(inner) == len(left):  # as deep as that, or not JSON at all
            return False
        left = inner
    return True


def _without_strings(data: bytes) -> bytes:
    import re

    return re.sub(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', b"", data, flags=re.DOTALL)


def _encode(obj: Any, in_order: bool) -> bytes:
    """What ``json.JSONEncoder`` does when it is neither subclassed nor told to indent."""
    try:
        encoder = make_encoder({}, _refuse, encode_basestring, None, ":", ",", in_order, False, False)
        return "".join(encoder(obj, 0)).encode()
    except RecursionError:
        raise ValueError("nested too deeply for JSON") from None


def _refuse(obj: object) -> object:
    raise TypeError(f"Object of type {obj.__class__.__name__} is not JSON serializable")


def _dumps(obj: Any) -> bytes:
    return _encode(obj, False)


def _dumps_sorted(obj: Any) -> bytes:
    return _encode(obj, True)


class _Defaults:
    """The options of ``json.JSONDecoder``."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {word: float(word) for word in ("-Infinity", "Infinity", "NaN")}.__getitem__


_scan = make_scanner(_Defaults)  # type: ignore[arg-type]


def _loads(data: bytes | str) -> Any:
    try:
        text = data if isinstance(data, str) else data.decode()
        text = text.strip(" \t\n\r")
        obj, end = _scan(text, 0)
        if end == len(text):
            return obj
    except Exception:
        pass  # the scanner cannot say what is wrong; UTF-16 is not
    return _loads_thoroughly(data)


def _loads_thoroughly(data: bytes | str) -> Any:
    import json

    try:
        return json.loads(data)
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", "", 0) from None


#: Encode to compact JSON bytes. Raises TypeError or ValueError on what JSON cannot hold.
dumps: Callable[[Any], bytes] = _dumps
#: The same with object keys sorted: the canonical form that blobrefs are computed from (RFC 10).
dumps_sorted: Callable[[Any], bytes] = _dumps_sorted
#: Decode JSON text. Raises :data:`JSONDecodeError`, a ValueError.
loads: Callable[[bytes | str], Any] = _loads


def dumps_to_keep(obj: Any) -> bytes:
    """Like :data:`dumps`, for what stays in memory: bytes from orjson hold 4 KiB however short they are."""
    return bytes(memoryview(dumps(obj)))


def _only_orjson(exc: TypeError) -> bool:
    """Whether what orjson refuses, large integers and deep nesting, is nothing to the standard library."""
    text = str(exc)
    return "64-bit" in text or "Recursion limit" in text


def accelerate() -> None:
    """Use orjson in this process from now on."""
    global dumps, dumps_sorted, loads
    # An exception of a signal handler in the middle of its initialization ends the interpreter by SIGSEGV.
    blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    try:
        import orjson
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)

    fast, in_order = orjson.dumps, orjson.OPT_SORT_KEYS

    def fast_dumps(obj: Any) -> bytes:
        try:
            return fast(obj)
        except TypeError as exc:
            if not _only_orjson(exc):
                raise
            return _dumps(obj)

    def fast_sorted(obj: Any) -> bytes:
        try:
            return fast(obj, option=in_order)
        except TypeError as exc:
            if not _only_orjson(exc):
                raise
            return _dumps_sorted(obj)

    dumps, dumps_sorted, loads = fast_dumps, fast_sorted, orjson.loads
