# SPDX-License-Identifier: LGPL-3.0-or-later
"""What processes and their streams need of an event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Loop(Protocol):
    """Asyncio's and uvloop's loops have it, a job shell's reactor is made to."""

    def add_reader(self, fd: int, callback: Callable[..., Any], /, *args: Any) -> object: ...
    def remove_reader(self, fd: int, /) -> object: ...
    def add_writer(self, fd: int, callback: Callable[..., Any], /, *args: Any) -> object: ...
    def remove_writer(self, fd: int, /) -> object: ...
    def call_later(self, delay: float, callback: Callable[..., Any], /, *args: Any) -> object: ...
