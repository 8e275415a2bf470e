# SPDX-License-Identifier: LGPL-3.0-or-later
"""Commands in the manner of flux-core's C commands: subcommands and ``PROG: text`` messages."""

from __future__ import annotations

import errno
import os
import sys

from rosin.cli import load
from rosin.cli.arguments import Parser
from rosin.cli.base import add_color, cause

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from types import TracebackType
    from typing import Any

    from rosin.cli.arguments import Command, Subparsers


class AdminParser(Parser):
    """A parser that knows the function of each subcommand.

    A usage error prints the usage of the subcommand that was meant, and exits with 2: a script can tell it
    from a failure of what it asked for (flux-core's C commands exit with 1 for both).
    """

    def __init__(self, prog: str, description: str | None = None, **kwargs: Any) -> None:
        # "rosin-kvs" is how messages call the command; it is typed as "rosin kvs".
        super().__init__(
            prog if " " in prog else prog.replace("-", " ", 1), description=description, **kwargs
        )
        self._commands: Subparsers | None = None

    def command(self, name: str, run: Command, text: str, **kwargs: Any) -> AdminParser:
        """Add the subcommand ``name`` that is done by ``run(args)``; returns its parser."""
        parser = self.commands(name, text, **kwargs)
        parser.set_defaults(run=run)
        return parser

    def commands(self, name: str, text: str, **kwargs: Any) -> AdminParser:
        """Add a subcommand that has subcommands itself."""
        if self._commands is None:
            self._commands = self.add_subparsers(metavar="COMMAND")
        parser: AdminParser = self._commands.add_parser(
            name, help=text, description=_sentence(text), **kwargs
        )
        return parser

    def add_argument(self, *names: str, **keywords: Any) -> None:
        """Add an argument. One of which there may be none is not among those that are missing."""
        if keywords.get("nargs") == "*" and names[0][:1] != "-":
            keywords.setdefault("default", [])
        super().add_argument(*names, **keywords)

    def namespace(self) -> None:
        """Add ``-N, --namespace``."""
        self.add_argument("-N", "--namespace", metavar="NAME", help="KVS namespace to use")

    def color(self) -> None:
        """Add ``-L, --color[=WHEN]``; ask :func:`rosin.cli.colour.use_color`."""
        add_color(self, "-L")

    def flag(self, *names: str, text: str) -> None:
        """Add an option without an argument."""
        self.add_argument(*names, action="store_true", help=text)

    def _argparser(self) -> argparse.ArgumentParser:
        from rosin.cli.argparsers import AdminArgumentParser

        return AdminArgumentParser(self.prog, **self._keywords)


def as_written(prog: str) -> argparse.HelpFormatter:
    """The layout of a help text whose epilog has lines of its own."""
    from rosin.cli.argparsers import formatter

    layout = formatter(prog)

    def fill(text: str, _width: int, indent: str) -> str:
        return indent + text.rstrip("\n")

    layout._fill_text = fill  # type: ignore[assignment, method-assign]
    return layout


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


class about:
    """Within this context an OSError is reported as ``WHAT: cause``.

    The cause begins with the text of its errno, which scripts look for; an explanation follows it.
    """

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(exc, OSError):
            # Some services name what was asked for themselves.
            own = str(exc.strerror or exc).removeprefix(f"{self._what}: ")
            raise OSError(exc.errno, f"{self._what}: {errno_text(exc, own)}") from exc


def errno_text(exc: OSError, text: str = "") -> str:
    """What strerror(3) says of an error, and behind it what else is known (``text``: instead of its own)."""
    text = text or str(exc.strerror or exc)
    if exc.errno == errno.EPERM:  # flux-core, too, tells instead what is not permitted
        return text
    plain = os.strerror(exc.errno) if exc.errno else ""
    if plain and text.endswith(f": {plain}"):
        return f"{plain}: {text.removesuffix(f': {plain}')}"
    return text if plain.lower() in text.lower() else f"{plain}: {text}"


def add_from(parser: AdminParser, package: str, modules: dict[str, tuple[str, ...]], word: str) -> None:
    """Let modules of a package add their subcommands: the one that has ``word``, else all of them."""
    for name in [name for name, words in modules.items() if word in words] or modules:
        load(f"{package}.{name}").add_commands(parser)


def perform(parser: AdminParser, argv: list[str], prog: str) -> int:
    """Parse and run, as flux-core's commands in Python: the front end reports a failure."""
    args = parser.parse_args(argv)
    args.prog = prog
    return args.run(args) or 0


def dispatch(parser: AdminParser, argv: list[str], prog: str) -> int:
    """Parse and run; a failure becomes ``PROG: text`` and exit code 1."""
    return guarded(parser.parse_args(argv), prog)


def guarded(args: argparse.Namespace, prog: str) -> int:
    """Run ``args.run(args)`` with ``args.prog`` set."""
    args.prog = prog
    try:
        return args.run(args) or 0
    except BrokenPipeError:
        raise
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename else ""
        text = f"{where}{exc.strerror or exc}"
    except ValueError as exc:
        text = cause(exc)
    sys.stdout.flush()
    sys.stderr.write(f"{prog}: {text}\n")
    return 1
