# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job attach``: follow a job: its output, input, signals and end (RFC 21, RFC 24)."""

from __future__ import annotations

import errno
import sys

from rosin.cli.arguments import SUPPRESS
from rosin.cli.base import connect, die
from rosin.cli.job.afterwards import Afterwards
from rosin.cli.job.output import OutputWriter, Unwritable
from rosin.cli.subcommands import AdminParser
from rosin.constants import FLUX_JOB_EVENT_WATCH_INITIAL_SENTINEL, FLUX_RPC_STREAMING
from rosin.process.outcome import job_report
from rosin.rfc.eventlog import parse_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from typing import Any

    from rosin.cli.job.debug import Debug
    from rosin.cli.job.pty import PtyClient
    from rosin.cli.job.statusline import StatusLine
    from rosin.cli.job.stdin import JobStdin
    from rosin.handle.flux import Flux
    from rosin.handle.rpc import RPC

    Event = dict[str, Any]


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(f"{prog} attach", description="Follow a job to its end and exit like its tasks do.")
    add = result.add_argument
    add("-E", "--show-events", action="store_true", help="print the job's events")
    add("-X", "--show-exec", action="store_true", help="print the events of its execution")
    add("--show-status", action="store_true", help="show a status line while the job is pending")
    add("-w", "--wait-event", metavar="NAME", default="clean", help="stop at this event")
    add("-l", "--label-io", action="store_true", help="begin each line of output with its task's rank")
    add("-v", "--verbose", action="count", default=0, help="say more")
    add("-q", "--quiet", action="store_true", help="leave out messages of the job shell")
    add("-r", "--read-only", action="store_true", help="do not read standard input, do not catch signals")
    add("-u", "--unbuffered", action="store_true", help="do not buffer standard input")
    add("-i", "--stdin-ranks", metavar="RANKS", default="all", help="tasks that get the standard input")
    add("--tail", metavar="NUM", nargs="?", const=10, type=int, help="begin with the last NUM (10) outputs")
    text = "print where the tasks are, for a debugger; then let those that wait for one go on"
    add("--debug", action="store_true", help=text)
    add("--debug-emulate", action="store_true", help="let tasks that wait for a debugger go on")
    add("--queue-check-interval", metavar="SECONDS", type=float, default=10.0, help=SUPPRESS)
    add("jobid", metavar="JOBID", help="the job")
    return result


