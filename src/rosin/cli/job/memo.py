# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job memo``: attach notes to a job (RFC 21, memo event)."""

from __future__ import annotations

import sys
from typing import Any

from rosin import _json
from rosin.cli.base import connect, die
from rosin.cli.job.common import parse_jobid
from rosin.cli.subcommands import AdminParser
from rosin.errors import FormatError
from rosin.job.control import memo_async
from rosin.rfc import treedict


def _value(text: str) -> Any:
    """JSON if it can be, else the text; ``-`` is standard input."""
    if text == "-":
        text = sys.stdin.read()
    try:
        return _json.loads(text)
    except ValueError:
        return text


def make_memo(prog: str, pairs: list[str]) -> dict[str, Any]:
    """The object that ``a.b=VALUE`` words make."""
    memo: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            die(prog, f"memo: no value for key={key}")
        if not all(key.split(".")):
            die(prog, f"memo: '{pair}': a key is missing, as in KEY={text}")
        try:
            treedict.put(memo, key, _value(text))
        except FormatError as exc:
            die(prog, f"memo: {exc}")
    return memo


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = AdminParser(f"{prog} memo", "Attach notes to a job; they show as annotations user.KEY.")
    options.flag("--volatile", text="not in the event log, so lost at a restart")
    options.add_argument("jobid", metavar="JOBID")
    options.add_argument("pairs", metavar="KEY=VALUE", nargs="+", help="null removes a note, - reads it")
    args = options.parse_args(argv)
    jobid = parse_jobid(prog, args.jobid)
    memo = make_memo(prog, args.pairs)
    with connect() as handle:
        try:
            memo_async(handle, jobid, memo, args.volatile).get()
        except OSError as exc:
            die(prog, f"memo: {args.jobid}: {exc.strerror}")
    return 0
