# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``job-manager`` service (RFC 21, 27, 30, 32, 33): its requests, its commits, its clock.

All decisions are in :class:`~rosin.modules.job_manager.manager.Manager`; this module carries messages to it
and does what it asks for. A reply that promises something goes out once the KVS has stored it.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

from rosin import _json, content, kvs
from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.constants import (
    FLUX_KVS_TREEOBJ,
    FLUX_KVS_WAITCREATE,
    FLUX_KVS_WATCH,
)
from rosin.modules.job_manager import control, jobtap, query, restart, submit, update, walk, why
from rosin.modules.job_manager.archiver import Archiver
from rosin.modules.job_manager.core import CHECKPOINT_KEY
from rosin.modules.job_manager.manager import Manager
from rosin.modules.job_manager.moduleport import ModulePort
from rosin.modules.job_manager.plugins import load as plugins
from rosin.modules.job_manager.settings import ManagerSettings
from rosin.rfc import treeobj
from rosin.rfc.jobpath import job_key
from rosin.rfc.payload import field, id_field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from rosin.broker.clock import TimerHandle
    from rosin.handle.future import Future
    from rosin.modules.job_manager.journal import Listener
    from rosin.modules.job_manager.store import PendingCommit
    from rosin.rfc.message import Message

#: Seconds between attempts to store events (doubling up to the maximum).
_RETRY_MIN, _RETRY_MAX = 0.5, 30.0
#: Seconds that stopping the module may wait for the KVS.
_STOP_TIMEOUT = 20.0


