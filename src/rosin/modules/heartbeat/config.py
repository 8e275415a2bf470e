# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of the heartbeat: the ``[heartbeat]`` table (flux-config-heartbeat)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rosin.errors import FormatError
from rosin.rfc import fsd

DEFAULT_PERIOD = 2.0
DEFAULT_TIMEOUT = 300.0
DEFAULT_WARN_THRESH = 3


class HeartbeatConfig:
    """``period`` and ``timeout`` in seconds (timeout -1: never give up) and ``warn_thresh`` in periods."""

    __slots__ = ("period", "timeout", "warn_thresh")

    def __init__(
        self,
        period: float = DEFAULT_PERIOD,
        timeout: float = DEFAULT_TIMEOUT,
        warn_thresh: int = DEFAULT_WARN_THRESH,
    ) -> None:
        self.period = period
        self.timeout = timeout
        self.warn_thresh = warn_thresh


def parse(config: Mapping[str, Any], period: float | None = None) -> HeartbeatConfig:
    """Read the settings of a broker ``config`` object; a ``period`` in seconds wins over its one.

    Raises FormatError with one line that names the setting.
    """
    table = config.get("heartbeat", {})
    if not isinstance(table, Mapping):
        raise FormatError("[heartbeat] is not a table")
    unknown = [key for key in table if key not in ("period", "timeout", "warn_thresh")]
    if unknown:
        raise FormatError(f"heartbeat.{unknown[0]}: unknown setting (known: period, timeout, warn_thresh)")
    configured = _duration(table, "period", DEFAULT_PERIOD)
    period = configured if period is None else period
    timeout = _duration(table, "timeout", DEFAULT_TIMEOUT)
    warn_thresh = table.get("warn_thresh", DEFAULT_WARN_THRESH)
    if not 0 < period < math.inf:
        raise FormatError("heartbeat.period must be a positive FSD value")
    if timeout in (0, math.inf):
        timeout = -1.0
    if timeout != -1.0 and timeout < 2 * period:
        raise FormatError("heartbeat.timeout must be >= 2*heartbeat.period, infinity, or 0")
    if not isinstance(warn_thresh, int) or isinstance(warn_thresh, bool) or warn_thresh <= 0:
        raise FormatError("heartbeat.warn_thresh must be positive")
    return HeartbeatConfig(period, timeout, warn_thresh)


def _duration(table: Mapping[str, Any], key: str, default: float) -> float:
    value = table.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise FormatError(f'heartbeat.{key}: expected an FSD string such as "2s", not {value!r}')
    return _parse_fsd(f"heartbeat.{key}", value)


def _parse_fsd(name: str, value: str) -> float:
    try:
        return fsd.parse(value)
    except FormatError as err:
        raise FormatError(f"{name}: error parsing FSD value: {err}") from None