class Attach:
    """Follows one job on a handle of its own.

    ``label`` is the job id as messages show it; ``args`` are those of :func:`parser`.
    """

    def __init__(self, handle: Flux, jobid: int, label: str, args: Namespace, prog: str) -> None:
        self.handle = handle
        self.jobid = jobid
        self.label = label
        self.args = args
        self.prog = prog
        self.output = OutputWriter(args, prog)
        self.exit_code = 1
        self.fatal = False
        self.finished = False
        self.cancel_if_unread = False
        self._watches: dict[str, RPC] = {}
        self._afterwards = Afterwards(handle.reactor, self.output.flush)
        self._started = False
        self._came = False  # the event that is waited for
        self._output_asked = False
        self._input: JobStdin | None = None
        self._pty: PtyClient | None = None
        self._unshown: list[Event] = []  # output that the job's terminal may show
        self._status: StatusLine | None = None
        self._debug: Debug | None = None
        if getattr(args, "debug", False) or getattr(args, "debug_emulate", False):
            from rosin.cli.job.debug import Debug

            self._debug = Debug(handle, jobid, self.output.message, show=args.debug)

    # -- the watches ------------------------------------------------------------------------------

    def _watch(self, path: str, handler: Callable[[Event], None], flags: int = 0) -> None:
        request = {"id": self.jobid, "path": path, "flags": flags}
        rpc = self.handle.rpc("job-info.eventlog-watch", request, flags=FLUX_RPC_STREAMING)
        self._watches[path] = rpc
        rpc.then(self._arrived, path, handler)

    def _arrived(self, rpc: RPC, path: str, handler: Callable[[Event], None]) -> None:
        """Take all events of a log that are here."""
        try:
            while rpc.is_ready() and self._watches.get(path) is rpc:
                payload = rpc.get() or {}  # empty where what was there at the beginning ends
                rpc.reset()
                handler(parse_event(payload["event"]) if "event" in payload else {"name": ""})
        except OSError as exc:
            self._ended(path, exc)
        except KeyError as exc:
            die(self.prog, f"{path}: error parsing eventlog: an event lacks {exc}")
        self.output.flush()

    def _ended(self, path: str, exc: OSError) -> None:
        """A log is complete, or cannot be read."""
        if isinstance(exc, Unwritable):
            raise exc
        if exc.errno != errno.ENODATA:
            self._failed(path, exc)
        elif path == "eventlog" and not self._came:
            self._never_came()
        self._done(path)

    def _never_came(self) -> None:
        event = self.args.wait_event
        self.exit_code = self.exit_code or 1
        self._say(lambda: self.output.message(f"event '{event}' never received"))

    def _failed(self, path: str, exc: OSError) -> None:
        self.output.flush()
        if path == "eventlog" and exc.errno == errno.ENOENT:
            die(self.prog, f"Failed to attach to {self.label}: No such job")
        if path == "eventlog" and exc.errno == errno.EPERM:
            die(self.prog, f"Failed to attach to {self.label}: that is not your job")
        if path == "guest.output" and exc.errno == errno.ENOENT:
            self.output.message("No job output found")
        elif path == "eventlog" or exc.errno not in (errno.ENOENT, errno.ECANCELED):
            die(self.prog, f"{path}: {exc.strerror}")

    def _done(self, path: str) -> None:
        self._watches.pop(path, None)
        if path == "eventlog" and self.finished and self._pty is not None:
            # Not with the event itself: what the job's shell has said before may be here only after that.
            self._pty.job_finished()
        if self._afterwards and not self._output_to_come():
            self._afterwards.release()
        if not self._watches:
            self.handle.reactor_stop()

    def _output_to_come(self) -> bool:
        return any(path != "eventlog" for path in self._watches)

    def _say(self, message: Callable[[], None]) -> None:
        """Print now, or behind the output that the job wrote before this."""
        if self._started and (self._afterwards or self._output_to_come()):
            self._afterwards.add(message, self.finished)
        else:
            message()

    def _cancel(self, path: str) -> None:
        """Stop reading a log."""
        rpc = self._watches.get(path)
        if rpc is not None:
            rpc.cancel("job-info.eventlog-watch-cancel")
            rpc.abandon()
            self._done(path)

    # -- the job's own log ------------------------------------------------------------------------

    def _main_event(self, event: Event) -> None:
        name = event["name"]
        self.output.start(event["timestamp"])
        if name == "exception":
            self._exception(event)
        elif name == "submit":
            self._watch("guest.exec.eventlog", self._exec_event)
        elif name == "start":
            self._started = True
        elif name == "finish":
            self._finish(event["context"]["status"])
        if self.args.show_events and name != "exception":
            self._say(lambda: self.output.event("job", event))
        if self._status is not None:
            self._status.event(event, self.fatal)
        if name == self.args.wait_event:
            self._event_came()

    def _event_came(self) -> None:
        self._came = True
        self._cancel("eventlog")

    def _finish(self, status: int) -> None:
        self.finished = True
        self.exit_code, text = job_report(status)
        if text:
            self._say(lambda: self.output.message(text))

    def _exception(self, event: Event) -> None:
        context = event["context"]
        text = f"job.exception {self.label} type={context['type']} severity={context['severity']} "
        self._say(lambda: self._exception_line(event["timestamp"], text + context.get("note", "")))
        if context["severity"] == 0:
            self.fatal = True
            if self._input is not None:
                self._input.stop()

    def _exception_line(self, timestamp: float, text: str) -> None:
        if self._status is not None:
            self._status.clear()
        self.output.note(timestamp, text)

    # -- the log of its execution -----------------------------------------------------------------

    def _exec_event(self, event: Event) -> None:
        name, context = event["name"], event.get("context") or {}
        if name == "shell.init":
            self._shell_started(context)
        elif name == "shell.start":
            if self._input is not None:
                self._input.tasks_started(context.get("taskmap"))
            if self._debug is not None:
                self._debug.shell_start(context)
        elif name == "log":
            self.output.exec_log(event)
        elif name == "complete":
            self._start_output()
        if self.args.show_exec and name != "log":
            self.output.event("exec", event)
        if self.args.wait_event == f"exec.{name}":
            self._event_came()

    def _shell_started(self, context: dict[str, Any]) -> None:
        service, rank = context["service"], context["leader-rank"]
        self._start_output()
        if self._debug is not None:
            self._debug.shell_init(service, rank)
        pty = context.get("pty")
        if pty is not None and not self.finished:
            if self.args.read_only:
                die(self.prog, "Cannot connect to pty in readonly mode")
            self._attach_pty(f"{service}.{pty}", rank, bool(context.get("capture")))
        # A closed standard input is none; its descriptor may be our socket by now.
        if not self.args.read_only and sys.stdin is not None:
            from rosin.cli.job.stdin import JobStdin

            self._input = JobStdin(self.handle, service, rank, self.args, self.output, self._stdin_failed)
            if self._pty is None:
                self._input.start()

    def _stdin_failed(self, text: str) -> None:
        die(self.prog, text)

    def _start_output(self) -> None:
        if not self._output_asked:
            self._output_asked = True
            flags = 0 if self.args.tail is None else FLUX_JOB_EVENT_WATCH_INITIAL_SENTINEL
            self._watch("guest.output", self._output_event, flags)

    def _output_event(self, event: Event) -> None:
        """Print output, once it is known whether the job's terminal shows it."""
        if self._pty is not None and not self._pty.attached:
            self._unshown.append(event)
        else:
            self.output.output_event(event)

    def _show(self) -> None:
        unshown, self._unshown = self._unshown, []
        for event in unshown:
            self.output.output_event(event)

    def _attach_pty(self, topic: str, rank: int, captured: bool) -> None:
        from rosin.cli.job.pty import PtyClient

        self._pty = PtyClient(self.handle, topic, rank, self._pty_ended)
        self._pty.on_attached = lambda: self._pty_attached(captured)

    def _pty_attached(self, captured: bool) -> None:
        self.output.pty(captured)
        self._show()

    def _pty_ended(self, attached: bool, status: int) -> None:
        """The terminal of the job has gone; one that never came is replaced by plain output."""
        self._pty = None
        self.output.pty(None)
        self._show()
        if attached:
            self.exit_code = 0 if status == 0 else 1
            self._watches.clear()
            self.handle.reactor_stop()
        elif self._input is not None and not self.finished:
            self._input.start()

    # -- running ----------------------------------------------------------------------------------

    def run(self) -> int:
        """Follow the job. Returns the exit code."""
        from rosin.cli.job.signals import Signals
        from rosin.cli.job.statusline import StatusLine

        self._watch("eventlog", self._main_event)
        signals = None
        if not self.args.read_only:
            come_back = f"{self.prog.replace('-', ' ')} attach {self.label}"
            signals = Signals(self.handle, self.jobid, self.output, self.detach, come_back)
        self._status = StatusLine.create(self)
        try:
            self.handle.reactor_run()
            self._afterwards.release()
        except Unwritable as exc:
            return self._unwritable(exc)
        finally:
            self._flush()
            if self._input is not None:
                self._input.stop()
            if self._pty is not None:
                self._pty.close()
            if self._status is not None:
                self._status.stop()
            if signals is not None:
                signals.stop()
        return 1 if self.fatal and self.exit_code == 0 else self.exit_code

    def _flush(self) -> None:
        try:
            self.output.flush()
        except Unwritable:
            self.output.drop()

    def _unwritable(self, failure: Unwritable) -> int:
        """Nobody reads the job's output any more. As SIGPIPE ends a program, this ends a job that is ours."""
        self.output.drop()
        unread = failure.errno == errno.EPIPE
        why = "nobody reads the output any more" if unread else f"cannot write output: {failure.strerror}"
        text = "the job goes on"
        over = "" if unread else "the job has ended"
        if self.finished or self.fatal:
            text = over
        elif self.cancel_if_unread:
            from rosin.job.control import cancel_async

            try:
                cancel_async(self.handle, self.jobid, why).get()
                text = "the job is canceled"
            except OSError as exc:  # it has ended meanwhile
                text = over if exc.errno == errno.ENOENT else f"cannot cancel the job: {exc.strerror}"
        if text:
            try:
                sys.stderr.write(f"{self.prog}: {self.label}: {why}, {text}\n")
                sys.stderr.flush()
            except OSError:
                pass  # standard error went into the same pipe
        return 141 if unread else 1

    def detach(self) -> None:
        """Leave the job alone."""
        self._came = True
        for path in list(self._watches):
            self._cancel(path)


