# SPDX-License-Identifier: LGPL-3.0-or-later
"""The cron module, on rank 0: runs commands by the entries that clients have made.

Most instances have no entry: what is needed for one is imported with the first.
"""

from __future__ import annotations

import errno
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.broker.module import BrokerModule, request_handler
from rosin.modules.cron.settings import ARGUMENTS, CronSettings
from rosin.process.outcome import describe
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rosin.broker.clock import TimerHandle
    from rosin.modules.cron.entry import CronEntry
    from rosin.modules.cron.execution import Execution
    from rosin.rfc.message import Message

#: Entries at most.
MAX_ENTRIES = 10_000
_EPSILON = 0.015


class Cron(BrokerModule):
    """cron.create, .delete, .stop, .start, .list, .sync."""

    name = "cron"
    arguments = ARGUMENTS

    async def start(self) -> None:
        self.entries: dict[int, CronEntry] = {}
        self._number = 1
        self._cwd = os.getcwd()
        self._timers: dict[int, TimerHandle] = {}
        self._executions: dict[int, Execution] = {}
        self._topics: dict[str, int] = {}  # event topics, and how many need them
        self._deferred: list[CronEntry] = []
        self._doomed: set[int] = set()  # entries that go when their run is over
        self._epsilon = _EPSILON
        self._synchronized = -1e9
        self._topic: str | None = None
        settings = CronSettings.parse(self.config, self.arg_values)
        if settings.sync:
            self._follow(settings.sync)
        directory = self.attrs.get("cron.directory")
        if directory:
            for path in sorted(entry.path for entry in os.scandir(directory) if entry.is_file()):
                self._read(path)

    def _read(self, path: str) -> None:
        """Make the entries of a crontab. Raises OSError that names it."""
        from rosin.internal import crontab

        try:
            with open(path, encoding="utf-8") as file:
                lines = crontab.decode(file.read())
            for line in lines:
                self._add(crontab.create_request(line))
        except (OSError, ValueError) as exc:
            text = getattr(exc, "strerror", None) or str(exc)
            raise OSError(errno.EINVAL, f"could not load crontab: {path}: {text}") from None

    async def stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        for execution in self._executions.values():
            execution.kill()

    # -- requests -----------------------------------------------------------------------------------

    @request_handler("create")
    def create(self, msg: Message) -> dict[str, Any]:
        if len(self.entries) >= MAX_ENTRIES:
            raise OSError(errno.ENOSPC, f"there are {MAX_ENTRIES} entries already")
        return self._add(msg.args).encode()

    def _add(self, request: Mapping[str, Any]) -> CronEntry:
        """Make an entry. Raises OSError and FormatError that name what is wrong."""
        from rosin.modules.cron.entry import CronEntry

        entry = CronEntry(self._number, request, self.now())
        self._number += 1
        self.entries[entry.id] = entry
        if entry.trigger.topic is not None:
            self._subscribe(entry.trigger.topic)
        self._start(entry)
        return entry

    @request_handler("delete")
    def delete(self, msg: Message) -> dict[str, Any]:
        entry = self._find(msg)
        self._stop(entry)
        execution = self._executions.get(entry.id)
        if execution is not None and field(msg.args, "kill", (bool, int), False):
            execution.kill()
        answer = entry.encode()
        if entry in self._deferred:
            self._deferred.remove(entry)
            entry.current = None
        if entry.current is None:
            self._forget(entry)
        else:
            self._doomed.add(entry.id)
        return answer

    @request_handler("stop")
    def stop_entry(self, msg: Message) -> dict[str, Any]:
        entry = self._find(msg)
        if entry.stopped:
            raise OSError(errno.EINVAL, f"cron-{entry.id} is stopped already")
        self._stop(entry)
        return entry.encode()

    @request_handler("start")
    def start_entry(self, msg: Message) -> dict[str, Any]:
        entry = self._find(msg)
        if not entry.stopped:
            raise OSError(errno.EINVAL, f"cron-{entry.id} is active already")
        self._start(entry)
        return entry.encode()

    @request_handler("list")
    def list_entries(self, _msg: Message) -> dict[str, Any]:
        return {"entries": [entry.encode() for entry in self.entries.values()]}

    @request_handler("sync")
    def sync(self, msg: Message) -> dict[str, Any]:
        topic = field(msg.args, "topic", str, None)
        epsilon = float(field(msg.args, "sync_epsilon", (int, float), self._epsilon))
        if topic == "" or not 0 <= epsilon < 1e10:
            raise OSError(errno.EINVAL, "expected the topic of an event, and seconds >= 0")
        if topic is not None or field(msg.args, "disable", bool, False):
            self._follow(topic)
        self._epsilon = epsilon
        if self._topic is None:
            return {"sync_disabled": True}
        return {"sync_event": self._topic, "sync_epsilon": epsilon}

    def _find(self, msg: Message) -> CronEntry:
        number = field(msg.args, "id", int)
        entry = self.entries.get(number)
        if entry is None or number in self._doomed:
            raise OSError(errno.ENOENT, f"there is no cron-{number}")
        return entry

    # -- entries ------------------------------------------------------------------------------------

    def _start(self, entry: CronEntry) -> None:
        entry.start(self.now())
        self._await(entry)

    def _stop(self, entry: CronEntry) -> None:
        entry.stopped = True
        timer = self._timers.pop(entry.id, None)
        if timer is not None:
            timer.cancel()

    def _forget(self, entry: CronEntry) -> None:
        del self.entries[entry.id]
        self._doomed.discard(entry.id)
        if entry.trigger.topic is not None:
            self._unsubscribe(entry.trigger.topic)

    def _await(self, entry: CronEntry) -> None:
        """Wait for the entry's next moment."""
        now = self.now()
        wakeup = entry.trigger.wakeup(now)
        if wakeup is not None:
            self._timers[entry.id] = self.call_later(wakeup - now, partial(self._due, entry, wakeup))
        elif entry.trigger.topic is None:
            self._stop(entry)
            self.log.error(f"cron-{entry.id}: there is no such date, or no further one; stopped")

    def _due(self, entry: CronEntry, wakeup: float) -> None:
        del self._timers[entry.id]
        early = wakeup - self.now()
        if early > 0.001:  # the clock has been set back
            self._timers[entry.id] = self.call_later(early, partial(self._due, entry, wakeup))
            return
        self._schedule(entry)
        if not entry.stopped:
            self._await(entry)

    def _schedule(self, entry: CronEntry) -> None:
        """CronRun the entry's command, now or after the next event to which it has to keep."""
        if entry.schedule(self.now()) is None:
            self.log.info(f"cron-{entry.id}: {entry.name}: task still running or scheduled")
            return
        if entry.stopped:
            self._stop(entry)
        if self._topic is None or self.now() - self._synchronized < self._epsilon:
            self._execute(entry)
            return
        self._deferred.append(entry)
        entry.counts["deferred"] += 1
        self.log.debug(f"deferring cron-{entry.id} to next {self._topic} event")

    def _execute(self, entry: CronEntry) -> None:
        assert entry.current is not None
        from rosin.modules.cron.execution import Execution

        self._executions[entry.id] = Execution(self, entry, entry.current, self._cwd)

    # -- what executions tell -------------------------------------------------------------------------

    def wrote(self, entry: CronEntry, stream: str, line: str) -> None:
        """A command has written a line."""
        write = self.log.error if stream == "stderr" else self.log.info
        write(f'cron-{entry.id}[{entry.name}]: rank={entry.rank}: command="{entry.command}": "{line}"')

    def finished(self, entry: CronEntry, failure: OSError | None) -> None:
        """A run is over."""
        del self._executions[entry.id]
        assert entry.current is not None
        status = entry.current.status
        if failure is not None:
            self.log.error(f"cron-{entry.id}: failure running {entry.command}: {failure.strerror}")
        elif status:
            self.log.error(f'cron-{entry.id}: "{entry.command}": Failed: {describe(status)}')
        if entry.ended():
            self.log.error(f"cron-{entry.id}: exceeded failure limit of {entry.stop_on_failure}. stopping")
            self._stop(entry)
        if entry.id in self._doomed:
            self._forget(entry)

    # -- events -------------------------------------------------------------------------------------

    def _subscribe(self, topic: str) -> None:
        self._topics[topic] = self._topics.get(topic, 0) + 1
        if self._topics[topic] == 1:
            self.host.subscribe(topic)

    def _unsubscribe(self, topic: str) -> None:
        self._topics[topic] -= 1
        if not self._topics[topic]:
            del self._topics[topic]
            self.host.unsubscribe(topic)

    def _follow(self, topic: str | None) -> None:
        """Keep to another event, or to none: what waits for one runs at once then."""
        if self._topic is not None:
            self._unsubscribe(self._topic)
        self._topic = topic
        if topic is None:
            self._run_deferred()
        else:
            self.log.info(f"synchronizing cron tasks to event {topic}")
            self._subscribe(topic)

    def _run_deferred(self) -> None:
        entries, self._deferred = self._deferred, []
        for entry in entries:
            self._execute(entry)

    def receive_event(self, msg: Message) -> None:
        super().receive_event(msg)
        if msg.topic == self._topic:
            self._synchronized = self.now()
            self._run_deferred()
        for entry in [e for e in self.entries.values() if e.trigger.topic == msg.topic and not e.stopped]:
            delay = entry.trigger.counts(self.now(), entry.lastrun)
            if delay == 0:
                self._schedule(entry)
            elif delay is not None:
                self._timers[entry.id] = self.call_later(delay, partial(self._waited, entry))

    def _waited(self, entry: CronEntry) -> None:
        del self._timers[entry.id]
        entry.trigger.waited()
        self._schedule(entry)
