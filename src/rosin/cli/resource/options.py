# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the subcommands of ``rosin resource`` share: options, states, queues, named formats."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection
    from typing import Any

    from rosin.cli.formats import NamedFormats
    from rosin.cli.subcommands import AdminParser
    from rosin.resource import ResourceSet
    from rosin.rfc.idset import Idset

#: Subcommand -> its named formats with a description.
FORMATS = {
    "status": {
        "default": (
            "State and hosts",
            "{state:>12} {color_up}{up:>2}{color_off} {nnodes:>6} {nodelist}",
        ),
        "long": (
            "State, reason and hosts",
            "{state:>12} {color_up}{up:>2}{color_off} {nnodes:>6} +:{reason:<30.30} {nodelist}",
        ),
    },
    "drain": {
        "long": (
            "Time, state, ranks, reason and hosts",
            "{timestamp!d:%b%d %R::<12} {state:<8.8} {ranks:<8.8+} +:{reason:<30.30} {nodelist}",
        ),
        "default": (
            "Time, state, reason and hosts",
            "{timestamp!d:%b%d %R::<12} {state:<8.8} {reason:<30.30+} {nodelist}",
        ),
    },
    "list": {
        "default": (
            "State, counts and hosts",
            "{state:>10} ?+:{queue:<5} ?:{propertiesx:<10.10+} {nnodes:>6} +:{ncores:>6} ?+:{ngpus:>5} "
            "{nodelist}",
        ),
        "rlist": (
            "State, counts and the resources of each rank",
            "{state:>10} ?+:{queue:<5} ?:{propertiesx:<10.10+} {nnodes:>6} +:{ncores:>6} ?+:{ngpus:>5} "
            "{rlist}",
        ),
    },
}


def named_formats(table: str) -> NamedFormats:
    """The named formats of a subcommand."""
    from rosin.cli.formats import NamedFormats

    return NamedFormats(FORMATS[table], "flux-resource", table=table)


def add_selection(sub: AdminParser) -> None:
    """Add ``-i, --include`` and ``-q, --queue``."""
    sub.add_argument(
        "-i", "--include", metavar="TARGETS", help="only these ranks (idset) or hosts (hostlist)"
    )
    sub.add_argument(
        "-q", "--queue", metavar="QUEUE,...", action="words", help="only resources of these queues"
    )


def add_format(sub: AdminParser) -> None:
    """Add ``-o, --format`` and ``-n, --no-header``."""
    sub.add_argument(
        "-o",
        "--format",
        metavar="FORMAT",
        default="default",
        help="output format, or the name of one ('help')",
    )
    sub.flag("-n", "--no-header", text="print no heading")


def state_list(text: str, valid: Collection[str]) -> list[str]:
    """The states named by ``--states``. Raises ValueError for others."""
    states = text.split(",")
    for state in states:
        if state not in valid:
            raise ValueError(f"Invalid resource state {state} specified")
    return states


def queue_ranks(rset: ResourceSet, config: dict[str, Any], names: list[str]) -> Idset:
    """The ranks of ``rset`` that any of the queues may use. Raises ValueError for an unknown queue."""
    from rosin.rfc.idset import Idset
    from rosin.rfc.queues import asked_of_nodes

    queues = config.get("queues") or {}
    ranks = Idset()
    for name in names:
        if name not in queues:
            raise ValueError(f"--queue: {name}: no such queue")
        ranks |= having(rset, asked_of_nodes(queues, name))
    return ranks


def having(rset: ResourceSet, properties: Collection[str]) -> Idset:
    """The ranks that have all of the properties."""
    ranks = rset.impl.ranks()
    for name in properties:
        ranks &= rset.impl.property_ranks(name)
    return ranks


def narrow(resources: Any, rset: ResourceSet, config: dict[str, Any], args: argparse.Namespace) -> None:
    """Filter a resource list or status as ``--queue`` and ``--include`` say."""
    if args.queue is not None:
        resources.filter(queue_ranks(rset, config, args.queue or [""]))
    if args.include:
        try:
            resources.filter(args.include)
        except (ValueError, FileNotFoundError) as exc:
            raise ValueError(f"--include: {exc}") from None
