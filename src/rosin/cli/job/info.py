# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job info``: print what the KVS has of a job (RFC 16)."""

from __future__ import annotations

import sys

from rosin.cli.base import connect, die
from rosin.cli.job.common import parse_jobid
from rosin.cli.subcommands import AdminParser
from rosin.constants import FLUX_JOB_INFO_LOOKUP_CURRENT

_KEYS = {
    "J": "signed jobspec",
    "R": "allocated resources",
    "eventlog": "primary job eventlog",
    "jobspec": "job specification",
    "guest.exec.eventlog": "execution eventlog",
    "guest.input": "job input log",
    "guest.output": "job output log",
}


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = AdminParser(f"{prog} info", "Print an entry of a job.", epilog=f"Keys: {', '.join(_KEYS)}.")
    options.flag("-o", "--original", text="the jobspec as it was submitted")
    options.flag("-b", "--base", text="jobspec and R without later updates")
    options.add_argument("jobid", metavar="JOBID", nargs="?")
    options.add_argument("key", metavar="KEY", nargs="?")
    args = options.parse_args(argv)
    if args.key is None:
        sys.stderr.write(f"Usage: {prog.replace('-', ' ')} info id key\nsome useful keys are:\n")
        sys.stderr.writelines(f"  {key:<20} - {text}\n" for key, text in _KEYS.items())
        return 1
    jobid = parse_jobid(prog, args.jobid)
    original = args.original and args.key == "jobspec"
    key = "J" if original else args.key
    current = args.key in ("R", "jobspec") and not args.base and not original
    request = {"id": jobid, "keys": [key], "flags": FLUX_JOB_INFO_LOOKUP_CURRENT if current else 0}
    with connect() as handle:
        try:
            text = handle.rpc("job-info.lookup", request).get()[key]
        except OSError as exc:
            die(prog, f"{args.jobid}: {exc.strerror}")
    if original:
        from rosin.rfc.sign import unwrap

        try:
            text = unwrap(text)[0].decode()
        except ValueError as exc:
            die(prog, f"Failed to unwrap J to get jobspec: {exc}")
    sys.stdout.write(f"{text}\n")
    return 0
