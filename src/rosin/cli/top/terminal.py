# SPDX-License-Identifier: LGPL-3.0-or-later
"""A terminal on which text is placed, and of which keys are read: curses."""

from __future__ import annotations

import curses
import locale
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from rosin.cli.top.screen import Span

_COLORS = {
    "yellow": curses.COLOR_YELLOW,
    "red": curses.COLOR_RED,
    "green": curses.COLOR_GREEN,
    "blue": curses.COLOR_BLUE,
}
#: How text may look.
LOOKS = {"bold": curses.A_BOLD, "dim": curses.A_DIM, "reverse": curses.A_REVERSE}

#: Key codes, and what they are called.
_KEYS = {
    curses.KEY_DOWN: "j",
    curses.KEY_UP: "k",
    curses.KEY_LEFT: "h",
    curses.KEY_RIGHT: "l",
    curses.KEY_ENTER: "enter",
    ord("\n"): "enter",
    ord("\r"): "enter",
    ord("\f"): "redraw",
    curses.KEY_RESIZE: "redraw",
}


class CursesTerminal:
    """A context manager: the screen is as before when it ends."""

    def __init__(self, color: bool) -> None:
        self._color = color
        self._pairs: dict[str, int] = {}

    def __enter__(self) -> Self:
        locale.setlocale(locale.LC_ALL, "")
        self._window = curses.initscr()
        try:
            self._prepare()
        except BaseException:
            curses.endwin()
            raise
        return self

    def _prepare(self) -> None:
        curses.noecho()
        curses.cbreak()
        self._window.keypad(True)
        self._window.nodelay(True)
        if curses.tigetstr("civis"):
            curses.curs_set(0)
        if self._color:
            curses.start_color()
            if curses.has_colors():
                curses.use_default_colors()
                for number, (name, color) in enumerate(_COLORS.items(), 1):
                    curses.init_pair(number, color, -1)
                    self._pairs[name] = curses.color_pair(number)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        curses.endwin()

    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._window.getmaxyx()

    def resized(self) -> None:
        """The window has another size now."""
        curses.update_lines_cols()
        curses.resizeterm(curses.LINES, curses.COLS)
        self.redraw()

    def redraw(self) -> None:
        """Whatever is on the screen is not what should be there."""
        self._window.clear()

    def paint(self, spans: Iterable[Span]) -> None:
        """Show these and nothing else."""
        self._window.erase()
        for span in spans:
            attributes = 0
            for look in span.look:
                attributes |= LOOKS.get(look, 0) | self._pairs.get(look, 0)
            try:
                self._window.addstr(span.row, span.column, span.text, attributes)
            except curses.error:
                continue  # the last column of the last row, behind which the cursor cannot go
        self._window.refresh()

    def keys(self) -> list[str]:
        """What has been typed: letters, and the names of other keys that are known."""
        typed = []
        while (code := self._window.getch()) != -1:
            typed.append(_KEYS.get(code) or (chr(code) if 32 < code < 127 else ""))
        return typed

    def gone(self) -> bool:
        """Whether nobody will ever type again."""
        poll = select.poll()
        poll.register(0, 0)
        return bool(poll.poll(0))
