# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.importer: plugins in Python."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

__all__ = ["import_path", "import_plugins", "import_plugins_pkg"]


def import_plugins_pkg(ns_pkg: ModuleType) -> dict[str, ModuleType]:
    """The modules of a package by name. Raises ImportError that names the one that fails."""
    found = {}
    for info in pkgutil.iter_modules(ns_pkg.__path__):
        try:
            found[info.name] = importlib.import_module(f"{ns_pkg.__name__}.{info.name}")
        except ImportError as exc:
            raise ImportError(f"failed to import {info.name} plugin: {exc}") from exc
    return found


@contextmanager
def _first(directories: Iterable[str]) -> Iterator[None]:
    """Look for modules in these directories before others, but for the program's own."""
    before = sys.path[:]
    sys.path[1:1] = directories
    try:
        yield
    finally:
        sys.path[:] = before


def import_plugins(pkg_name: str, pluginpath: Iterable[str] | None = None) -> dict[str, ModuleType]:
    """The modules of a namespace package, also of its parts below the directories ``pluginpath``.

    Empty if there is no such package.
    """
    with _first(list(pluginpath or ())):
        try:
            package = importlib.import_module(pkg_name)
        except ModuleNotFoundError as exc:
            if exc.name is None or not f"{pkg_name}.".startswith(f"{exc.name}."):
                raise
            return {}
        return import_plugins_pkg(package)


def import_path(file_path: str) -> ModuleType:
    """The module in a file. Raises ImportError for what is no Python file and whatever the module raises."""
    spec = importlib.util.spec_from_file_location(Path(file_path).stem, file_path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file_path}: not a Python file", path=file_path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
