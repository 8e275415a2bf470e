# SPDX-License-Identifier: LGPL-3.0-or-later
"""One broker's messages: it moves them between its peers, the neighbours in the tree among them."""

from __future__ import annotations

import asyncio
import errno
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.broker.attrs import Attributes
from rosin.broker.complaints import Complaints
from rosin.broker.eventflow import EventFlow
from rosin.broker.logring import LogRing
from rosin.broker.peer import new_uuid
from rosin.broker.router import Router
from rosin.broker.tasks import TaskSet
from rosin.broker.turn import Turn
from rosin.constants import FLUX_MSGFLAG_NORESPONSE, FLUX_ROLE_NONE, FLUX_ROLE_OWNER, FLUX_USERID_UNKNOWN
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.role import assign
from rosin.rfc.syslog import encode as encode_log

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from rosin.broker.clock import Clock
    from rosin.broker.host import ProgramOfBroker
    from rosin.broker.limits import Account
    from rosin.broker.peer import Peer
    from rosin.broker.trace import Trace
    from rosin.process.zygote import Zygote
    from rosin.rfc.idset import Idset
    from rosin.rfc.message import Message

#: Bytes queued to a client from which on streams for it stand still.
STREAM_BACKLOG = 4 << 20


class Switch:
    """The messages of the broker of one rank; also its clock, its log and its attributes, which all use."""

    def __init__(
        self, rank: int, size: int, config: dict[str, Any], clock: Clock, zygote: Zygote | None
    ) -> None:
        self.rank = rank
        self.size = size
        #: What messages of the broker itself and of its modules get (RFC 12).
        self.credential = assign(FLUX_USERID_UNKNOWN, FLUX_ROLE_NONE, (os.getuid(), FLUX_ROLE_OWNER))
        self.config = config
        self.clock = clock
        self.zygote = zygote
        #: What the broker itself runs at present, by flux-core's labels.
        self.programs: dict[str, ProgramOfBroker] = {}
        self.attrs = Attributes()
        self.turn = Turn()
        self.uuid = new_uuid()
        self.router = Router(rank, size, self.uuid)
        self.ring = LogRing(rank=rank)
        #: Who watches the messages of modules; empty but for a ``module.trace``.
        self.traces: set[Trace] = set()
        #: What is kept for each guest who is connected.
        self.guests: dict[int, Account] = {}
        #: The log of what clients do wrong.
        self.complain = Complaints(partial(self.log, 3, "broker"), self.clock.monotonic)
        self.events = EventFlow(self.router, partial(self.complain, "events"), self.credential)
        self._childless = asyncio.Event()
        self.tasks = TaskSet(partial(self.log, 3, "broker"))
        self._hosts: tuple[str, list[str]] = ("", [])

    @property
    def owner(self) -> int:
        """The user whose instance it is."""
        return self.credential[0]

    def hosts(self) -> list[str]:
        """The names of the brokers' hosts by rank, as far as they are known."""
        text = self.attrs.value("hostlist")
        if self._hosts[0] != text:
            self._hosts = (text, Hostlist(text).expand())
        return self._hosts[1]

    def named(self, ranks: Idset, word: str = "rank") -> str:
        """Brokers in the log, by their hosts and ranks."""
        hosts = self.hosts()
        names = Hostlist.from_names(hosts[rank] for rank in ranks if rank < len(hosts))
        return f"{names.encode()} ({word} {ranks.encode()})"

    # -- log --------------------------------------------------------------------------------------

    def log(self, severity: int, name: str, text: str) -> None:
        """Append to the log under a component's name, one entry per line of text."""
        for line in text.splitlines():
            self.ring.append(
                encode_log(severity, line, appname=name, hostname=str(self.rank), timestamp=self.clock.now())
            )

    def create_task(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine on behalf of the broker; failures are logged."""
        return self.tasks.create(coro)

    # -- messages ---------------------------------------------------------------------------------

    def route_request(self, msg: Message) -> None:
        """Deliver a request whose route already names its sender, or answer why that is impossible."""
        try:
            peer = self.router.route(msg)
        except OSError as exc:
            self.refuse(msg, exc.errno or errno.EIO, exc.strerror if exc.errno == errno.ENOSYS else None)
            return
        peer.deliver_request(msg)

    def refuse(self, msg: Message, errnum: int, text: str | None = None) -> None:
        """Answer a request with an error in the broker's name."""
        if not msg.flags & FLUX_MSGFLAG_NORESPONSE:
            self.route_response(self._stamp(msg.response(text, errnum)))

    def _stamp(self, msg: Message) -> Message:
        msg.userid, msg.rolemask = self.credential
        return msg

    def route_response(self, msg: Message) -> None:
        """Pop one hop and deliver; a response to a peer that is gone is dropped."""
        if not msg.route:
            return
        peer = self.router.peers.get(msg.route.pop())
        if peer is not None:
            peer.deliver_response(msg)

    def _receiver(self, request: Message) -> Peer | None:
        """The next hop of the responses to a request."""
        return self.router.peers.get(request.route[-1]) if request.route else None

    def backlog_of(self, request: Message) -> int:
        """Bytes that wait for who gets the responses to a request, as far as the next hop knows."""
        peer = self._receiver(request)
        return 0 if peer is None else peer.backlog()

    async def room(self, request: Message) -> None:
        """Wait until who gets the responses to a request takes them: a stream stands still meanwhile."""
        peer = self._receiver(request)
        if peer is not None and peer.backlog() > STREAM_BACKLOG:
            await peer.drained()

    def publish(self, msg: Message) -> int:
        """Send an event on its way to every subscriber; returns its number, 0 above rank 0."""
        if msg.userid == FLUX_USERID_UNKNOWN:
            self._stamp(msg)
        return self.events.publish(msg)

    def add_peer(self, peer: Peer) -> None:
        """Make a peer reachable for responses and events."""
        self.router.add_peer(peer)

    def remove_peer(self, peer: Peer) -> None:
        """Forget a peer and its services."""
        self.router.remove_peer(peer)
        if not self.router.below:
            self._childless.set()

    async def childless(self) -> None:
        """Wait until there are no brokers below this one."""
        while self.router.below:
            self._childless.clear()
            await self._childless.wait()
