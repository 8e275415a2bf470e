# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin batch``: submit a script that runs in an instance of its own (RFC 36)."""

from __future__ import annotations

import os
import sys

from rosin.cli.arguments import Parser
from rosin.cli.base import connect, error, id_text, utf8_output
from rosin.cli.nested import add_nested_options, broker_options, common, finish, submit
from rosin.cli.plugins import of, parse_command
from rosin.rfc.jobspec import build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any, BinaryIO

#: Where the script's output goes by default.
OUTPUT = "flux-{{id}}.out"


def parser(prog: str) -> Parser:
    """The options of the command."""
    result = Parser(
        prog,
        usage=f"{prog} [OPTIONS...] [SCRIPT [ARGS...]]",
        description="Submit SCRIPT, or what stands in standard input, as the initial program of an instance "
        "in a job. Lines of the script that begin with '# flux:' hold options of this command.",
    )
    add_nested_options(result, with_io=True)
    result.add_argument("--wrap", action="store_true", help="make a shell script of the words, or the input")
    of(prog).declare(result)
    return result


def read_script(command: list[str]) -> tuple[str, str]:
    """The name and the text of the script. Raises OSError and ValueError."""
    name = command[0] if command else "stdin"
    if command:
        with open(name, "rb") as stream:
            data = _read(name, stream)
    else:
        data = _read(name, sys.stdin.buffer)
    try:
        return name, data.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{name} does not appear to be a script, or failed to encode as utf-8") from None


def _read(name: str, stream: BinaryIO) -> bytes:
    from rosin.job.spec import read_limited

    try:
        return read_limited(stream)
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, name) from None


def with_directives(prog: str, argv: list[str], name: str, script: str) -> Namespace:
    """The options of the script's directives, then those of the command line. Raises ValueError."""
    from rosin.rfc.directives import parse

    words: list[str] = []
    try:
        directives = parse(script)
    except ValueError as exc:
        raise ValueError(f"{name}: {exc}") from None
    for directive in directives:
        try:
            rest = parser(prog).parse_command(directive.args).command
        except SystemExit:
            error(prog, f"argument parsing failed at {name} line {directive.line}")
            raise
        if rest:
            raise ValueError(f"{name}: line {directive.line}: '{rest[0]}' is no option")
        words += directive.args
    return parse_command(parser(prog), [*words, *argv])


def jobspec(prog: str, args: Namespace, script: str) -> dict[str, Any]:
    """The jobspec of a script. Raises ValueError and OSError."""
    if not script.startswith("#!"):
        where = args.command[0] if args.command else "stdin"
        raise ValueError(f"{where} does not appear to start with '#!': --wrap makes a shell script of it")
    keywords = {**common(args), "broker_opts": broker_options(args)}
    name = args.job_name or (os.path.basename(args.command[0]) if args.command else "batch")
    result = build.from_batch_command(
        script,
        name,
        args.command[1:],
        input=args.input,
        output=OUTPUT if args.output is None else args.output,
        error=args.error,
        label_io=args.label_io,
        **keywords,
    )
    return finish(result, args, prog)


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    utf8_output()
    args = parse_command(parser(prog), argv)
    if args.wrap and args.command:
        script = " ".join(args.command) + "\n"
    else:
        name, script = read_script(args.command)
        args = with_directives(prog, argv, name, script)
    if args.wrap:
        script = f"#!/bin/sh\n{script}"
    spec = jobspec(prog, args, script)
    if args.dry_run:
        from rosin import _json

        print(_json.dumps(spec).decode())
        return 0
    jobid = submit(connect(), spec, args)
    if not args.quiet:
        print(id_text(jobid))
    return 0
