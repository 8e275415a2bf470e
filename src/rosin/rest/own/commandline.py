# SPDX-License-Identifier: LGPL-3.0-or-later
"""The command that does what a job request asks for, for people to copy."""

from __future__ import annotations

import shlex
from typing import Any

from rosin import _json
from rosin.rest.own.schema.requests import JobRequest
from rosin.rest.submission import words

_COMMON = (
    ("queue", "queue"),
    ("bank", "bank"),
    ("name", "job-name"),
    ("requires", "requires"),
    ("cwd", "cwd"),
)
_IO = (
    ("stdin_path", "input"),
    ("stdout_path", "output"),
    ("stderr_path", "error"),
    ("shape", "resources-shape"),
)


def argv_of(asked: JobRequest) -> list[str]:
    """The words of the command, for a request that is :func:`~rosin.rest.own.making.prepared`."""
    if asked.jobspec is not None:
        return ["rosin", "job", "submit", *_urgency(asked), *_flags(asked), "jobspec.json"]
    result = ["rosin", "batch" if asked.script is not None else "submit"]
    for name, option in _numbers(asked.script is not None):
        value = getattr(asked, name)
        if value is not None:
            result.append(f"{option}{value}")
    if asked.exclusive:
        result.append("--exclusive")
    if asked.duration is not None:
        result.append(
            f"--time-limit={asked.duration if isinstance(asked.duration, str) else f'{asked.duration:g}s'}"
        )
    result += _urgency(asked)
    for name, option in (*_COMMON, *_IO):
        value = getattr(asked, name)
        if value is not None:
            result.append(f"--{option}={value}")
    result += [f"--dependency={uri}" for uri in asked.dependencies]
    if asked.begin_time is not None:
        result.append(f"--dependency=begin-time:{asked.begin_time:.3f}")
    result += [f"--env={name}={value}" for name, value in asked.environment.items()]
    options = {**asked.options, **({"pty.interactive": 1} if asked.pty else {})}
    result += [f"--setopt={path}={_text(value)}" for path, value in options.items()]
    result += [f"--setattr={path}={_text(value)}" for path, value in asked.attributes.items()]
    if asked.label_io:
        result.append("--label-io")
    result += _flags(asked)
    return result + _command(asked)


def _command(asked: JobRequest) -> list[str]:
    if asked.script is not None:
        return ["script.sh", *(asked.args or ())]
    command = words(asked.command or [], asked.shell)
    return ["--", *command] if command[0].startswith("-") else command


def _numbers(nested: bool) -> tuple[tuple[str, str], ...]:
    unit = "slot" if nested else "task"
    return (
        ("nnodes", "-N"),
        ("ntasks", "-n"),
        ("cores_per_task", f"--cores-per-{unit}="),
        ("gpus_per_task", f"--gpus-per-{unit}="),
    )


def _urgency(asked: JobRequest) -> list[str]:
    return [] if asked.urgency == 16 else [f"--urgency={asked.urgency}"]


def _flags(asked: JobRequest) -> list[str]:
    return [f"--flags={','.join(asked.flags)}"] if asked.flags else []


def _text(value: Any) -> str:
    """A value as ``-o`` reads it back: what would be read as JSON stays in quotes."""
    if isinstance(value, str):
        try:
            _json.loads(value)
        except ValueError:
            return value
    return _json.dumps(value).decode()


def line_of(argv: list[str], asked: JobRequest) -> str:
    """The words for a shell; text for the tasks to read comes before them."""
    line = shlex.join(argv)
    return (
        line
        if asked.stdin is None
        else f"printf %s {shlex.quote(asked.stdin)} | {line.replace('rosin submit', 'rosin run', 1)}"
    )
