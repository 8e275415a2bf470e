# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin housekeeping``: what runs on the nodes of jobs that are over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, perform

if TYPE_CHECKING:
    import argparse

    from rosin.cli.format import OutputFormat
    from rosin.rfc.hostlist import Hostlist
    from rosin.rfc.idset import Idset

_FORMATS = {
    "default": (
        "Job, counts, time and hosts",
        "{id.f58:>12} {nnodes:>6} {pending.nnodes:>7} {runtime!F:>8} {nodelist}",
    ),
    "pending": (
        "The same of hosts that are not done",
        "{id.f58:>12} {pending.nnodes:>7} {runtime!F:>8} {pending.nodelist}",
    ),
}
_SPELLINGS = ("dec", "hex", "f58", "f58plain", "emoji", "kvs", "words", "dothex")
_HEADINGS = {
    "id": "JOBID",
    **{f"id.{spelling}": "JOBID" for spelling in _SPELLINGS},
    "t_start": "T_START",
    "runtime": "RUNTIME",
    "ranks": "RANKS",
    "nodelist": "NODELIST",
    "nnodes": "NNODES",
    "allocated.ranks": "RANKS",
    "allocated.nodelist": "NODELIST",
    "allocated.nnodes": "NNODES",
    "pending.ranks": "ACTIVE_RANKS",
    "pending.nodelist": "ACTIVE_NODES",
    "pending.nnodes": "#ACTIVE",
}
#: Fields that differ among lines which are shown as one.
_COMBINED = ("nodelist", "ranks", "nnodes", "pending.nodelist", "pending.ranks", "pending.nnodes")


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "List and end what runs on the nodes of jobs that are over.")
    sub = result.command("list", _list, "list the jobs whose nodes are in housekeeping")
    sub.add_argument("-i", "--include", metavar="HOSTS|RANKS", help="only these hosts or ranks")
    sub.flag("-n", "--no-header", text="print no heading")
    sub.add_argument(
        "-o",
        "--format",
        metavar="FORMAT",
        default="default",
        help="format of a line, or the name of one ('help' lists them)",
    )
    sub = result.command("kill", _kill, "signal what runs in housekeeping")
    sub.add_argument(
        "-s", "--signal", metavar="SIGNUM", type=int, default=15, help="number of the signal (default: 15)"
    )
    sub.add_argument("-t", "--targets", metavar="RANKS|HOSTS", help="only on these ranks or hosts")
    sub.add_argument("-j", "--jobid", metavar="JOBID", help="only for this job")
    sub.flag("--all", text="for all jobs")
    return result


class Ranks:
    """A set of ranks and their hosts."""

    def __init__(self, ids: Idset, hosts: list[str]) -> None:
        self.ids = ids
        self._hosts = hosts

    @property
    def ranks(self) -> str:
        """The ranks as an idset."""
        return self.ids.encode()

    @property
    def nnodes(self) -> int:
        """Number of ranks."""
        return len(self.ids)

    @property
    def nodelist(self) -> str:
        """Their hosts."""
        from rosin.rfc.hostlist import Hostlist

        return Hostlist.from_names([self._hosts[rank] for rank in self.ids]).encode()


class HousekeepingLine:
    """A job in housekeeping. ``ranks``, ``nnodes`` and ``nodelist`` are those that are still allocated."""

    def __init__(self, jobid: str, entry: dict[str, Any], hosts: list[str], only: Idset | None) -> None:
        from rosin.job.jobid import JobID
        from rosin.rfc.idset import Idset

        self.id = JobID(jobid)
        self.t_start = entry["t_start"]
        self.runtime = time.time() - self.t_start
        pending, allocated = Idset.decode(entry["pending"]), Idset.decode(entry["allocated"])
        self.pending = Ranks(pending if only is None else pending & only, hosts)
        self.allocated = Ranks(allocated if only is None else allocated & only, hosts)

    def __getattr__(self, name: str) -> Any:
        if name in ("ranks", "nnodes", "nodelist"):
            return getattr(self.allocated, name)
        raise AttributeError(name)


def combine(lines: list[HousekeepingLine], formatter: OutputFormat) -> list[HousekeepingLine]:
    """Join lines that agree in all that is shown but ranks and hosts."""
    same = formatter.copy(except_fields=_COMBINED, nullify_expansion=True)
    found: dict[str, HousekeepingLine] = {}
    for line in lines:
        first = found.setdefault(same.format(line), line)
        if first is not line:
            first.pending.ids |= line.pending.ids
            first.allocated.ids |= line.allocated.ids
    return list(found.values())


def ranks_of(targets: str, hosts: Hostlist, *, ignore_unknown: bool) -> Idset:
    """The ranks that an idset or a hostlist names; a host stands for all of its ranks. Raises ValueError."""
    from rosin.rfc.hostlist import Hostlist
    from rosin.rfc.idset import Idset

    try:
        return Idset.decode(targets)
    except ValueError:
        pass  # not an idset: a list of hosts
    try:
        wanted = set(Hostlist(targets))
    except ValueError as exc:
        raise ValueError(f"expected a valid Idset or Hostlist: {exc}") from None
    names = hosts.expand()
    unknown = wanted.difference(names)
    if unknown and not ignore_unknown:
        raise ValueError(f"didn't find {min(unknown)} in instance hostlist")
    return Idset([rank for rank, name in enumerate(names) if name in wanted])


def _list(args: argparse.Namespace) -> None:
    from rosin.cli.format import OutputFormat
    from rosin.cli.formats import NamedFormats
    from rosin.rfc.hostlist import Hostlist

    formatter = OutputFormat(NamedFormats(_FORMATS, "flux-housekeeping").get(args.format), _HEADINGS)
    with connect() as h:
        hostlist = Hostlist(h.attr_get("hostlist"))
        stats = h.rpc("job-manager.stats-get", {}).get()
    only = None if not args.include else ranks_of(args.include, hostlist, ignore_unknown=True)
    hosts = hostlist.expand()
    lines = [
        HousekeepingLine(jobid, entry, hosts, only)
        for jobid, entry in stats["housekeeping"]["running"].items()
    ]
    shown = combine([line for line in lines if line.nnodes], formatter)
    formatter.print_items(shown, no_header=args.no_header)


def _kill(args: argparse.Namespace) -> None:
    if args.jobid is None and args.targets is None and not args.all:
        raise ValueError("specify at least one of --targets, --jobid, or --all")
    if args.all and args.jobid is not None:
        raise ValueError("do not specify --jobid with --all")
    payload: dict[str, Any] = {"signum": args.signal}
    if args.jobid is not None:
        from rosin.job.jobid import id_parse

        payload["jobid"] = id_parse(args.jobid)
    with connect() as h:
        if args.targets is not None:
            from rosin.rfc.hostlist import Hostlist

            hosts = Hostlist(h.attr_get("hostlist"))
            payload["ranks"] = ranks_of(args.targets, hosts, ignore_unknown=False).encode()
        h.rpc("job-manager.housekeeping-kill", payload).get()


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return perform(parser(prog), argv, prog)
