# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job request that a jobspec answers to: what a form shows of a job that is to be run again.

The way back from :mod:`rosin.rest.own.making`. Only what would not be so by itself is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

from rosin.errors import FormatError
from rosin.rest.own.fields import parsed
from rosin.rest.own.making import WITH_STDIN, jobspec_of, prepared
from rosin.rest.own.schema.requests import JobRequest
from rosin.rest.problem import Problem
from rosin.rfc.constraint.query import render
from rosin.rfc.jobspec import build

_SHELL = ["/bin/sh", "-c"]
_SCRIPT = "{{tmpdir}}/script"
#: Attributes of the system that members of a request stand for.
_NAMED = frozenset(
    {
        "duration",
        "environment",
        "cwd",
        "queue",
        "bank",
        "job",
        "dependencies",
        "constraints",
        "files",
        "shell",
    }
)
_PATHS = {"input.stdin": "stdin_path", "output.stdout": "stdout_path", "output.stderr": "stderr_path"}


def request_of(spec: dict[str, Any], urgency: int = 16) -> tuple[dict[str, Any], bool]:
    """A :class:`JobRequest` as an object, and whether it makes this very jobspec.

    What no other member can say is said by ``jobspec``.
    """
    said = {} if urgency == 16 else {"urgency": urgency}
    try:
        found = _what(spec)
        usual = jobspec_of(prepared(parsed(JobRequest, found)))
        if usual["tasks"] != spec["tasks"] or usual["resources"] != spec["resources"]:
            raise ValueError("other resources than a request can ask for")
        found.update(_attributes(spec["attributes"], usual["attributes"]))
        made = jobspec_of(prepared(parsed(JobRequest, found)))
    except (Problem, FormatError, ValueError, TypeError, LookupError, AttributeError):
        return {"jobspec": spec, **said}, True
    return {**found, **said}, made == spec


def _what(spec: dict[str, Any]) -> dict[str, Any]:
    """What runs, and on how much."""
    (task,) = spec["tasks"]
    words, files = list(task["command"]), spec["attributes"]["system"].get("files", {})
    found: dict[str, Any] = {}
    if _SCRIPT in words and "script" in files:
        found["script"] = files["script"]["data"]
        if args := words[words.index(_SCRIPT) + 1 :]:
            found["args"] = args
        # What the script says of itself is said again, lest it be taken from there where it was overruled.
    else:
        if words[:3] == [*_SHELL, WITH_STDIN] and "stdin" in files:
            found["stdin"], words = files["stdin"]["data"], words[4:]
        if words[:2] == _SHELL and len(words) == 3:
            found.update(command=words[2], shell=True)
        else:
            found["command"] = words
    return {**found, **_size(spec, task)}


def _size(spec: dict[str, Any], task: dict[str, Any]) -> dict[str, Any]:
    (top,) = spec["resources"]
    slot = top["with"][0] if top["type"] == "node" else top
    amounts = {part["type"]: part["count"] for part in slot.get("with", [])}
    plain = slot["type"] == "slot" and set(amounts) <= {"core", "gpu"} and type(slot["count"]) is int
    if not plain or top["type"] not in ("node", "slot") or slot.get("label") != build.SLOT_LABEL:
        raise ValueError("not the shape of a request")
    nodes = top["count"] if top["type"] == "node" else None
    ntasks = task["count"].get("total") or slot["count"] * (nodes or 1)
    found: dict[str, Any] = {"ntasks": ntasks} if ntasks != 1 or nodes else {}
    if nodes:
        found["nnodes"] = nodes
    if top.get("exclusive"):
        found["exclusive"] = True
    if amounts.get("core", 1) != 1:
        found["cores_per_task"] = amounts["core"]
    if amounts.get("gpu"):
        found["gpus_per_task"] = amounts["gpu"]
    return found


def _attributes(given: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    system, before = given["system"], usual["system"]
    found: dict[str, Any] = {
        key: system[key]
        for key in ("cwd", "queue", "bank")
        if system.get(key, before.get(key)) != before.get(key)
    }
    if system.get("duration"):
        found["duration"] = system["duration"]
    name = system.get("job", {}).get("name")
    if name and name != before.get("job", {}).get("name"):
        found["name"] = name
    there = before["environment"]
    environment = {k: v for k, v in system.get("environment", {}).items() if there.get(k) != v}
    if environment:
        found["environment"] = environment
    if constraint := render(system.get("constraints")):
        found["requires"] = constraint
    found.update(_dependencies(system.get("dependencies", [])))
    found.update(
        _options(system.get("shell", {}).get("options", {}), before.get("shell", {}).get("options", {}))
    )
    rest = {key: value for key, value in given.items() if key != "system"}
    if others := {key: value for key, value in system.items() if key not in _NAMED}:
        rest["system"] = others
    if attributes := dict(_leaves(rest, {})):
        found["attributes"] = attributes
    return found


def _dependencies(entries: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    uris = []
    for entry in entries:
        if entry["scheme"] == "begin-time" and set(entry) == {"scheme", "value"} and not found:
            found["begin_time"] = float(entry["value"])
            continue
        more = {key: value for key, value in entry.items() if key not in ("scheme", "value")}
        query = "&".join(
            f"{quote_plus(key)}={quote_plus(str(one))}"
            for key, value in more.items()
            for one in (value if isinstance(value, list) else [value])
        )
        uris.append(f"{entry['scheme']}:{entry['value']}{'?' if query else ''}{query}")
    return {**found, "dependencies": uris} if uris else found


def _options(given: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """Options of the job shell, and the members that stand for some."""
    found: dict[str, Any] = {}
    options = dict(_leaves(given, usual))
    for stream, member in _PATHS.items():
        if options.get(f"{stream}.type") == "file" and f"{stream}.path" in options:
            del options[f"{stream}.type"]
            found[member] = options.pop(f"{stream}.path")
    labels = [
        f"{stream}.label" for stream, member in _PATHS.items() if member in found and stream != "input.stdin"
    ]
    if labels and all(options.get(label) is True for label in labels):
        found["label_io"] = True
        for label in labels:
            del options[label]
    if options.get("pty.interactive") == 1:
        del options["pty.interactive"]
        found["pty"] = True
    return {**found, "options": options} if options else found


def _leaves(given: dict[str, Any], usual: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted paths and values of what is not as usual."""
    for key, value in given.items():
        there = usual.get(key)
        if isinstance(value, dict) and value and (there is None or isinstance(there, dict)):
            yield from _leaves(value, there or {}, f"{path}{key}.")
        elif value != there:
            yield f"{path}{key}", value
