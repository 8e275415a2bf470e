# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin resource eventlog``: what has happened to the resources."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING, Any

from rosin.cli.base import connect
from rosin.cli.colour import use_color
from rosin.cli.eventlog import FORMATS, TIME_FORMATS

if TYPE_CHECKING:
    import argparse

    from rosin.cli.subcommands import AdminParser
    from rosin.handle.flux import Flux


def add_commands(parser: AdminParser) -> None:
    """Add the subcommand to the parser of ``resource``."""
    sub = parser.command("eventlog", _eventlog, "print what has happened to the resources")
    add = sub.add_argument
    add("-f", "--format", metavar="FORMAT", choices=FORMATS, default="text", help="text or json")
    add(
        "-T",
        "--time-format",
        metavar="FORMAT",
        choices=TIME_FORMATS,
        default="raw",
        help="raw, iso, offset or human",
    )
    sub.flag("-H", "--human", text="print short times")
    sub.color()
    sub.flag("-F", "--follow", text="print new events as they come")
    add(
        "-t",
        "--timeout",
        metavar="TIME",
        help="with --follow or --wait, give up after this time, such as 5s; 0: never",
    )
    add("-w", "--wait", metavar="EVENT", help="end with this event, now or later")
    add(
        "-m",
        "--match-context",
        metavar="KEY=VAL",
        action="append",
        default=[],
        help="with --wait, the event must have this in its context",
    )
    add("-i", "--include", metavar="TARGETS", help="only events of these ranks (idset) or hosts (hostlist)")


class Targets:
    """Decides whether an event is about some ranks or hosts."""

    def __init__(self, targets: str, hostlist: str) -> None:
        from rosin.errors import FormatError
        from rosin.rfc.hostlist import Hostlist
        from rosin.rfc.idset import Idset

        self._hosts: set[str] = set()
        try:
            # Several ranks may be on a host: whoever asks for ranks gets no others of the same host.
            self._ranks = Idset(targets)
            size = len(Hostlist(hostlist))
            last = self._ranks.last()
            if last is not None and last >= size:
                raise ValueError(f"--include: rank {last} is out of range: ranks are 0 to {size - 1}")
        except FormatError:
            hosts = Hostlist(targets)
            self._hosts = set(hosts)
            self._ranks = Idset(Hostlist(hostlist).index(hosts))

    def match(self, context: dict[str, Any]) -> bool:
        """Whether the context of an event names one of them."""
        from rosin.rfc.hostlist import Hostlist
        from rosin.rfc.idset import Idset

        if self._hosts and not self._hosts.isdisjoint(Hostlist(context.get("nodelist", ""))):
            return True
        ids = context.get("ranks", context.get("idset"))
        return ids is not None and not self._ranks.isdisjoint(Idset(ids))


def parse_matches(pairs: list[str]) -> dict[str, tuple[str, Any]]:
    """The values of ``KEY=VAL`` pairs as text and as the JSON that this may be. Raises ValueError."""
    import json

    result: dict[str, tuple[str, Any]] = {}
    for pair in pairs:
        key, sep, value = pair.partition("=")
        if not key or not sep:
            raise ValueError(f"--match-context: '{pair}' is not KEY=VAL")
        try:
            result[key] = value, json.loads(value)
        except ValueError:
            result[key] = value, value
    return result


def context_matches(context: dict[str, Any], wanted: dict[str, tuple[str, Any]]) -> bool:
    """Whether a context has all of these members; numbers may differ by 1e-5."""
    for key, (text, value) in wanted.items():
        have = context.get(key)
        if isinstance(have, float) and isinstance(value, (int, float)):
            if abs(have - value) > 1e-5:
                return False
        elif have not in (text, value):
            return False
    return True


def _eventlog(args: argparse.Namespace) -> None:
    from rosin.cli.eventlog import EventFormatter

    form, times = ("text", "human") if args.human else (args.format, args.time_format)
    formatter = EventFormatter(form, times, use_color(args.color))
    wanted = parse_matches(args.match_context)
    deadline = None
    if args.timeout:
        from rosin.rfc.fsd import parse

        seconds = parse(args.timeout)
        deadline = time.monotonic() + seconds if seconds else None
    with connect() as h:
        _follow(h, args, formatter, wanted, deadline)


def _follow(
    h: Flux,
    args: argparse.Namespace,
    formatter: Any,
    wanted: dict[str, tuple[str, Any]],
    deadline: float | None,
) -> None:
    from rosin.resource.journal import ResourceJournalConsumer

    targets = Targets(args.include, h.attr_get("hostlist")) if args.include is not None else None
    follow = bool(args.follow or args.wait)
    consumer = ResourceJournalConsumer(h, include_sentinel=not follow).start()
    while True:
        try:
            event = consumer.poll(-1.0 if deadline is None else max(deadline - time.monotonic(), 0.0))
        except TimeoutError:
            raise OSError(errno.ETIMEDOUT, f"no further event within {args.timeout}") from None
        if event is None or event.is_empty():
            return
        if targets is None or targets.match(event.context):
            print(formatter.format(event), flush=follow)
            if args.wait == event.name and context_matches(event.context, wanted):
                return
