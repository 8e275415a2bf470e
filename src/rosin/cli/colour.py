# SPDX-License-Identifier: LGPL-3.0-or-later
"""The one place that decides about colour: what the user said, ``NO_COLOR``, ``TERM``, and the stream."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def dumb() -> bool:
    """Whether the terminal understands no escape sequences."""
    return os.environ.get("TERM") == "dumb"


def use_color(when: str = "auto", stream: Any = None) -> bool:
    """Whether ``--color=WHEN`` asks for colours on a stream (default: standard output).

    ``auto``: on a terminal, unless it is dumb or ``NO_COLOR`` is set to anything (no-color.org).
    """
    if when != "auto":
        return when == "always"
    return not os.environ.get("NO_COLOR") and not dumb() and bool((stream or sys.stdout).isatty())
