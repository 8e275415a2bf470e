# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of a scheduler: its module arguments, and the same names in the table that is named after it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rosin.broker.arguments import Argument, choice, number
from rosin.broker.settings import NO_ARGUMENTS, Table
from rosin.errors import FormatError
from rosin.rfc.alloc_protocol import MAX_LIMIT
from rosin.rfc.payload import describe
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
#: How many of the first jobs that wait are told when they may start; each costs a look into the future.
FORECAST_DEPTH = Argument("forecast-depth", "N", "jobs whose start is estimated (8)", number(0, 1000))
#: What every scheduler takes.
ARGUMENTS = (QUEUE_DEPTH, FORECAST_DEPTH, LOG_LEVEL)

DEFAULTS: dict[str, Any] = {"queue-depth": 0, "forecast-depth": 8, "log-level": SEVERITIES.index("info")}


def parse(
    name: str,
    declared: Iterable[Argument],
    aliases: Mapping[str, str],
    config: Mapping[str, Any],
    arguments: Mapping[str, Any] = NO_ARGUMENTS,
) -> Mapping[str, Any]:
    """The settings of the scheduler *name*, by the names of what it has *declared*.

    Its table of the configuration goes over the defaults, *arguments* over both; ``aliases``: other name ->
    name. Raises FormatError that names the key.
    """
    known = {argument.name: argument.read for argument in declared if argument.form}
    table = Table(config, name, known)
    settings = dict(DEFAULTS)
    for key, value in table.values.items():
        try:
            settings[aliases.get(key, key)] = known[key](str(value))
        except ValueError as error:
            raise FormatError(f"{name}.{key}: {error}, got {describe(value)}") from None
    settings.update({aliases.get(key, key): value for key, value in arguments.items()})
    return MappingProxyType(settings)
