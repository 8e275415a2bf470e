# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin event``: publish and receive events."""

from __future__ import annotations

import sys

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from rosin.rfc.message import Message


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Publish and receive events.")
    pub = result.command("pub", _pub, "publish an event")
    pub.flag("-r", "--raw", text="send the payload as it is, without checking that it is JSON")
    pub.flag("-s", "--synchronous", text="wait until the event has its sequence number, and print that")
    pub.flag("-l", "--loopback", text="wait until the event has come back")
    pub.flag("-p", "--private", text="let only the owner of the instance receive it")
    pub.add_argument("topic", metavar="TOPIC", help="topic of the event")
    pub.add_argument("payload", metavar="PAYLOAD", nargs="*", help="words of its payload")
    sub = result.command("sub", _sub, "print the events that arrive")
    sub.add_argument("-c", "--count", metavar="N", type=int, default=0, help="end after N events")
    sub.flag("-r", "--raw", text="do not expect the payload to be JSON")
    sub.add_argument("topic", metavar="TOPIC", nargs="*", help="beginnings of topics (default: all events)")
    return result


def _payload(words: list[str], raw: bool) -> str | bytes | None:
    if not words:
        return None
    text = " ".join(words)
    if raw:
        return text.encode(errors="surrogateescape")
    from rosin import _json

    try:
        obj = _json.loads(text)
    except ValueError:
        obj = None
    if not isinstance(obj, dict):
        # As upstream, what is no JSON object is sent as text.
        return text.encode() + b"\0"
    return text


def _pub(args: argparse.Namespace) -> None:
    payload = _payload(args.payload, args.raw)
    with connect() as h:
        if args.loopback:
            h.event_subscribe(args.topic).get()
        seq = -1
        if args.synchronous:
            seq = h.publish(args.topic, payload, args.private).get()["seq"]
        else:
            h.event_send(args.topic, payload, args.private)
        if args.loopback:
            while True:
                msg = h.event_recv(args.topic)
                if seq in (-1, msg.aux1):
                    break
        if args.synchronous:
            print(f"seq={seq}")


def line(msg: Message) -> str:
    """How ``sub`` prints an event."""
    return f"{msg.topic}\t{msg.raw.rstrip(bytes(1)).decode(errors='replace')}\n"


def _sub(args: argparse.Namespace) -> None:
    with connect() as h:
        topics = args.topic or [""]
        for rpc in [h.event_subscribe(topic) for topic in topics]:
            rpc.get()
        left = args.count
        while True:
            sys.stdout.write(line(h.event_recv()))
            sys.stdout.flush()
            left -= 1
            if left == 0:
                break
        for topic in topics:
            h.event_unsubscribe(topic).get()


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
