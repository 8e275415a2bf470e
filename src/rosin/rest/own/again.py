# SPDX-License-Identifier: LGPL-3.0-or-later
"""The jobspec of a job that was there before, with changes."""

from __future__ import annotations

import copy
from typing import Any

from rosin import _json
from rosin.errors import FormatError
from rosin.rest.instance import InstanceLink
from rosin.rest.own.detail import looked_up, signed_jobspec
from rosin.rest.own.fields import field_problem, parsed
from rosin.rest.own.making import jobspec_of
from rosin.rest.own.schema.requests import JobRequest
from rosin.rest.problem import Problem
from rosin.rfc import jobspec as rfc14

#: What says how large a job is: one of them replaces all that was said of it.
_SIZE = frozenset({"ntasks", "nnodes", "cores_per_task", "gpus_per_task", "exclusive", "shape"})
_WHAT = frozenset({"jobspec", "script", "args"})


async def jobspec_again(instance: InstanceLink, jobid: int, changes: dict[str, Any]) -> dict[str, Any]:
    """The jobspec as it was submitted, with members of a job request. Raises Problem."""
    old = await original(instance, jobid)
    if wrong := sorted(_WHAT.intersection(changes)):
        raise field_problem(f"changes.{wrong[0]}", "that would be another job: submit it")
    if not changes:
        return old
    asked = parsed(JobRequest, {"command": ["true"], **changes}, "changes")
    new = jobspec_of(asked)
    spec = copy.deepcopy(old)
    given = asked.model_fields_set
    if given & _SIZE:
        spec["resources"] = new["resources"]
        spec["tasks"][0]["count"] = new["tasks"][0]["count"]
    if "command" in changes:
        spec["tasks"][0]["command"] = new["tasks"][0]["command"]
    _merge(spec["attributes"]["system"], new["attributes"]["system"], given)
    try:
        rfc14.validate(spec)
    except FormatError as exc:
        raise field_problem("changes", str(exc)) from None
    return spec


_SYSTEM = {
    "duration": "duration",
    "queue": "queue",
    "bank": "bank",
    "cwd": "cwd",
    "name": "job",
    "requires": "constraints",
    "dependencies": "dependencies",
    "begin_time": "dependencies",
    "stdin": "files",
}


def _merge(old: dict[str, Any], new: dict[str, Any], given: set[str]) -> None:
    for member, key in _SYSTEM.items():
        if member in given:
            if key in new:
                old[key] = new[key]
            else:
                old.pop(key, None)
    if "environment" in given:
        old["environment"] = {**(old.get("environment") or {}), **new["environment"]}
    if given & {"options", "pty", "stdin_path", "stdout_path", "stderr_path", "label_io", "attributes"}:
        _overlay(old, {key: new[key] for key in new.keys() - {"environment", "cwd", "duration", "job"}})


def _overlay(old: dict[str, Any], new: dict[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            _overlay(old[key], value)
        else:
            old[key] = value


async def original(instance: InstanceLink, jobid: int) -> dict[str, Any]:
    """What was submitted: the signed jobspec has the environment, which the other one has lost."""
    spec = await signed_jobspec(instance, jobid)
    if spec is None:
        text = await looked_up(instance, jobid, "jobspec")
        spec = _json.loads(text) if text else None
    if not isinstance(spec, dict):
        raise Problem(409, "the job's jobspec is no longer known")
    return spec
