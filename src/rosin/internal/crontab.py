# SPDX-License-Identifier: LGPL-3.0-or-later
"""Lines of a crontab, as ``rosin cron tab`` and the cron service read them (pure)."""

from __future__ import annotations

from typing import NamedTuple

from rosin.errors import FormatError

_FIELDS = ("minute", "hour", "mday", "month", "weekday")
_EXPECTED = "expected five fields and a command, as in '*/5 * * * * date'"


class CrontabLine(NamedTuple):
    """A command, and the fields of the dates at which it runs."""

    args: dict[str, str | int]
    command: str


def decode(text: str) -> list[CrontabLine]:
    """The lines of a crontab; empty ones and comments (``#`` before them) are none. Raises FormatError.

    Months are 0 to 11, as for flux-core.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] == "#":
            continue
        words = line.split(None, len(_FIELDS))
        if len(words) <= len(_FIELDS):
            raise FormatError(f"line {number}: {line[:80]}: {_EXPECTED}")
        found.append(CrontabLine({"second": 0, **dict(zip(_FIELDS, words, strict=False))}, words[-1]))
    return found


def create_request(line: CrontabLine) -> dict[str, object]:
    """The payload of ``cron.create`` for a line."""
    name = line.command.split(None, 1)[0]
    return {"type": "datetime", "name": name, "command": line.command, "args": line.args}
