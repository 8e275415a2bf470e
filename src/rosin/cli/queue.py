# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin queue``: list and control queues (RFC 33)."""

from __future__ import annotations

import errno
import os

from rosin.cli.arguments import Parser
from rosin.cli.base import connect, duration, fail, utf8_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from typing import Any

    from rosin.handle.flux import Flux

_START = (
    "?:{queuem:<8.8} ?:{parent:<8.8} {color_enabled}{enabled:>2}{color_off} "
    "{color_started}{started:>2}{color_off} "
)
_TIMES = "{defaults.timelimit!F:>8} {limits.timelimit!F:>8} "
FORMATS = {
    "default": (
        "State and limits, none above what the queue has",
        f"{_START}{_TIMES}{{limits.range.effective.nnodes:>10}} "
        "{limits.range.effective.ncores:>10} {limits.range.effective.ngpus:>10}",
    ),
    "policy": (
        "State and limits as configured",
        f"{_START}{_TIMES}{{limits.range.nnodes:>10}} {{limits.range.ncores:>10}} {{limits.range.ngpus:>10}}",
    ),
    "nodes": (
        "State and numbers of nodes",
        f"{_START}{{resources.all.nnodes:>6}} {{resources.up.nnodes:>10}} {{resources.down.nnodes:>10}} "
        "{resources.allocated.nnodes:>11} {resources.free.nnodes:>10}",
    ),
}
HEADINGS = {
    "queue": "QUEUE",
    "queuem": "QUEUE",
    "parent": "PARENT",
    "submission": "SUBMIT",
    "scheduling": "SCHED",
    "enabled": "EN",
    "started": "ST",
    "enabled.ascii": "EN",
    "started.ascii": "ST",
    "color_enabled": "",
    "color_started": "",
    "color_off": "",
    "defaults.timelimit": "TDEFAULT",
    "limits.timelimit": "TLIMIT",
    **{
        f"limits.{kind}.n{unit}": f"{prefix}{unit.upper() if prefix else 'N' + unit.upper()}"
        for kind, prefix in (("range", ""), ("range.effective", ""), ("min", "MIN"), ("max", "MAX"))
        for unit in ("nodes", "cores", "gpus")
    },
    **{
        f"resources.{state}.n{unit}": unit.upper() + ("" if state == "all" else f":{state[:5].upper()}")
        for state in ("all", "free", "allocated", "up", "down")
        for unit in ("nodes", "cores", "gpus")
    },
}


def parser(prog: str) -> Parser:
    """The options of the command."""
    result = Parser(prog, description="List and control queues.")
    commands = result.add_subparsers(metavar="COMMAND", required=True, dest="subcommand")
    one = commands.add_parser("list", help="list queues with their limits")
    one.add_argument("-q", "--queue", action="words", metavar="QUEUE,...", help="only these queues")
    one.add_argument("-o", "--format", default="default", help="columns, or the name of a format; 'help'")
    one.add_argument("-n", "--no-header", action="store_true", help="leave out the heading")
    one.set_defaults(run=_list)
    texts = {
        "status": "say whether jobs are taken and started",
        "enable": "take new jobs",
        "disable": "take no new jobs",
        "start": "start jobs",
        "stop": "start no jobs",
    }
    for name, text in texts.items():
        _add_control(commands, name, text)
    one = commands.add_parser("drain", help="wait until no job is active")
    one.add_argument("-t", "--timeout", metavar="DURATION", type=duration, default=-1.0, help="give up then")
    one.set_defaults(run=_drain)
    one = commands.add_parser("idle", help="wait until no job runs")
    one.add_argument("-t", "--timeout", metavar="DURATION", type=duration, default=-1.0, help="give up then")
    one.add_argument(
        "--quiet", action="store_true", help="print the number of pending jobs only if there are"
    )
    one.set_defaults(run=_idle)
    return result


def _add_control(commands: Any, name: str, text: str) -> None:
    one = commands.add_parser(name, help=text)
    one.add_argument("-q", "--queue", dest="old_queue", metavar="NAME", help="the same as QUEUE")
    if name != "status":
        one.add_argument("-a", "--all", action="store_true", help="all queues")
        one.add_argument("--quiet", action="store_true", help="do not print the new state")
    one.add_argument("-v", "--verbose", action="store_true", help="print numbers of jobs too")
    if name in ("stop", "disable"):
        one.add_argument(
            "--nocheckpoint", action="store_true", help="forget about it when the instance restarts"
        )
        one.add_argument("-m", "--message", metavar="REASON", help="why")
    one.add_argument("queue", metavar="QUEUE", nargs="?", help="a queue (default: all)")
    one.set_defaults(run=_control, message=None, nocheckpoint=False, all=False, quiet=False)


