# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``umask`` option: which permissions the files of a job do not have, as where it was submitted."""

from __future__ import annotations

import os
from typing import Any

from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import ShellPlugin


class Umask(ShellPlugin):
    """Sets the mask of the shell itself, which also makes the files of the job's output."""

    name = "umask"

    def shell_init(self) -> None:
        apply(self.shell.info.options.get("umask"))


def apply(value: Any) -> None:
    """Set the file mode creation mask, octal digits as text or number; None leaves it. Raises ShellError."""
    if value is None:
        return
    digits = str(value)
    octal = digits.isascii() and 0 < len(digits) <= 4 and not set(digits) - set("01234567")
    if isinstance(value, bool) or not octal or int(digits, 8) > 0o777:
        raise ShellError(f"shell option umask={value}: expected octal digits up to 777, as in 022")
    os.umask(int(digits, 8))
