# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin pmi``: try the process manager by which tasks, and brokers, find each other (RFC 13)."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from rosin.cli.base import duration, optional_argument
from rosin.cli.subcommands import AdminParser, dispatch
from rosin.errors import FormatError
from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from rosin.broker.overlay.bootstrap.space import Space

    Action = Callable[["Traced", argparse.Namespace], Awaitable[None]]


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Try the process manager by which the tasks of a program find each other.")
    add = result.add_argument
    add("--method", metavar="URI", help="simple, libpmi2[:PATH], libpmi[:PATH], pmix or single (the first)")
    result.flag("--libpmi-noflux", text="a libpmi of Flux is none (so it is anyway)")
    result.flag("--libpmi2-cray", text="do as Cray's libpmi2 needs it, whichever it is")
    text = "print the requests; 2: lines of the protocol, too"
    add("-v", "--verbose", type=int, metavar="LEVEL", **optional_argument(1), default=0, help=text)
    add("-t", "--timeout", metavar="FSD", type=duration, help="give up after so long")
    sub = result.command("barrier", _run(_barrier), "enter a barrier")
    count = {"type": _number, "metavar": "N", "default": 1}
    sub.add_argument("--test-count", **count, help="so often (1)")
    sub.add_argument("--test-abort", metavar="RANK", type=_number, help="this rank aborts the program")
    sub.flag("--test-timing", text="tell how long it takes, from another barrier on")
    sub = result.command("exchange", _run(_exchange), "put a key and get those of all others")
    sub.add_argument("--count", **count, help="so often (1)")
    sub = result.command("get", _run(_get), "print the values of keys")
    sub.add_argument("--ranks", metavar="RANKS", default="0", help="ranks that print them, or 'all' (0)")
    sub.add_argument("keys", metavar="KEY", nargs="*", help="names of keys")
    return result


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"expected a number, as in 3, got '{text[:40]}'")
    return int(text)


class Traced:
    """A process manager's space, each of whose requests may be told of."""

    def __init__(self, space: Space, *, verbose: bool) -> None:
        self._space = space
        self._verbose = verbose
        self.rank, self.size = space.rank, space.size
        self.name = ""

    def _tell(self, what: str) -> None:
        if self._verbose:
            _say(f"{self._space.method}: {what}: success")

    async def begin(self) -> None:
        self.name = await self._space.begin()
        self._tell(f"initialize: rank={self.rank} size={self.size} name={self.name}")

    async def put(self, key: str, value: str) -> None:
        await self._space.put(key, value)
        self._tell(f"put key={key} value={value}")

    async def get(self, key: str, rank: int | None = None) -> str:
        """The value of a key. Raises ValueError if there is none."""
        value = await self._space.get(key, rank)
        if value is None:
            raise ValueError(f"get {key}: there is no such key")
        self._tell(f"get key={key} value={value}")
        return value

    async def barrier(self) -> None:
        await self._space.barrier()
        self._tell("barrier")

    async def abort(self, text: str) -> None:
        """Who aborts says why and ends, too (RFC 13). Raises ValueError."""
        await self._space.abort(1, text)
        raise ValueError(text)

    async def finish(self) -> None:
        await self._space.finish()
        self._tell("finalize")


def _run(action: Action) -> Callable[[argparse.Namespace], None]:
    """What a subcommand does: find the process manager, then this."""

    def run(args: argparse.Namespace) -> None:
        import asyncio

        if args.timeout is not None:
            _limit(args.timeout, args)
        try:
            asyncio.run(_work(action, args))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    return run


def _limit(seconds: float, args: argparse.Namespace) -> None:
    """End the command after this time, wherever it is: libraries wait in their own code."""

    def expired(_signum: int, _frame: object) -> None:
        os.write(2, f"{args.prog}: timeout expired before PMI operation completed\n".encode())
        os._exit(1)

    signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))


async def _work(action: Action, args: argparse.Namespace) -> None:
    from rosin.broker.overlay.bootstrap.find import find_space

    def trace(text: str) -> None:
        if args.verbose > text.startswith(("C: ", "S: ")):  # lines of the protocol are for the second level
            _say(text)

    space = find_space(os.environ, args.method, trace)
    if args.libpmi2_cray and space.method == "libpmi2":
        space.cray = True  # type: ignore[attr-defined]
    try:
        traced = Traced(space, verbose=args.verbose > 0)
        await traced.begin()
        await action(traced, args)
        await traced.finish()
    finally:
        space.close()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")  # at once: others write to the same place


def _label() -> str:
    """How a program is called where several may write."""
    return os.environ.get("FLUX_JOB_CC") or os.environ.get("FLUX_JOB_ID") or "0"


async def _barrier(space: Traced, args: argparse.Namespace) -> None:
    if args.test_timing:
        await space.barrier()  # who is started late does not count
    if args.test_abort == space.rank:
        await space.abort(f"rank {space.rank} is aborting")
    for _ in range(args.test_count):
        begun = time.monotonic()
        await space.barrier()
        if space.rank == 0:
            how = f" in {time.monotonic() - begun:0.3f}s." if args.test_timing else ""
            print(f"{_label()}: completed pmi barrier on {space.size} tasks{how}", flush=True)


async def _exchange(space: Traced, args: argparse.Namespace) -> None:
    def value(rank: int) -> str:
        return f"{space.name}-{rank}-{space.size}"

    await space.barrier()
    for _ in range(args.count):
        begun = time.monotonic()
        await space.put(f"key.{space.rank}", value(space.rank))
        await space.barrier()
        for rank in range(space.size):
            if await space.get(f"key.{rank}", rank) != value(rank):
                raise ValueError(f"get key.{rank}: returned unexpected value")
        await space.barrier()
        if space.rank == 0:
            seconds = time.monotonic() - begun
            print(f"{_label()}: completed pmi exchange on {space.size} tasks in {seconds:0.3f}s.", flush=True)


async def _get(space: Traced, args: argparse.Namespace) -> None:
    try:
        wanted = args.ranks == "all" or space.rank in Idset.decode(args.ranks)
    except FormatError:
        raise ValueError(f"--ranks={args.ranks}: expected all or an idset, as in 0-3") from None
    for key in args.keys if wanted else ():
        print(await space.get(key))


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
