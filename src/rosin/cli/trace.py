# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin module trace``: print the messages of broker modules as they pass."""

from __future__ import annotations

import time

from rosin.cli.base import connect
from rosin.cli.colour import use_color
from rosin.cli.subcommands import about
from rosin.cli.timestamps import GREEN, RESET, HumanClock
from rosin.constants import (
    FLUX_MSGTYPE_ANY,
    FLUX_MSGTYPE_CONTROL,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_RPC_STREAMING,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from rosin.cli.subcommands import AdminParser

_TYPES = {
    "request": FLUX_MSGTYPE_REQUEST,
    "response": FLUX_MSGTYPE_RESPONSE,
    "event": FLUX_MSGTYPE_EVENT,
    "control": FLUX_MSGTYPE_CONTROL,
}
_SIGNS = {
    FLUX_MSGTYPE_REQUEST: ">",
    FLUX_MSGTYPE_RESPONSE: "<",
    FLUX_MSGTYPE_EVENT: "e",
    FLUX_MSGTYPE_CONTROL: "c",
}
_COLORS = {
    FLUX_MSGTYPE_REQUEST: "\x1b[01;34m",
    FLUX_MSGTYPE_RESPONSE: "\x1b[36m",
    FLUX_MSGTYPE_EVENT: "\x1b[33m",
    FLUX_MSGTYPE_CONTROL: "\x1b[1m",
}
_FAILED = "\x1b[1m\x1b[31m"


def trace_options(sub: AdminParser) -> None:
    """Add the options that all traces have."""
    sub.flag("-f", "--full", text="show JSON payloads")
    sub.add_argument(
        "-t",
        "--type",
        metavar="TYPE,...",
        action="words",
        default=[],
        help="only messages of these types: " + ", ".join(_TYPES),
    )
    sub.flag("-H", "--human", text="print short times")
    sub.flag("-d", "--delta", text="with --human, print the seconds since the message before")
    sub.color()


def add_module_trace(parser: AdminParser) -> None:
    """Add ``trace`` to the parser of ``module``."""
    sub = parser.command("trace", _trace, "print the messages of modules as they pass")
    trace_options(sub)
    sub.add_argument("-T", "--topic", metavar="GLOB", default="*", help="only messages with such a topic")
    sub.add_argument("module", metavar="MODULE", nargs="*", help="only these modules (default: all)")


def type_mask(words: list[str]) -> int:
    """The mask of the types named by ``--type``. Raises ValueError."""
    mask = 0
    for word in words:
        if word not in _TYPES:
            raise ValueError(f"invalid message type '{word}', expected one of {', '.join(_TYPES)}")
        mask |= _TYPES[word]
    return mask or FLUX_MSGTYPE_ANY


class TraceFormatter:
    """Formats one traced message after the other."""

    def __init__(self, args: argparse.Namespace) -> None:
        if args.delta and not args.human:
            raise ValueError("--delta can only be used with --human")
        self._clock = HumanClock(args.delta) if args.human else None
        self._color = use_color(args.color)
        self._full = args.full

    def format(self, entry: dict[str, Any], source: str) -> str:
        """The text of a message that ``source`` has sent or received."""
        kind, errnum = entry["type"], entry.get("errnum", 0)
        text = f"{source} {entry['prefix']} {_SIGNS[kind]} {entry['topic']} [{entry['payload_size']}]"
        if kind == FLUX_MSGTYPE_RESPONSE:
            text += f" {entry.get('errstr') or f'errno {errnum}'}" if errnum else " success"
        if self._full and entry.get("payload") is not None:
            import json

            text += "\n" + json.dumps(entry["payload"], indent=2)
        if self._color:
            failed = kind == FLUX_MSGTYPE_RESPONSE and errnum
            text = f"{_FAILED if failed else _COLORS[kind]}{text}{RESET}"
        return f"{self._stamp(entry['timestamp'])} {text}"

    def _stamp(self, seconds: float) -> str:
        if self._clock is not None:
            return self._clock.stamp(seconds, self._color) + " "
        whole = int(seconds)
        text = (
            f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.localtime(whole))}.{int((seconds - whole) * 1e3):03}"
        )
        return f"{GREEN}{text}{RESET}" if self._color else text


def _trace(args: argparse.Namespace) -> None:
    formatter = TraceFormatter(args)
    request = {
        "typemask": type_mask(args.type),
        "topic_glob": args.topic,
        "names": args.module,
        "full": args.full,
    }
    with connect() as h, about("module.trace"):
        width = max(map(len, args.module), default=0)
        for entry in h.rpc("module.trace", request, flags=FLUX_RPC_STREAMING):
            width = max(width, len(entry["name"]))
            print(formatter.format(entry, f"{entry['name']:>{width}}"), flush=True)
