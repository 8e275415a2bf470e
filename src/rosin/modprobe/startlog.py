# SPDX-License-Identifier: LGPL-3.0-or-later
"""The log of an instance's starts and proper ends, in the KVS key ``admin.eventlog``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rosin.internal.startlog import KEY, VERSION, entry
from rosin.kvs import PRIMARY, KVSTxn, lookup_async
from rosin.rfc import eventlog, fsd, treeobj

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rosin.handle.flux import Flux


def events(h: Flux) -> list[dict[str, Any]]:
    """The events so far. Raises OSError."""
    answer = lookup_async(h, KEY, namespace=PRIMARY).get()
    return eventlog.decode_entries(treeobj.val_data(answer["val"]))


def post(h: Flux, name: str, when: float) -> None:
    """Append an event, ``start`` or ``finish``. Raises OSError."""
    txn = KVSTxn(h, namespace=PRIMARY)
    txn.append(KEY, entry(name, when))
    txn.commit()


class StartLog:
    """What the log says of an instance's runs: a line for each, and whether the last but one crashed."""

    def __init__(self, events: Iterable[dict[str, Any]], now: float, show_version: bool = False) -> None:
        """``now``: the time to which the run lasts that has not ended."""
        self.lines: list[str] = []
        self.crashed = False
        self._version = show_version
        begin: float | None = None
        line, last = "", 0.0
        for event in events:
            context = event.get("context", {})
            if event["name"] not in ("start", "finish") or context.get("version") != VERSION:
                continue  # others' events do no harm
            when = event["timestamp"]
            if event["name"] == "start":
                if begin is not None:
                    self.lines.append(f"{line}crashed")
                    self.crashed = True
                line, begin = self._start(when, context), when
            elif begin is not None:
                self.lines.append(f"{line}{_minute(when)} ({_duration(when - last)})")
                begin, self.crashed = None, False
            last = when
        if begin is not None:
            self.lines.append(f"{line}running ({_duration(now - last)})")

    def _start(self, when: float, context: dict[str, Any]) -> str:
        version = f"{context.get('core_version', ''):>25}  " if self._version else ""
        return f"{version}{_minute(when)} - "


def _minute(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))


def _duration(seconds: float) -> str:
    return fsd.brief(max(seconds, 0.0))
