# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin dmesg``: print the broker's log buffer."""

from __future__ import annotations

import sys

from rosin.cli.base import connect
from rosin.cli.colour import use_color
from rosin.cli.subcommands import AdminParser, dispatch
from rosin.cli.timestamps import GREEN, RESET, HumanClock, iso, parse_iso
from rosin.constants import FLUX_RPC_STREAMING

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from rosin.handle.flux import Flux

_RED, _YELLOW, _BLUE, _BOLD, _REVERSE = "\x1b[31m", "\x1b[33m", "\x1b[34m", "\x1b[1m", "\x1b[7m"
#: Color of the text by severity, 0 to 7.
_TEXT = (_REVERSE + _RED, _REVERSE + _RED, _BOLD + _RED, _RED, _BOLD, "", "", _BLUE)


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Print the log buffer of the broker.")
    result.flag("-C", "--clear", text="empty the buffer")
    result.flag("-c", "--read-clear", text="empty the buffer after printing it")
    result.flag("-f", "--follow", text="print new entries as they come")
    result.flag("-n", "--new", text="follow, but do not print what is there already")
    result.flag("-H", "--human", text="print short times")
    result.flag("-d", "--delta", text="with --human, print the seconds since the entry before")
    result.color()
    result.set_defaults(run=_dmesg)
    return result


class LogFormatter:
    """Formats one log line after the other."""

    def __init__(self, human: bool = False, delta: bool = False, color: bool = False) -> None:
        self._clock = HumanClock(delta) if human else None
        self._color = color

    def format(self, data: bytes) -> str:
        """The text of an RFC 5424 line; one that is none, of another broker, as it is."""
        from rosin.cli.terminal import printable
        from rosin.errors import FormatError
        from rosin.rfc.syslog import SEVERITIES, LogLine

        try:
            line = LogLine(data)
        except FormatError:
            return printable(data.rstrip(b"\0\n").decode(errors="replace"))
        source = f"{line.appname}.{SEVERITIES[line.severity]}[{line.hostname}]"
        stamp = self._stamp(line.timestamp)
        # No line within an entry looks like another entry, and none commands the terminal.
        text = "\n    ".join(map(printable, line.text.expandtabs().splitlines()))
        if not self._color:
            return f"{stamp} {source}: {text}"
        return f"{stamp} {_YELLOW}{source}{RESET}: {_TEXT[line.severity]}{text}{RESET}"

    def _stamp(self, text: str) -> str:
        try:
            seconds = parse_iso(text)
        except ValueError:
            # A line of another program may have no time, which is written as "-".
            return text
        if self._clock is not None:
            return self._clock.stamp(seconds, self._color)
        stamp = iso(seconds)
        if stamp.endswith("Z"):
            stamp = text
        return f"{GREEN}{stamp}{RESET}" if self._color else stamp


def _dmesg(args: argparse.Namespace) -> None:
    if args.delta and not args.human:
        raise ValueError("--delta can only be used with --human")
    with connect() as h:
        if not args.clear:
            _print(args, h)
        if args.clear or args.read_clear:
            h.rpc("log.clear").get()


def _print(args: argparse.Namespace, h: Flux) -> None:
    formatter = LogFormatter(args.human, args.delta, use_color(args.color))
    request = {"follow": args.follow or args.new, "nobacklog": args.new}
    rpc = h.rpc("log.dmesg", request, flags=FLUX_RPC_STREAMING)
    for msg in rpc.messages():
        sys.stdout.write(formatter.format(msg.raw) + "\n")
        if request["follow"]:
            sys.stdout.flush()


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
