# SPDX-License-Identifier: LGPL-3.0-or-later
"""The error that ends a shell before its tasks do, and what is said when it cannot be told to the job."""

from __future__ import annotations

import os
import sys

from rosin.errors import FormatError


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


def fatal_error(error: BaseException) -> ShellError:
    """What any exception means to the user: one line. A fault of the program names its place."""
    if isinstance(error, ShellError):
        return error
    if isinstance(error, (OSError, FormatError)):
        return ShellError(str(error))
    return ShellError(f"internal error: {fault(error)}")


def fault(error: BaseException) -> str:
    """What is wrong with a program that raised this, and where, in one line."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None and not isinstance(error, SyntaxError):  # which says where it is
        place = f" ({os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno})"
    return f"{type(error).__name__}: {error}".partition("\n")[0] + place


def complain(text: str) -> None:
    """Write a line to the shell's own stderr, which ends up in the job's ``exec.eventlog``."""
    try:
        sys.stderr.write(f"flux-shell: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return  # whoever read it has gone, and there is nobody else to tell
