# SPDX-License-Identifier: LGPL-3.0-or-later
"""Replacement fields in the options and the command of a submission: ``{}``, ``{1}``, ``{0./}``, ``{cc}``.

Mustache templates (``{{id}}``) are for the job shell and stay as they are.
"""

from __future__ import annotations

import os

from rosin.cli.arguments import Namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType
    from typing import Any

#: Options that may have fields, and how they are shown.
OPTIONS = {
    "queue": "-q",
    "bank": "-B",
    "ntasks": "-n",
    "nodes": "-N",
    "cores_per_task": "-c",
    "gpus_per_task": "-g",
    "cores": "--cores=",
    "tasks_per_node": "--tasks-per-node=",
    "tasks_per_core": "--tasks-per-core=",
    "gpus_per_node": "--gpus-per-node=",
    "time_limit": "-t",
    "env": "--env=",
    "urgency": "--urgency=",
    "setopt": "-o ",
    "setattr": "--setattr=",
    "job_name": "--job-name=",
    "input": "--input=",
    "output": "--output=",
    "error": "--error=",
    "cc": "--cc=",
    "bcc": "--bcc=",
    "log": "--log=",
    "log_stderr": "--log-stderr=",
    "dependency": "--dependency=",
    "taskmap": "--taskmap=",
    "requires": "--requires=",
    "wait": "--wait-event=",
    "cwd": "--cwd=",
    "flags": "--flags=",
    "signal": "--signal=",
}
#: What Python's formatting raises for a field that it cannot make sense of.
_BAD_FIELD = (LookupError, AttributeError, TypeError, ValueError, OverflowError, MemoryError)
_HINT = " (fields are {}, {0}, {0.%}, {cc}, ...; a command with braces of its own goes into a script)"
_OPEN, _CLOSE, _LIST = "\0<", "\0>", "\0,"


class ExpressionError(ValueError):
    """An expression of the user failed."""


class InputText:
    """An input string: ``{0}`` is itself, ``{0.%}`` without extension, ``{0./}`` its base name, ``{0.//}``
    its directory, ``{0./%}`` the base name without extension, ``{0.NAME}`` what the expression NAME makes.
    """

    __slots__ = ("_methods", "_text")

    def __init__(self, text: str, methods: Mapping[str, CodeType]) -> None:
        self._text = text
        self._methods = methods

    def __str__(self) -> str:
        return self._text

    def __format__(self, spec: str) -> str:
        return format(self._text, spec)

    def __getattr__(self, name: str) -> str:
        if name == "%":
            return os.path.splitext(self._text)[0]
        if name == "/":
            return os.path.basename(self._text)
        if name == "//":
            return os.path.dirname(self._text)
        if name == "/%":
            return os.path.basename(os.path.splitext(self._text)[0])
        code = self._methods.get(name)
        if code is None:
            raise ValueError(f"Unknown input string method '.{name}'")
        # The expression is the user's own, from the command line.
        try:
            result = eval(code, {"os": os}, {"x": self._text})
        except Exception as exc:
            text = f"--define={name}: {type(exc).__name__}: {exc} (for input '{self._text}')"
            raise ExpressionError(text) from None
        return _LIST.join(map(str, result)) if isinstance(result, list) else str(result)


def compile_methods(definitions: Sequence[str]) -> dict[str, CodeType]:
    """The expressions of ``--define=NAME=CODE``. Raises ValueError."""
    methods = {}
    for definition in definitions:
        name, equals, code = definition.partition("=")
        if not name or not equals:
            raise ValueError(f"--define: '{definition}' is not NAME=CODE")
        try:
            methods[name] = compile(code, name, "eval")
        except SyntaxError as exc:
            raise ValueError(f"--define: {name}: {exc}") from None
    return methods


def _has_field(value: Any) -> bool:
    texts = value if isinstance(value, list) else [value]
    return any("{" in text or "}" in text for text in texts if isinstance(text, str))


def _why(exc: Exception) -> str:
    """What a message says of a fault: other exceptions speak of Python."""
    return f": {exc}" if isinstance(exc, ValueError) and str(exc) else ""


def has_fields(args: Namespace) -> bool:
    """Whether anything is there to replace."""
    return _has_field(args.command) or any(_has_field(getattr(args, name)) for name in OPTIONS)


def substitute(args: Namespace, inputs: Sequence[InputText] = (), **keys: Any) -> Namespace:
    """A copy of ``args`` with its fields replaced. ``changed`` names the options that differ.

    Raises ValueError for a field that there is nothing for.
    """
    result = Namespace(**vars(args))
    result.command = []
    for word in args.command:
        try:
            text = _format(word, inputs, keys)
        except ExpressionError:
            raise
        except _BAD_FIELD as exc:
            raise ValueError(f"Invalid replacement string in command: '{word}'{_why(exc)}{_HINT}") from None
        result.command += text.split(_LIST)
    result.changed = set(getattr(args, "changed", ()))
    for name, option in OPTIONS.items():
        value = getattr(args, name)
        if not _has_field(value):
            continue
        try:
            new = [_format(text, inputs, keys) for text in value] if isinstance(value, list) else None
            setattr(result, name, _format(value, inputs, keys) if new is None else new)
        except ExpressionError:
            raise
        except IndexError:
            raise ValueError(f"Invalid replacement index in {option}{value}'") from None
        except (KeyError, AttributeError) as exc:
            raise ValueError(f"Replacement key {exc} not found in '{option}{value}'") from None
        except _BAD_FIELD as exc:
            raise ValueError(f"Invalid replacement string in '{option}{value}'{_why(exc)}") from None
        if getattr(result, name) != value:
            result.changed.add(name)
    return result


def _format(text: str, inputs: Sequence[InputText], keys: dict[str, Any]) -> str:
    if "{" not in text and "}" not in text:
        return text
    kept = text.replace("{{", _OPEN).replace("}}", _CLOSE)
    return kept.format(*inputs, **keys).replace(_OPEN, "{{").replace(_CLOSE, "}}")


def describe(args: Namespace) -> str:
    """A substituted submission in one line: the options that differ, ``--cc``, and the command."""
    words = [
        f"{option}{getattr(args, name)}"
        for name, option in OPTIONS.items()
        if getattr(args, name) and (name in args.changed or name == "cc")
    ]
    return " ".join(words + args.command)
