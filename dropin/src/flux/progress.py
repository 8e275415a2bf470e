# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.progress: a line that stays at the end of what a program prints on a terminal."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from rosin.cli.terminal import columns, redrawn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Bottombar", "ElapsedTime", "ProgressBar"]


class ElapsedTime(float):
    """Seconds, as a number; ``dt`` is the same as a timedelta in whole seconds."""

    __slots__ = ()

    @property
    def dt(self) -> timedelta:
        """The time in whole seconds."""
        return timedelta(seconds=round(self))


class Bottombar:
    """A line that ``formatter(bar, width)`` makes anew at each :meth:`update`.

    Keyword arguments are values for the formatter: attributes of the bar, which updates change; without a
    formatter they are the line. ``elapsed`` is the time since the start.
    """

    def __init__(self, formatter: Callable[[Any, int], str] | None = None, **kwargs: Any) -> None:
        self.formatter = formatter or _named
        self.kwargs = kwargs
        self._running = False
        self._t0: float | None = None

    def __getattr__(self, attr: str) -> Any:
        if attr == "elapsed":
            return ElapsedTime(time.time() - (self._t0 or time.time()))
        if attr.startswith("_") or attr == "kwargs":
            raise AttributeError(attr)
        return self.kwargs[attr]

    def __str__(self) -> str:
        return self.formatter(self, columns(1))

    def redraw(self) -> None:
        """Draw the line."""
        sys.stdout.write(redrawn(str(self), columns(1)))
        sys.stdout.flush()

    def start(self) -> Self:
        """Begin to draw."""
        self._running = True
        self._t0 = time.time() if self._t0 is None else self._t0
        self.redraw()
        return self

    def stop(self) -> None:
        """Leave the last line on the terminal."""
        if self._running:
            self._running = False
            self.redraw()
            sys.stdout.write("\n")
            sys.stdout.flush()

    def update(self, **kwargs: Any) -> None:
        """Change values, and draw."""
        self.kwargs.update(kwargs)
        if self._running:
            self.redraw()


def _named(bar: Any, _width: int) -> str:
    return " ".join(f"{key}={value}" for key, value in bar.kwargs.items())


class ProgressBar(Bottombar):
    """A bar that fills while ``count`` goes up to ``total``.

    ``before`` and ``after`` are formats (``"{count} of {total}"``) that may use ``total``, ``count``,
    ``percent``, ``elapsed`` and further keyword arguments. ``style``: line, bar, dots, steps or vertbars.
    ``autostop``: stop at the end.
    """

    bar_style: ClassVar[Mapping[str, str]] = {
        "line": "─━",
        "bar": "─█",
        "dots": "⣀⣄⣤⣦⣶⣷⣿",
        "steps": " ▁▂▃▄▅▆▇█",
        "vertbars": " ▏▎▍▌▋▊▉█",
    }

    def __init__(
        self,
        total: int = 100,
        style: str = "vertbars",
        before: str = "",
        after: str = " {percent:5.1f}%",
        autostop: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(type(self)._line, **kwargs)
        self.count = 0
        self.total = total
        self.before = before
        self.after = after
        self.style = self.bar_style[style]
        self.autostop = autostop

    def _line(self, width: int) -> str:
        done = self.count / self.total if self.total else 0.0
        values = {"total": self.total, "count": self.count, "elapsed": self.elapsed, "percent": 100 * done}
        before, after = (text.format(**values, **self.kwargs) for text in (self.before, self.after))
        room = max(0, width - len(before) - len(after) - 2)
        steps = len(self.style) - 1
        full, part = divmod(int(room * steps * min(done, 1.0)), steps)
        bar = self.style[-1] * full + (self.style[part] if part else "")
        return f"{before}│{bar.ljust(room, self.style[0])}│{after}"

    def update(self, advance: int = 1, **kwargs: Any) -> None:
        """Go on by ``advance``, change values, and draw."""
        self.count += advance
        super().update(**kwargs)
        if self.autostop and self.count == self.total:
            self.stop()
