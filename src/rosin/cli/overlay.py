# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin overlay``: the tree of brokers and its health."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rosin.cli.base import connect, optional_argument
from rosin.cli.colour import use_color
from rosin.cli.overlayhealth import Answer, Survey
from rosin.cli.subcommands import AdminParser, about, dispatch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from rosin.handle.flux import Flux
    from rosin.rfc.idset import Idset

_STATES = ("full", "partial", "degraded", "lost", "offline")
_COLORS = {"lost": "\x1b[31m", "offline": "\x1b[33m"}
_DEFAULT_COLOR, _DARK, _BOLD_BLUE, _RESET = "\x1b[39m", "\x1b[90m", "\x1b[01;34m", "\x1b[0m"


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Show the tree of brokers and its health.")
    sub = result.command("status", _status, "print the state of the brokers as a tree")
    add = sub.add_argument
    add("-r", "--rank", metavar="NODEID", type=int, default=0, help="begin with this broker (0)")
    text = "show for how long it has been so; twice: how long the answer took"
    add("-v", action="count", dest="verbose", default=0, help=text)
    add("--verbose", type=int, metavar="LEVEL", **optional_argument(1), default=0, help="as LEVEL times -v")
    add(
        "-t",
        "--timeout",
        metavar="FSD",
        default="0.5s",
        help="wait for an answer at most so long; 0: for ever",
    )
    sub.flag("--summary", text="print the state of the broker alone")
    sub.flag("--down", text="show only what is not well")
    sub.flag("--no-pretty", text="print no tree, only lines")
    sub.flag("--no-ghost", text="leave out brokers below those that are lost")
    sub.color()
    add(
        "-H",
        "--highlight",
        metavar="TARGET",
        action="append",
        default=[],
        help="mark the way to ranks or hosts",
    )
    add("-w", "--wait", metavar="STATE", help="wait for a state: " + ", ".join(_STATES))
    sub = result.command("errors", _errors, "print why brokers are lost")
    sub.add_argument(
        "-t", "--timeout", metavar="FSD", default="0.5s", help="wait for an answer at most so long"
    )
    sub = result.command("lookup", _lookup, "translate ranks to hosts, and hosts to ranks")
    sub.add_argument("target", metavar="TARGET", help="ranks (idset) or hosts (hostlist)")
    sub = result.command("parentof", _parentof, "print the parent of a broker")
    sub.add_argument("target", metavar="RANK", help="rank or host")
    for name, run, text in (
        ("disconnect", _disconnect, "cut a part of the tree off"),
        ("revoke", _revoke, "cut a part of the tree off, and do not let its certificate in again"),
    ):
        sub = result.command(name, run, text)
        sub.add_argument(
            "-r", "--parent", metavar="NODEID", type=int, help="the broker above it (default: found)"
        )
        sub.add_argument("target", metavar="TARGET", help="rank or host at the top of the part")
    from rosin.cli.trace import trace_options

    sub = result.command("trace", _trace, "print the messages of the tree as they pass")
    sub.add_argument("-r", "--rank", metavar="NODEID", type=int, default=-1, help="only those of this peer")
    trace_options(sub)
    sub.add_argument(
        "topic", metavar="TOPIC-GLOB", nargs="?", default="*", help="only messages with such a topic"
    )
    return result


def _hosts(h: Flux) -> list[str]:
    from rosin.rfc.hostlist import Hostlist

    return Hostlist(h.attr_get("hostlist")).expand()


def _ranks(h: Flux, target: str) -> Idset:
    """The ranks that an idset or a hostlist names. Raises ValueError."""
    from rosin.errors import FormatError
    from rosin.rfc.hostlist import Hostlist
    from rosin.rfc.idset import Idset

    hosts = _hosts(h)
    try:
        ranks = Idset(target)
    except FormatError:
        wanted = Hostlist(target)
        for host in wanted:
            if host not in hosts:
                raise ValueError(f"host {host} not found in host map") from None
        return Idset(hosts.index(host) for host in wanted)
    for rank in ranks:
        if rank >= len(hosts):
            raise ValueError(f"{rank} is not a valid rank in this instance")
    return ranks


def _rank(h: Flux, target: str) -> int:
    ranks = list(_ranks(h, target))
    if len(ranks) != 1:
        raise ValueError(f"TARGET must be a single rank or host, not '{target}'")
    return ranks[0]


def _lookup(args: argparse.Namespace) -> None:
    from rosin.errors import FormatError
    from rosin.rfc.hostlist import Hostlist
    from rosin.rfc.idset import Idset

    with connect() as h:
        try:
            Idset(args.target)
        except FormatError:
            print(_ranks(h, args.target).encode())
            return
        hosts = _hosts(h)
        print(Hostlist.from_names([hosts[rank] for rank in _ranks(h, args.target)]).encode())


