# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14, RFC 25: the jobspec that a job request stands for, each fault by the member that it is in."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from rosin import _json
from rosin.errors import FormatError
from rosin.rest.own.fields import field_problem
from rosin.rest.own.schema.requests import JobRequest
from rosin.rest.own.script import with_directives
from rosin.rest.submission import clean_environment, options, words
from rosin.rfc import jobspec as rfc14
from rosin.rfc import shape, sign
from rosin.rfc.constraint.query import parse as parse_query
from rosin.rfc.dependency import parse_uri
from rosin.rfc.jobspec import build

T = TypeVar("T")

_OPERATORS = {None: "properties", "host": "hostlist", "hosts": "hostlist", "rank": "ranks"}
#: Reads the text that a job brings along; without a shell between, tasks could not find it.
WITH_STDIN = 'exec "$@" < "$FLUX_JOB_TMPDIR/stdin"'
_DESCRIBED = ("command", "script", "jobspec", "signed")


def _of(field: str, make: Callable[[], T]) -> T:
    """What *make* returns. A FormatError becomes a Problem 422 that names the member."""
    try:
        return make()
    except (FormatError, TypeError, ValueError) as exc:
        raise field_problem(field, str(exc).removeprefix("jobspec: ").removeprefix(f"{field}: ")) from None


def prepared(asked: JobRequest) -> JobRequest:
    """The request with what its script says itself. Raises Problem 422."""
    given = [name for name in _DESCRIBED if getattr(asked, name) is not None]
    if len(given) != 1:
        text = (
            f"{' and '.join(given)} exclude each other"
            if given
            else "it is needed, or a script, or a jobspec"
        )
        raise field_problem(given[-1] if given else "command", text)
    if asked.jobspec is not None or asked.signed is not None:
        allowed = {given[0], "urgency", "flags"}
        if extra := sorted(asked.model_fields_set - allowed):
            raise field_problem(extra[0], "a jobspec says that itself")
    if asked.args and asked.script is None:
        raise field_problem("args", "they are those of a script")
    return with_directives(asked) if asked.script is not None else asked


def jobspec_of(
    asked: JobRequest, defaults: dict[str, Any] | None = None, userid: int | None = None
) -> dict[str, Any]:
    """The jobspec of a :func:`prepared` request. Raises Problem 422.

    *defaults*: options of the job shell for every job; *userid*: whose the job is, in whose home it runs.
    """
    if asked.jobspec is not None:
        _of("jobspec", lambda: rfc14.validate(asked.jobspec))
        return asked.jobspec
    if asked.signed is not None:
        return _signed(asked.signed)
    account = os.getuid() if userid is None else userid
    spec = _nested(asked, account) if asked.script is not None else _tasks(asked, account)
    if asked.shape is not None:
        spec["resources"] = _resources(asked)
    _add(spec, asked)
    given = _of("options", lambda: options(asked.options))
    for path, value in {**(defaults or {}), **given}.items():
        _of("options", lambda path=path, value=value: build.set_shell_option(spec, path, value))  # type: ignore[misc]
    for path, value in asked.attributes.items():
        _of("attributes", lambda path=path, value=value: build.set_attribute(spec, path, value))  # type: ignore[misc]
    _of("", lambda: rfc14.validate(spec))
    return spec


def _signed(text: str) -> dict[str, Any]:
    """What is in a signed job request."""
    spec = _of("signed", lambda: _json.loads(sign.unwrap(text)[0]))
    _of("signed", lambda: rfc14.validate(spec))
    found: dict[str, Any] = spec
    return found


def _tasks(asked: JobRequest, userid: int) -> dict[str, Any]:
    assert asked.command is not None
    command = asked.command
    argv = _of("command", lambda: words(command, asked.shell))
    if asked.stdin is not None:
        argv = ["/bin/sh", "-c", WITH_STDIN, argv[0], *argv]
    count, exclusive = _count(asked)
    return _of(
        _blamed(asked),
        lambda: build.from_command(
            argv,
            num_tasks=count,
            cores_per_task=asked.cores_per_task or 1,
            gpus_per_task=asked.gpus_per_task,
            num_nodes=asked.nnodes,
            exclusive=exclusive,
            input=asked.stdin_path,
            output=asked.stdout_path,
            error=asked.stderr_path,
            label_io=asked.label_io,
            **_options(asked, name_of(asked), userid),
        ),
    )


