# SPDX-License-Identifier: LGPL-3.0-or-later
"""Commands in the manner of flux-core's C commands: subcommands and ``PROG: text`` messages."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from rosin.cli.base import Parser, _formatter, cause

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from types import TracebackType

    Command = Callable[[argparse.Namespace], int | None]


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
        self._commands: argparse._SubParsersAction[AdminParser] | None = None
        self._words: list[str] = []

    def command(self, name: str, run: Command, text: str, **kwargs: Any) -> AdminParser:
        """Add the subcommand ``name`` that is done by ``run(args)``; returns its parser."""
        parser = self._group().add_parser(name, help=text, description=_sentence(text), **kwargs)
        parser.set_defaults(run=run)
        return parser

    def commands(self, name: str, text: str) -> AdminParser:
        """Add a subcommand that has subcommands itself."""
        return self._group().add_parser(name, help=text, description=_sentence(text))

    def _group(self) -> argparse._SubParsersAction[AdminParser]:
        if self._commands is None:
            self._commands = self.add_subparsers(metavar="COMMAND", parser_class=AdminParser)
        return self._commands

    def add_argument(self, *names: Any, **kwargs: Any) -> argparse.Action:
        """Add an argument. One of which there may be none is not among those that are missing."""
        if kwargs.get("nargs") == "*" and names[0][:1] != "-":
            kwargs.setdefault("default", [])
        return super().add_argument(*names, **kwargs)

    def namespace(self) -> None:
        """Add ``-N, --namespace``."""
        self.add_argument("-N", "--namespace", metavar="NAME", help="KVS namespace to use")

    def color(self) -> None:
        """Add ``-L, --color[=WHEN]``; ask :func:`rosin.cli.colour.use_color`."""
        self.add_argument(
            "-L",
            "--color",
            nargs="?",
            const="always",
            default="auto",
            choices=("never", "always", "auto"),
            metavar="WHEN",
            help="color the output: 'never', 'always' or 'auto' (only on a terminal)",
        )

    def flag(self, *names: str, text: str) -> None:
        """Add an option without an argument."""
        self.add_argument(*names, action="store_true", help=text)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        words = sys.argv[1:] if args is None else args
        self._words = list(words)
        namespace, extra = super().parse_known_args([self._complete(word) for word in words], namespace)
        if self._commands is not None and not hasattr(namespace, "run"):
            self.error("missing subcommand")
        return namespace, extra

    def unrecognized(self, words: list[str]) -> NoReturn:
        if words[0][:1] == "-":
            self._unknown_option(words[0])
        self.error(f"unexpected argument '{words[0]}'")

    def _unknown_option(self, word: str) -> NoReturn:
        first, space, rest = self.prog.partition(" ")
        typed = f"{first.replace('-', ' ', 1)}{space}{rest}"
        option = word.partition("=")[0]
        self._fail(f"unrecognized option '{option}'\nTry '{typed} --help' for more information.")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action is self._commands and value not in self._commands.choices:
            known = ", ".join(choice.dest for choice in self._commands._choices_actions)
            self.error(f"Unknown subcommand: {value} (expected one of {known})")
        super()._check_value(action, value)

    def _complete(self, word: str) -> str:
        """Give an option with an optional argument its default, so that the next word is not taken for it."""
        if word[:1] != "-" or len(word) < 2:
            return word
        action = self._option_string_actions.get(word)
        if action is None and word[:2] != "--":
            flags = [self._option_string_actions.get(f"-{flag}") for flag in word[1:]]
            if all(flag is not None and flag.nargs == 0 for flag in flags[:-1]):
                action = flags[-1]
        if action is None or action.nargs != "?" or not action.option_strings:
            return word
        return f"{word}={action.const}" if word[:2] == "--" else f"{word}{action.const}"

    def error(self, message: str) -> NoReturn:
        """End with a usage error; one about a missing argument would hide an option that there is not."""
        words = self._words[: self._words.index("--")] if "--" in self._words else self._words
        for word in words:
            option = word.partition("=")[0] if word[:2] == "--" else word[:2]
            known = word[:1] != "-" or option in ("-", *self._option_string_actions)
            if not known and not option[1].isdigit():
                self._unknown_option(option)
        self._fail(message)

    def _fail(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog.replace(' ', '-', 1)}: {message}\n")


def as_written(prog: str) -> argparse.HelpFormatter:
    """The layout of a help text whose epilog has lines of its own."""
    formatter = _formatter(prog)

    def fill(text: str, _width: int, indent: str) -> str:
        return indent + text.rstrip("\n")

    formatter._fill_text = fill  # type: ignore[assignment, method-assign]
    return formatter


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
    from importlib import import_module

    for name in [name for name, words in modules.items() if word in words] or modules:
        import_module(f"{package}.{name}").add_commands(parser)


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
