# SPDX-License-Identifier: LGPL-3.0-or-later
"""What brokers say to each other about themselves: ``overlay.hello``, and control messages (RFC 3).

A broker introduces itself to the one above before anything else. Both are flux-core's.
"""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

from rosin.constants import FLUX_CORE_VERSION, FLUX_MSGTYPE_CONTROL, FLUX_ROLE_OWNER
from rosin.errors import FormatError
from rosin.rfc.message import Message
from rosin.rfc.payload import describe, field

#: How a broker and all below it are, in the order of their numbers on the wire.
STATUSES = ("unknown", "full", "partial", "degraded", "lost", "offline")
#: Those of a broker that is there.
ONLINE = ("full", "partial", "degraded")

HELLO, GOODBYE = "overlay.hello", "overlay.goodbye"
_MAX_UUID = 255
_MAX_SEQ = 2**32 - 1


class Control(enum.IntEnum):
    """Kinds of control messages between brokers."""

    HEARTBEAT = 0
    STATUS = 1
    DISCONNECT = 2


def control(kind: Control, status: str = STATUSES[0]) -> Message:
    """A control message; a status goes with STATUS."""
    return Message(FLUX_MSGTYPE_CONTROL, aux1=kind, matchtag=STATUSES.index(status), route=[])


def status_of(number: int) -> str:
    """The status with a number. Raises FormatError."""
    if not 0 <= number < len(STATUSES):
        raise FormatError(f"overlay: {number} is no status of a broker")
    return STATUSES[number]


def version_number(text: str = FLUX_CORE_VERSION) -> int:
    """A version as brokers compare it: ``MAJOR << 16 | MINOR << 8 | PATCH``."""
    major, minor, patch = (int(part) for part in text.split("."))
    return major << 16 | minor << 8 | patch


def version_text(number: int) -> str:
    """The reverse of :func:`version_number`."""
    return f"{number >> 16 & 0xFF}.{number >> 8 & 0xFF}.{number & 0xFF}"


def _uuid(args: Any) -> bytes:
    uuid = field(args, "uuid", str)
    if not 0 < len(uuid) < _MAX_UUID or not uuid.isascii() or not uuid.isprintable():
        raise FormatError(f"overlay.hello: {describe(uuid)} is no uuid")
    return uuid.encode()


def welcome(msg: Message) -> tuple[bytes, int | None]:
    """Read the answer to hello: the uuid of the broker above, and the number of the last event.

    None where it is flux-core's, which does not say. Raises FormatError.
    """
    seq = field(msg.args, "seq", int, None)
    if seq is not None and not 0 <= seq <= _MAX_SEQ:
        raise FormatError(f"overlay.hello: {seq} is no number of an event")
    return _uuid(msg.args), seq


class Hello(NamedTuple):
    """Who a broker says that it is."""

    rank: int
    version: int
    uuid: bytes
    status: str
    hostname: str | None = None

    def encode(self, userid: int) -> Message:
        """The request, as the owner of the instance."""
        msg = Message.request(
            HELLO,
            {
                "rank": self.rank,
                "version": self.version,
                "uuid": self.uuid.decode(),
                "status": STATUSES.index(self.status),
                "hostname": self.hostname,
            },
        )
        msg.userid, msg.rolemask = userid, FLUX_ROLE_OWNER
        return msg

    @classmethod
    def decode(cls, msg: Message) -> Hello:
        """Read the request. Raises FormatError."""
        args = msg.args
        uuid = _uuid(args)
        rank, version = (field(args, key, int) for key in ("rank", "version"))
        status = status_of(field(args, "status", int))
        if status not in ONLINE:
            raise FormatError(f"overlay.hello: a broker that says hello is not {status}")
        return cls(rank, version, uuid, status, field(args, "hostname", (str, type(None)), None))
