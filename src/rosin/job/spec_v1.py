# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 25: jobspecs of version 1, made from commands and numbers, and the check of any jobspec."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.job.spec import Jobspec, path_text
from rosin.rfc import jobspec as rfc14
from rosin.rfc.jobspec import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Self


def current_environment() -> dict[str, str]:
    """The variables of this process that JSON can hold: those that are not UTF-8 are left out."""
    return {name: value for name, value in os.environ.items() if _encodable(name + value)}


def _encodable(text: str) -> bool:
    if text.isprintable():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class JobspecV1(Jobspec):
    """A jobspec of version 1 (RFC 25). Factories take this process's environment unless given one."""

    def __init__(
        self, resources: Sequence[Any], tasks: Sequence[Any], attributes: Mapping[str, Any], version: int = 1
    ) -> None:
        super().__init__(resources, tasks, attributes, version)

    def _validate(self) -> None:
        rfc14.validate(self.jobspec)

    @classmethod
    def _made(cls, obj: dict[str, Any]) -> Self:
        new = cls.__new__(cls)
        new.jobspec = obj
        return new

    @classmethod
    def from_command(
        cls,
        command: Sequence[str],
        num_tasks: int | None = 1,
        cores_per_task: int | None = 1,
        gpus_per_task: int | None = None,
        num_nodes: int | None = None,
        exclusive: bool = False,
        duration: Any = None,
        environment: Mapping[str, str] | None = None,
        env_expand: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        rlimits: Mapping[str, int] | None = None,
        name: str | None = None,
        input: str | os.PathLike[str] | None = None,
        output: str | os.PathLike[str] | None = None,
        error: str | os.PathLike[str] | None = None,
        label_io: bool = False,
        unbuffered: bool = False,
        queue: str | None = None,
        bank: str | None = None,
    ) -> Self:
        """The jobspec of a command: ``num_tasks`` tasks with ``cores_per_task`` cores each.

        From ``duration`` on the arguments are those of :func:`rosin.rfc.jobspec.build.set_options`. None is
        the default. Raises FormatError, a ValueError.
        """
        options = {
            "duration": duration,
            "environment": environment,
            "env_expand": env_expand,
            "cwd": cwd,
            "rlimits": rlimits,
            "name": name,
            "input": input,
            "output": output,
            "error": error,
            "label_io": label_io,
            "unbuffered": unbuffered,
            "queue": queue,
            "bank": bank,
        }
        return cls._made(
            build.from_command(
                _words(command),
                1 if num_tasks is None else num_tasks,
                1 if cores_per_task is None else cores_per_task,
                gpus_per_task,
                num_nodes,
                bool(exclusive),
                **_options(options),
            )
        )

    @classmethod
    def from_nest_command(
        cls,
        command: Sequence[str],
        num_slots: int | None = 1,
        cores_per_slot: int | None = 1,
        gpus_per_slot: int | None = None,
        num_nodes: int | None = None,
        broker_opts: Iterable[str] | None = None,
        exclusive: bool = False,
        conf: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """The jobspec of a Flux instance whose initial program is ``command``, a shell if that is empty; see
        :meth:`from_command`.
        """
        return cls._made(
            build.from_nest_command(
                _words(command) if len(command) else [],
                1 if num_slots is None else num_slots,
                1 if cores_per_slot is None else cores_per_slot,
                gpus_per_slot,
                num_nodes,
                broker_opts,
                bool(exclusive),
                conf,
                **_options(kwargs),
            )
        )

    @classmethod
    def from_batch_command(
        cls,
        script: str,
        jobname: str,
        args: Iterable[str] | None = None,
        num_slots: int | None = 1,
        cores_per_slot: int | None = 1,
        gpus_per_slot: int | None = None,
        num_nodes: int | None = None,
        broker_opts: Iterable[str] | None = None,
        exclusive: bool = False,
        conf: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """The jobspec of a Flux instance that runs the text ``script``; see :meth:`from_command`."""
        return cls._made(
            build.from_batch_command(
                script,
                jobname,
                args,
                num_slots=1 if num_slots is None else num_slots,
                cores_per_slot=1 if cores_per_slot is None else cores_per_slot,
                gpus_per_slot=gpus_per_slot,
                num_nodes=num_nodes,
                broker_opts=broker_opts,
                exclusive=bool(exclusive),
                conf=conf,
                **_options(kwargs),
            )
        )

    @classmethod
    def per_resource(
        cls,
        command: Sequence[str],
        ncores: int | None = None,
        nnodes: int | None = None,
        per_resource_type: str | None = None,
        per_resource_count: int | None = None,
        gpus_per_node: int | None = None,
        exclusive: bool = False,
        **kwargs: Any,
    ) -> Self:
        """The jobspec of so many tasks per core or per node; see :meth:`from_command`."""
        return cls._made(
            build.per_resource(
                _words(command),
                ncores,
                nnodes,
                per_resource_type,
                per_resource_count,
                gpus_per_node,
                bool(exclusive),
                **_options(kwargs),
            )
        )


def _words(command: Any) -> list[str]:
    if isinstance(command, str | bytes) or not hasattr(command, "__iter__"):
        raise TypeError("command must be a list of strings")
    words = [os.fspath(word) if isinstance(word, os.PathLike) else word for word in command]
    if not words:
        raise TypeError("command array cannot have length of zero")
    if not all(isinstance(word, str) for word in words):
        raise TypeError("command must be a list of strings")
    return words


def _options(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments of a factory as set_options() takes them."""
    options = {key: value for key, value in kwargs.items() if value is not None}
    options.setdefault("environment", current_environment())
    for key in ("input", "output", "error", "cwd"):
        if key in options:
            options[key] = path_text(key, options[key])
    seconds = getattr(options.get("duration"), "total_seconds", None)
    if seconds is not None:
        options["duration"] = seconds()
    return options


def validate_jobspec(
    jobspec: Jobspec | str | bytes | dict[str, Any], require_version: int | None = None
) -> tuple[bool, Jobspec]:
    """Check a jobspec, by the rules of its version (or of ``require_version``); returns (True, Jobspec).

    Raises ValueError or TypeError.
    """
    if isinstance(jobspec, Jobspec):
        obj: Any = jobspec.jobspec
    elif isinstance(jobspec, dict):
        obj = jobspec
    elif isinstance(jobspec, str | bytes):
        obj = _json.loads(jobspec)
    else:
        raise TypeError(f"jobspec must be a Jobspec, a dictionary or text, not {type(jobspec)}")
    if not isinstance(obj, dict):
        raise ValueError("a jobspec must be a JSON object")
    first = require_version == 1 or obj.get("version") == 1
    return True, (JobspecV1 if first else Jobspec).from_dict(obj)


def validate_counts(resources: Iterable[Mapping[str, Any]]) -> None:
    """Check that all counts are integers, as version 1 demands. Raises ValueError."""
    for resource in resources:
        if type(resource["count"]) is not int:
            kind = type(resource["count"]).__name__
            raise ValueError(
                f"resource count must be an integer for type '{resource['type']}' (got '{kind}')"
            )
        validate_counts(resource.get("with", []))
