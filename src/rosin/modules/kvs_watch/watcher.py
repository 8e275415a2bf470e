# SPDX-License-Identifier: LGPL-3.0-or-later
"""Watchers of keys, and the groups of them that share lookups.

Pure state: which requests watch which key of which namespace, and which groups a new root concerns.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from rosin.broker.waiters import Waiter
from rosin.constants import (
    FLUX_KVS_INITIAL_SENTINEL,
    FLUX_KVS_READDIR,
    FLUX_KVS_READLINK,
    FLUX_KVS_STREAM,
    FLUX_KVS_TREEOBJ,
    FLUX_KVS_WAITCREATE,
    FLUX_KVS_WATCH,
    FLUX_KVS_WATCH_APPEND,
    FLUX_KVS_WATCH_FULL,
    FLUX_KVS_WATCH_UNIQ,
)
from rosin.errors import FormatError
from rosin.rfc import treeobj
from rosin.rfc.role import authorized

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.rfc.message import Message

READ_FLAGS = FLUX_KVS_READDIR | FLUX_KVS_READLINK | FLUX_KVS_TREEOBJ
_NEEDS_WATCH = FLUX_KVS_WATCH_FULL | FLUX_KVS_WATCH_UNIQ | FLUX_KVS_WATCH_APPEND | FLUX_KVS_INITIAL_SENTINEL


def check_flags(flags: int, streaming: bool) -> None:
    """Refuse combinations that make no sense. Raises FormatError (EPROTO) or OSError EINVAL."""
    for bit, what in ((FLUX_KVS_WATCH, "watch"), (FLUX_KVS_STREAM, "stream")):
        if flags & bit and not streaming:
            raise FormatError(f"KVS {what} request rejected without streaming RPC flag")
    if flags & FLUX_KVS_WATCH and flags & FLUX_KVS_STREAM:
        raise OSError(errno.EINVAL, "Cannot KVS watch and stream at the same time")
    if not flags & FLUX_KVS_WATCH and flags & _NEEDS_WATCH:
        raise OSError(errno.EINVAL, "Must set KVS watch flag with other watch flags")
    if flags & FLUX_KVS_INITIAL_SENTINEL and not flags & FLUX_KVS_WATCH_APPEND:
        raise OSError(errno.EINVAL, "Must set KVS watch append flag with initial sentinel flag")


#: Pieces that are sent to job-info without its confirmation: so much is kept there for a client that does not
#: read, and no more.
WINDOW = 16


class KvsWatcher(Waiter):
    """One request, by the group that it is in: what it has been told so far."""

    key: Group

    __slots__ = (
        "behind",
        "done",
        "flags",
        "offset",
        "previous",
        "raw",
        "responded",
        "sentinel",
        "seq",
        "started",
        "unread",
        "was_replaced",
    )

    def __init__(self, msg: Message, group: Group, flags: int, raw: bool = False) -> None:
        super().__init__(msg, group)
        self.flags = flags
        #: Private to job-info: a watcher of appends that takes the bytes without a tree object around them.
        self.raw = raw
        #: The initial lookup has been answered by the KVS.
        self.started = False
        self.responded = False
        self.done = False
        #: The root sequence number of the last lookup that it got.
        self.seq = -1
        #: Bytes sent to a watcher of appends, and whether there is more at the same root.
        self.offset = 0
        self.behind = False
        #: Pieces that job-info has not confirmed, and whether the value was replaced while it got none.
        self.unread = 0
        self.was_replaced = False
        #: The last value sent to a watcher of differences.
        self.previous: Any = None
        self.sentinel = bool(flags & FLUX_KVS_INITIAL_SENTINEL)

    @property
    def stalled(self) -> bool:
        """Gets no more until it has confirmed what it got: who it reads for does not keep up."""
        return self.raw and self.unread >= WINDOW

    @property
    def once(self) -> bool:
        """Is content with one value."""
        return not self.flags & (FLUX_KVS_WATCH | FLUX_KVS_STREAM)

    @property
    def patient(self) -> bool:
        """Waits for a key that does not exist (yet)."""
        return bool(self.flags & FLUX_KVS_WAITCREATE) and not self.responded


class Part:
    """A piece of a value; its tree object is made once for all watchers that want one."""

    __slots__ = ("_val", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._val: Any = None

    def val(self) -> Any:
        """The piece as a tree object."""
        if self._val is None:
            self._val = treeobj.val(self.data)
        return self._val


class Group:
    """Watchers of one key with the same way of reading it and the same credentials."""

    __slots__ = (
        "appends",
        "changed",
        "cred",
        "flags",
        "full",
        "joined",
        "key",
        "monitor",
        "queue",
        "replaced",
        "running",
        "watchers",
    )

    def __init__(self, monitor: WatchedNamespace, key: str, flags: int, cred: dict[str, int]) -> None:
        self.monitor = monitor
        self.key = key
        self.flags = flags & READ_FLAGS
        self.appends = bool(flags & (FLUX_KVS_WATCH_APPEND | FLUX_KVS_STREAM))
        self.full = bool(flags & FLUX_KVS_WATCH_FULL) and not self.appends
        self.cred = cred
        self.watchers: list[KvsWatcher] = []
        self.running = False
        #: Roots whose value is to be sent, oldest first: (root reference, sequence number).
        self.queue: deque[tuple[str, int]] = deque()
        #: There are watchers to start.
        self.joined = False
        #: Something may have been appended, or the value was replaced.
        self.changed = False
        self.replaced = False

    @property
    def allowed(self) -> bool:
        """Whether its watchers may read the namespace at a root that an event told."""
        return authorized(self.cred["userid"], self.cred["rolemask"], self.monitor.owner)

    def starting(self) -> list[KvsWatcher]:
        """Watchers that wait for their initial lookup."""
        return [watcher for watcher in self.watchers if not watcher.started]

    def cohorts(self, joined: bool, changed: bool) -> dict[tuple[bool, int], list[KvsWatcher]]:
        """Watchers of appends by progress: those at one offset share a lookup.

        *joined*: with those that are not started; *changed*: with those that are and may lack something.
        """
        cohorts: dict[tuple[bool, int], list[KvsWatcher]] = {}
        for watcher in self.watchers:
            if not watcher.stalled and (
                (changed and (watcher.seq < self.monitor.seq or watcher.behind))
                if watcher.started
                else joined
            ):
                cohorts.setdefault((watcher.started, watcher.offset), []).append(watcher)
        return cohorts


class WatchedNamespace:
    """A namespace: its groups and the newest root that is known."""

    __slots__ = ("_by_key", "_full", "groups", "namespace", "owner", "removed", "root", "seq", "unsure")

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.root: str | None = None
        self.seq = -1
        self.owner = -1
        self.removed = False
        #: Events were lost: the next root may differ in any key.
        self.unsure = False
        self.groups: dict[tuple[Any, ...], Group] = {}
        self._by_key: dict[str, list[Group]] = {}
        self._full: list[Group] = []

    def group(self, key: str, flags: int, userid: int, rolemask: int) -> Group:
        """The group for a request, made when there is none."""
        appends = flags & (FLUX_KVS_WATCH_APPEND | FLUX_KVS_STREAM)
        full = flags & FLUX_KVS_WATCH_FULL
        identity = (key, flags & READ_FLAGS, bool(appends), bool(full), userid, rolemask)
        group = self.groups.get(identity)
        if group is None:
            group = Group(self, key, flags, {"userid": userid, "rolemask": rolemask})
            self.groups[identity] = group
            if group.full:
                self._full.append(group)
            else:
                self._by_key.setdefault(key, []).append(group)
        return group

    def forget(self, group: Group) -> None:
        """Remove a group that has no watcher any more."""
        for identity, member in self.groups.items():
            if member is group:
                del self.groups[identity]
                break
        groups = self._full if group.full else self._by_key.get(group.key, [])
        if group in groups:
            groups.remove(group)
        if not group.full and not groups:
            self._by_key.pop(group.key, None)

    def concerned(self, keys: dict[str, Any] | None) -> Iterator[tuple[Group, Any]]:
        """The groups that a root change of *keys* concerns, each with what happened to its key.

        Any key may have changed if *keys* is None, or once events were lost (:attr:`unsure`)."""
        unsure, self.unsure = self.unsure, False
        if unsure or keys is None:
            for group in self.groups.values():
                yield group, None
            return
        if len(keys) <= len(self._by_key):
            for key, change in keys.items():
                for group in self._by_key.get(key, ()):
                    yield group, change
        else:
            for key, groups in self._by_key.items():
                if key in keys:
                    for group in groups:
                        yield group, keys[key]
        for group in self._full:
            yield group, None

    def waiting(self) -> Iterator[Group]:
        """Groups with watchers that have not been started."""
        for group in self.groups.values():
            if group.starting():
                yield group

    @property
    def newest(self) -> int:
        """The largest root sequence number that is known, from an event or an answer."""
        seqs = [watcher.seq for group in self.groups.values() for watcher in group.watchers]
        return max(self.seq, *seqs, -1)

    @property
    def count(self) -> int:
        """How many watchers there are."""
        return sum(len(group.watchers) for group in self.groups.values())
