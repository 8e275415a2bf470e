# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job``: finds a subcommand's module in a static table and imports that one alone."""

from __future__ import annotations

import sys

#: Subcommand -> (module in this package, one-line help).
SUBCOMMANDS: dict[str, tuple[str, str]] = {
    "attach": ("attach", "follow a job to its end"),
}


def usage(prog: str) -> str:
    """The text of ``--help``."""
    lines = [f"  {name:14} {text}" for name, (_, text) in sorted(SUBCOMMANDS.items())]
    return f"Usage: {prog} [--help] COMMAND [ARGS...]\n\nCommands:\n" + "\n".join(lines) + "\n"


def main(argv: list[str], prog: str) -> int:
    """Run ``rosin job SUBCOMMAND ARGS...``."""
    if not argv or argv[0] not in SUBCOMMANDS:
        asked = bool(argv) and argv[0] in ("-h", "--help", "help")
        if argv and not asked:
            sys.stderr.write(f"{prog}: unknown subcommand '{argv[0]}'\n")
        (sys.stdout if asked else sys.stderr).write(usage(prog))
        return 0 if asked else 1
    from importlib import import_module

    module = import_module(f"rosin.cli.job.{SUBCOMMANDS[argv[0]][0]}")
    try:
        return int(module.main(argv[1:], prog))
    except BrokenPipeError:
        raise
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename else ""
        sys.stderr.write(f"{prog}: {where}{exc.strerror or exc}\n")
    except ValueError as exc:
        sys.stderr.write(f"{prog}: {exc}\n")
    return 1
