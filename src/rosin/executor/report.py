# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a call tells from within its job: how far it is, and how it ended."""

from __future__ import annotations

import math
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.executor import call

if TYPE_CHECKING:
    from rosin.executor.outcome import CallOutcome
    from rosin.handle.flux import Flux

#: Seconds between reports of progress at least; more for a call that runs for longer, so that the log of
#: one that runs for days stays short.
_INTERVAL = 0.2
_SHARE = 1000
#: Characters of its text.
_TEXT = 1000


class Reporter:
    """The job's end of the log of a call."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self._began = time.monotonic()
        self._next = 0.0
        self._lock = threading.Lock()
        self._handle: Flux | None = None
        self._pid = 0

    def connected(self) -> Flux:
        """A handle of this process: that of its parent is of no use after a fork. Raises OSError."""
        from rosin.handle.flux import Flux

        if self._handle is None or self._pid != os.getpid():
            self._handle, self._pid = Flux(), os.getpid()
        return self._handle

    def _append(self, name: str, context: dict[str, Any]) -> None:
        from rosin.kvs.txn import KVSTxn

        event = {"timestamp": time.time(), "name": name, "context": {"rank": self.rank, **context}}
        txn = KVSTxn(self.connected())
        txn.append(call.LOG, _json.dumps(event) + b"\n")
        txn.commit()

    def progress(self, done: float, total: float | None, text: str) -> None:
        """Tell how far the call is, unless it was told a moment ago."""
        with self._lock:
            now = time.monotonic()
            if now < self._next:
                return
            self._append("progress", {"done": done, "total": total, "text": text[:_TEXT]})
            self._next = now + max(_INTERVAL, (now - self._began) / _SHARE)

    def finish(self, outcome: CallOutcome) -> None:
        """Tell how the call ended. Raises OSError."""
        with self._lock:
            data: bytes | call.StoredPickle = outcome.data
            if len(outcome.data) > call.INLINE:
                data = self._store(outcome.data)
            self._append("result", {**outcome.words(), **call.context_data(data)})

    def _store(self, data: bytes) -> call.StoredPickle:
        from rosin.kvs.txn import KVSTxn

        stored = call.StoredPickle.of(data, "", f"{call.KEY}-{self.rank}")
        for key, part in zip(stored.names(), call.parts(data), strict=True):
            txn = KVSTxn(self.connected())
            txn.put(key, part, raw=True)
            txn.commit()
        return stored


_reporter: Reporter | None = None


def begin(rank: int) -> Reporter:
    """From now on this process is the job of a call."""
    global _reporter
    _reporter = Reporter(rank)
    return _reporter


def progress(done: float, total: float | None = None, text: str = "") -> None:
    """Tell how far the call is, from within it: the future's ``progress`` shows it.

    ``done`` of ``total`` in whatever is counted; ``text``: at most 1000 characters. What is told within 0.2 s
    after another is left out, so that a loop may tell at each turn. Outside of a job of an executor nothing
    happens. Raises TypeError, ValueError, and OSError when the instance is lost.
    """
    numbers = (done,) if total is None else (done, total)
    if any(isinstance(number, bool) or not isinstance(number, (int, float)) for number in numbers):
        raise TypeError(f"progress takes numbers, as in progress(3, 10, 'reading'); got {done!r}, {total!r}")
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"progress takes finite numbers, as in progress(3, 10); got {done!r}, {total!r}")
    if not isinstance(text, str):
        raise TypeError(f"the text of progress is a str, as in progress(3, 10, 'reading'); got {text!r}")
    if _reporter is not None:
        _reporter.progress(done, total, text)
