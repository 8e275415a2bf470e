# SPDX-License-Identifier: LGPL-3.0-or-later
"""Golden transcripts: what a pure core decides, as a text to be read and compared.

A scenario is a file in tests/scenarios. A line that begins with ``> `` is an event, those below it are what
came of it; comments (``#``) and empty lines are the reader's. ``pytest --rewrite-scenarios tests/scenarios``
writes down what comes of the events now: look at the difference before you commit it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pytest

SCENARIOS = Path(__file__).parent / "scenarios"
_EVENT = "> "


def add_options(parser: pytest.Parser) -> None:
    """The option that writes scenarios, for pytest_addoption."""
    parser.addoption("--rewrite-scenarios", action="store_true", help="write down what scenarios show now")


def find(area: str) -> list[str]:
    """The names of the scenarios of an area, such as ``sched``."""
    return sorted(path.stem for path in SCENARIOS.glob(f"{area}-*.txt"))


def play(text: str, act: Callable[[str], Iterable[str]]) -> str:
    """Return a transcript with what ``act`` says of each event in place of what was there."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(_EVENT):
            lines += [line, *act(line.removeprefix(_EVENT))]
        elif not line or line.startswith("#"):
            lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def check(name: str, act: Callable[[str], Iterable[str]], config: pytest.Config) -> None:
    """Compare a scenario with what comes of it now, or write that down."""
    path = SCENARIOS / f"{name}.txt"
    expected = path.read_text(encoding="utf-8")
    played = play(expected, act)
    if config.getoption("--rewrite-scenarios"):
        path.write_text(played, encoding="utf-8")
    else:
        assert played == expected
