# SPDX-License-Identifier: LGPL-3.0-or-later
"""Watchers of the blocking handle's reactor, with upstream's names and callback arguments."""

from __future__ import annotations

import errno
import select
from typing import TYPE_CHECKING, Any

from rosin.constants import (
    FLUX_MSGTYPE_REQUEST,
    FLUX_POLLERR,
    FLUX_POLLIN,
    FLUX_POLLOUT,
    FLUX_ROLE_OWNER,
)
from rosin.handle.handle import MessageHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.flux import Flux
    from rosin.rfc.message import Message


class Watcher:
    """Something the reactor watches between :meth:`start` and :meth:`stop`; a context manager does both."""

    def __init__(self, flux_handle: Flux, callback: Callable[..., Any], args: Any) -> None:
        self.flux_handle = flux_handle
        self.callback = callback
        self.args = args

    def __enter__(self) -> Watcher:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def destroy(self) -> None:
        """Stop for good."""
        self.stop()


class TimerWatcher(Watcher):
    """Fires once after ``after`` seconds, then every ``repeat`` seconds."""

    def __init__(
        self, flux_handle: Flux, after: float, callback: Callable[..., Any], repeat: float, args: Any
    ) -> None:
        super().__init__(flux_handle, callback, args)
        self.after = after
        self.repeat = repeat
        self._timer: Any = None

    def start(self) -> None:
        self.stop()
        self._timer = self.flux_handle.reactor.timer(self.after, self._fire, self.repeat)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def reset(self, after: float | None = None, repeat: float | None = None) -> None:
        """Start again with new times."""
        self.after = self.after if after is None else after
        self.repeat = self.repeat if repeat is None else repeat
        self.start()

    def _fire(self) -> None:
        self.callback(self.flux_handle, self, 0, self.args)


class FDWatcher(Watcher):
    """Fires when a descriptor is ready for ``events`` (FLUX_POLLIN, FLUX_POLLOUT)."""

    def __init__(
        self, flux_handle: Flux, fd: int, callback: Callable[..., Any], events: int | None, args: Any
    ) -> None:
        super().__init__(flux_handle, callback, args)
        self.fd = fd
        self.events = FLUX_POLLIN if events is None else events

    def start(self) -> None:
        mask = (select.POLLIN if self.events & FLUX_POLLIN else 0) | (
            select.POLLOUT if self.events & FLUX_POLLOUT else 0
        )
        self.flux_handle.reactor.add_fd(self.fd, self._fire, mask)

    def stop(self) -> None:
        self.flux_handle.reactor.remove_fd(self.fd)

    def _fire(self, revents: int) -> None:
        flags = FLUX_POLLIN if revents & (select.POLLIN | select.POLLHUP) else 0
        flags |= FLUX_POLLOUT if revents & select.POLLOUT else 0
        flags |= FLUX_POLLERR if revents & (select.POLLERR | select.POLLNVAL) else 0
        self.callback(self.flux_handle, self, self.fd, flags, self.args)


class SignalWatcher(Watcher):
    """Fires when a signal arrives."""

    def __init__(self, flux_handle: Flux, signum: int, callback: Callable[..., Any], args: Any) -> None:
        super().__init__(flux_handle, callback, args)
        self.signum = signum

    def start(self) -> None:
        self.flux_handle.reactor.add_signal(self.signum, self._fire)

    def stop(self) -> None:
        self.flux_handle.reactor.remove_signal(self.signum)

    def _fire(self, signum: int) -> None:
        self.callback(self.flux_handle, self, signum, self.args)


class MessageWatcher(Watcher):
    """Fires for messages that match; requests whose sender lacks the role are refused with EPERM."""

    def __init__(
        self,
        flux_handle: Flux,
        callback: Callable[..., Any],
        type_mask: int,
        topic_glob: str,
        match_tag: int,
        rolemask: int | None,
        args: Any,
    ) -> None:
        super().__init__(flux_handle, callback, args)
        self.rolemask = FLUX_ROLE_OWNER | (rolemask or 0)
        self._handler = MessageHandler(flux_handle, self._fire, type_mask, topic_glob, match_tag)

    def start(self) -> None:
        self._handler.start()

    def stop(self) -> None:
        self._handler.stop()

    def _fire(self, msg: Message) -> None:
        if msg.type == FLUX_MSGTYPE_REQUEST and not msg.rolemask & self.rolemask:
            self.flux_handle.respond_error(msg, errno.EPERM, "Request requires owner credentials")
            return
        self.callback(self.flux_handle, self, msg, self.args)
