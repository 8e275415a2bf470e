# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the KVS service does on every rank: it reads, and waits for versions (topics are flux-core's)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rosin.broker.arguments import Argument, number
from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.broker.tstat import Tstat
from rosin.broker.waiters import Waiter
from rosin.modules.kvs.loading import Loader
from rosin.modules.kvs.objects import YOUNG, YOUNG_FOR_OTHERS, Objects
from rosin.modules.kvs.reads import ENDS, Reads
from rosin.modules.kvs.roots import Requester, Root, VersionWait
from rosin.modules.kvs.settings import KvsSettings
from rosin.modules.kvs.statistics import report
from rosin.modules.kvs.transaction import check_guest
from rosin.rfc import blobref
from rosin.rfc.payload import field
from rosin.rfc.role import allowed

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from rosin.broker.waiters import Waiters
    from rosin.modules.kvs.directory import Directory
    from rosin.modules.kvs.objects import Missing
    from rosin.rfc.message import Message

R = TypeVar("R", bound=Root)


def _blobref(text: str) -> str:
    if not blobref.is_valid(text):
        raise ValueError('expected a blob reference, such as "sha1-" and 40 hexadecimal digits')
    return text


class KvsBase(BrokerModule, Generic[R]):
    """Roots of namespaces over one set of objects."""

    name = "kvs"
    arguments = (
        Argument("transaction-merge", "0|1", "one commit for transactions that wait (1)", number(0)),
        Argument("initial-rootref", "BLOBREF", "root to begin with, not the last checkpoint", _blobref),
    )

    async def start(self) -> None:
        self.settings = KvsSettings.parse(self.config, self.arg_values)
        self.instance_owner = int(self.attrs.get("security.owner", self.h.userid))
        young = YOUNG if self.attrs.get("size", "1") == "1" else YOUNG_FOR_OTHERS
        self.objects = Objects(self.attrs.get("content.hash", "sha1"), young=young)
        self.loader = Loader(self.h, self.objects)
        self.namespaces: dict[str, R] = {}
        self.versions: Waiters[VersionWait] = self.waiters()  # by root
        self.presences = self.waiters()
        self.reads = Reads(self)
        self.opcount = Tstat()
        self._serial = 0

    def reconfigure(self, config: dict[str, Any]) -> None:
        self.settings = KvsSettings.parse(config, self.arg_values)

    async def stop(self) -> None:
        for waiters in (self.versions, self.presences):
            waiters.end(errno.ENOSYS, ENDS)
        self.reads.stop()

    # -- what a rank does in its own way -------------------------------------------------------------

    def unknown(self, name: str) -> Exception:
        """What to raise for a namespace that is not known here."""
        raise NotImplementedError

    def fetch(self, missing: Missing) -> Awaitable[dict[str, Directory | bytes]]:
        """Get what an operation has found missing. Raises OSError."""
        return self.loader.load(missing)

    def watch_above(self) -> None:
        """See to it that this rank is told when no root can come any more."""

    def storing(self) -> Awaitable[object] | None:
        """Wait until the objects of the primary namespace are stored; None if they are."""
        raise NotImplementedError

    def submit(self, root: R, name: str, ops: list[dict[str, Any]], flags: int, msg: Message) -> None:
        """Take a transaction, called *name* in events, and answer *msg* when it is complete."""
        raise NotImplementedError

    # -- access --------------------------------------------------------------------------------------

    def namespace(self, name: str, who: Requester) -> R:
        """The namespace *name*. Raises what :meth:`unknown` says, or OSError EPERM."""
        root = self.namespaces.get(name)
        if root is None:
            raise self.unknown(name)
        root.check(who)
        return root

    def requester(self, msg: Message, args: dict[str, Any]) -> Requester:
        """The sender, or whom the instance owner (kvs-watch) asks for."""
        cred = args.get("cred")
        if cred is not None and allowed(msg.rolemask):
            return Requester(field(cred, "userid", int), field(cred, "rolemask", int))
        return Requester(msg.userid, msg.rolemask)

    # -- requests ------------------------------------------------------------------------------------

    @request_handler("lookup", allow_guest=True)
    def lookup(self, msg: Message) -> Any:
        return self.reads.answer(msg, self.reads.lookup)

    @request_handler("lookup-plus", allow_guest=True)
    def lookup_plus(self, msg: Message) -> Any:
        return self.reads.answer(msg, self.reads.lookup_plus)

    @request_handler("tail")
    def tail(self, msg: Message) -> Any:
        """Private to kvs-watch: the part of a value from ``offset`` on."""
        return self.reads.answer(msg, self.reads.tail)

    @request_handler("getroot", allow_guest=True)
    def getroot(self, msg: Message) -> Any:
        return self.reads.answer(msg, self.reads.getroot)

    @request_handler("wait-version", allow_guest=True)
    def wait_version(self, msg: Message) -> Any:
        return self.reads.answer(msg, self.reads.wait_version)

    @request_handler("presence")
    def presence(self, msg: Message) -> Any:
        """Private to this service below and to kvs-watch: an error comes when no root can come any more."""
        self.watch_above()
        self.presences.add(Waiter(msg))
        return DEFERRED

    @request_handler("commit", allow_guest=True)
    def commit(self, msg: Message) -> Any:
        return self.reads.answer(msg, self._commit)

    def _commit(self, msg: Message) -> Any:
        args = msg.args
        ops, flags = field(args, "ops", list), field(args, "flags", int)
        who = self.requester(msg, args)
        if not who.owner:
            check_guest(ops)
        root = self.namespace(field(args, "namespace", str), who)
        self._serial += 1
        self.submit(root, f"transaction_req.{self.h.rank}.{self._serial}", ops, flags, msg)
        return DEFERRED

    def stats(self) -> dict[str, Any]:
        return report(self.objects, self.namespaces.values(), self.versions, self.opcount, self.reads.waiting)
