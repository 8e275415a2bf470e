# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14, RFC 25: a jobspec from the parameters of a request.

A job gets the user's home, name, path and shell and what the caller gives; nothing of the server's
environment.
"""

from __future__ import annotations

import math
import os
import pwd
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc import jobspec as rfc14
from rosin.rfc.jobspec import build

PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"

_MAX_FLAGS = 4096
_ITEM = re.compile(r'(?:"(?:\\.|[^"\\])*"|\[[^\]]*\]|\{[^}]*\}|[^,])+')


def clean_environment(uid: int) -> dict[str, str]:
    """The variables that every job begins with."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return {"HOME": "/", "PATH": PATH, "SHELL": "/bin/sh"}
    return {
        "HOME": entry.pw_dir,
        "LOGNAME": entry.pw_name,
        "PATH": PATH,
        "SHELL": entry.pw_shell or "/bin/sh",
        "USER": entry.pw_name,
    }


def words(command: str | list[str], shell: bool = False) -> list[str]:
    """The words of a command. Raises FormatError."""
    if isinstance(command, list):
        text, parts = shlex.join(command), command
    else:
        text = command
        try:
            parts = shlex.split(command)
        except ValueError as exc:
            raise FormatError(f"command: {exc}") from None
    if not parts or not any(parts):
        raise FormatError("a command is needed")
    if any("\0" in part for part in parts):
        raise FormatError("command: a word cannot contain a null character")
    return ["/bin/sh", "-c", text] if shell else parts


def options(flags: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """Shell options of ``key=value,key`` text or an object. Raises FormatError.

    A value in text is JSON if it can be, as for ``rosin submit -o``: the job shell takes no ``"1"`` for 1.
    """
    if not flags:
        return {}
    if isinstance(flags, str):
        return _checked(_pairs(item for item in _split(flags) if item.strip()))
    return _checked(dict(flags))


def _split(text: str) -> list[str]:
    """The parts between commas, but not those inside of JSON lists, objects and texts. Raises FormatError."""
    if len(text) > _MAX_FLAGS:
        raise FormatError(f"option_flags: the text is longer than {_MAX_FLAGS} characters; send an object")
    return _ITEM.findall(text)


def _pairs(items: Iterable[str]) -> dict[str, Any]:
    parts = [item.partition("=") for item in items]
    return {key.strip(): _value(value) if equals else 1 for key, equals, value in parts}


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    for key in found:
        if key.startswith("-o"):
            raise FormatError(f"Please provide keys without -o, {key} is invalid.")
        if not key or any(not step for step in key.split(".")):
            raise FormatError(f"'{key[:80]}' is not the name of an option of the job shell")
    return found


def _value(text: str) -> Any:
    try:
        value = _json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, float) and not math.isfinite(value) else value


def server_options(text: str) -> dict[str, Any]:
    """Shell options of ``-ompi=none -o key=value`` text. Raises FormatError."""
    try:
        words = shlex.split(text)
    except ValueError as exc:
        raise FormatError(f"'{text[:80]}': {exc}") from None
    items = [word.removeprefix("-o").removeprefix("--setopt").removeprefix("=") for word in words]
    return _checked(_pairs(item for item in items if item))


def jobspec(parameters: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The jobspec of a :class:`~rosin.rest.models.Submission` as a mapping. Raises FormatError.

    *defaults*: shell options for every job, see :func:`server_options`.
    """
    get = parameters.get
    command = words(parameters["command"], bool(get("shell")))
    base = clean_environment(os.getuid())
    environment = {**base, **(get("environment") or {})}
    _check_environment(environment)
    spec = build.from_command(
        command,
        num_tasks=get("num_tasks") or get("num_nodes") or 1,
        cores_per_task=get("cores_per_task") or 1,
        gpus_per_task=get("gpus_per_task"),
        num_nodes=get("num_nodes"),
        exclusive=bool(get("exclusive")),
        duration=get("runtime"),
        environment=environment,
        cwd=get("workdir") or base["HOME"],
        name=get("name") or None,
        queue=get("queue") or None,
    )
    for key, value in {**(defaults or {}), **options(get("option_flags"))}.items():
        build.set_shell_option(spec, key, value)
    rfc14.validate(spec)
    return spec


def _check_environment(environment: Mapping[str, Any]) -> None:
    for name, value in environment.items():
        if not isinstance(value, str):
            raise FormatError(f"environment: {name}: expected a text")
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise FormatError(f"environment: '{name}' cannot be the name of a variable")
