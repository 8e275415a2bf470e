# SPDX-License-Identifier: LGPL-3.0-or-later
"""``log``: append to, read and follow the broker's log."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.builtin import Builtin
from rosin.broker.logsinks import apply_levels
from rosin.broker.module import DEFERRED, request_handler
from rosin.broker.waiters import Waiter
from rosin.constants import FLUX_NODEID_UPSTREAM, FLUX_RPC_NORESPONSE
from rosin.rfc.payload import field
from rosin.rfc.syslog import LogLine
from rosin.rfc.syslog import encode as encode_log

if TYPE_CHECKING:
    from rosin.rfc.message import Message

#: Bytes of a line; of a longer one the beginning is kept.
MAX_LINE = 64 << 10
#: Lines that a broker passes on in so many seconds, its own and those of all below it: rank 0 must not drown.
FORWARDED, FORWARD_SECONDS = 1000, 1.0


class LogService(Builtin):
    """log.append, log.dmesg, log.clear, log.cancel, log.setattr."""

    name = "log"
    listed = False

    async def start(self) -> None:
        self._follows = self.waiters()
        self.broker.ring.listeners.add(self._new_line)
        self._forwarded = self._unsent = 0
        if self.broker.rank:
            self.broker.ring.forward = self._forward

    def _forward(self, line: bytes) -> bool:
        """Pass a line on towards rank 0, unless there are too many; False: there is no broker above."""
        if self.broker.router.parent is None:
            return False
        if not self._forwarded:
            self.call_later(FORWARD_SECONDS, self._forward_again)
        self._forwarded += 1
        if self._forwarded > FORWARDED:
            self._unsent += 1
        else:
            self._send(line)
        return True

    def _forward_again(self) -> None:
        unsent, self._forwarded, self._unsent = self._unsent, 0, 0
        if unsent:
            text = f"{unsent} more lines in {FORWARD_SECONDS:g}s were not passed on"
            self._send(
                encode_log(3, text, appname="log", hostname=str(self.broker.rank), timestamp=self.now())
            )

    def _send(self, line: bytes) -> None:
        self.h.rpc("log.append", line + b"\0", FLUX_NODEID_UPSTREAM, FLUX_RPC_NORESPONSE)

    @request_handler("append")
    def append(self, msg: Message) -> None:
        line = msg.raw[:MAX_LINE].rstrip(b"\0\n")
        LogLine(line)  # raises FormatError: what is kept must be understood by all who read the log
        self.broker.ring.append(line)

    @request_handler("dmesg")
    def dmesg(self, msg: Message) -> Any:
        follow = field(msg.args, "follow", bool)
        if not msg.streaming:
            raise OSError(errno.EPROTO, "log.dmesg requires the streaming flag")
        if not field(msg.args, "nobacklog", bool, False):
            for line in self.broker.ring.lines:
                self.respond(msg, line + b"\0")
        if follow:
            self._follows.add(Waiter(msg))
        else:
            self.respond_error(msg, errno.ENODATA)
        return DEFERRED

    def _new_line(self, line: bytes) -> None:
        self._follows.respond(line + b"\0")

    @request_handler("cancel")
    def cancel(self, msg: Message) -> Any:
        self._follows.cancel(msg)
        return DEFERRED

    async def stop(self) -> None:
        self.broker.ring.forward = None
        self._follows.end()

    @request_handler("clear")
    def clear(self, _msg: Message) -> None:
        self.broker.ring.lines.clear()

    @request_handler("setattr")
    def setattr(self, msg: Message) -> None:
        name, value = field(msg.args, "name", str), field(msg.args, "value", str)
        if not name.startswith("log-"):
            raise OSError(errno.EINVAL, f"{name}: not an attribute of the log")
        self.broker.attrs.set(name, value)
        apply_levels(self.broker.ring, self.broker.attrs)

    def stats(self) -> dict[str, Any]:
        ring = self.broker.ring
        return {"ring-used": len(ring.lines), "ring-size": ring.lines.maxlen, "count": ring.count}
