# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin sproc``: list, signal and wait for processes in the background of a subprocess server (RFC 42)."""

from __future__ import annotations

import sys

from rosin.cli.base import connect, error
from rosin.cli.subcommands import AdminParser, about, perform

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from rosin.handle.flux import Flux
    from rosin.handle.rpc import RPC

_HEADINGS = {"pid": "PID", "state": "ST", "label": "LABEL", "rank": "RANK", "cmd": "COMMAND"}
_FORMAT = "{pid:>9} {state:<2} {label:<12} {cmd}"


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "List, signal and wait for processes that 'exec --bg' has started.")
    sub = result.command("kill", _kill, "send a signal to a process")
    _target_options(sub)
    sub.flag("-w", "--wait", text="then wait for the process, and exit as it did")
    sub.add_argument("signum", metavar="SIGNUM", help="number or name of the signal, as in 15 or SIGTERM")
    sub.add_argument("process", metavar="PID|LABEL", help="process id, or label that it was given")
    sub = result.command("wait", _wait, "wait for a process that is waitable, and exit as it did")
    _target_options(sub)
    sub.flag("-o", "--output", text="print the last output that the server has kept")
    sub.add_argument("process", metavar="PID|LABEL", help="process id, or label that it was given")
    sub = result.command("ps", _ps, "list processes")
    _target_options(sub)
    sub.add_argument(
        "-o",
        "--format",
        metavar="FORMAT",
        default=_FORMAT,
        help=f"format of a line, of {', '.join(_HEADINGS)} (default: '{_FORMAT}')",
    )
    sub.flag("-n", "--no-header", text="print no heading")
    return result


def _target_options(sub: AdminParser) -> None:
    sub.add_argument("-r", "--rank", metavar="RANK", type=_rank, help="ask this broker (default: this one)")
    sub.add_argument(
        "-s", "--service", metavar="SERVICE", default="rexec", help="ask this service (default: rexec)"
    )


def _rank(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 32:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"invalid rank '{text}': expected a number, as in 3")
    return int(text)


def _signum(text: str) -> int:
    """The number of a signal. Raises ValueError."""
    import signal

    if text.isdecimal():
        return int(text)
    number = getattr(signal, "SIG" + text.upper().removeprefix("SIG"), None)
    if not isinstance(number, signal.Signals):
        raise ValueError(
            f"SIGNUM: '{text}' is not a signal: expected a number or a name, as in 15 or SIGTERM"
        )
    return int(number)


def _target(text: str) -> dict[str, Any]:
    """The keys of a request that name a process."""
    return {"pid": int(text)} if text.isdecimal() else {"pid": -1, "label": text}


def _request(h: Flux, args: argparse.Namespace, method: str, payload: dict[str, Any]) -> RPC:
    from rosin.constants import FLUX_NODEID_ANY

    nodeid = FLUX_NODEID_ANY if args.rank is None else args.rank
    return h.rpc(f"{args.service}.{method}", payload, nodeid)


def _exit_code(answer: dict[str, Any]) -> int:
    from rosin.process import outcome
    from rosin.rfc.payload import field

    return outcome.exit_code(field(answer, "status", int))


def _kill(args: argparse.Namespace) -> int:
    import errno

    request = {"signum": _signum(args.signum), **_target(args.process)}
    with connect() as h:
        # The wait comes first: it also finds a process that has ended already.
        waiting = _request(h, args, "wait", _target(args.process)) if args.wait else None
        try:
            with about("kill"):
                _request(h, args, "kill", request).get()
        except OSError as exc:
            if waiting is None or exc.errno != errno.ESRCH:
                raise
            error(args.prog, exc.strerror)
        if waiting is None:
            return 0
        with about("kill: wait failed"):
            return _exit_code(waiting.get())


def _wait(args: argparse.Namespace) -> int:
    with connect() as h, about("wait"):
        answer = _request(h, args, "wait", _target(args.process)).get()
    if args.output:
        _print_output(answer)
    return _exit_code(answer)


def _print_output(answer: dict[str, Any]) -> None:
    """Write what a server has kept: ``stdout`` there, anything else to standard error."""
    from rosin.rfc import ioencode
    from rosin.rfc.payload import field

    for item in field(answer, "output", list, []):
        chunk = ioencode.decode_data(item)
        out = sys.stdout.buffer if chunk.stream == "stdout" else sys.stderr.buffer
        out.write(chunk.data)
        out.flush()


class ProcessLine:
    """A process as a server lists it."""

    def __init__(self, rank: int, entry: dict[str, Any]) -> None:
        self.rank = rank
        self.pid = entry["pid"]
        self.state = entry.get("state", "R")
        self.label = entry.get("label") or "-"
        self.cmd = entry.get("cmd", "")


def _ps(args: argparse.Namespace) -> None:
    from rosin.cli.format import OutputFormat

    formatter = OutputFormat(args.format, _HEADINGS)
    with connect() as h, about("ps"):
        answer = _request(h, args, "list", {}).get()
    lines = [ProcessLine(answer["rank"], entry) for entry in answer["procs"]]
    formatter.print_items(lines, no_header=args.no_header)


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return perform(parser(prog), argv, prog)
