# SPDX-License-Identifier: LGPL-3.0-or-later
"""The error that ends a shell before its tasks do."""

from __future__ import annotations


class ShellError(Exception):
    """Fatal: ``str()`` is the message of the job exception, ``code`` the shell's exit code.

    ``wait_status`` is the status of the task that is to blame, if one is; ``component`` the part of the shell
    that found the fault, for its log message.
    """

    def __init__(
        self, message: str, code: int = 1, *, wait_status: int | None = None, component: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.wait_status = wait_status
        self.component = component
