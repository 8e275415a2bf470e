# SPDX-License-Identifier: LGPL-3.0-or-later
"""The protocol core that every handle shares: matchtags, streams, subscriptions, message handlers.

It does no I/O. A concrete handle sends encoded messages in :meth:`Handle._send`, passes what arrives to
:meth:`Handle._receive`, and says how to wait: the blocking :class:`~rosin.handle.flux.Flux`, the asyncio
:class:`~rosin.handle.aio.AsyncFlux`, and the handle of a broker module.
"""

from __future__ import annotations

import errno
import os

from rosin.constants import (
    FLUX_MSGFLAG_NORESPONSE,
    FLUX_MSGFLAG_PRIVATE,
    FLUX_MSGFLAG_STREAMING,
    FLUX_MSGFLAG_UPSTREAM,
    FLUX_MSGTYPE_ANY,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_NODEID_ANY,
    FLUX_NODEID_UPSTREAM,
    FLUX_ROLE_OWNER,
    FLUX_RPC_NORESPONSE,
    FLUX_RPC_STREAMING,
)
from rosin.handle.checks import (
    InvalidArguments,
    check_event_topic,
    check_nodeid,
    check_rpc_flags,
    check_text,
    check_topic,
)
from rosin.handle.future import Future, error
from rosin.handle.rpc import RPC
from rosin.rfc.message import Message
from rosin.rfc.role import allowed, required

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from typing import Any, Protocol

    Handler = Callable[[Message], Any]

    class Receiver(Protocol):
        """Where message handlers are registered."""

        _handlers: list[MessageHandler]

else:
    from _collections import deque  # collections itself imports a lot

#: Messages nobody has asked for are kept for recv() up to this number; beyond it the oldest is dropped.
BACKLOG = 65536
_ATTR_IMMUTABLE = 1
_RPC_FLAGS = FLUX_RPC_STREAMING | FLUX_RPC_NORESPONSE
_MAX_NODEID = 0xFFFFFFFF
#: What makes a handler do something on behalf of its sender.
_ASKING = (FLUX_MSGTYPE_REQUEST, FLUX_MSGTYPE_EVENT)


class MessageHandler:
    """A callback for the messages that match a type mask, a topic glob and a matchtag.

    Requests and events of senders without one of the roles in ``rolemask`` do not reach it (RFC 12): the
    former are refused with EPERM, the latter are dropped. The owner is always let in.
    """

    __slots__ = ("_handle", "callback", "exact", "matchtag", "rolemask", "topic_glob", "type_mask")

    def __init__(
        self,
        handle: Receiver,
        callback: Handler,
        type_mask: int,
        topic_glob: str,
        matchtag: int,
        rolemask: int = FLUX_ROLE_OWNER,
    ) -> None:
        self._handle = handle
        self.callback = callback
        self.type_mask = type_mask
        self.topic_glob = topic_glob
        self.matchtag = matchtag
        self.rolemask = rolemask
        self.exact = not ("*" in topic_glob or "?" in topic_glob or "[" in topic_glob)

    def matches(self, msg: Message) -> bool:
        if not msg.type & self.type_mask or (self.matchtag and self.matchtag != msg.matchtag):
            return False
        if self.exact:
            return msg.topic == self.topic_glob
        if self.topic_glob == "*":
            return True
        from fnmatch import fnmatchcase

        return fnmatchcase(msg.topic, self.topic_glob)

    def start(self) -> None:
        """Begin to receive; the handler started last is asked first."""
        if self not in self._handle._handlers:
            self._handle._handlers.insert(0, self)

    def stop(self) -> None:
        """Receive no more."""
        if self in self._handle._handlers:
            self._handle._handlers.remove(self)


