# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin start --test-size=N``: this process starts brokers, and stays to look after them."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

from rosin.cli.start import single
from rosin.errors import FormatError

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from rosin.cli.arguments import Namespace
    from rosin.cli.start.settings import StartSettings
    from rosin.rfc.taskmap import TaskMap


def start(args: Namespace, settings: StartSettings, prog: str) -> int:
    """Run the instance; returns its exit code. Raises OSError and ValueError."""
    brokers = _Brokers(args, settings, prog)
    taskmap = _taskmap(args)
    if args.noexec:
        for rank in range(args.test_size or 1):
            print(*([f"{rank}:"] if args.test_size else []), *brokers.words(rank))
        return 0
    if not args.wrap:
        settings.warn(prog)
    settings.check_terminal()
    gc.disable()
    from rosin import _codecache

    _codecache.install()
    from rosin.broker.stdio import open_missing
    from rosin.launch.launcher import EXIT_TIMEOUT, LocalLauncher, Plan, withheld
    from rosin.launch.terminal import restored
    from rosin.process import signals

    open_missing()
    brokers.ignored = signals.catch_ignored()
    with restored(), withheld(), brokers.prepared() as directory:
        plan = Plan(
            args.test_size,
            directory,
            brokers.become,
            args.test_exit_mode,
            EXIT_TIMEOUT if args.test_exit_timeout is None else args.test_exit_timeout,
            args.test_start_mode,
            taskmap,
            args.verbose > 1,
        )
        return LocalLauncher(plan, brokers.say, brokers.ignored).run()


class _Brokers:
    """What becomes of the processes of a launcher."""

    def __init__(self, args: Namespace, settings: StartSettings, prog: str) -> None:
        self._args = args
        self._settings = settings
        self._prog = prog
        self._hosts = _hosts(args)
        self._directory: str | None = args.test_rundir
        self._statedir: str | None = None
        self._claims: list[int] = []  # of this process, not of the brokers
        self.ignored: frozenset[int] = frozenset()

    def say(self, text: str) -> None:
        """Tell the user something."""
        sys.stderr.write(f"{self._prog}: {text}\n")

    def words(self, rank: int) -> list[str]:
        """The command line of a broker."""
        wrap: list[str] = self._args.wrap
        return [*wrap, *self._settings.broker(self._attrs(rank), first=not rank)]

    @contextlib.contextmanager
    def prepared(self) -> Iterator[str]:
        """Within this context there are the directories, and all is imported; yields the run directory."""
        from rosin.launch.rundir import shared, temporary_statedir

        args = self._args
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(shared(args.test_rundir, args.test_rundir_cleanup))
            self._directory = directory.path
            self._claims.append(directory.claim)
            if not args.wrap:
                from rosin.launch.warm import warm

                if "statedir" not in self._settings.attrs:
                    statedir = stack.enter_context(temporary_statedir())
                    self._statedir = statedir.path
                    self._claims.append(statedir.claim)
                warm()
            if args.verbose:
                for rank in range(args.test_size):
                    self.say(f"{rank}: {' '.join(self.words(rank))}")
            yield directory.path

    def become(self, rank: int, nursery: socket.socket) -> int:
        """In a new process: be a broker, or execute it; returns its exit code."""
        from rosin.cli.main import run

        for claim in self._claims:
            os.close(claim)
        # What this process was made to ignore. What Ctrl-C means is for the leader to say: the terminal sends
        # it to all.
        for signum in self.ignored | {signal.SIGINT} if rank else self.ignored:
            signal.signal(signum, signal.SIG_IGN)
        return run(lambda *_: self._become(rank, nursery), [], f"{self._prog}: broker {rank}")

    def _become(self, rank: int, nursery: socket.socket) -> int:
        if self._args.wrap:
            single.execute(self.words(rank))
        return single.run(self._settings, self._attrs(rank), nursery)

    def _attrs(self, rank: int) -> dict[str, str]:
        """What the broker of this rank has beside what all have."""
        attrs = {}
        if self._directory:
            attrs["rundir"] = self._directory
        if self._hosts:
            attrs["hostname"] = self._hosts[rank]
        if self._statedir and not rank:
            attrs |= {"statedir": self._statedir, "statedir-cleanup": "1"}
        return attrs


def _hosts(args: Namespace) -> list[str] | None:
    if args.test_hosts is None:
        return None
    from rosin.rfc.hostlist import Hostlist

    try:
        hosts = list(Hostlist(args.test_hosts))
    except FormatError as exc:
        raise ValueError(f"could not decode --test-hosts hostlist: {exc}; example: fake[0-3]") from None
    if len(hosts) != args.test_size:
        raise ValueError(
            f"--test-hosts hostlist has incorrect size: {len(hosts)} hosts for {args.test_size} brokers"
        )
    return hosts


def _taskmap(args: Namespace) -> TaskMap:
    from rosin.rfc.taskmap import TaskMap

    mode, size = args.test_pmi_clique or "single", args.test_size or 1
    taskmap = TaskMap()
    if mode == "single":
        taskmap.append(0, 1, size)
    elif mode == "per-broker":
        taskmap.append(0, size, 1)
    elif mode != "none":
        try:
            taskmap = TaskMap.decode(mode)
        except FormatError as exc:
            raise ValueError(
                f"--test-pmi-clique: {exc}; expected single, per-broker, none or a taskmap such as 0-1;2-3"
            ) from None
    return taskmap
