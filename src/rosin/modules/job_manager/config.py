# SPDX-License-Identifier: LGPL-3.0-or-later
"""The settings of the job manager, read in one go: ``[job-manager]``, ``[queues]``, private mode.

The broker has refused keys that nobody knows. Plugins read what concerns them themselves (``conf.update``).
"""

from __future__ import annotations

from typing import Any

from rosin.errors import FormatError
from rosin.modules.job_manager.housekeeping_config import HousekeepingSettings
from rosin.rfc import fsd
from rosin.rfc.payload import describe, type_name
from rosin.rfc.queues import QueueConfig

#: Jobs that are over and kept, unless told otherwise: memory and store stay bounded (flux-core keeps all).
DEFAULT_NUM_LIMIT = 100_000
UNLIMITED = -1

_AGE, _NUM, _STOP = "inactive-age-limit", "inactive-num-limit", "stop-queues-on-restart"


class ManagerConfig:
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

    __slots__ = (
        "age_limit",
        "housekeeping",
        "num_limit",
        "plugins",
        "private",
        "queues",
        "stop_on_restart",
    )

    @classmethod
    def parse(cls, config: dict[str, Any]) -> ManagerConfig:
        """Read them from the *config* of a broker. Raises FormatError, which names the key."""
        new = cls()
        table = _table(config, "job-manager")
        new.queues = QueueConfig(config)
        new.stop_on_restart = _value(table, "job-manager", _STOP, bool, False)
        new.age_limit = _age_limit(_value(table, "job-manager", _AGE, str, None))
        new.num_limit = _value(table, "job-manager", _NUM, int, DEFAULT_NUM_LIMIT)
        if new.num_limit < UNLIMITED:
            raise FormatError(f"job-manager.{_NUM}: must be >= 0, or -1 for no limit")
        new.plugins = _value(table, "job-manager", "plugins", list, [])
        new.housekeeping = HousekeepingSettings.parse(config)
        new.private = _value(_table(config, "access"), "access", "private-mode", bool, False)
        return new

    def __init__(self) -> None:
        self.queues = QueueConfig({})
        self.stop_on_restart = False
        self.age_limit = float(UNLIMITED)
        self.num_limit = DEFAULT_NUM_LIMIT
        self.plugins: list[Any] = []
        self.housekeeping = HousekeepingSettings()
        self.private = False


def _table(config: dict[str, Any], name: str) -> dict[str, Any]:
    table = config.get(name, {})
    if not isinstance(table, dict):
        raise FormatError(f"{name}: expected a table, got {describe(table)}")
    return table


def _value(table: dict[str, Any], place: str, key: str, kind: type, default: Any) -> Any:
    value = table.get(key, default)
    if key in table and (not isinstance(value, kind) or isinstance(value, bool) != (kind is bool)):
        raise FormatError(f"{place}.{key}: expected {type_name(kind)}, got {describe(value)}")
    return value


def _age_limit(text: str | None) -> float:
    try:
        return float(UNLIMITED) if text is None else fsd.parse(text)
    except FormatError as error:
        raise FormatError(f"job-manager.{_AGE}: {error}") from None
