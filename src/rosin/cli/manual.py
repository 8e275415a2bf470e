# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin help COMMAND``: the manual page on a terminal, where there is one, else the command's own help."""

from __future__ import annotations

import os
import sys


def page(name: str) -> str | None:
    """The file of the manual page that was installed with this program; None in a checkout of the sources."""
    path = os.path.join(sys.prefix, "share", "man", "man1", f"rosin-{name}.1")
    return path if os.path.exists(path) else None


def show(name: str) -> None:
    """Become ``man``; return if there is no terminal, no page, or no such program."""
    path = page(name)
    if path is None or not sys.stdout.isatty():
        return
    try:
        os.execvp("man", ["man", path])
    except OSError:
        return
