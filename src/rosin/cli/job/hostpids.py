# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job hostpids``: hosts and process ids of the tasks of a running job."""

from __future__ import annotations

import errno

from rosin.cli.base import connect, die, duration
from rosin.cli.job.common import parse_jobid
from rosin.cli.subcommands import AdminParser
from rosin.constants import FLUX_JOB_STATE_ACTIVE
from rosin.errors import FormatError
from rosin.handle.flux import Flux
from rosin.job.proctable import decode
from rosin.rfc.idset import Idset


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
    add("-t", "--timeout", metavar="DURATION", type=duration, default=0.0, help="wait no longer; 0: for ever")
    add("jobid", metavar="JOBID")
    args = options.parse_args(argv)
    try:
        ranks = None if args.ranks == "all" else Idset(args.ranks)
    except ValueError as exc:
        die(prog, f"--ranks={args.ranks}: {exc}")
    if ranks is not None and not ranks:
        die(prog, f"--ranks={args.ranks}: Invalid argument: it takes the numbers of tasks, as in 0-3, or all")
    jobid = parse_jobid(prog, args.jobid)
    timeout = args.timeout or -1.0
    with connect() as handle:
        _check_active(handle, jobid, args.jobid, prog)
        service, leader = _shell(handle, jobid, timeout, prog)
        rpc = handle.rpc(f"{service}.proctable", None, leader)
        try:
            rpc.wait_for(timeout)
            table = decode(rpc.get())
        except (OSError, FormatError) as exc:
            die(prog, f"failed to get MPIR_proctable from job shell: {getattr(exc, 'strerror', None) or exc}")
    words = [f"{host}:{pid}" for task, host, _, pid, _ in sorted(table) if ranks is None or task in ranks]
    print(("\n" if args.delimiter == "\\n" else args.delimiter).join(words))
    return 0
