# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 36: what a batch script says of its job in lines of ``# flux:``.

These are options of ``rosin batch``, but none that reads files or the environment of where it is called: that
would be the server's.
"""

from __future__ import annotations

from typing import Any

from rosin import _json
from rosin.errors import FormatError
from rosin.rest.own.fields import field_problem, parsed
from rosin.rest.own.schema.requests import JobRequest
from rosin.rfc import fsd
from rosin.rfc.directives import Directive, parse
from rosin.rfc.jobspec import build

_NUMBERS = {
    "nslots": "ntasks",
    "cores-per-slot": "cores_per_task",
    "gpus-per-slot": "gpus_per_task",
    "nodes": "nnodes",
}
_TEXTS = {
    "queue": "queue",
    "bank": "bank",
    "job-name": "name",
    "cwd": "cwd",
    "input": "stdin_path",
    "output": "stdout_path",
    "error": "stderr_path",
    "resources-shape": "shape",
}
_FLAGS = {"exclusive": "exclusive", "label-io": "label_io"}
_LISTS = ("dependency", "requires", "env", "setopt", "setattr", "flags")
_SHORT = {
    "n": "nslots",
    "c": "cores-per-slot",
    "g": "gpus-per-slot",
    "N": "nodes",
    "x": "exclusive",
    "t": "time-limit",
    "q": "queue",
    "B": "bank",
    "o": "setopt",
    "S": "setattr",
    "l": "label-io",
}
_LONG = frozenset({*_NUMBERS, *_TEXTS, *_FLAGS, *_LISTS, "time-limit", "urgency"})
_URGENCIES = {"hold": 0, "default": 16, "expedite": 31}


def with_directives(asked: JobRequest) -> JobRequest:
    """The request, with what its script says where it says nothing itself. Raises Problem 422."""
    script = asked.script or ""
    try:
        directives = parse(script)
    except FormatError as exc:
        raise field_problem("script", str(exc)) from None
    found: dict[str, Any] = {}
    for directive in directives:
        try:
            for name, value in _options(directive):
                _take(found, name, value)
        except (FormatError, ValueError) as exc:
            raise field_problem("script", f"line {directive.line}: {exc}") from None
    given = {name: getattr(asked, name) for name in asked.model_fields_set}
    for name in ("environment", "options", "attributes"):
        if name in found and name in given:
            given[name] = {**found[name], **given[name]}
    result: JobRequest = parsed(JobRequest, {**found, **given}, "script")
    return result


def _options(directive: Directive) -> list[tuple[str, str]]:
    """Names of options in full, and their values. Raises FormatError."""
    words, found = list(directive.args), []
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
        elif word.startswith("-") and len(word) > 1:
            name, value = _SHORT.get(word[1], word[:2]), word[2:]
            equals = value
        else:
            raise FormatError(f"'{word[:40]}' is no option")
        if name not in _LONG:
            raise FormatError(f"{word[:40]}: this option cannot be given here")
        if name in _FLAGS:
            if equals:
                raise FormatError(f"{word[:40]}: it takes no value")
        elif not equals:
            if not words:
                raise FormatError(f"{word[:40]}: its value is missing")
            value = words.pop(0)
        found.append((name, value))
    return found


def _take(found: dict[str, Any], name: str, value: str) -> None:
    if name in _NUMBERS:
        if not value.isdecimal() or len(value) > 7:
            raise FormatError(f"--{name}={value[:40]}: it takes a number")
        found[_NUMBERS[name]] = int(value)
    elif name in _TEXTS:
        found[_TEXTS[name]] = value
    elif name in _FLAGS:
        found[_FLAGS[name]] = True
    elif name == "time-limit":
        found["duration"] = _limit(value)
    elif name == "urgency":
        found["urgency"] = _URGENCIES[value] if value in _URGENCIES else int(value)
    elif name == "requires":
        found["requires"] = " ".join(filter(None, [found.get("requires"), value]))
    elif name == "dependency":
        found.setdefault("dependencies", []).append(value)
    elif name == "flags":
        found.setdefault("flags", []).extend(value.split(","))
    elif name == "env":
        variable, equals, text = value.partition("=")
        if not equals:
            raise FormatError(f"--env={value[:40]}: here it takes NAME=VALUE")
        found.setdefault("environment", {})[variable] = text
    else:
        key, equals, text = value.partition("=")
        if key.startswith("^"):
            raise FormatError(f"--{name}={value[:40]}: files cannot be read here")
        where = "options" if name == "setopt" else "attributes"
        found.setdefault(where, {})[key] = value_of(text) if equals else 1


def _limit(text: str) -> float:
    """Seconds of minutes, or of a number with a unit. Raises FormatError."""
    digits = text.replace(".", "", 1)
    return build.seconds(float(text) * 60) if digits.isdecimal() and digits.isascii() else fsd.parse(text)


def value_of(text: str) -> Any:
    """A value as ``-o`` takes it: JSON if it can be, else the text."""
    try:
        return _json.loads(text)
    except ValueError:
        return text
