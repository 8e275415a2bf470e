# SPDX-License-Identifier: LGPL-3.0-or-later
"""The reference page of the Python API, from signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rosin
from rosin.connection import AsyncInstance, AsyncJob, AsyncKVS, ListedJob, ListedNode, ListedQueue, RowList
from rosin.executor import JobExecutor, JobFuture
from rosin.handle.flux import Flux
from rosin.handle.future import Future
from rosin.handle.rpc import RPC
from rosin.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOTE = "<!-- Written by docs/generate.py from the docstrings; do not edit. -->"
_INTRODUCTION = """\
What programs import. [Start an instance from Python](../how-to/python.md) shows it at work. Under
flux-core's names the same is [the drop-in](../how-to/drop-in.md): `import flux`.

Each function takes any handle and either returns a future or, without `_async` in its name, waits for one,
which needs a blocking handle. Failures are `OSError` with the `errno` of the service and one line that
says why."""
_SESSION = re.compile(r"(?m)^>>> .*\n(?:(?:\.\.\.|>>>) .*\n?)*")
_CLASSES = (
    *(Instance, Flux, AsyncInstance, AsyncJob, AsyncKVS, RowList, ListedJob, ListedNode, ListedQueue),
    *(JobExecutor, JobFuture, Future, RPC),
)
_MODULES = ("rosin.executor", "rosin.job", "rosin.kvs", "rosin.content", "rosin.resource", "rosin.queue")


def python_api() -> str:
    """The page."""
    parts = [_NOTE, "# Python API", _INTRODUCTION]
    for cls in _CLASSES:
        parts += [f"## {'rosin.' if cls.__name__ in rosin.__all__ else ''}{cls.__name__}", _text(cls)]
        parts += list(_members(cls))
    for name in _MODULES:
        module = import_module(name)
        parts += [f"## {name}", _paragraph(module)]
        public = getattr(module, "__all__", None) or [
            item
            for item, value in vars(module).items()
            if not item.startswith("_") and getattr(value, "__module__", "") == name
        ]
        parts += [_entry(item, getattr(module, item)) + _example(f"{name}.{item}") for item in sorted(public)]
    return "\n\n".join(parts) + "\n"


def examples() -> dict[str, str]:
    """The sessions of docs/python_examples.txt by the function that each is of."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in Path(__file__).with_name("python_examples.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            name = line[2:]
            found[name] = []
        else:
            found[name].append(line)
    return {name: "\n".join(lines) for name, lines in found.items() if lines}


def _example(name: str) -> str:
    session = examples().get(name)
    return f"\n\n```python\n{session}\n```" if session else ""


def _members(cls: type) -> Iterator[str]:
    for name in sorted(dir(cls)):
        owner = next(base for base in cls.__mro__ if name in vars(base))
        if name.startswith("_") or owner is object or not (cls is not RPC or owner is RPC):
            continue
        value = inspect.getattr_static(cls, name)
        if isinstance(value, property) and value.fget is not None:
            yield f"**`{name}`**<br>\n{_plain(inspect.getdoc(value.fget) or '')}"
        elif callable(method := getattr(cls, name)) and inspect.isroutine(method) and inspect.getdoc(method):
            yield _entry(name, method)


def _entry(name: str, value: Any) -> str:
    if not callable(value):
        return f"**`{name}`**"
    try:
        signature = str(inspect.signature(value)).replace("self, ", "").replace("(self)", "()")
    except (TypeError, ValueError):
        signature = "(...)"
    signature = re.sub(r"<[^<>]*>", "...", signature.replace("'", ""))
    return f"**`{name}{signature}`**<br>\n{_text(value)}"


def _paragraph(module: Any) -> str:
    return _plain((inspect.getdoc(module) or "").split("\n\n")[0])


def _text(value: Any) -> str:
    return _plain(inspect.getdoc(value) or "")


def _plain(text: str) -> str:
    """A docstring as Markdown."""
    text = re.sub(r":[a-z]+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    text = re.sub(_SESSION, lambda code: f"```python\n{code[0].rstrip()}\n```\n", text)
    return re.sub(r"(?<!`)``(?!`)", "`", text)
