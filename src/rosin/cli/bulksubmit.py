# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin bulksubmit``: submit a job for each input, or combination of inputs, as GNU parallel does."""

from __future__ import annotations

import sys
from itertools import cycle, product
from typing import TYPE_CHECKING

from rosin.cli.arguments import Parser
from rosin.cli.base import utf8_output
from rosin.cli.bulk import Bulk, copies
from rosin.cli.options import add_bulk_options, add_job_options, add_task_options
from rosin.cli.plugins import of, parse_command
from rosin.cli.template import InputText, compile_methods, describe, substitute

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from typing import IO

_DELIMITERS = (":::", "::::", ":::+", "::::+")


def parser(prog: str) -> Parser:
    """The options of the command."""
    result = Parser(
        prog,
        usage=f"{prog} [OPTIONS...] COMMAND [ARGS...] [::: INPUTS...]",
        description="Submit a job for each input: words behind :::, lines of a file behind ::::, or of "
        "standard input. Several lists are combined with each other; a list behind :::+ goes along with "
        "the one before.",
    )
    add_job_options(result)
    add_task_options(result)
    add_bulk_options(result)
    add = result.add_argument
    add("--shuffle", action="store_true", help="submit in random order")
    add("--sep", metavar="STRING", default="\n", help="what separates inputs in files; none: white space")
    add(
        "--define",
        metavar="NAME=CODE",
        dest="methods",
        action="append",
        default=[],
        help="let {0.NAME} stand for the value of a Python expression of the input x",
    )
    of(prog).declare(result)
    return result


def _read(stream: IO[bytes], separator: str | None) -> list[str]:
    """The inputs of a file; bytes that are not UTF-8 are kept, to be refused one input at a time."""
    text = stream.read().decode(errors="surrogateescape").replace("\r\n", "\n")
    return [part for part in text.split(separator) if part]


def split_inputs(
    words: Sequence[str], separator: str | None = "\n"
) -> tuple[list[str], list[list[str]], list[tuple[int, list[str]]]]:
    """The command, the lists of inputs, and the lists that go along with others: (position, inputs).

    Raises ValueError and OSError.
    """
    starts = [index for index, word in enumerate(words) if word in _DELIMITERS]
    command = list(words[: starts[0]] if starts else words)
    lists: list[list[str]] = []
    links: list[tuple[int, list[str]]] = []
    for place, (start, end) in enumerate(zip(starts, [*starts[1:], len(words)], strict=False)):
        kind, inputs = words[start], list(words[start + 1 : end])
        if kind.startswith("::::"):
            if len(inputs) != 1:
                raise ValueError(
                    f"Multiple args not allowed after {kind}" if inputs else f"no file after {kind}"
                )
            if inputs[0] == "-":
                inputs = _read(sys.stdin.buffer, separator)
            else:
                with open(inputs[0], "rb") as stream:
                    inputs = _read(stream, separator)
        if kind.endswith("+"):
            links.append((place, inputs))
        else:
            lists.append(inputs)
    return command, lists, links


def combine(lists: Sequence[Sequence[str]], links: Sequence[tuple[int, list[str]]]) -> list[list[str]]:
    """The inputs of each job."""
    rows = [list(row) for row in product(*lists)]
    for place, inputs in links:
        if inputs:
            for row, text in zip(rows, cycle(inputs), strict=False):
                row.insert(place, text)
    return rows


def make_commands(args: Namespace) -> list[Namespace]:
    """The arguments of each job. Raises ValueError and OSError."""
    separator: str | None = args.sep.encode().decode("unicode_escape")
    if args.sep.lower() == "none":
        separator = None
    methods = compile_methods(args.methods)
    args.command, lists, links = split_inputs(args.command, separator)
    if not args.command:
        args.command = ["{}"]
    if not lists:
        lists = [_read(sys.stdin.buffer, separator)]
    return [
        substitute(args, [InputText(text, methods) for text in row], seq=number, seq1=number + 1, cc="{cc}")
        for number, row in enumerate(combine(lists, links))
    ]


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    utf8_output()
    args = parse_command(parser(prog), argv)
    commands = make_commands(args)
    if args.shuffle:
        from random import shuffle

        shuffle(commands)
    total = sum(len(ids) if (ids := copies(command)) is not None else 1 for command in commands)
    if total == 0:
        raise ValueError("no jobs provided for bulk submission")
    name = prog.rpartition("-")[2]
    if args.dry_run and args.progress:
        print(f"{name}: submitting a total of {total} jobs")
    if args.dry_run or args.verbose:
        for command in commands:
            print(f"{name}: submit {describe(command)}")
    if args.dry_run:
        return 0
    bulk = Bulk(prog, args, total)
    return bulk.run(job for command in commands for job in bulk.expand(command))
