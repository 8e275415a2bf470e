# SPDX-License-Identifier: LGPL-3.0-or-later
"""Requests that read: from memory in the same turn of the loop, or after loading what is missing."""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING, Any, Protocol

from rosin.broker.module import DEFERRED
from rosin.broker.waiters import Waiter, Waiters
from rosin.constants import FLUX_KVS_TREEOBJ
from rosin.errors import FormatError
from rosin.internal.kvs_tail import encode
from rosin.kvs import PRIMARY
from rosin.modules.kvs import lookup as walk
from rosin.modules.kvs.key import normalize
from rosin.modules.kvs.objects import Missing
from rosin.modules.kvs.roots import VersionWait
from rosin.rfc import treeobj
from rosin.rfc.payload import field
from rosin.rfc.role import allowed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Mapping

    from rosin.modules.kvs.directory import Directory
    from rosin.modules.kvs.objects import Objects
    from rosin.modules.kvs.roots import Requester, Root
    from rosin.rfc.message import Message

#: What those are told who wait when the service ends.
ENDS = "kvs: service is shutting down"
#: Bytes of a value in one answer of ``kvs.tail``.
TAIL_BYTES = 1 << 20


class Spaces(Protocol):
    """What is read, and by whom: the module."""

    objects: Objects
    versions: Waiters[VersionWait]  # by root

    @property
    def namespaces(self) -> Mapping[str, Root]: ...
    def requester(self, msg: Message, args: dict[str, Any]) -> Requester: ...
    def namespace(self, name: str, who: Requester) -> Root: ...
    def fetch(self, missing: Missing) -> Awaitable[dict[str, Directory | bytes]]: ...
    def storing(self) -> Awaitable[object] | None: ...
    def create_task(self, coro: Coroutine[Any, Any, Any]) -> Any: ...
    def respond(self, request: Message, payload: object = None) -> None: ...
    def respond_error(self, request: Message, errnum: int, text: str | None = None) -> None: ...
    def respond_exception(self, request: Message, exc: BaseException) -> None: ...


