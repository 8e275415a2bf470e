# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where modules and tasks are: ``modprobe.toml``, ``modprobe.d/*.toml``, ``rc1.py``, ``rc1.d/*.py``."""

from __future__ import annotations

import glob
import os
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING, Any

from rosin.configfile import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

_PATH = "FLUX_MODPROBE_PATH"
_APPEND = "FLUX_MODPROBE_PATH_APPEND"
_DISABLE = "FLUX_MODPROBE_DISABLE"
_SCRIPTS = "FLUX_RC_EXTRA"


class RcFiles:
    """The files, in the order in which they are read: the installation's, then those of the search path."""

    def __init__(self, places: Mapping[str, str], say: Callable[[str], None]) -> None:
        """``places``: ``datadir``, ``libexecdir`` and ``confdir`` of the installation."""
        self._places = places
        self._say = say

    def modules(self) -> list[str]:
        """Files that describe modules."""
        return self._find("datadir", "modprobe", "toml")

    def tasks(self, name: str) -> list[str]:
        """Files that have the tasks of ``rc1`` or ``rc3``."""
        return self._find("libexecdir", name, "py")

    def _find(self, place: str, name: str, suffix: str) -> list[str]:
        own = os.path.join(self._places[place], "modprobe")
        first = os.path.join(own, f"{name}.{suffix}")
        self._say(f"checking {first}")
        found = [first] if os.path.exists(first) else []
        for directory in self._search_path(own):
            pattern = os.path.join(glob.escape(directory), f"{name}.d", f"*.{suffix}")
            self._say(f"checking {directory}/{name}.d/*.{suffix}")
            found += sorted(glob.glob(pattern))
        return found

    def _search_path(self, own: str) -> list[str]:
        given = os.environ.get(_PATH)
        usual = [own, os.path.join(self._places["confdir"], "modprobe")]
        return list(dict.fromkeys([*(usual if given is None else _split(given)), *_split_variable(_APPEND)]))

    def script_directories(self, level: int) -> list[str]:
        """Directories of programs that run at the end of ``rc1`` and the beginning of ``rc3``."""
        places = [self._places["confdir"], *_split_variable(_SCRIPTS)]
        return [os.path.join(place, f"rc{level}.d") for place in places]


def disabled() -> list[str]:
    """The names that the environment disables."""
    return [name.strip() for name in os.environ.get(_DISABLE, "").split(",") if name.strip()]


def _split(path: str) -> list[str]:
    return [place for place in path.split(":") if place.strip()]


def _split_variable(name: str) -> list[str]:
    return _split(os.environ.get(name, ""))


def read_modules(path: str) -> dict[str, Any]:
    """The tables of a TOML file. Raises OSError, and FormatError that names the place."""
    with open(path, encoding="utf-8") as file:
        return parse(file.read(), path)


def read_tasks(path: str) -> ModuleType:
    """The module in a Python file. Raises OSError, and whatever the file raises."""
    if not os.path.exists(path):
        raise FileNotFoundError(2, os.strerror(2), path)
    spec = spec_from_file_location(os.path.basename(path).removesuffix(".py"), path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path}: not a Python file: expected a name that ends in .py")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as exc:
        raise ValueError(f"{path}: {type(exc).__name__}: {exc}") from exc
    return module