def _nested(asked: JobRequest, userid: int) -> dict[str, Any]:
    assert asked.script is not None
    if asked.stdin is not None:
        raise field_problem("stdin", "the tasks of a script read what it gives them")
    script, (count, exclusive) = asked.script, _count(asked)
    keywords = _options(asked, None, userid)
    del keywords["name"]
    return _of(
        "script",
        lambda: build.from_batch_command(
            script,
            asked.name or "batch",
            asked.args,
            num_slots=count,
            cores_per_slot=asked.cores_per_task or 1,
            gpus_per_slot=asked.gpus_per_task,
            num_nodes=asked.nnodes,
            exclusive=exclusive,
            input=asked.stdin_path,
            output=asked.stdout_path,
            error=asked.stderr_path,
            label_io=asked.label_io,
            **keywords,
        ),
    )


def _count(asked: JobRequest) -> tuple[int, bool]:
    """The number of tasks and whether nodes are whole: nodes without tasks are, as with ``rosin run -N``."""
    if asked.exclusive and asked.nnodes is None:
        raise field_problem("exclusive", "it needs a number of nodes (nnodes)")
    if asked.ntasks is None and asked.nnodes is not None:
        return asked.nnodes, True
    ntasks = asked.ntasks or 1
    if asked.nnodes is not None and asked.nnodes > ntasks:
        raise field_problem("nnodes", f"{asked.nnodes} nodes are more than {ntasks} tasks")
    return ntasks, asked.exclusive


def name_of(asked: JobRequest) -> str | None:
    """The name of the job, where the command does not give it by itself."""
    if asked.name or asked.stdin is None or asked.command is None:
        return asked.name
    first = asked.command[0] if isinstance(asked.command, list) else words(asked.command)[0]
    return first.rpartition("/")[2] or first


def _options(asked: JobRequest, name: str | None, userid: int) -> dict[str, Any]:
    base = clean_environment(userid)
    environment = {**base, **asked.environment}
    for variable, value in asked.environment.items():
        if not variable or "=" in variable or "\0" in variable or "\0" in value:
            raise field_problem("environment", f"'{variable[:80]}' cannot be the name of a variable")
    duration = asked.duration
    return {
        "duration": None if duration is None else _of("duration", lambda: build.seconds(duration)),
        "environment": environment,
        "cwd": asked.cwd or base["HOME"],
        "name": name,
        "queue": asked.queue,
        "bank": asked.bank,
    }


def _blamed(asked: JobRequest) -> str:
    return "nnodes" if asked.nnodes is not None else "ntasks"


def _resources(asked: JobRequest) -> list[Any]:
    others = ("ntasks", "nnodes", "cores_per_task", "gpus_per_task")
    if asked.exclusive or any(getattr(asked, name) is not None for name in others):
        raise field_problem("shape", f"it says what {', '.join(others)} and exclusive would")
    text = asked.shape
    assert text is not None
    return _of("shape", lambda: shape.parse(text, build.SLOT_LABEL, range_strings=True))


def _add(spec: dict[str, Any], asked: JobRequest) -> None:
    """What the factories of RFC 25 know nothing of."""
    system = spec["attributes"]["system"]
    entries = [_of("dependencies", lambda uri=uri: parse_uri(uri)) for uri in asked.dependencies]  # type: ignore[misc]
    if asked.begin_time is not None:
        entries.append({"scheme": "begin-time", "value": str(asked.begin_time)})
    if entries:
        system["dependencies"] = entries
    if asked.requires is not None:
        system["constraints"] = _of("requires", lambda: _constraint(asked.requires or ""))
    if asked.stdin is not None:
        build.add_file(spec, "stdin", asked.stdin, encoding="utf-8")
    if asked.pty:
        build.set_shell_option(spec, "pty.interactive", 1)


def _constraint(text: str) -> dict[str, Any]:
    return parse_query(text, _OPERATORS, {"properties": ","}, {"properties"})
