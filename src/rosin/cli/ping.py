# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin ping``: measure how long a service takes to answer."""

from __future__ import annotations

import sys
import time

from rosin.cli.base import connect, duration
from rosin.cli.subcommands import AdminParser, dispatch, errno_text
from rosin.constants import FLUX_NODEID_ANY, FLUX_NODEID_UPSTREAM

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from rosin.handle.flux import Flux
    from rosin.handle.future import Future


#: Bytes that a request is not padded to: a length in a message has 31 bits.
_LARGEST_PAD = 1 << 31


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Send requests to a service and print the route and time of each answer.")
    add = result.add_argument
    add("-r", "--rank", metavar="RANK", help="rank or host of the broker; also 'any' and 'upstream'")
    add("-p", "--pad", metavar="N", type=size, default=0, help="add N bytes to each request; K, M, G")
    add("-i", "--interval", metavar="N", type=duration, default=1.0, help="time between requests (1s)")
    add("-c", "--count", metavar="N", type=int, default=0, help="number of requests (default: no end)")
    result.flag("-b", "--batch", text="look at the answers after the last request")
    result.flag("-u", "--userid", text="print the user and roles that the service has seen")
    add("target", metavar="TARGET", help="SERVICE, RANK!SERVICE, or RANK (for its broker)")
    result.set_defaults(run=_ping)
    return result


def split_target(target: str, rank: str | None) -> tuple[str, str]:
    """The (node, service) that the command line names."""
    if rank is not None:
        return rank, target
    node, sep, service = target.partition("!")
    if sep:
        return node, service or "broker"
    if target.isdigit() or target in ("any", "upstream"):
        return target, "broker"
    return "any", target


def nodeid(h: Flux, node: str) -> int:
    """The nodeid of a rank, a host, 'any' or 'upstream'. Raises ValueError."""
    if node.isdigit():
        return int(node)
    if node == "any":
        return FLUX_NODEID_ANY
    if node == "upstream":
        return FLUX_NODEID_UPSTREAM
    known = hosts(h)
    if node not in known:
        raise ValueError(f"invalid nodeid/host: '{node}'")
    return known.index(node)


def hosts(h: Flux) -> list[str]:
    """The hosts of the brokers in the order of their ranks."""
    from rosin.rfc.hostlist import Hostlist

    return Hostlist(h.attr_get("hostlist")).expand()


def size(text: str) -> int:
    """Type of an option: a number of bytes, with K, M or G for multiples of 1024. ArgumentTypeError."""
    from argparse import ArgumentTypeError

    from rosin import _size

    try:
        value = _size.parse(text)
    except ValueError:
        raise ArgumentTypeError(
            f"invalid number of bytes '{text}': expected one such as 100 or 10K"
        ) from None
    if value >= _LARGEST_PAD:
        raise ArgumentTypeError(f"value {text} too large (must be < 2G): expected one such as 100 or 10K")
    return value


class _Pinger:
    def __init__(self, h: Flux, args: argparse.Namespace) -> None:
        self.h = h
        self.args = args
        self.node, self.service = split_target(args.target, args.rank)
        self.nodeid = nodeid(h, self.node)
        self.label = f"{self.node}!{self.service}"
        if self.node == "any" and args.rank is None and self.service in hosts(h):
            # A host stands for its broker, as a rank does.
            self.node, self.service = self.service, "broker"
            self.nodeid = nodeid(h, self.node)
        if self.nodeid < FLUX_NODEID_UPSTREAM and not self.node.isdigit():
            self.label = f"{self.node}!{self.service} (rank {self.nodeid})"
        self.sent = 0
        self.received = 0
        self.failed = False
        self._waiting: list[Future] = []

    def run(self) -> int:
        print(f"{self.args.prog} {self.label}", flush=True)
        # Without an interval each request follows on the one before, at the next turn of the reactor.
        self._timer = self.h.timer_watcher_create(0.0, lambda *_: self._send(), self.args.interval or 1e-9)
        self._timer.start()
        self.h.reactor_run()
        return 1 if self.failed else 0

    def _send(self) -> None:
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        payload = {
            "seq": self.sent,
            "time.tv_sec": now // 1_000_000_000,
            "time.tv_nsec": now % 1_000_000_000,
            "pad": "p" * self.args.pad,
        }
        rpc = self.h.rpc(f"{self.service}.ping", payload, self.nodeid)
        self.sent += 1
        last = self.sent == self.args.count
        if last:
            self._timer.stop()
        self._waiting.append(rpc)
        if last or not self.args.batch:
            for waiting in self._waiting:
                waiting.then(self._answered)
            self._waiting.clear()

    def _answered(self, rpc: Future) -> None:
        self.received += 1
        try:
            answer: dict[str, Any] = rpc.get()
        except OSError as exc:
            sys.stdout.flush()
            target = f"{self.node}!" if self.node != "any" else ""
            sys.stderr.write(f"{self.args.prog}: {target}{self.service}.ping: {errno_text(exc)}\n")
            self.failed = True
            self.h.reactor_stop()
            return
        print(self._line(answer), flush=True)
        if self.received == self.args.count:
            self.h.reactor_stop()

    def _line(self, answer: dict[str, Any]) -> str:
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        taken = now - (answer["time.tv_sec"] * 1_000_000_000 + answer["time.tv_nsec"])
        user = f"userid={answer['userid']} rolemask=0x{answer['rolemask']:x} " if self.args.userid else ""
        return (
            f"{answer['rank']}!{self.service}.ping pad={len(answer['pad'])} {user}seq={answer['seq']} "
            f"time={taken / 1e6:.3f} ms ({answer['route']})"
        )


def _ping(args: argparse.Namespace) -> int:
    if args.count < 0 or args.pad < 0 or args.interval < 0:
        raise ValueError("--count, --pad and --interval must not be negative")
    if args.batch and not args.count:
        raise ValueError("--batch should only be used with --count")
    if args.rank is not None and "!" in args.target:
        raise ValueError("--rank and TARGET both try to specify a nodeid")
    with connect() as h:
        return _Pinger(h, args).run()


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
