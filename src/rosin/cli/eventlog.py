# SPDX-License-Identifier: LGPL-3.0-or-later
"""How commands print events of an eventlog (RFC 18)."""

from __future__ import annotations

from rosin.cli.timestamps import GREEN, RESET, HumanClock, iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_YELLOW, _BLUE, _MAGENTA, _GRAY = "\x1b[33m", "\x1b[34m", "\x1b[35m", "\x1b[37m"
_BOLD_RED = "\x1b[1m\x1b[31m"
FORMATS = ("text", "json")
TIME_FORMATS = ("raw", "iso", "offset", "human")


class EventFormatter:
    """Formats one event after the other.

    ``form``: ``text`` or ``json``. ``times``: ``raw``, ``iso``, ``offset`` (since the first), ``human`` or
    ``reltime`` (the same). ``pad``: offsets as wide as each other. Raises ValueError for another word.
    """

    def __init__(self, form: str = "text", times: str = "raw", color: bool = False, pad: bool = True) -> None:
        if form not in FORMATS:
            raise ValueError(f"invalid format type '{form}', expected one of {', '.join(FORMATS)}")
        times = "human" if times == "reltime" else times
        if times not in TIME_FORMATS:
            raise ValueError(f"invalid time-format type '{times}', expected one of {', '.join(TIME_FORMATS)}")
        self._color = color
        self._pad = pad
        self._first: float | None = None
        clock = HumanClock()
        stamps: dict[str, Callable[[float], str]] = {
            "raw": lambda seconds: self._green(f"{seconds:.6f}"),
            "iso": lambda seconds: self._green(iso(seconds)),
            "offset": self._offset,
            "human": lambda seconds: clock.stamp(seconds, color),
        }
        self._stamp = stamps[times]
        self._json = form == "json"

    def format(self, entry: dict[str, Any]) -> str:
        """The line of an event (``{"timestamp", "name", "context"?}``), without newline."""
        if self._json:
            from rosin.rfc.eventlog import encode_entry

            return encode_entry(entry).rstrip("\n")
        words = [self._stamp(float(entry["timestamp"])), self._name(entry)]
        context = entry.get("context")
        if context:
            words += [self._pair(key, value) for key, value in context.items()]
        return " ".join(words)

    def skip(self, entry: dict[str, Any]) -> None:
        """Take note of an event that is not printed: offsets are relative to the first one."""
        if self._first is None:
            self._first = float(entry["timestamp"])

    def _green(self, text: str) -> str:
        return f"{GREEN}{text}{RESET}" if self._color else text

    def _offset(self, seconds: float) -> str:
        if self._first is None:
            self._first = seconds
        return self._green(f"{seconds - self._first:{15 if self._pad else 0}.6f}")

    def _name(self, entry: dict[str, Any]) -> str:
        name = str(entry["name"])
        if not self._color:
            return name
        return f"{_BOLD_RED if name == 'exception' else _YELLOW}{name}{RESET}"

    def _pair(self, key: str, value: Any) -> str:
        from rosin import _json

        text = _json.dumps(value).decode()
        if not self._color:
            return f"{key}={text}"
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return f"{_BLUE}{key}{RESET}={_GRAY if number else _MAGENTA}{text}{RESET}"
