# SPDX-License-Identifier: LGPL-3.0-or-later
"""The link to the broker above: hello, what passes, signs of life, and leave.

Between brokers the conventions are flux-core's: a request on its way down carries the upper broker's identity
as its newest hop, a response on its way up still does; events and control messages have an empty route.
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

from rosin.broker.neighbour import ParentBroker
from rosin.broker.overlay.hello import GOODBYE, HELLO, Control, Hello, control, version_number, welcome
from rosin.broker.overlay.surroundings import routed
from rosin.constants import (
    FLUX_MSGTYPE_CONTROL,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_ROLE_OWNER,
)
from rosin.errors import FormatError
from rosin.rfc import fsd
from rosin.rfc.frames import decode_frames, encode_frames
from rosin.rfc.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.overlay.surroundings import Surroundings
    from rosin.broker.overlay.transport import Keys, Transport, Uplink


class Above:
    """The broker of ``rank`` above this one. ``changed()`` is told when it is lost."""

    def __init__(self, around: Surroundings, rank: int, changed: Callable[[], None]) -> None:
        self._around = around
        self._broker = around.broker
        self._rank = rank
        self._changed = changed
        self._uplink: Uplink | None = None
        #: What the router sees of it; None: it has not let this one in, or is gone.
        self.parent: ParentBroker | None = None
        self._joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left: asyncio.Future[None] | None = None
        self._sent = around.now()

    async def connect(self, transport: Transport, uri: str, server_key: str, keys: Keys, status: str) -> None:
        """Connect to it and say hello. Raises OSError."""
        self._uplink = await transport.connect(
            uri, server_key, keys, self._broker.uuid, self._receive, self._lost
        )
        broker = self._broker
        hello = Hello(broker.rank, version_number(), broker.uuid, status, broker.attrs.value("hostname"))
        self.send(hello.encode(broker.owner))
        self._heartbeat()

    async def joined(self) -> None:
        """Wait until the broker above has let this one in. Raises OSError that says why it has not."""
        await asyncio.shield(self._joined)

    def send(self, msg: Message) -> None:
        """Send a message up."""
        if self._uplink is None:
            return
        if msg.type == FLUX_MSGTYPE_RESPONSE:
            assert self.parent is not None
            frames = [self.parent.uuid, *encode_frames(msg)]
        else:
            frames = encode_frames(msg if msg.route is not None else routed(msg))
        self._sent = self._around.now()
        self._uplink.send(frames)
        self._around.passed("tx", self._rank, msg)

    def _receive(self, frames: list[bytes]) -> None:
        """Take a message from above."""
        try:
            msg = decode_frames(frames)
            self._around.passed("rx", self._rank, msg)
            if msg.type == FLUX_MSGTYPE_CONTROL:
                self._control(msg)
            elif self.parent is None:
                self._welcome(msg)
            elif msg.type == FLUX_MSGTYPE_RESPONSE and msg.topic == GOODBYE:
                self._farewell()
            else:
                if msg.type == FLUX_MSGTYPE_REQUEST and (
                    not msg.route or msg.route.pop() != self.parent.uuid
                ):
                    raise FormatError(f"request {msg.topic} is not from the broker above")
                self.parent.receive(msg)
        except FormatError as exc:
            self._broker.complain("overlay-parent", f"DROP upstream message: {exc}")

    def _control(self, msg: Message) -> None:
        if msg.aux1 != Control.DISCONNECT:
            raise FormatError(f"control message {msg.aux1} is unknown")
        self._around.log(2, f"{self._around.host(self._rank)} sent disconnect control message")
        self.lose()

    def _welcome(self, msg: Message) -> None:
        """The answer to hello."""
        if msg.type != FLUX_MSGTYPE_RESPONSE or msg.topic != HELLO or self._joined.done():
            raise FormatError(f"{msg.topic or 'message'} came before the answer to hello")
        if msg.errnum:
            self._refused(msg.errnum, msg.text or None)
            return
        try:
            uuid, seq = welcome(msg)
        except FormatError as exc:  # no other answer will come
            self._refused(errno.EPROTO, f"the broker above has answered with something else: {exc}")
            return
        self.parent = ParentBroker(self._broker, uuid, self.send)
        self.parent.nodeid = self._rank
        self.parent.flow = self._uplink.outflow if self._uplink is not None else None
        self.parent.connected()
        if seq is not None:
            self._broker.events.begin(seq)
        self._around.log(7, f"hello parent {self._rank} {uuid.decode()}")
        self._joined.set_result(None)

    def _refused(self, errnum: int, text: str | None) -> None:
        error = OSError(errnum, text or os.strerror(errnum))
        self._around.log(3, f"overlay.hello: {error.strerror}")
        self._joined.set_exception(error)
        self._joined.exception()  # whoever waits is told; nobody may

    def _lost(self) -> None:
        """The connection is gone. Nobody but this host can be told why its broker ends."""
        if self.parent is not None and self._left is None:
            self._around.log(2, f"lost connection to {self._around.host(self._rank)} above")
        self.lose()

    def lose(self) -> None:
        """The link to the broker above is broken, or is to be: nobody waits for it any more."""
        uplink, self._uplink = self._uplink, None
        if uplink is None:
            return
        uplink.close()
        if not self._joined.done():
            self._refused(errno.EHOSTUNREACH, "the broker above has ended the connection")
        parent, self.parent = self.parent, None
        if parent is not None:
            parent.disconnected()
        self._farewell()
        self._changed()

    def _heartbeat(self) -> None:
        """Give a sign of life when there was none for ``tbon.torpid_min``."""
        if self._uplink is None:
            return
        idle = fsd.parse(self._broker.attrs.value("tbon.torpid_min", "5s"))
        due = self._sent + idle - self._around.now()
        if due <= 0:
            self.send(control(Control.HEARTBEAT))
            due = idle
        self._broker.clock.call_later(due, self._heartbeat)

    async def goodbye(self) -> None:
        """Leave in good order: the broker above knows of it when this returns, or is gone itself."""
        if self.parent is None or self._uplink is None:
            return
        self._left = asyncio.get_running_loop().create_future()
        msg = Message.request(GOODBYE)
        msg.userid, msg.rolemask = self._broker.owner, FLUX_ROLE_OWNER
        self.send(msg)
        limit = self._broker.clock.call_later(
            fsd.parse(self._broker.attrs.value("tbon.tcp_user_timeout", "20s")), self._farewell
        )
        try:
            await self._left
        finally:
            limit.cancel()
        self.lose()

    def _farewell(self) -> None:
        if self._left is not None and not self._left.done():
            self._left.set_result(None)

    def close(self, status: str) -> None:
        """Take the link down; it is told, if there was no goodbye."""
        if self.parent is not None and self._left is None:
            self.send(control(Control.STATUS, status))
        self.lose()
