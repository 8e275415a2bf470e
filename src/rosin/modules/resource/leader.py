# SPDX-License-Identifier: LGPL-3.0-or-later
"""The resource service on rank 0: inventory, availability, drain state and their event log (RFC 20, 28, 44).

A change is made into an event, the event is written to the KVS if it is of the kind that is kept, and only
then takes effect, is answered, and goes to the scheduler and to journal consumers, all in order of posting.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from errno import EBUSY, EINVAL, ENOENT
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.broker.module import DEFERRED, RUNNING, request_handler
from rosin.errors import FormatError
from rosin.modules.resource import inventory
from rosin.modules.resource.allocated import Allocated
from rosin.modules.resource.availability import Acquisition, Availability
from rosin.modules.resource.base import ResourceBase
from rosin.modules.resource.drain import DrainState
from rosin.modules.resource.hosts import HostMap
from rosin.modules.resource.inheritance import Inheritance
from rosin.modules.resource.journal import ResourceJournal
from rosin.modules.resource.listeners import Listeners
from rosin.modules.resource.monitor import AvailabilityMonitor
from rosin.modules.resource.settings import ResourceSettings
from rosin.modules.resource.status import SchedStatus, status
from rosin.modules.resource.store import Store
from rosin.modules.resource.writer import EventWriter
from rosin.resource.allocator import counted
from rosin.rfc import eventlog, resource_events
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field
from rosin.rfc.queues import QueueConfig
from rosin.rfc.resource_events import KEY, R_KEY, journal_response, ranks_event
from rosin.rfc.rset import ResourceSet
from rosin.rfc.rset.format import MAX_TIME, is_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from rosin.rfc.message import Message

    Event = dict[str, Any]

CHECKPOINT_KEY = "checkpoint.resource"

#: Of these resources no one but this service gives properties that are local to the instance.
_OWN_METHODS = ("dynamic-discovery", "kvs", "job-info")


def _readable(rset: ResourceSet) -> dict[str, Any]:
    """R of a set, which a start must be able to read again. Raises OSError EINVAL if it could not."""
    R = rset.encode()
    try:
        ResourceSet.decode(R)
    except FormatError as error:
        raise OSError(EINVAL, str(error)) from None
    return R


class ResourceLeader(ResourceBase):
    """The resources of an instance."""

    async def start(self) -> None:
        """Find out what there is, and what earlier runs left."""
        await super().start()
        self.listeners = Listeners()
        #: R is known: it was found, or all ranks have reported.
        self.known = asyncio.Event()
        #: What is to be discovered, until that is done.
        self.pending: inventory.Choice | None = None
        self.monitor = AvailabilityMonitor(self, lambda: self.state, self._note_ranks)
        self.allocated = Allocated(self, self._sched_status)
        self.lock = asyncio.Lock()  # of requests that read state, write an event and change state
        self.store = Store(self.h)
        self.writer = EventWriter(self.store.commit, self._deliver, self.create_task)
        stored, log, checkpoint = await asyncio.gather(
            self.store.get(R_KEY), self.store.get(KEY), self.store.get(CHECKPOINT_KEY)
        )
        recorded = eventlog.decode_entries(log or b"")
        self.inheritance = Inheritance(self.attrs, self.log.warning, self.sleep)
        wanted = not self.recovery and self.settings.rset is None
        choice = inventory.choose(
            enclosing=await self.inheritance.begin(self.local, self.rank, self.size) if wanted else None,
            configured=inventory.configured(self.settings.rset, self.config, self.attrs.get("hostlist", "")),
            stored=ResourceSet.decode(stored) if stored else None,
            recorded=recorded,
            local=self.local,
            rank=self.rank,
            hostlist=self.attrs.get("hostlist", "") if self.descendants else None,
            rediscover=self.settings.rediscover,
            verify=self.verify,
        )
        if choice.method == "dynamic-discovery" and self.descendants:
            self.pending = choice
            self._use(ResourceSet(), choice.method, known=False)
        else:
            self.known.set()
            self._use(self._timed(choice), choice.method)
        self.drain_state = DrainState(self.hosts)
        covered = self.drain_state.restore(checkpoint, recorded) if checkpoint else 0
        self.drain_state.replay(recorded, covered)
        self.state.drained = self.drain_state.ranks
        self.events = ResourceJournal(recorded, self.settings.journal_max)
        self.writer.last = recorded[-1] if recorded else None
        await self._truncate(recorded, covered)
        await self._announce(choice)
        if self.pending is not None and self.reduction.complete:  # while this was starting
            self.create_task(self._discovered(choice))
        if self.inheritance.followed:
            self.create_task(self._follow_enclosing())

    def _timed(self, choice: inventory.Choice) -> ResourceSet:
        """The resources; those that brokers have found go when the enclosing job ends."""
        rset = choice.rset
        if choice.method == "dynamic-discovery":
            rset = rset.copy()
            rset.starttime, rset.expiration = self.inheritance.times
        return rset

    async def _follow_enclosing(self) -> None:
        """The enclosing job's time limit is this instance's."""
        await self.known.wait()
        async for expiration in self.inheritance.expirations():
            if expiration != self.rset.expiration:
                await self._expire(expiration)

    def _use(self, rset: ResourceSet, method: str, known: bool = True) -> None:
        """Make ``rset`` the inventory; called before its ``resource-define`` event is posted.

        Raises FormatError when a queue has hosts that are not in it.
        """
        if method in _OWN_METHODS:
            rset.drop_local_properties()  # of queues that an earlier run had
        if self.settings.pools is not None and known:
            rset.scheduling = counted.attach(rset.scheduling, self.settings.pools)
        if known:
            QueueConfig(self.config).apply_memberships(rset)
        self.rset, self.method = rset, method
        self.R = rset.encode()
        self.sched_state: SchedStatus | None = None
        self.hosts = HostMap.of(rset, self.attrs.get("hostlist", ""), self.size)
        self.state = Availability(len(self.hosts), self._excluded())
        self.state.shrinks = method != "configuration"

    def _excluded(self) -> Idset:
        if not self.settings.exclude:
            return Idset()
        try:
            return self.hosts.ranks(self.settings.exclude)
        except OSError as error:
            raise OSError(error.errno, f"resource.exclude: {error.strerror}") from None

    async def _truncate(self, recorded: list[Event], covered: int) -> None:
        """Drop recorded events older than the configured history that come before the checkpoint's last."""
        limit = self.now() - self.settings.history
        kept = [event for event in recorded[: covered - 1] if event["timestamp"] >= limit] if covered else []
        kept += recorded[max(0, covered - 1) :]
        if len(kept) < len(recorded) and not (self.settings.notruncate or self.recovery):
            await self.store.put(KEY, eventlog.encode_entries(kept).encode())

    async def _announce(self, choice: inventory.Choice) -> None:
        """Post the events of a start: restart, resource-define, and drain events that it brings."""
        ranks = self.hosts.named()
        online = self.monitor.everybody() if self.settings.force_up else Idset()
        self.state.set_online(online)
        restart = resource_events.restart(ranks, online & ranks, self.hosts.names(ranks), self.now())
        self.writer.note(restart)
        excluded = self.state.drained & self.state.exclude
        posts = [] if self.pending else [self._define()]
        if excluded:
            posts.append(self.writer.keep(self.drain_state.undrain(excluded, "overwrite", None, self.now())))
        if choice.fault and self.rank not in self.state.drained:
            self.log.error(f"draining: {choice.fault}")
            mine = Idset([self.rank])
            drain = self.drain_state.drain(mine, "update", choice.fault, Idset(), self.now())
            posts.append(self.writer.keep(drain))
        if not self.settings.force_up and not self.recovery:
            await self.monitor.start()
        await asyncio.gather(*posts)

    def reduced(self) -> None:
        if self.pending is not None and self.status == RUNNING:
            self.create_task(self._discovered(self.pending))

    async def _discovered(self, choice: inventory.Choice) -> None:
        """Take what all ranks have found for the inventory."""
        choice.rset = self.reduction.rset
        async with self.lock:
            try:
                await self._replace(self._timed(choice), choice.method)
            except (OSError, FormatError) as error:
                self.log.error(f"the resources that were discovered cannot be used: {error}")

    async def _replace(self, rset: ResourceSet, method: str) -> None:
        """Make ``rset`` the inventory and announce it. Raises OSError, and FormatError as :meth:`_use`."""
        online, torpid = self.state.online, self.state.torpid
        self._use(rset, method)
        self.pending = None
        self.state.online, self.state.torpid = online, torpid
        self.drain_state.move(self.hosts)
        await self._define()
        self.known.set()

    def _known_R(self) -> dict[str, Any]:
        """R. Raises OSError ENOENT while it is not known."""
        if self.pending is not None:
            text = f"R is not known yet: {self.reduction.count} of {self.size} ranks have reported theirs"
            raise OSError(ENOENT, text)
        return self.R

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Check the table; of it only ``journal-max`` takes effect at once."""
        self.events.set_limit(ResourceSettings.parse(config, self.arg_values).journal_max)

    async def stop(self) -> None:
        """Keep the drain state where a shortened event log cannot lose it."""
        self.monitor.stop()
        await self.inheritance.close()
        if self.recovery:
            return
        value = _json.dumps(self.drain_state.checkpoint(self.now(), self.writer.last))
        try:
            await self.store.put(CHECKPOINT_KEY, value)
        except OSError as error:
            self.log.error(f"failed to checkpoint drain state: {error.strerror}")

    # -- events (RFC 44) --

    def _note_ranks(self, name: str, ranks: Idset) -> None:
        """Post an event about ranks that is not kept."""
        self.writer.note(ranks_event(name, ranks, self.now()))

    def _deliver(self, event: Event) -> None:
        """Let an event take effect and tell those who listen."""
        name = event["name"]
        self.drain_state.apply(event)
        self.state.drained = self.drain_state.ranks
        self.events.append(event)
        message = journal_response([event], self.R)
        if name == "offline" and self.state.shrinks:
            self.sched_state = None
        self.listeners.tell(event, message)

    def _define(self) -> asyncio.Future[None]:
        """Store R and announce it, in one commit."""
        event = resource_events.define(self.method, self.now())
        return self.writer.keep(event, {R_KEY: _json.dumps(self.R)})

    # -- who is online --

    @request_handler("monitor-waitup")
    def monitor_waitup(self, msg: Message) -> Any:
        """Answer when exactly ``up`` ranks are online."""
        self.monitor.wait_up(msg)
        return DEFERRED

    @request_handler("monitor-force-down")
    def monitor_force_down(self, msg: Message) -> None:
        """Act as if ``ranks`` had gone offline."""
        self.monitor.force_down(Idset.decode(field(msg.args, "ranks", str), limit=self.state.size))

    # -- inventory --

    @request_handler("get")
    def get(self, msg: Message) -> dict[str, Any]:
        """Return R and how it was found."""
        return {"R": self._known_R(), "method": self.method}

    @request_handler("reload")
    async def reload(self, msg: Message) -> None:
        """Replace the inventory by R of a file, or of a directory of hwloc XML files (for tests)."""
        args = msg.args
        path, xml, force = field(args, "path", str), field(args, "xml", bool), field(args, "force", bool)
        rset = inventory.load(path, xml=xml)
        async with self.lock:
            if (rset.ranks().last() or 0) >= self.size:
                text = f"resource object contains ranks exceeding size={self.size}"
                if not force:
                    raise OSError(EINVAL, f"{text} (override with -f)")
                self.log.warning(text)
            if self.listeners.acquired:
                raise OSError(EBUSY, "resources are busy (unload scheduler?)")
            await self._replace(rset, "reload")

    @request_handler("expiration-update")
    async def expiration_update(self, msg: Message) -> None:
        """Set when the resources go away: seconds since the epoch, 0 for never."""
        expiration = field(msg.args, "expiration", float)
        if not is_time(expiration):
            raise OSError(EINVAL, f"invalid expiration {expiration}: expected 0 to {MAX_TIME:g}")
        await self._expire(expiration)

    async def _expire(self, expiration: float) -> None:
        async with self.lock:
            self._known_R()
            rset = self.rset.copy()
            rset.expiration = expiration
            R = _readable(rset)
            update = resource_events.update(expiration, self.now())
            await self.writer.keep(update, {R_KEY: _json.dumps(R)})
            self.rset, self.R, self.sched_state = rset, R, None

    # -- drain --

    @request_handler("drain")
    async def drain(self, msg: Message) -> None:
        """Take ranks out of use."""
        targets, mode, reason = self._drain_args(msg)
        async with self._alone(mode):
            ranks = self.hosts.ranks(targets)
            event = self.drain_state.drain(ranks, mode, reason, self.state.exclude, self.now())
            await self.writer.keep(event)
        self._log_drain(event)

    @request_handler("undrain")
    async def undrain(self, msg: Message) -> None:
        """Take drained ranks into use again."""
        targets, mode, reason = self._drain_args(msg)
        async with self._alone(mode):
            event = self.drain_state.undrain(self.hosts.ranks(targets), mode, reason, self.now())
            await self.writer.keep(event)
        self._log_drain(event)

    def _alone(self, mode: str | None) -> AbstractAsyncContextManager[Any]:
        """What is to fail when ranks are drained already waits for the requests before it.

        With a mode nothing depends on the state, and those of all ranks at once share a commit.
        """
        return self.lock if mode is None else nullcontext()

    def _drain_args(self, msg: Message) -> tuple[str, str | None, str | None]:
        args = msg.args
        kinds = (str, type(None))
        return (
            field(args, "targets", str),
            field(args, "mode", kinds, None),
            field(args, "reason", kinds, None),
        )

    def _log_drain(self, event: Event) -> None:
        names = ("idset", "nodelist", "overwrite", "reason")
        values = " ".join(f"{key}={event['context'].get(key, '')}" for key in names)
        self.log.info(f"{event['name']} {values}")

    # -- queries --

    @request_handler("status", allow_guest=True)
    def resource_status(self, msg: Message) -> dict[str, Any]:
        """Return R, drain info and availability."""
        return status(self.R, self.state, self.drain_state)

    @request_handler("sched-status", allow_guest=True)
    async def sched_status(self, msg: Message) -> dict[str, Any]:
        """Return all, down and allocated resources; who asks meanwhile shares the answer."""
        return await self.allocated.get()

    def _sched_status(self, allocated: dict[str, Any] | None) -> dict[str, Any]:
        if self.sched_state is None:
            self.sched_state = SchedStatus(self.rset, self.state)
        return self.sched_state.response(allocated)

    # -- streams --

    @request_handler("journal")
    async def journal(self, msg: Message) -> AsyncIterator[dict[str, Any]]:
        """Stream events: history, an empty batch, then each as it happens (RFC 44)."""
        history = list(self.events.backlog(self.R))
        with self.listeners.consumer() as queue:
            for batch in history:
                yield batch
            while True:
                yield await queue.get()

    @request_handler("acquire")
    async def acquire(self, msg: Message) -> AsyncIterator[dict[str, Any]]:
        """Stream the resources that may be scheduled and then what changes (RFC 28); for one client."""
        with self.listeners.acquirer() as queue:
            await self.known.wait()
            usable = self.rset.copy()
            usable.remove_ranks(self.state.exclude)
            acquisition = self.listeners.acquisition = Acquisition(self.rset.ranks(), self.state)
            yield {"resources": usable.encode(), "up": acquisition.up.encode()}
            while True:
                yield await queue.get()

    @request_handler("acquire-mute")
    def acquire_mute(self, msg: Message) -> None:
        """Tell the scheduler nothing more: the instance is shutting down."""
        self.listeners.muted = True
