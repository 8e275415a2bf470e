# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job list``, ``list-inactive`` and ``list-ids``: jobs as lines of JSON, for programs (RFC 43)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from rosin.cli.base import connect, die
from rosin.cli.job.common import parse_jobid, state_mask, username_to_id
from rosin.cli.subcommands import AdminParser
from rosin.constants import (
    FLUX_JOB_STATE_ACTIVE,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_PENDING,
    FLUX_JOB_STATE_RUNNING,
    FLUX_RPC_STREAMING,
    FLUX_USERID_UNKNOWN,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


def _not_for_people() -> None:
    if sys.stdout.isatty():
        sys.stderr.write("This is not the command you are looking for. Try 'rosin jobs'.\n")
        raise SystemExit(1)


def _print(jobs: Iterable[dict[str, Any]]) -> None:
    import json

    sys.stdout.writelines(f"{json.dumps(job, ensure_ascii=False)}\n" for job in jobs)


def _query(request: dict[str, Any]) -> int:
    with connect() as handle:
        for answer in handle.rpc("job-list.list", request, flags=FLUX_RPC_STREAMING):
            _print(answer["jobs"])
    return 0


def list_jobs(argv: list[str], prog: str) -> int:
    """``rosin job list``."""
    options = AdminParser(f"{prog} list", "Print jobs as lines of JSON.")
    add = options.add_argument
    add("-c", "--count", metavar="N", type=int, default=0, help="at most N jobs")
    add("-s", "--states", metavar="STATES", help="jobs in these states (pending and running)")
    add("-u", "--user", metavar="USER", help="jobs of this user, or of 'all'")
    options.flag("-a", "--all-user", text="your jobs in all states")
    options.flag("-A", "--all", text="all jobs of all users")
    args = options.parse_args(argv)
    _not_for_people()
    states = FLUX_JOB_STATE_PENDING | FLUX_JOB_STATE_RUNNING
    if args.all or args.all_user:
        states = FLUX_JOB_STATE_ACTIVE | FLUX_JOB_STATE_INACTIVE
    elif args.states:
        states = state_mask(prog, args.states)
    userid = os.getuid()
    if args.all:
        userid = FLUX_USERID_UNKNOWN
    elif args.user:
        userid = username_to_id(prog, args.user)
    constraint = {"and": [{"userid": [userid]}, {"states": [states]}]}
    return _query({"max_entries": args.count, "attrs": ["all"], "constraint": constraint})


def list_inactive(argv: list[str], prog: str) -> int:
    """``rosin job list-inactive``."""
    options = AdminParser(f"{prog} list-inactive", "Print inactive jobs as lines of JSON.")
    options.add_argument("-c", "--count", metavar="N", type=int, default=0, help="at most N jobs")
    options.add_argument(
        "-s", "--since", metavar="T", type=float, default=0.0, help="those that ended since T"
    )
    args = options.parse_args(argv)
    _not_for_people()
    constraint = {"states": [FLUX_JOB_STATE_INACTIVE]}
    return _query(
        {"max_entries": args.count, "since": args.since, "attrs": ["all"], "constraint": constraint}
    )


def list_ids(argv: list[str], prog: str) -> int:
    """``rosin job list-ids``."""
    from rosin.rfc.states import parse_state

    options = AdminParser(f"{prog} list-ids", "Print some jobs as lines of JSON.")
    options.add_argument(
        "-W", "--wait-state", metavar="STATE", default="depend", help="wait for this state first"
    )
    options.add_argument("jobids", metavar="JOBID", nargs="+")
    args = options.parse_args(argv)
    _not_for_people()
    try:
        state = parse_state(args.wait_state)
    except ValueError:
        die(prog, "invalid job state specified")
    ids = [parse_jobid(prog, text) for text in args.jobids]
    with connect() as handle:
        futures = [
            handle.rpc("job-list.list-id", {"id": jobid, "attrs": ["all"], "state": state}) for jobid in ids
        ]
        for future in futures:
            try:
                _print([future.get()["job"]])
            except OSError as exc:
                die(prog, f"job-list.list-id: {exc.strerror}")
    return 0
