# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of cron: its module's argument."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rosin.broker.arguments import Argument
from rosin.broker.settings import NO_ARGUMENTS

if TYPE_CHECKING:
    from rosin.broker.settings import Config

ARGUMENTS = (Argument("sync", "TOPIC", "run commands right after an event of this topic"),)


class CronSettings(NamedTuple):
    """The topic of the events after which commands run; empty: when it is time."""

    sync: str = ""

    @classmethod
    def parse(cls, _config: Config, arguments: Config = NO_ARGUMENTS) -> CronSettings:
        """Read it; the configuration has no table for this service."""
        return cls(**arguments)
