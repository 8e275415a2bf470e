# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job hostpids``: hosts and process ids of the tasks of a running job."""

from __future__ import annotations

import errno
from typing import Any

from rosin.cli.base import connect, die, duration
from rosin.cli.job.common import parse_jobid
from rosin.cli.subcommands import AdminParser
from rosin.constants import FLUX_JOB_STATE_ACTIVE
from rosin.handle.flux import Flux
from rosin.rfc.idset import Idset


def expand_numbers(runs: list[Any]) -> list[int]:
    """The numbers that a list of runs stands for.

    A run is ``[first, count]``, where ``first`` is relative to the last number and ``count`` is how many
    follow it, each one larger; a negative count repeats ``first`` so many times more. A bare number stands
    alone.
    """
    result: list[int] = []
    last = 0
    for run in runs:
        delta, count = run if isinstance(run, list) else (run, 0)
        first = last + delta
        if count < 0:
            result += [first] * (1 - count)
            last = first
        else:
            result += range(first, first + count + 1)
            last = first + count
    return result


def expand_strings(groups: list[Any]) -> list[str]:
    """The strings that a list of groups stands for: ``[prefix, runs]`` or a bare string.

    A number of ``runs`` is appended to the prefix, -1 stands for the prefix alone.
    """
    result: list[str] = []
    for group in groups:
        if isinstance(group, str):
            result.append(group)
            continue
        prefix, runs = group
        if not isinstance(runs, list):
            result.append(f"{prefix}{runs}")
            continue
        result += [prefix if number < 0 else f"{prefix}{number}" for number in expand_numbers(runs)]
    return result


def _check_active(handle: Flux, jobid: int, text: str, prog: str) -> None:
    try:
        job = handle.rpc("job-list.list-id", {"id": jobid, "attrs": ["state"]}).get()["job"]
    except OSError as exc:
        die(prog, f"{text}: {'No such job' if exc.errno == errno.ENOENT else exc.strerror}")
    if not job["state"] & FLUX_JOB_STATE_ACTIVE:
        die(prog, f"hostpids: job {text} is inactive")


def _shell(handle: Flux, jobid: int, timeout: float, prog: str) -> tuple[str, int]:
    """The service of the job's shell, once its tasks have started."""
    from rosin.job.events import event_watch_async

    watch = event_watch_async(handle, jobid, "guest.exec.eventlog", waitcreate=True)
    service: tuple[str, int] | None = None
    try:
        while True:
            watch.wait_for(timeout)
            event = watch.get_event()
            if event is None:
                die(prog, "failed to get MPIR_proctable from job shell")
            if event.name == "shell.init":
                service = event.context["service"], event.context["leader-rank"]
            elif event.name == "shell.start" and service is not None:
                return service
    except OSError as exc:
        if exc.errno == errno.ETIMEDOUT:
            die(prog, "hostpids: timeout waiting for shell.start event")
        if exc.errno == errno.EPERM:
            die(prog, "hostpids: Permission denied")
        raise


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = AdminParser(f"{prog} hostpids", "Print host:pid of the tasks of a running job.")
    add = options.add_argument
    add("-d", "--delimiter", metavar="STRING", default=",", help="what separates them (,)")
    add("-r", "--ranks", metavar="IDSET", default="all", help="only these tasks")
    add("-t", "--timeout", metavar="DURATION", type=duration, default=-1.0, help="wait no longer")
    add("jobid", metavar="JOBID")
    args = options.parse_args(argv)
    try:
        ranks = None if args.ranks == "all" else Idset(args.ranks)
    except ValueError as exc:
        die(prog, f"--ranks={args.ranks}: {exc}")
    jobid = parse_jobid(prog, args.jobid)
    with connect() as handle:
        _check_active(handle, jobid, args.jobid, prog)
        service, leader = _shell(handle, jobid, args.timeout, prog)
        table = handle.rpc(f"{service}.proctable", None, leader).get()
    tasks = zip(
        expand_numbers(table["ids"]),
        expand_strings(table["hosts"]),
        expand_numbers(table["pids"]),
        strict=True,
    )
    words = [f"{host}:{pid}" for task, host, pid in tasks if ranks is None or task in ranks]
    print(args.delimiter.replace("\\n", "\n").join(words))
    return 0
