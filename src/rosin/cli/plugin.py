# SPDX-License-Identifier: LGPL-3.0-or-later
"""Plugins of the commands that submit jobs: their interface, which is flux-core's ``flux.cli.plugin``."""

from __future__ import annotations

import inspect
from typing import Any


class CLIPluginOption:
    """An option of a plugin: ``--NAME`` becomes ``--PREFIX-NAME``. Raises ValueError for a short one."""

    def __init__(self, name: str, prefix: str, **kwargs: Any) -> None:
        if not name.startswith("--"):
            raise ValueError("Plugins must register only long options.")
        self.name = f"--{prefix}-{name[2:]}" if prefix else name
        self.kwargs = {"dest": self.name[2:].replace("-", "_"), **kwargs}
        #: How the plugin itself calls the member of the arguments, None if it has chosen a name.
        self.own_name = None if "dest" in kwargs else name[2:].replace("-", "_")

    @property
    def dest(self) -> str:
        """The member of the arguments."""
        return str(self.kwargs["dest"])

    @property
    def text(self) -> str:
        """The help text."""
        return str(self.kwargs.get("help") or "")


class PluginArgsProxy:
    """The arguments of a command as a plugin sees them: its own options without their prefix."""

    __slots__ = ("_alias", "_ns")

    def __init__(self, args: Any, alias: dict[str, str]) -> None:
        object.__setattr__(self, "_ns", args)
        object.__setattr__(self, "_alias", alias)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ns, self._alias.get(name, name))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._ns, self._alias.get(name, name), value)


class CLIPlugin:
    """What takes part in submissions. Derive from it, and override some of its methods.

    Attributes: ``prog``, the command (``run``, ``submit``, ``bulksubmit``, ``batch``, ``alloc``); ``prefix``
    of its options; ``options``; ``path``, the file that it is from; ``version``, of its own.
    """

    def __init__(self, prog: str, prefix: str = "ex", version: str | None = None) -> None:
        self.prog = prog.removeprefix("flux ")
        self.path: str | None = None
        self.prefix = prefix
        self.version = version
        self.options: list[CLIPluginOption] = []

    def add_option(self, name: str, **kwargs: Any) -> None:
        """Add a long option with the keywords of argparse's ``add_argument``; raises ValueError."""
        self.options.append(CLIPluginOption(name, self.prefix, **kwargs))

    def help(self, option: CLIPluginOption) -> None:
        """Print what there is to say of an option (``--help=OPTION``): the plugin's documentation."""
        text = inspect.getdoc(self)
        if text is None or text == inspect.getdoc(CLIPlugin):
            print(f"No extra documentation for option `{option.name}` found.")
        else:
            print(f"\nDocumentation for plugin providing option `{option.name}`:\n\n{text}")

    def preinit(self, args: Any) -> None:
        """Look at the arguments, and change them, before there is a jobspec. A ValueError refuses the job."""

    def modify_jobspec(self, args: Any, jobspec: Any) -> None:
        """Change the jobspec, which is almost complete. A ValueError refuses the job."""

    def validate(self, jobspec: Any) -> None:
        """Look at the jobspec as it will be submitted. A ValueError refuses the job."""
