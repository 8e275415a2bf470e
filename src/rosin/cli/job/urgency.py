# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job urgency``: change how urgent a pending job is (RFC 30)."""

from __future__ import annotations

import sys

from rosin.cli.base import connect, die
from rosin.cli.job.common import parse_jobid
from rosin.cli.subcommands import AdminParser
from rosin.constants import (
    FLUX_JOB_URGENCY_EXPEDITE,
    FLUX_JOB_URGENCY_HOLD,
)
from rosin.errors import FormatError
from rosin.job.control import set_urgency
from rosin.rfc.urgency import in_range, parse


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = AdminParser(f"{prog} urgency", "Change the urgency of a job.")
    options.flag("-v", "--verbose", text="print the old urgency")
    options.add_argument("jobid", metavar="JOBID")
    options.add_argument("urgency", metavar="N", help="0 to 31, hold, default or expedite")
    args = options.parse_args(argv)
    jobid = parse_jobid(prog, args.jobid)
    accepted = "it takes 0 to 31, hold, default or expedite"
    try:
        urgency = parse(args.urgency)
    except FormatError:
        die(prog, f'error parsing urgency: "{args.urgency}": {accepted}')
    if not in_range(urgency):
        die(prog, f"{args.jobid}: urgency value is out of range: {accepted}")
    with connect() as handle:
        try:
            old = set_urgency(handle, jobid, urgency)
        except OSError as exc:
            die(prog, f"{args.jobid}: {exc.strerror}")
    if args.verbose:
        words = {FLUX_JOB_URGENCY_HOLD: "job held", FLUX_JOB_URGENCY_EXPEDITE: "job expedited"}
        sys.stderr.write(f"old urgency: {words.get(old, old)}\n")
    return 0
