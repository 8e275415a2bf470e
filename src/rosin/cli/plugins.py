# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which plugins take part in a submission (``FLUX_CLI_PLUGINPATH``), and when they are called.

Files ``*.py`` are looked for in the directories of ``FLUX_CLI_PLUGINPATH`` and in the site's; if
``FLUX_CLI_PLUGINPATH_OVERRIDE`` is set, in those that it names alone. Of plugins whose options have the
same name the first is taken.
"""

from __future__ import annotations

import os
import sys

from rosin.handle.builtin import CONFDIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rosin.cli.arguments import Namespace, Parser
    from rosin.cli.declarations import Declarations
    from rosin.cli.plugin import CLIPlugin, CLIPluginOption
    from rosin.job.spec import Jobspec


def directories() -> list[str]:
    """Where plugins are looked for, the most important place first."""
    only = os.environ.get("FLUX_CLI_PLUGINPATH_OVERRIDE")
    if only is not None:
        return _split(only)
    return [*_split(os.environ.get("FLUX_CLI_PLUGINPATH", "")), os.path.join(CONFDIR, "cli", "plugins")]


def _split(text: str) -> list[str]:
    return [directory for directory in text.split(":") if directory.strip()]


class CLIPluginRegistry:
    """The plugins of a command. Raises ValueError for a file that cannot be loaded."""

    def __init__(self, prog: str) -> None:
        self.prog = prog
        self.plugins: list[CLIPlugin] = []
        self._options: dict[str, CLIPluginOption] = {}
        for path in _files():
            for plugin in _load(path, prog):
                if not any(option.dest in self._options for option in plugin.options):
                    self.plugins.append(plugin)
                    self._options.update((option.dest, option) for option in plugin.options)

    @property
    def defaults(self) -> dict[str, Any]:
        """The members of the arguments that the options of all plugins have, without any of them used."""
        return {
            dest: option.kwargs.get("default", False if option.kwargs.get("action") == "store_true" else None)
            for dest, option in self._options.items()
        }

    def declare(self, parser: Declarations) -> None:
        """Add the options of all plugins."""
        if not self._options:
            return
        text = "--help=OPTION tells more"
        group = parser.add_argument_group("options of plugins", text)
        for option in self._options.values():
            group.add_argument(option.name, **option.kwargs)

    def print_help(self, name: str) -> None:
        """Print what a plugin says of its option. Raises ValueError if there is no such option."""
        for plugin in self.plugins:
            for option in plugin.options:
                if name in (option.name, option.name.lstrip("-")):
                    plugin.help(option)
                    return
        known = ", ".join(option.name for option in self._options.values()) or "none of a plugin"
        raise ValueError(f"--help: no such option {name}: there is {known}")

    def print_plugins(self) -> None:
        """Print where plugins are looked for, and what is there."""
        print("Options provided by plugins:")
        print(f"  Search path: {':'.join(directories()) or '(none)'}\n")
        for plugin in self.plugins:
            print(f"{type(plugin).__name__} loaded from {plugin.path}")
            for option in plugin.options:
                print(f"  {option.name:<20}  {option.text}")
            print()

    def preinit(self, args: Any) -> None:
        """Before the jobspec. Raises ValueError."""
        for plugin in self.plugins:
            _call(plugin, plugin.preinit, _seen(plugin, args))

    def modify(self, args: Any, obj: dict[str, Any]) -> None:
        """After the jobspec: let plugins change it, and look at what has become of it. Raises ValueError."""
        if not self.plugins:
            return
        from rosin.job.spec_v1 import JobspecV1

        jobspec = JobspecV1._made(obj)
        self.change(args, jobspec)
        self.check(jobspec)
        if jobspec.jobspec is not obj:
            made = dict(jobspec.jobspec)
            obj.clear()
            obj.update(made)

    def change(self, args: Any, jobspec: Jobspec) -> None:
        """Let plugins change a jobspec. Raises ValueError."""
        for plugin in self.plugins:
            _call(plugin, plugin.modify_jobspec, _seen(plugin, args), jobspec)

    def check(self, jobspec: Jobspec) -> None:
        """Let plugins look at a jobspec. Raises ValueError."""
        for plugin in self.plugins:
            _call(plugin, plugin.validate, jobspec)


def _files() -> Iterator[str]:
    for directory in directories():
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue  # there need not be any
        yield from (os.path.join(directory, name) for name in names if name.endswith(".py"))


def _load(path: str, prog: str) -> list[CLIPlugin]:
    """The plugins of a file. Raises ValueError."""
    from importlib.util import module_from_spec, spec_from_file_location

    from rosin.cli.plugin import CLIPlugin

    try:
        spec = spec_from_file_location(f"rosin-cli-plugin-{os.path.basename(path)[:-3]}", path)
        assert spec is not None  # it ends in .py
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        classes = [
            value
            for name, value in sorted(vars(module).items())
            if not name.startswith("_") and isinstance(value, type) and issubclass(value, CLIPlugin)
        ]
        plugins = [cls(prog) for cls in classes if cls is not CLIPlugin]
    except Exception as exc:
        hint = "FLUX_CLI_PLUGINPATH_OVERRIDE= submits without plugins"
        if isinstance(exc, ModuleNotFoundError) and exc.name == "flux":
            hint = f"the package rosin-flux has it; {hint}"
        raise ValueError(f"plugin {path}: {type(exc).__name__}: {exc}: {hint}") from None
    for plugin in plugins:
        plugin.path = path
    return plugins


def _seen(plugin: CLIPlugin, args: Any) -> Any:
    from rosin.cli.plugin import PluginArgsProxy

    names = {option.own_name: option.dest for option in plugin.options if option.own_name is not None}
    return PluginArgsProxy(args, names)


def _call(plugin: CLIPlugin, method: Callable[..., None], *args: Any) -> None:
    """Call a plugin; whatever it raises refuses the job with one line. Raises ValueError, OSError."""
    try:
        method(*args)
    except (ValueError, OSError):
        raise
    except Exception as exc:
        where = f"plugin {plugin.path}: {type(plugin).__name__}.{method.__name__}"
        raise ValueError(f"{where}: {type(exc).__name__}: {exc}") from exc


_loaded: dict[tuple[str, ...], CLIPluginRegistry] = {}


def of(prog: str) -> CLIPluginRegistry:
    """The plugins of a command by its name in messages (``rosin-submit``). Raises ValueError."""
    name = prog.partition("-")[2] or prog
    key = (name, *directories())
    if key not in _loaded:
        _loaded[key] = CLIPluginRegistry(name)
    return _loaded[key]


def parse_command(parser: Parser, argv: list[str]) -> Namespace:
    """Parse the command line of a submission, and answer what concerns plugins alone. Raises ValueError.

    The plugins are ``args.plugins``.
    """
    plugins = of(parser.prog)
    for word in argv:
        if not word.startswith("-"):
            break
        if word.startswith("--help="):
            plugins.print_help(word[7:])
            sys.stdout.flush()
            raise SystemExit(0)
    args = parser.parse_command(argv)
    if args.list_plugins:
        plugins.print_plugins()
        sys.stdout.flush()
        raise SystemExit(0)
    args.plugins = plugins
    return args
