# SPDX-License-Identifier: LGPL-3.0-or-later
"""Following the changes of a key."""

from __future__ import annotations

import contextlib
import errno
import sys

from rosin.constants import FLUX_KVS_WAITCREATE, FLUX_KVS_WATCH, FLUX_KVS_WATCH_FULL, FLUX_KVS_WATCH_UNIQ
from rosin.handle.future import Future
from rosin.kvs.lookup import decode_value, lookup_async

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator
    from typing import Any, Self

    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC


class WatchImplementation(Future):
    """A stream of values with a way to end it; cancelled when it is no longer referenced.

    A subclass says how a response is read (:meth:`watch_get`) and how the stream is ended
    (:meth:`watch_cancel`).
    """

    def __init__(self, future_handle: RPC) -> None:
        super().__init__(future_handle.handle)
        self.rpc = future_handle
        self.needs_cancel = True

    def get(self, autoreset: bool = True) -> Any:
        """The next value, None at the end of the stream. Raises OSError.

        Without *autoreset* the same value is returned until :meth:`reset`.
        """
        try:
            value = self.watch_get(self.rpc)
        except OSError as error:
            self.needs_cancel = False
            if error.errno == errno.ENODATA:
                return None
            raise
        if autoreset:
            self.reset()
        return value

    def reset(self) -> None:
        """Make room for the next value."""
        self.rpc.reset()

    def is_ready(self) -> bool:
        """Whether :meth:`get` does not block."""
        return self.rpc.is_ready()

    def wait_for(self, timeout: float = -1.0) -> Self:
        """Block until there is a value, and return self. Raises TimeoutError after *timeout* seconds."""
        self.rpc.wait_for(timeout)
        return self

    def get_flux(self) -> Any:
        """The handle."""
        return self.rpc.get_flux()

    def get_reactor(self) -> Any:
        """The reactor that calls back."""
        return self.rpc.get_reactor()

    def stop(self) -> None:
        """Call back no more."""
        self.rpc.stop()

    @property
    def stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self.rpc.stopped

    def listen(self, listener: Callable[[Future], None]) -> None:
        """Call *listener* with this for every value, and now if there is one."""
        self.rpc.listen(lambda _rpc: listener(self))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.cancel(stop=True)

    def error_string(self) -> str | None:
        """The text of a failure."""
        return self.rpc.error_string()

    def then(self, callback: Callable[..., Any], *args: Any, timeout: float = -1.0, **kwargs: Any) -> Any:
        """Call ``callback(self, *args, **kwargs)`` from the reactor for every value and at the end."""
        self.rpc.then(lambda _rpc: callback(self, *args, **kwargs), timeout=timeout)
        return self

    def cancel(self, stop: bool = False) -> None:
        """End the watch; :meth:`get` then gives None. *stop*: and call no callback any more."""
        if self.needs_cancel:
            self.needs_cancel = False
            self.watch_cancel(self.rpc)
        if stop:
            self.rpc.stop()

    def watch_get(self, future: RPC) -> Any:
        """The value of the current response."""
        raise NotImplementedError

    def watch_cancel(self, future: RPC) -> None:
        """Ask the service to end the stream."""
        raise NotImplementedError

    def abandon(self) -> None:
        """End the watch, and call no callback any more."""
        self.cancel(stop=True)

    def __await__(self) -> Generator[Any, None, Any]:
        yield from self.rpc.__await__()
        return self.watch_get(self.rpc)

    def __iter__(self) -> Iterator[Any]:
        for _ in self.rpc._walk():
            yield self.watch_get(self.rpc)
        self.needs_cancel = False

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for response in self.rpc:
            yield decode_value(response)
        self.needs_cancel = False

    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        if ending():  # nothing else can be relied on then; the broker sees the connection end
            return
        with contextlib.suppress(OSError, RuntimeError):  # the handle may be closed already
            self.cancel()


class KVSWatchFuture(WatchImplementation):
    """The values of a key, one after the other."""

    def watch_get(self, future: RPC) -> Any:
        return decode_value(future.get())

    def watch_cancel(self, future: RPC) -> None:
        future.cancel("kvs-watch.cancel")


def kvs_watch_async(
    flux_handle: Handle,
    key: str,
    namespace: str | None = None,
    waitcreate: bool = False,
    uniq: bool = False,
    full: bool = False,
) -> KVSWatchFuture:
    """Watch *key*: its value now and after every change.

    *waitcreate*: wait for a key that does not exist. *uniq*: leave out values equal to the one before.
    *full*: notice changes of directories above the key too.
    """
    flags = FLUX_KVS_WATCH
    if waitcreate:
        flags |= FLUX_KVS_WAITCREATE
    if uniq:
        flags |= FLUX_KVS_WATCH_UNIQ
    if full:
        flags |= FLUX_KVS_WATCH_FULL
    return KVSWatchFuture(lookup_async(flux_handle, key, namespace, flags))
