# SPDX-License-Identifier: LGPL-3.0-or-later
"""Several jobs of one command: submitted, watched, counted."""

from __future__ import annotations

import atexit
import sys
from typing import IO, TYPE_CHECKING, Any

import flux
from flux.cli._xcmd import Xcmd
from flux.idset import IDset
from flux.job.watcher import JobWatcher
from flux.progress import ProgressBar
from rosin.cli.base import warning
from rosin.cli.submission import is_idset

if TYPE_CHECKING:
    from collections.abc import Iterable


class Bulk:
    """What :class:`flux.cli.base.SubmitBulkCmd` does with its arguments."""

    prog: str
    flux_handle: Any
    progress: Any
    watcher: Any
    exitcode: int
    if TYPE_CHECKING:

        def jobspec_create(self, args: Any) -> Any:
            """That of the command."""

        def submit_async(self, args: Any, jobspec: Any = None) -> Any:
            """That of the command."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._logfiles: dict[str, IO[str]] = {}

    @staticmethod
    def cc_list(args: Any) -> Iterable[Any]:
        """The ids of ``--cc`` or ``--bcc``, ``[""]`` without them. Raises ValueError."""
        if args.cc and args.bcc:
            raise ValueError("specify only one of --cc or --bcc")
        return IDset(args.cc or args.bcc) if args.cc or args.bcc else [""]

    def openlog(self, filename: str) -> IO[str]:
        """The file of ``--log``, opened once, closed when the program ends."""
        if filename not in self._logfiles:
            stream = open(filename, "w", buffering=1)  # noqa: SIM115 - closed at the end
            atexit.register(stream.close)
            self._logfiles[filename] = stream
        return self._logfiles[filename]

    def submit_async_with_cc(self, args: Any, cclist: Any = None) -> None:
        """Submit the job, or a copy for each id (default: those given). Raises ValueError, OSError."""
        ids = cclist or self.cc_list(args)
        args.stdout, args.stderr = sys.stdout, sys.stderr
        if args.watch or args.wait:
            self.watcher_start(args)
        elif args.progress:
            self.progress_start(args, len(list(ids)))
        for cc in ids:
            copy: Any = Xcmd(args, cc=cc) if isinstance(cc, int) else args
            if copy.input and is_idset(copy.input):
                raise ValueError("per-task input not supported for submit")
            jobspec = self.jobspec_create(copy)
            if args.cc:
                jobspec.environment["FLUX_JOB_CC"] = str(cc)
            if copy.log:
                copy.stdout = copy.stderr = self.openlog(copy.log)
            if copy.log_stderr:
                copy.stderr = self.openlog(copy.log_stderr)
            label = f"cc={cc}: " if args.cc or args.bcc else ""
            self.submit_async(copy, jobspec).then(self.submit_cb, copy, label)

    def submit_cb(self, future: Any, args: Any, label: str = "") -> None:
        """A job was submitted, or refused."""
        try:
            jobid = future.get_id()
        except OSError as exc:
            print(f"{label}{exc.strerror or exc}", file=args.stderr)
            self.exitcode = 1
            self.progress_update(submit_failed=True)
            return
        if not args.quiet:
            print(jobid, file=args.stdout)
        if self.watcher:
            self.watcher.add_jobid(jobid, args.stdout, args.stderr, args.wait or "clean")
        elif self.progress:
            self.progress.update(jps=self.jobs_per_sec())

    def _check_terminal(self, args: Any) -> None:
        if args.progress and not self.progress and not sys.stdout.isatty():
            warning(self.prog.replace(" ", "-"), "stdout is not a tty. Ignoring --progress option")
            args.progress = None

    def watcher_start(self, args: Any) -> None:
        """Begin to watch the jobs that will be submitted."""
        if self.watcher:
            return
        if not self.flux_handle:
            self.flux_handle = flux.Flux()
        self._check_terminal(args)
        self.watcher = JobWatcher(
            self.flux_handle,
            progress=bool(args.progress),
            jps=args.jps,
            log_events=args.verbose > 1,
            log_status=args.verbose > 0,
            labelio=args.label_io,
            wait=args.wait or "clean",
            watch=args.watch,
        ).start()

    def jobs_per_sec(self) -> float:
        """How many jobs are submitted in a second."""
        return float((self.progress.count + 1) / max(self.progress.elapsed, 1e-6))

    def progress_start(self, args: Any, total: int) -> None:
        """Count submissions in a bar, if that is asked for and nothing is waited for."""
        self._check_terminal(args)
        if not args.progress or self.progress or args.wait or args.watch:
            return
        speed = "{jps:4.1f} job/s" if args.jps else "{elapsed.dt}"
        self.progress = ProgressBar(
            total=total,
            before="Submitting {total} jobs: ",
            after=f"{{percent:5.1f}}% {speed}",
            width=len(str(total)),
            timer=False,
            pending=0,
            fail=0,
            jps=0,
        ).start()

    def progress_update(self, jobinfo: Any = None, submit: bool = False, submit_failed: bool = False) -> None:
        """Count a job that is submitted, or that was refused."""
        bar = self.progress
        if not bar:
            return
        if submit:
            bar.update(advance=0, pending=bar.pending + 1)
        elif submit_failed:
            bar.update(advance=1, pending=bar.pending - 1, fail=bar.fail + 1, jps=self.jobs_per_sec())