def _enable_line(status: dict[str, Any]) -> str:
    if status["enable"]:
        return "Job submission is enabled"
    return f"Job submission is disabled: {status.get('disable_reason', '')}"


def _start_line(status: dict[str, Any]) -> str:
    if status["start"]:
        return "Scheduling is started"
    reason = status.get("stop_reason")
    return f"Scheduling is stopped: {reason}" if reason else "Scheduling is stopped"


class _Queues:
    """Queue requests to the job manager; a failure ends the program with the name of the request."""

    def __init__(self, handle: Flux, prog: str) -> None:
        self._handle = handle
        self._prog = prog

    def call(self, what: str, topic: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            return self._handle.rpc(f"job-manager.{topic}", payload, 0).get() or {}
        except OSError as exc:
            fail(self._prog, f"{what}: {exc.strerror}")

    def names(self) -> list[str]:
        found: list[str] = self.call("list", "queue-list")["queues"]
        return found

    def print(self, queue: str | None, verbose: bool, lines: list[Callable[[dict[str, Any]], str]]) -> None:
        """Print lines about one queue, or all of them."""
        names: list[str | None] = [queue]
        if not queue or verbose:
            names = [*self.names()] or [queue]
        for name in names:
            status = self.call("status", "queue-status", {"name": name} if name else {})
            for line in lines:
                print(f"{name}: {line(status)}" if name else line(status))

    def print_numbers(self) -> None:
        numbers = self.call("alloc-query", "alloc-query")
        print(f"{numbers['queue_length']} alloc requests queued")
        print(f"{numbers['alloc_pending']} alloc requests pending to scheduler")
        print(f"{numbers['running']} running jobs")


def _list(handle: Flux, args: Namespace, prog: str) -> None:
    from rosin.cli.colour import use_color
    from rosin.cli.format import OutputFormat
    from rosin.cli.formats import NamedFormats
    from rosin.cli.queuelist import QueueRow
    from rosin.queue import QueueList

    fmt = OutputFormat(NamedFormats(FORMATS, "flux-queue", table="list").get(args.format), HEADINGS)
    # Whoever writes colours into a format of their own wants them wherever the output goes.
    color = use_color() or ("{color_" in args.format and not os.environ.get("NO_COLOR"))
    rows = [QueueRow(queue, color) for queue in QueueList(handle, args.queue)]
    fmt.print_items(rows, no_header=args.no_header)


def _control(handle: Flux, args: Namespace, prog: str) -> None:
    if args.old_queue is not None:
        if args.queue is not None:
            raise ValueError(f"Conflicting queues specified as --queue={args.old_queue} and {args.queue}")
        args.queue = args.old_queue
    queues, command = _Queues(handle, prog), args.subcommand
    lines: list[Callable[[dict[str, Any]], str]] = [_enable_line, _start_line]
    request: dict[str, Any] = {"all": args.all}
    if args.queue:
        request["name"] = args.queue
    if args.message:
        request["reason"] = args.message
    if command in ("enable", "disable"):
        request["enable"] = command == "enable"
        if command == "disable":
            request.setdefault("reason", "disabled by administrator")
        queues.call(command, "queue-enable", request)
        lines = [_enable_line]
    elif command in ("start", "stop"):
        if not args.queue and not args.all and queues.names():
            raise ValueError("Named queues are defined. Specify queues or use --all.")
        request.update(start=command == "start", nocheckpoint=args.nocheckpoint)
        queues.call(command, "queue-start", request)
        lines = [_start_line]
    if not args.quiet:
        queues.print(args.queue, args.verbose, lines)
        if args.verbose and command not in ("enable", "disable"):
            queues.print_numbers()


def _wait(handle: Flux, args: Namespace, prog: str, what: str) -> dict[str, Any]:
    rpc = handle.rpc(f"job-manager.{what}")
    try:
        rpc.wait_for(args.timeout)
        return rpc.get() or {}
    except OSError as exc:
        fail(prog, f"{what}: {'timeout' if exc.errno == errno.ETIMEDOUT else exc.strerror}")


def _drain(handle: Flux, args: Namespace, prog: str) -> None:
    _wait(handle, args, prog, "drain")


def _idle(handle: Flux, args: Namespace, prog: str) -> None:
    pending = _wait(handle, args, prog, "idle")["pending"]
    if pending or not args.quiet:
        print(f"{pending} jobs")


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    utf8_output()
    args = parser(prog).parse_args(argv)
    if args.subcommand == "list" and args.format == "help":
        from rosin.cli.formats import NamedFormats

        NamedFormats(FORMATS, "flux-queue", table="list").get("help")
    with connect() as handle:
        args.run(handle, args, prog)
    return 0
