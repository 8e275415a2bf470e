# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin resource list``, ``info`` and ``R``: resources as the scheduler sees them."""

from __future__ import annotations

import json
import sys
from errno import ENOSYS

from rosin.cli.base import connect
from rosin.cli.resource.options import (
    add_format,
    add_selection,
    named_formats,
    narrow,
    state_list,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

    from rosin.cli.format import OutputFormat
    from rosin.cli.subcommands import AdminParser
    from rosin.handle.handle import Handle
    from rosin.resource import ResourceSet, SchedResourceList

STATES = ("up", "down", "allocated", "free", "all")
_HEADINGS = {
    "state": "STATE",
    "queue": "QUEUE",
    "properties": "PROPERTIES",
    "propertiesx": "PROPERTIES",
    "nnodes": "NNODES",
    "ncores": "NCORES",
    "ngpus": "NGPUS",
    "ranks": "RANKS",
    "nodelist": "NODELIST",
    "rlist": "LIST",
}
#: Resources that agree in these fields share a line.
_KEYS = ("state", "properties", "propertiesx", "queue")


def add_commands(parser: AdminParser) -> None:
    """Add the subcommands to the parser of ``resource``."""
    sub = parser.command("list", _list, "list resources by what the scheduler can do with them")
    add_format(sub)
    _states(sub, "free,allocated,down")
    add_selection(sub)
    sub.flag("--skip-empty", text="print no lines without resources (default with --include)")
    sub.flag("--no-skip-empty", text="print lines without resources also with --include")
    _sources(sub)
    sub = parser.command("info", _info, "count nodes, cores and GPUs")
    _states(sub, "all")
    add_selection(sub)
    _no_effect(sub)
    _sources(sub)
    sub = parser.command("R", _emit, "print resources as R (RFC 20)")
    _states(sub, "all")
    add_selection(sub)
    _sources(sub)


def _states(sub: AdminParser, default: str) -> None:
    text = f"only resources in these states: {', '.join(STATES)} (default: {default})"
    sub.add_argument("-s", "--states", metavar="STATE,...", default=default, help=text)


def _no_effect(sub: AdminParser) -> None:
    """Take options of ``list`` that change nothing for a sum, as flux-core does."""
    from rosin.cli.arguments import SUPPRESS

    sub.add_argument("--skip-empty", action="store_true", help=SUPPRESS)
    sub.add_argument("--no-skip-empty", action="store_true", help=SUPPRESS)


def _sources(sub: AdminParser) -> None:
    from rosin.cli.arguments import SUPPRESS

    sub.add_argument("--from-stdin", action="store_true", help=SUPPRESS)
    sub.add_argument("--config-file", help=SUPPRESS)


def load(
    args: argparse.Namespace, pools: dict[str, Any] | None = None
) -> tuple[list[str], SchedResourceList, dict[str, Any]]:
    """The states asked for, the resources, and the configuration; *pools* is filled with counted pools.

    Raises OSError, ValueError.
    """
    from rosin.resource.list import SchedResourceList, resource_list

    states = state_list(args.states, STATES)
    config: dict[str, Any] = {}
    if args.from_stdin:
        resources = SchedResourceList(json.load(sys.stdin))
        if args.config_file:
            with open(args.config_file, encoding="utf-8") as stream:
                config = json.load(stream)
    else:
        with connect() as h:
            rpc, config_rpc = resource_list(h), h.rpc("config.get")
            resources, config = rpc.get(), config_rpc.get()
            if pools is not None and resources.all.impl.scheduling is not None:
                pools.update(_pools(h))
    narrow(resources, resources.all, config, args)
    return states, resources, config


def _pools(h: Handle) -> dict[str, Any]:
    """The counted pools; none where the scheduler is another one, or there is none."""
    try:
        return dict(h.rpc("sched.pools").get()["pools"])
    except OSError as error:
        if error.errno != ENOSYS:
            raise
        return {}


class ResourceLine:
    """Resources that are printed on one line."""

    def __init__(self, rset: ResourceSet, state: str, queue: str, queues: dict[str, Any]) -> None:
        self.rset = rset
        self.state = state
        self.queue = queue
        self._queues = queues

    @property
    def properties(self) -> str:
        """Names of properties."""
        return self.rset.properties

    @property
    def propertiesx(self) -> str:
        """The same without those that are named like a queue."""
        return ",".join(name for name in self.rset.impl.get_properties() if name not in self._queues)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rset, name)


