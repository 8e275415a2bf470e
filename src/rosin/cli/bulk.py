# SPDX-License-Identifier: LGPL-3.0-or-later
"""Submitting many jobs on one handle, with all requests under way at the same time."""

from __future__ import annotations

import sys

from rosin import _json
from rosin.cli.base import NotText, connect, fail, id_text, reason, warning
from rosin.cli.submission import Builder, is_idset, parse_urgency, require_texts, set_cc, submit_flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator
    from typing import IO, Any

    from rosin.cli.progress import Progress
    from rosin.cli.watcher import JobWatcher
    from rosin.job.submission import SubmitFuture

#: Submissions that may be unanswered.
_WINDOW = 1024
#: From this number of jobs on, one journal is cheaper than a watch per job.
_MANY = 16
#: So many jobs are named after Ctrl-C.
_NAMED = 20
_MARK = "@rosin:cc@"


def copies(args: Namespace) -> list[int] | None:
    """The ids of ``--cc`` or ``--bcc``, None without them. Raises ValueError."""
    if args.cc and args.bcc:
        raise ValueError("specify only one of --cc or --bcc")
    text = args.cc or args.bcc
    if not text:
        return None
    from rosin.rfc.idset import Idset

    try:
        return list(Idset(text))
    except ValueError as exc:
        raise ValueError(
            f"--{'cc' if args.cc else 'bcc'}={text}: {exc}: it takes a set of ids, as in 0-3,7"
        ) from None


def what_goes_on(ids: list[str], program: str) -> str:
    """How to end jobs that are not waited for any more; of many the first and the last are named."""
    many = f"{len(ids)} jobs go" if len(ids) > 1 else "1 job goes"
    if len(ids) <= _NAMED:
        return f"{many} on; to cancel: {program} cancel {' '.join(ids)}"
    ways = f"'{program} jobs' lists yours, '{program} cancel --all' cancels them"
    return f"{many} on, {ids[0]} to {ids[-1]}; {ways}"


def refuse_input(prog: str, args: Namespace) -> None:
    """End the program if ``--input`` names tasks: nobody is there to give them any."""
    if args.input and is_idset(args.input):
        fail(prog, "per-task input not supported for submit")


class PendingSubmission:
    """A jobspec on its way. ``label`` leads its error message; ``failure``: why there is no jobspec."""

    __slots__ = ("args", "failure", "jobspec", "label")

    def __init__(self, args: Namespace, jobspec: bytes, label: str, failure: str = "") -> None:
        self.args = args
        self.failure = failure
        self.jobspec = jobspec
        self.label = label


