# SPDX-License-Identifier: LGPL-3.0-or-later
"""A descriptor on a loop, watched up to its end.

uvloop lets go of a socket in an error after one call, by itself and without a word. The other side leaves one
when it ends without having read everything; what it had said before, and that it has ended, is still to be
read then. So whoever reads sockets watches them by this.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.process.loop import Loop


class ReadWatch:
    """Calls ``ready(*args)`` when there is something to read, from :meth:`start` until :meth:`stop`.

    The descriptor stays its owner's, who stops before closing it.
    """

    __slots__ = ("_args", "_fd", "_loop", "_ready", "_watched")

    def __init__(self, loop: Loop, fd: int, ready: Callable[..., Any], *args: Any) -> None:
        self._loop = loop
        self._fd = fd
        self._ready = ready
        self._args = args
        #: What the loop calls, as long as it is to do so. Nobody else keeps it, so that it ends with that.
        self._watched: ref[Callable[[], Any]] | None = None

    def start(self) -> None:
        """ReadWatch it."""
        reader = partial(self._ready, *self._args)
        self._watched = ref(reader, self._dropped)
        self._loop.add_reader(self._fd, reader)

    def stop(self) -> None:
        """ReadWatch it no more."""
        self._watched = None
        self._loop.remove_reader(self._fd)

    def _dropped(self, watched: ref[Callable[[], Any]]) -> None:
        if watched is self._watched and not self._loop.is_closed():
            self._loop.call_later(0, self._again)

    def _again(self) -> None:
        if self._watched is not None and self._watched() is None:
            self.stop()  # the loop still knows what it has closed
            self.start()
