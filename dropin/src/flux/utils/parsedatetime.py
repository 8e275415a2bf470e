# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.utils.parsedatetime: dates and times in words, of which ``Calendar`` is all that programs use."""

from __future__ import annotations

import time
from datetime import datetime, tzinfo
from typing import Any

from rosin.cli.when import parse_time

__all__ = ["Calendar"]


class Calendar:
    """Reads what ``--begin-time`` takes: ``tomorrow 8am``, ``next friday``, ``in 2 hours``, ``+1h``."""

    def parse(
        self, datetimeString: str, sourceTime: Any = None, version: Any = None
    ) -> tuple[time.struct_time, int]:
        """The local time that a text names, and 3; the time ``sourceTime`` (default: now) and 0 for none."""
        base = time.time() if sourceTime is None else _seconds(sourceTime)
        try:
            return time.localtime(parse_time(datetimeString, base)), 3
        except ValueError:
            return time.localtime(base), 0

    def parseDT(
        self, datetimeString: str, sourceTime: Any = None, tzinfo: tzinfo | None = None, version: Any = None
    ) -> tuple[datetime, int]:
        """The same as a datetime."""
        found, flag = self.parse(datetimeString, sourceTime, version)
        return datetime(*found[:6], tzinfo=tzinfo), flag


def _seconds(moment: Any) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else time.mktime(tuple(moment))
