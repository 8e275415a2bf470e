# SPDX-License-Identifier: LGPL-3.0-or-later
"""Shell options: ``attributes.system.shell.options``, what ``-o NAME=VALUE`` sets.

Every getter raises :class:`~rosin.shell.errors.ShellError` with the option's name when the value has the
wrong type, because a job that would not do what was asked must not run.
"""

from __future__ import annotations

from typing import Any

from rosin import _size
from rosin.rfc import fsd
from rosin.shell.errors import ShellError


class Options:
    """The options object; ``name`` may be a path such as ``output.stdout.type``."""

    __slots__ = ("_options",)

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options

    def get(self, name: str) -> Any:
        """The value, or None where there is none."""
        value: Any = self._options
        for key in name.split("."):
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    def set(self, name: str, value: Any) -> None:
        """Set an option, or with None take it away; objects on the way are made, and replace other values."""
        *above, last = name.split(".")
        level = self._options
        for key in above:
            if not isinstance(level.get(key), dict):
                level[key] = {}
            level = level[key]
        level[last] = value
        if value is None:
            del level[last]

    def _typed(self, name: str, kind: type, wanted: str, default: Any) -> Any:
        value = self.get(name)
        if value is None:
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ShellError(f"shell option {name}: expected {wanted}, got {value!r}")
        return value

    def string(self, name: str, default: str) -> str:
        return str(self._typed(name, str, "a string", default))

    def optional_string(self, name: str) -> str | None:
        value = self._typed(name, str, "a string", None)
        return None if value is None else str(value)

    def integer(self, name: str, default: int) -> int:
        return int(self._typed(name, int, "an integer", default))

    def object(self, name: str) -> dict[str, Any]:
        value = self._typed(name, dict, "an object", {})
        return dict(value)

    def flag(self, name: str) -> bool:
        """True for ``-o NAME`` (which sets 1), false for 0, false and absence."""
        value = self.get(name)
        if value is None:
            return False
        if not isinstance(value, int):
            raise ShellError(f"shell option {name}: expected a boolean, got {value!r}")
        return bool(value)

    def size(self, name: str, default: str, maximum: int) -> tuple[int, str]:
        """A byte count such as 4096 or ``"10M"``, from 1 to ``maximum``, and the text to show for it."""
        value = self.get(name)
        if value is None:
            value = default
        number = value
        if isinstance(value, str):
            try:
                number = _size.parse(value)
            except ValueError:
                number = None
        if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= maximum:
            most = _size.encode(maximum)
            raise ShellError(f"Invalid KVS {name}={value}: expected a size from 1 to {most} such as 10M")
        return number, value if isinstance(value, str) else _size.encode(number)


def parse_duration(value: Any) -> float | None:
    """A duration given as text or number; None if it is neither."""
    if isinstance(value, str):
        try:
            return fsd.parse(value)
        except ValueError:
            return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return float(value)
    return None
