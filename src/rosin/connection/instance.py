# SPDX-License-Identifier: LGPL-3.0-or-later
"""An instance for asyncio programs."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from rosin import job as api
from rosin.connection import rows, shapes
from rosin.connection.job import AsyncJob
from rosin.connection.kvs import AsyncKVS
from rosin.connection.live import live
from rosin.constants import FLUX_JOB_URGENCY_DEFAULT
from rosin.handle.aio import AsyncFlux
from rosin.handle.future import error
from rosin.job.journal import JournalEvent, events_journal
from rosin.queue import queue_infos
from rosin.resource.list import resource_list
from rosin.resource.status import resource_status

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Generator, Iterable, Mapping, Sequence

    from rosin.connection.rows import ListedJob, ListedNode, ListedQueue, RowList
    from rosin.connection.shapes import CommandOptions, NestOptions, PerResourceOptions
    from rosin.resource.list import SchedResourceList
    from rosin.resource.status import ResourceStatus
    from rosin.rfc.message import Message

__all__ = ["AsyncInstance", "InstanceEvent", "connect"]

#: Events that may wait for who follows them.
_WAITING = 1 << 16


class InstanceEvent(NamedTuple):
    """An event of the instance (RFC 3): its ``topic``, and its payload decoded, None without one."""

    topic: str
    data: Any


class AsyncInstance:
    """What :func:`connect` gives. Attribute ``handle``: the AsyncFlux below, for RPCs and the client API."""

    __slots__ = ("_followers", "_listening", "_uri", "handle")

    handle: AsyncFlux

    def __init__(self, uri: str | None = None) -> None:
        self._uri = uri
        self._followers: dict[object, _Follower] = {}
        self._listening = False

    def __repr__(self) -> str:
        return f"<rosin.connect {self.handle.uri if hasattr(self, 'handle') else 'not connected'}>"

    async def __aenter__(self) -> AsyncInstance:
        self.handle = await AsyncFlux.connect(self._uri)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def __await__(self) -> Generator[Any, None, AsyncInstance]:
        """Connect without ``async with``; :meth:`close` is then the caller's."""
        return self.__aenter__().__await__()

    async def close(self) -> None:
        """End the connection; what is awaited on it fails with ECONNRESET."""
        await self.handle.close()

    # -- jobs -------------------------------------------------------------------------------------------

    async def submit(
        self,
        command: Sequence[str] | api.Jobspec | Mapping[str, Any],
        *,
        urgency: int = FLUX_JOB_URGENCY_DEFAULT,
        waitable: bool = False,
        **options: Unpack[CommandOptions],
    ) -> AsyncJob:
        """Submit a command, or a jobspec that is ready: a Jobspec, or an object of any version of RFC 14.

        ``options`` of a command are those of :meth:`rosin.job.JobspecV1.from_command` (``num_tasks``,
        ``cores_per_task``, ``gpus_per_task``, ``num_nodes``, ``duration``, ``name``, ``queue``, ...), and
        ``dependencies`` (``["afterok:ID"]``), ``requires`` (``"gpu and not host:n[0-3]"``), ``attributes``
        (``{"system.x": 1}``) and ``shell_options`` (``{"pty": True}``). Unless they say another, directory
        and environment are this program's. Raises ValueError, OSError.
        """
        if isinstance(command, api.Jobspec) or hasattr(command, "keys"):
            if options:
                raise ValueError(f"{', '.join(options)}: options of a command; a jobspec has them already")
            spec = api.validate_jobspec(command)[1]  # type: ignore[arg-type]
        else:
            spec = shapes.made(api.JobspecV1.from_command, shapes.words(command), options=options)
        return await self._submit(spec, urgency, waitable)

    async def submit_per_resource(
        self,
        command: Sequence[str],
        *,
        urgency: int = FLUX_JOB_URGENCY_DEFAULT,
        waitable: bool = False,
        **options: Unpack[PerResourceOptions],
    ) -> AsyncJob:
        """Submit so many tasks per core or node: ``nnodes=2, per_resource_type="core",
        per_resource_count=1``. Raises ValueError, OSError.
        """
        spec = shapes.made(api.JobspecV1.per_resource, shapes.words(command), options=options)
        return await self._submit(spec, urgency, waitable)

    async def submit_script(
        self,
        script: str,
        *args: str,
        urgency: int = FLUX_JOB_URGENCY_DEFAULT,
        waitable: bool = False,
        **options: Unpack[NestOptions],
    ) -> AsyncJob:
        """Submit an instance that runs the text of a script with ``args``: ``num_slots=4,
        cores_per_slot=2``. Raises ValueError, also for a text that does not begin with ``#!``, and OSError.
        """
        name = options.pop("name", None) or "batch"
        spec = shapes.made(api.JobspecV1.from_batch_command, script, name, args, options=options)
        return await self._submit(spec, urgency, waitable)

    async def submit_nested(
        self,
        command: Sequence[str] = (),
        *,
        urgency: int = FLUX_JOB_URGENCY_DEFAULT,
        waitable: bool = False,
        **options: Unpack[NestOptions],
    ) -> AsyncJob:
        """Submit an instance whose initial program is ``command``; without one it runs until it is
        cancelled, and ``rosin.connect(await job.uri())`` leads into it. Raises ValueError, OSError.
        """
        if not command:
            broker = [*(options.get("broker_opts") or ()), "-Sbroker.rc2_none=1"]
            options["broker_opts"] = broker
        spec = shapes.made(api.JobspecV1.from_nest_command, shapes.words(command), options=options)
        return await self._submit(spec, urgency, waitable)

    async def _submit(self, spec: api.Jobspec, urgency: int, waitable: bool) -> AsyncJob:
        answer = await api.submit_async(self.handle, spec, urgency=urgency, waitable=waitable)
        return AsyncJob(self, answer["id"])

    def job(self, id: int | str) -> AsyncJob:
        """A job by its number or its name in any encoding of RFC 19. Raises ValueError: that is none."""
        return AsyncJob(self, id)

    async def jobs(
        self, max_entries: int = 1000, filters: Iterable[str] = (), **query: Any
    ) -> RowList[ListedJob]:
        """The jobs, newest first; ``filters`` are states and results (``running``, ``failed``, ...).

        ``query`` is that of :class:`rosin.job.JobList`: ``user``, ``name``, ``queue``, ``since``,
        ``constraint``. ``pandas.DataFrame`` takes what it returns. Raises OSError, ValueError.
        """
        found = api.JobList(self.handle, max_entries=max_entries, filters=filters, **query).fetch_jobs()
        assert isinstance(found, api.JobListRPC)  # no ids are asked for
        return rows.RowList(rows.ListedJob(each) for each in await found.jobs())

    async def live(self, interval: float = 1.0, max_entries: int = 50, **query: Any) -> None:
        """Show the jobs in a notebook, in a table that follows them until none is active.

        Arguments as for :meth:`jobs`, and ``interval`` seconds. Raises RuntimeError outside of IPython.
        """
        await live(lambda: self.jobs(max_entries, **query), _all_inactive, interval)

    async def journal(self, full: bool = False) -> AsyncGenerator[JournalEvent, None]:
        """The events of all jobs as they come, for the instance owner (RFC 21); with ``full`` those of the
        past first. Raises OSError.
        """
        rpc = events_journal(self.handle, full)
        try:
            async for answer in rpc:
                for entry in answer["events"]:
                    yield JournalEvent(answer["id"], entry, answer.get("jobspec"), answer.get("R"))
        finally:
            rpc.cancel("job-manager.events-journal-cancel")

    # -- resources and queues ---------------------------------------------------------------------------

    async def resources(self) -> SchedResourceList:
        """Resources by state: ``all``, ``up``, ``down``, ``allocated``, ``free``. Raises OSError."""
        answer: SchedResourceList = await resource_list(self.handle)
        return answer

    async def resource_status(self) -> ResourceStatus:
        """Ranks by state: ``online``, ``drained`` and why, ... Raises OSError."""
        answer: ResourceStatus = await resource_status(self.handle)
        return answer

    async def nodes(self) -> RowList[ListedNode]:
        """The nodes and what is in use of them; ``pandas.DataFrame`` takes it. Raises OSError."""
        asked = resource_status(self.handle), resource_list(self.handle)
        return rows.nodes(await asked[0], (await asked[1]).allocated)

    async def drain(self, targets: str, reason: str | None = None) -> None:
        """Take ranks (``"0-3"``) or hosts (``"n[0-3]"``) out of use. Raises OSError: EEXIST they are."""
        from rosin.resource.control import drain

        await drain(self.handle, targets, reason)

    async def undrain(self, targets: str) -> None:
        """Take them into use again. Raises OSError: EEXIST they are."""
        from rosin.resource.control import undrain

        await undrain(self.handle, targets)

    async def queues(self, names: Iterable[str] | None = None) -> RowList[ListedQueue]:
        """The queues, or those named; an instance without any has one whose name is "".

        ``pandas.DataFrame`` takes it. Raises OSError, and ValueError for a queue that there is not.
        """
        return rows.RowList((await queue_infos(self.handle, names, rows.ListedQueue))[1])

    # -- the rest of the instance -------------------------------------------------------------------------

    @property
    def kvs(self) -> AsyncKVS:
        """The key-value store: ``await flux.kvs.get("a.b")``."""
        return AsyncKVS(self.handle)

    async def attr(self, name: str) -> str:
        """A broker attribute, such as ``size``. Raises FileNotFoundError if there is none."""
        return await self.handle.attr(name)

    async def config(self) -> dict[str, Any]:
        """The configuration of the instance. Raises OSError."""
        answer: dict[str, Any] = await self.handle.rpc("config.get")
        return answer

    async def rpc(self, topic: str, payload: object = None, nodeid: int | None = None) -> Any:
        """Ask a service: ``await flux.rpc("attr.get", {"name": "size"})``. Raises OSError."""
        if nodeid is None:
            return await self.handle.rpc(topic, payload)
        return await self.handle.rpc(topic, payload, nodeid)

    async def events(self, topic: str = "") -> AsyncGenerator[InstanceEvent, None]:
        """The events whose topic begins with ``topic``, from now on; those of guests are left out.

        Raises OSError: ECONNRESET the instance is gone, ENOBUFS 65536 events wait to be taken.
        """
        me = object()
        if not self._listening:
            self._listening = True
            self.handle.on_event("", self._published)
            self.handle.on_lost(self._lost)
        follower = self._followers[me] = _Follower(topic, self.handle)
        try:
            await self.handle.event_subscribe(topic)
            while True:
                yield await follower.next()
        finally:
            del self._followers[me]
            if not self.handle.closed:
                self.handle.event_unsubscribe(topic)

    def _published(self, msg: Message) -> None:
        for follower in self._followers.values():
            follower.take(msg)

    def _lost(self, failure: OSError) -> None:
        for follower in self._followers.values():
            follower.fail(failure)

    async def publish(self, topic: str, payload: object = None) -> None:
        """Publish an event. Raises OSError."""
        await self.handle.publish(topic, payload)


