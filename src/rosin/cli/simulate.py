# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin simulate``: how a trace of jobs would have gone, with each policy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rosin.cli.arguments import Parser
from rosin.cli.base import die

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from rosin.simulate.run import Setup, Simulation
    from rosin.simulate.trace import Workload
    from rosin.simulate.world import MockMachine

_TEXT = """\
Run the jobs of a trace through the job manager and the scheduler, on a clock that waits for nothing, and
print how long they waited. TRACE is in the Standard Workload Format, perhaps compressed (.gz); - is stdin.
"""
#: Cores of a node, and of the machine of a trace that is made, where nothing is said.
_CORES, _NODES = 32, 64


def _wrong(text: str) -> Exception:
    """What is wrong with the value of an option."""
    from argparse import ArgumentTypeError

    return ArgumentTypeError(text)


def _number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
            raise _wrong(f"expected a number from {low} to {high}, got {text!r}")
        return int(text)

    return read


def _load(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.01 <= value <= 10:
        raise _wrong(f"expected a number from 0.01 to 10, such as 0.7, got {text!r}")
    return value


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise _wrong(f"expected KEY=VALUE, such as backfill-depth=100, got {text!r}")
    return name, value


def parser(prog: str) -> Parser:
    """The options of the command."""
    options = Parser(prog, description=_TEXT)
    add = options.add_argument
    add("trace", metavar="TRACE", nargs="?", help="the trace")
    add("--policy", metavar="NAMES", default="fcfs,easy,conservative", help="policies to compare, by commas")
    add("--scheduler", metavar="NAME", help="another scheduler, a module or a file, instead of sched-simple")
    add(
        "--set",
        metavar="KEY=VALUE",
        type=_setting,
        action="append",
        default=[],
        help="a setting of the scheduler, such as alloc-mode=best-fit",
    )
    add("-N", "--nodes", metavar="N", type=_number(1, 100_000), help="nodes of the machine")
    add("-c", "--cores", metavar="N", type=_number(1, 4096), help=f"cores of each node ({_CORES})")
    add("--R", metavar="FILE", help="the machine, as rosin R prints it")
    add("--whole-nodes", action="store_true", help="give jobs whole nodes")
    add("--jobs", metavar="N", type=_number(1, 5_000_000), help="use the first N jobs alone")
    add("--json", action="store_true", help="print a line of JSON for each policy")
    add("--plot", metavar="FILE", help="write a picture (SVG)")
    add("--generate", metavar="N", type=_number(1, 5_000_000), help="make a trace of N jobs, and print it")
    add("--load", metavar="PART", type=_load, default=0.7, help="how busy they keep the machine (0.7)")
    add("--seed", metavar="N", type=_number(0, 2**31), default=1, help="another trace for each number")
    return options


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = parser(prog)
    args = options.parse_args(argv)
    if (args.trace is None) == (args.generate is None):
        options.error("expected either TRACE or --generate=N, such as --generate=1000 >trace.swf")
    if args.R and (args.nodes or args.cores):
        options.error("--R says how many nodes and cores there are, without --nodes and --cores")
    try:
        if args.generate is not None:
            return _generate(args)
        return _simulate(args, prog)
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        die(prog, f"{where}{error.strerror or error}")
    except ValueError as error:
        die(prog, error)


def _generate(args: argparse.Namespace) -> int:
    from rosin.simulate import trace
    from rosin.simulate.generate import generate

    procs = (args.nodes or _NODES) * (args.cores or _CORES)
    trace.write(sys.stdout, generate(args.generate, procs, args.load, args.seed))
    return 0


def _simulate(args: argparse.Namespace, prog: str) -> int:
    jobs = _trace(args)
    machine = _machine(args, jobs)
    if not args.plot:
        _compare(args, prog, jobs, machine)
        return 0
    with open(args.plot, "w", encoding="utf-8") as picture:  # before all the work
        runs = _compare(args, prog, jobs, machine)
        from rosin.simulate.plot import svg

        picture.write(svg(runs, machine.cores))
    return 0


def _compare(
    args: argparse.Namespace, prog: str, jobs: Workload, machine: MockMachine
) -> list[tuple[str, Simulation]]:
    """Run the trace with each policy, and print what comes of it."""
    from rosin import _json
    from rosin.simulate import measures

    if not args.json:
        print(_summary(jobs, machine))
    runs: list[tuple[str, Simulation]] = []
    rows = []
    for name, setup in _setups(args, machine):
        run = _run(jobs, setup, name, prog)
        runs.append((name, run))
        rows.append((name, measures.measure(run, machine.cores)))
        if args.json:
            print(_json.dumps({"policy": name, **rows[-1][1]._asdict()}).decode(), flush=True)
    if not args.json:
        print(measures.table(rows))
    return runs


def _trace(args: argparse.Namespace) -> Workload:
    from rosin.simulate import trace

    most = args.jobs or trace.MAX_JOBS
    found = trace.read(sys.stdin, most) if args.trace == "-" else trace.load(args.trace, most)
    if not found.jobs:
        raise ValueError(f"{args.trace}: no job of it has run")
    return found


def _machine(args: argparse.Namespace, jobs: Workload) -> MockMachine:
    """What is said, else what the trace says that it was taken on."""
    from rosin import _json
    from rosin.simulate.world import MockMachine

    if args.R:
        with open(args.R, encoding="utf-8") as file:
            try:
                return MockMachine(_json.loads(file.read()))
            except ValueError as error:
                raise ValueError(f"{args.R}: not an R object: {error}") from None
    procs, nodes = jobs.number("MaxProcs"), args.nodes or jobs.number("MaxNodes")
    cores = args.cores or (procs // nodes if procs and nodes else _CORES)
    return MockMachine.of(nodes or -(-procs // cores) or _NODES, max(1, cores))


def _setups(args: argparse.Namespace, machine: MockMachine) -> Iterator[tuple[str, Setup]]:
    from rosin.simulate.run import Setup

    settings = dict(args.set)
    if args.scheduler:
        yield args.scheduler, Setup(machine, args.scheduler, settings, args.whole_nodes)
        return
    for name in args.policy.split(","):
        yield name, Setup(machine, "sched-simple", {**settings, "queue-policy": name}, args.whole_nodes)


def _summary(jobs: Workload, machine: MockMachine) -> str:
    skipped = f" ({jobs.skipped} others have not run)" if jobs.skipped else ""
    return f"{len(jobs.jobs)} jobs{skipped}, {machine.nodes} nodes, {machine.cores} cores"


def _run(jobs: Workload, setup: Setup, name: str, prog: str) -> Simulation:
    from rosin.simulate.run import simulate

    shown = sys.stderr.isatty()

    def progress(count: int) -> None:
        sys.stderr.write(f"\r{name}: {100 * count // len(jobs.jobs)}%")
        sys.stderr.flush()

    try:
        run = simulate(jobs.jobs, setup, progress if shown else None)
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
    for line in run.log[:10]:
        sys.stderr.write(f"{prog}: {name}: {line}\n")
    return run