def _topology(h: Flux, timeout: float = -1.0) -> dict[str, Any]:
    with about("overlay.topology"):
        result: dict[str, Any] = h.rpc("overlay.topology", {"rank": 0}, 0).wait_for(timeout).get()
    return result


def parents(topology: dict[str, Any]) -> dict[int, int]:
    """The parent of each rank of a tree but its top."""
    result: dict[int, int] = {}
    todo = [topology]
    while todo:
        node = todo.pop()
        for child in node["children"]:
            result[child["rank"]] = node["rank"]
            todo.append(child)
    return result


def _parent_of(h: Flux, rank: int) -> int:
    parent = parents(_topology(h)).get(rank)
    if parent is None:
        raise ValueError(f"{rank} has no parent")
    return parent


def _parentof(args: argparse.Namespace) -> None:
    with connect() as h:
        print(_parent_of(h, _rank(h, args.target)))


def _disconnect(args: argparse.Namespace) -> None:
    _ask_parent(args, "overlay.disconnect-subtree")


def _revoke(args: argparse.Namespace) -> None:
    _ask_parent(args, "overlay.revoke")


def _ask_parent(args: argparse.Namespace, topic: str) -> None:
    with connect() as h:
        rank = _rank(h, args.target)
        parent = _parent_of(h, rank) if args.parent is None else args.parent
        with about(topic):
            h.rpc(topic, {"rank": rank}, parent).get()


class HealthTree:
    """Prints the brokers as a tree, asking each that can be reached."""

    def __init__(self, h: Flux, args: argparse.Namespace) -> None:
        from rosin.rfc.fsd import parse
        from rosin.rfc.idset import Idset

        self.h = h
        self.args = args
        self.timeout = parse(args.timeout) or -1.0
        self.hosts = _hosts(h)
        self.color = use_color(args.color)
        self.marked: set[int] = set()
        self.answers: dict[int, Answer] = {}
        above = parents(_topology(h, timeout=self.timeout))
        #: The ranks directly below each that has some.
        self.below: dict[int, list[int]] = {}
        for child, parent in above.items():
            self.below.setdefault(parent, []).append(child)
        if args.highlight:
            ranks = Idset()
            for target in args.highlight:
                ranks |= _ranks(h, target)
            for rank in ranks:
                way: int | None = rank
                while way is not None and way not in self.marked:
                    self.marked.add(way)
                    way = above.get(way)

    def survey(self, rank: int) -> None:
        """Ask the brokers from ``rank`` on. Raises OSError if that one does not answer."""
        args = self.args

        def wanted(child: dict[str, Any]) -> bool:
            """One without others below has no more to say than the one above."""
            if args.summary or (args.down and child["status"] == "full"):
                return False
            return args.verbose > 1 or child["rank"] in self.below

        self.answers = Survey(self.h, self.timeout, wanted).run(rank)
        error = self.answers[rank].error
        if error is not None:
            raise error

    def show(self, rank: int) -> None:
        """Print the tree below ``rank``."""
        answer = self.answers[rank]
        if not (self.args.down and answer.health["status"] == "full"):
            self._line("", rank, answer.health, answer.ms)
        self._children("", answer)

    def _children(self, indent: str, answer: Answer) -> None:
        children = answer.children
        if self.args.down:
            children = [child for child in children if child["status"] != "full"]
        for at, child in enumerate(children):
            last = at == len(children) - 1
            prefix = "" if self.args.no_pretty else indent + ("└─ " if last else "├─ ")
            self._child(prefix, indent + ("   " if last else "│  "), child)

    def _child(self, prefix: str, indent: str, child: dict[str, Any]) -> None:
        rank = child["rank"]
        answer = self.answers.get(rank)
        if answer is None:  # it cannot be asked, or needs not to be
            self._line(prefix, rank, child)
        elif answer.error is None:
            self._line(prefix, rank, answer.health, answer.ms)
            self._children(indent, answer)
            return
        else:
            self._line(prefix, rank, {"status": answer.error.strerror}, answer.ms)
        if not self.args.no_ghost:
            self._ghosts(indent, rank, child["status"])

    def _ghosts(self, indent: str, rank: int, status: str) -> None:
        """What is below a broker that cannot be asked, from the topology."""
        below = self.below
        todo = [
            (indent, child, i == len(below[rank]) - 1) for i, child in enumerate(sorted(below.get(rank, ())))
        ]
        todo.reverse()
        while todo:
            indent, child, last = todo.pop()
            prefix = "" if self.args.no_pretty else indent + ("└─ " if last else "├─ ")
            self._line(prefix, child, {"status": status}, ghost=True)
            children = sorted(below.get(child, ()), reverse=True)
            deeper = indent + ("   " if last else "│  ")
            todo += [(deeper, grand, i == 0) for i, grand in enumerate(children)]

    def _line(
        self, prefix: str, rank: int, answer: dict[str, Any], taken: float | None = None, ghost: bool = False
    ) -> None:
        name = f"{rank} {self.hosts[rank]}"
        if rank in self.marked:
            name = f"{_BOLD_BLUE}{name}{_RESET}" if self.color else f"<<{name}>>"
        status = answer["status"]
        duration = answer.get("duration", 0.0)
        text = f"{prefix}{name}: {self._colored(status, ghost)}"
        if self.args.verbose and duration > 0:
            from rosin.cli.fields import duration as fsd

            text += f" for {fsd(duration)}"
        if answer.get("error"):
            text += f" {answer['error']}"
        if self.args.verbose > 1 and taken is not None:
            text += f" ({taken:.3f} ms)"
        print(text)

    def _colored(self, status: str, ghost: bool) -> str:
        color = _DARK if ghost else _COLORS.get(status)
        return f"{color}{status}{_DEFAULT_COLOR}" if self.color and color else status


