# SPDX-License-Identifier: LGPL-3.0-or-later
"""A module's way to the broker's log, by syslog severities."""

from __future__ import annotations

from collections.abc import Callable


class ModuleLog:
    """Writes to the broker's log under the module's name."""

    def __init__(self, write: Callable[[int, str, str], None], name: str) -> None:
        self._write = write
        self._name = name

    def __call__(self, severity: int, text: str) -> None:
        self._write(severity, self._name, text)

    def debug(self, text: str) -> None:
        self(7, text)

    def info(self, text: str) -> None:
        self(6, text)

    def notice(self, text: str) -> None:
        self(5, text)

    def warning(self, text: str) -> None:
        self(4, text)

    def error(self, text: str) -> None:
        self(3, text)

    def critical(self, text: str) -> None:
        self(2, text)
