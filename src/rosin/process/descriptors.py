# SPDX-License-Identifier: LGPL-3.0-or-later
"""The limit of open files: as high as it may be for this process, as it was for the programs that it starts.

A program that uses select() breaks with a high limit, which is why the soft one is low by default.
"""

from __future__ import annotations

import contextlib
import os
import resource
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    Started = TypeVar("Started", bound=subprocess.Popen[bytes])

#: No process needs more, even where the hard limit is infinite.
_MAX = 1 << 20
#: Descriptors that starting a program takes.
_NEEDED = 16

_original: int | None = None


def raise_limit() -> None:
    """Raise the soft limit of this process to the hard one; what cannot be raised stays."""
    global _original
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MAX if hard == resource.RLIM_INFINITY else min(hard, _MAX)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        _original = soft


def restore_limit() -> None:
    """Put the limit back that :func:`raise_limit` has found, as in a fork that is another program."""
    global _original
    if _original is not None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(_original, hard), hard))
        _original = None


def start(program: Callable[[], Started]) -> Started:
    """Start a program by ``program()``, with the limit that this process had at first."""
    if _original is None:
        return program()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _lowest_free() + _NEEDED < _original:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(_original, hard), hard))
        try:
            return program()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    started = program()  # with so many open files none could be opened under the lower limit
    with contextlib.suppress(OSError, ValueError, AttributeError):  # it has ended; not on Linux
        resource.prlimit(started.pid, resource.RLIMIT_NOFILE, (min(_original, hard), hard))
    return started


def _lowest_free() -> int:
    fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.close(fd)
    return fd
