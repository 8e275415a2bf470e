# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job wait``: wait for jobs that were submitted as waitable (RFC 21)."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING

from rosin.cli.base import connect, die, id_text
from rosin.cli.job.common import parse_jobid
from rosin.cli.subcommands import AdminParser
from rosin.constants import FLUX_JOBID_ANY
from rosin.job.waiting import wait

if TYPE_CHECKING:
    from rosin.handle.flux import Flux


def main(argv: list[str], prog: str) -> int:
    """Run the command. The exit code is 2 when there is no job to wait for."""
    options = AdminParser(f"{prog} wait", "Wait for a waitable job, any of them by default.")
    options.flag("-a", "--all", text="wait for all waitable jobs")
    options.flag("-v", "--verbose", text="with --all: also name the jobs that succeeded")
    options.add_argument("jobid", metavar="JOBID", nargs="?")
    args = options.parse_args(argv)
    if args.all and args.jobid:
        die(prog, "jobid not supported with --all")
    target = parse_jobid(prog, args.jobid) if args.jobid else FLUX_JOBID_ANY
    with connect() as handle:
        if args.all:
            return _wait_all(handle, args.verbose)
        try:
            result = wait(handle, target)
        except OSError as exc:
            die(prog, exc.strerror, 2 if exc.errno == errno.ECHILD else 1)
    if not args.jobid:
        print(id_text(result.jobid))
    if not result.success:
        die(prog, result.errstr.decode())
    return 0


def _wait_all(handle: Flux, verbose: bool) -> int:
    code = 0
    while True:
        try:
            result = wait(handle)
        except OSError as exc:
            if exc.errno == errno.ECHILD:
                return code
            raise
        if not result.success:
            code = 1
            sys.stderr.write(f"{id_text(result.jobid)}: {result.errstr.decode()}\n")
        elif verbose:
            sys.stderr.write(f"{id_text(result.jobid)}: job completed successfully\n")
