# SPDX-License-Identifier: LGPL-3.0-or-later
"""Plugins of job ingest in Python files: which words name one, and what is in it."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
