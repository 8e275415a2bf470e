# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 18: event logs, one JSON object with ``timestamp``, ``name`` and an optional ``context`` per line.

Logs only grow by whole lines. Services keep entries as plain dicts (:func:`entry`, :func:`decode_entries`);
programs read them as :class:`Event` values (:func:`decode`). Timestamps are seconds since the epoch as float;
they are not always in order, and no precision is dropped.
"""

from __future__ import annotations

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc.payload import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_MAX_TIMESTAMP = 1e300  # leaves out inf and nan, which JSON cannot hold


class Event:
    """One event: ``timestamp`` (float seconds), ``name``, ``context`` (dict, empty when the log has none)."""

    __slots__ = ("context", "name", "timestamp")

    def __init__(self, timestamp: float, name: str, context: dict[str, Any] | None = None) -> None:
        self.timestamp = timestamp
        self.name = name
        self.context: dict[str, Any] = {} if context is None else context

    def entry(self) -> dict[str, Any]:
        """Return the event as the dict that the log holds."""
        return entry(self.name, self.context or None, self.timestamp)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return (self.timestamp, self.name, self.context) == (other.timestamp, other.name, other.context)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Event({self.timestamp!r}, {self.name!r}, {self.context!r})"


def entry(name: str, context: dict[str, Any] | None = None, timestamp: float = 0.0) -> dict[str, Any]:
    """Make the dict of one event. A *context* of None is left out. FormatError: no *timestamp* above zero."""
    if not 0 < timestamp < _MAX_TIMESTAMP:
        raise FormatError(f"eventlog: event '{name}': expected a timestamp above 0, got {timestamp!r}")
    if context is None:
        return {"timestamp": float(timestamp), "name": name}
    return {"timestamp": float(timestamp), "name": name, "context": context}


def encode_entry(obj: dict[str, Any]) -> str:
    """Encode an entry dict to one line that ends in a newline."""
    return _json.dumps(obj).decode() + "\n"


def encode_entries(entries: Iterable[dict[str, Any]]) -> str:
    """Encode entry dicts to the text of a log."""
    dumps = _json.dumps
    return b"".join([dumps(obj) + b"\n" for obj in entries]).decode()


def encode(name: str, context: dict[str, Any] | None = None, timestamp: float = 0.0) -> str:
    """Encode one event to a line that ends in a newline. FormatError: no *timestamp* above zero."""
    return _json.dumps(entry(name, context, timestamp)).decode() + "\n"


def validate_entry(obj: Any) -> dict[str, Any]:
    """Check that *obj* is an event object and return it. Raises FormatError."""
    if type(obj) is not dict:
        raise FormatError(f"eventlog: expected an object, got {describe(obj)}")
    timestamp = obj.get("timestamp")
    if type(timestamp) not in (float, int) or not 0 < timestamp < _MAX_TIMESTAMP:  # type: ignore[operator]
        raise FormatError(f"eventlog: timestamp: expected a number above 0, got {describe(timestamp)}")
    if type(obj.get("name")) is not str:
        raise FormatError(f"eventlog: name: expected a string, got {describe(obj.get('name'))}")
    if "context" in obj and type(obj["context"]) is not dict:
        raise FormatError(f"eventlog: context: expected an object, got {describe(obj['context'])}")
    return obj


def decode_entry(line: str | bytes) -> dict[str, Any]:
    """Decode one line, with or without its newline, to an entry dict. Raises FormatError."""
    try:
        obj = _json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"eventlog: not valid JSON: {error}") from None
    if b"\n" in line[:-1] if isinstance(line, bytes) else "\n" in line[:-1]:
        raise FormatError("eventlog: an event takes exactly one line")
    return validate_entry(obj)


def parse_event(line: str) -> dict[str, Any]:
    """:func:`decode_entry` for what is shown to a user: FormatError says "error parsing eventlog"."""
    try:
        return validate_entry(_json.loads(line))
    except (ValueError, RecursionError) as exc:
        why = str(exc).removeprefix("eventlog: ")
        raise FormatError(f"error parsing eventlog: {why}") from None


def decode_line(line: str | bytes) -> Event:
    """Decode one line, with or without its newline. Raises FormatError."""
    return _event(decode_entry(line))


def decode_entries(text: str | bytes) -> list[dict[str, Any]]:
    """Decode a log of whole lines to entry dicts. FormatError names the line."""
    newline: Any = "\n" if isinstance(text, str) else b"\n"
    lines = text.split(newline)
    if lines.pop():
        raise FormatError(f"eventlog: line {len(lines) + 1}: does not end in a newline")
    entries = []
    loads = _json.loads
    try:
        for line in lines:
            obj = loads(line)
            entries.append(validate_entry(obj))
    except FormatError as error:
        raise FormatError(f"eventlog: line {len(entries) + 1}: {str(error)[len('eventlog: ') :]}") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"eventlog: line {len(entries) + 1}: not valid JSON: {error}") from None
    return entries


def decode(text: str | bytes) -> list[Event]:
    """Decode a log of whole lines. FormatError names the line."""
    return [_event(obj) for obj in decode_entries(text)]


def _event(obj: dict[str, Any]) -> Event:
    return Event(float(obj["timestamp"]), obj["name"], obj.get("context"))
