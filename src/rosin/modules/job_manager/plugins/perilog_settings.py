# SPDX-License-Identifier: LGPL-3.0-or-later
"""``[job-manager.prolog]``, ``[job-manager.epilog]`` and ``[job-manager.perilog]``."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.broker.settings import NO_ARGUMENTS, Table
from rosin.errors import FormatError
from rosin.modules.job_manager.command_settings import given_command, imp_command

if TYPE_CHECKING:
    from rosin.broker.settings import Config

#: ``exit-on-first-error`` is for the scripts that ``rosin run-system-scripts`` runs.
_KEYS = ("command", "timeout", "kill-timeout", "per-rank", "cancel-on-exception", "exit-on-first-error")
_PROLOG_TIMEOUT = 1800.0
_KILL_TIMEOUT = 60.0
_EMPTY = re.compile(r"^\s*$")
#: POSIX character classes of a bracket expression, as Python writes them.
_CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "blank": r" \t",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9a-fA-F",
    "cntrl": r"\x00-\x1f\x7f",
    "print": r"\x20-\x7e",
    "graph": r"\x21-\x7e",
}


class ScriptSettings(NamedTuple):
    """One of the two tables.

    Attributes:
        command: program and arguments.
        timeout: seconds that it may take, 0 for any time.
        kill_timeout: seconds from SIGTERM until it is given up.
        per_rank: it runs on each rank of the job, not once on rank 0.
        cancel_on_exception: it is ended when a fatal exception is raised on the job.
    """

    command: list[str]
    timeout: float
    kill_timeout: float
    per_rank: bool
    cancel_on_exception: bool

    @classmethod
    def parse(cls, config: Config, name: str) -> ScriptSettings | None:
        """Read the table *name*, None when there is none. Raises FormatError that names the key."""
        if Table(config, "job-manager").values.get(name) is None:
            return None
        table = Table(config, f"job-manager.{name}", _KEYS)
        given = given_command(table)
        command = imp_command(config, name) if given is None else given
        if command is None:
            raise FormatError(f"{table.name}: no command specified and exec.imp not defined")
        table.get("exit-on-first-error", bool)
        timeout = table.seconds("timeout", _PROLOG_TIMEOUT if name == "prolog" else 0.0)
        return cls(
            command,
            0.0 if math.isinf(timeout) else timeout,
            _kill_timeout(table),
            table.get("per-rank", bool, False),
            table.get("cancel-on-exception", bool, name == "prolog"),
        )

    def describe(self) -> dict[str, Any]:
        """What a query of the plugin shows, under flux-core's keys."""
        return {
            "command": self.command,
            "per_rank": self.per_rank,
            "cancel_on_exception": self.cancel_on_exception,
            "timeout": self.timeout,
            "kill-timeout": self.kill_timeout,
        }


class PerilogSettings(NamedTuple):
    """All three tables. ``ignore``: lines of output that match one of them are not logged."""

    prolog: ScriptSettings | None = None
    epilog: ScriptSettings | None = None
    ignore: tuple[re.Pattern[str], ...] = (_EMPTY,)

    @classmethod
    def parse(cls, config: Config, _arguments: Config = NO_ARGUMENTS) -> PerilogSettings:
        """Read them. Raises FormatError that names the key."""
        table = Table(config, "job-manager.perilog", ("log-ignore",))
        return cls(
            ScriptSettings.parse(config, "prolog"),
            ScriptSettings.parse(config, "epilog"),
            (_EMPTY, *(_pattern(table, text) for text in table.get("log-ignore", list, []))),
        )

    def ignores(self, line: str) -> bool:
        """Whether *line* is not worth logging."""
        return any(pattern.search(line) for pattern in self.ignore)

    def describe(self) -> dict[str, Any]:
        """What a query of the plugin shows."""
        return {
            "prolog": self.prolog.describe() if self.prolog else {},
            "epilog": self.epilog.describe() if self.epilog else {},
        }


def is_configured(config: Config) -> bool:
    """Whether a prolog or an epilog is configured at all."""
    values = Table(config, "job-manager").values
    return any(values.get(name) is not None for name in ("prolog", "epilog"))


def _kill_timeout(table: Table) -> float:
    value = table.values.get("kill-timeout", _KILL_TIMEOUT)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise table.wrong("kill-timeout", "a number of seconds, such as 60.0", value)
    return float(value) if value > 0 else _KILL_TIMEOUT


def _pattern(table: Table, text: Any) -> re.Pattern[str]:
    """A POSIX extended regular expression."""
    if not isinstance(text, str):
        raise table.wrong("log-ignore", "an array of regular expressions", text)
    try:
        return re.compile(re.sub(r"\[:(\w+):\]", lambda found: _CLASSES.get(found[1], found[0]), text))
    except re.error as error:
        raise FormatError(
            f"{table.name}.log-ignore: {text[:64]!r} is no regular expression: {error}"
        ) from None
