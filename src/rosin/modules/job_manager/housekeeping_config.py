# SPDX-License-Identifier: LGPL-3.0-or-later
"""``[job-manager.housekeeping]``: what is run on the nodes of a job that is over."""

from __future__ import annotations

from typing import Any

from rosin.errors import FormatError
from rosin.rfc import fsd
from rosin.rfc.payload import describe

_TABLE = "job-manager.housekeeping"
#: ``exit-on-first-error`` is for the scripts of a systemd unit, ``use-systemd-unit`` is of the past.
_KEYS = ("command", "release-after", "exit-on-first-error", "use-systemd-unit")
#: Value of ``release_after`` for: all ranks together.
TOGETHER = -1.0


class HousekeepingSettings:
    """The table.

    ``command``: program and arguments, None when nothing is to be run. ``release_after``: seconds from the
    first rank that is done to the release of those that are, 0 for each at once, :data:`TOGETHER` for all
    when the last one is done.
    """

    __slots__ = ("command", "deprecated", "release_after", "with_imp")

    def __init__(self) -> None:
        self.command: list[str] | None = None
        self.release_after = TOGETHER
        self.with_imp = False
        self.deprecated = False

    @classmethod
    def parse(cls, config: dict[str, Any]) -> HousekeepingSettings:
        """Read the table from the configuration. Raises FormatError that names the key."""
        settings = cls()
        manager = config.get("job-manager", {})
        table = manager.get("housekeeping") if isinstance(manager, dict) else None
        if table is None:
            return settings
        if not isinstance(table, dict):
            raise FormatError(f"{_TABLE}: expected a table, got {describe(table)}")
        unknown = next((key for key in table if key not in _KEYS), None)
        if unknown is not None:
            raise FormatError(f"{_TABLE}: unknown key '{unknown}' (known: {', '.join(_KEYS[:3])})")
        for key in _KEYS[2:]:
            if not isinstance(table.get(key, False), bool):
                raise FormatError(f"{_TABLE}.{key}: expected true or false, got {describe(table[key])}")
        settings.deprecated = table.get("use-systemd-unit", False)
        settings.release_after = _release_after(table.get("release-after"))
        settings.command = _command(table.get("command"))
        if settings.command is None:
            settings.command = [_imp(config), "run", "housekeeping"]
            settings.with_imp = True
        return settings

    def describe(self) -> dict[str, Any]:
        """The ``config`` of the statistics."""
        return {"release-after": self.release_after, "command": " ".join(self.command or ())}


def _release_after(value: Any) -> float:
    if value is None:
        return TOGETHER
    if not isinstance(value, str):
        raise FormatError(f"{_TABLE}.release-after: expected a duration as string, got {describe(value)}")
    try:
        return fsd.parse(value)
    except FormatError as error:
        raise FormatError(f"{_TABLE}.release-after: {error}") from None


def _command(value: Any) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise FormatError(
            f"{_TABLE}.command: expected an array of one or more strings, got {describe(value)}"
        )
    return value


def _imp(config: dict[str, Any]) -> str:
    table = config.get("exec")
    path = table.get("imp") if isinstance(table, dict) else None
    if not isinstance(path, str):
        raise FormatError(f"{_TABLE} implies IMP but exec.imp is undefined: set command or exec.imp")
    return path
