# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin python``: run the Python interpreter that Rosin is installed for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rosin.cli.subcommands import AdminParser, guarded

if TYPE_CHECKING:
    import argparse


def parser(prog: str) -> AdminParser:
    """The options of the command; all others are Python's."""
    result = AdminParser(
        prog,
        "Run the Python interpreter that Rosin is installed for.",
        usage=f"{prog.replace('-', ' ', 1)} [PYTHON OPTIONS...] [FILE [ARGS...]]",
    )
    result.flag("--get-path", text="print the directory of the Python packages, for PYTHONPATH")
    result.flag("--list-versions", text="print the versions of Python that there are")
    result.set_defaults(run=_python)
    return result


def _python(args: argparse.Namespace) -> None:
    if args.words[:1] == ["--get-path"]:
        from rosin.handle.builtin import paths

        print(paths()["python_path"])
        return
    if args.words[:1] == ["--list-versions"]:
        print(f"python{sys.version_info.major}.{sys.version_info.minor}")
        return
    from rosin.cli.env import execute

    execute(sys.executable, [sys.executable, *args.words])


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    args = parser(prog).parse_args(argv if argv in (["--help"], ["-h"]) else [])
    args.words = argv
    return guarded(args, prog)
