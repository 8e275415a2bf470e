# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 25: jobspecs made from a command and numbers, as flux-core's Python factories make them.

Every factory returns a new plain dict that :func:`rosin.rfc.jobspec.validate` accepts. The environment is
the caller's business: without *environment* the jobspec has none.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc import fsd, treedict
from rosin.rfc.count import MAX_COUNT
from rosin.rfc.payload import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

SLOT_LABEL = "task"
_MODE_FILE = 0o100000  # S_IFREG
_NO_PATH = (None, "none", "kvs")  # outputs that stay in the KVS


def from_command(
    command: Sequence[str],
    num_tasks: int = 1,
    cores_per_task: int = 1,
    gpus_per_task: int | None = None,
    num_nodes: int | None = None,
    exclusive: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Make the jobspec of *num_tasks* tasks, each in a slot of its own, on *num_nodes* nodes if set.

    *options* are those of :func:`set_options`. Raises FormatError.
    """
    _integer("the number of tasks", num_tasks, 1)
    _integer("the cores per task", cores_per_task, 1)
    count = {"per_slot": 1}
    if num_nodes is None:
        resources = _slot(num_tasks, cores_per_task, gpus_per_task)
        if exclusive:
            raise FormatError("jobspec: exclusive needs a number of nodes")
    else:
        _integer("the number of nodes", num_nodes, 1)
        if num_nodes > num_tasks:
            raise FormatError(f"jobspec: {num_nodes} nodes are more than {num_tasks} tasks")
        if num_tasks % num_nodes:
            count = {"total": num_tasks}  # the last slots stay empty
        slot = _slot(-(-num_tasks // num_nodes), cores_per_task, gpus_per_task)
        resources = _node(num_nodes, slot, exclusive)
    return set_options(_jobspec(resources, command, count), **options)


def from_nest_command(
    command: Sequence[str],
    num_slots: int = 1,
    cores_per_slot: int = 1,
    gpus_per_slot: int | None = None,
    num_nodes: int | None = None,
    broker_opts: Iterable[str] | None = None,
    exclusive: bool = False,
    conf: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Make the jobspec of a Flux instance with *command* as its initial program, one broker per node.

    *broker_opts* are arguments of its brokers, *conf* their configuration. Raises FormatError.
    """
    opts = [] if broker_opts is None else list(broker_opts)
    if conf is not None:
        opts.append("-c{{tmpdir}}/conf.json")
    jobspec = from_command(
        ["flux", "broker", *opts, *command],
        num_slots,
        cores_per_slot,
        gpus_per_slot,
        num_nodes,
        exclusive,
        **options,
    )
    set_shell_option(jobspec, "per-resource.type", "node")
    set_shell_option(jobspec, "mpi", "none")
    set_shell_option(jobspec, "exit-timeout", "none")
    if conf is not None:
        add_file(jobspec, "conf.json", dict(conf))
    return jobspec


def from_batch_command(
    script: str,
    jobname: str,
    args: Iterable[str] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Make the jobspec of a Flux instance that runs the text of *script*, called *jobname*, with *args*.

    *options* are the arguments of :func:`from_nest_command`. Raises FormatError, also when the script does
    not begin with ``#!``.
    """
    if not script.startswith("#!"):
        raise FormatError(f"jobspec: {jobname} does not appear to start with '#!'")
    jobspec = from_nest_command(["{{tmpdir}}/script", *(args or ())], name=jobname, **options)
    add_file(jobspec, "script", script, perms=0o700, encoding="utf-8")
    return jobspec


def per_resource(
    command: Sequence[str],
    ncores: int | None = None,
    nnodes: int | None = None,
    per_resource_type: str | None = None,
    per_resource_count: int | None = None,
    gpus_per_node: int | None = None,
    exclusive: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Make the jobspec of *per_resource_count* tasks per ``node`` or ``core`` of *nnodes* and *ncores*.

    Raises FormatError.
    """
    option = _per_resource_option(per_resource_type, per_resource_count)
    if ncores is not None:
        _integer("the number of cores", ncores, 1)
    if gpus_per_node is not None:
        _integer("the gpus per node", gpus_per_node, 0)
        if nnodes is None:
            raise FormatError("jobspec: gpus per node need a number of nodes")
    if nnodes is None:
        if exclusive:
            raise FormatError("jobspec: exclusive needs a number of nodes")
        if ncores is None:
            raise FormatError("jobspec: a number of nodes or cores is needed")
        resources = _slot(ncores, 1, None)
    else:
        resources = _node(
            nnodes, _slot(1, _cores_per_node(nnodes, ncores, exclusive), gpus_per_node), exclusive
        )
    jobspec = _jobspec(resources, command, {"per_slot": 1})
    if option:
        set_shell_option(jobspec, "per-resource", option)
    return set_options(jobspec, **options)


def _per_resource_option(kind: str | None, number: int | None) -> dict[str, Any] | None:
    if (kind is None) != (number is None):
        raise FormatError("jobspec: the type and the count of per-resource need each other")
    if kind is None:
        return None
    if kind not in ("node", "core"):
        raise FormatError(f"jobspec: per-resource: expected node or core, got {describe(kind)}")
    _integer("the tasks per resource", number, 1)
    return {"type": kind, "count": number}


def _cores_per_node(nnodes: int, ncores: int | None, exclusive: bool) -> int:
    _integer("the number of nodes", nnodes, 1)
    if ncores is None:
        if not exclusive:
            raise FormatError("jobspec: a number of nodes needs a number of cores, or exclusive")
        return 1
    if ncores % nnodes:
        raise FormatError(f"jobspec: {ncores} cores cannot be divided evenly among {nnodes} nodes")
    return ncores // nnodes


def _integer(what: str, value: Any, minimum: int) -> None:
    if type(value) is not int or not minimum <= value <= MAX_COUNT:
        raise FormatError(
            f"jobspec: {what}: expected an integer from {minimum} to {MAX_COUNT}, got {describe(value)}"
        )


def _slot(number: int, cores: int, gpus: int | None) -> dict[str, Any]:
    children = [{"type": "core", "count": cores}]
    if gpus is not None:
        _integer("the gpus per slot", gpus, 0)
        if gpus:
            children.append({"type": "gpu", "count": gpus})
    return {"type": "slot", "count": number, "with": children, "label": SLOT_LABEL}


def _node(number: int, slot: dict[str, Any], exclusive: bool) -> dict[str, Any]:
    if exclusive:
        return {"type": "node", "count": number, "exclusive": True, "with": [slot]}
    return {"type": "node", "count": number, "with": [slot]}


def _jobspec(resources: dict[str, Any], command: Sequence[str], count: dict[str, int]) -> dict[str, Any]:
    words = [] if isinstance(command, str) else list(command)
    if not words or not all(isinstance(word, str) for word in words):
        raise FormatError("jobspec: the command must be a list of one or more strings")
    return {
        "resources": [resources],
        "tasks": [{"command": words, "slot": SLOT_LABEL, "count": count}],
        "attributes": {"system": {"duration": 0}},
        "version": 1,
    }


def set_options(
    jobspec: dict[str, Any],
    *,
    duration: float | str | None = None,
    environment: Mapping[str, str | None] | None = None,
    env_expand: Mapping[str, str] | None = None,
    cwd: str | None = None,
    rlimits: Mapping[str, int] | None = None,
    name: str | None = None,
    input: str | None = None,
    output: str | None = None,
    error: str | None = None,
    label_io: bool = False,
    unbuffered: bool = False,
    queue: str | None = None,
    bank: str | None = None,
) -> dict[str, Any]:
    """Set attributes of *jobspec*, in place, and return it.

    *duration*: seconds or FSD text. *env_expand*: variables with mustache templates. *rlimits*: name to
    limit, -1 for none. *input*, *output*, *error*: paths of files (``none`` and ``kvs`` leave output in the
    KVS); *label_io* labels the lines in them. Raises FormatError.
    """
    system = jobspec["attributes"]["system"]
    if duration is not None:
        system["duration"] = seconds(duration)
    if environment is not None:
        system["environment"] = _mapping("environment", environment)
    if env_expand is not None:
        set_shell_option(jobspec, "env-expand", _mapping("env_expand", env_expand))
    if rlimits is not None:
        set_shell_option(jobspec, "rlimit", _mapping("rlimits", rlimits))
    if name is not None:
        system["job"] = {"name": _text("name", name)}
    if input is not None:
        _redirect(jobspec, "input.stdin", input, False)
    if output not in _NO_PATH:
        _redirect(jobspec, "output.stdout", output, label_io)
    if error not in _NO_PATH:
        _redirect(jobspec, "output.stderr", error, label_io)
    if unbuffered:
        set_unbuffered(jobspec)
    for key, value in (("cwd", cwd), ("queue", queue), ("bank", bank)):
        if value is not None:
            system[key] = _text(key, value)
    return jobspec


def _mapping(what: str, value: Any) -> dict[str, Any]:
    if not hasattr(value, "keys"):
        raise FormatError(f"jobspec: {what}: expected a mapping, got {describe(value)}")
    return dict(value)


def _text(what: str, value: Any) -> str:
    """Return text, or the text of a path object."""
    text = value.__fspath__() if hasattr(value, "__fspath__") else value
    if not isinstance(text, str):
        raise FormatError(f"jobspec: {what}: expected a string, got {describe(value)}")
    return text


def seconds(duration: float | str) -> float:
    """Return a duration, given in seconds or as FSD text, as finite seconds. Raises FormatError."""
    value = fsd.parse(duration) if isinstance(duration, str) else duration
    if type(value) not in (int, float) or not 0 <= value < float("inf"):
        raise FormatError(f"jobspec: duration: expected a finite time >= 0, got {describe(duration)}")
    return float(value)


def _redirect(jobspec: dict[str, Any], stream: str, path: Any, label: bool) -> None:
    set_shell_option(jobspec, f"{stream}.type", "file")
    set_shell_option(jobspec, f"{stream}.path", _text(stream, path))
    if label:
        set_shell_option(jobspec, f"{stream}.label", True)


def set_unbuffered(jobspec: dict[str, Any]) -> None:
    """Turn the buffering of output and input off, as far as the job shell can."""
    for stream in ("stdout", "stderr"):
        set_shell_option(jobspec, f"output.{stream}.buffer.type", "none")
    set_shell_option(jobspec, "output.batch-timeout", 0.05)
    set_shell_option(jobspec, "input.batch-timeout", 0.0)


def set_shell_option(jobspec: dict[str, Any], path: str, value: Any) -> None:
    """Set the option of the job shell at a dotted *path*. Raises FormatError."""
    set_attribute(jobspec, f"system.shell.options.{path}", value)


def set_attribute(jobspec: dict[str, Any], path: str, value: Any) -> None:
    """Set the attribute at a dotted *path*, making the objects on the way.

    The path begins below ``attributes`` with ``system.`` or ``user.``; without either it is below
    ``system``. FormatError: a step of the path is there and is no object.
    """
    steps = path.removeprefix("attributes.").split(".")
    if steps[0] not in ("system", "user") or len(steps) == 1:
        steps.insert(0, "system")
    treedict.put(jobspec["attributes"], ".".join(steps), value)


def add_file(
    jobspec: dict[str, Any],
    name: str,
    data: str | dict[str, Any],
    perms: int = 0o600,
    encoding: str | None = None,
) -> None:
    """Add a file to the jobspec's ``files`` (RFC 37): *data* is an object, or text in *encoding*."""
    jobspec["attributes"]["system"].setdefault("files", {})[name] = file_entry(data, perms, encoding)


def file_entry(data: str | dict[str, Any], perms: int = 0o600, encoding: str | None = None) -> dict[str, Any]:
    """Return a regular file (RFC 37) with *data*, an object, or text in *encoding*."""
    entry: dict[str, Any] = {"mode": _MODE_FILE | perms, "data": data}
    if encoding is not None:
        entry["encoding"] = encoding
    return entry
