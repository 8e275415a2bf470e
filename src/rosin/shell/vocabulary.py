# SPDX-License-Identifier: LGPL-3.0-or-later
"""The names of all shell options: a job with a misspelt one does not run, as it would not do what was asked.

flux-core takes any name, as a plugin may read it; this shell has no plugins. Values are checked by who reads
them.
"""

from __future__ import annotations

from typing import Any

from rosin.shell.errors import ShellError

_STREAM = ("buffer.type", "label", "path", "type")
#: Options with a value of their own; a dot leads into an object.
_NAMES = frozenset(
    (
        "cpu-affinity",
        "exit-on-error",
        "exit-timeout",
        "gpu-affinity",
        "input.batch-timeout",
        "input.limit",
        "input.stdin.path",
        "input.stdin.type",
        "mpi",
        "nosetpgrp",
        "output.batch-timeout",
        "output.client.hwm",
        "output.client.lwm",
        "output.limit",
        "output.mode",
        *(f"output.{stream}.{name}" for stream in ("stdout", "stderr") for name in _STREAM),
        "per-resource.count",
        "per-resource.type",
        "pmi",
        "pmi-simple.nomap",
        "pty",
        "pty.capture",
        "pty.interactive",
        "pty.ranks",
        "rexec-shutdown-timeout",
        "rexec.sign-required",
        "signal",
        "signal.signum",
        "signal.timeleft",
        "stop-tasks-in-exec",
        "taskmap",
        "taskmap.scheme",
        "taskmap.value",
        "verbose",
    )
)
#: Seconds for which flux-core's shell gathers data; ``--unbuffered`` sets them. This one sends what is there.
_SECONDS = frozenset(("input.batch-timeout", "output.batch-timeout"))
#: Options whose objects have names that others define; among them what :mod:`rosin.shell.foreign` judges.
_OPEN = frozenset(
    [
        "coprocess",
        "cray-pals",
        "env-expand",
        "hwloc",
        "initrc",
        "oom",
        "pmix",
        "rlimit",
        "stage-in",
        "sysmon",
        "userrc",
        "batch-args",
    ]
)
_OBJECTS = frozenset(
    name[:end] for name in _NAMES for end in range(len(name)) if name[end] == "." and name[:end]
)


def check(options: dict[str, Any]) -> None:
    """Raises ShellError for the first option that nobody would read."""
    level = [(name, value) for name, value in options.items() if name not in _OPEN]
    while level:
        name, value = level.pop()
        if name in _OBJECTS and isinstance(value, dict):  # known objects are three deep at most
            level += [(f"{name}.{key}", below) for key, below in value.items()]
        elif name not in _NAMES and name not in _OBJECTS:
            raise ShellError(_unknown(name))
        elif name not in _NAMES and value is not None:
            raise ShellError(f"shell option {name}={value}: expected one of {_below(name)}")
        elif name in _SECONDS and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ShellError(f"shell option {name}={value}: expected seconds, as in {name}=0.05")


def _below(name: str) -> str:
    return ", ".join(sorted(known for known in _NAMES if known.startswith(f"{name}.")))


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name[:64], sorted(_NAMES | _OPEN), 1)
    hint = f"did you mean {near[0]}?" if near else "see the reference of the job shell for those there are"
    return f"unknown shell option {name}: {hint}"
