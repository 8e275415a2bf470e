# SPDX-License-Identifier: LGPL-3.0-or-later
"""The KVS on rank 0, where namespaces are made, changed and stored (topics and events are flux-core's)."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.module import DEFERRED, request_handler
from rosin.constants import FLUX_USERID_UNKNOWN
from rosin.errors import FormatError
from rosin.kvs import PRIMARY
from rosin.modules.kvs.base import KvsBase
from rosin.modules.kvs.commits import Commits
from rosin.modules.kvs.namespace import CommitRequest, Namespace
from rosin.modules.kvs.reads import ENDS
from rosin.modules.kvs.restore import Restore
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rosin.handle.rpc import RPC
    from rosin.internal.backing_commit import BackingCommit
    from rosin.rfc.message import Message


class KvsLeader(KvsBase[Namespace]):
    """Requests and the outside (see KvsBackend) of what :class:`Commits` decides."""

    async def start(self) -> None:
        await super().start()
        initial = self.settings.initial_root
        root = self.objects.empty.ref
        self.objects.add_directory(self.objects.empty)
        self.primary = Namespace(PRIMARY, self.instance_owner, 0, initial or root)
        self.commits = Commits(
            self,
            self.objects,
            self.namespaces,
            self.versions,
            self.primary,
            merge=self.settings.merge,
            # A directory that goes with its broker needs no journal: nobody could replay it.
            journaled="statedir" in self.attrs and self.attrs.get("statedir-cleanup", "0") != "1",
        )
        self.storage = self.commits.storage
        self.storage.period = self.settings.checkpoint_period
        restore = Restore(self, self.storage, self.loader)
        await (restore.newest(self.primary) if initial is None else restore.open(self.primary))
        self.commits.announce(self.primary)

    async def stop(self) -> None:
        await self.storage.finish(self.primary)
        for namespace in self.namespaces.values():
            if namespace.queue:
                self.commits.failed(namespace, list(namespace.queue), OSError(errno.ENOSYS, ENDS))
        await super().stop()

    def reconfigure(self, config: dict[str, Any]) -> None:
        super().reconfigure(config)
        self.storage.period = self.settings.checkpoint_period

    def unknown(self, name: str) -> Exception:
        return OSError(errno.ENOTSUP, f"Operation not supported: namespace {name} does not exist")

    def storing(self) -> Awaitable[None] | None:
        return self.storage.storing(self.primary)

    # -- what transactions lead to (see KvsBackend) -------------------------------------------------------

    def call_last(self, callback: Callable[[], Any]) -> None:
        """Let those send all that they have to who are about to: it may become one commit."""
        self.host.last(callback)

    def promise(self) -> asyncio.Future[None]:
        """Something to wait for, in this process."""
        return self.loop.create_future()

    async def pause(self) -> None:
        """Let others have their turn."""
        await asyncio.sleep(0)

    def store(self, commit: BackingCommit) -> RPC:
        """Have blobs, a journal record and a checkpoint stored."""
        return self.h.rpc("content-backing.commit", commit.encode())

    def publish(self, topic: str, payload: dict[str, Any]) -> None:
        """Publish an event, for the owner of the instance."""
        self.h.event_send(topic, payload, private=True)

    async def instance_runs(self) -> bool:
        """This service ends, but not the instance."""
        return bool((await self.h.rpc("state-machine.get"))["state"] == "run")

    # -- transactions ----------------------------------------------------------------------------------

    def submit(
        self, root: Namespace, name: str, ops: list[dict[str, Any]], flags: int, msg: Message | None
    ) -> None:
        self.opcount.add(len(ops))
        self.commits.submit(root, CommitRequest(name, ops, flags, msg))

    @request_handler("relaycommit")
    def relaycommit(self, msg: Message) -> Any:
        """A transaction of another rank: nobody is answered, an event names it when it is over or refused."""
        args = msg.args
        name, ns = field(args, "name", str), field(args, "namespace", str)
        namespace = self.namespaces.get(ns)
        if namespace is None:
            self.commits.refuse(ns, name, errno.ENOTSUP)
            return DEFERRED
        try:
            ops, flags = field(args, "ops", list), field(args, "flags", int)
        except FormatError:
            self.commits.refuse(ns, name, errno.EPROTO)
            raise
        self.submit(namespace, name, ops, flags, None)
        return DEFERRED

    # -- namespaces ------------------------------------------------------------------------------------

    @request_handler("namespace-create")
    def namespace_create(self, msg: Message) -> None:
        args = msg.args
        name, flags = field(args, "namespace", str), field(args, "flags", int)
        root = field(args, "rootref", str, None) or self.objects.empty.ref
        owner = field(args, "owner", int)
        if owner in (-1, FLUX_USERID_UNKNOWN):
            owner = self.instance_owner
        self.commits.create(name, owner, flags, root, kept=field(args, "kept", bool, False))

    @request_handler("namespace-remove")
    def namespace_remove(self, msg: Message) -> None:
        self.commits.remove(field(msg.args, "namespace", str))

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
        self.commits.unpause(self.namespace(field(msg.args, "namespace", str), self.requester(msg, msg.args)))

    # -- others ------------------------------------------------------------------------------------------

    @request_handler("fresh-load", early=True)
    def fresh_load(self, msg: Message) -> bytes:
        """Private to the content service: a blob that is not stored yet, by raw digest.

        The content service asks when the store lacks one that this service wants at its own start.
        """
        blob = self.objects.remembered(f"{self.objects.algo}-{msg.raw.hex()}")
        if blob is None:
            raise OSError(errno.ENOENT, "No such file or directory: unknown blob")
        return blob
