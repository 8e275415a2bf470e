# SPDX-License-Identifier: LGPL-3.0-or-later
"""The messages between a client and munged, the daemon behind mechanism ``munge`` of RFC 39.

It is the protocol of MUNGE 0.5 (version 4): one request and one response per connection on a UNIX socket, a
header of 11 bytes and a body, integers in network byte order, strings with their NUL counted. Who asks is
told by the socket. Both directions are here, so that tests have a daemon without munged.
"""

from __future__ import annotations

from struct import Struct

from rosin.errors import FormatError
from rosin.rfc.payload import describe

#: Where Debian's and most other builds of munged listen.
SOCKET = "/run/munge/munge.socket.2"

MAGIC = 0x00606D4B
VERSION = 4
ENC_REQ, ENC_RSP, DEC_REQ, DEC_RSP = 2, 3, 4, 5

#: Daemon's results by number. A credential that is EXPIRED, REWOUND or REPLAYED is decoded all the same.
STATUS = (
    "success",
    "internal error",
    "invalid argument",
    "exceeded maximum message length",
    "buffer overflow",
    "out of memory",
    "socket communication error",
    "socket timeout",
    "invalid credential format",
    "invalid credential version",
    "invalid cipher type",
    "invalid MAC type",
    "invalid compression type",
    "unrecognized security realm",
    "invalid credential",
    "expired credential",
    "rewound credential",
    "replayed credential",
    "unauthorized credential decode",
)
SUCCESS, BAD_LENGTH, BAD_CRED, CRED_EXPIRED, CRED_REWOUND, CRED_REPLAYED = 0, 3, 8, 15, 16, 17

#: User or group id of a credential that everybody may decode.
ANY = 0xFFFFFFFF
#: Largest body of a message.
MAX_BODY = 2 << 20
HEADER_SIZE = 11
_HEADER = Struct(">IBBBI")
_LONG = Struct(">I")
_IDS = Struct(">III")
_TIMES = Struct(">IIIIII")
_DEFAULTS = b"\1\1\1"  # cipher, MAC and compression as the daemon is configured


class Reply:
    """A response: ``status`` (index of :data:`STATUS`), ``text`` (of an error), ``data`` (credential or
    payload); of a decoded credential also ``uid``, ``gid`` (who made it), ``encode_time``, ``decode_time``
    (seconds since the epoch) and ``ttl`` (seconds)."""

    __slots__ = ("data", "decode_time", "encode_time", "gid", "status", "text", "ttl", "uid")

    def __init__(
        self,
        status: int,
        data: bytes = b"",
        text: str = "",
        uid: int = ANY,
        gid: int = ANY,
        encode_time: int = 0,
        decode_time: int = 0,
        ttl: int = 0,
    ) -> None:
        self.status = status
        self.data = data
        self.text = text
        self.uid = uid
        self.gid = gid
        self.encode_time = encode_time
        self.decode_time = decode_time
        self.ttl = ttl

    def error(self) -> str:
        """Return the daemon's text, or ours when it sent none."""
        known = STATUS[self.status] if self.status < len(STATUS) else f"error {self.status}"
        return self.text or known


# -- client ---------------------------------------------------------------------------------------


def encode_request(payload: bytes, ttl: int = 0, uid: int = ANY, gid: int = ANY, retry: int = 0) -> bytes:
    """The request for a credential of *payload* that *uid* and *gid* may decode for *ttl* seconds.

    A *ttl* of 0 is the daemon's default; *retry* counts the attempts before this one. FormatError: the
    payload is too large."""
    return _message(ENC_REQ, _DEFAULTS + b"\0" + _IDS.pack(ttl, uid, gid) + _data(payload), retry)


def decode_request(credential: str, retry: int = 0) -> bytes:
    """The request to decode *credential*. FormatError: it is not ASCII text, or too long."""
    if not credential.isascii() or "\0" in credential:
        raise FormatError("munge: the credential is not ASCII text")
    return _message(DEC_REQ, _data(credential.encode() + b"\0"), retry)


