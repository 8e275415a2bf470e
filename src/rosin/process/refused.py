# SPDX-License-Identifier: LGPL-3.0-or-later
"""Why a program cannot be executed: what the system means by its error, and what the user may have meant."""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def why(errnum: int, argv: Sequence[str], env: Mapping[str, str], cwd: str = "") -> str:
    """What to add to the text of an errno of execve(2): " (...)", or "" where that says enough.

    ``cwd``: the directory from which it was executed, where that is not this process's.
    """
    program = argv[0]
    path = os.path.join(cwd, find(program, env))
    if errnum == errno.ENOENT:
        return _missing(argv, path, cwd)
    if errnum == errno.EACCES:
        return _forbidden(program, path)
    if errnum == errno.ENOEXEC:
        return f" (a script begins with the program that reads it, as in #!/bin/sh; or: sh {program})"
    return ""


def _missing(argv: Sequence[str], path: str, cwd: str) -> str:
    program = argv[0]
    line = _interpreter(path) if "/" in program else None
    if line is not None:
        ending = "; its lines end in CR LF, as on Windows" if "\r" in line else ""
        return f" (its interpreter {line!r}{ending})"
    if len(argv) == 1 and " " in program:
        return " (for a line of shell commands: sh -c '...')"
    if "/" not in program and os.path.exists(os.path.join(cwd, program)):
        return f" (there is a file of that name here: ./{program})"
    return ""


def _forbidden(program: str, path: str) -> str:
    if os.path.isdir(path):
        return " (it is a directory)"
    if os.path.isfile(path) and not os.access(path, os.X_OK):
        return f" (it is not executable: chmod +x {program})"
    line = _interpreter(path)
    if line and not os.access(line.split()[0], os.X_OK):
        return f" (its interpreter {line!r})"
    return ""


def _interpreter(path: str) -> str | None:
    """What the first line of a script names; None if it is no script, or cannot be read."""
    try:
        with open(path, "rb") as script:
            line = script.readline(256)
    except OSError:
        return None
    return line[2:].strip(b" \t\n").decode(errors="replace") if line.startswith(b"#!") else None


def find(program: str, env: Mapping[str, str]) -> str:
    """Path of a program, as exec looks it up."""
    if "/" in program:
        return program
    for directory in os.get_exec_path(env):
        path = os.path.join(directory, program)
        if os.access(path, os.X_OK):
            return path
    return program
