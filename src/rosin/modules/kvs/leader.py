# SPDX-License-Identifier: LGPL-3.0-or-later
"""The KVS on rank 0, where namespaces are made, changed and stored (events are flux-core's)."""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.module import DEFERRED, request_handler
from rosin.constants import FLUX_KVS_SYNC, FLUX_USERID_UNKNOWN
from rosin.errors import FormatError
from rosin.kvs import PRIMARY
from rosin.modules.kvs.base import KvsBase
from rosin.modules.kvs.namespace import CommitRequest, Namespace, changed_keys
from rosin.modules.kvs.objects import Missing
from rosin.modules.kvs.restore import Restore
from rosin.modules.kvs.roots import VersionWait
from rosin.modules.kvs.storage import Storage
from rosin.modules.kvs.transaction import apply
from rosin.rfc import blobref
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from rosin.modules.kvs.directory import Directory
    from rosin.rfc.message import Message


class Leader(KvsBase[Namespace]):
    """Namespaces where they are changed."""

    async def start(self) -> None:
        await super().start()
        self.merge = bool(self.arg_values.get("transaction-merge", True))
        initial: str | None = self.arg_values.get("initial-rootref")
        self._ready: list[Namespace] = []
        self.storage = Storage(self, self, self.objects)
        self.storage.configure(self.config)
        root = self.objects.empty.ref
        self.objects.add_directory(self.objects.empty)
        self.primary = Namespace(PRIMARY, self.instance_owner, 0, initial or root)
        self.namespaces[PRIMARY] = self.primary
        restore = Restore(self, self.storage, self.loader)
        await (restore.newest(self.primary) if initial is None else restore.open(self.primary))
        primary = self.primary
        created = {"rootseq": primary.seq, "rootref": primary.root, "owner": primary.owner}
        self._publish(PRIMARY, "created", created)

    async def stop(self) -> None:
        await self.storage.finish(self.primary)
        for namespace in self.namespaces.values():
            for request in namespace.queue:
                if request.msg is not None:
                    self.respond_error(request.msg, errno.ENOSYS, "kvs: service is shutting down")
        await super().stop()

    def reconfigure(self, config: dict[str, Any]) -> None:
        self.storage.configure(config)

    def unknown(self, name: str) -> Exception:
        return OSError(errno.ENOTSUP, f"Operation not supported: namespace {name} does not exist")

    def storing(self) -> Awaitable[None] | None:
        """Wait for a checkpoint, if there is something that it would store."""
        return self.storage.checkpoint_soon(self.primary) if self.storage.dirty else None

    # -- commit ----------------------------------------------------------------------------------------

    def submit(
        self, root: Namespace, name: str, ops: list[dict[str, Any]], flags: int, msg: Message | None
    ) -> None:
        self.opcount.add(len(ops))
        root.queue.append(CommitRequest(name, ops, flags, msg))
        self.kick(root)

    @request_handler("relaycommit")
    def relaycommit(self, msg: Message) -> Any:
        args = msg.args
        ops, flags = field(args, "ops", list), field(args, "flags", int)
        name, ns = field(args, "name", str), field(args, "namespace", str)
        namespace = self.namespaces.get(ns)
        if namespace is None:
            self._publish(ns, "error", {"names": [name], "errnum": errno.ENOTSUP})
        else:
            self.submit(namespace, name, ops, flags, None)
        return DEFERRED

    def kick(self, namespace: Namespace) -> None:
        """Work on a namespace at the end of this turn of the loop, unless that goes on already."""
        if not namespace.busy:
            namespace.busy = True
            self._ready.append(namespace)
            self.call_soon_once(self._run_ready)

    def _run_ready(self) -> None:
        ready, self._ready = self._ready, []
        for namespace in ready:
            self.advance(namespace)

    def advance(self, namespace: Namespace) -> None:
        """Process queued transactions until one has to wait for the content service.

        Nothing that goes wrong in one of them keeps those behind it from their turn."""
        while True:
            if namespace is self.primary and self.storage.due(namespace):
                return  # comes back here
            if not namespace.queue:
                namespace.busy = False
                return
            batch = namespace.take(self.merge)
            try:
                if not self._process(namespace, batch):
                    return
            except Missing as missing:
                self.create_task(self._load_for(namespace, batch, missing))
                return
            except Exception as error:
                self.failed(namespace, batch, error)

    async def _load_for(self, namespace: Namespace, batch: list[CommitRequest], missing: Missing) -> None:
        held: dict[str, Directory | bytes] = {}
        with self.step(namespace, batch):
            while True:
                held.update(await self.loader.load(missing))
                self.objects.held = held
                try:
                    if self._process(namespace, batch):
                        break
                    return
                except Missing as more:
                    missing = more
                finally:
                    self.objects.held = {}
        self.advance(namespace)

    @contextlib.contextmanager
    def step(self, namespace: Namespace, batch: list[CommitRequest]) -> Iterator[None]:
        """What is done for transactions: whatever exception ends it, they are answered and others go on."""
        try:
            yield
        except Exception as error:
            self.failed(namespace, batch, error)

    def _process(self, namespace: Namespace, batch: list[CommitRequest]) -> bool:
        """Apply transactions. False: waiting for the store; :meth:`advance` is called after it."""
        if namespace.removed:
            self.failed(
                namespace, batch, OSError(errno.ENOTSUP, "Operation not supported: namespace was removed")
            )
            return True
        ops = batch[0].ops if len(batch) == 1 else [op for request in batch for op in request.ops]
        sync = batch[0].flags & FLUX_KVS_SYNC
        root = namespace.root
        try:
            if sync and namespace is not self.primary:
                raise OSError(
                    errno.EINVAL, "Invalid argument: FLUX_KVS_SYNC is for the primary namespace only"
                )
            if ops:
                directory = apply(self.objects.directory(root), ops, self.objects, namespace.name)
                root = directory.ref
        except Missing:
            raise
        except Exception as error:
            if len(batch) > 1:  # each is tried alone: only those that are wrong fail
                namespace.put_back(batch)
            else:
                self.failed(namespace, batch, error)
            return True
        if namespace is not self.primary or (not ops and not sync):
            self.complete(namespace, batch, root)
            return True
        return self.storage.store(namespace, batch, root, bool(sync))

    def complete(self, namespace: Namespace, batch: list[CommitRequest], root: str) -> None:
        """Transactions took effect: move the root, tell watchers, answer."""
        if namespace.removed:
            self.failed(
                namespace, batch, OSError(errno.ENOTSUP, "Operation not supported: namespace was removed")
            )
            return
        if root == namespace.root:
            namespace.noops += 1
        namespace.root = root
        namespace.pending = None
        namespace.seq += 1
        namespace.commits += len(batch)
        if namespace.paused:
            namespace.held.append((batch, root, namespace.seq))
        else:
            self._answer(batch, root, namespace.seq)
        self._publish(
            namespace.name,
            "setroot",
            {
                "rootseq": namespace.seq,
                "rootref": root,
                "names": [request.name for request in batch],
                "keys": changed_keys(batch),
                "owner": namespace.owner,
            },
        )
        if namespace in self.versions:
            self.versions.fulfil(namespace.version(), namespace, VersionWait.reached)
        self.storage.relieve(self.namespaces)

    def _answer(self, batch: list[CommitRequest], root: str, seq: int) -> None:
        payload = {"rootref": root, "rootseq": seq}
        for request in batch:
            if request.msg is not None:
                self.respond(request.msg, payload)

    def failed(self, namespace: Namespace, batch: list[CommitRequest], error: Exception) -> None:
        """Transactions had no effect: say so."""
        namespace.pending = None
        errnum = (error.errno or errno.EIO) if isinstance(error, OSError) else errno.EIO
        if isinstance(error, FormatError):
            errnum = errno.EPROTO
        names = [request.name for request in batch]
        self._publish(namespace.name, "error", {"names": names, "errnum": errnum})
        for request in batch:
            if request.msg is not None:
                self.respond_exception(request.msg, error)

    def _publish(self, namespace: str, what: str, payload: dict[str, Any]) -> None:
        topic = f"kvs.namespace-{namespace}-{what}"
        self.h.event_send(topic, {"namespace": namespace, **payload}, private=True)

    # -- namespaces ------------------------------------------------------------------------------------

    @request_handler("namespace-create")
    def namespace_create(self, msg: Message) -> None:
        args = msg.args
        name, flags = field(args, "namespace", str), field(args, "flags", int)
        root = field(args, "rootref", str, None) or self.objects.empty.ref
        owner = field(args, "owner", int)
        if not name or not name.isprintable():
            raise OSError(errno.EINVAL, "Invalid argument: a namespace's name has to be printable text")
        if name in self.namespaces:
            raise OSError(errno.EEXIST, f"File exists: namespace {name}")
        if not blobref.is_valid(root):
            raise OSError(errno.EINVAL, "Invalid argument: rootref must be a blobref")
        if owner in (-1, FLUX_USERID_UNKNOWN):
            owner = self.instance_owner
        self.namespaces[name] = Namespace(name, owner, flags, root)
        self._publish(name, "created", {"rootseq": 0, "rootref": root, "owner": owner})

    @request_handler("namespace-remove")
    def namespace_remove(self, msg: Message) -> None:
        name = field(msg.args, "namespace", str)
        if name.lower() == PRIMARY:
            raise OSError(errno.ENOTSUP, "Operation not supported: the primary namespace cannot be removed")
        namespace = self.namespaces.get(name)
        if namespace is None:
            return
        if namespace in self._ready:  # what was sent before the removal still counts
            self._ready.remove(namespace)
            self.advance(namespace)
        del self.namespaces[name]
        namespace.removed = True
        self.versions.end(errno.ENOTSUP, "Operation not supported: namespace was removed", namespace)
        for batch, root, seq in namespace.held:
            self._answer(batch, root, seq)
        namespace.held.clear()
        self._publish(name, "removed", {})

    @request_handler("namespace-list")
    def namespace_list(self, _msg: Message) -> dict[str, Any]:
        spaces = self.namespaces.values()
        return {"namespaces": [{"namespace": ns.name, "owner": ns.owner, "flags": ns.flags} for ns in spaces]}

    @request_handler("setroot-pause")
    def setroot_pause(self, msg: Message) -> None:
        """Test hook: committers get no answer until setroot-unpause.

        Not for guests, as in flux-core: the end of a job would wait for one that keeps its namespace paused.
        """
        self.namespace(field(msg.args, "namespace", str), self.requester(msg, msg.args)).paused = True

    @request_handler("setroot-unpause")
    def setroot_unpause(self, msg: Message) -> None:
        namespace = self.namespace(field(msg.args, "namespace", str), self.requester(msg, msg.args))
        namespace.paused = False
        held, namespace.held = namespace.held, []
        for batch, root, seq in held:
            self._answer(batch, root, seq)

    # -- others ------------------------------------------------------------------------------------------

    @request_handler("fresh-load")
    def fresh_load(self, msg: Message) -> bytes:
        """Private to the content service: a blob that is not stored yet, by raw digest."""
        blob = self.objects.blob(f"{self.objects.algo}-{msg.raw.hex()}")
        if blob is None:
            raise OSError(errno.ENOENT, "No such file or directory: unknown blob")
        return blob
