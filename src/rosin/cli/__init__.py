# SPDX-License-Identifier: LGPL-3.0-or-later
"""The rosin command, one module per command.

What a command may import before it has sent its first request is in docs/internals/startup.md.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def load(name: str) -> ModuleType:
    """The module ``rosin.cli.NAME``: what importlib does, which is not imported for it."""
    full = f"{__name__}.{name}"
    __import__(full)
    return sys.modules[full]