class JobManager(BrokerModule):
    """The module around a :class:`~rosin.modules.job_manager.manager.Manager`."""

    name = "job-manager"
    arguments = ()
    read_at_start = ("job-manager.plugins",)  # jobtap loads and removes some later
    #: Seconds between looks for jobs to purge.
    purge_period = 5.0

    # -- life cycle ---------------------------------------------------------------------------------

    async def start(self) -> None:
        self.manager = manager = Manager(ModulePort(self, self._flush), self.h.userid)
        self._retry = _RETRY_MIN
        self._retrying: TimerHandle | None = None
        settings = ManagerSettings.parse(self.config, self.arg_values)
        manager.jobtap.configure(self.config)
        manager.configure(settings)
        plugins.configure(manager.jobtap, settings.plugins)
        self._archiver = Archiver(manager, self._lookup, self._rows, self.loop.create_future)
        # In a directory that goes with its broker nobody would find it.
        manager.archive.lasts = "statedir" in self.attrs and self.attrs.get("statedir-cleanup", "0") != "1"
        self.h.on_response("sched.alloc", manager.alloc.response)
        await self._load()
        restart.resume(manager)
        manager.port.wake()  # what was read now may be worth archiving
        self._purge_timer = self.call_later(self.purge_period, self._purge)
        self.create_task(self._watch_instance())

    async def stop(self) -> None:
        self._purge_timer.cancel()
        if self._retrying is not None:
            self._retrying.cancel()
            self._retrying = None
        self.manager.flush()
        self.manager.checkpoint()
        try:
            await asyncio.wait_for(self._commit_all(), _STOP_TIMEOUT)
        except TimeoutError:
            self.log.error(f"the last job events were not stored: no answer from kvs for {_STOP_TIMEOUT:g}s")
        self.manager.shut_down()

    def reconfigure(self, config: dict[str, Any]) -> None:
        settings = ManagerSettings.parse(config, self.arg_values)
        self.manager.jobtap.configure(config)  # and so do the plugins
        self.manager.configure(settings)
        self.manager.requeue_all()
        self._purge_timer.cancel()
        self._purge()  # the limits may be lower than they were

    def disconnected(self, sender: bytes) -> None:
        self.manager.disconnected(sender)

    def stats(self) -> dict[str, Any]:
        return query.stats(self.manager)

    @request_handler("stats-get", allow_guest=True)
    def stats_get(self, msg: Message) -> dict[str, Any]:
        self._refuse_restricted(msg)
        return self.stats()

    def _refuse_restricted(self, msg: Message) -> None:
        if self.manager.restricted(msg.rolemask):
            raise OSError(errno.EPERM, "private mode: shown to the instance owner only")

    # -- reading the KVS ----------------------------------------------------------------------------

    def _lookup(self, key: str, flags: int = 0) -> Awaitable[dict[str, Any]]:
        """Send a lookup now; await its tree object."""
        rpc = kvs.lookup_async(self.h, key, kvs.PRIMARY, flags)

        async def value() -> dict[str, Any]:
            return (await rpc)["val"]  # type: ignore[no-any-return]

        return value()

    def _blob(self, ref: str) -> Awaitable[bytes]:
        """Ask for a blob now; await its bytes."""
        return content.load_async(self.h, ref).raw()

    def _rows(self, ids: list[int]) -> Awaitable[bytes]:
        """Ask job-list for its rows."""
        return self.h.rpc("job-list.rows", {"ids": ids}).raw()

    async def _load(self) -> None:
        """Replay all jobs that the KVS holds, then restore the checkpoint."""
        count, lost = await walk.load(self.manager, self._lookup, self._blob)
        for id, reason in lost:
            await self._set_aside(id, reason)
        try:
            state = treeobj.val_data(await self._lookup(CHECKPOINT_KEY))
            restart.restore(self.manager, _json.loads(state))
        except FileNotFoundError:
            pass  # a new instance, or one that has had no reason to write one
        if count:
            manager = self.manager
            self.log.info(f"restart: {len(manager.active)} active and {len(manager.inactive)} inactive jobs")

    async def _set_aside(self, id: int, reason: str) -> None:
        """Move a job whose data is damaged to where a person can look at it."""
        self.log.error(f"job {id} not replayed: {reason}; moved to job-lost+found")
        key = job_key(id)
        directory = await self._lookup(key, FLUX_KVS_TREEOBJ)
        txn = kvs.KVSTxn(self.h, namespace=kvs.PRIMARY)
        txn.put_treeobj(f"job-lost+found.{key}", directory)
        txn.unlink(key)
        await txn.commit_async()

    async def _watch_instance(self) -> None:
        """Follow the expiration of the instance's own resources, when somebody can tell it."""
        flags = FLUX_KVS_WATCH | FLUX_KVS_WAITCREATE
        try:
            async for answer in kvs.lookup_async(self.h, "resource.R", kvs.PRIMARY, flags):
                R = _json.loads(treeobj.val_data(answer["val"]))
                expiration = field(R.get("execution", {}), "expiration", float, 0.0)
                update.instance_expiration(self.manager, expiration)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ENODATA):
                self.log.warning(f"cannot follow the expiration of the instance: {error.strerror}")
        except ValueError as error:  # FormatError, or not JSON
            self.log.warning(f"cannot follow the expiration of the instance: resource.R: {error}")

    # -- storing --------------------------------------------------------------------------------------

    def _flush(self) -> None:
        self.manager.flush()
        if self.manager.purge.overdue():
            self.manager.purge.due()
        if self.manager.archive.due and not self._archiver.busy:
            self._archiver.busy = True
            self.create_task(self._archiver.run())
        if self._retrying is None:
            self._commit(self.manager.store.take())

    def _commit(self, batch: PendingCommit | None) -> None:
        """Write a batch, if there is one: in this turn, so that the KVS takes what belongs to it with it."""
        if batch is not None:
            kvs.commit_async(self.h, 0, kvs.PRIMARY, batch.transaction()).then(self._committed)

    def _committed(self, rpc: Future) -> None:
        try:
            rpc.get()
        except OSError as error:
            self._commit_failed(error)
            return
        self._retry = _RETRY_MIN
        self.manager.store.done()
        self.manager.flush()
        self._commit(self.manager.store.take())

    def _commit_failed(self, error: OSError) -> None:
        self.log.error(f"cannot store job events: {error.strerror}; trying again in {self._retry:g}s")
        self._retrying = self.call_later(self._retry, self._commit_again)
        self._retry = min(2 * self._retry, _RETRY_MAX)
        self.manager.store.failed(error)

    def _commit_again(self) -> None:
        self._retrying = None
        self.call_soon_once(self._flush)

    async def _commit_all(self) -> None:
        """Write what is left, once the commit in flight is through."""
        store = self.manager.store
        await self._in_flight()
        self._commit(store.take())
        await self._in_flight()

    async def _in_flight(self) -> None:
        """Wait until nothing is being written."""
        store = self.manager.store
        while store.in_flight is not None:
            stored: asyncio.Future[OSError | None] = self.loop.create_future()
            store.in_flight.waiters.append(stored.set_result)
            if await stored is not None:
                return

    def _purge(self) -> None:
        if self.manager.purge.due() and self.manager.purge.overdue():
            self._purge_timer = self.call_later(0.0, self._purge)
        else:
            self._purge_timer = self.call_later(self.purge_period, self._purge)

    def _stored(self, msg: Message, payload: dict[str, Any] | None) -> Any:
        """Reply with *payload* once all that has happened is stored."""
        self.manager.answer(msg, payload)
        return DEFERRED

    # -- requests: new jobs, and what changes jobs ------------------------------------------------------

    @request_handler("submit")
    def submit(self, msg: Message) -> Any:
        submit.request(self.manager, msg)
        return DEFERRED

    @request_handler("urgency", allow_guest=True)
    def urgency(self, msg: Message) -> Any:
        return self._stored(msg, control.urgency(self.manager, msg))

    @request_handler("raise", allow_guest=True)
    def raise_(self, msg: Message) -> Any:
        return self._stored(msg, control.raise_(self.manager, msg))

    @request_handler("raiseall", allow_guest=True)
    def raiseall(self, msg: Message) -> Any:
        control.raiseall(self.manager, msg)
        return DEFERRED

    @request_handler("kill", allow_guest=True)
    def kill(self, msg: Message) -> None:
        control.kill(self.manager, msg)

    @request_handler("killall", allow_guest=True)
    def killall(self, msg: Message) -> Any:
        control.killall(self.manager, msg)
        return DEFERRED

    @request_handler("memo", allow_guest=True)
    def memo(self, msg: Message) -> Any:
        return self._stored(msg, control.memo(self.manager, msg))

    @request_handler("update", allow_guest=True)
    def update(self, msg: Message) -> Any:
        update.update(self.manager, msg)
        return DEFERRED

    # -- requests: what to know of jobs -----------------------------------------------------------------

    @request_handler("list")
    def list(self, msg: Message) -> dict[str, Any]:
        return query.list_jobs(self.manager, msg)

    @request_handler("getattr", allow_guest=True)
    def getattr(self, msg: Message) -> dict[str, Any]:
        return query.getattr_(self.manager, msg)

    @request_handler("why", allow_guest=True)
    def why(self, msg: Message) -> Any:
        why.request(self.manager, msg)
        return DEFERRED

    @request_handler("getinfo", allow_guest=True)
    def getinfo(self, msg: Message) -> dict[str, Any]:
        self._refuse_restricted(msg)
        return {"max_jobid": self.manager.max_jobid}

    @request_handler("wait")
    def wait(self, msg: Message) -> Any:
        self.manager.waits.wait(msg, field(msg.args, "id", int))  # -1: any job
        return DEFERRED

    @request_handler("drain")
    def drain(self, msg: Message) -> Any:
        self.manager.drain.wait_drained(msg)
        return DEFERRED

    @request_handler("idle")
    def idle(self, msg: Message) -> Any:
        self.manager.drain.wait_idle(msg)
        return DEFERRED

    @request_handler("alloc-query", allow_guest=True)
    def alloc_query(self, _msg: Message) -> dict[str, Any]:
        return query.alloc_query(self.manager)

    @request_handler("resource-status")
    def resource_status(self, _msg: Message) -> dict[str, Any]:
        return self.manager.drain.resource_status()

    @request_handler("events-journal")
    def events_journal(self, msg: Message) -> Any:
        archive = self.manager.archive
        listener = self.manager.journal.open(msg, self.manager.inactive, archive.rows)
        if listener.rows:
            archive.rows = []  # who asks again gets events: rows would only take memory
        self._advance(listener)
        return DEFERRED

    def _advance(self, listener: Listener) -> None:
        manager = self.manager
        if manager.journal.advance(listener, manager.inactive, manager.active):
            self.loop.call_soon(self._advance, listener)

    @request_handler("events-journal-cancel")
    def events_journal_cancel(self, msg: Message) -> None:
        self.manager.journal.listeners.cancel(msg)

    # -- requests: the scheduler, the execution service, plugins --------------------------------------------

    @request_handler("sched-hello")
    async def sched_hello(self, msg: Message) -> AsyncIterator[dict[str, Any]]:
        for job in [*self.manager.hello(msg)]:
            yield job

    @request_handler("sched-ready")
    def sched_ready(self, msg: Message) -> dict[str, Any]:
        return self.manager.alloc.ready(msg)

    @request_handler("exec-hello")
    def exec_hello(self, msg: Message) -> None:
        self.h.on_response(self.manager.start.hello(msg), self.manager.start.response)

    @request_handler("set-batch-timeout")
    def set_batch_timeout(self, msg: Message) -> None:
        field(msg.args, "timeout", float)  # there is no batch timer: a commit starts when the last one ends

    @request_handler("housekeeping-kill")
    def housekeeping_kill(self, msg: Message) -> None:
        self.manager.housekeeping.kill(msg)

    @request_handler("jobtap")
    def jobtap(self, msg: Message) -> dict[str, Any] | None:
        return jobtap.request(self.manager, msg)

    @request_handler("jobtap-query")
    def jobtap_query(self, msg: Message) -> dict[str, Any]:
        return jobtap.query(self.manager, msg)

    # -- requests: queues and purging -------------------------------------------------------------------

    @request_handler("queue-list", allow_guest=True)
    def queue_list(self, _msg: Message) -> dict[str, Any]:
        return {"queues": self.manager.queues.names()}

    @request_handler("queue-status", allow_guest=True)
    def queue_status(self, msg: Message) -> dict[str, Any]:
        name = field(msg.args, "name", (str, type(None)), None)
        return self.manager.queues.lookup(name).status(self.manager.alloc.online)

    @request_handler("queue-enable")
    def queue_enable(self, msg: Message) -> Any:
        self.manager.queues.request_enable(msg.args)
        self.manager.checkpoint()
        return self._stored(msg, None)

    @request_handler("queue-start")
    def queue_start(self, msg: Message) -> Any:
        self.manager.queues.request_start(msg.args)
        self.manager.requeue_all(lambda: self.manager.answer(msg, None))
        self.manager.checkpoint()
        return DEFERRED

    @request_handler("purge")
    def purge(self, msg: Message) -> Any:
        return self._stored(msg, {"count": self.manager.purge.request(msg)})

    @request_handler("purge-id")
    def purge_id(self, msg: Message) -> Any:
        force = bool(field(msg.args, "force", (bool, int)))
        self.manager.purge.purge_id(id_field(msg.args), force)
        return self._stored(msg, {"count": 1})