class Reads:
    """The readers of the KVS, and those who wait for what has to be fetched or stored first."""

    def __init__(self, kvs: Spaces) -> None:
        self._kvs = kvs
        self._waiting: Waiters[Waiter] = Waiters(kvs)

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def stop(self) -> None:
        """The service ends: answer all that wait."""
        self._waiting.end(errno.ENOSYS, ENDS)

    def answer(self, msg: Message, reader: Any) -> Any:
        """Answer at once when everything is in memory, else fetch what is missing first."""
        try:
            return reader(msg)
        except Missing as missing:
            self._kvs.create_task(self._answer_later(self._waiting.add(Waiter(msg)), reader, missing))
            return DEFERRED

    async def _answer_later(self, waiter: Waiter, reader: Any, missing: Missing) -> None:
        try:
            answer = await self._read(waiter.msg, reader, missing)
        except Exception as error:
            self._waiting.discard(waiter)
            self._kvs.respond_exception(waiter.msg, error)
        else:
            self._waiting.discard(waiter)
            if answer is not DEFERRED:
                self._kvs.respond(waiter.msg, answer)

    async def _read(self, msg: Message, reader: Any, missing: Missing) -> Any:
        """Fetch what is missing and read, until nothing is missing any more."""
        held: dict[str, Directory | bytes] = {}
        while True:
            failure: OSError | None = None
            try:
                held.update(await self._kvs.fetch(missing))
            except OSError as error:  # it may have been of a root that is not the present one any more
                failure = error
            self._kvs.objects.held = held
            try:
                return reader(msg)
            except Missing as more:
                if failure is not None and more.refs == missing.refs:
                    raise failure from None
                missing = more
            finally:
                self._kvs.objects.held = {}

    def _origin(self, msg: Message) -> tuple[dict[str, Any], str, int, Any]:
        """The arguments, the root to start from with its sequence number, and access to other roots."""
        args = msg.args
        who = self._kvs.requester(msg, args)
        rootdir = args.get("rootdir")
        if rootdir is None:
            namespace = self._kvs.namespace(field(args, "namespace", str), who)
            root, seq = namespace.root, namespace.seq
        else:
            try:
                treeobj.validate(rootdir)
            except FormatError as error:
                raise OSError(errno.EINVAL, f"Invalid argument: {error}") from None
            if rootdir["type"] != "dirref":
                raise OSError(errno.EINVAL, "Invalid argument: rootdir must be a dirref object")
            root, seq = rootdir["data"][0], field(args, "rootseq", int, -1)
            self._check_root(msg, who, root)
        return args, root, seq, lambda name: self._kvs.namespace(name, who).root

    def _check_root(self, msg: Message, who: Requester, root: str) -> None:
        """A reference is no permission. Raises OSError EPERM unless *who* may read at *root*.

        A guest may name the present root of a namespace of its own. The owner's services have checked for
        whom they ask. (flux-core lets everybody read at any root.)
        """
        if not allowed(msg.rolemask) and not any(
            ns.root == root and ns.owner == who.userid for ns in self._kvs.namespaces.values()
        ):
            raise OSError(
                errno.EPERM, "Operation not permitted: rootdir is none of the roots of your namespaces"
            )

    def lookup(self, msg: Message) -> Any:
        args, root, _, root_of = self._origin(msg)
        flags = field(args, "flags", int)
        val = walk.lookup(self._kvs.objects, root, field(args, "key", str), flags, root_of)
        if val is None:
            raise OSError(errno.ENOENT, f"{args['key']}: No such file or directory")
        return self._stored(msg, {"val": val}) if flags & FLUX_KVS_TREEOBJ else {"val": val}

    def getroot(self, msg: Message) -> Any:
        args = msg.args
        root = self._kvs.namespace(field(args, "namespace", str), self._kvs.requester(msg, args))
        return self._stored(msg, root.describe()) if root.name == PRIMARY else root.describe()

    def wait_version(self, msg: Message) -> Any:
        args = msg.args
        seq = field(args, "rootseq", int)
        root = self._kvs.namespace(field(args, "namespace", str), self._kvs.requester(msg, args))
        if root.seq >= seq:
            return root.version()
        self._kvs.versions.add(VersionWait(msg, root, seq))
        return DEFERRED

    def lookup_plus(self, msg: Message) -> dict[str, Any]:
        args, root, seq, root_of = self._origin(msg)
        val = walk.lookup(
            self._kvs.objects, root, field(args, "key", str), field(args, "flags", int), root_of
        )
        if val is None:
            return {"errno": errno.ENOENT, "rootseq": seq, "rootref": root}
        return {"val": val, "rootseq": seq, "rootref": root}

    def tail(self, msg: Message) -> bytes:
        args, root, seq, root_of = self._origin(msg)
        offset = field(args, "offset", int)
        entry = walk.resolve(self._kvs.objects, root, normalize(field(args, "key", str)), False, root_of)
        head: dict[str, Any] = {"rootseq": seq, "rootref": root}
        if entry is None:
            return encode({"errno": errno.ENOENT, **head})
        if entry["type"] not in ("val", "valref"):
            return encode({"type": entry["type"], **head})
        data, more = walk.tail(self._kvs.objects, entry, offset, TAIL_BYTES)
        return encode({"size": offset + len(data), "more": more, **head}, data)

    def _stored(self, msg: Message, payload: dict[str, Any]) -> Any:
        """References that a client takes away are in the content store first, if it can take them."""
        storing = self._kvs.storing()
        if storing is None:
            return payload
        self._kvs.create_task(self._answer_stored(self._waiting.add(Waiter(msg)), payload, storing))
        return DEFERRED

    async def _answer_stored(
        self, waiter: Waiter, payload: dict[str, Any], storing: Awaitable[object]
    ) -> None:
        with contextlib.suppress(OSError):  # the storage logs its troubles; reading goes on
            await storing
        self._waiting.discard(waiter)
        self._kvs.respond(waiter.msg, payload)
