# SPDX-License-Identifier: LGPL-3.0-or-later
"""The public names of the ``flux`` package and how they are called, one a line.

With flux-core's own bindings, this writes the table that tests/dropin compares the drop-in with::

    PYTHONPATH=PREFIX/lib/python3.X/site-packages python3 tests/upstream/collect.py \\
        SOURCES/src/bindings/python/flux > tests/upstream/names.txt

The argument is a further folder with modules of ``flux``: only a flux-core that is built with flux-security
installs ``flux.security``. The kinds of lines:

* ``MODULE NAME class|function SIGNATURE``, ``MODULE NAME property``, ``MODULE NAME value VALUE``; members are
  written ``CLASS.MEMBER``. Only what a module itself defines is listed.
* ``MODULE CLASS.MEMBER attribute``: what a method of the class assigns to ``self``.
* ``MODULE CLASS bases NAMES``: all classes that it derives from; ``MODULE CLASS protocol NAMES``: the special
  methods that it or these define, those of ``object`` apart.
* ``MODULE * star NAMES``: what an import of everything gives, where the module says so.
* ``MODULE NAME from HOME``: a class or function of another module, which it imports for its own use.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import textwrap
from functools import lru_cache
from pathlib import Path
from unittest.mock import MagicMock

#: Special methods that say nothing of what an object can do.
PLAIN = {
    *dir(object),
    "__abstractmethods__",
    "__annotations__",
    "__dataclass_fields__",
    "__dataclass_params__",
    "__del__",
    "__dict__",
    "__firstlineno__",
    "__match_args__",
    "__module__",
    "__orig_bases__",
    "__parameters__",
    "__slots__",
    "__static_attributes__",
    "__weakref__",
}


def signature(obj):
    """``(NAME, /, NAME=DEFAULT, *, NAME, **NAME)``; a default that is no plain value is written ``...``."""
    try:
        parameters = inspect.signature(obj).parameters.values()
    except (TypeError, ValueError):
        return "(?)"
    words = []
    last = None
    for par in parameters:
        if last == "POSITIONAL_ONLY" != par.kind.name:
            words.append("/")
        if par.kind.name == "KEYWORD_ONLY" and last not in ("KEYWORD_ONLY", "VAR_POSITIONAL"):
            words.append("*")
        last = par.kind.name
        word = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(last, "") + par.name
        if par.default is not par.empty:
            plain = par.default is None or isinstance(par.default, (int, float, str, bool))
            word += f"={par.default!r}" if plain else "=..."
        words.append(word)
    return f"({', '.join([*words, '/'] if last == 'POSITIONAL_ONLY' else words)})"


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
    """The public members that a class itself defines."""
    return [name for name in vars(cls) if not name.startswith("_")]


@lru_cache(None)
def assigned(cls):
    """The names that the methods of a class itself assign to ``self``."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return []
    stored = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return [
        node.attr
        for node in stored
        if isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name) and node.value.id == "self"
    ]


@lru_cache(None)
def attributes(cls):
    """The public names that methods of a class and its bases assign to ``self``, its slots and its fields."""
    found = set()
    for kind in cls.__mro__:
        found.update(getattr(kind, "__annotations__", ()))
        slots = vars(kind).get("__slots__", ())
        found.update([slots] if isinstance(slots, str) else slots)
        found.update(assigned(kind))
    return {name for name in found if not name.startswith("_")}


def bases(cls):
    return [kind.__name__ for kind in cls.__mro__[1:] if kind is not object]


def protocol(cls):
    """The special methods of a class, but for those that every object has."""
    found = {name for kind in cls.__mro__ for name in vars(kind)} - PLAIN
    return sorted(name for name in found if name.startswith("__") and name.endswith("__"))


def star(module):
    """What an import of everything gives where a module says so."""
    own = [name for name, value in vars(module).items() if name[0] != "_" and inspect.isroutine(value)]
    return sorted(getattr(module, "__all__", own if ".utils." in module.__name__ else ()))


def imported(module):
    """What a module has from other modules of flux-core: name and home."""
    for name, obj in sorted(vars(module).items()):
        home = getattr(obj, "__module__", None)
        inside = isinstance(home, str) and home.startswith("flux.") and home != module.__name__
        if inside and callable(obj) and not name.startswith("_") and "rapper" not in name + home:
            yield f"{module.__name__} {name} from {home}"


def names(package):
    """The modules of a package and of the folders in it, with and without ``__init__.py``."""
    yield package.__name__
    for folder in package.__path__:
        for path in sorted(Path(folder).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join((package.__name__, *parts)).removesuffix(".__init__")
            inside = parts[0] == "utils" and (len(parts) != 3 or parts[-1] != "__init__")
            if parts != ("__init__",) and not inside and parts[-1] not in ("parsetab", "__main__"):
                yield name


def modules(package):
    for name in dict.fromkeys(names(package)):
        try:
            yield importlib.import_module(name)
        except ModuleNotFoundError as exc:
            if not (exc.name or "").startswith("_flux."):
                raise
            # Built without what it is for: its names are the same without.
            sys.modules[str(exc.name)] = MagicMock()
            yield importlib.import_module(name)


def class_lines(module, name, cls):
    """The lines of a class and its members."""
    if bases(cls):
        yield f"{module} {name} bases {' '.join(bases(cls))}"
    if protocol(cls):
        yield f"{module} {name} protocol {' '.join(protocol(cls))}"
    for member in sorted(members(cls)):
        yield f"{module} {name}.{member} {describe(cls, member)}"
    for attribute in sorted(attributes(cls)):
        if inspect.getattr_static(cls, attribute, None) is None:
            yield f"{module} {name}.{attribute} attribute"


def lines(package):
    for module in modules(package):
        yield f"{module.__name__} * star {' '.join(star(module))}".rstrip()
        if ".utils." in module.__name__:
            continue  # works of others: what they export
        yield from imported(module)
        for name, obj in sorted(vars(module).items()):
            if name.startswith("_") or inspect.ismodule(obj):
                continue
            if getattr(obj, "__module__", module.__name__) != module.__name__:
                continue
            yield f"{module.__name__} {name} {describe(module, name)}"
            if inspect.isclass(obj):
                yield from class_lines(module.__name__, name, obj)


if __name__ == "__main__":
    flux = importlib.import_module("flux")
    flux.__path__.extend(sys.argv[1:])
    for line in lines(flux):
        print(line)
