# SPDX-License-Identifier: LGPL-3.0-or-later
"""What becomes of transactions on rank 0, and of the namespaces that they change.

All that goes out goes through a :class:`KvsBackend`, so that a script can drive it: the leader is one.
"""

from __future__ import annotations

import contextlib
import errno
from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_KVS_SYNC
from rosin.errors import FormatError
from rosin.internal.kept_namespace import kept_key
from rosin.kvs import PRIMARY
from rosin.modules.kvs.namespace import CommitRequest, Namespace, changed_keys
from rosin.modules.kvs.objects import Missing
from rosin.modules.kvs.roots import VersionWait
from rosin.modules.kvs.storage import Storage
from rosin.modules.kvs.transaction import apply
from rosin.rfc import blobref, treeobj

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rosin.broker.waiters import Waiters
    from rosin.modules.kvs.backend import KvsBackend
    from rosin.modules.kvs.directory import Directory
    from rosin.modules.kvs.objects import Objects


def _removed() -> OSError:
    return OSError(errno.ENOTSUP, "Operation not supported: namespace was removed")


#: Namespaces, such as those of jobs that begin, that are worked on in one go.
_READY = 20


class Commits:
    """Namespaces where they are changed, one transaction (or several merged) after the other."""

    def __init__(
        self,
        backend: KvsBackend,
        objects: Objects,
        namespaces: dict[str, Namespace],
        versions: Waiters[VersionWait],
        primary: Namespace,
        *,
        merge: bool,
        journaled: bool,
    ) -> None:
        """*merge*: transactions that wait become one; *journaled*: see :class:`Storage`."""
        self._backend = backend
        self._objects = objects
        self._namespaces = namespaces
        self._versions = versions
        self._primary = primary
        self._merge = merge
        self._ready: list[Namespace] = []
        self.storage = Storage(backend, self, objects, journaled)
        namespaces[primary.name] = primary

    # -- transactions ----------------------------------------------------------------------------------

    def submit(self, namespace: Namespace, request: CommitRequest) -> None:
        """Take a transaction: it has its turn after those that wait already."""
        namespace.queue.append(request)
        self.kick(namespace)

    def kick(self, namespace: Namespace) -> None:
        """Work on a namespace at the end of this turn of the loop, unless that goes on already."""
        if not namespace.busy:
            namespace.busy = True
            if not self._ready:
                self._backend.call_last(self._run_ready)
            self._ready.append(namespace)

    def _run_ready(self) -> None:
        ready, self._ready = self._ready[:_READY], self._ready[_READY:]
        if self._ready:
            self._backend.call_last(self._run_ready)
        for namespace in ready:
            self.advance(namespace)

    def advance(self, namespace: Namespace) -> None:
        """Process queued transactions until one has to wait for the content service.

        Nothing that goes wrong in one of them keeps those behind it from their turn."""
        while True:
            if namespace is self._primary and self.storage.due(namespace):
                return  # comes back here
            if not namespace.queue:
                namespace.busy = False
                return
            batch = namespace.take(self._merge)
            try:
                if not self._process(namespace, batch):
                    return
            except Missing as missing:
                self._backend.create_task(self._load_for(namespace, batch, missing))
                return
            except Exception as error:
                self.failed(namespace, batch, error)

    async def _load_for(self, namespace: Namespace, batch: list[CommitRequest], missing: Missing) -> None:
        held: dict[str, Directory | bytes] = {}
        with self.step(namespace, batch):
            while True:
                held.update(await self._backend.fetch(missing))
                self._objects.held = held
                try:
                    if self._process(namespace, batch):
                        break
                    return
                except Missing as more:
                    missing = more
                finally:
                    self._objects.held = {}
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
            self.failed(namespace, batch, _removed())
            return True
        ops = [op for request in batch for op in request.ops]
        sync = batch[0].flags & FLUX_KVS_SYNC
        root = namespace.root
        try:
            if sync and namespace is not self._primary:
                raise OSError(
                    errno.EINVAL, "Invalid argument: FLUX_KVS_SYNC is for the primary namespace only"
                )
            if ops:
                directory = apply(self._objects.directory(root), ops, self._objects, namespace.name)
                root = directory.ref
        except Missing:
            raise
        except Exception as error:
            if len(batch) > 1:  # each is tried alone: only those that are wrong fail
                namespace.put_back(batch)
            else:
                self.failed(namespace, batch, error)
            return True
        if namespace.kept and root != namespace.root:
            self._keep(namespace, batch, root)
            return False
        if namespace is not self._primary or (not ops and not sync):
            self.complete(namespace, batch, root)
            return True
        return self.storage.store(namespace, batch, root, bool(sync))

    def _keep(self, namespace: Namespace, batch: list[CommitRequest], root: str) -> None:
        """Put the new root into the primary namespace, which is durable; it takes effect when it is there."""
        namespace.pending = root
        self._refer(namespace, treeobj.dirref(root), partial(self._kept, namespace, batch, root))

    def _refer(self, namespace: Namespace, dirent: Any, over: Callable[[Exception | None], None]) -> None:
        ops = [{"key": kept_key(namespace.name), "flags": 0, "dirent": dirent}]
        request = CommitRequest(f"kept.{namespace.name}", ops, 0, None)
        request.over = over
        self.submit(self._primary, request)

    def _kept(
        self, namespace: Namespace, batch: list[CommitRequest], root: str, error: Exception | None
    ) -> None:
        if error is None and namespace.removed:
            self._answer(batch, root, namespace.seq + 1)
        elif error is None:
            self.complete(namespace, batch, root)
        else:
            self.failed(namespace, batch, error)
        self.advance(namespace)

    def complete(self, namespace: Namespace, batch: list[CommitRequest], root: str) -> None:
        """Transactions took effect: move the root, tell watchers, answer."""
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
        if namespace in self._versions:
            self._versions.fulfil(namespace.version(), namespace, VersionWait.reached)
        self.storage.relieve(self._namespaces)

    def _answer(self, batch: list[CommitRequest], root: str, seq: int) -> None:
        payload = {"rootref": root, "rootseq": seq}
        for request in batch:
            if request.msg is not None:
                self._backend.respond(request.msg, payload)
            elif request.over is not None:
                request.over(None)

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
                self._backend.respond_exception(request.msg, error)
            elif request.over is not None:
                request.over(error)

    def _publish(self, namespace: str, what: str, payload: dict[str, Any]) -> None:
        topic = f"kvs.namespace-{namespace}-{what}"
        self._backend.publish(topic, {"namespace": namespace, **payload})

    def refuse(self, namespace: str, request: str, errnum: int) -> None:
        """A transaction, called *request* in events, is none, or for a namespace that does not exist."""
        self._publish(namespace, "error", {"names": [request], "errnum": errnum})

    # -- namespaces ------------------------------------------------------------------------------------

    def announce(self, namespace: Namespace) -> None:
        """Tell every rank where a namespace begins."""
        created = {"rootseq": namespace.seq, "rootref": namespace.root, "owner": namespace.owner}
        self._publish(namespace.name, "created", created)

    def create(self, name: str, owner: int, flags: int, root: str, *, kept: bool = False) -> None:
        """Make a namespace. Raises OSError EINVAL and EEXIST. *kept*: it outlives a broker that is killed."""
        if not name or not name.isprintable():
            raise OSError(errno.EINVAL, "Invalid argument: a namespace's name has to be printable text")
        if name in self._namespaces:
            raise OSError(errno.EEXIST, f"File exists: namespace {name}")
        if not blobref.is_valid(root):
            raise OSError(errno.EINVAL, "Invalid argument: rootref must be a blobref")
        namespace = self._namespaces[name] = Namespace(name, owner, flags, root)
        namespace.kept = kept and self.storage.journaled
        self.announce(namespace)

    def remove(self, name: str) -> None:
        """Remove a namespace, if there is such a one; what was sent before still counts. Raises OSError."""
        if name.lower() == PRIMARY:
            raise OSError(errno.ENOTSUP, "Operation not supported: the primary namespace cannot be removed")
        namespace = self._namespaces.get(name)
        if namespace is None:
            return
        if namespace in self._ready:
            self._ready.remove(namespace)
            self.advance(namespace)
        del self._namespaces[name]
        namespace.removed = True
        self._versions.end(errno.ENOTSUP, _removed().strerror, namespace)
        self.unpause(namespace)
        self._publish(name, "removed", {})
        if namespace.kept:
            self._refer(namespace, None, lambda _error: None)

    def unpause(self, namespace: Namespace) -> None:
        """Let committers have the answers that were held back."""
        namespace.paused = False
        held, namespace.held = namespace.held, []
        for batch, root, seq in held:
            self._answer(batch, root, seq)