class Bulk:
    """Submits jobs, prints their ids, and waits for them if that is asked for."""

    def __init__(self, prog: str, args: Namespace, total: int) -> None:
        self._prog = prog
        self._args = args
        self._total = total
        self._many = total > 1
        self._builder = Builder()
        self._logs: dict[str, IO[bytes]] = {}
        self._handle = connect()
        self._jobs: Iterator[PendingSubmission] = iter(())
        self._pending = 0
        self._exhausted = False
        self._watcher: JobWatcher | None = None
        self._progress: Progress | None = None
        self.exitcode = 0

    # -- making jobspecs --------------------------------------------------------------------------

    def expand(self, args: Namespace) -> Iterator[PendingSubmission]:
        """The submissions that ``args`` asks for: one, or a copy for each id. Raises ValueError."""
        ids = copies(args)
        try:
            require_texts(args)
        except NotText as exc:
            if not self._many:
                raise
            yield PendingSubmission(args, b"", f"{self._prog}: ERROR: ", str(exc))
            return
        if ids is None:
            yield PendingSubmission(args, self._jobspec(args), "" if self._many else f"{self._prog}: ERROR: ")
            return
        from rosin.cli.template import has_fields, substitute

        if has_fields(args):
            for cc in ids:
                copy = substitute(args, cc=cc)
                yield PendingSubmission(copy, self._jobspec(copy, str(cc)), f"cc={cc}: ")
            return
        # The copies differ in one number at most: encode once.
        head, _, tail = self._jobspec(args, _MARK).partition(_MARK.encode())
        for cc in ids:
            middle = str(cc).encode() if args.cc else b""
            yield PendingSubmission(args, head + middle + tail, f"cc={cc}: ")

    def _jobspec(self, args: Namespace, cc: str | None = None) -> bytes:
        refuse_input(self._prog, args)
        jobspec = self._builder.build(args)
        if cc is not None and args.cc:
            set_cc(jobspec, cc)
        return _json.dumps(jobspec)

    # -- submitting -------------------------------------------------------------------------------

    def run(self, jobs: Iterable[PendingSubmission]) -> int:
        """Submit, and wait if asked to. Returns the exit code."""
        self._jobs = iter(jobs)
        self._prepare()
        try:
            self._pump()
            if not self._idle():
                self._handle.reactor_run()
        except KeyboardInterrupt:
            self._tell_what_goes_on()
            raise
        finally:
            self._finish()
        return max(self.exitcode, self._watcher.exitcode if self._watcher else 0)

    def _tell_what_goes_on(self) -> None:
        """After Ctrl-C: the jobs are not ours to end, but the user must know of them."""
        ids = [job.label for job in self._watcher.jobs.values()] if self._watcher else []
        if self._progress is not None:
            self._progress.hide()
        if ids:
            sys.stderr.write(f"{self._prog}: {what_goes_on(ids, self._prog.partition('-')[0])}\n")

    def _prepare(self) -> None:
        args = self._args
        if args.progress and not sys.stdout.isatty():
            warning(self._prog, "stdout is not a tty. Ignoring --progress option")
            args.progress = False
        waits = bool(args.wait or args.watch)
        if waits:
            from rosin.cli.watcher import InstanceEvents, JobWatcher

            self._watcher = JobWatcher(
                self._handle,
                self._stop_if_idle,
                args.watch,
                args.label_io,
                args.verbose > 1,
                args.verbose > 0,
            )
            if self._total >= _MANY and not args.watch and not (args.wait or "").startswith("exec."):
                self._watcher.journal = InstanceEvents(self._watcher)
        if args.progress:
            from rosin.cli.progress import Progress

            self._progress = Progress(self._handle.reactor, self._total, args.jps, submitting=not waits)
            if self._watcher is not None:
                self._watcher.progress = self._progress

    def _finish(self) -> None:
        if self._watcher is not None:
            self._watcher.flush()
        if self._progress is not None:
            self._progress.stop()
        for stream in self._logs.values():
            stream.close()
        sys.stdout.flush()
        self._handle.close()

    def _pump(self) -> None:
        """Send submissions until enough are under way."""
        from rosin.job.submission import submit_async

        while self._pending < _WINDOW and not self._exhausted:
            job = next(self._jobs, None)
            if job is None:
                self._exhausted = True
                break
            if job.failure:
                self._failed(job, job.failure)
                continue
            args = job.args
            future = submit_async(
                self._handle, job.jobspec, parse_urgency(args.urgency), **submit_flags(args.flags)
            )
            future.then(self._submitted, job)
            self._pending += 1
        if self._exhausted and not self._pending and self._watcher and self._watcher.journal:
            self._watcher.journal.complete()

    def _submitted(self, future: SubmitFuture, job: PendingSubmission) -> None:
        self._pending -= 1
        stdout, stderr = self._streams(job.args)
        try:
            jobid = future.get_id()
        except OSError as exc:
            self._failed(job, reason(exc))
        else:
            if self._watcher is not None:  # before anybody knows the id: Ctrl-C names it from then on
                self._watcher.add(jobid, stdout, stderr, job.args.wait or "clean")
            if not job.args.quiet:
                self._write(stdout, f"{id_text(jobid)}\n")
            if self._watcher is None and self._progress is not None:
                self._progress.count += 1
        if self._pending <= _WINDOW // 2:
            self._pump()
        self._stop_if_idle()

    def _failed(self, job: PendingSubmission, text: str) -> None:
        """Tell that a job is not submitted; the others are."""
        self._write(self._streams(job.args)[1], f"{job.label}{text}\n")
        self.exitcode = max(self.exitcode, 1)
        if self._progress is not None:
            self._progress.count += 1
            self._progress.failed += 1

    def _write(self, stream: IO[bytes], text: str) -> None:
        if self._progress is not None:
            self._progress.hide()
        stream.write(text.encode(errors="surrogateescape"))
        if self._pending == 0 or stream is sys.stderr.buffer or self._watcher is not None:
            stream.flush()
        if self._progress is not None:
            self._progress.show()

    def _streams(self, args: Any) -> tuple[IO[bytes], IO[bytes]]:
        """Where ids and output, and where messages of a job go."""
        stdout: IO[bytes] = sys.stdout.buffer
        stderr: IO[bytes] = sys.stderr.buffer
        if args.log:
            stdout = stderr = self._log(args.log)
        if args.log_stderr:
            stderr = self._log(args.log_stderr)
        return stdout, stderr

    def _log(self, path: str) -> IO[bytes]:
        if path not in self._logs:
            self._logs[path] = open(path, "wb")  # noqa: SIM115 (closed in _finish)
        return self._logs[path]

    def _idle(self) -> bool:
        return self._exhausted and not self._pending and not (self._watcher and self._watcher.jobs)

    def _stop_if_idle(self) -> None:
        if self._idle():
            if self._watcher is not None and self._watcher.journal is not None:
                self._watcher.journal.close()
            self._handle.reactor_stop()
