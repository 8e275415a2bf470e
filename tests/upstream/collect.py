# SPDX-License-Identifier: LGPL-3.0-or-later
"""The public names of the ``flux`` package and how they are called, one a line.

``flux python tests/upstream/collect.py > tests/upstream/names.txt``, run with flux-core's own bindings,
writes the table that tests/dropin compares the drop-in with. A line is ``MODULE NAME KIND SIGNATURE``;
members are written ``CLASS.MEMBER``. Only what a module itself defines is listed, and ``MODULE * star
NAMES`` what an import of everything gives.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys

SKIP = ("flux.cli", "flux.utils", "flux.testing")


def signature(obj):
    """``(NAME, NAME=DEFAULT, *NAME)``; a default that is no plain value is written ``...``."""
    try:
        parameters = inspect.signature(obj).parameters.values()
    except (TypeError, ValueError):
        return "(?)"
    words = []
    for par in parameters:
        word = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(par.kind.name, "") + par.name
        if par.default is not par.empty:
            plain = par.default is None or isinstance(par.default, (int, float, str, bool))
            word += f"={par.default!r}" if plain else "=..."
        words.append(word)
    return f"({', '.join(words)})"


def describe(obj, name):
    """The kind and signature of ``obj.name``."""
    value = getattr(obj, name)
    raw = inspect.getattr_static(obj, name, value)
    if inspect.isclass(value):
        return f"class {signature(value)}"
    if isinstance(raw, property) or inspect.isdatadescriptor(raw):
        return "property"
    if callable(value):
        return f"function {signature(value)}"
    return f"value {value!r}" if isinstance(value, (int, str)) and inspect.ismodule(obj) else "value"


def members(cls):
    """The public members that a class defines, and those its bases in the same module do."""
    return [name for name in vars(cls) if not name.startswith("_")]


def star(module):
    space = {}
    exec(f"from {module.__name__} import *", space)
    return sorted(name for name in space if not name.startswith("_"))


def modules(package):
    yield package
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if info.name.startswith(SKIP) or info.name.endswith(("parsetab", "__main__")):
            continue
        try:
            importlib.import_module(info.name)
        except ImportError as exc:
            sys.stderr.write(f"{info.name}: {exc}\n")
            continue
        yield sys.modules[info.name]


def lines(package):
    for module in modules(package):
        yield f"{module.__name__} * star {' '.join(star(module))}".rstrip()
        for name, obj in sorted(vars(module).items()):
            if name.startswith("_") or inspect.ismodule(obj):
                continue
            if getattr(obj, "__module__", module.__name__) != module.__name__:
                continue
            yield f"{module.__name__} {name} {describe(module, name)}"
            if inspect.isclass(obj):
                for member in sorted(members(obj)):
                    yield f"{module.__name__} {name}.{member} {describe(obj, member)}"


if __name__ == "__main__":
    for line in lines(importlib.import_module("flux")):
        print(line)
