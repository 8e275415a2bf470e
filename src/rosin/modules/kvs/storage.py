# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the KVS keeps in the content store: journal records and checkpoints.

A transaction on ``primary`` is acknowledged when its journal record is stored. The directories that it made
stay in memory; a checkpoint writes those that the current root still reaches, together with the root, and
drops the journal. It happens after a number of records or some seconds, on FLUX_KVS_SYNC, at unload, and
before a client is given references to take away. Other namespaces are never stored, except for what a
transaction on ``primary`` refers to, and for large values when memory gets tight.

Without a state directory that outlives the broker there is no journal, and a transaction is acknowledged at
once: checkpoints then only bound the memory and serve those who take references away.
"""

from __future__ import annotations

import errno
import traceback
from typing import TYPE_CHECKING, Any, Protocol

from rosin.internal.backing_commit import BackingCommit
from rosin.modules.kvs import journal
from rosin.modules.kvs.objects import Reach
from rosin.modules.kvs.settings import CHECKPOINT_PERIOD
from rosin.rfc import treeobj

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from contextlib import AbstractContextManager

    from rosin.modules.kvs.backend import KvsBackend
    from rosin.modules.kvs.namespace import CommitRequest, Namespace
    from rosin.modules.kvs.objects import Objects
    from rosin.rfc.treeobj import TreeObj

#: Journal records, and their bytes, after which a checkpoint is written.
CHECKPOINT_RECORDS = 2000
CHECKPOINT_BYTES = 8 << 20
#: Seconds after which it is tried again.
RETRY = 30.0
#: Bytes of blobs, and blobs, in one message: other services get their turn in between.
MESSAGE_BYTES = 4 << 20
MESSAGE_BLOBS = 500
#: Objects that become cached copies in one go.
SETTLED = 500
#: Fresh bytes that are tolerated before unreachable objects are dropped and large values are stored.
FRESH_BYTES = 16 << 20
LARGE_VALUE = 64 << 10


class Storable(Protocol):
    """Whose transactions are stored."""

    def kick(self, namespace: Namespace) -> None: ...
    def advance(self, namespace: Namespace) -> None: ...
    def step(self, namespace: Namespace, batch: list[CommitRequest]) -> AbstractContextManager[None]: ...
    def complete(self, namespace: Namespace, batch: list[CommitRequest], root: str) -> None: ...
    def failed(self, namespace: Namespace, batch: list[CommitRequest], error: Exception) -> None: ...


class Storage:
    """What is stored, and when."""

    def __init__(self, backend: KvsBackend, commits: Storable, objects: Objects, journaled: bool) -> None:
        self.backend = backend
        self.commits = commits
        self.objects = objects
        #: Seconds after which a checkpoint is written in any case.
        self.period = CHECKPOINT_PERIOD
        self.journaled = journaled
        self._records = 0
        self._bytes = 0
        self._due = False
        #: A checkpoint has failed, and the timer runs until the next try.
        self._held_back = False
        self._timer: Any = None
        self._sweep_at = FRESH_BYTES
        self._relieving = False
        self._waiters: list[Any] = []

    @property
    def dirty(self) -> bool:
        """There are journal records that no checkpoint covers."""
        return self._records > 0

    # -- one transaction -------------------------------------------------------------------------------

    def store(self, namespace: Namespace, batch: list[CommitRequest], root: str, sync: bool) -> bool:
        """Make applied transactions durable, then complete or fail them and go on with the namespace.

        True: they are complete already."""
        if not self.journaled and not sync:
            self._count(namespace, 0)
            self.commits.complete(namespace, batch, root)
            return True
        namespace.pending = root
        record, refs = journal.record(batch, self.objects)
        commit = self._batch(refs, (namespace.seq + 1, namespace.root, record))
        self.backend.store(commit).then(self._stored, namespace, batch, root, refs, len(record), sync)
        return False

    def _batch(self, refs: Sequence[str], record: Any = None, checkpoint: Any = None) -> BackingCommit:
        digests: list[bytes] = []
        blobs: list[bytes] = []
        start = len(self.objects.algo) + 1
        for ref in refs:
            blob = self.objects.blob(ref)
            if blob is not None:  # else it was stored in the meantime
                digests.append(bytes.fromhex(ref[start:]))
                blobs.append(blob)
        return BackingCommit(digests, blobs, record, checkpoint)

    def _stored(
        self,
        rpc: Any,
        namespace: Namespace,
        batch: list[CommitRequest],
        root: str,
        refs: list[str],
        size: int,
        sync: bool,
    ) -> None:
        try:  # what the commits' step() does, at less cost
            try:
                rpc.get_raw()
            except OSError as error:
                if error.errno != errno.ENOSYS or sync:  # no backing store: everything lives in memory
                    raise
            else:
                self.objects.settle(refs)
                self._count(namespace, size)
            if sync:
                self.backend.create_task(self._sync_task(namespace, batch, root))
                return
            self.commits.complete(namespace, batch, root)
        except Exception as error:
            self.commits.failed(namespace, batch, error)
        self.commits.advance(namespace)

    def _count(self, namespace: Namespace, size: int) -> None:
        self._records += 1
        self._bytes += size
        many = self._records >= CHECKPOINT_RECORDS or self._bytes >= CHECKPOINT_BYTES
        if many and not self._held_back:
            self._due = True
        elif self._timer is None:
            self._timer = self.backend.call_later(self.period, lambda: self._period_over(namespace))

    def _period_over(self, namespace: Namespace) -> None:
        self._timer = None
        self._held_back = False
        if self._records:
            self._due = True
            self.commits.kick(namespace)

    async def _sync_task(self, namespace: Namespace, batch: list[CommitRequest], root: str) -> None:
        """FLUX_KVS_SYNC: the transaction is complete when a checkpoint holds it."""
        with self.commits.step(namespace, batch):
            await self.checkpoint(root, namespace.seq + 1)
            self.commits.complete(namespace, batch, root)
        self.commits.advance(namespace)

    # -- checkpoints -----------------------------------------------------------------------------------

    def due(self, namespace: Namespace) -> bool:
        """Begin a checkpoint if one is due. True: the namespace is advanced after it."""
        if self._due:
            self.backend.create_task(self._due_task(namespace))
        return self._due

    async def _due_task(self, namespace: Namespace) -> None:
        error: OSError | None = None
        try:
            await self.checkpoint(namespace.root, namespace.seq)
        except Exception as exc:  # the namespace must go on whatever happens
            if isinstance(exc, OSError):
                error = exc
                note = f"cannot write a checkpoint, trying again: {exc.strerror}"
            else:
                error = OSError(errno.EIO, "cannot write a checkpoint, see the broker's log")
                note = "".join(traceback.format_exception(exc))
            if error.errno != errno.ENOSYS and not self._held_back:  # clients may ask for it often meanwhile
                self.backend.log.error(note)
            if self._timer is None and self._records:
                self._timer = self.backend.call_later(RETRY, lambda: self._period_over(namespace))
            self._held_back = self._timer is not None
        self._due = False  # the root did not move meanwhile: whoever asked for a checkpoint has it
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error) if error else waiter.set_result(None)
        self.commits.advance(namespace)

    def storing(self, namespace: Namespace) -> Awaitable[None] | None:
        """Wait for a checkpoint, if there is something that it would store."""
        return self.checkpoint_soon(namespace) if self.dirty else None

    async def checkpoint_soon(self, namespace: Namespace) -> None:
        """Wait for a checkpoint of the current root or a newer one."""
        waiter = self.backend.promise()
        self._waiters.append(waiter)
        self._due = True
        self.commits.kick(namespace)
        await waiter

    async def checkpoint(self, root: str, seq: int) -> None:
        """Store a root with all that it reaches; the journal begins anew. Raises OSError."""
        reach = Reach(self.objects.fresh, [treeobj.dirref(root)])
        while reach.step():
            await self.backend.pause()
        refs = list(reach.found)
        value = {"version": 1, "rootref": root, "sequence": seq, "timestamp": self.backend.now()}
        rest = await self._write(refs)
        await self.backend.store(self._batch(rest, None, value)).raw()
        # Not before all of it is stored: what is settled stands for everything that it refers to.
        for first in range(0, len(refs), SETTLED):
            self.objects.settle(refs[first : first + SETTLED])
            await self.backend.pause()
        self._records = self._bytes = 0
        self._held_back = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _write(self, refs: list[str]) -> list[str]:
        """Store fresh objects in messages of bounded size. Returns the last ones, which the caller sends."""
        part: list[str] = []
        size = 0
        for ref in refs:
            blob = self.objects.blob(ref)
            if blob is None:
                continue
            if part and (size + len(blob) > MESSAGE_BYTES or len(part) == MESSAGE_BLOBS):
                await self.backend.store(self._batch(part)).raw()
                part, size = [], 0
            part.append(ref)
            size += len(blob)
        return part

    # -- memory ----------------------------------------------------------------------------------------

    def relieve(self, namespaces: dict[str, Namespace]) -> None:
        """Drop unreachable objects when there are many; store large values when that is not enough."""
        if self.objects.fresh_bytes >= self._sweep_at and not self._relieving:
            self._relieving = True
            self.backend.create_task(self._relieve(namespaces))

    async def _relieve(self, namespaces: dict[str, Namespace]) -> None:
        try:
            await self._sweep(namespaces)
            self._sweep_at = max(FRESH_BYTES, 2 * self.objects.fresh_bytes)
            if self.objects.fresh_bytes > FRESH_BYTES // 2:
                await self._spill()
        finally:
            self._relieving = False

    async def _sweep(self, namespaces: dict[str, Namespace]) -> None:
        reach = Reach(self.objects.fresh, _roots(namespaces))
        while reach.step():
            await self.backend.pause()
        reach.extend(_roots(namespaces))  # what has changed meanwhile, all at once
        while reach.step():
            pass
        dropped = self.objects.drop_others(reach)
        while dropped:
            del dropped[-SETTLED:]
            await self.backend.pause()

    async def _spill(self) -> None:
        large = [ref for ref, obj in self.objects.fresh.items() if len(obj) >= LARGE_VALUE]
        large = [ref for ref in large if self.objects.fresh[ref].__class__ is bytes]
        try:
            rest = await self._write(large)
            await self.backend.store(self._batch(rest)).raw()
            self.objects.settle(large)
        except OSError as error:  # anything else is logged with its task
            if error.errno != errno.ENOSYS:
                self.backend.log.error(f"cannot store values early: {error.strerror}")
        self._sweep_at = max(FRESH_BYTES, 2 * self.objects.fresh_bytes)

    async def finish(self, namespace: Namespace) -> None:
        """Process what is queued and write the last checkpoint.

        Who reloads the module may go on from any root that a client was told; an instance that ends has no
        use for older ones."""
        try:
            if await self.backend.instance_runs():
                rest = await self._write(list(self.objects.fresh))
                await self.backend.store(self._batch(rest)).raw()
            await self.checkpoint_soon(namespace)
            while namespace.busy:
                await self.checkpoint_soon(namespace)
        except OSError as error:
            if error.errno != errno.ENOSYS:
                self.backend.log.error(f"the last KVS checkpoint is not written: {error.strerror}")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _roots(namespaces: dict[str, Namespace]) -> list[TreeObj]:
    """What all namespaces have, and are about to have."""
    roots = [ns.root for ns in namespaces.values()]
    roots += [ns.pending for ns in namespaces.values() if ns.pending is not None]
    return list(map(treeobj.dirref, roots))
