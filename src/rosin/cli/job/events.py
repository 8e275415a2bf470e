# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job eventlog`` and ``rosin job wait-event``: print the events of a job (RFC 18, RFC 21)."""

from __future__ import annotations

import errno
import sys

from rosin import _json
from rosin.cli.base import connect, die, duration
from rosin.cli.colour import use_color
from rosin.cli.eventlog import EventFormatter
from rosin.cli.job.common import parse_jobid
from rosin.cli.subcommands import AdminParser
from rosin.constants import FLUX_JOB_EVENT_WATCH_WAITCREATE, FLUX_RPC_STREAMING
from rosin.rfc.eventlog import decode_entries, parse_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

#: Short name -> (path, event that ends the log).
_PATHS = {
    "eventlog": ("eventlog", "clean"),
    "exec": ("guest.exec.eventlog", "done"),
    "output": ("guest.output", ""),
    "input": ("guest.input", ""),
}


def log_path(name: str) -> tuple[str, str]:
    """The path that a short name stands for, and the name of the event that ends the log ("" for none)."""
    for short, (path, end) in _PATHS.items():
        if name in (short, path):
            return path, end
    return name, ""


def _add_options(options: AdminParser) -> None:
    add = options.add_argument
    add("-f", "--format", metavar="FORMAT", default="text", help="text or json")
    add("-T", "--time-format", metavar="FORMAT", default="raw", help="raw, iso or offset")
    options.flag("-H", "--human", text="short times for people")
    options.color()
    add("-p", "--path", metavar="PATH", default="eventlog", help="another log: exec, output, guest.NAME")
    add("jobid", metavar="JOBID")


class Printer:
    """Prints events as the options say."""

    def __init__(self, args: Namespace, prog: str) -> None:
        form = "text" if args.human else args.format
        times = "human" if args.human else args.time_format
        if form not in ("text", "json"):
            die(prog, f"invalid format type '{form}': it takes text or json")
        if times not in ("raw", "iso", "offset", "human"):
            die(prog, f"invalid time-format type '{times}': it takes raw, iso or offset")
        self._formatter = EventFormatter(form, times, use_color(args.color), pad=False)

    def skip(self, event: dict[str, Any]) -> None:
        """Take note of an event that is not printed."""
        self._formatter.skip(event)

    def print(self, event: dict[str, Any]) -> None:
        sys.stdout.write(self._formatter.format(event) + "\n")


def _missing(args: Namespace, path: str, prog: str) -> str:
    return f"job {args.jobid} not found" if path == "eventlog" else f"eventlog path {path} not found"


def eventlog(argv: list[str], prog: str) -> int:
    """``rosin job eventlog``: print a log, or follow it."""
    options = AdminParser(f"{prog} eventlog", "Print the events of a job.")
    _add_options(options)
    options.flag("-F", "--follow", text="go on until the log is complete")
    args = options.parse_args(argv)
    jobid = parse_jobid(prog, args.jobid)
    path, end = log_path(args.path)
    printer = Printer(args, prog)
    with connect() as handle:
        if args.follow:
            args.event, args.match_context, args.count, args.timeout = end, None, 1, 0.0
            args.waitcreate, args.verbose, args.quiet = True, True, False
            return _Waiter(handle, jobid, path, args, printer, prog).run(need=bool(end))
        try:
            text = handle.rpc("job-info.lookup", {"id": jobid, "keys": [path], "flags": 0}).get()[path]
        except OSError as exc:
            die(prog, _missing(args, path, prog) if exc.errno == errno.ENOENT else exc.strerror)
    try:
        events = decode_entries(text)
    except ValueError as exc:
        die(prog, f"error parsing eventlog: {str(exc).removeprefix('eventlog: ')}")
    for event in events:
        printer.print(event)
    return 0


class _Waiter:
    """Reads a log until an event has come as often as it is waited for."""

    def __init__(
        self, handle: Any, jobid: int, path: str, args: Namespace, printer: Printer, prog: str
    ) -> None:
        self._handle = handle
        self._path = path
        self._args = args
        self._printer = printer
        self._prog = prog
        self._left: int = args.count
        self._context: tuple[str, str] | None = None
        if args.match_context is not None:
            key, _, value = args.match_context.partition("=")
            self._context = key, value
        flags = FLUX_JOB_EVENT_WATCH_WAITCREATE if args.waitcreate else 0
        request = {"id": jobid, "path": path, "flags": flags}
        self._rpc = handle.rpc("job-info.eventlog-watch", request, flags=FLUX_RPC_STREAMING)

    def run(self, need: bool = True) -> int:
        """Returns the exit code; ``need``: the event must come."""
        try:
            while True:
                self._rpc.wait_for(self._args.timeout or -1.0)
                event = parse_event(self._rpc.get()["event"])
                self._rpc.reset()
                if self._take(event):
                    self._rpc.cancel("job-info.eventlog-watch-cancel")
                    return 0
        except OSError as exc:
            if isinstance(exc, BrokenPipeError):
                raise
            sys.stdout.flush()
            if exc.errno == errno.ENODATA and not need:
                return 0
            die(self._prog, self._reason(exc))

    def _reason(self, exc: OSError) -> str:
        if exc.errno == errno.ENOENT:
            return _missing(self._args, self._path, self._prog)
        if exc.errno == errno.ETIMEDOUT:
            return f"wait-event timeout on event '{self._args.event}'"
        if exc.errno == errno.ENODATA:
            return f"event '{self._args.event}' never received"
        return str(exc.strerror)

    def _take(self, event: dict[str, Any]) -> bool:
        """Print an event if it is to be seen; returns whether it was the last one."""
        last = False
        if event["name"] == self._args.event and self._matches(event.get("context") or {}):
            self._left -= 1
            last = self._left == 0
        if (last and not self._args.quiet) or (not last and self._args.verbose):
            self._printer.print(event)
            sys.stdout.flush()
        else:
            self._printer.skip(event)
        return last

    def _matches(self, context: dict[str, Any]) -> bool:
        if self._context is None:
            return True
        key, wanted = self._context
        if key not in context:
            return False
        value = context[key]
        return bool(value == wanted) or _json.dumps(value).decode() == wanted


def wait_event(argv: list[str], prog: str) -> int:
    """``rosin job wait-event``: wait for an event and print it."""
    options = AdminParser(f"{prog} wait-event", "Wait for an event of a job and print it.")
    _add_options(options)
    add = options.add_argument
    add(
        "-t",
        "--timeout",
        metavar="DURATION",
        type=duration,
        default=0.0,
        help="give up after this time; 0: never",
    )
    add("-m", "--match-context", metavar="KEY=VAL", help="only an event with this in its context")
    add("-c", "--count", metavar="COUNT", type=int, default=1, help="wait for that many matches (1)")
    options.flag("-q", "--quiet", text="print nothing")
    options.flag("-v", "--verbose", text="print the events before it, too")
    options.flag("-W", "--waitcreate", text="wait for the log itself to appear")
    add("event", metavar="EVENT")
    args = options.parse_args(argv)
    if args.count <= 0:
        die(prog, "count must be > 0, as in --count=2")
    if args.match_context is not None and "=" not in args.match_context:
        die(
            prog,
            f"--match-context={args.match_context}: must specify a context test as key=value, as in status=0",
        )
    jobid = parse_jobid(prog, args.jobid)
    path, _ = log_path(args.path)
    printer = Printer(args, prog)
    with connect() as handle:
        return _Waiter(handle, jobid, path, args, printer, prog).run()
