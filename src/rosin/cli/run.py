# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin run``: submit a job and follow it to its end."""

from __future__ import annotations

import sys

from rosin import _json
from rosin.cli.arguments import Parser
from rosin.cli.base import connect, id_text, utf8_output
from rosin.cli.options import add_job_options, add_task_options
from rosin.cli.plugins import of, parse_command
from rosin.cli.submission import Builder, is_idset, parse_urgency, submit_flags


def parser(prog: str) -> Parser:
    """The options of the command."""
    result = Parser(
        prog,
        usage=f"{prog} [OPTIONS...] COMMAND [ARGS...]",
        description="Submit a job, show its output, and exit like its tasks do.",
    )
    add_job_options(result)
    add_task_options(result)
    result.add_argument("--wait-event", metavar="NAME", default="clean", help="detach at this event")
    of(prog).declare(result)
    return result


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    utf8_output()
    args = parse_command(parser(prog), argv)
    jobspec = Builder().build(args)
    if args.dry_run:
        print(_json.dumps(jobspec).decode())
        return 0
    urgency, flags = parse_urgency(args.urgency), submit_flags(args.flags)
    from rosin.job.submission import submit_async

    handle = connect()
    jobid = submit_async(handle, _json.dumps(jobspec), urgency, **flags).get_id()
    label = id_text(jobid)
    if args.verbose > 0:
        sys.stderr.write(f"jobid: {label}\n")
        sys.stderr.flush()
    from rosin.cli.job.attach import attach

    args.show_events = args.verbose > 1
    args.show_exec = args.verbose > 2
    args.stdin_ranks = args.input if args.input and is_idset(args.input) else "all"
    args.show_status = args.read_only = args.quiet = False
    args.verbose, args.tail, args.queue_check_interval = 0, None, 10.0
    return attach(handle, jobid, label, args, f"{prog.partition('-')[0]}-job", cancel_if_unread=True)
