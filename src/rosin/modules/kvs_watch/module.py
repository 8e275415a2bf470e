# SPDX-License-Identifier: LGPL-3.0-or-later
"""The kvs-watch service (topics and flags are flux-core's).

Driven by the setroot events of the KVS, whose ``keys`` say what may have changed. Watchers of the same key
share lookups. A watcher of appends remembers how many bytes it has sent and asks the KVS for the rest only,
so following a log costs the same however long it has become. Above rank 0 all end when nothing can come from
there any more.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin import kvs
from rosin.broker.host import EVENTS_LOST
from rosin.broker.module import DEFERRED, event_handler, request_handler
from rosin.internal import raw_watch
from rosin.modules.kvs_watch.reading import Reading
from rosin.modules.kvs_watch.watcher import KvsWatcher, WatchedNamespace, check_flags
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.handle.rpc import RPC
    from rosin.rfc.message import Message

#: Seconds after which it is seen whether there is a KVS again.
RETRY = 1.0


class KvsWatch(Reading):
    """Watchers by namespace."""

    name = "kvs-watch"
    arguments = ()

    async def start(self) -> None:
        await super().start()
        self._presence: RPC | None = None

    async def stop(self) -> None:
        for watcher in self.watchers:
            self._end(watcher, errno.ENOSYS, "kvs-watch: service is shutting down")

    # -- requests --------------------------------------------------------------------------------------

    @request_handler("lookup", allow_guest=True)
    def lookup(self, msg: Message) -> Any:
        args = msg.args
        namespace, flags = field(args, "namespace", str), field(args, "flags", int)
        key = ".".join([part for part in field(args, "key", str).split(".") if part]) or "."
        check_flags(flags, msg.streaming)
        monitor = self.monitors.get(namespace)
        if monitor is None:
            monitor = self.monitors[namespace] = WatchedNamespace(namespace)
        group = monitor.group(key, flags, msg.userid, msg.rolemask)
        watcher = self.watchers.add(KvsWatcher(msg, group, flags, raw_watch.is_raw(args)))
        group.watchers.append(watcher)
        group.joined = True
        self._run_group(group)
        self._attend()
        return DEFERRED

    @request_handler("cancel", allow_guest=True)
    def cancel(self, msg: Message) -> Any:
        for watcher in self.watchers.named(msg):
            self._end(watcher, errno.ENODATA)
        return DEFERRED if msg.noresponse else None

    @request_handler("more")
    def more(self, msg: Message) -> Any:
        """job-info has passed on some pieces of a stream of its own.

        Without this a client that does not read would have the whole value kept for it.
        """
        count = raw_watch.confirmed(msg.args)
        for watcher in self.watchers.named(msg):
            stalled, watcher.unread = watcher.stalled, watcher.unread - count
            if stalled and not watcher.stalled:
                watcher.key.changed = True
                self._run_group(watcher.key)
        return DEFERRED

    def disconnected(self, sender: bytes) -> None:
        for watcher in self.watchers.by(sender):
            self._end(watcher, 0)

    # -- the KVS ---------------------------------------------------------------------------------------

    def _attend(self) -> None:
        """Above rank 0, see to it that the end of what comes from there is noticed."""
        if self.h.rank and self._presence is None and self.watchers:
            self._presence = self.h.rpc("kvs.presence")
            self._presence.then(self._absent)

    def _absent(self, rpc: Future) -> None:
        self._presence = None
        try:
            rpc.get()
        except OSError as error:
            if (
                error.errno == errno.ENOSYS
            ):  # a KVS may be loaded again, and goes on at the root that it finds
                self.call_later(RETRY, self._attend)
                return
            for watcher in self.watchers:
                self._end(watcher, error.errno or errno.EIO, error.strerror)

    @event_handler(EVENTS_LOST)
    def events_lost(self, _msg: Message) -> None:
        """Any key of any namespace may have changed."""
        for monitor in list(self.monitors.values()):
            monitor.unsure = True
            self.create_task(self._catch_up(monitor))

    async def _catch_up(self, monitor: WatchedNamespace) -> None:
        try:
            answer = await kvs.getroot_async(self.h, monitor.namespace)
        except OSError as error:
            if error.errno == errno.ENOTSUP and monitor.newest >= 0:
                self._removed(monitor)
            return  # other errors are told by what failed
        if answer["rootseq"] < monitor.newest:
            self._rewound(monitor, answer)
        else:
            self._new_root(monitor, answer, None)

    @event_handler("kvs.namespace-")
    def changed(self, msg: Message) -> None:
        """A namespace was created or removed, or has a new root."""
        args = msg.args
        monitor = self.monitors.get(args["namespace"])
        if monitor is None:
            return
        what = msg.topic.rpartition("-")[2]
        if what == "setroot":
            self._new_root(monitor, args, args["keys"])
        elif what == "created":
            monitor.owner = args["owner"]
            if args["rootseq"] < monitor.newest:
                self._rewound(monitor, args)
            for group in list(monitor.waiting()):
                group.joined = True
                self._run_group(group)
        elif what == "removed":
            self._removed(monitor)

    def _removed(self, monitor: WatchedNamespace) -> None:
        monitor.removed = True
        if self.monitors.get(monitor.namespace) is monitor:
            del self.monitors[monitor.namespace]
        for group in list(monitor.groups.values()):
            self._run_group(group)

    def _rewound(self, monitor: WatchedNamespace, args: dict[str, Any]) -> None:
        """The KVS was loaded again at an older root: sequence numbers begin anew, and any key may differ."""
        monitor.root, monitor.seq = args["rootref"], args["rootseq"]
        for group in list(monitor.groups.values()):
            group.queue.clear()
            for watcher in group.watchers:
                watcher.seq = -1
            if group.appends:
                group.changed = True
            else:
                group.queue.append((args["rootref"], args["rootseq"]))
            self._run_group(group)

    def _new_root(self, monitor: WatchedNamespace, args: dict[str, Any], keys: dict[str, Any] | None) -> None:
        root, seq = args["rootref"], args["rootseq"]
        if seq <= monitor.seq:
            return
        monitor.root, monitor.seq, monitor.owner = root, seq, args["owner"]
        for group, change in list(monitor.concerned(keys)):
            if group.appends:
                group.replaced = group.replaced or change == "replace"
                group.changed = True
            else:
                group.queue.append((root, seq))
            self._run_group(group)

    # -- statistics ------------------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        namespaces = {
            name: {
                "owner": monitor.owner,
                "rootseq": monitor.seq,
                "rootref": monitor.root or "(null)",
                "watchers": monitor.count,
            }
            for name, monitor in self.monitors.items()
        }
        return {
            "watchers": sum(entry["watchers"] for entry in namespaces.values()),
            "namespace-count": len(namespaces),
            "namespaces": namespaces,
        }
