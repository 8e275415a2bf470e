# SPDX-License-Identifier: LGPL-3.0-or-later
"""Watchers of the blocking handle's reactor, with upstream's names, arguments and callback arguments.

A watcher is made stopped. ``start``, ``stop``, ``ref`` and ``unref`` return it. A reactor runs as long as
a watcher that has been started and not unreferenced may still fire.
"""

from __future__ import annotations

import errno
import select

from rosin.constants import (
    FLUX_POLLERR,
    FLUX_POLLIN,
    FLUX_POLLOUT,
    FLUX_ROLE_OWNER,
)
from rosin.handle.checks import check_text
from rosin.handle.handle import MessageHandler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, Self

    from rosin.handle.handle import Receiver
    from rosin.handle.reactor import Reactor
    from rosin.rfc.message import Message

    class Host(Receiver, Protocol):
        """What a watcher needs of its handle, which its callback gets."""

        reactor: Reactor

        def add_watcher(self, watcher: Watcher) -> Any: ...
        def del_watcher(self, watcher: Watcher) -> None: ...
        def shown(self, msg: Message) -> Any: ...


_SIGNALS = 65  # one more than the highest signal


class Watcher:
    """Something the reactor watches between :meth:`start` and :meth:`stop`; a context manager does both."""

    def __init__(
        self, flux_handle: Host, callback: Callable[..., Any] | None = None, args: Any = None
    ) -> None:
        self.flux_handle = flux_handle
        self.callback = callback
        self.args = args
        self.started = False
        self.passive = False
        flux_handle.add_watcher(self)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Begin to watch."""
        if not self.started:
            self.started = True
            self._start()
        return self

    def stop(self) -> Self:
        """Watch no more."""
        if self.started:
            self.started = False
            self._stop()
        return self

    def ref(self) -> Self:
        """Keep the reactor running while this is started, as at first."""
        return self._set_passive(False)

    def unref(self) -> Self:
        """Do not keep the reactor running."""
        return self._set_passive(True)

    def _set_passive(self, passive: bool) -> Self:
        if passive != self.passive:
            started = self.started
            self.stop()
            self.passive = passive
            if started:
                self.start()
        return self

    def destroy(self) -> None:
        """Stop for good."""
        self.stop()
        self.flux_handle.del_watcher(self)

    def _start(self) -> None:
        raise NotImplementedError

    def _stop(self) -> None:
        raise NotImplementedError

    def _call(self, *args: Any) -> None:
        if self.callback is not None:
            self.callback(self.flux_handle, self, *args, self.args)


class TimerWatcher(Watcher):
    """Fires once after ``after`` seconds, then every ``repeat`` seconds if that is not 0."""

    def __init__(
        self,
        flux_handle: Host,
        after: float,
        callback: Callable[..., Any],
        repeat: float = 0,
        args: Any = None,
    ) -> None:
        if after < 0 or repeat < 0:
            raise OSError(errno.EINVAL, f"a timer cannot fire after {after} s and every {repeat} s")
        self.after = float(after)
        self.repeat = float(repeat)
        self._timer: Any = None
        super().__init__(flux_handle, callback, args)

    def _start(self) -> None:
        self._timer = self.flux_handle.reactor.timer(self.after, self._fire, self.repeat, self.passive)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def reset(self, after: float | None = None, repeat: float | None = None) -> None:
        """Start again, with new times for those that are given."""
        self.after = self.after if after is None else float(after)
        self.repeat = self.repeat if repeat is None else float(repeat)
        self.stop()
        self.start()

    def _fire(self) -> None:
        if not self.repeat:
            self.stop()
        self._call(0)


class FDWatcher(Watcher):
    """Fires when a descriptor is ready for ``events`` (FLUX_POLLIN, FLUX_POLLOUT)."""

    def __init__(
        self,
        flux_handle: Host,
        fd_int: int,
        events: int,
        callback: Callable[..., Any],
        args: Any = None,
    ) -> None:
        self.fd_int = fd_int
        self.events = events
        super().__init__(flux_handle, callback, args)

    def _start(self) -> None:
        mask = (select.POLLIN if self.events & FLUX_POLLIN else 0) | (
            select.POLLOUT if self.events & FLUX_POLLOUT else 0
        )
        self.flux_handle.reactor.add_fd(self.fd_int, self._fire, mask, self.passive)

    def _stop(self) -> None:
        self.flux_handle.reactor.remove_fd(self.fd_int, self._fire)

    def _fire(self, revents: int) -> None:
        flags = FLUX_POLLIN if revents & (select.POLLIN | select.POLLHUP) else 0
        flags |= FLUX_POLLOUT if revents & select.POLLOUT else 0
        flags |= FLUX_POLLERR if revents & (select.POLLERR | select.POLLNVAL) else 0
        self._call(self.fd_int, flags)


class SignalWatcher(Watcher):
    """Fires when a signal arrives."""

    def __init__(
        self, flux_handle: Host, signal_int: int, callback: Callable[..., Any], args: Any = None
    ) -> None:
        if not 1 <= signal_int < _SIGNALS:
            raise OSError(errno.EINVAL, f"invalid signal number {signal_int}")
        self.signal_int = signal_int
        super().__init__(flux_handle, callback, args)

    def _start(self) -> None:
        self.flux_handle.reactor.add_signal(self.signal_int, self._call, self.passive)

    def _stop(self) -> None:
        self.flux_handle.reactor.remove_signal(self.signal_int)


class _PhaseWatcher(Watcher):
    """Fires in one phase of each turn of the reactor."""

    phase = ""

    def _start(self) -> None:
        self.flux_handle.reactor.add_phase(self.phase, self._fire, self.passive)

    def _stop(self) -> None:
        self.flux_handle.reactor.remove_phase(self.phase, self._fire)

    def _fire(self) -> None:
        self._call(0)


class PrepareWatcher(_PhaseWatcher):
    """Fires before the reactor waits."""

    phase = "prepare"

    def __init__(self, flux_handle: Host, callback: Callable[..., Any], args: Any = None) -> None:
        super().__init__(flux_handle, callback, args)


class CheckWatcher(_PhaseWatcher):
    """Fires after the reactor has waited, before descriptors are served."""

    phase = "check"

    def __init__(self, flux_handle: Host, callback: Callable[..., Any], args: Any = None) -> None:
        super().__init__(flux_handle, callback, args)


class IdleWatcher(_PhaseWatcher):
    """Keeps the reactor from waiting, and fires each time; the callback may be None."""

    phase = "idle"


class MessageWatcher(Watcher):
    """Fires for messages that match; where the sender lacks the role requests are refused with EPERM and
    events dropped."""

    def __init__(
        self,
        flux_handle: Host,
        type_mask: int,
        callback: Callable[..., Any],
        topic_glob: str | bytes | None = "*",
        match_tag: int = 0,
        rolemask: int | None = None,
        args: Any = None,
    ) -> None:
        glob = "*" if topic_glob is None else check_text(topic_glob, "topic_glob")
        super().__init__(flux_handle, callback, args)
        self.rolemask = FLUX_ROLE_OWNER | (rolemask or 0)
        self._handler = MessageHandler(flux_handle, self._fire, type_mask, glob, match_tag, self.rolemask)

    def _start(self) -> None:
        self._handler.start()

    def _stop(self) -> None:
        self._handler.stop()

    def _fire(self, msg: Message) -> None:
        self._call(self.flux_handle.shown(msg))
