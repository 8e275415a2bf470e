# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job why``: what a job waits for."""

from __future__ import annotations

import sys

from rosin.cli.base import connect, id_text
from rosin.cli.job.common import parse_jobid
from rosin.cli.subcommands import AdminParser
from rosin.job.why import job_why, sentences

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = AdminParser(f"{prog} why", "Say why jobs wait: for what, behind whom, and how long.")
    options.flag("-j", "--json", text="print a line of JSON for each job")
    options.add_argument("jobids", metavar="JOBID", nargs="+")
    args = options.parse_args(argv)
    jobids = [parse_jobid(prog, text) for text in args.jobids]
    failed = 0
    with connect() as handle:
        for jobid in jobids:
            try:
                answer = job_why(handle, jobid)
            except OSError as exc:
                sys.stderr.write(f"{prog}: {id_text(jobid)}: {exc.strerror}\n")
                failed = 1
                continue
            if args.json:
                from rosin import _json

                print(_json.dumps(answer).decode())
            else:
                _show(answer)
    return failed


def _show(answer: dict[str, Any]) -> None:
    found = sentences(answer)
    state = "runs" if answer["state"] == "RUN" and not found else f"is in state {answer['state']}"
    print(f"{id_text(answer['id'])} {state}")
    for text in found:
        print(f"  {text}")
