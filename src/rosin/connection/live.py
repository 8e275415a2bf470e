# SPDX-License-Identifier: LGPL-3.0-or-later
"""A table in a notebook that changes as its rows do."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    class Shown(Protocol):
        """What the notebook has shown, to be replaced: a DisplayHandle."""

        def update(self, obj: Any) -> None: ...


_NO_NOTEBOOK = "a live table is for notebooks, and this program is none: await flux.jobs() lists once"


async def live(
    ask: Callable[[], Awaitable[Any]], ends: Callable[[Any], bool], interval: float, show: Any = None
) -> None:
    """Show what ``ask`` gives, again every ``interval`` seconds, until ``ends`` says it is the last.

    ``show(obj)`` shows it first and returns what updates it; by default IPython's display.
    """
    if interval <= 0:
        raise ValueError(f"interval is more than 0 seconds, such as 1.0; got {interval!r}")
    show = show or _notebook()
    listing = await ask()
    shown: Shown | None = show(listing)
    if shown is None:  # IPython is there, but this is no notebook
        raise RuntimeError(_NO_NOTEBOOK)
    last = listing._repr_html_()
    while not ends(listing):
        await asyncio.sleep(interval)
        listing = await ask()
        if (text := listing._repr_html_()) != last:
            shown.update(listing)
            last = text


def _notebook() -> Any:
    """IPython's display, with a handle: that of the notebook, and nothing that Rosin depends on."""
    try:
        display = import_module("IPython.display").display
    except ImportError:
        raise RuntimeError(_NO_NOTEBOOK) from None
    return lambda obj: display(obj, display_id=True)
