# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13 between shells: the keys that were put before a barrier, gathered and given out over a tree.

A shell adds its own keys to those of the shells below it, asks the one above it (``pmi-exchange``, whose
payload and answer are the keys themselves, as flux-core's are), and gives what that one answers to those
below. Where shells outlive their brokers the same may be asked again, so the payload says who asks, and in
which barrier: ``{"rank":R,"barrier":N,"keys":{...}}``.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc.payload import field, int_field
from rosin.shell.service import LATER

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.future import Future
    from rosin.rfc.message import Message
    from rosin.shell.plugins.api import Api

    Keys = dict[str, str]

METHOD = "pmi-exchange"
#: Shells below each one.
FANOUT = 2
_MAX_BARRIERS = 1 << 62


class Exchange:
    """One shell's place in the tree. ``done(keys)`` gets everybody's keys, None when the exchange has failed.

    A shell without tasks enters no barrier, so the tree is made of the others.
    """

    def __init__(self, shell: Api, done: Callable[[Keys | None], None]) -> None:
        """Takes the option ``pmi-simple.exchange.k``."""
        self._shell = shell
        self._done = done
        nodes = shell.info.resources.nodes
        members = [node.rank for node in nodes if node.ntasks]
        fanout = _fanout(shell, len(nodes))
        place = members.index(shell.info.node.rank) if shell.info.node.ntasks else len(members)
        below = range(fanout * place + 1, fanout * place + fanout + 1)
        self._above = members[(place - 1) // fanout] if place else None
        self._below = [members[number] for number in below if number < len(members)]
        self._again = bool(shell.startup.keep)
        self._barrier = 1
        self._answer: Keys | None = None  # of the barrier before: None: it has failed
        self._requests: dict[int, Message] = {}  # by rank of the shell below, else as they came
        self._keys: Keys = {}
        self._entered = self._asked = False
        shell.service.methods[METHOD] = self._request

    def enter(self, keys: Keys) -> None:
        """All tasks of this shell are in the barrier, and have put these keys."""
        self._entered = True
        self._keys |= keys
        self._advance()

    def _request(self, msg: Message) -> Any:
        if self._again:
            return self._numbered(msg)
        if len(self._requests) >= len(self._below):
            raise OSError(errno.EINPROGRESS, f"{METHOD}: all shells below are in the barrier already")
        return self._enter(len(self._requests), _keys(msg.args), msg)

    def _numbered(self, msg: Message) -> Any:
        rank, barrier = field(msg.args, "rank", int), int_field(msg.args, "barrier", 1, _MAX_BARRIERS)
        if rank not in self._below:
            raise OSError(errno.EINVAL, f"{METHOD}: the shell on rank {rank} is not below this one")
        if barrier == self._barrier:
            return self._enter(rank, _keys(field(msg.args, "keys", dict)), msg)
        if barrier != self._barrier - 1 or self._answer is None:
            raise OSError(errno.EIO, f"{METHOD}: barrier {barrier} has failed")
        return self._answer  # it has been answered, but that was lost

    def _enter(self, place: int, keys: Keys, msg: Message) -> Any:
        self._keys |= keys
        self._requests[place] = msg
        self._advance()
        return LATER

    def _advance(self) -> None:
        if not self._entered or self._asked or len(self._requests) < len(self._below):
            return
        if self._above is None:
            self._end(None)
            return
        self._asked = True
        payload: dict[str, Any] = self._keys
        if self._again:
            rank = self._shell.info.node.rank
            payload = {"rank": rank, "barrier": self._barrier, "keys": self._keys}
        self._shell.call(self._above, METHOD, payload, self._answered)

    def _answered(self, future: Future) -> None:
        try:
            self._keys |= _keys(future.get())
        except (OSError, FormatError) as error:
            self._end(f"{METHOD} request: {getattr(error, 'strerror', None) or error}")
        else:
            self._end(None)

    def _end(self, fault: str | None) -> None:
        """Let everybody out of the barrier, below this shell first."""
        requests, self._requests = self._requests, {}
        keys, self._keys = self._keys, {}
        self._entered = self._asked = False
        self._barrier += 1
        self._answer = keys if fault is None and self._again else None
        if fault is not None:
            self._shell.log.warn(fault, "pmi-simple")
        for msg in requests.values():
            if fault is None:
                self._shell.h.respond(msg, keys)
            else:
                self._shell.h.respond_error(msg, errno.EIO, fault)
        self._done(keys if fault is None else None)


def _fanout(shell: Api, size: int) -> int:
    wanted = shell.info.options.integer("pmi-simple.exchange.k", 0)
    if wanted <= 0:
        return FANOUT
    if shell.leader:
        large = "requested exchange fanout too large, " if wanted > size else ""
        shell.log.warn(f"{large}using k={min(wanted, size)}", "pmi-simple")
    return min(wanted, size)


def _keys(payload: Any) -> Keys:
    """Raises FormatError for what are no keys with values of text."""
    if not isinstance(payload, dict) or not all(isinstance(value, str) for value in payload.values()):
        raise FormatError(f"{METHOD}: expected an object of strings")
    return dict(payload)
