# SPDX-License-Identifier: LGPL-3.0-or-later
"""Commands that clients have left for a point in the life of a broker (``runat.push``). Pure."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Commands:
    """Shell commands, by the name of the list that they are on; the one that came last is run first."""

    def __init__(self) -> None:
        self._lists: dict[str, list[str]] = {}

    def push(self, name: str, commands: Iterable[str]) -> None:
        """Put each of them before all others. Raises OSError EINVAL for one that is empty."""
        commands = list(commands)
        if not all(command.strip() for command in commands):
            raise OSError(
                errno.EINVAL, "a command is empty: expected what a shell can run, as in 'rm -r /tmp/x'"
            )
        self._lists.setdefault(name, []).extend(commands)

    def pending(self, name: str) -> list[str]:
        """Those of a list, in the order in which they will run."""
        return self._lists.get(name, [])[::-1]

    def take(self, name: str) -> str | None:
        """The one of a list that is to run next, or None."""
        commands = self._lists.get(name)
        return commands.pop() if commands else None