def _await_state(h: Flux, args: argparse.Namespace) -> None:
    from rosin.constants import FLUX_RPC_STREAMING
    from rosin.rfc.fsd import parse

    if args.wait not in _STATES:
        raise ValueError("invalid --wait state")
    timeout = parse(args.timeout)
    end = time.monotonic() + timeout
    rpc = h.rpc("overlay.health", nodeid=args.rank, flags=FLUX_RPC_STREAMING)
    while True:
        rpc.wait_for(max(end - time.monotonic(), 0.0) if timeout else -1.0)
        if rpc.get()["status"] == args.wait:
            break
        rpc.reset()
    rpc.cancel("overlay.health-cancel")


def _status(args: argparse.Namespace) -> None:
    with connect() as h:
        if args.wait:
            with about("overlay.health"):
                _await_state(h, args)
        tree = HealthTree(h, args)
        with about("overlay.health"):
            tree.survey(args.rank)
            if args.summary:
                print(tree._colored(tree.answers[args.rank].health["status"], False))
            else:
                tree.show(args.rank)


def _errors(args: argparse.Namespace) -> None:
    """Brokers that are lost for the same reason share a line."""
    from rosin.rfc.fsd import parse
    from rosin.rfc.hostlist import Hostlist

    found: dict[str, list[int]] = {}
    with connect() as h:
        above = parents(_topology(h))
        for rank, text in _faults(Survey(h, parse(args.timeout) or -1.0, lambda _child: True).run(0), above):
            found.setdefault(text, []).append(rank)
        hosts = _hosts(h)
    for text, ranks in found.items():
        print(f"{Hostlist.from_names([hosts[rank] for rank in sorted(ranks)]).encode()}: {text}")


def _faults(answers: dict[int, Answer], above: dict[int, int]) -> Iterator[tuple[int, str]]:
    """Which brokers are not well, and why; who is below one that is lost is so as well."""
    lost = set()
    for rank, answer in sorted(answers.items()):
        if answer.error is not None:
            lost.add(rank)
            yield rank, answer.error.strerror or str(answer.error)
        for child in answer.children:
            if child["status"] == "lost":
                lost.add(child["rank"])
                yield child["rank"], child.get("error") or "unknown error"
            elif child["status"] == "offline" and child.get("error"):
                yield child["rank"], child["error"]
    for rank in sorted(above):
        at: int | None = above[rank]
        while at is not None and at not in lost:
            at = above.get(at)
        if at is not None:
            yield rank, "lost parent"


def _trace(args: argparse.Namespace) -> None:
    from rosin.cli.trace import TraceFormatter, type_mask
    from rosin.constants import FLUX_RPC_STREAMING

    formatter = TraceFormatter(args)
    request = {
        "typemask": type_mask(args.type),
        "topic_glob": args.topic,
        "nodeid": args.rank,
        "full": args.full,
    }
    with connect() as h, about("overlay.trace"):
        for entry in h.rpc("overlay.trace", request, flags=FLUX_RPC_STREAMING):
            rank = entry["rank"]
            print(formatter.format(entry, "*" if rank < 0 else str(rank)), flush=True)


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    from rosin.cli.base import utf8_output

    utf8_output()
    return dispatch(parser(prog), argv, prog)
