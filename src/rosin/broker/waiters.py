# SPDX-License-Identifier: LGPL-3.0-or-later
"""Requests that wait for something, in order of arrival.

A client that disconnects is no longer waited for, a stream ends in ENODATA when its client cancels it by
matchtag (RFC 6), and all are answered when the service ends. What one client does costs what that client has
waiting, not what all have.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from rosin.rfc.message import Message


class Responder(Protocol):
    """Who answers requests: a broker module, or what stands for one."""

    def respond(self, request: Message, payload: Any = None, /) -> None:
        """Answer a request."""

    def respond_error(self, request: Message, errnum: int, text: str | None = None, /) -> None:
        """Answer a request with an error."""


class Waiter:
    """A request, and the key of what it waits for. A service that has more to remember extends it."""

    __slots__ = ("key", "msg")

    def __init__(self, msg: Message, key: Any = None) -> None:
        self.msg = msg
        self.key = key


W = TypeVar("W", bound=Waiter)
#: In place of a key: whatever they wait for.
ANY: Any = object()


class Waiters(Generic[W]):
    """The requests that wait. What is taken or dropped is forgotten without an answer, what ends has one."""

    __slots__ = ("_by_key", "_by_sender", "_responder")

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._by_key: dict[Any, dict[W, None]] = {}
        self._by_sender: dict[bytes, dict[int, dict[W, None]]] = {}  # sender: matchtag: waiters

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def __len__(self) -> int:
        return sum(map(len, self._by_key.values()))

    def __iter__(self) -> Iterator[W]:
        return iter(self.of(ANY))

    def __contains__(self, key: Any) -> bool:
        return key in self._by_key

    def keys(self) -> Collection[Any]:
        """What somebody waits for."""
        return self._by_key.keys()

    def of(self, key: Any) -> list[W]:
        """Those with this key; all, key by key, for ANY."""
        if key is ANY:
            return [waiter for waiters in self._by_key.values() for waiter in waiters]
        return list(self._by_key.get(key, ()))

    def count(self, key: Any) -> int:
        """How many have this key."""
        return len(self._by_key.get(key, ()))

    def by(self, sender: bytes, matchtag: int | None = None) -> list[W]:
        """Those of a client; with this matchtag, if one is given."""
        tags = self._by_sender.get(sender, {})
        if matchtag is not None:
            return list(tags.get(matchtag, ()))
        return [waiter for waiters in tags.values() for waiter in waiters]

    def named(self, msg: Message) -> list[W]:
        """Those that a request is about, by its payload: ``{"matchtag": N}`` of the same client.

        Raises FormatError.
        """
        return self.by(msg.sender, field(msg.args, "matchtag", int))

    def waits(self, waiter: W) -> bool:
        """It has not been forgotten."""
        return waiter in self._by_key.get(waiter.key, ())

    def add(self, waiter: W) -> W:
        """Let a request wait behind all others."""
        key, sender, tag = waiter.key, waiter.msg.sender, waiter.msg.matchtag
        if key in self._by_key:
            self._by_key[key][waiter] = None
        else:
            self._by_key[key] = {waiter: None}
        tags = self._by_sender.get(sender)
        if tags is None:
            self._by_sender[sender] = {tag: {waiter: None}}
        elif tag in tags:
            tags[tag][waiter] = None
        else:
            tags[tag] = {waiter: None}
        return waiter

    def discard(self, waiter: W) -> bool:
        """Forget one. False: it does not wait (any more)."""
        if not self.waits(waiter):
            return False
        waiters = self._by_key[waiter.key]
        del waiters[waiter]
        if not waiters:
            del self._by_key[waiter.key]
        self._leave(waiter)
        return True

    def _leave(self, waiter: W) -> None:
        """Forget of which client it is."""
        msg = waiter.msg
        sender, tag = msg.sender, msg.matchtag
        tags = self._by_sender[sender]
        waiters = tags[tag]
        del waiters[waiter]
        if not waiters:
            del tags[tag]
            if not tags:
                del self._by_sender[sender]

    def take(self, key: Any = ANY, where: Callable[[W], bool] | None = None) -> list[W]:
        """Forget those with this key (and of them those that *where* accepts), for who answers them."""
        if where is None and key is not ANY:  # nearly always, and mostly there is none or one
            taken = list(self._by_key.pop(key, ()))
            for waiter in taken:
                self._leave(waiter)
            return taken
        taken = self.of(key) if where is None else [waiter for waiter in self.of(key) if where(waiter)]
        for waiter in taken:
            self.discard(waiter)
        return taken

    def drop(self, sender: bytes) -> list[W]:
        """A client is gone: forget what it waited for."""
        dropped = self.by(sender)
        for waiter in dropped:
            self.discard(waiter)
        return dropped

    def respond(self, payload: Any = None, key: Any = ANY) -> None:
        """Answer those with this key; they go on waiting, for the next response of their stream."""
        for waiter in self.of(key):
            self._responder.respond(waiter.msg, payload)

    def fulfil(self, payload: Any = None, key: Any = ANY, where: Callable[[W], bool] | None = None) -> None:
        """Answer those with this key (and of them those that *where* accepts): they wait no more."""
        for waiter in self.take(key, where):
            self._responder.respond(waiter.msg, payload)

    def end(
        self,
        errnum: int = errno.ENODATA,
        text: str | None = None,
        key: Any = ANY,
        where: Callable[[W], bool] | None = None,
    ) -> None:
        """Answer them with an error; ENODATA is the end of a stream."""
        for waiter in self.take(key, where):
            self._responder.respond_error(waiter.msg, errnum, text)

    def cancel(self, msg: Message) -> None:
        """End the streams that a cancel request is about (see :meth:`named`). Raises FormatError."""
        for waiter in self.named(msg):
            self.discard(waiter)
            self._responder.respond_error(waiter.msg, errno.ENODATA)
