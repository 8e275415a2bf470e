# SPDX-License-Identifier: LGPL-3.0-or-later
"""Coroutines on a blocking handle: for what takes many requests, written once for every kind of handle."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from typing import Any, Protocol, Self, TypeVar

    T = TypeVar("T")

    class Blocking(Protocol):
        """A blocking handle."""

        def _wait(self, future: Any, timeout: float) -> None: ...


class Pause:
    """What a coroutine awaits while a future of a blocking handle has no result."""

    __slots__ = ("_ready",)

    def __init__(self) -> None:
        self._ready = False

    def done(self) -> bool:
        """Whether the future has a result."""
        return self._ready

    is_ready = done

    def set_result(self, _result: None) -> None:
        """The future has a result."""
        self._ready = True

    def __await__(self) -> Generator[Self, None, None]:
        while not self._ready:
            yield self


def complete(flux_handle: Blocking, coroutine: Coroutine[Any, Any, T]) -> T:
    """Run *coroutine* to its end, blocking, and return its result.

    It may await futures of *flux_handle*, and nothing else. What it raises is passed on.
    """
    try:
        while True:
            flux_handle._wait(coroutine.send(None), -1.0)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        coroutine.close()
