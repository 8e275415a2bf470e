# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of a scheduler: its module arguments, and the same names in the table that is named after it."""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING, Any

from rosin.broker.arguments import Argument, choice
from rosin.errors import did_you_mean
from rosin.rfc.alloc_protocol import MAX_LIMIT
from rosin.rfc.syslog import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def depth(text: str) -> int:
    """Read a number of jobs; 0 is any number."""
    if text == "unlimited":
        return 0
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:11]) <= MAX_LIMIT:
        raise ValueError("expected a number of 1 or more, or unlimited")
    return int(text)


def _level(text: str) -> int:
    return SEVERITIES.index(choice(*SEVERITIES)(text.lower()))


#: How many jobs the job manager may have waiting at the scheduler at a time. All of them is the default: what
#: fits is then allocated and written down in one commit.
QUEUE_DEPTH = Argument("queue-depth", "N|unlimited", "jobs that are looked at (unlimited)", depth)
LOG_LEVEL = Argument("log-level", "LEVEL", "least severity that is logged (info)", _level)
#: What every scheduler takes.
ARGUMENTS = (QUEUE_DEPTH, LOG_LEVEL)

DEFAULTS: dict[str, Any] = {"queue-depth": 0, "log-level": SEVERITIES.index("info")}


def read_table(name: str, arguments: Iterable[Argument], table: Any) -> dict[str, Any]:
    """Read the table ``[name]`` of the configuration: values by the names of arguments that are no flags.

    Raises OSError EINVAL naming a bad option.
    """
    if not isinstance(table, dict):
        raise OSError(EINVAL, f"{name}: [{name}] must be a table")
    known = {argument.name: argument.read for argument in arguments if argument.form}
    values = {}
    for key, value in table.items():
        if key not in known:
            hint = did_you_mean(key[:64], known) or f"; known: {', '.join(known)}"
            raise OSError(EINVAL, f"{name}: unknown option [{name}] {key}{hint}")
        try:
            values[key] = known[key](str(value))
        except ValueError as error:
            raise OSError(EINVAL, f"{name}: [{name}] {key}: {error}") from None
    return values


def merge(aliases: Mapping[str, str], *given: Mapping[str, Any]) -> dict[str, Any]:
    """Put values over the defaults, the last one last; ``aliases``: other name -> name."""
    settings = dict(DEFAULTS)
    for values in given:
        settings.update({aliases.get(name, name): value for name, value in values.items()})
    return settings
