# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin kvs eventlog``: append to, print and wait on event logs (RFC 18) in any key."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING, Any

from rosin.cli.base import connect
from rosin.cli.colour import use_color
from rosin.cli.subcommands import about
from rosin.constants import (
    FLUX_KVS_STREAM,
    FLUX_KVS_WAITCREATE,
    FLUX_KVS_WATCH,
    FLUX_KVS_WATCH_APPEND,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from rosin.cli.eventlog import EventFormatter
    from rosin.cli.subcommands import AdminParser
    from rosin.handle.rpc import RPC


def add_commands(parser: AdminParser) -> None:
    """Add the subcommands to the parser of ``kvs``."""
    group = parser.commands("eventlog", "append to, print and wait on event logs")
    append = group.command("append", _append, "append an event")
    append.namespace()
    append.add_argument("-t", "--timestamp", metavar="SECONDS", type=float, help="time of the event; 0: now")
    append.add_argument("key", metavar="KEY", help="key of the log")
    append.add_argument("name", metavar="NAME", help="name of the event")
    append.add_argument("context", metavar="CONTEXT", nargs="*", help="JSON object that belongs to it")
    get = group.command("get", _get, "print a log")
    _common(get)
    get.flag("-w", "--watch", text="print events as they come")
    get.add_argument("-c", "--count", metavar="N", type=int, help="with --watch, end after N events")
    get.flag("-S", "--stream", text="receive a large log in pieces")
    get.add_argument("key", metavar="KEY", help="key of the log")
    wait = group.command("wait-event", _wait_event, "wait for an event")
    _common(wait)
    wait.add_argument(
        "-t", "--timeout", metavar="DURATION", help="give up after this time, such as 5s; 0: never"
    )
    wait.flag("-q", "--quiet", text="do not print the event that is waited for")
    wait.flag("-v", "--verbose", text="print the events before it too")
    wait.add_argument("key", metavar="KEY", help="key of the log")
    wait.add_argument("event", metavar="EVENT", help="name of the event")


def _common(sub: AdminParser) -> None:
    sub.namespace()
    sub.flag("-W", "--waitcreate", text="wait for a log that does not exist")
    sub.flag("-u", "--unformatted", text="print the JSON of the events")
    sub.flag("-H", "--human", text="print short times")
    sub.color()


def _append(args: argparse.Namespace) -> None:
    import time

    from rosin import _json
    from rosin.kvs.txn import KVSTxn
    from rosin.rfc.eventlog import encode

    context: Any = None
    if args.context:
        try:
            context = _json.loads(" ".join(args.context))
        except ValueError:
            context = ""
        if not isinstance(context, dict):
            raise ValueError("eventlog_entry_create: Invalid argument: the context is not a JSON object")
    if not args.name:
        raise ValueError("eventlog_entry_create: Invalid argument: an event has a name, as in 'start'")
    line = encode(args.name, context, args.timestamp or time.time())
    with connect() as h, about("flux_kvs_commit"):
        txn = KVSTxn(h, namespace=args.namespace)
        txn.append(args.key, line)
        txn.commit()


def _formatter(args: argparse.Namespace) -> EventFormatter:
    from rosin.cli.eventlog import EventFormatter

    if args.unformatted and (args.human or args.color == "always"):
        raise ValueError("Do not specify --unformatted with --human or --color=always")
    form = "json" if args.unformatted else "text"
    return EventFormatter(form, "human" if args.human else "raw", use_color(args.color))


def events(rpc: RPC) -> Iterator[dict[str, Any]]:
    """The events of a stream of pieces of a log, until its end."""
    from rosin.rfc.eventlog import decode_entries
    from rosin.rfc.treeobj import val_data

    for response in rpc:
        yield from decode_entries(val_data(response["val"]))


def _watch_flags(args: argparse.Namespace) -> int:
    flags = FLUX_KVS_WATCH | FLUX_KVS_WATCH_APPEND
    return flags | FLUX_KVS_WAITCREATE if args.waitcreate else flags


def _get(args: argparse.Namespace) -> None:
    from rosin.kvs.lookup import lookup_async
    from rosin.rfc.eventlog import decode_entries
    from rosin.rfc.treeobj import val_data

    formatter = _formatter(args)
    with connect() as h, about("flux_kvs_lookup_get"):
        if not args.watch and not args.stream:
            flags = FLUX_KVS_WAITCREATE if args.waitcreate else 0
            data = val_data(lookup_async(h, args.key, args.namespace, flags).get()["val"])
            sys.stdout.writelines(formatter.format(entry) + "\n" for entry in decode_entries(data))
            return
        # A service refuses both.
        flags = (_watch_flags(args) if args.watch else 0) | (FLUX_KVS_STREAM if args.stream else 0)
        rpc = lookup_async(h, args.key, args.namespace, flags)
        left = args.count or 0
        for entry in events(rpc):
            print(formatter.format(entry), flush=True)
            left -= 1
            if left == 0:
                break


def _wait_event(args: argparse.Namespace) -> None:
    from rosin.kvs.lookup import lookup_async
    from rosin.rfc.fsd import parse

    formatter = _formatter(args)
    timeout = 0.0 if args.timeout is None else parse(args.timeout)
    with connect() as h:
        rpc = lookup_async(h, args.key, args.namespace, _watch_flags(args))
        if timeout > 0:
            h.timer_watcher_create(timeout, lambda *_: _time_out(args.event)).start()
        found: list[bool] = []
        rpc.then(lambda _rpc: _look(rpc, args, formatter, found))
        try:
            h.reactor_run()
        except OSError as exc:
            if exc.errno == errno.ENOENT:
                raise ValueError(f"eventlog path {args.key} not found") from None
            if exc.errno != errno.ENODATA:
                raise
        if not found:
            raise ValueError(f"event '{args.event}' never posted")


def _time_out(event: str) -> None:
    raise ValueError(f"wait-event timeout on event '{event}'")


def _look(rpc: RPC, args: argparse.Namespace, formatter: EventFormatter, found: list[bool]) -> None:
    """Print the events that have come; stop at the one that is waited for."""
    from rosin.rfc.eventlog import decode_entries
    from rosin.rfc.treeobj import val_data

    for entry in decode_entries(val_data(rpc.get()["val"])):
        match = entry["name"] == args.event
        if not args.quiet if match else args.verbose:
            print(formatter.format(entry), flush=True)
        if match:
            found.append(True)
            rpc.handle.reactor_stop()  # type: ignore[attr-defined]
            return
    rpc.reset()
