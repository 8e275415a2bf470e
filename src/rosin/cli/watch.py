# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin watch``: follow the output and the progress of jobs until they end."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rosin.cli.arguments import Parser
from rosin.cli.base import connect, error, fail, utf8_output, warning
from rosin.job.info_values import PROGRESS
from rosin.job.jobid import JobID
from rosin.job.listing import JobList

if TYPE_CHECKING:
    from argparse import Namespace

    from rosin.handle.flux import Flux
    from rosin.job.info import JobInfo


def parser(prog: str) -> Parser:
    """The options of the command."""
    result = Parser(prog, description="Show the output of jobs until all have ended.")
    add = result.add_argument
    add("-a", "--active", action="store_true", help="your active jobs")
    add("-A", "--all", action="store_true", help="your jobs in all states")
    add("-c", "--count", type=int, metavar="N", default=0, help="at most N jobs (0: all)")
    add("-f", "--filter", action="words", metavar="STATE|RESULT", help="jobs with these states or results")
    add("--since", metavar="WHEN", help="also jobs that ended since WHEN (implies -A without --filter)")
    add("--progress", action="store_true", help="show a progress bar on the terminal")
    add("--jps", action="store_true", help="show jobs per second in the progress bar")
    add("-l", "--label-io", action="store_true", help="begin each line of output with job id and task rank")
    add("-v", "--verbose", action="count", default=0, help="say how jobs end; twice: all their events")
    add("jobids", metavar="JOBID", type=JobID, nargs="*", help="just these jobs")
    return result


def _since(prog: str, text: str) -> float:
    from rosin.cli.when import parse_since

    try:
        return parse_since(text)
    except ValueError as exc:
        fail(prog, exc, 2)


def _select(handle: Flux, args: Namespace, prog: str) -> tuple[list[JobInfo], float | None, bool]:
    """The jobs to watch, the time from which progress counts, and whether all that were named exist."""
    filters = list(args.filter or ())
    since, started = 0.0, None
    if args.since:
        args.all = args.all or not filters
        since = _since(prog, args.since)
        started = max(since, float(handle.attr_get("broker.starttime")))
    if args.active:
        filters += ["pending", "running"]
    if args.all:
        filters += ["pending", "running", "inactive"]
        started = started or float(handle.attr_get("broker.starttime"))
    if not filters and not args.jobids:
        error(prog, "At least one job selection option is required")
        sys.stderr.write(f"Try '{prog.replace('-', ' ')} --help' for more information.\n")
        raise SystemExit(1)
    if args.jobids and (args.filter or args.since or args.active or args.all):
        warning(prog, "Filtering options ignored with jobid list")
    query = JobList(
        handle,
        attrs=["state", "result", "t_submit"],
        filters=filters,
        ids=args.jobids,
        user=os.getuid(),
        max_entries=args.count,
        since=since,
    )
    jobs = query.jobs()
    for text in query.errors:
        error(prog, text)
    return jobs, started, not query.errors


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    from rosin.cli.watcher import JobWatcher, binary_streams

    utf8_output()
    args = parser(prog).parse_args(argv)
    with connect() as handle:
        jobs, started, complete = _select(handle, args, prog)
        if not jobs and not complete:
            return 1
        if not jobs:
            sys.stderr.write(f"{prog}: INFO: No matching jobs\n")
            return 0
        if args.verbose:
            sys.stderr.write(f"{prog}: INFO: Watching {len(jobs)} jobs\n")
        watcher = JobWatcher(
            handle, handle.reactor_stop, True, args.label_io, args.verbose > 1, args.verbose > 0
        )
        if args.progress and not sys.stdout.isatty():
            warning(prog, "stdout is not a tty. Ignoring --progress option")
            args.progress = False
        if args.progress:
            from rosin.cli.progress import Progress

            first = min(job.t_submit for job in jobs)
            watcher.progress = Progress(handle.reactor, len(jobs), args.jps, started or first)
        stdout, stderr = binary_streams()
        for job in jobs:
            watcher.add(int(job.id), stdout, stderr, "clean", PROGRESS[job.status])
        try:
            handle.reactor_run()
        finally:
            watcher.flush()
            if watcher.progress is not None:
                watcher.progress.stop()
    return watcher.exitcode if complete else max(watcher.exitcode, 1)
