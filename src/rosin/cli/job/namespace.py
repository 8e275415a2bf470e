# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job namespace``: the KVS namespace of running jobs (RFC 16)."""

from __future__ import annotations

from rosin.cli.job.common import parse_jobid, words
from rosin.cli.subcommands import AdminParser
from rosin.rfc.jobpath import guest_namespace


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = AdminParser(f"{prog} namespace", "Print the KVS namespaces of jobs.")
    options.add_argument("jobids", metavar="JOBID", nargs="*")
    for text in words(options.parse_args(argv).jobids):
        print(guest_namespace(parse_jobid(prog, text)))
    return 0
