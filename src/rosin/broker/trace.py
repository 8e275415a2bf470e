# SPDX-License-Identifier: LGPL-3.0-or-later
"""What ``module.trace`` and ``overlay.trace`` show: the messages that pass, filtered, as objects."""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_MSGTYPE_ANY, FLUX_MSGTYPE_RESPONSE
from rosin.errors import FormatError
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.rfc.message import Message


class Trace:
    """One request ``{typemask, topic_glob, names?, full?}`` and what it has not been answered yet.

    ``names`` limits a trace to some modules (absent: all), ``full`` asks for payloads. Raises FormatError.
    """

    def __init__(self, args: dict[str, Any], peer: int | None = None) -> None:
        #: The only other broker whose messages are shown; None: all.
        self._peer = peer
        self._typemask = field(args, "typemask", int, FLUX_MSGTYPE_ANY)
        self._glob = field(args, "topic_glob", str, "*")
        names = field(args, "names", (list, type(None)), None)
        self._names = frozenset(map(str, names)) if names else None
        self._full = field(args, "full", bool, False)
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def record(self, prefix: str, name: str, msg: Message, now: float, rank: int = -1) -> None:
        """Note that *msg* was sent (``tx``) or received (``rx``) by the module *name*, if that is wanted.

        ``rank`` is that of the other broker, if it passes between brokers.
        """
        if self._peer is not None and rank not in (self._peer, -1):
            return
        if not msg.type & self._typemask or not fnmatchcase(msg.topic, self._glob):
            return
        if self._names is not None and name not in self._names:
            return
        errnum = msg.errnum if msg.type == FLUX_MSGTYPE_RESPONSE else 0
        self._queue.put_nowait(
            {
                "timestamp": now,
                "prefix": prefix,
                "rank": rank,
                "name": name,
                "type": msg.type,
                "topic": msg.topic,
                "payload_size": 0 if errnum else len(msg.raw),
                "payload": _json_payload(msg) if self._full and not errnum else None,
                "errnum": errnum,
                "errstr": _text(msg) if self._full and errnum else "",
            }
        )

    async def next(self) -> dict[str, Any]:
        """The next message on record, when there is one."""
        return await self._queue.get()


def _json_payload(msg: Message) -> Any:
    """The payload if it is JSON, None for raw ones such as blobs."""
    try:
        return msg.data
    except FormatError:
        return None


def _text(msg: Message) -> str:
    return msg.raw.rstrip(b"\0").decode(errors="replace")
