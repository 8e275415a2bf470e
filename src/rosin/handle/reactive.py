# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a handle with a reactor of its own adds to the protocol core: callbacks, watchers, one thread at a
time.
"""

from __future__ import annotations

import errno
from _thread import get_ident

from rosin.constants import FLUX_MSGTYPE_ANY, FLUX_POLLIN, FLUX_POLLOUT
from rosin.handle.checks import InvalidArguments
from rosin.handle.future import error
from rosin.handle.handle import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rosin.handle.reactor import Reactor
    from rosin.handle.watchers import (
        CheckWatcher,
        FDWatcher,
        IdleWatcher,
        MessageWatcher,
        PrepareWatcher,
        SignalWatcher,
        TimerWatcher,
    )
    from rosin.rfc.message import Message

_NOWAIT = 1
_ONCE = 2


class _MadeOnDemand:
    """A reactor that is made when a handle is first asked for it: to wait for a response needs none.

    From then on it is an attribute like any other.
    """

    def __get__(self, handle: ReactorHandle | None, _owner: type) -> Any:
        if handle is None:  # asked of the class
            return self
        from rosin.handle.reactor import Reactor

        reactor = handle.__dict__["reactor"] = Reactor()
        handle._attach(reactor)
        return reactor


class ReactorHandle(Handle):
    """A handle whose callbacks run in :meth:`reactor_run`."""

    reactor: Reactor = _MadeOnDemand()  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self._owner: int | None = None
        self._depth = 0
        self._watchers: set[Any] = set()

    # -- one thread at a time ---------------------------------------------------------------------

    def _enter(self) -> None:
        me = get_ident()
        if self._owner is not None and self._owner != me:
            raise RuntimeError("Flux handle is in use by another thread; open one handle per thread")
        self._owner = me
        self._depth += 1

    def _exit(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None

    # -- reactor ----------------------------------------------------------------------------------

    def _attach(self, reactor: Reactor) -> None:
        """Let a new reactor watch what the handle receives from."""
        raise NotImplementedError

    def _made_reactor(self) -> Reactor | None:
        """The reactor, if it was ever needed."""
        return self.__dict__.get("reactor")

    def _busy(self) -> bool:
        return bool(self._handlers or self._events or any(rpc.wanted for rpc in self._rpcs.values()))

    def _defer(self, callback: Callable[[], None]) -> None:
        self.reactor.defer(callback)

    def _timer(self, after: float, callback: Callable[[], None]) -> Any:
        return self.reactor.timer(after, callback)

    def get_reactor(self) -> Reactor:
        """The reactor that :meth:`reactor_run` runs."""
        return self.reactor

    def reactor_run(self, reactor: Reactor | None = None, flags: int = 0) -> int:
        """Run callbacks until :meth:`reactor_stop`, or until nothing is left to wait for.

        Returns 0, or -1 after :meth:`reactor_stop_error`.

        ``flags``: FLUX_REACTOR_NOWAIT (1) only does what is ready, FLUX_REACTOR_ONCE (2) waits once.
        Exceptions of callbacks pass through, and the handle remains usable. Raises OSError for
        :meth:`reactor_stop_error`.
        """
        loop = self.reactor if reactor is None else reactor
        if not isinstance(loop, type(self.reactor)):
            raise InvalidArguments(f"reactor must be one of get_reactor(), not {type(reactor)}")
        if flags & ~(_NOWAIT | _ONCE):
            raise error(errno.EINVAL, f"reactor flags {flags:#x} are not NOWAIT (1) or ONCE (2)")
        self._enter()
        try:
            result = loop.run_once(0.0 if flags & _NOWAIT else -1.0) or 0 if flags else loop.run()
        finally:
            self._exit()
        return result

    def reactor_stop(self, reactor: Reactor | None = None) -> None:
        """Make :meth:`reactor_run` return."""
        (reactor or self.reactor).stop(0)

    def reactor_stop_error(self, reactor: Reactor | None = None) -> None:
        """Make :meth:`reactor_run` return -1."""
        (reactor or self.reactor).stop(-1)

    # -- watchers ---------------------------------------------------------------------------------

    def add_watcher(self, watcher: Any) -> Any:
        """Keep a watcher alive until :meth:`del_watcher`; returns it."""
        self._watchers.add(watcher)
        return watcher

    def del_watcher(self, watcher: Any) -> None:
        """Undo :meth:`add_watcher`."""
        self._watchers.discard(watcher)

    def timer_watcher_create(
        self, after: float, callback: Callable[..., Any], repeat: float = 0.0, args: Any = None
    ) -> TimerWatcher:
        """A (stopped) timer that calls ``callback(handle, watcher, revents, args)``."""
        from rosin.handle.watchers import TimerWatcher

        return TimerWatcher(self, after, callback, repeat, args)

    def fd_watcher_create(
        self, fd_int: int, callback: Callable[..., Any], events: int | None = None, args: Any = None
    ) -> FDWatcher:
        """A (stopped) descriptor watcher that calls ``callback(handle, watcher, fd, revents, args)``.

        ``events`` is FLUX_POLLIN, FLUX_POLLOUT or both; both by default.
        """
        from rosin.handle.watchers import FDWatcher

        return FDWatcher(
            self, fd_int, FLUX_POLLIN | FLUX_POLLOUT if events is None else events, callback, args
        )

    def signal_watcher_create(
        self, signum: int, callback: Callable[..., Any], args: Any = None
    ) -> SignalWatcher:
        """A (stopped) signal watcher that calls ``callback(handle, watcher, signum, args)``."""
        from rosin.handle.watchers import SignalWatcher

        return SignalWatcher(self, signum, callback, args)

    def prepare_watcher_create(self, callback: Callable[..., Any], args: Any = None) -> PrepareWatcher:
        """A (stopped) watcher that calls ``callback(handle, watcher, 0, args)`` before the reactor waits."""
        from rosin.handle.watchers import PrepareWatcher

        return PrepareWatcher(self, callback, args)

    def check_watcher_create(self, callback: Callable[..., Any], args: Any = None) -> CheckWatcher:
        """A (stopped) watcher that calls ``callback(handle, watcher, 0, args)`` after the reactor has
        waited.
        """
        from rosin.handle.watchers import CheckWatcher

        return CheckWatcher(self, callback, args)

    def idle_watcher_create(
        self, callback: Callable[..., Any] | None = None, args: Any = None
    ) -> IdleWatcher:
        """A (stopped) watcher that keeps the reactor from waiting."""
        from rosin.handle.watchers import IdleWatcher

        return IdleWatcher(self, callback, args)

    def shown(self, msg: Message) -> Any:
        """A message as message watchers and ``recv`` give it to the program: as it is."""
        return msg

    def msg_watcher_create(
        self,
        callback: Callable[..., Any],
        type_mask: int = FLUX_MSGTYPE_ANY,
        topic_glob: str | bytes | None = "*",
        args: Any = None,
        match_tag: int = 0,
        rolemask: int | None = None,
    ) -> MessageWatcher:
        """A (stopped) message watcher that calls ``callback(handle, watcher, message, args)``."""
        from rosin.handle.watchers import MessageWatcher

        return MessageWatcher(self, type_mask, callback, topic_glob, match_tag, rolemask, args)
