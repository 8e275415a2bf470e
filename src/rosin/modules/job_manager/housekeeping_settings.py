# SPDX-License-Identifier: LGPL-3.0-or-later
"""``[job-manager.housekeeping]``: what is run on the nodes of a job that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.broker.settings import NO_ARGUMENTS, Table
from rosin.errors import FormatError
from rosin.modules.job_manager.command_settings import given_command, imp_command

if TYPE_CHECKING:
    from rosin.broker.settings import Config

_TABLE = "job-manager.housekeeping"
#: ``exit-on-first-error`` is for the scripts of a systemd unit, ``use-systemd-unit`` is of the past.
_KEYS = ("command", "release-after", "exit-on-first-error", "use-systemd-unit")
#: Value of ``release_after`` for: all ranks together.
TOGETHER = -1.0


class HousekeepingSettings(NamedTuple):
    """The table.

    Attributes:
        command: program and arguments, None when nothing is to be run.
        release_after: seconds from the first rank that is done to the release of those that are, 0 for each
            at once, :data:`TOGETHER` for all when the last one is done.
        with_imp: the command is the IMP's.
        deprecated: the key ``use-systemd-unit`` is set.
    """

    command: list[str] | None = None
    release_after: float = TOGETHER
    with_imp: bool = False
    deprecated: bool = False

    @classmethod
    def parse(cls, config: Config, _arguments: Config = NO_ARGUMENTS) -> HousekeepingSettings:
        """Read the table from the configuration. Raises FormatError that names the key."""
        if Table(config, "job-manager").values.get("housekeeping") is None:
            return cls()
        table = Table(config, _TABLE, _KEYS)
        for key in _KEYS[2:]:
            table.get(key, bool)
        given = given_command(table)
        command = imp_command(config, "housekeeping") if given is None else given
        if command is None:
            raise FormatError(f"{_TABLE} implies IMP but exec.imp is undefined: set command or exec.imp")
        return cls(
            command,
            table.seconds("release-after", TOGETHER),
            given is None,
            table.get("use-systemd-unit", bool, False),
        )

    def describe(self) -> dict[str, Any]:
        """The ``config`` of the statistics."""
        return {"release-after": self.release_after, "command": " ".join(self.command or ())}
