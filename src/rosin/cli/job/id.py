# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job id``: write job ids in another form (RFC 19)."""

from __future__ import annotations

from rosin.cli.base import JOBID_FORM, die, id_text
from rosin.cli.job.common import words
from rosin.cli.subcommands import AdminParser
from rosin.rfc import fluid


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = AdminParser(
        f"{prog} id", "Write job ids, arguments or words of standard input, in another form."
    )
    options.add_argument("-t", "--to", metavar="|".join(fluid.FORMS), default="dec", help="the form")
    options.add_argument("jobids", metavar="JOBID", nargs="*")
    args = options.parse_args(argv)
    if args.to not in fluid.FORMS:
        die(prog, f"Unknown to={args.to}: it takes {', '.join(fluid.FORMS)}")
    count = 0
    for text in words(args.jobids):
        try:
            jobid = fluid.parse(text)
        except ValueError:
            die(prog, f"{text}: malformed input: it takes {JOBID_FORM}")
        print(id_text(jobid) if args.to == "f58" else fluid.encode(jobid, args.to))
        count += 1
    return 0 if count else 1
