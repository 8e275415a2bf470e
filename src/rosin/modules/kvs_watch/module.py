# SPDX-License-Identifier: LGPL-3.0-or-later
"""The kvs-watch service (topics and flags are flux-core's).

Driven by the setroot events of the KVS, whose ``keys`` say what may have changed. Watchers of the same key
share lookups. A watcher of appends remembers how many bytes it has sent and asks the KVS for the rest only,
so following a log costs the same however long it has become.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from rosin.broker.module import DEFERRED, BrokerModule, event_handler, request_handler
from rosin.broker.waiters import Waiters
from rosin.constants import FLUX_KVS_STREAM, FLUX_KVS_WATCH_FULL, FLUX_KVS_WATCH_UNIQ
from rosin.internal import raw_watch
from rosin.internal.kvs_tail import decode
from rosin.modules.kvs_watch.watcher import Group, KvsWatcher, Part, WatchedNamespace, check_flags
from rosin.rfc import treeobj
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.handle.rpc import RPC
    from rosin.rfc.message import Message


class KvsWatch(BrokerModule):
    """Watchers by namespace."""

    name = "kvs-watch"
    arguments = ()

    async def start(self) -> None:
        self.monitors: dict[str, WatchedNamespace] = {}
        self.watchers: Waiters[KvsWatcher] = Waiters(self)

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

    def _end(self, watcher: KvsWatcher, errnum: int, text: str | None = None) -> None:
        """Remove a watcher; tell it why unless *errnum* is 0."""
        if watcher.done:
            return
        watcher.done = True
        if errnum:
            self.respond_error(watcher.msg, errnum, text)
        group = watcher.key
        group.watchers.remove(watcher)
        self.watchers.discard(watcher)
        if not group.watchers:
            group.monitor.forget(group)
            if not group.monitor.groups and self.monitors.get(group.monitor.namespace) is group.monitor:
                del self.monitors[group.monitor.namespace]

    def _send(self, watcher: KvsWatcher, val: Any) -> None:
        self.respond(watcher.msg, {"val": val})
        watcher.responded = True
        if watcher.once:
            self._end(watcher, 0)

    def _sentinel(self, watcher: KvsWatcher) -> None:
        if watcher.sentinel and not watcher.done:
            watcher.sentinel = False
            self.respond(watcher.msg)

    # -- events of the KVS -----------------------------------------------------------------------------

    @event_handler("kvs.namespace-")
    def changed(self, msg: Message) -> None:
        """A namespace was created or removed, or has a new root."""
        args = msg.args
        monitor = self.monitors.get(args["namespace"])
        if monitor is None:
            return
        what = msg.topic.rpartition("-")[2]
        if what == "setroot":
            self._new_root(monitor, args)
        elif what == "created":
            monitor.owner = args["owner"]
            if args["rootseq"] < monitor.newest:
                self._rewound(monitor, args)
            for group in list(monitor.waiting()):
                group.joined = True
                self._run_group(group)
        elif what == "removed":
            monitor.removed = True
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

    def _new_root(self, monitor: WatchedNamespace, args: dict[str, Any]) -> None:
        root, seq = args["rootref"], args["rootseq"]
        if seq <= monitor.seq:
            return
        monitor.root, monitor.seq, monitor.owner = root, seq, args["owner"]
        for group, change in list(monitor.concerned(args["keys"])):
            if group.appends:
                group.replaced = group.replaced or change != "append"
                group.changed = True
            else:
                group.queue.append((root, seq))
            self._run_group(group)

    # -- groups ----------------------------------------------------------------------------------------

    def _run_group(self, group: Group) -> None:
        """See to it that a task serves the group until nothing is left to do."""
        if not group.running:
            group.running = True
            self.create_task(self._serve(group))

    async def _serve(self, group: Group) -> None:
        serve = self._serve_appends if group.appends else self._serve_values
        try:
            while group.watchers and await serve(group):
                pass
        except Exception:
            for watcher in list(group.watchers):
                self._end(watcher, errno.EIO, "kvs-watch: internal error, see the broker's log")
            raise
        else:
            if group.monitor.removed:
                for watcher in list(group.watchers):
                    self._end(watcher, errno.ENOTSUP, "Operation not supported: namespace was removed")
        finally:
            group.running = False

    def _ask(self, group: Group, topic: str, root: tuple[str, int] | None, **args: Any) -> RPC:
        """Ask the KVS on behalf of the group, at *root* or else at the namespace's current one."""
        args |= {"key": group.key, "flags": group.flags, "cred": group.cred}
        if root is None:
            args["namespace"] = group.monitor.namespace  # access to it is checked by the KVS
        elif not group.allowed:
            raise OSError(
                errno.EPERM,
                f"Operation not permitted: namespace {group.monitor.namespace} belongs to another user",
            )
        else:
            args["rootdir"], args["rootseq"] = treeobj.dirref(root[0]), root[1]
        return self.h.rpc(topic, args)

    def _failed(self, group: Group, watchers: list[KvsWatcher], error: OSError) -> None:
        """A lookup failed: those who wait for a namespace go on waiting."""
        errnum = error.errno or errno.EIO
        for watcher in watchers:
            if watcher.done or (
                errnum == errno.ENOTSUP
                and watcher.patient
                and not watcher.raw  # job-info knows that the namespace has existed: it is gone
                and not watcher.started
                and not group.monitor.removed
            ):
                continue
            self._end(watcher, errnum, error.strerror)

    # -- values ----------------------------------------------------------------------------------------

    async def _serve_values(self, group: Group) -> bool:
        """One lookup and its consequences. False: nothing left to do."""
        if group.joined:
            group.joined = False
            starting = group.starting()
            try:
                result = await self._ask(group, "kvs.lookup-plus", None) if starting else {}
            except OSError as error:
                self._failed(group, starting, error)
                return True
            for watcher in starting:
                watcher.started = True
                watcher.seq = result["rootseq"]
                self._deliver(group, watcher, result)
            return True
        if not group.queue:
            return False
        root = group.queue.popleft()
        interested = [watcher for watcher in group.watchers if watcher.started and watcher.seq < root[1]]
        if interested:
            try:
                result = await self._ask(group, "kvs.lookup-plus", root)
            except OSError as error:
                self._failed(group, interested, error)
                return True
            for watcher in interested:
                watcher.seq = root[1]
                self._deliver(group, watcher, result)
        return True

    def _deliver(self, group: Group, watcher: KvsWatcher, result: dict[str, Any]) -> None:
        if watcher.done:
            return
        if "errno" in result:
            if not watcher.patient:
                self._end(watcher, result["errno"], f"{group.key}: No such file or directory")
            return
        val = result["val"]
        if watcher.flags & (FLUX_KVS_WATCH_FULL | FLUX_KVS_WATCH_UNIQ):
            if watcher.responded and watcher.previous == val:
                return
            watcher.previous = val
        self._send(watcher, val)

    # -- appends ---------------------------------------------------------------------------------------

    async def _serve_appends(self, group: Group) -> bool:
        """Bring every watcher forward by one piece. False: all have everything."""
        joined, changed, replaced = group.joined, group.changed, group.replaced
        if not joined and not changed:
            return False
        group.joined = group.changed = group.replaced = False
        monitor = group.monitor
        if replaced:
            for watcher in group.watchers:
                if watcher.stalled and watcher.seq < monitor.seq:
                    watcher.was_replaced = True
        for (started, offset), watchers in group.cohorts(joined, changed).items():
            root = None
            if started and monitor.root is not None and monitor.seq >= max(w.seq for w in watchers):
                root = (monitor.root, monitor.seq)
            try:
                result, data = decode(await self._ask(group, "kvs.tail", root, offset=offset).raw())
            except OSError as error:
                self._failed(group, watchers, error)
                continue
            part = Part(data)
            for watcher in watchers:
                if not watcher.done:
                    was_replaced, watcher.was_replaced = watcher.was_replaced, False
                    self._deliver_tail(group, watcher, result, part, started and (replaced or was_replaced))
        return True

    def _deliver_tail(
        self, group: Group, watcher: KvsWatcher, result: dict[str, Any], part: Part, replaced: bool
    ) -> None:
        watcher.started = True
        if "errno" in result:
            if watcher.patient:
                self._sentinel(watcher)
            else:
                self._end(watcher, result["errno"], f"{group.key}: No such file or directory")
            return
        if "type" in result:
            self._unreadable(watcher, result["type"])
            return
        if replaced and watcher.responded and result["rootseq"] > watcher.seq:
            text = "Invalid argument: value of key watched with WATCH_APPEND overwritten"
            self._end(watcher, errno.EINVAL, text)
            return
        watcher.seq = result["rootseq"]
        size = result["size"]
        if size > watcher.offset or not watcher.responded:
            watcher.offset = size
            self.respond(watcher.msg, part.data if watcher.raw else {"val": part.val()})
            watcher.responded = True
            watcher.unread += 1
        watcher.behind = result["more"]
        if watcher.behind:
            group.changed = True
            return
        self._sentinel(watcher)
        if watcher.flags & FLUX_KVS_STREAM:
            self._end(watcher, errno.ENODATA)

    def _unreadable(self, watcher: KvsWatcher, kind: str) -> None:
        if watcher.responded:
            text = "Invalid argument: value of key watched with WATCH_APPEND overwritten"
            self._end(watcher, errno.EINVAL, text)
            return
        what = "streamed" if watcher.flags & FLUX_KVS_STREAM else "watched with WATCH_APPEND"
        errnum = errno.EISDIR if kind in ("dir", "dirref") else errno.EINVAL
        self._end(watcher, errnum, f"{os.strerror(errnum)}: {kind} cannot be {what}")

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
