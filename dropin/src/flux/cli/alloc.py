# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.cli.alloc."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from typing import Any

import flux
import flux.job
from flux.cli import base
from flux.cli._attach import attach
from flux.job._utils import list_split
from flux.job.Jobspec import JobspecV1
from flux.uri import JobURI
from rosin.cli.alloc import NO_PROGRAM
from rosin.cli.submission import working_directory

__all__ = ["AllocCmd"]


class AllocCmd(base.BatchAllocCmd):
    """Starts an instance in a job, and attaches to it."""

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None) -> None:
        super().__init__(prog, usage, description, exclude_io=True)
        add: Any = self.parser.add_argument
        add("-v", "--verbose", action="count", default=0, help="say what goes on")
        add("--bg", action="store_true", help="wait for the instance, print its id, and leave it")
        add("COMMAND", nargs=argparse.REMAINDER, help="the initial program (default: a shell)")

    def init_jobspec(self, args: Any) -> Any:
        self.init_common(args)
        if args.bg and not args.COMMAND:
            args.broker_opts = [*(args.broker_opts or ()), NO_PROGRAM]
        jobspec = JobspecV1.from_nest_command(
            args.COMMAND,
            args.nslots,
            args.cores_per_slot,
            args.gpus_per_slot,
            args.nodes,
            list_split(args.broker_opts),
            args.exclusive,
            args.conf.config if args.conf else None,
            duration=args.time_limit,
            name=args.job_name,
            cwd=working_directory() if args.cwd is None else args.cwd,
            **{name: getattr(args, name) for name in ("unbuffered", "queue", "bank")},
        )
        self.update_jobspec_common(args, jobspec)
        if args.bg:
            jobspec.setattr_shell_option("pty.capture", 1)
        elif sys.stdin.isatty():
            jobspec.setattr_shell_option("pty.interactive", 1)
        return jobspec

    @staticmethod
    def log(jobid: Any, ts: float, msg: str) -> None:
        """Say what goes on, ``ts`` seconds after the submission."""
        print(f"{jobid}: {ts:6.3f}s: {msg}", file=sys.stderr, flush=True)

    def bg_wait_cb(self, future: Any, args: Any, jobid: Any) -> None:
        """An event of the job: the reactor stops when the instance in it takes jobs. Raises OSError."""
        event = future.get_event()
        if event is None:
            subprocess.run([sys.executable, "-m", "flux", "job", "attach", str(jobid)], stdout=2, check=False)
            raise OSError(f"{jobid}: unexpectedly exited")
        self.t0 = event.timestamp if self.t0 is None else self.t0
        since = event.timestamp - self.t0
        if args.verbose and event.name == "alloc":
            self.log(jobid, since, "resources allocated")
        if event.name != "memo" or "uri" not in event.context:
            return
        if args.verbose:
            self.log(jobid, since, "waiting for instance")
        try:
            flux.Flux(str(JobURI(event.context["uri"]))).rpc("state-machine.wait").get()
        except OSError as exc:
            raise OSError(exc.errno, f"{jobid}: instance startup failed: {exc.strerror}") from exc
        if args.verbose:
            self.log(jobid, time.time() - self.t0, "ready")
        self.flux_handle.reactor_stop()

    def background(self, args: Any, jobid: Any) -> None:
        """Wait for the instance, and print its id; Ctrl-C cancels it. Raises OSError."""
        jobid = flux.job.JobID(jobid)
        flux.job.event_watch_async(self.flux_handle, jobid).then(self.bg_wait_cb, args, jobid)
        if args.verbose:
            self.log(jobid, 0.0, "waiting for resources")
        try:
            self.flux_handle.reactor_run()
        except KeyboardInterrupt:
            sys.stderr.write(f"\r{jobid}: Interrupt: canceling job\n")
            flux.job.cancel(self.flux_handle, jobid)
            sys.exit(1)
        print(jobid)

    def main(self, args: Any) -> None:
        jobid = self.submit(args)
        if args.bg:
            self.background(args, jobid)
            sys.exit(0)
        if args.verbose > 0:
            sys.stderr.write(f"jobid: {jobid}\n")
        attach(jobid.f58)
