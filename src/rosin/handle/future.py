# SPDX-License-Identifier: LGPL-3.0-or-later
"""Futures: one class for blocking, reactor and asyncio code.

A future is bound to a handle and holds a queue of results, because a streaming RPC answers many times
(RFC 6). Blocking code calls :meth:`Future.get`, reactor code :meth:`Future.then`, asyncio code awaits it;
``for`` and ``async for`` walk through a stream until its ENODATA.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
    from typing import Any, Protocol, Self

    class Host(Protocol):
        """What a future needs of its handle: to wait in the way of its kind, and to call back."""

        def _wait(self, future: Future, timeout: float) -> None: ...
        def _run_until(self, future: Future, timeout: float) -> None: ...
        def _waiter(self) -> Any: ...
        def _defer(self, callback: Callable[[], None]) -> None: ...
        def _timer(self, after: float, callback: Callable[[], None]) -> Any: ...

else:
    from _collections import deque  # collections itself imports a lot


def error(errnum: int, text: str | None = None) -> OSError:
    """The exception of a failed RPC: OSError (or its subclass for the errno) with the response's text."""
    return OSError(errnum, text or os.strerror(errnum))


def _stopped() -> None:
    """The callback of a future that calls back no more."""


class Future:
    """A result that arrives later; see the module's text."""

    __slots__ = ("_callback", "_listeners", "_results", "_scheduled", "_timer", "_waiters", "handle")

    def __init__(self, handle: Host) -> None:
        self.handle = handle
        self._results: deque[Any] = deque()
        self._callback: Callable[[], None] | None = None
        self._waiters: tuple[Any, ...] = ()
        self._listeners: tuple[Callable[[Future], None], ...] = ()
        self._scheduled = False
        self._timer: Any = None

    # -- producing --------------------------------------------------------------------------------

    def fulfill(self, result: Any = None) -> None:
        """Add a result."""
        self._results.append(result)
        self._wake()

    def fulfill_error(self, errnum: int = errno.ENOENT, errstr: str | None = None) -> None:
        """Add a failure; it is the last thing a future receives."""
        self._results.append(error(errnum, errstr))
        self._wake()

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._listeners:
            for listener in self._listeners:
                listener(self)
        if self._waiters:
            waiters, self._waiters = self._waiters, ()
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        if self._callback is not None and len(self._results) == 1:
            self._schedule()

    def listen(self, listener: Callable[[Future], None]) -> None:
        """Call ``listener(self)`` at once for every result: for futures made of futures.

        Unlike :meth:`then` it does not wait for the reactor, so that a blocking :meth:`get` of the composite
        sees its parts arrive. The listener must not block or run user code.
        """
        self._listeners += (listener,)
        if self._results:
            listener(self)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self.handle._defer(self._continue)

    def _continue(self) -> None:
        self._scheduled = False
        if self._results and self._callback is not None:
            self._callback()

    # -- consuming --------------------------------------------------------------------------------

    def is_ready(self) -> bool:
        """Whether a result is there, so that :meth:`get` does not block."""
        return bool(self._results)

    def wait_for(self, timeout: float = -1.0) -> Self:
        """Block until a result is there, and return self.

        Raises TimeoutError after ``timeout`` seconds (< 0: never).
        """
        if not self._results:
            self.handle._wait(self, timeout)
        return self

    def get(self) -> Any:
        """The current result, waited for if necessary. Raises OSError if the future failed."""
        if not self._results:
            self.handle._wait(self, -1.0)
        return self._current()

    def _current(self) -> Any:
        result = self._results[0]
        if isinstance(result, BaseException):
            raise result
        return self._value(result)

    def _value(self, result: Any) -> Any:
        return result

    def error_string(self) -> str | None:
        """The text of a failure, None if the current result is none."""
        result = self._results[0] if self._results else None
        return str(result.strerror) if isinstance(result, OSError) else None

    def reset(self) -> None:
        """Drop the current result of a stream and make room for the next."""
        if not self._results or isinstance(self._results[0], BaseException):
            return  # a failure is the last thing, and has been told
        self._results.popleft()
        if self._results and self._callback is not None:
            self._schedule()

    def then(self, callback: Callable[..., Any], *args: Any, timeout: float = -1.0, **kwargs: Any) -> Self:
        """Call ``callback(self, *args, **kwargs)`` from the reactor for every result; returns self.

        A stream's callback calls :meth:`reset` when it is done with a result. With ``timeout`` (seconds) the
        future fails with ETIMEDOUT unless its first result comes in time. Raises ValueError without a
        callback and FileExistsError (EEXIST) if there is one already.
        """
        if callback is None:
            raise ValueError("Callback cannot be None")
        if self._callback is not None and (self._scheduled or not self._results):
            raise error(errno.EEXIST, "then callback already exists for this future")
        self._callback = lambda: callback(self, *args, **kwargs)
        if self._results:
            self._schedule()
        elif timeout >= 0:
            self._timer = self.handle._timer(timeout, self._time_out)
        return self

    def stop(self) -> None:
        """Call back no more, whatever still comes."""
        self._callback = _stopped

    @property
    def stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._callback is _stopped

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a callback, so that a reactor must go on."""
        if self._callback is None or self._callback is _stopped:
            return False
        return not (self._results and isinstance(self._results[0], BaseException))

    def abandon(self) -> None:
        """Nobody wants this future any more: it calls back no more, and fails with ECANCELED if it has no
        result.
        """
        self.stop()
        if not self._results:
            self.fulfill_error(errno.ECANCELED)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.abandon()

    def get_flux(self) -> Any:
        """The handle."""
        return self.handle

    def set_flux(self, flux_handle: Host) -> None:
        """Bind to another handle."""
        self.handle = flux_handle

    def get_reactor(self) -> Any:
        """The reactor that calls back."""
        return self.handle.reactor  # type: ignore[attr-defined]

    def incref(self) -> None:
        """Nothing: Python counts references itself."""

    def decref(self) -> None:
        """Nothing, see :meth:`incref`."""

    def _time_out(self) -> None:
        self._timer = None
        if not self._results:
            self.fulfill_error(errno.ETIMEDOUT)

    # -- iteration --------------------------------------------------------------------------------

    def _walk(self) -> Iterator[None]:
        """Stop at each result of a stream until its ENODATA."""
        while True:
            self.wait_for()
            result = self._results[0]
            if isinstance(result, OSError) and result.errno == errno.ENODATA:
                return
            yield
            self.reset()

    def __iter__(self) -> Iterator[Any]:
        """The results of a stream until its ENODATA."""
        for _ in self._walk():
            yield self.get()

    async def _ready(self) -> None:
        while not self._results:
            waiter = self.handle._waiter()
            self._waiters += (waiter,)
            await waiter

    def __await__(self) -> Generator[Any, None, Any]:
        if not self._results:
            yield from self._ready().__await__()
        return self._current()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            if not self._results:
                await self._ready()
            try:
                result = self._current()
            except OSError as exc:
                if exc.errno == errno.ENODATA:
                    return
                raise
            self.reset()
            yield result


class WaitAllFuture(Future):
    """Fulfilled with the list of its children when each of them is ready."""

    __slots__ = ("_missing", "children")

    def __init__(self, children: Iterable[Future] | None = None, handle: Host | None = None) -> None:
        """``handle``: that of the first child by default."""
        found = list(children or ())
        super().__init__(found[0].handle if handle is None and found else handle)  # type: ignore[arg-type]
        self.children: list[Future] = []
        self._missing = 0
        for child in found:
            self.push(child)
        if not found:
            self.fulfill(self.children)

    def push(self, child: Future, name: str | None = None) -> None:
        """Add a future to wait for; ``name`` is for whoever reads the program."""
        if self.handle is None:
            self.handle = child.handle
        self._results.clear()
        self.children.append(child)
        self._missing += 1
        child.listen(self._child_ready)

    def _child_ready(self, child: Future) -> None:
        self._missing -= 1
        if self._missing == 0:
            self.fulfill(self.children)
