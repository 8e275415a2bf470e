# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of the store: the ``[content-sqlite]`` table and the module's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rosin.broker.arguments import Argument, number
from rosin.broker.settings import NO_ARGUMENTS, Table

if TYPE_CHECKING:
    from rosin.broker.settings import Config

JOURNAL_MODES = ("DELETE", "TRUNCATE", "PERSIST", "MEMORY", "WAL", "OFF")
SYNCHRONOUS = ("EXTRA", "FULL", "NORMAL", "OFF")
MAX_CHECKPOINTS = 5

ARGUMENTS = (
    Argument("journal_mode", "MODE", "as the key of the table `[content-sqlite]`"),
    Argument("synchronous", "LEVEL", "likewise"),
    Argument("max-checkpoints", "N", "as its key `max_checkpoints`", number(1)),
    Argument("truncate", "", "begin with an empty database"),
)


class SqliteSettings(NamedTuple):
    """Journal mode and synchronous level, as SQLite has them, the number of checkpoints that are kept, and
    whether to begin with an empty database.
    """

    journal_mode: str
    synchronous: str
    max_checkpoints: int
    truncate: bool

    @classmethod
    def parse(
        cls,
        config: Config,
        arguments: Config = NO_ARGUMENTS,
        *,
        temporary: bool = False,
    ) -> SqliteSettings:
        """Read them; arguments win over the table. Raises FormatError that names the key.

        *temporary*: the file goes with its broker, what is not set need not survive anything.
        """
        table = Table(config, "content-sqlite", cls._fields[:3])
        given = {name.replace("-", "_"): value for name, value in arguments.items()}
        table.values = {**table.values, **given}
        return cls(
            table.choice("journal_mode", "MEMORY" if temporary else "WAL", JOURNAL_MODES),
            table.choice("synchronous", "OFF" if temporary else "NORMAL", SYNCHRONOUS),
            table.integer("max_checkpoints", MAX_CHECKPOINTS, 1),
            "truncate" in arguments,
        )
