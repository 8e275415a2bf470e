# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin env``: print the environment of Rosin's commands, or run a program in it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from rosin.cli.subcommands import AdminParser, guarded

if TYPE_CHECKING:
    import argparse


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(
        prog,
        "Print shell commands that set the environment of this command, or run COMMAND in it.",
        usage=f"{prog.replace('-', ' ', 1)} [COMMAND [ARGS...]]",
    )
    result.set_defaults(run=_env)
    return result


#: Variable -> the path of this installation in it, by its name in ``config builtin``.
_PATHS = {
    "FLUX_CONNECTOR_PATH": "connector_path",
    "FLUX_EXEC_PATH": "exec_path",
    "FLUX_MODULE_PATH": "module_path",
    "PYTHONPATH": "python_path",
}


def environment() -> dict[str, str]:
    """The variables that make programs find this installation, and the instance.

    What the user has in ``PYTHONPATH`` and the others goes first, but for ``PATH``.
    """
    from rosin.handle.builtin import paths

    known = paths()
    bindir = known["exec_path"]
    path = os.environ.get("PATH", "/usr/bin:/bin").split(":")
    result = {"PATH": ":".join([bindir, *(entry for entry in path if entry != bindir)])}
    for variable, name in _PATHS.items():
        entries = [entry for entry in os.environ.get(variable, "").split(":") if entry]
        result[variable] = ":".join(dict.fromkeys([*entries, known[name]]))
    uri = os.environ.get("FLUX_URI")
    if uri:
        result["FLUX_URI"] = uri
    return result


def execute(name: str, args: list[str]) -> NoReturn:
    """Become another program, found through the PATH of :func:`environment`. Raises OSError."""
    env = {**os.environ, **environment()}
    sys.stdout.flush()
    try:
        os.execvpe(name, args, env)
    except OSError as exc:
        raise OSError(exc.errno, f"execvp ({name}): {exc.strerror}") from None


def _env(args: argparse.Namespace) -> None:
    if args.command:
        execute(args.command[0], args.command)
    for name, value in environment().items():
        quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
        print(f'export {name}="{quoted}"')


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return guarded(parser(prog).parse_command(argv), prog)
