# SPDX-License-Identifier: LGPL-3.0-or-later
"""Requests about several jobs at once: kill, raise, cancel, and their forms for all jobs (RFC 21)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rosin.cli.base import connect, die
from rosin.cli.job.common import state_mask, username_to_id
from rosin.cli.subcommands import AdminParser
from rosin.constants import FLUX_JOB_STATE_ACTIVE, FLUX_JOB_STATE_INACTIVE

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.flux import Flux
    from rosin.handle.rpc import RPC


_SEVERITIES = "0, which ends the job, to 7"


def signal_number(prog: str, command: str, text: str) -> int:
    """The number of a signal; ends the program if there is none."""
    from rosin.process import outcome

    try:
        number = outcome.signal_number(text)
    except ValueError:
        number = -1
    if number <= 0:
        die(prog, f"{command}: Invalid signal {text}: it takes a name or a number, as in SIGUSR1, TERM or 15")
    return number


def jobids_and_note(
    prog: str, words: list[str], message: str | None
) -> tuple[list[tuple[str, int]], str | None]:
    """Leading job ids, and the words behind them as a note unless ``--message`` gives one.

    A ``--`` ends the ids: what follows is the note, though it may look like an id.
    """
    from rosin.rfc.fluid import parse

    jobs: list[tuple[str, int]] = []
    rest = words
    for place, word in enumerate(words):
        try:
            jobs.append((word, parse(word)))
        except ValueError:
            rest = words[place:]
            break
    else:
        rest = []
    if rest[:1] == ["--"]:
        del rest[0]
    if rest and message is not None:
        die(prog, "Do not set note on command line and with --message")
    return jobs, " ".join(rest) if rest else message


def for_each(prog: str, what: str, jobs: list[tuple[str, int]], request: Callable[[Flux, int], RPC]) -> int:
    """Send a request for each job, all at the same time; say which failed. Returns the exit code."""
    code = 0
    with connect() as handle:
        for text, future in [(text, request(handle, jobid)) for text, jobid in jobs]:
            try:
                future.get()
            except OSError as exc:
                code = 1
                sys.stderr.write(f"{prog}: {what} {text}: {exc.strerror}\n")
    return code


def kill(argv: list[str], prog: str) -> int:
    """``rosin job kill``."""
    from rosin.cli.job.common import parse_jobid
    from rosin.job.control import kill_async

    options = AdminParser(f"{prog} kill", "Send a signal to the tasks of running jobs.")
    options.add_argument("-s", "--signal", metavar="SIG", default="SIGTERM", help="the signal (SIGTERM)")
    options.add_argument("jobids", metavar="JOBID", nargs="+")
    args = options.parse_args(argv)
    jobs = [(text, parse_jobid(prog, text)) for text in args.jobids]
    signum = signal_number(prog, "kill", args.signal)
    return for_each(prog, "kill", jobs, lambda handle, jobid: kill_async(handle, jobid, signum))


def raise_(argv: list[str], prog: str) -> int:
    """``rosin job raise``."""
    from rosin.job.control import job_raise_async

    options = AdminParser(f"{prog} raise", "Raise an exception on jobs.")
    add = options.add_argument
    add("-s", "--severity", metavar="N", type=int, default=0, help="0 (ends the job, default) to 7")
    add("-t", "--type", metavar="TYPE", default="cancel", help="type of the exception (cancel)")
    add("-m", "--message", metavar="NOTE", help="a note for it")
    add("words", metavar="JOBID... [--] [NOTE...]", nargs="*")
    end = argv.index("--") if "--" in argv else len(argv)
    args = options.parse_args(argv[:end])
    words = args.words + argv[end:] if args.words else argv[end + 1 :]
    if not words:
        options.error("the following arguments are required: JOBID")
    if not 0 <= args.severity <= 7:
        die(prog, f"raise: --severity={args.severity}: invalid exception severity: it takes {_SEVERITIES}")
    jobs, note = jobids_and_note(prog, words, args.message)
    return for_each(
        prog,
        "raise",
        jobs,
        lambda handle, jobid: job_raise_async(handle, jobid, args.type, args.severity, note),
    )


def cancel(argv: list[str], prog: str) -> int:
    """``rosin job cancel``: the same as ``rosin cancel``."""
    from rosin.cli.cancel import main

    return main(argv, f"{prog.partition('-')[0]}-cancel")


def active_states(prog: str, text: str) -> int:
    """The mask of comma-separated state names, none of which may be INACTIVE."""
    mask = state_mask(prog, text)
    if mask & FLUX_JOB_STATE_INACTIVE:
        die(prog, "Exceptions cannot be raised on inactive jobs")
    return mask


def _report(prog: str, answer: dict[str, int], force: bool, done: str) -> int:
    count = answer["count"]
    if not count:
        text = "Command matched 0 jobs"
    elif force:
        text = f"{done} {count} jobs ({answer['errors']} errors)"
    else:
        text = f"Command matched {count} jobs (-f to confirm)"
    sys.stderr.write(f"{prog}: {text}\n")
    return 0


def raiseall(argv: list[str], prog: str) -> int:
    """``rosin job raiseall``."""
    from rosin.job.control import raiseall_async

    options = AdminParser(f"{prog} raiseall", "Raise an exception on all jobs of a user.")
    add = options.add_argument
    add("-s", "--severity", metavar="N", type=int, default=7, help="0 (ends jobs) to 7 (default)")
    add("-u", "--user", metavar="USER", help="jobs of this user, or of 'all'")
    add("-S", "--states", metavar="STATES", help="jobs in these states (all active ones)")
    options.flag("-f", "--force", text="do it, do not just count")
    add("type", metavar="TYPE")
    add("note", metavar="NOTE", nargs="*")
    args = options.parse_args(argv)
    if not 0 <= args.severity <= 7:
        die(prog, f"raiseall: --severity={args.severity}: invalid exception severity: it takes {_SEVERITIES}")
    if args.states == "":
        die(prog, "no states specified")
    states = active_states(prog, args.states) if args.states else FLUX_JOB_STATE_ACTIVE
    userid = username_to_id(prog, args.user) if args.user else os.getuid()
    with connect() as handle:
        future = raiseall_async(
            handle, args.type, args.severity, " ".join(args.note), userid, states, not args.force
        )
        try:
            answer = future.get()
        except OSError as exc:
            die(prog, f"raiseall: {exc.strerror}")
        return _report(prog, answer, args.force, "Raised exception on")


def killall(argv: list[str], prog: str) -> int:
    """``rosin job killall``."""
    from rosin.job.control import killall_async
    from rosin.process.outcome import signal_text

    options = AdminParser(f"{prog} killall", "Send a signal to all running jobs of a user.")
    add = options.add_argument
    add("-s", "--signal", metavar="SIG", default="SIGTERM", help="the signal (SIGTERM)")
    add("-u", "--user", metavar="USER", help="jobs of this user, or of 'all'")
    options.flag("-f", "--force", text="do it, do not just count")
    args = options.parse_args(argv)
    signum = signal_number(prog, "killall", args.signal)
    userid = username_to_id(prog, args.user) if args.user else os.getuid()
    with connect() as handle:
        answer = killall_async(handle, signum, userid, not args.force).get()
    return _report(prog, answer, args.force, signal_text(signum))