class QueueNames:
    """Which queues are shown for resources: those of ``--queue``, else all but hidden and virtual ones."""

    def __init__(self, config: dict[str, Any], wanted: list[str] | None, hidden: set[str]) -> None:
        self.queues: dict[str, Any] = config.get("queues") or {}
        self._shown = wanted or [
            name for name, entry in self.queues.items() if name not in hidden and "parent" not in entry
        ]

    def of(self, properties: set[str]) -> str:
        """The queues that may use resources with these properties."""
        from rosin.rfc.queues import asked_of_nodes

        return ",".join(
            name
            for name in self.queues
            if name in self._shown and properties.issuperset(asked_of_nodes(self.queues, name))
        )

    def for_nothing(self) -> list[str]:
        """The queues to print an empty line for."""
        return self._shown or [""]


def alike(rset: ResourceSet) -> Iterator[tuple[set[str], ResourceSet]]:
    """Split resources into parts whose ranks have the same properties, with these."""
    from rosin.rfc.idset import Idset

    parts: list[tuple[set[str], Idset]] = [(set(), rset.impl.ranks())]
    for name, ids in rset.impl.get_properties().items():
        ranks = Idset(ids)
        split = []
        for names, part in parts:
            inside, outside = part & ranks, part - ranks
            if inside:
                split.append((names | {name}, inside))
            if outside:
                split.append((names, outside))
        parts = split
    for names, part in parts:
        yield names, rset.copy_ranks(part)


def make_lines(
    resources: SchedResourceList, states: list[str], formatter: OutputFormat, names: QueueNames
) -> list[ResourceLine]:
    """The lines to print, in the order of states, then of ranks."""
    from rosin.resource import ResourceSet

    fields = formatter.fields
    keys = [field for field in fields if field in _KEYS]
    if len(fields) == 1 and "state" not in fields:
        keys = []
    lines: dict[tuple[Any, ...], ResourceLine] = {}
    for state in states:
        rset = resources[state]
        parts = [
            ResourceLine(part, state, names.of(properties), names.queues)
            for properties, part in (alike(rset) if rset.ranks else ())
        ] or [ResourceLine(ResourceSet(), state, queue, names.queues) for queue in names.for_nothing()]
        for line in parts:
            same = lines.setdefault(tuple(getattr(line, key) for key in keys), line)
            if same is not line:
                same.rset.add(line.rset)
    place = {state: at for at, state in enumerate(states)}
    return sorted(lines.values(), key=lambda line: (place[line.state], line.rset.impl.ranks().first() or 0))


def _print(
    args: argparse.Namespace,
    fmt: str,
    hidden: set[str],
    no_header: bool,
    pools: dict[str, Any] | None = None,
) -> None:
    from rosin.cli.format import OutputFormat

    formatter = OutputFormat(fmt, _HEADINGS)
    states, resources, config = load(args, pools)
    lines = make_lines(resources, states, formatter, QueueNames(config, args.queue, hidden))
    if getattr(args, "skip_empty", False) or (args.include and not getattr(args, "no_skip_empty", True)):
        lines = [line for line in lines if line.rset.ranks]
    formatter.print_items(lines, no_header=no_header)


def _list(args: argparse.Namespace) -> None:
    formats = named_formats("list")
    usual = args.format == "default" and not args.no_header
    pools: dict[str, Any] | None = {} if usual else None
    _print(args, formats.get(args.format), _hidden_queues(), args.no_header, pools)
    if pools:
        print(_pool_table(pools))


def _pool_table(pools: dict[str, Any]) -> str:
    """The counted pools below the nodes, right-aligned as those are."""
    rows: list[tuple[str, ...]] = [("POOL", "SIZE", "HELD", "FREE")]
    for name, pool in sorted(pools.items()):
        numbers = (pool["size"], pool["held"], pool["size"] - pool["held"])
        rows.append((name, *map(str, numbers)))
    width = max(10, *(len(row[0]) for row in rows))
    return "\n".join(f"{row[0]:>{width}} {row[1]:>6} {row[2]:>6} {row[3]:>6}" for row in rows)


def _hidden_queues() -> set[str]:
    """Queues that the configuration file of the command hides."""
    from rosin.cli.formats import load_config

    hidden: set[str] = set()
    for path, content in load_config("flux-resource"):
        names = content.get("list", {}).get("hidden-queues", [])
        if not isinstance(names, list):
            raise ValueError(f"{path}: list.hidden-queues must be an array")
        hidden.update(names)
    return hidden


def _info(args: argparse.Namespace) -> None:
    _print(args, "{nnodes} Nodes, {ncores} Cores, {ngpus} GPUs", set(), True)


def _emit(args: argparse.Namespace) -> None:
    from rosin.resource import ResourceSet

    states, resources, _ = load(args)
    rset = ResourceSet()
    rset.starttime, rset.expiration = resources.all.starttime, resources.all.expiration
    for state in states:
        rset.add(resources[state])
    print(json.dumps(rset.to_dict(), ensure_ascii=False))
