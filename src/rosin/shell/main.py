# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job shell as a program: ``python -m rosin.shell [--init JSON | --init-fd FD] JOBID``.

:func:`main` is also what a zygote calls that has called :func:`warm`. The environment must have
``FLUX_URI``; ``FLUX_KVS_NAMESPACE`` is used when it is there. The exit code is the greatest of the tasks'
(128 plus the number for a signal), 127 or 126 when a program cannot be run, 1 when the shell fails.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from rosin import _json
from rosin.rfc import fluid
from rosin.shell.connection import ShellHandle
from rosin.shell.errors import complain, fatal_error
from rosin.shell.shell import Shell

#: What a shell may be sent by those who want its end.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGHUP)
USAGE = "usage: rosin-shell [--init JSON | --init-fd FD] JOBID"


def warm() -> None:
    """Load and compute now what every shell needs: for a zygote, which then forks shells that have it."""
    import rosin.rfc.blobref
    import rosin.rfc.hostlist  # noqa: F401
    from rosin.process import platform
    from rosin.shell import affinity
    from rosin.shell.plugins import table

    _json.accelerate()
    platform.warm()
    affinity.topology()
    table.warm()


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run the shell; ``argv[0]`` is its name. Returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until there are tasks to forward signals to
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        jobid, init = parse(list(argv[1:]))
    except ValueError as error:
        complain(f"{error}\n{USAGE}")
        return 1
    try:
        handle = ShellHandle(env.get("FLUX_URI"))
    except OSError as error:
        complain(str(error.strerror))
        return 1
    try:
        shell = Shell(handle, jobid, init, env)
        code = shell.run()
        if shell.foreign:
            raise SystemExit(code)  # a fork server then uses this process for no other job
        return code
    except Exception as error:  # a traceback is of no use to the user whose job this is
        complain(str(fatal_error(error)))
        return 1
    finally:
        # The exit code is known: what asks for the end now must not put another in its place.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        handle.on_lost = None
        handle.close()


def parse(words: list[str]) -> tuple[int, dict[str, Any]]:
    """(job id, hand-over) from the command line. Raises ValueError with one line."""
    init: Any = {}
    rest: list[str] = []
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name in ("--init", "--init-fd"):
            if not equals:
                if not words:
                    raise ValueError(f"option {name} needs a value")
                value = words.pop(0)
            init = _load(_read_fd(value) if name == "--init-fd" else value)
        elif word.startswith("-"):
            raise ValueError(f"unknown option {word}")
        else:
            rest.append(word)
    if len(rest) != 1:
        raise ValueError("expected exactly one job id")
    return fluid.parse(rest[0]), init


def _read_fd(text: str) -> bytes:
    try:
        with os.fdopen(int(text), "rb") as stream:
            return stream.read()
    except OSError as error:
        raise ValueError(f"--init-fd {text}: {error.strerror}") from None


def _load(text: str | bytes) -> Any:
    try:
        init = _json.loads(text)
    except _json.JSONDecodeError as error:
        raise ValueError(f"--init: not valid JSON: {error}") from None
    if not isinstance(init, dict):
        raise ValueError("--init: not a JSON object")
    return init
