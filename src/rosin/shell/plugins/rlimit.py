# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``rlimit`` option: resource limits that the tasks inherit from the shell."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import ShellPlugin

_NAMES = {
    "cpu": "CPU",
    "fsize": "FSIZE",
    "data": "DATA",
    "stack": "STACK",
    "core": "CORE",
    "nofile": "NOFILE",
    "ofile": "NOFILE",
    "as": "AS",
    "rss": "RSS",
    "nproc": "NPROC",
    "memlock": "MEMLOCK",
    "msgqueue": "MSGQUEUE",
    "nice": "NICE",
    "rtprio": "RTPRIO",
    "rttime": "RTTIME",
    "sigpending": "SIGPENDING",
}


class Rlimit(ShellPlugin):
    """Sets the limits of the shell itself."""

    name = "rlimit"

    def shell_init(self) -> None:
        apply(self.shell.info.options.object("rlimit"), self.shell.log.warn)


def apply(limits: dict[str, Any], warn: Callable[[str], None]) -> None:
    """Set the soft limits; a value above the hard limit becomes the hard limit, with a warning.

    Raises ShellError for an unknown name or a value that is no integer.
    """
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{_NAMES.get(name)}", None)
        if number is None or not isinstance(value, int) or isinstance(value, bool):
            wanted = "a number, -1: no limit" if number is not None else f"one of {', '.join(_NAMES)}"
            raise ShellError(f"invalid shell option rlimit.{name}={value}: expected {wanted}")
        _, hard = resource.getrlimit(number)
        soft = value
        if hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard):
            warn(f"{name} exceeds current max, raising value to hard limit")
            soft = hard
        try:
            resource.setrlimit(number, (soft, hard))
        except (OSError, ValueError) as error:
            warn(f"setrlimit {name}: {error}")
