# SPDX-License-Identifier: LGPL-3.0-or-later
"""The links to the brokers below: who is let in, what passes, who is silent, who is gone.

For the conventions see :mod:`rosin.broker.overlay.above`.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rosin.broker.neighbour import ChildBroker
from rosin.broker.overlay.children import Child, Children
from rosin.broker.overlay.hello import (
    GOODBYE,
    HELLO,
    ONLINE,
    Control,
    Hello,
    control,
    status_of,
    version_number,
)
from rosin.broker.overlay.surroundings import routed
from rosin.constants import (
    FLUX_MSGTYPE_CONTROL,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_ROLE_OWNER,
    FLUX_USERID_UNKNOWN,
)
from rosin.errors import FormatError
from rosin.rfc import fsd
from rosin.rfc.frames import decode_frames, encode_frames
from rosin.rfc.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.overlay.surroundings import Surroundings
    from rosin.broker.overlay.topology import OverlayTopology
    from rosin.broker.overlay.transport import Downlink, Keys, Transport


class Below:
    """The brokers below this one. ``changed(child, sum)`` is told of each change, and if the sum does."""

    def __init__(
        self, around: Surroundings, tree: OverlayTopology, changed: Callable[[Child, bool], None]
    ) -> None:
        self._around = around
        self._broker = around.broker
        self._tree = tree
        self._changed = changed
        self.children = Children(tree, around.broker.rank, version_number(), around.now())
        self._downlink: Downlink | None = None
        self._keys: dict[int, str] = {}  # public keys, by rank: this broker's, and those of who may come in
        self._links: dict[bytes, ChildBroker] = {}
        self._event: tuple[Message | None, list[bytes]] = (None, [])

    async def bind(self, transport: Transport, uris: list[str], keys: Keys) -> Downlink:
        """Wait for the brokers below. Raises OSError."""
        self._downlink = await transport.bind(uris, keys, self._receive, self._lost_child)
        self._keys[self._broker.rank] = keys.public
        self._watch_torpid()
        return self._downlink

    def authorize(self, rank: int, public_key: str) -> None:
        """Let in who proves to have the secret half of a key. Raises FormatError."""
        assert self._downlink is not None
        self._downlink.authorize(str(rank), public_key)
        self._keys[rank] = public_key

    def _send(self, identity: bytes, msg: Message) -> None:
        """Send a message to one who may not have been let in. What cannot be sent is lost."""
        if self._downlink is not None:
            try:
                self._downlink.send(identity, encode_frames(msg))
            except OSError as exc:
                if msg.type != FLUX_MSGTYPE_CONTROL:
                    self._broker.complain("overlay-stranger", f"{msg!r} is lost: {exc.strerror}")

    def _down(self, child: Child, msg: Message) -> None:
        """Send a message down. What cannot be sent shows that the child is gone."""
        if msg.type == FLUX_MSGTYPE_EVENT:
            if self._event[0] is not msg:
                self._event = (msg, encode_frames(routed(msg)))
            frames = self._event[1]
        elif msg.type == FLUX_MSGTYPE_REQUEST:
            frames = [self._broker.uuid, *encode_frames(msg)]
        else:
            frames = encode_frames(msg)
        try:
            assert self._downlink is not None
            self._downlink.send(child.identity, frames)
        except OSError:
            self._lose(child, "failed", "lost connection")
            return
        self._around.passed("tx", child.rank, msg)

    def _receive(self, identity: bytes, frames: list[bytes]) -> None:
        """Take a message from below."""
        child = self.children.online.get(identity)
        try:
            msg = decode_frames(frames)
            if child is None:
                self._stranger(identity, msg)
                return
            child.seen = self._around.now()
            self._around.passed("rx", child.rank, msg)
            if msg.type == FLUX_MSGTYPE_CONTROL:
                if msg.aux1 == Control.STATUS:
                    self._status(child, status_of(msg.matchtag))
            elif msg.type == FLUX_MSGTYPE_REQUEST and msg.topic == GOODBYE:
                self._goodbye(child, msg)
            else:
                if msg.type == FLUX_MSGTYPE_RESPONSE and (
                    not msg.route or msg.route.pop() != self._broker.uuid
                ):
                    raise FormatError(f"response {msg.topic} is not to this broker")
                self._links[identity].receive(msg)
        except FormatError as exc:
            who = self._around.host(child.rank) if child else "a stranger"
            self._broker.complain(("overlay", who), f"DROP downstream message from {who}: {exc}")

    def _stranger(self, identity: bytes, msg: Message) -> None:
        """A message of one who has not been let in: hello, or he is to know that he is not."""
        if msg.type != FLUX_MSGTYPE_REQUEST or msg.topic != HELLO or self._broker.state.reached("cleanup"):
            if msg.type != FLUX_MSGTYPE_CONTROL or msg.aux1 != Control.DISCONNECT:
                self._send(identity, control(Control.DISCONNECT))
            return
        answer = msg.response()
        hello = None
        try:
            hello = Hello.decode(msg)
            child = self._admit(identity, msg, hello)
        except FormatError as exc:
            self._reject(answer, hello, errno.EPROTO, str(exc))
        except OSError as exc:
            self._reject(answer, hello, exc.errno or errno.EPROTO, exc.strerror or str(exc))
        else:
            events = self._broker.events
            answer = msg.response(
                {"uuid": self._broker.uuid.decode(), **({"seq": events.seq} if events.known else {})}
            )
            self._around.log(
                7, f"accepting connection from {self._around.host(child.rank)} status {child.status}"
            )
        answer.userid, answer.rolemask = self._broker.credential
        self._send(identity, answer)

    def _reject(self, answer: Message, hello: Hello | None, errnum: int, text: str) -> None:
        who = "a stranger" if hello is None else f"{hello.hostname} (rank {hello.rank})"
        # A line for each place that there is, as who lies can tell any number of lies.
        place = hello.rank if hello is not None and hello.rank in self.children.by_rank else None
        self._broker.complain(("hello", place), f"rejecting connection from {who}: {text}")
        answer.aux1 = errnum
        answer.set_payload(text)

    def _admit(self, identity: bytes, msg: Message, hello: Hello) -> Child:
        """Let a broker in. Raises OSError that says why not."""
        # flux-core's brokers do not say which user they are.
        if not msg.rolemask & FLUX_ROLE_OWNER or msg.userid not in (self._broker.owner, FLUX_USERID_UNKNOWN):
            raise OSError(errno.EPERM, "hello is not from the owner of this instance")
        if hello.uuid != identity:
            raise OSError(errno.EINVAL, f"{hello.uuid.decode()} is not the identity of this connection")
        child = self.children.check(hello, self._broker.hosts())
        if child.online:
            self._around.log(
                3, f"{self._around.host(child.rank)} reconnected after crash, dropping old connection state"
            )
            self._close(child, "lost", "reconnected after crash")
        child.identity = identity
        self._change(child, hello.status)
        link = ChildBroker(
            self._broker, identity, lambda out: self._down(child, out), self._tree.subtree(child.rank)
        )
        assert self._downlink is not None
        link.nodeid = child.rank
        link.flow = self._downlink.outflow(identity)
        self._links[identity] = link
        link.connected()
        return child

    def _status(self, child: Child, status: str) -> None:
        """What a child says of itself: flux-core's never say ``unknown`` or ``lost``, nor in hello."""
        if status in ONLINE:
            self._change(child, status)
        elif status == "offline":
            self._close(child, status, "it has ended")
        else:
            raise FormatError(f"a broker that says its status is not {status}")

    def _goodbye(self, child: Child, msg: Message) -> None:
        answer = msg.response()
        answer.userid, answer.rolemask = self._broker.credential
        self._send(child.identity, answer)
        self._close(child, "offline", "administrative shutdown")

    def _lost_child(self, identity: bytes) -> None:
        child = self.children.online.get(identity)
        if child is not None:
            self._lose(child, "failed", "lost connection")

    def _lose(self, child: Child, how: str, error: str) -> None:
        """The connection to a child is gone, though nobody has said goodbye."""
        if not child.online:
            return
        others = len(self._tree.subtree(child.rank)) - 1
        also = f" and severed contact with {others} other nodes" if others else ""
        self._around.log(3, f"{self._around.host(child.rank)} {how}{also}")
        self._close(child, "lost", error)

    def _close(self, child: Child, status: str, error: str) -> None:
        link = self._links.pop(child.identity)
        self._change(child, status, error)
        link.disconnected()

    def _change(self, child: Child, status: str, error: str = "") -> None:
        self._changed(child, self.children.change(child, status, self._around.now(), error))

    def _child(self, rank: int) -> Child:
        child = self.children.by_rank.get(rank)
        if child is None:
            raise OSError(errno.ENOENT, "requested rank is not this broker's direct child")
        return child

    def disconnect(self, rank: int) -> None:
        """Cut a child off. Raises OSError: ENOENT it is none, EINVAL it is not there."""
        child = self._child(rank)
        if not child.online:
            raise OSError(errno.EINVAL, f"rank {rank} is already {child.status}")
        self._send_away(child, "disconnected by request", "administrative disconnect")

    def _send_away(self, child: Child, how: str, error: str) -> None:
        self._send(child.identity, control(Control.DISCONNECT))
        self._lose(child, how, error)

    def revoke(self, rank: int) -> None:
        """Let the certificate of a child in no longer, and cut the child off.

        Raises OSError: ENOENT it is none, EINVAL its certificate is not its own, or is not let in.
        """
        child = self._child(rank)
        key = self._keys.get(rank)
        if key is None or self._downlink is None:
            raise OSError(errno.EINVAL, f"the certificate of rank {rank} is not let in")
        if list(self._keys.values()).count(key) > 1:
            raise OSError(
                errno.EINVAL,
                f"rank {rank} has the same certificate as others: put another one at bootstrap.curve_cert of "
                "all hosts, and start the instance again",
            )
        del self._keys[rank]
        self._around.log(3, f"the certificate of {self._around.host(rank)} is revoked")
        if child.online:
            self._send_away(child, "sent away", "certificate revoked")
        self._downlink.revoke(key)

    def _watch_torpid(self) -> None:
        """See who has become silent."""
        if self._downlink is None:
            return
        limit = fsd.parse(self._broker.attrs.value("tbon.torpid_max", "30s"))
        now = self._around.now()
        for child in self.children.torpid(limit, now):
            what = (
                f"has been unresponsive for {fsd.encode(now - child.seen)}"
                if child.torpid
                else "is responsive now"
            )
            self._around.log(3, f"broker on {self._around.host(child.rank)} {what}")
            self._changed(child, False)
        self._broker.clock.call_later(min(5.0, max(0.1, limit / 4)) if limit else 5.0, self._watch_torpid)

    @property
    def pending(self) -> int:
        """Requests that wait for one of them."""
        return sum(link.pending for link in self._links.values())

    def close(self) -> None:
        """Take all links down."""
        downlink, self._downlink = self._downlink, None
        for child in list(self.children.online.values()):
            self._close(child, "offline", "this broker has ended")
        if downlink is not None:
            downlink.close()