class _Follower:
    """The events that wait for one who follows them."""

    def __init__(self, topic: str, handle: AsyncFlux) -> None:
        self._topic = topic
        self._handle = handle
        self._waiting: deque[InstanceEvent] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._failure: OSError | None = None

    def take(self, msg: Message) -> None:
        """An event has come."""
        if not msg.topic.startswith(self._topic):
            return
        if len(self._waiting) >= _WAITING:
            self.fail(error(errno.ENOBUFS, f"{_WAITING} events wait to be taken, and no more are kept"))
        if self._failure is None:
            self._waiting.append(InstanceEvent(msg.topic, msg.data))
        self._wake()

    def fail(self, failure: OSError) -> None:
        """No more will come."""
        self._failure = self._failure or failure
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> InstanceEvent:
        """The next event. Raises OSError."""
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            self._waiter = self._handle.loop.create_future()
            await self._waiter
        return self._waiting.popleft()


def _all_inactive(listing: RowList[ListedJob]) -> bool:
    return all(job.state == "INACTIVE" for job in listing)


def connect(uri: str | None = None) -> AsyncInstance:
    """An instance: ``async with rosin.connect() as flux``, or ``flux = await rosin.connect()``.

    ``uri`` by default is FLUX_URI, the enclosing instance, ``/run/flux/local``, or the user's only running
    one. Raises OSError that says why not.
    """
    return AsyncInstance(uri)