def parse_header(data: bytes) -> tuple[int, int, int]:
    """Return (type, retry count, length of the body) of the header of a message. Raises FormatError."""
    if len(data) != HEADER_SIZE:
        raise FormatError(f"munge: a header has {HEADER_SIZE} bytes, got {len(data)}")
    magic, version, kind, retry, length = _HEADER.unpack(data)
    if magic != MAGIC:
        raise FormatError(f"munge: magic is {magic:#010x}, expected {MAGIC:#010x}: this is not munged")
    if version != VERSION:
        raise FormatError(f"munge: protocol version {version} is not supported")
    if not ENC_REQ <= kind <= DEC_RSP or length > MAX_BODY:
        raise FormatError(f"munge: unexpected message of type {kind} with {length} bytes")
    return kind, retry, length


def parse_reply(kind: int, body: bytes) -> Reply:
    """Decode the body of a response of type *kind*. FormatError names the place."""
    cursor = _Cursor(body)
    status = cursor.byte("status")
    reply = Reply(status, text=cursor.string("error text"))
    if kind == DEC_RSP:
        cursor.take(3, "cipher, MAC and compression")
        cursor.string("realm")
        reply.ttl = cursor.long("ttl")
        cursor.take(cursor.byte("length of the address"), "address")
        reply.encode_time, reply.decode_time, reply.uid, reply.gid, _, _ = _TIMES.unpack(
            cursor.take(_TIMES.size, "times and ids")
        )
    elif kind != ENC_RSP:
        raise FormatError(f"munge: message type {kind} is no response")
    reply.data = cursor.take(cursor.long("length of the data"), "data")
    cursor.end()
    return reply


def credential(reply: Reply) -> str:
    """Return the text of the credential that an encode response holds. FormatError: it is no text."""
    try:
        text = reply.data.removesuffix(b"\0").decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if not text or "\0" in text or "." in text:
        raise FormatError(f"munge: {describe(reply.data)} is no credential")
    return text


# -- daemon ---------------------------------------------------------------------------------------


def parse_request(kind: int, body: bytes) -> tuple[bytes, int]:
    """Decode the body of a request: (payload or credential, ttl). FormatError names the place."""
    cursor = _Cursor(body)
    ttl = 0
    if kind == ENC_REQ:
        cursor.take(3, "cipher, MAC and compression")
        cursor.string("realm")
        ttl, _, _ = _IDS.unpack(cursor.take(_IDS.size, "ttl and ids"))
    elif kind != DEC_REQ:
        raise FormatError(f"munge: message type {kind} is no request")
    data = cursor.take(cursor.long("length of the data"), "data")
    cursor.end()
    return (data.removesuffix(b"\0") if kind == DEC_REQ else data), ttl


def encode_reply(kind: int, reply: Reply) -> bytes:
    """Encode a response of type *kind*, header included. FormatError: text or data that is too long."""
    text = reply.text.encode() + b"\0" if reply.text else b""
    if len(text) > 255:
        raise FormatError("munge: the error text is longer than 254 bytes")
    body = bytes((reply.status, len(text))) + text
    if kind == DEC_RSP:
        body += _DEFAULTS + b"\0" + _LONG.pack(reply.ttl) + b"\4\x7f\0\0\1"
        body += _TIMES.pack(reply.encode_time, reply.decode_time, reply.uid, reply.gid, ANY, ANY)
    return _message(kind, body + _data(reply.data))


# -- parts ----------------------------------------------------------------------------------------


def _data(data: bytes) -> bytes:
    return _LONG.pack(len(data)) + data


def _message(kind: int, body: bytes, retry: int = 0) -> bytes:
    if len(body) > MAX_BODY:
        raise FormatError(f"munge: a message of {len(body)} bytes is larger than {MAX_BODY}")
    return _HEADER.pack(MAGIC, VERSION, kind, min(retry, 255), len(body)) + body


class _Cursor:
    """Reads a body from front to back."""

    __slots__ = ("_at", "_body")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, size: int, what: str) -> bytes:
        end = self._at + size
        if end > len(self._body):
            raise FormatError(f"munge: the message ends at byte {len(self._body)}, within the {what}")
        data = self._body[self._at : end]
        self._at = end
        return data

    def byte(self, what: str) -> int:
        return self.take(1, what)[0]

    def long(self, what: str) -> int:
        return int(_LONG.unpack(self.take(4, what))[0])

    def string(self, what: str) -> str:
        data = self.take(self.byte(f"length of the {what}"), what)
        return data.removesuffix(b"\0").decode(errors="replace")

    def end(self) -> None:
        if self._at != len(self._body):
            raise FormatError(f"munge: {len(self._body) - self._at} bytes are left behind the message")
