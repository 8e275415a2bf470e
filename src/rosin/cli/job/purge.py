# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job purge``: forget inactive jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.cli.base import connect, die, duration
from rosin.cli.job.common import parse_jobid
from rosin.cli.subcommands import AdminParser
from rosin.job.control import purge_async

if TYPE_CHECKING:
    from argparse import Namespace

    from rosin.handle.flux import Flux


def _purge_range(handle: Flux, args: Namespace) -> int:
    """Purge by age and number, some at a time so that the job manager can do other things meanwhile."""
    total = 0
    while True:
        answer = purge_async(handle, args.age_limit, args.num_limit, args.batch, args.force).get()
        count: int = answer["count"]
        total += count
        if not args.force or count < args.batch:
            return total


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = AdminParser(f"{prog} purge", "Forget inactive jobs: those given, or old ones.")
    add = options.add_argument
    add("--age-limit", metavar="FSD", type=duration, default=-1.0, help="jobs that ended longer ago")
    add("--num-limit", metavar="COUNT", type=int, default=-1, help="the oldest ones, until COUNT are left")
    options.flag("-f", "--force", text="do it, do not just count")
    add("--batch", metavar="COUNT", type=int, default=50, help="jobs per request (50)")
    add("jobids", metavar="JOBID", nargs="*")
    args = options.parse_args(argv)
    ids = [parse_jobid(prog, text) for text in args.jobids]
    if args.batch < 1:
        die(prog, "batch must be > 0, as in --batch=50")
    with connect() as handle:
        try:
            if ids:
                requests = [{"id": jobid, "force": int(args.force)} for jobid in ids]
                futures = [handle.rpc("job-manager.purge-id", request, 0) for request in requests]
                total = sum(future.get()["count"] for future in futures)
            else:
                total = _purge_range(handle, args)
        except OSError as exc:
            die(prog, f"purge: {exc.strerror}")
        inactive = handle.rpc("job-manager.stats-get").get()["inactive_jobs"]
    if args.force:
        print(f"purged {total} inactive jobs, {inactive} remaining")
    else:
        print(f"use --force to purge {total} of {inactive} inactive jobs")
    return 0
