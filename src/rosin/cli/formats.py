# SPDX-License-Identifier: LGPL-3.0-or-later
"""Named output formats: built in, and from ``flux/TOOL.{toml,json,yaml}`` along the XDG search path."""

from __future__ import annotations

import os

from rosin.errors import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping
    from typing import Any

    #: Name -> (description, format).
    Formats = Mapping[str, tuple[str, str]]


def search_path() -> list[str]:
    """Directories of configuration files, the most important one last."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    shared = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    return [os.path.join(path, "flux") for path in (*reversed(shared), home)]


def _load(path: str) -> Any:
    with open(path, "rb") as stream:
        data = stream.read()
    try:
        if path.endswith(".toml"):
            import tomllib

            return tomllib.loads(data.decode())
        if path.endswith(".json"):
            import json

            return json.loads(data)
        import yaml

        try:
            return yaml.safe_load(data)
        except yaml.YAMLError as exc:
            raise ValueError(str(exc)) from None
    except ValueError as exc:
        raise ValueError(f"{path}: {exc}") from None


def load_config(tool: str) -> list[tuple[str, dict[str, Any]]]:
    """The configuration files of a tool as (path, content), most important last. Raises ValueError."""
    found = []
    for directory in search_path():
        for suffix in ("json", "toml", "yaml"):
            path = os.path.join(directory, f"{tool}.{suffix}")
            if os.path.exists(path):
                content = _load(path)
                if not isinstance(content, dict):
                    raise ValueError(f"{path}: expected a table of settings")
                found.append((path, content))
    return found


#: Tool -> its subcommands with formats, each of which has a table in the tool's file.
_SUBCOMMANDS = {"flux-queue": ("list",), "flux-resource": ("drain", "list", "status")}


class NamedFormats:
    """The formats of a tool (``flux-jobs``), or of one of its subcommands.

    ``tool`` names the configuration file and, in capitals, the variable ``TOOL_FORMAT_DEFAULT`` that replaces
    the default; ``toolname`` names the variable if that differs. ``table``: the subcommand, whose formats
    are in a table of that name; other tables of the file are for other subcommands.
    """

    def __init__(
        self, builtin: Formats, tool: str, toolname: str | None = None, table: str | None = None
    ) -> None:
        self.builtin = builtin
        self.tool = tool
        self.table = table
        words = [toolname or tool, table] if table else [toolname or tool]
        self.variable = "_".join(words).upper().replace("-", "_") + "_FORMAT_DEFAULT"

    def _all(self) -> dict[str, tuple[str | None, str]]:
        result: dict[str, tuple[str | None, str]] = dict(self.builtin)
        for path, content in load_config(self.tool):
            for key in content if self.table else ():
                if key not in _SUBCOMMANDS[self.tool]:
                    raise ValueError(f"{path}: invalid key {key}{did_you_mean(key, _SUBCOMMANDS[self.tool])}")
            table = content.get(self.table, {}) if self.table else content
            if not isinstance(table, dict):
                raise ValueError(f"{path}: '{self.table}' must be a mapping")
            for key in table:
                if key != "formats":
                    raise ValueError(f"{path}: invalid key {key}")
            result.update(checked_formats(path, table.get("formats", {}), self.builtin))
        return result

    def get(self, name: str) -> str:
        """The format called ``name``, or ``name`` itself when it is a format. Raises ValueError.

        ``help`` and ``get-config=NAME`` print what they say and end the program.
        """
        return choose_format(name, self._all, self.tool, self.table, self.variable)


def checked_formats(
    path: str, formats: Any, builtin: Container[str] = ()
) -> dict[str, tuple[str | None, str]]:
    """The table of formats of a file. Raises ValueError."""
    if not isinstance(formats, dict):
        raise ValueError(f"{path}: the 'formats' key must be a mapping")
    result: dict[str, tuple[str | None, str]] = {}
    for name, entry in formats.items():
        if name in builtin:
            raise ValueError(f"{path}: override of builtin format '{name}' not permitted")
        if not isinstance(entry, dict):
            raise ValueError(f"{path}: 'formats.{name}' must be a mapping")
        if "format" not in entry:
            raise ValueError(f"{path}: formats.{name}: required key 'format' missing")
        if not isinstance(entry["format"], str):
            raise ValueError(f"{path}: formats.{name}: 'format' key must be a string")
        result[name] = (entry.get("description"), entry["format"])
    return result


def choose_format(
    name: str,
    load: Callable[[], Mapping[str, tuple[str | None, str]]],
    tool: str,
    table: str | None,
    variable: str,
) -> str:
    """The format called ``name`` of those that ``load`` finds; see :meth:`NamedFormats.get`."""
    if "{" in name:
        return name
    formats = load()
    if name == "help":
        _print_names(tool, formats)
        raise SystemExit(0)
    if name.startswith("get-config="):
        _print_config(name.partition("=")[2], table, formats)
        raise SystemExit(0)
    if name == "default":
        name = os.environ.get(variable, name)
        if "{" in name:
            return name
    if name not in formats:
        import re

        guess = re.sub(r"\w+", r"{\g<0>}", name)
        raise ValueError(f"--format: No such format {name} (Did you mean '{guess}'?)")
    return formats[name][1]


def _print_names(tool: str, formats: Mapping[str, tuple[str | None, str]]) -> None:
    print(f"\nConfigured {tool} output formats:\n")
    for name, (description, _) in formats.items():
        print(f"  {name:<12} {description}" if description else f"  {name:<12}")


def _print_config(name: str, table: str | None, formats: Mapping[str, tuple[str | None, str]]) -> None:
    if name not in formats:
        raise ValueError(f"--format: No such format {name}")
    description, fmt = formats[name]
    print(f"[{table}.formats.{name}]" if table else f"[formats.{name}]")
    if description:
        print(f'description = "{description}"')
    print(f'format = "{fmt}"')
