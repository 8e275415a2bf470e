# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin remote cancel`` and what else changes jobs, nodes and queues."""

from __future__ import annotations

import sys

from rosin.cli.remote.server import add_url, connected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from rosin.cli.subcommands import AdminParser


def add_commands(parser: AdminParser) -> None:
    """Add these subcommands."""
    one = _of_jobs(parser, "cancel", _cancel, "ask jobs to end")
    one.add_argument("-m", "--message", metavar="NOTE", help="why")
    one = _of_jobs(parser, "kill", _kill, "send a signal to running jobs")
    one.add_argument("-s", "--signal", metavar="SIG", default="TERM", help="name or number (default: TERM)")
    _of_jobs(parser, "hold", _hold, "keep pending jobs from starting")
    _of_jobs(parser, "release", _release, "let held jobs start")
    one = add_url(parser.command("urgency", _urgency, "change the urgency of a pending job"))
    one.add_argument("id", metavar="JOBID", help="the job")
    one.add_argument("urgency", metavar="N", type=int, help="0 (hold) to 31")
    one = add_url(parser.command("update", _update, "change a job that is not over"))
    one.add_argument("id", metavar="JOBID", help="the job")
    one.add_argument("--duration", metavar="FSD", help="time limit, or a change of it: 2h, +30m")
    one.add_argument("--queue", metavar="NAME", help="another queue")
    one.add_argument("--name", metavar="NAME", help="another name")
    one = add_url(parser.command("drain", _drain, "let nodes take no more jobs"))
    one.add_argument("targets", metavar="TARGETS", help="an idset of ranks or a hostlist")
    one.add_argument("-m", "--message", metavar="REASON", help="why")
    one = add_url(parser.command("undrain", _undrain, "let nodes take jobs again"))
    one.add_argument("targets", metavar="TARGETS", help="an idset of ranks or a hostlist")
    one = add_url(parser.command("queue", _queue, "start, stop, enable or disable a queue"))
    one.add_argument("action", choices=("start", "stop", "enable", "disable"), help="what to do")
    one.add_argument("name", metavar="QUEUE", help="its name, or all")
    one.add_argument("-m", "--message", metavar="REASON", help="why")


def _of_jobs(parser: AdminParser, name: str, run: Any, text: str) -> AdminParser:
    one = add_url(parser.command(name, run, text))
    one.add_argument("ids", metavar="JOBID", nargs="+", help="the jobs")
    return one


def _many(args: Namespace, action: str, **arguments: Any) -> int:
    """Do the same to all jobs; the exit code is 1 when one of them could not be had."""
    given = {name: value for name, value in arguments.items() if value is not None}
    with connected(args) as client:
        answer = client.act(action, ids=args.ids, arguments=given)
    for item in answer["items"]:
        if item["problem"] is not None:
            sys.stderr.write(f"rosin-remote: {item['id']}: {item['problem']['detail']}\n")
    return 1 if answer["failed"] else 0


def _cancel(args: Namespace) -> int:
    return _many(args, "cancel", reason=args.message)


def _kill(args: Namespace) -> int:
    return _many(args, "signal", signal=int(args.signal) if args.signal.isdecimal() else args.signal)


def _hold(args: Namespace) -> int:
    return _many(args, "hold")


def _release(args: Namespace) -> int:
    return _many(args, "release")


def _urgency(args: Namespace) -> int:
    with connected(args) as client:
        client.urgency(args.id, args.urgency)
    return 0


def _update(args: Namespace) -> int:
    with connected(args) as client:
        client.update(args.id, duration=args.duration, queue=args.queue, name=args.name)
    return 0


def _drain(args: Namespace) -> int:
    with connected(args) as client:
        client.drain(args.targets, args.message)
    return 0


def _undrain(args: Namespace) -> int:
    with connected(args) as client:
        client.undrain(args.targets)
    return 0


def _queue(args: Namespace) -> int:
    with connected(args) as client:
        client.queue(args.name, args.action, args.message)
    return 0
