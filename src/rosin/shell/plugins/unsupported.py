# SPDX-License-Identifier: LGPL-3.0-or-later
"""Options of flux-core's job shell that this one does not have.

A job that would not do what was asked does not run; what only adds information is left out with a warning.
Names that flux-core does not know either are refused by :mod:`rosin.shell.vocabulary`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import ShellPlugin
from rosin.shell.plugins.userrc import RC_FILES, is_python

if TYPE_CHECKING:
    from collections.abc import Collection

    from rosin.shell.log import ShellLog
    from rosin.shell.options import Options

_ENOUGH = 1 << 16  # bytes of an rc file that are looked at
_LEFT_OUT = ("pmix", "cray-pals")


class UnsupportedOptions(ShellPlugin):
    """Judges the options."""

    name = "unsupported"

    def shell_init(self) -> None:
        own = {name for plugin in self.shell.stack for name in plugin.options}
        check(self.shell.info.options, self.shell.log, own)


def check(options: Options, log: ShellLog, own: Collection[str] = ()) -> None:
    """Raises ShellError for the first option that cannot be followed. Called in the job's directory.

    ``own`` are the names that plugins of the user read."""
    for name in RC_FILES:
        if options.get(name) is not None and not is_python(options.get(name)):
            _check_rc_file(name, options.get(name))
    if "mpi" not in own and options.get("mpi") not in (None, "none"):
        log.warn(f"ignoring shell option mpi={options.get('mpi')}: only mpi=none has an effect")
    for name in _LEFT_OUT:
        if name not in own and options.get(name) is not None:
            log.warn(f"ignoring shell option {name}, which is not supported")


def _check_rc_file(name: str, path: Any) -> None:
    """An rc file is a Lua program. One that holds no statement (such as /dev/null) asks for nothing."""
    if not isinstance(path, str):
        raise ShellError(f"shell option {name}: expected the path of a file, got {path!r}")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as stream:
            lines = (stream.read(_ENOUGH) or b"").split(b"\n")  # None: a FIFO with nothing in it
    except OSError as error:
        raise ShellError(f"shell option {name}: loading rc file {path}: {error.strerror}") from None
    if any(line.strip() and not line.lstrip().startswith(b"--") for line in lines):
        raise ShellError(
            f"shell option {name}={path}: this job shell runs no Lua: leave the option out, or name a file "
            f"of plugins in Python, as in {name}=mine.py"
        )
