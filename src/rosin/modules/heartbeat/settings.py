# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of the heartbeat: the ``[heartbeat]`` table (flux-config-heartbeat) and the module's argument."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from rosin.broker.settings import NO_ARGUMENTS, Table
from rosin.errors import FormatError

if TYPE_CHECKING:
    from rosin.broker.settings import Config


class HeartbeatSettings(NamedTuple):
    """``period`` and ``timeout`` in seconds (timeout -1: never give up) and ``warn_thresh`` in periods."""

    period: float = 2.0
    timeout: float = 300.0
    warn_thresh: int = 3

    @classmethod
    def parse(cls, config: Config, arguments: Config = NO_ARGUMENTS) -> HeartbeatSettings:
        """Read them from the configuration; the argument ``period`` wins over its key. Raises FormatError."""
        new = cls()
        table = Table(config, "heartbeat", cls._fields)
        period = table.seconds("period", new.period, positive=True, finite=True)
        period = arguments.get("period", period)
        timeout = table.seconds("timeout", new.timeout)
        if timeout in (0, math.inf):
            timeout = -1.0
        elif timeout < 2 * period:
            raise FormatError("heartbeat.timeout must be >= 2*heartbeat.period, infinity, or 0")
        return cls(period, timeout, table.integer("warn_thresh", new.warn_thresh, 1))
