# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job submit``: submit a jobspec that is there already (RFC 25)."""

from __future__ import annotations

import sys

from rosin.cli.base import connect, die, id_text
from rosin.cli.subcommands import AdminParser

_FLAGS = ("debug", "waitable", "novalidate")


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = AdminParser(f"{prog} submit", "Submit a jobspec from a file or standard input.")
    add = options.add_argument
    add("-u", "--urgency", metavar="N", type=int, default=16, help="0 to 31 (16)")
    add("-f", "--flags", metavar="FLAGS", default="", help=f"{', '.join(_FLAGS)}, signed")
    add("file", metavar="JOBSPEC", nargs="?", default="-")
    args = options.parse_args(argv)
    flags = dict.fromkeys(_FLAGS, False)
    signed = False
    for flag in filter(None, args.flags.split(",")):
        if flag == "signed":
            signed = True
        elif flag in flags:
            flags[flag] = True
        else:
            die(prog, f"unknown flag: {flag}")
    if args.file == "-":
        data = sys.stdin.buffer.read()
    else:
        with open(args.file, "rb") as stream:
            data = stream.read()
    if not data:
        die(prog, "required jobspec is empty")
    from rosin.job.submission import submit_async

    with connect() as handle:
        jobspec = data.strip() if signed else data
        print(id_text(submit_async(handle, jobspec, args.urgency, pre_signed=signed, **flags).get_id()))
    return 0
