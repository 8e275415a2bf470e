# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.cli.plugin: plugins of the commands that submit jobs."""

from __future__ import annotations

from typing import Any, ClassVar

from flux._elsewhere import elsewhere
from rosin.cli import plugins as _plugins
from rosin.cli.plugin import CLIPlugin, CLIPluginOption, PluginArgsProxy

__all__ = ["CLIPlugin", "CLIPluginOption", "CLIPluginRegistry", "PluginArgsProxy"]

__getattr__ = elsewhere(__name__)


class CLIPluginRegistry(_plugins.CLIPluginRegistry):
    """The plugins of a command. Raises ValueError for a file that cannot be loaded."""

    #: Options that the commands have without a plugin's help.
    default_plugins: ClassVar[list[str]] = ["shape"]
    plugin_namespace = "flux.cli.plugins"

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self.plugindirs = _plugins.directories()

    @property
    def options(self) -> list[CLIPluginOption]:
        """The options of all plugins."""
        return list(self._options.values())

    def modify_jobspec(self, args: Any, jobspec: Any) -> None:
        """Let plugins change a Jobspec. Raises ValueError."""
        self.change(args, jobspec)

    def validate(self, jobspec: Any) -> None:
        """Let plugins look at a Jobspec. Raises ValueError."""
        self.check(jobspec)
