# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin start --test-size=N``: this process starts brokers, and stays to look after them."""

from __future__ import annotations

import gc
import signal
import sys
from typing import TYPE_CHECKING

from rosin.errors import FormatError

if TYPE_CHECKING:
    import socket

    from rosin.cli.arguments import Namespace
    from rosin.cli.start.settings import StartSettings
    from rosin.rfc.taskmap import TaskMap


def start(args: Namespace, settings: StartSettings, prog: str) -> int:
    """Run the instance; returns its exit code. Raises OSError and ValueError."""
    hosts, taskmap = _hosts(args), _taskmap(args)
    if args.noexec:
        for rank in range(args.test_size or 1):
            words = [*args.wrap, *settings.broker(_attrs(args.test_rundir, hosts, rank), first=not rank)]
            print(*([f"{rank}:"] if args.test_size else []), *words)
        return 0
    if not args.wrap:
        settings.warn(prog)
    gc.disable()
    from rosin.broker.stdio import open_missing
    from rosin.cli.main import run
    from rosin.cli.start import single
    from rosin.launch.launcher import EXIT_TIMEOUT, LocalLauncher, Plan
    from rosin.launch.rundir import shared
    from rosin.launch.terminal import restored
    from rosin.process import signals

    def say(text: str) -> None:
        sys.stderr.write(f"{prog}: {text}\n")

    settings.check_terminal()
    open_missing()
    ignored = signals.catch_ignored()
    with restored(), shared(args.test_rundir, args.test_size, args.test_rundir_cleanup) as directory:
        if not args.wrap:
            from rosin.launch.warm import warm

            warm()

        def become(rank: int, nursery: socket.socket) -> int:
            attrs = _attrs(directory, hosts, rank)
            if args.wrap:
                single.execute([*args.wrap, *settings.broker(attrs, first=not rank)])
            # What Ctrl-C means is for the leader to say; the terminal sends it to all.
            deaf = ignored if not rank else ignored | {signal.SIGINT}
            return single.run(settings, attrs, ignored=deaf, nursery=nursery)

        if args.verbose:
            for rank in range(args.test_size):
                words = [*args.wrap, *settings.broker(_attrs(directory, hosts, rank), first=not rank)]
                say(f"{rank}: {' '.join(words)}")
        plan = Plan(
            args.test_size,
            directory,
            lambda rank, nursery: run(lambda *_: become(rank, nursery), [], f"{prog}: broker {rank}"),
            args.test_exit_mode,
            EXIT_TIMEOUT if args.test_exit_timeout is None else args.test_exit_timeout,
            args.test_start_mode,
            taskmap,
            args.verbose > 1,
        )
        return LocalLauncher(plan, say, ignored).run()


def _attrs(directory: str | None, hosts: list[str] | None, rank: int) -> dict[str, str]:
    """What the broker of this rank has beside what all have."""
    attrs = {"rundir": directory} if directory else {}
    return {**attrs, "hostname": hosts[rank]} if hosts else attrs


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
