# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin multi-prog``: become the program that a file has for this task of a job."""

from __future__ import annotations

import os
import sys

from rosin.cli.arguments import Parser
from rosin.cli.base import error, utf8_output
from rosin.cli.subcommands import as_written
from rosin.rfc.idset import Idset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_EPILOG = """\
Each line of CONFIG is a set of task ranks, or * for those of no other line, and a command:

  0        server --port 5000
  1-3,7    client --rank %t --number %o    # %t: the task's rank, %o: its place in the set
  *        sleep inf
"""


def parser(prog: str) -> Parser:
    """The options of the command."""
    result = Parser(
        prog,
        description="Run for each task of a job its own command: rosin run -n4 rosin multi-prog CONFIG.",
        epilog=_EPILOG,
        formatter_class=as_written,
    )
    result.add_argument(
        "-n", "--dry-run", metavar="RANKS", type=_ranks, help="print what these tasks would run"
    )
    result.add_argument("config", metavar="CONFIG", help="the file with the commands")
    return result


class Programs:
    """The commands of a file; of several for one rank the first counts. Raises ValueError naming the line."""

    def __init__(self, lines: Iterable[str], name: str) -> None:
        self._name = name
        self._rows: list[tuple[Idset, list[str]]] = []
        self._rest: list[str] | None = None
        for number, line in enumerate(lines, 1):
            try:
                self._add(*_words(line))
            except ValueError as exc:
                raise ValueError(f"{name}: line {number}: {exc}") from None

    def _add(self, ranks: str, command: list[str]) -> None:
        if not command:
            return
        if ranks == "*":
            self._rest = command
            return
        try:
            self._rows.append((Idset(ranks), command))
        except ValueError:
            accepted = "task ranks and a command, as in 0-3 app, or * and one"
            raise ValueError(f"invalid idset: {ranks}: it takes {accepted}") from None

    def command(self, rank: int) -> list[str]:
        """What a task runs. Raises ValueError."""
        for ranks, command in self._rows:
            if rank in ranks:
                place = next(number for number, known in enumerate(ranks) if known == rank)
                return [_substituted(word, rank, place) for word in command]
        if self._rest is None:
            raise ValueError(f"{self._name}: No matching line for rank {rank}")
        return [_substituted(word, rank, 0) for word in self._rest]


def _words(line: str) -> tuple[str, list[str]]:
    """The ranks and the command of a line, split as flux-core does it. Raises ValueError."""
    import shlex

    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.escapedquotes = "\"'"
    try:
        words = list(lexer)
    except ValueError as exc:
        raise ValueError(f"'{line.rstrip()}': {exc}") from None
    return (words[0], words[1:]) if words else ("", [])


def _substituted(word: str, rank: int, place: int) -> str:
    return word.replace("%t", str(rank)).replace("%o", str(place))


def _task_rank() -> int:
    text = os.environ.get("FLUX_TASK_RANK", "")
    if not text.isascii() or not text.isdigit():
        raise ValueError("FLUX_TASK_RANK not found or invalid: run this in a job, or with --dry-run")
    return int(text)


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    utf8_output()
    args = parser(prog).parse_args(argv)
    try:
        with open(args.config, encoding="utf-8") as stream:
            programs = Programs(stream, args.config)
    except UnicodeDecodeError:
        raise ValueError(f"{args.config}: not UTF-8 text") from None
    if args.dry_run is not None:
        import shlex

        for rank in args.dry_run:
            print(f"{rank}: {shlex.join(programs.command(rank))}")
        return 0
    command = programs.command(_task_rank())
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)
    except OSError as exc:
        from rosin.process.outcome import unstarted

        error(prog, f"{command[0]}: {exc.strerror}")
        return unstarted(exc.errno)


def _ranks(text: str) -> Idset:
    try:
        return Idset(text)
    except ValueError as exc:
        from argparse import ArgumentTypeError

        text = f"invalid IDset value: '{text}': {exc}: it takes a set of task ranks, as in 0-3,7"
        raise ArgumentTypeError(text) from None
