# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16 and RFC 18: appending to the event logs in the job's guest namespace.

Entries for all logs that come up in one turn of the reactor are one ``kvs.commit``; what comes up while
that is on its way is the next one. So the first line of output leaves at once, and a flood in a few large
commits at a time. :attr:`GuestLog.backlog` counts the bytes that are not yet acknowledged, for flow control.

A shell that outlives its broker numbers its commits, each of which writes its number with the entries. So
after a restart it knows which of them have been taken, and sends the others again: each entry is there once.
There is one such commit at a time. It is looked for, too, when the broker is there but cannot tell what has
become of it: one below rank 0 that has lost the way to it, say, which ends a moment later.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.kvs.lookup import decode_value, lookup_async
from rosin.kvs.txn import KVSTxn
from rosin.rfc import eventlog
from rosin.rfc.jobpath import guest_namespace

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.handle.reactor import Timer
    from rosin.shell.connection import ShellHandle

#: Commits under way at a time, and the bytes that make another one worth while.
PIPELINE = 3
LARGE = 1 << 20
#: How long an entry nobody waits for may stay to travel with the next one that matters (seconds).
LAZY = 0.01


#: Where the number of the leader's last commit is written, in the guest namespace.
WRITTEN_KEY = "exec.written"
#: Seconds until a commit is looked for of which it is not known whether it was taken.
AGAIN = 0.5
#: Answers that leave that open: the KVS ends, the way to rank 0 is broken, or events from there were lost.
UNKNOWN = (errno.ENOSYS, errno.EHOSTUNREACH, errno.ECONNRESET)


def last_written(found: Future) -> int:
    """The number of the last commit that was taken, from a lookup of ``WRITTEN_KEY``. Raises OSError."""
    try:
        return int(decode_value(found.get()))
    except FileNotFoundError:
        return 0
    except (FormatError, TypeError, ValueError) as error:
        raise OSError(errno.EPROTO, f"Protocol error: {WRITTEN_KEY} is not a number: {error}") from None


class Flight:
    """A numbered commit on its way: ``ops`` for a transaction, and the bytes of its entries."""

    __slots__ = ("doubted", "number", "ops", "rpc", "size")

    def __init__(self, number: int, ops: list[dict[str, Any]], size: int) -> None:
        self.number = number
        self.ops = ops
        self.size = size
        self.rpc: Future | None = None
        self.doubted = 0.0  # since when it is not known whether it was taken


