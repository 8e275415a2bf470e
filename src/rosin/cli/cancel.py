# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin cancel``: cancel jobs by id, or all jobs of a user in some states."""

from __future__ import annotations

import os
import sys

from rosin.cli.arguments import Parser
from rosin.cli.base import connect, error, id_text, reason, utf8_output
from rosin.constants import (
    FLUX_JOB_STATE_ACTIVE,
    FLUX_JOB_STATE_DEPEND,
    FLUX_JOB_STATE_PENDING,
    FLUX_JOB_STATE_PRIORITY,
    FLUX_JOB_STATE_RUN,
    FLUX_JOB_STATE_RUNNING,
    FLUX_JOB_STATE_SCHED,
    FLUX_USERID_UNKNOWN,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

_STATES = {
    "depend": FLUX_JOB_STATE_DEPEND,
    "priority": FLUX_JOB_STATE_PRIORITY,
    "sched": FLUX_JOB_STATE_SCHED,
    "run": FLUX_JOB_STATE_RUN,
    "pending": FLUX_JOB_STATE_PENDING,
    "running": FLUX_JOB_STATE_RUNNING,
    "active": FLUX_JOB_STATE_ACTIVE,
}


def parser(prog: str) -> Parser:
    """The options of the command."""
    from rosin.job.jobid import JobID

    result = Parser(prog, description="Cancel pending or running jobs.")
    add = result.add_argument
    add("--all", action="store_true", help="all your active jobs")
    add("-n", "--dry-run", "--dry", action="store_true", help="only say how many jobs there are")
    add("-q", "--quiet", action="store_true", help="say nothing when there are none")
    add("-u", "--user", metavar="USER", help="all active jobs of this user, or of 'all'")
    add("-S", "--states", "--state", action="append", metavar="STATES", help="all your jobs in these states")
    add("-m", "--message", metavar="NOTE", help="why")
    add("jobids", metavar="JOBID", type=JobID, nargs="*", help="jobs to cancel")
    return result


def user_id(text: str | None) -> int:
    """The id of a user by name, number or ``all``; without text the caller's. Raises ValueError."""
    if text is None:
        return os.getuid()
    if text == "all":
        return FLUX_USERID_UNKNOWN
    import pwd

    try:
        return pwd.getpwnam(text).pw_uid
    except KeyError:
        pass
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"Invalid user {text} specified") from None


def state_mask(words: list[str] | None) -> int:
    """The mask of comma-separated state names. Raises ValueError."""
    mask = 0
    for name in ",".join(words or ["active"]).split(","):
        if name.lower() not in _STATES:
            raise ValueError(f"Invalid state {name} specified")
        mask |= _STATES[name.lower()]
    return mask


def _jobs(number: int) -> str:
    return f"{number} job" if number == 1 else f"{number} jobs"


def _say(prog: str, text: str) -> None:
    sys.stderr.write(f"{prog}: {text}\n")


def _cancel(args: Namespace, prog: str) -> int:
    """Cancel the jobs with the given ids, all at the same time."""
    if not args.jobids:
        raise ValueError("No target jobs were provided")
    if args.dry_run:
        _say(prog, f"Would cancel {_jobs(len(args.jobids))}")
        return 0
    from rosin.job.control import cancel_async

    failures = 0
    with connect() as handle:
        futures = [(jobid, cancel_async(handle, jobid, args.message)) for jobid in dict.fromkeys(args.jobids)]
        for jobid, future in futures:
            try:
                future.get()
            except OSError as exc:
                failures += 1
                error(prog, f"{id_text(jobid)}: {reason(exc)}")
    return 1 if failures else 0


def _cancel_all(args: Namespace, prog: str) -> int:
    from rosin.job.control import raiseall_async

    userid, states = user_id(args.user), state_mask(args.states)
    with connect() as handle:
        answer: dict[str, Any] = raiseall_async(
            handle, "cancel", 0, args.message, userid, states, args.dry_run
        ).get()
    count, errors = answer["count"], answer["errors"]
    if not count:
        if not args.quiet:
            _say(prog, "Matched 0 jobs")
    elif args.dry_run:
        _say(prog, f"Would cancel {_jobs(count)}")
    else:
        _say(prog, f"Canceled {_jobs(count)} ({errors} error{'' if errors == 1 else 's'})")
    return 0


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    utf8_output()
    args = parser(prog).parse_args(argv)
    every = args.all or args.user or args.states
    if args.jobids and every:
        error(prog, "Do not specify a list of jobids with --all,--user,--states options")
        return 1
    return _cancel_all(args, prog) if every else _cancel(args, prog)
