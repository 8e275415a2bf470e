# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin post-job-event``: append an event to the log of an active job (RFC 21)."""

from __future__ import annotations

import errno

from rosin.cli.arguments import REMAINDER, Parser
from rosin.cli.base import connect, utf8_output
from rosin.job.jobid import JobID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def parser(prog: str) -> Parser:
    """The options of the command."""
    result = Parser(prog, description="Append an event to the log of an active job; for the instance owner.")
    result.add_argument("jobid", metavar="JOBID", type=JobID, help="the job")
    result.add_argument("name", metavar="NAME", help="name of the event")
    result.add_argument("context", metavar="KEY=VALUE", nargs=REMAINDER, help="its context: a.b=1 is nested")
    return result


def context(pairs: list[str]) -> dict[str, Any]:
    """The object that ``a.b=VALUE`` words make; a value is JSON if it can be. Raises ValueError."""
    from rosin import _json
    from rosin.rfc import treedict

    result: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not all(key.split(".")):
            raise ValueError(
                f"{pair}: not a part of a context: it takes KEY=VALUE, as in note=ready or a.b=1"
            )
        try:
            value = _json.loads(text)
        except ValueError:
            value = text
        treedict.put(result, key, value)
    return result


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    utf8_output()
    args = parser(prog).parse_args(argv)
    request: dict[str, Any] = {"id": int(args.jobid), "name": args.name}
    if args.context:
        request["context"] = context(args.context)
    with connect() as handle:
        try:
            handle.rpc("job-manager.post-event.post", request).get()
        except OSError as exc:
            text = f"No such job {args.jobid.orig}" if exc.errno == errno.ENOENT else exc.strerror
            raise OSError(exc.errno, text) from None
    return 0