class GuestLog:
    """Appends to ``exec.eventlog``, ``output`` and ``input``."""

    def __init__(self, handle: ShellHandle, jobid: int) -> None:
        self._h = handle
        self._namespace = guest_namespace(jobid)
        self._batch: dict[str, list[str]] = {}
        self._batch_size = 0
        self._in_flight = 0
        self._urgent = False
        self._timer: Timer | None = None
        self._closed = False
        #: Seconds for which it waits for a next broker; 0: it ends with the one that it has.
        self.keep = 0.0
        #: The shell's rank in its job: each has its own commits.
        self.rank = 0
        self._number = 0
        self._flight: Flight | None = None
        self._search: Timer | None = None
        self._suspended = False
        self.backlog = 0
        #: Called whenever a commit was answered.
        self.on_progress: Callable[[], None] | None = None
        #: Called when everything has been answered.
        self.on_idle: Callable[[], None] | None = None
        #: Called with the error of a commit that failed: its entries are lost.
        self.on_error: Callable[[OSError], None] | None = None

    @property
    def written_key(self) -> str:
        """Where the number of the last commit is."""
        return f"{WRITTEN_KEY}-{self.rank}" if self.rank else WRITTEN_KEY

    def append(
        self, key: str, name: str, context: dict[str, Any] | None = None, *, lazy: bool = False
    ) -> None:
        """Add an entry to the log ``key``. A ``lazy`` one waits a little for company."""
        if self._closed:
            return
        line = eventlog.encode(name, context, time.time())
        self._batch.setdefault(key, []).append(line)
        self._batch_size += len(line)
        self.backlog += len(line)
        if lazy:
            if self._timer is None:
                self._timer = self._h.reactor.timer(LAZY, self._hurry)
        elif not self._urgent or self._batch_size >= LARGE:
            self._urgent = True
            if self._may_send:
                self._h.reactor.defer(self._flush_urgent)

    def _hurry(self) -> None:
        """What was lazy has waited long enough."""
        self._timer = None
        self._urgent = True
        self._flush_urgent()

    def _flush_urgent(self) -> None:
        if self._urgent and self._may_send:
            self.flush()

    @property
    def _may_send(self) -> bool:
        """One commit at a time, so that small entries gather; large ones keep both ends busy."""
        if self.keep:
            return not (self._in_flight or self._suspended)
        return not self._in_flight or (self._in_flight < PIPELINE and self._batch_size >= LARGE)

    def sync(self) -> None:
        """Write what has been collected and wait until it is there; raises OSError."""
        rpc = self.flush()
        if rpc is not None:
            rpc.get()

    def flush(self) -> Future | None:
        """Send what has been collected, without waiting for the commit before; returns its future."""
        self._urgent = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._batch:
            return None
        if self._flight is not None or self._suspended:
            self._urgent = True  # behind that one
            return None
        txn = KVSTxn(self._h, namespace=self._namespace)
        for key, lines in self._batch.items():
            txn.append(key, "".join(lines))
        size = self._batch_size
        self._batch = {}
        self._batch_size = 0
        self._in_flight += 1
        if self._closed:
            return None
        if self.keep:
            self._number += 1
            txn.put(self.written_key, self._number)
            self._flight = Flight(self._number, txn.ops, size)
            return self._send(self._flight)
        return txn.commit_async().then(self._committed, size)

    def _send(self, flight: Flight) -> Future:
        txn = KVSTxn(self._h, namespace=self._namespace)
        txn.ops = list(flight.ops)
        return self._follow(flight, txn.commit_async(), self._answered)

    def _follow(self, flight: Flight, rpc: Future, then: Callable[[Future, Flight], None]) -> Future:
        """The numbered commit depends on this answer now."""
        flight.rpc = rpc.then(then, flight)
        if self._suspended:  # since the broker has gone while it was being sent
            flight.rpc.abandon()
        return flight.rpc

    def _answered(self, rpc: Future, flight: Flight) -> None:
        """A numbered commit was taken, or refused, or nobody can tell."""
        try:
            rpc.get()
        except OSError as error:
            self._doubt(flight, error)
        else:
            self._taken(flight)

    def _taken(self, flight: Flight) -> None:
        self._flight = None
        if not self._closed:
            self._landed(flight.size)

    def _doubt(self, flight: Flight, error: OSError) -> None:
        """A numbered commit is lost, unless it may be there all the same, or may yet be."""
        now = time.monotonic()
        flight.doubted = flight.doubted or now
        if error.errno in UNKNOWN and now - flight.doubted < self.keep and not self._closed:
            self._search = self._h.reactor.timer(AGAIN, partial(self._pass, flight))
            return
        self._flight = None
        if not self._closed:
            self._lost(flight.size, error)

    def _pass(self, flight: Flight) -> None:
        """Transactions have their turn in order: when one that changes nothing is over, so is this one."""
        self._search = None
        self._follow(flight, KVSTxn(self._h, namespace=self._namespace).commit_async(), self._passed)

    def _passed(self, rpc: Future, flight: Flight) -> None:
        try:
            rpc.get()
        except OSError as error:
            self._doubt(flight, error)
        else:
            self._follow(flight, lookup_async(self._h, self.written_key, self._namespace), self._found)

    def _found(self, rpc: Future, flight: Flight) -> None:
        try:
            written = last_written(rpc)
        except OSError as error:
            self._doubt(flight, error)
        else:
            self._settle(flight, written)

    def _settle(self, flight: Flight, written: int) -> None:
        """The KVS has the commits up to this number."""
        if flight.number > written:
            self._send(flight)
        else:
            self._taken(flight)

    def suspend(self) -> None:
        """The broker is gone, perhaps not for ever: what is on its way may have been taken or not."""
        self._suspended = True
        self._search_no_more()
        if self._flight is not None and self._flight.rpc is not None:
            self._flight.rpc.abandon()

    def resume(self, written: int) -> None:
        """Another broker is there, whose KVS has the commits up to this number."""
        self._suspended = False
        if self._flight is None:
            self._flush_urgent()
        else:
            self._settle(self._flight, written)

    def _search_no_more(self) -> None:
        if self._search is not None:
            self._search.cancel()
            self._search = None

    def close(self) -> None:
        """The broker is gone: forget what cannot be written any more."""
        self._closed = True
        self._search_no_more()
        self._batch = {}
        self._in_flight = 0
        self._flight = None

    def _committed(self, rpc: Future, size: int) -> None:
        if self._closed:
            return
        try:
            rpc.get()
        except OSError as error:
            self._lost(size, error)
        else:
            self._landed(size)

    def _lost(self, size: int, error: OSError) -> None:
        if self.on_error is not None:
            self.on_error(error)
        self._landed(size)

    def _landed(self, size: int) -> None:
        self._in_flight -= 1
        self.backlog -= size
        self._flush_urgent()
        if self.on_progress is not None:
            self.on_progress()
        if self.idle and self.on_idle is not None:
            self.on_idle()

    @property
    def idle(self) -> bool:
        """Nothing is waiting and everything has been answered."""
        return not self._in_flight and not self._batch
