# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 3: Flux messages, their parts and the encoding used on UNIX sockets.

A :class:`Message` is a plain mutable record. Its payload is either the raw frame or an object that is
encoded to JSON only when the message leaves the process, so that two services of one broker exchange
objects. Whoever receives a message treats its payload as read-only.

Where the text of RFC 3 and flux-core differ, this codec follows flux-core: topics and route ids carry no
trailing NUL (the RFC's figures show one; it is tolerated on input), JSON payloads do.
"""

from __future__ import annotations

from _struct import Struct

from rosin import _json
from rosin.constants import (
    FLUX_MSGFLAG_NORESPONSE,
    FLUX_MSGFLAG_PAYLOAD,
    FLUX_MSGFLAG_PRIVATE,
    FLUX_MSGFLAG_ROUTE,
    FLUX_MSGFLAG_STREAMING,
    FLUX_MSGFLAG_TOPIC,
    FLUX_MSGTYPE_CONTROL,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_NODEID_ANY,
    FLUX_ROLE_NONE,
    FLUX_USERID_UNKNOWN,
)
from rosin.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROTO_MAGIC = 0x8E
PROTO_VERSION = 1
PROTO_SIZE = 20
#: Most parts of a message that is accepted, hops included: no tree is as deep, no chain of proxies as long.
MAX_PARTS = 1100
#: Hops of most messages.
_FEW = 8
#: JSON text of so many bytes cannot nest too deep.
_SHALLOW = 2 * _json.MAX_DEPTH
_HEADER = Struct(">BBBBIIII")
#: The same with the byte of its size in front, and what is the same in all messages in one piece.
_SIZED_HEADER = Struct(">3sBBIIII")
_BEGIN = bytes((PROTO_SIZE, PROTO_MAGIC, PROTO_VERSION))
_LONG = Struct(">I")
_BYTE = [bytes((size,)) for size in range(255)]
_TYPES = (FLUX_MSGTYPE_REQUEST, FLUX_MSGTYPE_RESPONSE, FLUX_MSGTYPE_EVENT, FLUX_MSGTYPE_CONTROL)
# Flags that follow from the parts a message has; all others are carried in ``Message.flags``.
_PART_FLAGS = FLUX_MSGFLAG_TOPIC | FLUX_MSGFLAG_PAYLOAD | FLUX_MSGFLAG_ROUTE


class _Unset:
    __slots__ = ()


_UNSET = _Unset()


class Message:
    """One Flux message (RFC 3).

    ``aux1`` and ``matchtag`` are the last two words of the header; ``nodeid``, ``errnum`` and ``seq`` are the
    names of ``aux1`` in requests, responses and events (control messages: type in ``aux1``, status in
    ``matchtag``). ``route`` is None without the route flag, else the stack of ids, the sender first and the
    newest hop last (the reverse of the wire, so that push and pop are cheap). ``flags`` holds the flags
    other than those that say which parts are present.
    """

    __slots__ = (
        "_obj",
        "_payload",
        "aux1",
        "flags",
        "matchtag",
        "rolemask",
        "route",
        "topic",
        "type",
        "userid",
    )

    nodeid: int
    errnum: int
    seq: int

    def __init__(
        self,
        type: int,
        topic: str = "",
        payload: object = None,
        *,
        flags: int = 0,
        userid: int = FLUX_USERID_UNKNOWN,
        rolemask: int = FLUX_ROLE_NONE,
        aux1: int = 0,
        matchtag: int = 0,
        route: list[bytes] | None = None,
    ) -> None:
        self.type, self.topic, self.flags = type, topic, flags
        self.userid, self.rolemask = userid, rolemask
        self.aux1, self.matchtag, self.route = aux1, matchtag, route
        if payload.__class__ is dict:  # nearly always
            self._payload: bytes | None = None
            self._obj: object = payload
        else:
            self.set_payload(payload)

    @classmethod
    def request(
        cls,
        topic: str,
        payload: object = None,
        nodeid: int = FLUX_NODEID_ANY,
        flags: int = 0,
        matchtag: int = 0,
    ) -> Message:
        """A request with an empty route stack; ``payload`` as in :meth:`set_payload`."""
        return _made(FLUX_MSGTYPE_REQUEST, topic, payload, flags, nodeid, matchtag, [])

    @classmethod
    def event(cls, topic: str, payload: object = None, flags: int = 0, seq: int = 0) -> Message:
        """An event; brokers number it when ``seq`` is 0."""
        return cls(FLUX_MSGTYPE_EVENT, topic, payload, flags=flags, aux1=seq)

    def response(self, payload: object = None, errnum: int = 0) -> Message:
        """The response to this request: same topic, matchtag, streaming flag and (copied) route."""
        flags, route = self.flags & FLUX_MSGFLAG_STREAMING, [] if self.route is None else self.route[:]
        return _made(FLUX_MSGTYPE_RESPONSE, self.topic, payload, flags, errnum, self.matchtag, route)

    def copy(self) -> Message:
        """A message that shares the payload but has its own header and route."""
        msg = Message.__new__(Message)
        for slot in Message.__slots__:
            setattr(msg, slot, getattr(self, slot))
        if self.route is not None:
            msg.route = self.route[:]
        return msg

    # -- header -----------------------------------------------------------------------------------

    @property
    def streaming(self) -> bool:
        """The flag of calls with several responses is set."""
        return bool(self.flags & FLUX_MSGFLAG_STREAMING)

    @property
    def noresponse(self) -> bool:
        """The flag of requests that are not to be answered is set."""
        return bool(self.flags & FLUX_MSGFLAG_NORESPONSE)

    @property
    def private(self) -> bool:
        """The flag of events for their sender and the owner is set."""
        return bool(self.flags & FLUX_MSGFLAG_PRIVATE)

    @property
    def sender(self) -> bytes:
        """Identity of the originating client: the first routing part pushed (RFC 6), b"" if there is none."""
        return self.route[0] if self.route else b""

    # -- payload ----------------------------------------------------------------------------------

    def set_payload(self, payload: object) -> None:
        """Set the payload: None (none), bytes (raw frame), str (JSON text; a NUL is added) or an object."""
        if payload is None or isinstance(payload, bytes):
            self._payload = payload
            self._obj = _UNSET
        elif isinstance(payload, str):
            self._payload = payload.encode() + b"\0"
            self._obj = _UNSET
        else:
            self._payload = None
            self._obj = payload

    @property
    def payload(self) -> bytes | None:
        """The payload frame as it goes on the wire, or None without one."""
        if self._payload is None and self._obj is not _UNSET:
            self._payload = _json.dumps(self._obj) + b"\0"
        return self._payload

    @payload.setter
    def payload(self, value: object) -> None:
        self.set_payload(value)

    @property
    def has_payload(self) -> bool:
        """There is a payload, perhaps an empty one."""
        return self._payload is not None or self._obj is not _UNSET

    @property
    def raw(self) -> bytes:
        """The payload frame, b"" without one."""
        return self.payload or b""

    @property
    def text(self) -> str:
        """The payload as a string without its NUL, "" without one. Raises FormatError if it is not UTF-8."""
        data = self.raw
        try:
            return (data[:-1] if data.endswith(b"\0") else data).decode()
        except UnicodeDecodeError:
            raise FormatError(f"{self.topic}: payload is not UTF-8 text") from None

    @property
    def data(self) -> Any:
        """The decoded JSON payload, or None without one. Raises FormatError if it is not JSON."""
        if self._obj is _UNSET:
            if self._payload is None:
                return None
            data = self._payload
            if len(data) > _SHALLOW and self.type == FLUX_MSGTYPE_REQUEST and _json.too_deep(data):
                raise FormatError(f"{self.topic}: payload nests deeper than {_json.MAX_DEPTH} levels")
            try:
                self._obj = _json.loads(data[:-1] if data.endswith(b"\0") else data)
            except (ValueError, RecursionError):
                raise FormatError(f"{self.topic}: payload is not JSON") from None
        return self._obj

    @property
    def args(self) -> dict[str, Any]:
        """The payload of a request that must be a JSON object. Raises FormatError if it is not."""
        data = self.data
        if data.__class__ is not dict:
            raise FormatError(f"{self.topic}: payload must be a JSON object")
        return data

    @property
    def optional_args(self) -> dict[str, Any]:
        """The payload of a request that may have none, a JSON object. Raises FormatError if it is another."""
        return self.args if self.has_payload else {}

    def __repr__(self) -> str:
        name = {1: "request", 2: "response", 4: "event", 8: "control"}.get(self.type, "?")
        return f"<Message {name} {self.topic} aux1={self.aux1} matchtag={self.matchtag}>"


def _made(
    type: int, topic: str, payload: object, flags: int, aux1: int, matchtag: int, route: list[bytes]
) -> Message:
    """What Message() makes, in half of the time: keywords cost."""
    msg = Message.__new__(Message)
    msg.type, msg.topic, msg.flags = type, topic, flags
    msg.userid, msg.rolemask = FLUX_USERID_UNKNOWN, FLUX_ROLE_NONE
    msg.aux1, msg.matchtag, msg.route = aux1, matchtag, route
    if payload.__class__ is dict:
        msg._payload, msg._obj = None, payload
    else:
        msg.set_payload(payload)
    return msg


# Other names of the same slot.
Message.nodeid = Message.errnum = Message.seq = vars(Message)["aux1"]


def encode(msg: Message) -> bytes:
    """Encode a message for a UNIX stream socket, without the transport's own header."""
    return b"".join(encode_parts(msg))


def encode_parts(msg: Message) -> list[bytes]:
    """What :func:`encode` joins, for who has something to put in front: a large payload is copied once."""
    flags = msg.flags & ~_PART_FLAGS
    parts: list[bytes] = []
    if msg.route is not None:
        flags |= FLUX_MSGFLAG_ROUTE
        for hop in reversed(msg.route):
            size = len(hop)
            parts += (_BYTE[size] if size < 255 else b"\xff" + _LONG.pack(size), hop)
        parts += (b"\0", b"")
    if msg.topic:
        flags |= FLUX_MSGFLAG_TOPIC
        topic = msg.topic.encode()
        size = len(topic)
        parts += (_BYTE[size] if size < 255 else b"\xff" + _LONG.pack(size), topic)
    payload = msg._payload
    if payload is None and msg._obj is not _UNSET:
        payload = msg.payload
    if payload is not None:
        flags |= FLUX_MSGFLAG_PAYLOAD
        size = len(payload)
        parts += (_BYTE[size] if size < 255 else b"\xff" + _LONG.pack(size), payload)
    pack = _SIZED_HEADER.pack
    parts.append(pack(_BEGIN, msg.type, flags, msg.userid, msg.rolemask, msg.aux1, msg.matchtag))
    return parts


def _split(buf: Any, end: int) -> list[bytes]:
    """The parts before the header, which starts at ``end``."""
    parts: list[bytes] = []
    pos = 0
    while pos < end:
        size = buf[pos]
        pos += 1
        if size == 255:
            if pos + 4 > end:
                raise FormatError("message: part size is cut off")
            size = _LONG.unpack_from(buf, pos)[0]
            pos += 4
        stop = pos + size
        if stop > end:
            raise FormatError(f"message: part of {size} bytes runs past the end")
        parts.append(bytes(buf[pos:stop]))
        pos = stop
        if pos > MAX_PARTS < len(parts):
            raise FormatError(f"message: more than {MAX_PARTS} parts")
    return parts


def decode(buf: bytes | memoryview, topicless: bool = False) -> Message:
    """Decode what :func:`encode` made; from a memoryview without copying it first.

    With ``topicless`` a message may lack its topic, for who answers that with an error. Raises FormatError
    for a bad header (magic, version, type), a part that runs past the end, too many parts, or parts that do
    not fit the flags.
    """
    end = len(buf) - PROTO_SIZE - 1
    if end < 0 or buf[end] != PROTO_SIZE:
        raise FormatError("message: the last part is not a 20-byte header")
    usual = _usual(buf, end) if buf.__class__ is bytes else None
    return usual or assemble(_split(buf, end), buf, end + 1, topicless)


def _usual(buf: Any, end: int) -> Message | None:
    """A message as nearly all are, with topic, payload and few hops, in one go; None for any other."""
    msg = Message.__new__(Message)
    head = _HEADER.unpack_from(buf, end + 1)
    magic, version, msg.type, flags, msg.userid, msg.rolemask, msg.aux1, msg.matchtag = head
    usual = flags & _PART_FLAGS == _PART_FLAGS and magic == PROTO_MAGIC and version == PROTO_VERSION
    if not usual or msg.type not in _TYPES:
        return None
    msg.flags = flags & ~_PART_FLAGS
    route: list[bytes] = []
    msg.route = route
    msg._obj = _UNSET
    at = 0
    try:
        while size := buf[at]:
            if size == 255 or len(route) == _FEW:
                return None
            at += size + 1
            route.append(buf[at - size : at])
        route.reverse()
        if (size := buf[at + 1]) == 255:
            return None
        at += size + 2
        msg.topic = topic = buf[at - size : at].decode().rstrip("\0")
        long = buf[at] == 255
        size = int.from_bytes(buf[at + 1 : at + 5], "big") if long else buf[at]
        at += size + (5 if long else 1)
        msg._payload = buf[at - size : at]
    except (IndexError, UnicodeDecodeError):  # a part runs past the end, say
        return None
    return msg if topic and at == end else None


def assemble(parts: list[bytes], buf: Any, start: int, topicless: bool) -> Message:
    """The message of its parts and its header, which starts at ``start``; errors as :func:`decode`."""
    msg = Message.__new__(Message)
    head = _HEADER.unpack_from(buf, start)
    magic, version, msg.type, flags, msg.userid, msg.rolemask, msg.aux1, msg.matchtag = head
    if magic != PROTO_MAGIC:
        raise FormatError(f"message: header magic is {magic:#04x}, expected {PROTO_MAGIC:#04x}")
    if version != PROTO_VERSION:
        raise FormatError(f"message: protocol version {version} is not supported")
    if msg.type not in _TYPES:
        raise FormatError(f"message: unknown message type {msg.type}")
    msg.flags = flags & ~_PART_FLAGS
    msg.route, msg.topic, msg._payload, msg._obj = None, "", None, _UNSET
    if flags & FLUX_MSGFLAG_ROUTE:
        try:
            delimiter = parts.index(b"")
        except ValueError:
            raise FormatError("message: route delimiter is missing") from None
        msg.route = parts[:delimiter][::-1]
        del parts[: delimiter + 1]
    wanted = bool(flags & FLUX_MSGFLAG_TOPIC) + bool(flags & FLUX_MSGFLAG_PAYLOAD)
    if len(parts) != wanted:
        raise FormatError(f"message: {len(parts)} parts where the flags announce {wanted}")
    if flags & FLUX_MSGFLAG_TOPIC:
        try:
            msg.topic = topic = parts[0].decode().rstrip("\0")
        except UnicodeDecodeError:
            raise FormatError("message: topic is not UTF-8") from None
        if not topic and not topicless:
            raise FormatError("message: topic is empty")
    elif msg.type != FLUX_MSGTYPE_CONTROL and not topicless:
        raise FormatError("message: topic is missing")
    if flags & FLUX_MSGFLAG_PAYLOAD:
        msg._payload = parts[-1]
    return msg
