# SPDX-License-Identifier: LGPL-3.0-or-later
"""``command`` in the tables of what runs around jobs: prolog, epilog, housekeeping."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosin.broker.settings import Config, Table


def given_command(table: Table) -> list[str] | None:
    """Program and arguments, None when the table has none. Raises FormatError."""
    value = table.values.get("command")
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise table.wrong("command", "an array of one or more strings", value)
    return value


def imp_command(config: Config, name: str) -> list[str] | None:
    """The IMP's command for *name*, None when there is no ``exec.imp``."""
    table = config.get("exec")
    path = table.get("imp") if isinstance(table, dict) else None
    return [path, "run", name] if isinstance(path, str) else None
