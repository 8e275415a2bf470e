# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job timeleft``: the time that a job, or this instance, has left."""

from __future__ import annotations

import math
import os

from rosin.cli.base import JOBID_FORM, connect, die
from rosin.cli.subcommands import AdminParser
from rosin.job.remaining import timeleft

#: Stands for no limit where a number of seconds is printed.
_NO_LIMIT = 0xFFFFFFFF


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = AdminParser(f"{prog} timeleft", "Print the seconds that a job (default: this one) has left.")
    options.flag("-H", "--human", text="print a duration with its unit")
    options.add_argument("jobid", metavar="JOBID", nargs="?")
    args = options.parse_args(argv)
    if args.jobid == "":
        die(prog, f"failed to parse jobid : it takes {JOBID_FORM}")
    if args.jobid:
        os.environ["FLUX_JOB_ID"] = args.jobid
    with connect() as handle:
        seconds = timeleft(handle)
    if args.human:
        from rosin.rfc import fsd

        print(fsd.encode(seconds))
    elif math.isinf(seconds):
        print(_NO_LIMIT)
    else:
        # 0 means that the time is over.
        print(max(1, math.floor(seconds)) if seconds > 0 else 0)
    return 0
