# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the KVS on rank 0 asks of the outside; the leader provides it, tests script it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from rosin.broker.clock import TimerHandle
    from rosin.broker.modulelog import ModuleLog
    from rosin.internal.backing_commit import BackingCommit
    from rosin.modules.kvs.directory import Directory
    from rosin.modules.kvs.objects import Missing
    from rosin.rfc.message import Message


class Storing(Protocol):
    """What the backing store will say to a request; OSError ENOSYS: there is no such store."""

    def then(self, callback: Callable[..., Any], /, *args: Any) -> Any:
        """Call ``callback(self, *args)`` when it has answered."""

    def get_raw(self) -> Any:
        """Raises the OSError that it has answered."""

    async def raw(self) -> Any:
        """Wait for the answer. Raises OSError."""


class Promise(Protocol):
    """Something to wait for, in this process."""

    def done(self) -> bool:
        """It was kept, or nobody waits for it any more."""

    def set_result(self, result: None, /) -> None:
        """It is kept."""

    def set_exception(self, error: Exception, /) -> None:
        """It cannot be kept."""

    def __await__(self) -> Any:
        """Wait for it."""


class KvsBackend(Protocol):
    """The outside of the leader's decisions."""

    @property
    def log(self) -> ModuleLog:
        """The broker's log."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def call_last(self, callback: Callable[[], Any], /) -> None:
        """Call back when all others have done what they have to in this turn of the loop."""

    def call_later(self, seconds: float, callback: Callable[[], Any], /) -> TimerHandle:
        """Call back after some seconds."""

    def create_task(self, coro: Coroutine[Any, Any, Any], /) -> Any:
        """Begin steps that have to wait."""

    def promise(self) -> Promise:
        """A new promise."""

    async def pause(self) -> None:
        """Let others have their turn."""

    def fetch(self, missing: Missing, /) -> Awaitable[dict[str, Directory | bytes]]:
        """Get what an operation has found missing. Raises OSError."""

    def store(self, commit: BackingCommit, /) -> Storing:
        """Have blobs, a journal record and a checkpoint stored, all of it or nothing."""

    async def instance_runs(self) -> bool:
        """The service ends, but not the instance. Raises OSError."""

    def publish(self, topic: str, payload: dict[str, Any], /) -> None:
        """Publish an event, for the owner of the instance."""

    def respond(self, request: Message, payload: object = None, /) -> None:
        """Answer a request."""

    def respond_exception(self, request: Message, exc: BaseException, /) -> None:
        """Answer a request with what an exception says."""
