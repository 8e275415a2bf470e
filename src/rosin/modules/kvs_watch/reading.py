# SPDX-License-Identifier: LGPL-3.0-or-later
"""What watchers are told: one lookup for all of a group that want the same, and its consequences."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from rosin.broker.module import BrokerModule
from rosin.broker.waiters import Waiters
from rosin.constants import FLUX_KVS_STREAM, FLUX_KVS_WATCH_FULL, FLUX_KVS_WATCH_UNIQ
from rosin.internal.kvs_tail import decode
from rosin.modules.kvs_watch.watcher import Group, KvsWatcher, Part, WatchedNamespace
from rosin.rfc import treeobj

if TYPE_CHECKING:
    from rosin.handle.rpc import RPC


class Reading(BrokerModule):
    """Reads for the watchers of namespaces, until there is nothing that they lack."""

    async def start(self) -> None:
        self.monitors: dict[str, WatchedNamespace] = {}
        self.watchers: Waiters[KvsWatcher] = Waiters(self)

    # -- watchers --------------------------------------------------------------------------------------

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

    async def _read(self, group: Group, topic: str, root: tuple[str, int] | None, **args: Any) -> RPC:
        """What :meth:`_ask` does, at the present root if an object of *root*, which has been left, is gone.

        Raises OSError."""
        rpc = self._ask(group, topic, root, **args)
        try:
            await rpc.raw()
        except OSError as error:
            if root is None or error.errno != errno.ENOENT:
                raise
            rpc = self._ask(group, topic, None, **args)
            await rpc.raw()
        return rpc

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
                result = (await self._read(group, "kvs.lookup-plus", root)).get()
            except OSError as error:
                self._failed(group, interested, error)
                return True
            for watcher in interested:
                watcher.seq = result["rootseq"]
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
                result, data = decode((await self._read(group, "kvs.tail", root, offset=offset)).get_raw())
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
