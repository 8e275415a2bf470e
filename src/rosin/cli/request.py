# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a submission asks for: nodes, slots, cores, GPUs and the tasks on them (RFC 14, RFC 46)."""

from __future__ import annotations

from rosin import _json
from rosin.cli.base import reason
from rosin.rfc.jobspec import build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from typing import Any

    Object = dict[str, Any]

_NUMBERS = (
    "ntasks",
    "nodes",
    "cores",
    "cores_per_task",
    "gpus_per_task",
    "tasks_per_node",
    "tasks_per_core",
    "gpus_per_node",
)


def of_tasks(args: Namespace, options: dict[str, Any]) -> Object:
    """The jobspec of the command's tasks with these options of :func:`rosin.rfc.jobspec.build.set_options`.

    Raises ValueError.
    """
    whole = whole_resources(args)
    names = _NUMBERS if whole is None else ("tasks_per_node", "tasks_per_core")
    numbers = dict.fromkeys(_NUMBERS) | {name: whole_number(name, getattr(args, name)) for name in names}
    if whole is None:
        return _shape(args.command, numbers, args.exclusive, options)
    numbers["nodes"] = 1  # any shape, which gives way to the one that is given
    return {**_shape(args.command, numbers, False, options), "resources": whole}


def _shape(
    command: Sequence[str], numbers: dict[str, int | None], exclusive: bool, options: dict[str, Any]
) -> Object:
    """The jobspec of a number of tasks, or of tasks per resource."""
    per_node, per_core = numbers["tasks_per_node"], numbers["tasks_per_core"]
    nodes, cores, gpus = numbers["nodes"], numbers["cores"], numbers["gpus_per_node"]
    if per_node is not None and per_core is not None:
        raise ValueError("Do not specify both the number of tasks per node and per core")
    for option, value in (("node", per_node), ("core", per_core)):
        if value is not None and value < 1:
            raise ValueError(f"--tasks-per-{option} must be >= 1")
    if gpus and not nodes:
        raise ValueError("--gpus-per-node requires --nodes")
    if (per_node, per_core, gpus, cores) == (None, None, None, None):
        return _per_task(command, numbers, exclusive, options)
    if (numbers["ntasks"], numbers["cores_per_task"]) != (None, None) or numbers["gpus_per_task"]:
        raise ValueError("Per-resource options can't be used with per-task options. (See --help for details)")
    if nodes and cores is not None and cores % nodes:
        raise ValueError("number of cores must be evenly divisible by node count")
    return build.per_resource(
        command,
        ncores=cores,
        nnodes=nodes,
        per_resource_type="node" if per_node is not None else "core" if per_core is not None else None,
        per_resource_count=per_node if per_node is not None else per_core,
        gpus_per_node=gpus,
        exclusive=exclusive or bool(nodes and cores is None),
        **options,
    )


def _per_task(
    command: Sequence[str], numbers: dict[str, int | None], exclusive: bool, options: dict[str, Any]
) -> Object:
    nodes, ntasks = numbers["nodes"], numbers["ntasks"]
    if not ntasks and nodes:
        ntasks, exclusive = nodes, True
    ntasks = ntasks or 1
    cores = numbers["cores_per_task"] or 1
    if ntasks < 1:
        raise ValueError("task count must be a integer >= 1")
    if cores < 1:
        raise ValueError("cores per task must be an integer >= 1")
    if nodes is not None and nodes < 1:
        raise ValueError("node count must be an integer >= 1 (if set)")
    if nodes is not None and nodes > ntasks:
        raise ValueError("node count must not be greater than task count")
    if exclusive and nodes is None:
        raise ValueError("exclusive can only be set with a node count")
    return build.from_command(
        command,
        num_tasks=ntasks,
        cores_per_task=cores,
        gpus_per_task=numbers["gpus_per_task"],
        num_nodes=nodes,
        exclusive=exclusive,
        **options,
    )


def whole_resources(args: Namespace) -> list[Any] | None:
    """The resources of ``--resources-shape`` or ``--resources-json``, None without. Raises ValueError."""
    if args.resources_shape and args.resources_json:
        raise ValueError(
            "--resources-shape and --resources-json are mutually exclusive: give the resources once"
        )
    if args.resources_shape:
        from rosin.rfc.shape import parse

        try:
            return parse(args.resources_shape, build.SLOT_LABEL, range_strings=True)
        except ValueError as exc:
            accepted = "an RFC 46 shape, as in slot=2/core=4"
            raise ValueError(
                f"--resources-shape='{args.resources_shape}': {exc}: it takes {accepted}"
            ) from None
    if not args.resources_json:
        return None
    accepted = "a file with a jobspec or its list of resources in JSON"
    try:
        with open(args.resources_json, "rb") as stream:
            found = _json.loads(stream.read())
    except (OSError, ValueError) as exc:
        raise ValueError(
            f"--resources-json={args.resources_json}: {reason(exc)}: it takes {accepted}"
        ) from None
    found = found.get("resources") if isinstance(found, dict) else found
    if not isinstance(found, list):
        raise ValueError(f"--resources-json={args.resources_json}: there is no list: it takes {accepted}")
    return found


def whole_number(name: str, text: str | None) -> int | None:
    """The number of an option by its attribute's name; None if it is not given. Raises ValueError."""
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        option = f"--{name.replace('_', '-')}"
        accepted = f"a whole number, as in {option}=4"
        raise ValueError(f"{option}: invalid int value '{text}': it takes {accepted}") from None
