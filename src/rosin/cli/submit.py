# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin submit``: submit one job, or copies of it."""

from __future__ import annotations

from rosin.cli.arguments import Parser
from rosin.cli.base import utf8_output
from rosin.cli.bulk import Bulk, copies, refuse_input
from rosin.cli.options import add_bulk_options, add_job_options, add_task_options
from rosin.cli.plugins import of, parse_command


def parser(prog: str) -> Parser:
    """The options of the command."""
    result = Parser(
        prog,
        usage=f"{prog} [OPTIONS...] COMMAND [ARGS...]",
        description="Submit a job and print its id.",
    )
    add_job_options(result)
    add_task_options(result)
    add_bulk_options(result)
    of(prog).declare(result)
    return result


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    utf8_output()
    args = parse_command(parser(prog), argv)
    if args.dry_run:
        from rosin import _json
        from rosin.cli.submission import Builder, set_cc
        from rosin.cli.template import substitute

        ids = copies(args)
        refuse_input(prog, args)
        copy = args if ids is None else substitute(args, cc=ids[0])
        jobspec = Builder().build(copy)
        if ids is not None and args.cc:
            set_cc(jobspec, str(ids[0]))
        print(_json.dumps(jobspec).decode())
        return 0
    ids = copies(args)
    bulk = Bulk(prog, args, 1 if ids is None else len(ids))
    return bulk.run(bulk.expand(args))
