# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.util.config: configuration files of programs with flux-core's look."""

from __future__ import annotations

import copy
import json
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rosin.cli.formats import checked_formats, choose_format

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import BinaryIO

__all__ = ["UtilConfig", "dict_merge", "xdg_searchpath"]


def dict_merge(src: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """``src`` with the values of ``new``, nested dictionaries merged; changes and returns ``src``."""
    todo: list[tuple[dict[str, Any], Mapping[str, Any]]] = [(src, new)]
    while todo:
        target, source = todo.pop()
        for key, value in source.items():
            if isinstance(value, dict) and isinstance(target.get(key), dict):
                todo.append((target[key], value))
            else:
                target[key] = value
    return src


def xdg_searchpath(subdir: str = "") -> list[Path]:
    """Where configuration of Flux's commands is looked for, most important first."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    shared = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    return [Path(directory) / "flux" / subdir for directory in (home, *shared)]


def _yaml(stream: BinaryIO) -> Any:
    import yaml

    try:
        return yaml.safe_load(stream)
    except yaml.YAMLError as exc:
        raise ValueError(str(exc)) from exc


class UtilConfig:
    """The settings of a program: ``initial_dict``, and ``NAME.toml``, ``NAME.json`` and ``NAME.yaml`` along
    the search path, which override it.

    ``toolname`` is the program's name in the variable ``TOOL_FORMAT_DEFAULT`` if it differs from ``name``.
    ``subcommand``: use the table of that name. Settings are attributes, also of :attr:`config`.
    """

    extension_handlers: ClassVar[Mapping[str, Callable[[BinaryIO], Any]]] = {
        ".toml": tomllib.load,
        ".json": json.load,
        ".yaml": _yaml,
    }
    #: Formats that files must not override, by name; with subcommands by subcommand and name.
    builtin_formats: ClassVar[Mapping[str, Any]] = {}

    def __init__(
        self,
        name: str,
        toolname: str | None = None,
        subcommand: str | None = None,
        initial_dict: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.toolname = toolname
        self.subtable = subcommand
        self.dict: dict[str, Any] = copy.deepcopy(dict(initial_dict or {}))
        self.config = self.dict
        self.searchpath = xdg_searchpath()[::-1]

    def load(self) -> UtilConfig:
        """Read the files; returns self. Raises ValueError that names the file."""
        for directory in self.searchpath:
            for path in sorted(Path(directory).glob(f"{self.name}.*")):
                handler = self.extension_handlers.get(path.suffix)
                if handler is None:
                    continue
                try:
                    with path.open("rb") as stream:
                        content = handler(stream)
                except ValueError as exc:
                    raise ValueError(f"{path}: {exc}") from exc
                self.validate(str(path), content)
                dict_merge(self.dict, content)
        if self.subtable and self.subtable in self.dict:
            self.config = self.dict[self.subtable]
        return self

    def validate(self, path: str, conf: dict[str, Any]) -> None:
        """Check what a file holds: nothing here, a subclass may raise ValueError."""

    def validate_formats(self, path: str, formats: Any) -> None:
        """Check a table of formats, name to ``{"description", "format"}``. Raises ValueError."""
        builtin = self.builtin_formats
        checked_formats(path, formats, builtin.get(self.subtable or "", builtin))

    def get_format_string(self, format_name: str) -> str:
        """The format of a name, or the argument itself when it is a format. Raises ValueError.

        ``help`` and ``get-config=NAME`` print what they say and end the program.
        """
        words = [self.toolname or self.name, *([self.subtable] if self.subtable else [])]
        variable = "_".join(words).upper().replace("-", "_") + "_FORMAT_DEFAULT"
        return choose_format(format_name, self._formats, self.name, self.subtable, variable)

    def _formats(self) -> dict[str, tuple[str | None, str]]:
        return checked_formats(self.name, self.config["formats"])

    def __getattr__(self, attr: str) -> Any:
        if attr.startswith("__") or attr == "config":  # a copy asks before there is one
            raise AttributeError(attr)
        return self.config[attr]
