# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.cli.plugin: plugins of the commands that submit jobs."""

from rosin.cli.plugin import CLIPlugin, CLIPluginOption, PluginArgsProxy
from rosin.cli.plugins import CLIPluginRegistry

__all__ = ["CLIPlugin", "CLIPluginOption", "CLIPluginRegistry", "PluginArgsProxy"]