def attach(
    handle: Flux, jobid: int, label: str, args: Namespace, prog: str, cancel_if_unread: bool = False
) -> int:
    """Follow a job; see :class:`Attach`. ``cancel_if_unread``: it is ended when nobody reads its output."""
    follower = Attach(handle, jobid, label, args, prog)
    follower.cancel_if_unread = cancel_if_unread
    return follower.run()


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    from rosin.cli.base import utf8_output
    from rosin.cli.job.common import parse_jobid

    utf8_output()
    args = parser(prog).parse_args(argv)
    jobid = parse_jobid(prog, args.jobid)
    if args.read_only and args.stdin_ranks != "all":
        die(prog, "Do not use --stdin-ranks with --read-only")
    if args.tail is not None and args.tail < 0:
        die(prog, "invalid tail argument")
    handle = connect()
    if args.debug or args.debug_emulate:
        _require_tasks(handle, jobid, args.jobid, prog)
    return attach(handle, jobid, args.jobid, args, prog)


def _require_tasks(handle: Flux, jobid: int, label: str, prog: str) -> None:
    """End the program if a debugger can find nothing in a job."""
    from rosin.cli.job.debug import is_over

    try:
        over = is_over(handle, jobid)
    except OSError as exc:
        die(prog, f"Invalid job id ({label}) for debugging: {exc.strerror}")
    if over:
        die(prog, "cannot debug job that has finished running")
