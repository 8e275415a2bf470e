# SPDX-License-Identifier: LGPL-3.0-or-later
"""The shell's handle: a blocking one that can hold requests back to send them in one write, that tells at
once when its broker is gone, and that may look for the next one.

While there is no broker, requests are kept. When there is one again, ``on_back`` is called, which can speak
to it by :meth:`ShellHandle.ask`; :meth:`ShellHandle.go_on` then sends all that was asked for and not
answered. What others asked of the shell is forgotten, as they were told by their own broker's end.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import ref

from rosin.constants import FLUX_MSGTYPE_REQUEST
from rosin.handle import flux
from rosin.handle.flux import Flux
from rosin.handle.framing import frame
from rosin.handle.stream import ConnectionLost, Stream

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.handle.rpc import RPC
    from rosin.rfc.message import Message

#: Seconds between two attempts to reach the next broker.
RETRY = 0.25
#: Requests that say for the whole connection what this shell is, and wants to hear.
_STANDING = ("service.add", "event.subscribe")


class ShellHandle(Flux):
    """``with handle.corked(): ...`` sends what is requested inside in one write."""

    def __init__(self, uri: str | None = None) -> None:
        super().__init__(uri)
        self._held: list[bytes] | None = None
        self.on_lost: Callable[[OSError], None] | None = None
        #: Requests are remembered for a next broker.
        self.remembers = False
        #: Seconds for which to look for it; 0: a broker that is gone is lost.
        self.patience = 0.0
        #: Called when a broker is gone for which another one may come, and when that has come.
        self.on_away: Callable[[], None] = lambda: None
        self.on_back: Callable[[], None] = lambda: None
        self._until: float | None = None  # without a broker, or without being understood by it
        self._direct = False
        self._asked: dict[int, Message] = {}
        self._standing: list[Message] = []

    @property
    def lost(self) -> bool:
        """The broker is gone for good."""
        return self._lost is not None

    def corked(self) -> _Cork:
        """A context in which requests are collected."""
        return _Cork(self)

    @property
    def away(self) -> bool:
        """There is no broker that serves this shell."""
        return self._until is not None

    def _send(self, msg: Message) -> None:
        if self.remembers and msg.type == FLUX_MSGTYPE_REQUEST and msg.matchtag:
            self._remember(msg)
        if self._until is not None and (not self._direct or self._stream is None):
            return
        if self._held is None:
            super()._send(msg)
            return
        self._check()
        self._held.append(frame(msg))

    def _remember(self, msg: Message) -> None:
        if msg.topic in _STANDING:
            self._standing.append(msg)
        elif not self._direct:
            if len(self._asked) > 2 * len(self._rpcs) + 16:
                self._asked = {tag: asked for tag, asked in self._asked.items() if tag in self._rpcs}
            self._asked[msg.matchtag] = msg

    def _fail(self, exc: OSError) -> None:
        super()._fail(exc)
        if self.on_lost is not None:
            self.on_lost(exc)

    # -- another broker ---------------------------------------------------------------------------

    def _disconnected(self, errnum: int) -> None:
        if not self.patience:
            super()._disconnected(errnum)
            return
        self._drop()
        self._rpcs = {tag: rpc for tag, rpc in self._rpcs.items() if tag in self._asked}
        if self._until is None:
            self._until = time.monotonic() + self.patience
            self.on_away()
        self.reactor.timer(RETRY, self._reconnect)

    def _reconnect(self) -> None:
        if self._until is None or self._stream is not None or self._lost is not None:
            return
        try:
            self._stream = Stream(flux._connect(self.uri))
        except OSError as exc:
            if time.monotonic() < self._until:
                self.reactor.timer(RETRY, self._reconnect)
            else:
                self.give_up(exc.errno or errno.ECONNRESET)
            return
        flux._open[id(self)] = ref(self)
        self._attach(self.reactor)
        self.on_back()

    def ask(self, topic: str, payload: dict[str, Any]) -> RPC:
        """Send a request to a broker that has just come; it is forgotten when that goes, too."""
        self._direct = True
        try:
            return self.rpc(topic, payload)
        finally:
            self._direct = False

    def renew(self) -> None:
        """Tell a broker that has just come what this shell wants to hear."""
        self._stand("event.subscribe")

    def _stand(self, topic: str) -> None:
        for msg in self._standing:
            if msg.topic == topic:  # nobody waits for answers to what was answered before
                super()._send(msg)

    def go_on(self) -> None:
        """This broker serves the shell: send what was asked for and not answered."""
        self._until = None
        self._stand("service.add")  # what it would have been asked earlier it could not have answered
        for tag in self._rpcs:
            if tag in self._asked:
                super()._send(self._asked[tag])

    def again(self) -> None:
        """This broker does not serve the shell, or not yet."""
        self._disconnected(errno.ECONNRESET)

    def give_up(self, errnum: int = errno.ECONNRESET) -> None:
        """Look for no other broker."""
        self.patience, self._until = 0.0, None
        self._disconnected(errnum)

    def _read(self, flags: int) -> None:
        if self._stream is None and self._until is not None and not flags:
            self.give_up()  # who waits for an answer keeps everything else from going on
        super()._read(flags)

    # -- requests that are held back --------------------------------------------------------------

    def _wait(self, future: Future, timeout: float) -> None:
        if self._held:  # what is waited for may depend on it
            self._release()
            self._hold()
        super()._wait(future, timeout)

    def _hold(self) -> None:
        self._held = []

    def _release(self) -> None:
        held, self._held = self._held or [], None
        if held and self._stream is not None:
            try:
                self._stream.send(b"".join(held))
            except ConnectionLost as exc:
                self._disconnected(exc.errnum)


class _Cork:
    def __init__(self, handle: ShellHandle) -> None:
        self._handle = handle

    def __enter__(self) -> None:
        self._handle._hold()

    def __exit__(self, *_exc: object) -> None:
        self._handle._release()
