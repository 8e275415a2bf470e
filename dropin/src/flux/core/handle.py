# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.core.handle: the handle with the arguments and results of flux-core's bindings."""

from __future__ import annotations

import errno
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flux.message import Message, MessageWatcher
from rosin.constants import FLUX_MSGTYPE_ANY, FLUX_MSGTYPE_EVENT
from rosin.handle.flux import Flux as _Flux

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rosin.handle.reactor import Reactor

__all__ = ["Flux"]


def _inner(message: Any) -> Any:
    """The message of the handle below; OSError (EINVAL) for what is none."""
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

    # -- messages ---------------------------------------------------------------------------------

    def send(self, message: Message, flags: int = 0) -> int:
        """Send a message made by hand, an event mostly."""
        self._send(_inner(message))
        return 0

    def recv(
        self,
        type_mask: int = FLUX_MSGTYPE_ANY,
        match_tag: int = 0,
        topic_glob: str | bytes | None = None,
        flags: int = 0,
        timeout: float = -1.0,
    ) -> Message:
        return Message(handle=super().recv(type_mask, match_tag, topic_glob, flags, timeout))

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

    def event_recv(self, topic: str | bytes | None = None, timeout: float = -1.0) -> Message:
        return self.recv(FLUX_MSGTYPE_EVENT, topic_glob=topic, timeout=timeout)

    def event_subscribe(self, topic: str | bytes) -> int:  # type: ignore[override]
        super().event_subscribe(topic).get()  # type: ignore[arg-type]
        return 0

    def event_unsubscribe(self, topic: str | bytes) -> int:  # type: ignore[override]
        super().event_unsubscribe(topic).get()  # type: ignore[arg-type]
        return 0

    def msg_watcher_create(
        self,
        callback: Callable[..., Any],
        type_mask: int = FLUX_MSGTYPE_ANY,
        topic_glob: str | bytes | None = "*",
        args: Any = None,
        match_tag: int = 0,
        rolemask: int | None = None,
    ) -> MessageWatcher:
        return MessageWatcher(self, type_mask, callback, topic_glob, match_tag, rolemask, args)

    def pollfd(self) -> int:
        """A descriptor that is ready when messages have come."""
        return self.fileno()

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
