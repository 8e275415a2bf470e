# SPDX-License-Identifier: LGPL-3.0-or-later
"""How methods of a module are marked as handlers of requests and events, under flux-core's names."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from rosin.rfc.role import required

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.rfc.message import Message


class _Deferred:
    __slots__ = ()


#: Returned by a handler that will answer later with respond() or respond_error().
DEFERRED: Any = _Deferred()

#: Kinds of request handlers: ``def``, ``async def``, and asynchronous generators.
PLAIN, TASK, STREAM = range(3)


def request_handler(
    topic: str, *, prefix: bool = True, allow_guest: bool = False, early: bool = False
) -> Callable[[Any], Any]:
    """Mark a method as the handler of ``NAME.topic``, or of ``topic`` itself with ``prefix=False``.

    Requests that come while the module starts wait until it has, but for ``early`` ones, which its own start
    waits for: their handler makes do with what is there.
    """

    def mark(func: Any) -> Any:
        func._flux_request = (topic, prefix, allow_guest, early)
        return func

    return mark


def event_handler(topic: str, *, allow_guest: bool = False) -> Callable[[Any], Any]:
    """Mark a method as the handler of the events whose topic begins with ``topic``; it is subscribed.

    Anybody may publish anything: events of guests are dropped unless ``allow_guest``.
    """

    def mark(func: Any) -> Any:
        func._flux_event = (topic, allow_guest)
        return func

    return mark


class Method:
    """A bound request handler."""

    __slots__ = ("allow", "early", "func", "kind")

    def __init__(self, func: Callable[[Message], Any], allow_guest: bool, early: bool = False) -> None:
        self.func = func
        self.early = early
        self.allow = required(allow_guest)
        if inspect.isasyncgenfunction(func):
            self.kind = STREAM
        else:
            self.kind = TASK if inspect.iscoroutinefunction(func) else PLAIN
