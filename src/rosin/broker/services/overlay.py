# SPDX-License-Identifier: LGPL-3.0-or-later
"""``overlay`` and ``broker``: what can be asked of the tree (here of one broker) and of the process."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from rosin.broker.builtin import Builtin
from rosin.broker.module import DEFERRED, request_handler
from rosin.broker.trace import Trace
from rosin.broker.waiters import Waiter
from rosin.errors import FormatError
from rosin.handle import builtin
from rosin.rfc.payload import describe, field, list_field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rosin.rfc.message import Message


class OverlayService(Builtin):
    """overlay.health, overlay.topology, overlay.trace, overlay.stats-get."""

    name = "overlay"
    public_stats = True

    async def start(self) -> None:
        self._began = self.monotonic()
        self._watchers = self.waiters()

    @request_handler("health", allow_guest=True)
    def health(self, msg: Message) -> Any:
        answer = {
            "rank": self.broker.rank,
            "status": "full",
            "duration": self.monotonic() - self._began,
            "children": [],
        }
        if not msg.streaming:
            return answer
        self._watchers.add(Waiter(msg))
        self.respond(msg, answer)
        return DEFERRED

    async def stop(self) -> None:
        self._watchers.end()

    @request_handler("topology", allow_guest=True)
    def topology(self, msg: Message) -> dict[str, Any]:
        rank = field(msg.args, "rank", int)
        if rank != self.broker.rank:
            raise OSError(errno.ENOENT, f"overlay: rank {rank} is not in this subtree")
        return {"rank": rank, "size": 1, "children": []}

    @request_handler("trace")
    async def trace(self, msg: Message) -> AsyncIterator[dict[str, Any]]:
        """The messages exchanged with other ranks: none come while this is the only one."""
        trace = Trace(msg.args)
        while True:
            yield await trace.next()

    def stats(self) -> dict[str, Any]:
        return {
            "child-count": 0,
            "child-connected": 0,
            "parent-count": 0,
            "parent-rpc": 0,
            "child-rpc": 0,
        }


class BrokerService(Builtin):
    """broker.getenv, broker.setenv, broker.conf-builtin, and the ping of the broker itself."""

    name = "broker"
    listed = False

    @request_handler("getenv")
    def getenv(self, msg: Message) -> dict[str, Any]:
        names = list_field(msg.args, "names", str)
        for name in names:
            _check_name(name)
        return {"env": {name: os.environ[name] for name in names if name in os.environ}}

    @request_handler("setenv")
    def setenv(self, msg: Message) -> None:
        changes = field(msg.args, "env", dict)
        for name, value in changes.items():  # all of them before any is set
            _check_name(name)
            if value is not None and (not isinstance(value, str) or not _is_c_string(value)):
                raise FormatError(f"broker.setenv: value of {name} must be text without NUL, or null")
        for name, value in changes.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    @request_handler("conf-builtin", allow_guest=True)
    def conf_builtin(self, msg: Message) -> dict[str, Any]:
        known = builtin.paths()
        keys = list_field(msg.args, "keys", str)
        for key in keys:
            if key not in known:
                raise OSError(errno.EINVAL, f"{key} is invalid: expected {', '.join(known)}")
        return {"values": {key: known[key] for key in keys}}


def _check_name(name: str) -> None:
    """Raise FormatError unless the environment can hold a variable of this name."""
    if not name or "=" in name or not _is_c_string(name):
        raise FormatError(f"{describe(name)} is not the name of a variable: it is empty or has a '=' or NUL")


def _is_c_string(text: str) -> bool:
    """Whether the environment can hold a text: no NUL, and no half of a surrogate pair."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
