# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.core.handle: the handle with the arguments and results of flux-core's bindings."""

from __future__ import annotations

import errno
import threading
from contextlib import contextmanager
from socket import MSG_DONTWAIT
from typing import TYPE_CHECKING, Any

from flux._elsewhere import elsewhere
from flux.message import Message
from rosin.constants import FLUX_POLLIN, FLUX_POLLOUT
from rosin.handle.flux import Flux as _Flux
from rosin.rfc.message import Message as _Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.handle.reactor import Reactor

__all__ = ["Flux"]

__getattr__ = elsewhere(__name__)


def _inner(message: Any) -> Any:
    """The message of the handle below; OSError (EINVAL) for what is none."""
    if isinstance(message, _Message):
        return message
    if not isinstance(message, Message):
        raise OSError(errno.EINVAL, f"expected a flux.message.Message, not {type(message)}")
    return message.handle


class _Thread(threading.local):
    reactor_depth = 0
    exception: BaseException | None = None


class Flux(_Flux):
    """:class:`rosin.handle.Flux` whose messages are :class:`flux.message.Message`.

    Calls that send without an answer return 0 and block where flux-core's do. ``close()`` is allowed here.
    """

    tls = _Thread()
    #: What the process of a broker module knows of it.
    module: Any = None

    # -- messages ---------------------------------------------------------------------------------

    def send(self, message: Message, flags: int = 0) -> int:
        """Send a message made by hand, an event mostly."""
        self._send(_inner(message))
        return 0

    def shown(self, msg: _Message) -> Message:
        return Message(handle=msg)

    def respond(self, message: Any, payload: object = None) -> None:
        super().respond(_inner(message), payload)

    def respond_error(self, message: Any, errnum: int, text: str | None = None) -> None:
        super().respond_error(_inner(message), errnum, text)

    # -- events -----------------------------------------------------------------------------------

    def event_create(self, topic: str | bytes, payload: object = None) -> Message:
        """An event that :meth:`send` publishes."""
        return Message.from_event_encode(topic, payload)

    def event_send(  # type: ignore[override]
        self, topic: str | bytes, payload: object = None, private: bool = False
    ) -> int:
        super().event_send(topic, payload, private)  # type: ignore[arg-type]
        return 0

    def event_subscribe(self, topic: str | bytes) -> int:  # type: ignore[override]
        super().event_subscribe(topic).get()  # type: ignore[arg-type]
        return 0

    def event_unsubscribe(self, topic: str | bytes) -> int:  # type: ignore[override]
        super().event_unsubscribe(topic).get()  # type: ignore[arg-type]
        return 0

    def pollfd(self) -> int:
        """A descriptor that is ready when messages have come."""
        return self.fileno()

    def pollevents(self) -> int:
        """FLUX_POLLOUT, and FLUX_POLLIN when a message can be received at once."""
        self._enter()
        try:
            self._read(MSG_DONTWAIT)
        finally:
            self._exit()
        return FLUX_POLLOUT | (FLUX_POLLIN if self._inbox else 0)

    def flags_get(self) -> int:
        """The flags of the connection: none."""
        return 0

    # -- reactor ----------------------------------------------------------------------------------

    @classmethod
    def reactor_running(cls) -> bool:
        """Whether this thread is inside :meth:`reactor_run`."""
        return cls.tls.reactor_depth > 0

    @classmethod
    def reactor_enter(cls) -> None:
        """Count a reactor that begins to run in this thread."""
        cls.tls.reactor_depth += 1

    @classmethod
    def reactor_exit(cls) -> None:
        """Undo :meth:`reactor_enter`."""
        cls.tls.reactor_depth -= 1

    @contextmanager
    def in_reactor(self) -> Iterator[None]:
        """The time in which a reactor runs."""
        self.reactor_enter()
        try:
            yield
        finally:
            self.reactor_exit()

    @classmethod
    def set_exception(cls, exception: BaseException | None) -> BaseException | None:
        """What :meth:`reactor_run` is to raise at its end; returns what was set before."""
        previous, cls.tls.exception = cls.tls.exception, exception
        return previous

    @classmethod
    def raise_if_exception(cls) -> None:
        """Raise what :meth:`set_exception` has set, once."""
        exception = cls.set_exception(None)
        if exception is not None:
            raise exception from None

    def reactor_run(self, reactor: Reactor | None = None, flags: int = 0) -> int:
        with self.in_reactor():
            result = super().reactor_run(reactor, flags)
        self.raise_if_exception()
        return result
