# SPDX-License-Identifier: LGPL-3.0-or-later
"""Plugins of job ingest in Python files: which words name one, and what is in it."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from types import ModuleType


def is_file(name: str) -> bool:
    """Whether the name of a plugin is that of a file, and not of one that comes with Rosin."""
    return "/" in name or name.endswith(".py")


def plugin_name(path: str) -> str:
    """What the plugin of a file is called, by its table of the configuration as well."""
    return os.path.basename(path).removesuffix(".py")


def load(path: str, name: str) -> Any:
    """Return what the file *path* calls *name*. Raises ValueError, one line, for whatever is wrong."""
    if not os.path.isfile(path):
        raise ValueError(f"{path}: no such file: expected a Python file, such as ./site.py")
    try:
        module = _import(path)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path}: {one_line(error)}") from error
    found = getattr(module, name, None)
    if not isinstance(found, type):
        raise ValueError(f"{path}: expected a class {name}, which is the plugin")
    return found


def _import(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(plugin_name(path), path)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(module.__name__, module)  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


def one_line(error: BaseException) -> str:
    """What an exception of a plugin says, in a line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def read_line(
    parser: argparse.ArgumentParser, title: str, argv: Sequence[str], default: Sequence[str]
) -> tuple[argparse._ArgumentGroup, argparse.Namespace, list[str]]:
    """Read ``--plugins`` of a command line.

    Returns the group for the plugins' own options, what was read (``plugins``: the names, else *default*) and
    the words that are left for those options.
    """
    group = parser.add_argument_group(title)
    group.add_argument(
        "--plugins", "--plugin", metavar="NAME,...", action="append", default=[], help="plugins to run"
    )
    plugins_group = parser.add_argument_group("Options provided by plugins")
    args, rest = parser.parse_known_args(argv)
    args.plugins = [name for word in args.plugins for name in word.split(",")] or list(default)
    return plugins_group, args, rest


def load_all(
    names: Iterable[str], known: dict[str, type[Any]], kind: str, group: argparse._ArgumentGroup
) -> list[tuple[str, Any]]:
    """Make the plugins *names*: those of the classes *known*, to which files add theirs, or of files.

    ``kind``: the class in a file. Raises ValueError, one line.
    """
    made = []
    for name in names:
        if is_file(name):
            known[name] = load(name, kind)
        elif name not in known:
            expected = f"{', '.join(known)}, or ./FILE.py"
            raise ValueError(f"{kind.lower()} plugin '{name}' not found: expected {expected}")
        made.append((plugin_name(name), called(name, lambda cls=known[name]: cls(parser=group))))
    return made


def called(name: str, function: Any, *args: Any) -> Any:
    """Call what a plugin has for its start. Raises ValueError, one line."""
    try:
        return function(*args)
    except ValueError as error:
        raise ValueError(f"{name}: {' '.join(str(error).split())}") from error
    except Exception as error:
        raise ValueError(f"{name}: {one_line(error)}") from error
