# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobspecs from the arguments of :class:`rosin.connection.AsyncInstance`: commands, scripts, instances."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypedDict

from rosin.job.spec_v1 import JobspecV1, current_environment
from rosin.rfc import dependency
from rosin.rfc.constraint.query import parse_resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import timedelta


class JobOptions(TypedDict, total=False):
    """What every job may have. ``duration``: seconds, FSD text (``"5m"``) or a timedelta; ``dependencies``:
    URIs such as ``afterok:ID``; ``requires``: a constraint such as ``"host:n[0-3] and fast"``, or an RFC 31
    object; ``attributes``: by dotted keys, ``system.`` may be left out; ``shell_options``: those of the job
    shell. The others are those of :meth:`rosin.job.JobspecV1.from_command`.
    """

    duration: float | str | timedelta | None
    environment: Mapping[str, str] | None
    env_expand: Mapping[str, str] | None
    cwd: str | os.PathLike[str] | None
    rlimits: Mapping[str, int] | None
    name: str | None
    input: str | os.PathLike[str] | None
    output: str | os.PathLike[str] | None
    error: str | os.PathLike[str] | None
    label_io: bool
    unbuffered: bool
    queue: str | None
    bank: str | None
    dependencies: Iterable[str]
    requires: str | Mapping[str, Any]
    attributes: Mapping[str, Any]
    shell_options: Mapping[str, Any]


class CommandOptions(JobOptions, total=False):
    """Those of a command: its tasks."""

    num_tasks: int | None
    cores_per_task: int | None
    gpus_per_task: int | None
    num_nodes: int | None
    exclusive: bool


class PerResourceOptions(JobOptions, total=False):
    """Those of a command of which so many tasks run on each ``core`` or ``node``."""

    ncores: int | None
    nnodes: int | None
    per_resource_type: str | None
    per_resource_count: int | None
    gpus_per_node: int | None
    exclusive: bool


class NestOptions(JobOptions, total=False):
    """Those of an instance: its slots, options of its brokers, its configuration."""

    num_slots: int | None
    cores_per_slot: int | None
    gpus_per_slot: int | None
    num_nodes: int | None
    broker_opts: Iterable[str] | None
    exclusive: bool
    conf: Mapping[str, Any] | None


_OWN = ("dependencies", "requires", "attributes", "shell_options")


def made(factory: Callable[..., JobspecV1], *args: Any, options: Mapping[str, Any]) -> JobspecV1:
    """What a factory of :class:`JobspecV1` makes, in this program's directory and environment unless the
    options say another. Raises ValueError, TypeError.
    """
    defaults = {"cwd": os.getcwd(), "environment": current_environment()}
    spec = factory(*args, **{**defaults, **{key: options[key] for key in options if key not in _OWN}})
    if "dependencies" in options:
        uris = [uri if ":" in uri else f"{uri}:" for uri in options["dependencies"]]
        spec.setattr("system.dependencies", [dependency.parse_uri(uri) for uri in uris])
    requires = options.get("requires")
    if requires:
        spec.setattr(
            "system.constraints", parse_resources(requires) if isinstance(requires, str) else requires
        )
    for key, value in options.get("attributes", {}).items():
        spec.setattr(key, value)
    for key, value in options.get("shell_options", {}).items():
        spec.setattr_shell_option(key, value)
    return spec


def words(command: Sequence[str]) -> Sequence[str]:
    """A command. Raises ValueError for text."""
    if isinstance(command, (str, bytes)):
        raise ValueError(f"a command is a list of words, such as ['echo', 'hello']; got {command!r}")
    return command
