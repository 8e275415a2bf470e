# SPDX-License-Identifier: LGPL-3.0-or-later
"""Work in steps: a generator that yields where others may have their turn, and returns what came of it."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

T = TypeVar("T")


def finish(steps: Generator[None, None, T]) -> T:
    """Take all steps at once, and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


async def in_slices(steps: Generator[None, None, T], seconds: float) -> T:
    """Take the steps, and let the loop turn after each *seconds*."""
    began = perf_counter()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if perf_counter() - began >= seconds:
            await asyncio.sleep(0)
            began = perf_counter()
