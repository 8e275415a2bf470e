# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin hostlist``: combine lists of hosts (RFC 29) from jobs, the instance, input and arguments."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser
from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from rosin.handle.flux import Flux

_EPILOG = """SOURCES: instance (hosts of the brokers), a job id, local (hosts of FLUX_JOB_ID, else of the
instance), avail (hosts of the instance that are up and not drained), stdin or -, or a hostlist.
Without SOURCES: stdin, or with --local: local."""


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Combine lists of hosts.", epilog=_EPILOG)
    add = result.add_argument
    result.flag("-e", "--expand", text="print single names")
    add("-d", "--delimiter", metavar="S", default=" ", help="what separates names with --expand (a blank)")
    result.flag("-c", "--count", text="print the number of hosts")
    add(
        "-n", "--nth", metavar="[-]IDS", help="print the hosts at these positions; -IDS: counted from the end"
    )
    add("-F", "--find", metavar="HOSTS", help="print the positions of HOSTS; fail if one is missing")
    add("-L", "--limit", metavar="N", type=int, help="print at most N hosts; -N: the last N")
    result.flag("-S", "--sort", text="sort the hosts")
    add("-x", "--exclude", metavar="IDS|HOSTS", help="leave out hosts, or positions")
    result.flag("-u", "--union", "--unique", text="print each host once")
    group = result.add_mutually_exclusive_group()
    group.add_argument("-i", "--intersect", action="store_true", help="print hosts that are in all sources")
    group.add_argument("-m", "--minus", action="store_true", help="print hosts of the first source only")
    group.add_argument("-X", "--xor", action="store_true", help="print hosts that are in just one source")
    result.flag("-f", "--fallback", text="take ids of jobs that do not exist for hosts")
    result.flag("-l", "--local", text="without SOURCES, use local instead of stdin")
    result.flag("-q", "--quiet", text="print nothing; exit with 1 when there are no hosts")
    add("sources", metavar="SOURCES", nargs="*", help="where to take hosts from")
    return result


class Sources:
    """Finds the hosts of sources; connects to the instance only if one of them asks for it."""

    def __init__(self, fallback: bool) -> None:
        self._fallback = fallback
        self._handle: Flux | None = None

    def _h(self) -> Flux:
        if self._handle is None:
            self._handle = connect()
        return self._handle

    def close(self) -> None:
        """Close the connection, if any."""
        if self._handle is not None:
            self._handle.close()

    def get(self, source: str) -> Hostlist:
        """The hosts of a source. Raises ValueError."""
        if source in ("stdin", "-"):
            return _append(sys.stdin.read().split())
        if source == "instance":
            return Hostlist(self._h().attr_get("hostlist"))
        if source == "local":
            jobid = os.environ.get("FLUX_JOB_ID")
            return self._job(jobid) if jobid else self.get("instance")
        if source in ("avail", "available"):
            return self._available()
        try:
            return self._job(source)
        except FormatError:
            pass
        try:
            return Hostlist(source)
        except FormatError:
            raise ValueError(f"Invalid jobid or hostlist {source}") from None

    def _job(self, text: str) -> Hostlist:
        from rosin.rfc.fluid import parse

        jobid = parse(text)
        try:
            job = self._h().rpc("job-list.list-id", {"id": jobid, "attrs": ["nodelist"]}).get()["job"]
        except OSError as exc:
            if exc.errno != errno.ENOENT:
                raise
            if self._fallback:
                return Hostlist(text)
            raise ValueError(f"job {text} not found") from None
        return Hostlist(job.get("nodelist", ""))

    def _available(self) -> Hostlist:
        from rosin.resource.status import ResourceStatus

        status = ResourceStatus(self._h().rpc("resource.status", nodeid=0).get())
        ranks = status.avail - status.offline
        hosts = status.nodelist.expand()
        return Hostlist.from_names([hosts[rank] for rank in ranks])


def _append(words: Iterable[str]) -> Hostlist:
    result = Hostlist()
    for word in words:
        result.append(word)
    return result


def combine(lists: list[Hostlist], args: argparse.Namespace) -> Hostlist:
    """One list: appended, or combined as sets in the order of first mention."""
    if args.intersect or args.minus:
        first = lists[0].copy() if lists else Hostlist()
        for other in lists[1:]:
            names = set(other)
            keep = args.intersect
            first = Hostlist.from_names([host for host in first if (host in names) == keep])
        if args.intersect:
            first.uniq()
        return first
    if args.xor:
        counts: dict[str, int] = {}
        for part in lists:
            for host in dict.fromkeys(part):
                counts[host] = counts.get(host, 0) + 1
        # Differences one after the other: a host stays that is in an odd number of sources.
        return Hostlist.from_names([host for host, count in counts.items() if count % 2])
    result = Hostlist()
    for part in lists:
        result.append(part)
    return result


def reduce(hosts: Hostlist, args: argparse.Namespace) -> Hostlist:
    """Apply ``--exclude``, ``--union``, ``--sort``, ``--nth`` and ``--limit``. Raises ValueError."""
    if args.exclude:
        hosts = _without(hosts, args.exclude)
    if args.union:
        hosts.uniq()
    if args.sort:
        hosts.sort()
    if args.nth:
        hosts = _nth(hosts, args.nth)
    if args.limit is not None:
        hosts = hosts[: args.limit] if args.limit >= 0 else hosts[args.limit :]
    return hosts


def _without(hosts: Hostlist, text: str) -> Hostlist:
    from rosin.rfc.idset import Idset

    try:
        ids = Idset(text)
    except FormatError:
        hosts.delete(text)
        return hosts
    return Hostlist.from_names([host for at, host in enumerate(hosts) if at not in ids])


def _nth(hosts: Hostlist, text: str) -> Hostlist:
    from rosin.rfc.idset import Idset

    names = hosts.expand()
    back = text.startswith("-")
    try:
        return Hostlist.from_names([names[-at if back else at] for at in Idset(text[1:] if back else text)])
    except IndexError:
        raise ValueError("Hostlist index out of range") from None


def _find(hosts: Hostlist, text: str) -> str:
    wanted = Hostlist(text)
    missing = Hostlist.from_names([host for host in wanted if host not in hosts])
    if missing:
        raise ValueError(f"hosts '{missing}' not found")
    return ",".join(str(hosts.find(host)) for host in wanted)


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    args = parser(prog).parse_args(_shielded(argv))
    sources = Sources(args.fallback)
    try:
        names = args.sources or ["local" if args.local else "stdin"]
        hosts = reduce(combine([sources.get(name) for name in names], args), args)
    finally:
        sources.close()
    if args.quiet:
        return 0 if hosts else 1
    if args.count:
        print(len(hosts))
    elif args.find is not None:
        print(_find(hosts, args.find))
    elif args.expand:
        if hosts:
            print(args.delimiter.encode().decode("unicode_escape").join(hosts.expand()))
    elif hosts:
        print(hosts.encode())
    return 0


def _shielded(argv: list[str]) -> list[str]:
    """Join the options that take a negative number with it: argparse reads ``-1`` as an option."""
    result: list[str] = []
    for word in argv:
        if (
            result
            and result[-1] in ("-n", "--nth", "-L", "--limit")
            and word[:1] == "-"
            and word[1:2].isdigit()
        ):
            result[-1] += ("=" if result[-1].startswith("--") else "") + word
        else:
            result.append(word)
    return result
