# SPDX-License-Identifier: LGPL-3.0-or-later
"""The KVS above rank 0: it reads by itself and sends changes to rank 0 (requests and events are flux-core's).

The first use of a namespace asks upstream for its root; from then on the events of rank 0 tell each new one.
A transaction is relayed to rank 0 under a name, and is over when an event names it. When the way to rank 0 is
broken, or a KVS on it is gone, those who wait are told, and the roots have to be asked for again. When events
are lost, it cannot be known what became of transactions, but whoever waits for a version goes on waiting.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

from rosin import kvs
from rosin.broker.host import EVENTS_LOST
from rosin.broker.module import event_handler, request_handler
from rosin.broker.waiters import Waiter
from rosin.constants import FLUX_NODEID_UPSTREAM, FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from rosin.modules.kvs.base import KvsBase
from rosin.modules.kvs.objects import Missing
from rosin.modules.kvs.reads import ENDS
from rosin.modules.kvs.roots import Root, VersionWait
from rosin.rfc.payload import field, list_field

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from rosin.handle.future import Future
    from rosin.handle.rpc import RPC
    from rosin.modules.kvs.directory import Directory
    from rosin.modules.kvs.roots import Requester
    from rosin.rfc.message import Message

    News = dict[str, Any]

UNKNOWN = "events were lost: it is not known whether the transaction took effect"
REMOVED = "Operation not supported: namespace was removed"


class FollowedRoot(Root):
    """A root that events move. While it is *paused* they are held; *stale*: it has to be asked for again."""

    __slots__ = ("held", "paused", "stale")

    def __init__(self, answer: dict[str, Any]) -> None:
        """*answer* is that of ``kvs.getroot``."""
        super().__init__(
            field(answer, "namespace", str),
            field(answer, "owner", int),
            field(answer, "flags", int),
            field(answer, "rootref", str),
            field(answer, "rootseq", int),
        )
        self.paused = False
        self.stale = False
        self.held: list[News] = []

    def move(self, news: News, back: bool = False) -> None:
        """Take the root of an event, unless it is older; *back*: even then."""
        seq = field(news, "rootseq", int)
        if seq > self.seq or back:
            self.root, self.seq = field(news, "rootref", str), seq
            self.owner = field(news, "owner", int, self.owner)


class MissingRoot(Missing):
    """The root of a namespace must be asked for."""

    def __init__(self, namespace: str) -> None:
        super().__init__([namespace], False)


class KvsFollower(KvsBase[FollowedRoot]):
    """Namespaces as rank 0 tells them."""

    async def start(self) -> None:
        await super().start()
        self._serial = int(self.now() * 1e6)  # names are not used again after a reload
        self.commits = self.waiters()  # by name
        self._asking: dict[str, asyncio.Task[OSError | None]] = {}
        #: What events have told of namespaces that are being asked for; None: it was removed.
        self._news: dict[str, News | None] = {}
        #: Ends with the KVS of the broker above, or the way to it.
        self._above: RPC | None = None
        #: How often events were lost: an answer from before does not count after.
        self._losses = 0

    async def stop(self) -> None:
        self.commits.end(errno.ENOSYS, ENDS)
        await super().stop()

    # -- roots -----------------------------------------------------------------------------------------

    def namespace(self, name: str, who: Requester) -> FollowedRoot:
        root = super().namespace(name, who)
        if root.stale:
            raise self.unknown(name)
        return root

    def unknown(self, name: str) -> Exception:
        return MissingRoot(name)

    def fetch(self, missing: Missing) -> Awaitable[dict[str, Directory | bytes]]:
        return (
            self._fetch_root(missing.refs[0]) if isinstance(missing, MissingRoot) else super().fetch(missing)
        )

    def storing(self) -> Awaitable[object]:
        """Rank 0 has stored what its root refers to before it tells it."""
        return kvs.getroot_async(self.h, kvs.PRIMARY, nodeid=0)

    async def _fetch_root(self, name: str) -> dict[str, Directory | bytes]:
        task = self._asking.get(name)
        if task is None:  # all who need it share one request
            task = self._asking[name] = self.create_task(self._ask(name))
        error = await asyncio.shield(task)
        if error is not None:
            raise error
        return {}

    async def _ask(self, name: str) -> OSError | None:
        """Get the root of a namespace; returns why there is none."""
        self.watch_above()
        answer: dict[str, Any] | None = None
        try:
            while answer is None:
                losses = self._losses
                answer = await kvs.getroot_async(self.h, name, nodeid=FLUX_NODEID_UPSTREAM)
                if losses != self._losses:
                    answer = None
        except OSError as error:
            return error
        finally:
            del self._asking[name]
            told = name in self._news
            news = self._news.pop(name, None)
        if told and news is None:
            return OSError(errno.ENOTSUP, REMOVED)
        root = FollowedRoot(answer)
        if news is not None:  # the broker above may have answered before it has passed on the event
            root.move(news)
        known = self.namespaces.setdefault(name, root)
        if known is not root:
            known.stale = False
            self._move(known, root.describe(), back=True)
        return None

    # -- the broker above ------------------------------------------------------------------------------

    def watch_above(self) -> None:
        """Each broker asks the next one alone: it makes no difference to rank 0 how many there are."""
        if self._above is None:
            self._above = self.h.rpc("kvs.presence", None, FLUX_NODEID_UPSTREAM)
            self._above.then(self._above_gone)

    def _above_gone(self, rpc: Future) -> None:
        """Those who wait would wait for ever, and the roots move unseen."""
        self._above = None
        try:
            rpc.get()
        except OSError as error:
            if error.errno == errno.ENOSYS and "Unknown service method" in (error.strerror or ""):
                self._watch_link()
                return
            for waiters in (self.commits, self.versions, self.presences):
                waiters.end(error.errno or errno.EIO, error.strerror)
        self.namespaces.clear()

    def _watch_link(self) -> None:
        """The KVS above is flux-core's. If it is lost so is its broker, and the link to that: watch this."""
        self._above = self.h.rpc("overlay.monitor", None, FLUX_NODEID_UPSTREAM, FLUX_RPC_STREAMING)
        self._above.then(self._link_seen)

    def _link_seen(self, rpc: RPC) -> None:
        try:
            rpc.get()
        except OSError:
            self._above_gone(rpc)
        else:
            rpc.reset()

    @event_handler(EVENTS_LOST)
    def events_lost(self, _msg: Message) -> None:
        """Roots may have moved, and transactions ended, without this rank being told."""
        self._losses += 1
        self.commits.end(errno.ECONNRESET, UNKNOWN)
        for root in self.namespaces.values():
            root.stale = True
            if root in self.versions:
                self.create_task(self._ask_again(root))

    async def _ask_again(self, root: FollowedRoot) -> None:
        """Get a root that somebody waits for."""
        try:
            await self._fetch_root(root.name)
        except OSError as error:
            self.versions.end(error.errno or errno.EIO, error.strerror, root)
            if self.namespaces.get(root.name) is root:
                del self.namespaces[root.name]

    # -- events ----------------------------------------------------------------------------------------

    @event_handler("kvs.namespace-")
    def changed(self, msg: Message) -> None:
        """A namespace was created or removed or has a new root, or transactions have failed."""
        news = msg.args
        name, what = field(news, "namespace", str), msg.topic.rpartition("-")[2]
        root = self.namespaces.get(name)
        if what == "error":
            self._failed(news)
            return
        if name in self._asking:
            self._news[name] = None if what == "removed" else news
        if root is None:
            return
        if what == "removed":
            self._removed(root)
        elif what == "created":  # by a KVS that was loaded again, with the root that it has found
            self._move(root, news, back=True)
        elif root.paused:
            root.held.append(news)
        else:
            self._moved(root, news)

    def _moved(self, root: FollowedRoot, news: News) -> None:
        """The root has moved, by transactions that may have begun on this rank."""
        self._move(root, news)
        answer = {"rootref": field(news, "rootref", str), "rootseq": field(news, "rootseq", int)}
        for name in list_field(news, "names", str):
            if name in self.commits:
                self.commits.fulfil(answer, name)

    def _move(self, root: FollowedRoot, news: News, back: bool = False) -> None:
        root.move(news, back)
        if root in self.versions:
            self.versions.fulfil(root.version(), root, VersionWait.reached)

    def _failed(self, news: News) -> None:
        errnum = field(news, "errnum", int)
        for name in list_field(news, "names", str):
            self.commits.end(errnum, key=name)

    def _removed(self, root: FollowedRoot) -> None:
        self._unpause(root)
        del self.namespaces[root.name]
        root.removed = True
        self.versions.end(errno.ENOTSUP, REMOVED, root)

    # -- what changes namespaces -----------------------------------------------------------------------

    def submit(
        self, root: FollowedRoot, name: str, ops: list[dict[str, Any]], flags: int, msg: Message
    ) -> None:
        self.opcount.add(len(ops))
        self.commits.add(Waiter(msg, name))
        payload = {"ops": ops, "name": name, "namespace": root.name, "flags": flags}
        self.h.rpc("kvs.relaycommit", payload, nodeid=0, flags=FLUX_RPC_NORESPONSE)

    @request_handler("namespace-create")
    async def namespace_create(self, msg: Message) -> Any:
        return await self.h.rpc(msg.topic, msg.args, nodeid=0)

    @request_handler("namespace-remove")
    async def namespace_remove(self, msg: Message) -> Any:
        return await self.h.rpc(msg.topic, msg.args, nodeid=0)

    @request_handler("namespace-list")
    async def namespace_list(self, msg: Message) -> Any:
        return await self.h.rpc(msg.topic, nodeid=0)

    # -- test hooks ------------------------------------------------------------------------------------

    @request_handler("setroot-pause")
    def setroot_pause(self, msg: Message) -> Any:
        """Hold the events of a namespace: on this rank its root stays as it is."""
        return self.reads.answer(msg, self._pause)

    def _pause(self, msg: Message) -> None:
        self._named(msg).paused = True

    @request_handler("setroot-unpause")
    def setroot_unpause(self, msg: Message) -> Any:
        """Let the held events take effect, in order."""
        return self.reads.answer(msg, lambda msg: self._unpause(self._named(msg)))

    def _named(self, msg: Message) -> FollowedRoot:
        return self.namespace(field(msg.args, "namespace", str), self.requester(msg, msg.args))

    def _unpause(self, root: FollowedRoot) -> None:
        root.paused = False
        held, root.held = root.held, []
        for news in held:
            self._moved(root, news)
