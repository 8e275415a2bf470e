# SPDX-License-Identifier: LGPL-3.0-or-later
"""Whether a test goes through the wire, so that what it proves holds for a program that runs.

It does when, while it runs, a broker moves a message, a socket is connected or accepted, or a program is
started. That is observed, not declared.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def _crossings() -> list[tuple[type, str]]:
    """What is called by all that goes through the wire."""
    from rosin.broker.broker import Broker

    return [
        (Broker, "route_request"),
        (Broker, "publish"),
        (socket.socket, "connect"),
        (socket.socket, "accept"),
        (subprocess.Popen, "__init__"),
    ]


class Crossing:
    """Set once something has gone through the wire."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen = False


@contextmanager
def watched() -> Iterator[Crossing]:
    """See what goes through the wire in the meantime."""
    crossing = Crossing()
    own = [(cls, name, vars(cls).get(name)) for cls, name in _crossings()]
    for cls, name, _ in own:
        setattr(cls, name, _noted(getattr(cls, name), crossing))
    try:
        yield crossing
    finally:
        for cls, name, before in own:
            if before is None:  # the base class has it
                delattr(cls, name)
            else:
                setattr(cls, name, before)


def _noted(function: Callable[..., Any], crossing: Crossing) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        crossing.seen = True
        return function(*args, **kwargs)

    return call
