# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin startlog``: when an instance was started and ended, from the KVS key ``admin.eventlog``."""

from __future__ import annotations

import time

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, about, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from typing import Any

    from rosin.handle.flux import Flux

_KEY = "admin.eventlog"
#: Version of the events' context.
_VERSION = 1


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "List when an instance was started and ended.")
    result.flag(
        "--check", text="exit with 1 if the instance was not shut down properly before its last start"
    )
    result.flag("--quiet", text="list nothing, for use with --check")
    result.flag("-v", "--show-version", text="show the version of flux-core that each start names")
    result.flag("--post-start-event", text="note a start; for rc1 alone")
    result.flag("--post-finish-event", text="note a proper end; for rc3 alone")
    result.set_defaults(run=_startlog)
    return result


class StartLog:
    """What the log says of an instance's runs: a line for each, and whether the last but one crashed."""

    def __init__(self, events: Iterable[dict[str, Any]], now: float, show_version: bool = False) -> None:
        """``now``: the time to which the run lasts that has not ended."""
        self.lines: list[str] = []
        self.crashed = False
        self._version = show_version
        begin: float | None = None
        line, last = "", 0.0
        for event in events:
            context = event.get("context", {})
            if event["name"] not in ("start", "finish") or context.get("version") != _VERSION:
                continue  # others' events do no harm
            when = event["timestamp"]
            if event["name"] == "start":
                if begin is not None:
                    self.lines.append(f"{line}crashed")
                    self.crashed = True
                line, begin = self._start(when, context), when
            elif begin is not None:
                self.lines.append(f"{line}{_minute(when)} ({_duration(when - last)})")
                begin, self.crashed = None, False
            last = when
        if begin is not None:
            self.lines.append(f"{line}running ({_duration(now - last)})")

    def _start(self, when: float, context: dict[str, Any]) -> str:
        version = f"{context.get('core_version', ''):>25}  " if self._version else ""
        return f"{version}{_minute(when)} - "


def _minute(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))


def _duration(seconds: float) -> str:
    from rosin.cli.uptime import short_duration

    return short_duration(max(seconds, 0.0))


def _startlog(args: argparse.Namespace) -> int:
    with connect() as h:
        for name in ("start", "finish"):
            if getattr(args, f"post_{name}_event"):
                _post(h, name)
                return 0
        runs = StartLog(_events(h), time.time(), args.show_version)
    if not args.quiet:
        for line in runs.lines:
            print(line)
    return 1 if args.check and runs.crashed else 0


def _events(h: Flux) -> list[dict[str, Any]]:
    from rosin.kvs import PRIMARY, lookup_async
    from rosin.rfc import eventlog, treeobj

    with about("Error fetching eventlog"):
        answer = lookup_async(h, _KEY, namespace=PRIMARY).get()
    return eventlog.decode_entries(treeobj.val_data(answer["val"]))


def _post(h: Flux, name: str) -> None:
    """Append an event of this moment. Raises OSError, and ValueError above rank 0."""
    from rosin.constants import FLUX_CORE_VERSION
    from rosin.kvs import PRIMARY, KVSTxn
    from rosin.rfc import eventlog

    if h.attr_get("rank") != "0":
        raise ValueError("events of the start log are posted from rank 0 alone")
    context: dict[str, Any] = {"version": _VERSION}
    if name == "start":
        context["core_version"] = FLUX_CORE_VERSION
    txn = KVSTxn(h, namespace=PRIMARY)
    txn.append(_KEY, eventlog.encode(name, context, time.time()))
    with about(f"Error committing {name} event"):
        txn.commit_async().get()


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