class Handle:
    """A connection to a broker; see the module's text."""

    def __init__(self) -> None:
        self._next_tag = 0
        self._rpcs: dict[int, RPC] = {}
        self._handlers: list[MessageHandler] = []
        self._events: list[tuple[str, Handler, int]] = []
        self._responses: dict[str, Handler] = {}
        self._inbox: deque[Message] = deque(maxlen=BACKLOG)
        self._attrs: dict[str, str] = {}
        self._lost: OSError | None = None

    # -- what a concrete handle provides ----------------------------------------------------------

    def _send(self, msg: Message) -> None:
        raise NotImplementedError

    def _wait(self, future: Future, timeout: float) -> None:
        """Block until the future has a result."""
        raise NotImplementedError

    def _run_until(self, future: Future, timeout: float) -> None:
        """Like :meth:`_wait`, and run callbacks meanwhile."""
        raise NotImplementedError

    def _waiter(self) -> Any:
        """What a coroutine awaits until a future has a result."""
        raise NotImplementedError

    def _defer(self, callback: Callable[[], None]) -> None:
        """Call back from the reactor."""
        raise NotImplementedError

    def _timer(self, after: float, callback: Callable[[], None]) -> Any:
        """Call back after some seconds; the result has a cancel() method."""
        raise NotImplementedError

    # -- requests ---------------------------------------------------------------------------------

    def _matchtag(self) -> int:
        tag = self._next_tag
        while True:
            tag = tag + 1 if tag < 0x7FFFFFFF else 1
            if tag not in self._rpcs:
                self._next_tag = tag
                return tag

    def rpc(self, topic: str, payload: object = None, nodeid: int = FLUX_NODEID_ANY, flags: int = 0) -> RPC:
        """Send a request; returns its RPC.

        ``payload``: an object (JSON), str (JSON text), bytes (raw) or None. ``flags``: FLUX_RPC_STREAMING,
        and FLUX_RPC_NORESPONSE (the result is then an RPC fulfilled with None).
        """
        return RPC(self, topic, payload, nodeid, flags)

    def begin(self, rpc: RPC, payload: object, flags: int) -> None:
        """Send the request of an RPC that is being constructed, with the arguments of :meth:`rpc`."""
        topic, nodeid, msgflags = rpc.topic, rpc.nodeid, 0
        if (
            topic.__class__ is not str
            or nodeid.__class__ is not int
            or flags.__class__ is not int
            or "\0" in topic
            or not 0 <= nodeid <= _MAX_NODEID
            or flags & ~_RPC_FLAGS
        ):
            rpc.topic = topic = check_topic(topic)
            rpc.nodeid = nodeid = check_nodeid(nodeid)
            flags = check_rpc_flags(flags)
        if not topic:  # a broker would end the connection
            rpc.fulfill_error(errno.ENOSYS, "No service matching '' is registered")
            return
        if nodeid == FLUX_NODEID_UPSTREAM:
            nodeid, msgflags = self.rank, FLUX_MSGFLAG_UPSTREAM
            rpc.nodeid = nodeid
        if flags & FLUX_RPC_STREAMING:
            msgflags |= FLUX_MSGFLAG_STREAMING
        if flags & FLUX_RPC_NORESPONSE:
            self._send(Message.request(rpc.topic, payload, nodeid, msgflags | FLUX_MSGFLAG_NORESPONSE))
            rpc.fulfill(None)
            return
        tag = self._next_tag + 1
        if tag > 0x7FFFFFFF or tag in self._rpcs:
            tag = self._matchtag()
        self._next_tag = rpc.matchtag = tag
        self._rpcs[tag] = rpc
        try:
            self._send(Message.request(topic, payload, nodeid, msgflags, tag))
        except BaseException:
            self._rpcs.pop(tag, None)  # a lost connection has failed and forgotten them all
            raise

    def send_request(
        self, topic: str, payload: object = None, nodeid: int = FLUX_NODEID_ANY, flags: int = 0
    ) -> None:
        """Send a request with matchtag 0; responses go to the :meth:`on_response` handler of the topic.

        RFC 27 and RFC 32 match their responses by job id and use this form.
        """
        topic = check_event_topic(topic)
        self._send(Message.request(topic, payload, check_nodeid(nodeid), flags))

    def on_response(self, topic: str, callback: Handler) -> None:
        """Receive the responses with matchtag 0 and this topic, errors included."""
        self._responses[topic] = callback

    def _forget(self, rpc: RPC) -> None:
        self._rpcs.pop(rpc.matchtag, None)

    # -- services ---------------------------------------------------------------------------------

    def service_register(self, name: str) -> RPC:
        """Receive the requests for ``NAME.*`` (``service.add``)."""
        return self.rpc("service.add", {"service": check_text(name, "service name")})

    def service_unregister(self, name: str) -> RPC:
        """Undo :meth:`service_register`."""
        return self.rpc("service.remove", {"service": check_text(name, "service name")})

    def on_request(self, topic_glob: str, callback: Handler, *, allow_guest: bool = False) -> MessageHandler:
        """Call back for the requests whose topic matches; returns the (started) handler.

        Other users than the instance owner are refused with EPERM unless ``allow_guest``.
        """
        return self.on_message(callback, FLUX_MSGTYPE_REQUEST, topic_glob, allow_guest=allow_guest)

    def on_message(
        self,
        callback: Handler,
        type_mask: int = FLUX_MSGTYPE_ANY,
        topic_glob: str = "*",
        matchtag: int = 0,
        *,
        allow_guest: bool = False,
    ) -> MessageHandler:
        """Call back for the messages that match; returns the (started) handler.

        Requests and events of guests do not reach it unless ``allow_guest``.
        """
        handler = MessageHandler(self, callback, type_mask, topic_glob, matchtag, required(allow_guest))
        handler.start()
        return handler

    def respond(self, message: Message, payload: object = None) -> None:
        """Answer a request; nothing is sent for a no-response one."""
        if not message.flags & FLUX_MSGFLAG_NORESPONSE:
            self._send(message.response(payload))

    def respond_error(self, message: Message, errnum: int, text: str | None = None) -> None:
        """Answer a request with an errno and an optional short text (RFC 6)."""
        if not message.flags & FLUX_MSGFLAG_NORESPONSE:
            self._send(message.response(text.encode() + b"\0" if text else None, errnum))

    # -- events -----------------------------------------------------------------------------------

    def event_subscribe(self, topic: str) -> RPC:
        """Receive the events whose topic begins with ``topic`` ("" means all)."""
        return self.rpc("event.subscribe", {"topic": check_topic(topic)})

    def event_unsubscribe(self, topic: str) -> RPC:
        """Undo one :meth:`event_subscribe`."""
        return self.rpc("event.unsubscribe", {"topic": check_topic(topic)})

    def on_event(self, prefix: str, callback: Handler, *, allow_guest: bool = False) -> None:
        """Call back for subscribed events whose topic begins with ``prefix``.

        Any user may publish any topic: events of others than the instance owner are dropped unless
        ``allow_guest``, and who allows them looks at their ``userid``.
        """
        self._events.append((prefix, callback, required(allow_guest)))

    def event_send(self, topic: str, payload: object = None, private: bool = False) -> None:
        """Publish an event without confirmation."""
        if topic.__class__ is not str or not topic or "\0" in topic:
            topic = check_event_topic(topic)
        self._send(Message.event(topic, payload, FLUX_MSGFLAG_PRIVATE if private else 0))

    def publish(self, topic: str, payload: object = None, private: bool = False) -> RPC:
        """Publish an event; the RPC returns ``{"seq": N}`` once it has been numbered (``event.publish``)."""
        from rosin import _base64

        topic = check_event_topic(topic)
        request: dict[str, object] = {"topic": topic, "flags": FLUX_MSGFLAG_PRIVATE if private else 0}
        raw = Message.event(topic, payload).payload
        if raw is not None:
            request["payload"] = _base64.encode(raw)
        return self.rpc("event.publish", request, nodeid=0)

    # -- attributes and log -----------------------------------------------------------------------

    def attr_get(self, attr_name: str) -> str:
        """A broker attribute; blocks unless it is cached. Raises FileNotFoundError if there is none."""
        value = self._attrs.get(attr_name)
        if value is None:
            attr_name = check_text(attr_name, "attribute name")
            response = self.rpc("attr.get", {"name": attr_name}).get()
            value = str(response["value"])
            if response["flags"] & _ATTR_IMMUTABLE:
                self._attrs[attr_name] = value
        return value

    def attr_set(self, attr: str, value: str) -> None:
        """Set a broker attribute; blocks. Raises ValueError if name or value are not str."""
        if not isinstance(attr, str):
            raise ValueError("Attribute name must be a string")
        if not isinstance(value, str):
            raise ValueError("Attribute value must be a string")
        self._attrs.pop(attr, None)
        self.rpc("attr.set", {"name": attr, "value": value}).get()

    @property
    def rank(self) -> int:
        """Rank of the broker this handle is connected to."""
        return int(self.attr_get("rank"))

    def get_rank(self) -> int:
        """The same under upstream's name."""
        return self.rank

    def log(self, level: int, fstring: str | bytes, appname: str | None = None) -> None:
        """Append a line to the broker's log; ``level`` is a syslog severity, 0 to 7."""
        from rosin.rfc.syslog import encode

        if not isinstance(level, int) or not isinstance(fstring, (str, bytes)):
            raise InvalidArguments("log takes a severity (0 to 7) and text")
        text = fstring.decode(errors="replace") if isinstance(fstring, bytes) else fstring
        line = encode(level, text, appname=appname or "rosin", procid=os.getpid(), hostname=str(self.rank))
        self._send(Message.request("log.append", line, flags=FLUX_MSGFLAG_NORESPONSE))

    # -- receiving --------------------------------------------------------------------------------

    def _receive(self, msg: Message) -> None:
        """Hand an arrived message to whoever waits for it."""
        if msg.type == FLUX_MSGTYPE_RESPONSE and msg.matchtag:
            rpc = self._rpcs.get(msg.matchtag)
            if rpc is not None:
                if rpc.receive(msg):
                    self._rpcs.pop(msg.matchtag, None)
                return
        if msg.type == FLUX_MSGTYPE_EVENT and self._events:
            taken = [entry for entry in self._events if msg.topic.startswith(entry[0])]
            for _, callback, allow in taken:
                if allowed(msg.rolemask, allow):
                    self._call(callback, msg)
            if taken:
                return
        if msg.type == FLUX_MSGTYPE_RESPONSE and self._responses and msg.topic in self._responses:
            self._call(self._responses[msg.topic], msg)
            return
        for handler in self._handlers:
            if handler.matches(msg):
                if msg.type not in _ASKING or allowed(msg.rolemask, handler.rolemask):
                    self._call(handler.callback, msg)
                elif msg.type == FLUX_MSGTYPE_REQUEST:
                    self.respond_error(msg, errno.EPERM, "Request requires owner credentials")
                return
        if msg.type == FLUX_MSGTYPE_REQUEST and self._handlers:
            self.respond_error(msg, errno.ENOSYS, f"No service matching {msg.topic} is registered")
        elif not (msg.type == FLUX_MSGTYPE_RESPONSE and msg.matchtag):
            self._inbox.append(msg)

    def _call(self, callback: Handler, msg: Message) -> None:
        self._defer(lambda: callback(msg))

    def _fail(self, exc: OSError) -> None:
        """The connection is gone: every pending RPC fails with ``exc``."""
        self._lost = exc
        rpcs, self._rpcs = list(self._rpcs.values()), {}
        for rpc in rpcs:
            rpc.fulfill_error(exc.errno or errno.ECONNRESET, exc.strerror)

    def _check(self) -> None:
        if self._lost is not None:
            raise error(self._lost.errno or errno.ECONNRESET, self._lost.strerror)
