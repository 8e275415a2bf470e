# SPDX-License-Identifier: LGPL-3.0-or-later
"""Standard input and output of jobs (RFC 24): the contexts of header, data, redirect and log events.

Data that is valid UTF-8 travels as text; any other chunk is base64 and says so in its own ``encoding``, as
flux-core does. ``eof`` is a boolean; the string ``"true"`` of the RFC's example is accepted on input.
"""

from __future__ import annotations

from rosin import _base64
from rosin.errors import FormatError
from rosin.rfc.idset import Idset
from rosin.rfc.payload import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

UTF8 = "UTF-8"
BASE64 = "base64"


class Data:
    """One data event, decoded.

    Attributes:
        stream: ``stdin``, ``stdout``, ``stderr`` or another name of the header.
        rank: the task ranks as idset text, or ``all``.
        data: the bytes, already repeated; empty when the event only ends the stream.
        eof: the stream ends for these ranks.
    """

    __slots__ = ("data", "eof", "rank", "stream")

    def __init__(self, stream: str, rank: str, data: bytes, eof: bool) -> None:
        self.stream = stream
        self.rank = rank
        self.data = data
        self.eof = eof

    def ranks(self) -> Idset | None:
        """Return the task ranks, None for all of them; FormatError when the text is not an idset."""
        return None if self.rank == "all" else Idset(self.rank)


def header(streams: Mapping[str, int], encoding: str = UTF8) -> dict[str, Any]:
    """Return the context of the header event; ``streams``: name to number of expected open streams."""
    return {
        "version": 1,
        "encoding": dict.fromkeys(streams, encoding),
        "count": dict(streams),
        "options": {},
    }


def encode_data(stream: str, rank: str | int, data: bytes | None = None, eof: bool = False) -> dict[str, Any]:
    """Return the context of a data event for a header with the default encoding UTF-8.

    ``rank`` is idset text, ``all`` or one number. Raises FormatError when there is neither data nor eof.
    """
    if not data and not eof:
        raise FormatError("ioencode: neither data nor eof")
    context: dict[str, Any] = {"stream": stream, "rank": str(rank)}
    if data:
        try:
            context["data"] = data.decode()
        except UnicodeDecodeError:
            context["encoding"] = BASE64
            context["data"] = _base64.encode(data)
    if eof:
        context["eof"] = True
    return context


def decode_data(context: Any, default: str | Mapping[str, str] = UTF8, max_bytes: int = 1 << 30) -> Data:
    """Decode the context of a data event.

    Args:
        context: the event's ``context`` object.
        default: encoding of events that name none: one for all, or the header's ``encoding`` object.
        max_bytes: refuse data that ``repeat`` would blow up beyond this.

    Raises FormatError on a missing or wrong field, an unknown encoding or broken base64.
    """
    if not isinstance(context, dict):
        raise FormatError("data event: context is not an object")
    stream, rank = _text(context, "stream"), _text(context, "rank")
    eof = context.get("eof")
    if eof not in (None, True, False, "true", "false"):
        raise FormatError("data event: eof is not a boolean")
    text = context.get("data")
    if text is None and eof is None:
        raise FormatError("data event: neither data nor eof")
    encoding = context.get("encoding")
    if encoding is None:
        encoding = default if isinstance(default, str) else default.get(stream, UTF8)
    data = b"" if text is None else _decode(text, encoding)
    repeat = context.get("repeat", 1)
    if isinstance(repeat, bool) or not isinstance(repeat, int) or repeat < 1:
        raise FormatError("data event: repeat is not a positive integer")
    if repeat > 1 and len(data) * repeat > max_bytes:
        raise FormatError(f"data event: {repeat} copies exceed {max_bytes} bytes")
    return Data(stream, rank, data * repeat if data else b"", eof is True or eof == "true")


def redirect(stream: str, rank: str | int, path: str | None = None) -> dict[str, Any]:
    """Return the context of a redirect event: the stream's data goes to ``path``, not to the log."""
    context = {"stream": stream, "rank": str(rank)}
    if path is not None:
        context["path"] = path
    return context


def log(level: int, message: str, **where: str | int | None) -> dict[str, Any]:
    """Return the context of a log event.

    ``level`` is 0 to 7 (RFC 5424). ``where`` may give rank, program, file, line and component; what is None
    is left out. Raises FormatError on another level, TypeError on another field.
    """
    if not 0 <= level <= 7:
        raise FormatError(f"log event: level {level} is not from 0 to 7")
    unknown = where.keys() - {"rank", "program", "file", "line", "component"}
    if unknown:
        raise TypeError(f"log event: unknown field {min(unknown)}")
    return {"level": level, "message": message, **{k: v for k, v in where.items() if v is not None}}


def decode_header(context: Any) -> dict[str, str]:
    """Check a header event's context and return its default encoding of each stream. Raises FormatError."""
    if not isinstance(context, dict) or context.get("version") != 1:
        raise FormatError("header event: version is not 1")
    encodings = context.get("encoding")
    if not isinstance(encodings, dict):
        raise FormatError("header event: encoding is not an object")
    for stream, encoding in encodings.items():
        if encoding not in (UTF8, BASE64):
            raise FormatError(f"header event: unknown encoding {describe(encoding)} of {stream}")
    for key in ("count", "options"):
        if not isinstance(context.get(key), dict):
            raise FormatError(f"header event: {key} is not an object")
    return encodings


def _text(context: dict[str, Any], key: str) -> str:
    value = context.get(key)
    if not isinstance(value, str):
        raise FormatError(f"data event: {key} is missing or not a string")
    return value


def _decode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str):
        raise FormatError("data event: data is not a string")
    try:
        if encoding == BASE64:
            return _base64.decode(text)
        if encoding == UTF8:
            return text.encode()
    except ValueError as error:
        raise FormatError(f"data event: data is not {encoding}: {error}") from None
    raise FormatError(f"data event: unknown encoding {describe(encoding)}")
