# SPDX-License-Identifier: LGPL-3.0-or-later
"""Parameters of ``/v1`` requests: from the query, a JSON body or a form, as its clients have sent them."""

from __future__ import annotations

import ast
from typing import Any

from fastapi import Request

from rosin import _json
from rosin.errors import FormatError
from rosin.rest.pages import is_form
from rosin.rest.problem import Problem

#: Parameters of a submission. A JSON body with none of them is the job's environment.
KNOWN = frozenset(
    {
        "command",
        "num_tasks",
        "cores_per_task",
        "gpus_per_task",
        "num_nodes",
        "exclusive",
        "option_flags",
        "workdir",
        "runtime",
        "is_launcher",
        "envars",
        "name",
    }
)
_NUMBERS = ("num_tasks", "cores_per_task", "gpus_per_task", "num_nodes")
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off", ""})


async def body_object(request: Request) -> dict[str, Any]:
    """The request's JSON object or form, empty if there is none. Raises Problem 422."""
    if await is_form(request):
        form = await request.form(max_files=0, max_fields=100)
        return {name: value for name, value in form.items() if isinstance(value, str)}
    body = await request.body()
    if not body.strip() or body.strip() == b"null":
        return {}
    try:
        obj = _json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise invalid("body", f"not valid JSON: {exc}", None) from None
    if not isinstance(obj, dict):
        raise invalid("body", "expected an object", None)
    return obj


def invalid(where: str, text: str, value: Any) -> Problem:
    """The 422 that FastAPI sends for a parameter."""
    problem = Problem(422, text)
    problem.detail = [{"type": "value_error", "loc": ["query", where], "msg": text, "input": value}]  # type: ignore[assignment]
    return problem


async def collect(request: Request) -> tuple[dict[str, Any], dict[str, str]]:
    """Parameters that have a value, and the environment. Raises Problem."""
    found: dict[str, Any] = dict(request.query_params)
    environment: dict[str, Any] = {}
    body = await body_object(request)
    if KNOWN & body.keys():
        found.update(body)
    else:
        environment.update(body)
    parameters = {name: value for name, value in found.items() if value is not None and value != ""}
    environment.update(_envars(parameters.pop("envars", None)))
    return parameters, {str(name): str(value) for name, value in environment.items()}


def _envars(value: Any) -> dict[str, Any]:
    """Extra environment: an object, JSON text, or the text of a Python dict."""
    if value is None or isinstance(value, dict):
        return value or {}
    try:
        found = _json.loads(value)
    except (ValueError, TypeError):
        try:
            found = ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            found = None
    if not isinstance(found, dict):
        raise invalid("envars", "expected an object of names and values", value)
    return found


def integer(name: str, value: Any) -> int:
    """A whole number. Raises Problem 422."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise invalid(name, "Input should be a valid integer", value)
    try:
        return int(value)
    except ValueError:
        raise invalid(
            name, "Input should be a valid integer, unable to parse string as an integer", value
        ) from None


def flag(name: str, value: Any) -> bool:
    """A boolean. Raises Problem 422."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in _TRUE and word not in _FALSE:
        raise invalid(name, "Input should be a valid boolean, unable to interpret input", value)
    return word in _TRUE


def submission(parameters: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    """The parameters of :func:`rosin.rest.submission.jobspec`. Raises Problem 422 and FormatError."""
    result: dict[str, Any] = {"environment": environment}
    for name in _NUMBERS:
        if name in parameters:
            result[name] = integer(name, parameters[name])
    if "runtime" in parameters:
        result["runtime"] = integer("runtime", parameters["runtime"])
    if "exclusive" in parameters:
        result["exclusive"] = flag("exclusive", parameters["exclusive"])
    command = parameters["command"]
    if not isinstance(command, str | list) or (
        isinstance(command, list) and not all(isinstance(word, str) for word in command)
    ):
        raise FormatError("command: expected a text or a list of texts")
    result["command"] = command
    for name in ("workdir", "name"):
        if name in parameters:
            result[name] = str(parameters[name])
    flags = parameters.get("option_flags")
    if flags is not None and not isinstance(flags, str | dict):
        raise invalid("option_flags", "expected key=value,key=value", flags)
    result["option_flags"] = flags
    return result
