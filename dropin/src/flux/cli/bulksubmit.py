# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.cli.bulksubmit."""

from __future__ import annotations

import argparse
import random
import sys
from typing import IO, TYPE_CHECKING, Any

from flux.cli import base
from rosin.cli.bulksubmit import combine, split_inputs
from rosin.cli.template import compile_methods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["BulkSubmitCmd"]


class BulkSubmitCmd(base.SubmitBulkCmd):
    """Submits a job for each input, or combination of inputs."""

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None) -> None:
        super().__init__(prog, usage, description)
        add: Any = self.parser.add_argument
        add("--shuffle", action="store_true", help="submit in random order")
        add("--sep", metavar="STRING", default="\n", help="what separates inputs in files; none: white space")
        add(
            "--define",
            action="append",
            dest="methods",
            default=[],
            metavar="NAME=CODE",
            help="let {0.NAME} stand for the value of a Python expression of the input x",
        )
        add("command", nargs=argparse.REMAINDER, help="the jobs' command, and inputs behind :::")

    @staticmethod
    def input_file(filep: IO[str], sep: str | None) -> list[str]:
        """The inputs of a file."""
        return [text for text in filep.read().split(sep) if text]

    @staticmethod
    def split_before(iterable: Iterable[Any], pred: Callable[[Any], bool]) -> Iterator[list[Any]]:
        """Cut a sequence before each item for which ``pred`` holds."""
        part: list[Any] = []
        for item in iterable:
            if pred(item):
                yield part
                part = []
            part.append(item)
        yield part

    def split_command_inputs(self, command: list[str], sep: str | None = "\n", delim: str = ":::") -> Any:
        """The command, the lists of inputs, and the lists that go along with others.

        These are objects ``{"index": POSITION, "list": INPUTS}``. Raises ValueError, OSError.
        """
        words = [word.replace(delim, ":::", 1) if word.startswith(delim) else word for word in command]
        found, lists, links = split_inputs(words, sep)
        return found, lists, [{"index": place, "list": inputs} for place, inputs in links]

    def create_commands(self, args: Any) -> list[base.Xcmd]:
        """The arguments of each job. Raises ValueError, OSError."""
        sep = None if args.sep.lower() == "none" else args.sep.encode().decode("unicode_escape")
        args.methods = compile_methods(args.methods)
        args.command, lists, links = self.split_command_inputs(args.command, sep)
        args.command = args.command or ["{}"]
        rows = combine(
            lists or [self.input_file(sys.stdin, sep)], [(link["index"], link["list"]) for link in links]
        )
        return [
            base.Xcmd(args, row, seq=number, seq1=number + 1, cc="{cc}") for number, row in enumerate(rows)
        ]

    def main(self, args: Any) -> None:
        commands = self.create_commands(args)
        if args.shuffle:
            random.shuffle(commands)
        total = sum(len(list(self.cc_list(command))) for command in commands)
        if not total:
            raise ValueError("no jobs provided for bulk submission")
        if args.progress and args.dry_run:
            print(f"bulksubmit: submitting a total of {total} jobs")
        elif args.progress:
            self.progress_start(args, total)
        for command in commands:
            if args.verbose or args.dry_run:
                print(f"bulksubmit: submit {command}")
            if not args.dry_run:
                self.submit_async_with_cc(command)
        if not args.dry_run:
            self.run_and_exit()
