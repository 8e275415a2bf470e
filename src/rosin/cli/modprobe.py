# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin modprobe``: load and remove broker modules with what they need, and run rc1 and rc3."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rosin.cli.subcommands import AdminParser, perform

if TYPE_CHECKING:
    import argparse

    from rosin.modprobe import Modprobe


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(
        prog, "Load and remove broker modules with what they need, and run the tasks of rc1 and rc3."
    )
    for name, run, text in (
        ("load", _load, "load modules and what they require"),
        ("remove", _remove, "remove modules, and what nobody else requires"),
    ):
        sub = result.command(name, run, text)
        sub.flag("--dry-run", text="do nothing, and print what would be done")
        more = ", or 'all'" if name == "remove" else ""
        sub.add_argument("modules", metavar="MODULE", nargs="+", help=f"name of a module or a service{more}")
    sub = result.command("run", _run, "run the tasks of a Python file")
    _task_options(sub, show_deps=True)
    sub.add_argument("file", metavar="FILE", help="the file, NAME.py")
    sub = result.command("rc1", _rc1, "do what there is to do before the initial program")
    _task_options(sub, show_deps=True)
    sub.flag("--timing", text="store how long each task has taken in the KVS, as modprobe.stats")
    sub = result.command("rc3", _rc3, "do what there is to do after it")
    _task_options(sub)
    sub = result.command("list-dependencies", _list, "print what a module or a service requires, as a tree")
    _choice_options(sub)
    sub.flag("-f", "--full", text="print what is required by several each time")
    sub.add_argument("module", metavar="MODULE", help="name of the module or service")
    sub = result.command("show", _show, "print what is configured about a module or a service, as JSON")
    _choice_options(sub)
    sub.add_argument("module", metavar="MODULE", help="name of the module or service")
    return result


def _task_options(sub: AdminParser, *, show_deps: bool = False) -> None:
    if show_deps:
        sub.flag("--show-deps", text="print what each task waits for, as JSON, and exit")
    sub.flag("-v", "--verbose", text="print what is being done")
    sub.flag("--dry-run", text="do nothing, and print what would be done")


def _choice_options(sub: AdminParser) -> None:
    sub.add_argument(
        "-S",
        "--set-alternative",
        metavar="NAME=MODULE",
        action="append",
        default=[],
        help="let MODULE provide the service NAME",
    )
    sub.add_argument(
        "-D", "--disable", metavar="NAME", action="append", default=[], help="disable a module or service"
    )


def _load(args: argparse.Namespace) -> int:
    import sys

    from rosin.modprobe import Modprobe

    with Modprobe(dry_run=args.dry_run) as modprobe:
        try:
            modprobe.configure_modules().load(args.modules)
        except FileExistsError as exc:
            sys.stderr.write(f"{args.prog}: INFO: {exc.strerror}\n")
        return modprobe.exitcode


def _remove(args: argparse.Namespace) -> int:
    from rosin.modprobe import Modprobe

    with Modprobe(dry_run=args.dry_run) as modprobe:
        modprobe.configure_modules().remove(args.modules)
        return modprobe.exitcode


def _run(args: argparse.Namespace) -> int:
    if not args.file.endswith(".py"):
        raise ValueError(
            f"{args.file}: not a Python file: expected a name that ends in .py, as in ./tasks.py"
        )
    return _run_tasks(args, args.file)


def _rc1(args: argparse.Namespace) -> int:
    os.environ["FLUX_RC_USE_MODPROBE"] = "t"  # programs ask for it, as under flux-core
    return _run_tasks(args, "rc1", args.timing)


def _run_tasks(args: argparse.Namespace, name: str, timing: bool = False) -> int:
    import json

    from rosin import kvs
    from rosin.modprobe import Modprobe

    with Modprobe(timing=timing, verbose=args.verbose, dry_run=args.dry_run) as modprobe:
        began = modprobe.timestamp
        modprobe.configure_modules().read_rcfile(name)
        modprobe.disable()
        modprobe.add_timing("configure", began)
        deps = modprobe.get_deps(modprobe.solve(modprobe.active_tasks))
        if args.show_deps:
            print(json.dumps(deps))
            return 0
        modprobe.run(deps)
        if timing and modprobe.rank == 0:
            kvs.put(modprobe.handle, "modprobe.stats", modprobe.timing)
            kvs.commit(modprobe.handle)
        return modprobe.exitcode


def _rc3(args: argparse.Namespace) -> int:
    from rosin.modprobe import Modprobe

    os.environ["FLUX_RC_USE_MODPROBE"] = "t"
    with Modprobe(verbose=args.verbose, dry_run=args.dry_run) as modprobe:
        modprobe.configure_modules()
        modprobe.set_remove()
        modprobe.read_rcfile("rc3")
        modprobe.run(modprobe.get_deps(modprobe.active_tasks))
        return modprobe.exitcode


def _configured(modprobe: Modprobe, args: argparse.Namespace) -> None:
    """Read the files, then what the options choose. Raises ValueError."""
    modprobe.configure_modules()
    for pair in args.set_alternative:
        service, sep, name = pair.partition("=")
        if not service or not sep:
            raise ValueError(f"--set-alternative: invalid value '{pair}': expected NAME=MODULE")
        modprobe.set_alternative(service, name)
    modprobe.disable(*(name for names in args.disable for name in names.split(",")))


def _show(args: argparse.Namespace) -> None:
    import json

    from rosin.modprobe import Modprobe, Module

    with Modprobe() as modprobe:
        _configured(modprobe, args)
        task = modprobe.table.resolve(args.module) or modprobe.table.get(args.module)
        if isinstance(task, Module):
            print(json.dumps(task.to_dict()))


def _list(args: argparse.Namespace) -> None:
    from rosin.cli.base import utf8_output
    from rosin.modprobe import Modprobe
    from rosin.modprobe.dependencies import lines

    utf8_output()
    with Modprobe() as modprobe:
        _configured(modprobe, args)
        for line in lines(modprobe.table, args.module, full=args.full):
            print(line)


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return perform(parser(prog), argv, prog)
