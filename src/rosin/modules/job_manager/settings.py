# SPDX-License-Identifier: LGPL-3.0-or-later
"""The settings of the job manager, read in one go: ``[job-manager]``, ``[queues]``, private mode.

The broker has refused keys that nobody knows. Plugins read what concerns them themselves (``conf.update``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.broker.settings import NO_ARGUMENTS, AccessSettings, Table
from rosin.modules.job_manager.housekeeping_settings import HousekeepingSettings
from rosin.rfc.queues import QueueConfig

if TYPE_CHECKING:
    from rosin.broker.settings import Config

#: Jobs that are over and kept, unless told otherwise: memory and store stay bounded (flux-core keeps all).
DEFAULT_NUM_LIMIT = 100_000
UNLIMITED = -1


class ManagerSettings(NamedTuple):
    """The settings.

    Attributes:
        queues: the queues and their policies (RFC 33).
        stop_on_restart: queues that were started are stopped when the manager starts again.
        age_limit, num_limit: jobs that ended so long ago (seconds), or before so many others, are purged;
            :data:`UNLIMITED` for never.
        plugins: entries ``{load?, conf?, remove?}``, for the start.
        housekeeping: what runs on the nodes of jobs that are over.
        private: guests learn of their own jobs only.
    """

    queues: QueueConfig
    stop_on_restart: bool
    age_limit: float
    num_limit: int
    plugins: list[Any]
    housekeeping: HousekeepingSettings
    private: bool

    @classmethod
    def parse(cls, config: dict[str, Any], _arguments: Config = NO_ARGUMENTS) -> ManagerSettings:
        """Read them from the *config* of a broker. Raises FormatError, which names the key."""
        table = Table(config, "job-manager")
        num_limit = table.get("inactive-num-limit", int, DEFAULT_NUM_LIMIT)
        if num_limit < UNLIMITED:
            raise table.wrong("inactive-num-limit", "a number of 0 or more, or -1 for no limit", num_limit)
        return cls(
            queues=QueueConfig(config),
            stop_on_restart=table.get("stop-queues-on-restart", bool, False),
            age_limit=table.seconds("inactive-age-limit", UNLIMITED),
            num_limit=num_limit,
            plugins=table.get("plugins", list, []),
            housekeeping=HousekeepingSettings.parse(config),
            private=AccessSettings.parse(config).private_mode,
        )
