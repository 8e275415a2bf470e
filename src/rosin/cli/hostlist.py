# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin hostlist``: combine lists of hosts (RFC 29) from jobs, the instance, input and arguments."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, as_written
from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from rosin.handle.flux import Flux

_EPILOG = """\
SOURCES may include:
  instance      hosts of the brokers
  JOBID         hosts of a job
  local         hosts of FLUX_JOB_ID, else of the instance
  avail[able]   hosts of the instance that are up and not drained
  stdin, -      hosts read from standard input
  HOSTS         a hostlist, such as node[1-3]
  hosts:HOSTS   the same, where it would read as a job id

Without SOURCES: stdin, or with --local: local.
"""


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Combine lists of hosts.", epilog=_EPILOG, formatter_class=as_written)
    add = result.add_argument
    form = result.add_mutually_exclusive_group()
    form.add_argument("-e", "--expand", action="store_true", help="print single names")
    add("-d", "--delimiter", metavar="S", default=" ", help="what separates names with --expand (a blank)")
    form.add_argument("-c", "--count", action="store_true", help="print the number of hosts")
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
            _await_input()
            return _append(sys.stdin.read().split())
        if source == "instance":
            return Hostlist(self._h().attr_get("hostlist"))
        if source == "local":
            jobid = os.environ.get("FLUX_JOB_ID")
            return self._job(jobid) if jobid else self.get("instance")
        if source.startswith("hosts:"):
            return Hostlist(source.removeprefix("hosts:"))
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
            raise ValueError(f"job {text} not found; for hosts of that name: hosts:{text}") from None
        return Hostlist(job.get("nodelist", ""))

    def _available(self) -> Hostlist:
        from rosin.resource.status import ResourceStatus

        status = ResourceStatus(self._h().rpc("resource.status", nodeid=0).get())
        ranks = status.avail - status.offline
        hosts = status.nodelist.expand()
        return Hostlist.from_names([hosts[rank] for rank in ranks])


def _await_input() -> None:
    """Wait until standard input has something to read: whoever forgot it shall not wait for ever.

    Raises ValueError.
    """
    from select import select

    text = os.environ.get("FLUX_HOSTLIST_STDIN_TIMEOUT", "15")
    try:
        fd = sys.stdin.fileno()
    except OSError:  # no file, and so nothing to wait for
        return
    try:
        timeout = float(text)
        ready = select([fd], [], [], timeout)[0]
    except (ValueError, OverflowError):
        raise ValueError(f"FLUX_HOSTLIST_STDIN_TIMEOUT={text}: it takes seconds, as in 15") from None
    if not ready:
        raise ValueError(f"timeout after {timeout}s waiting for stdin (give SOURCES, or - with input)")


def _append(words: Iterable[str]) -> Hostlist:
    result = Hostlist()
    for word in words:
        result.append(word)
    return result


def combine(lists: list[Hostlist], args: argparse.Namespace) -> Hostlist:
    """One list: appended, or combined as sets; a single list stays as it is."""
    result, *others = lists
    if args.intersect:
        return result.intersect(*others) if others else result
    if args.xor:
        return result.xor(*others) if others else result
    for other in others:
        if args.minus:
            result.delete(other)  # of each host as many as the other list has
        else:
            result.append(other)
    return result


def reduce(hosts: Hostlist, args: argparse.Namespace) -> Hostlist:
    """Apply ``--exclude``, ``--sort``, ``--union``, ``--limit`` and ``--nth``. Raises ValueError."""
    if args.exclude:
        hosts = _without(hosts, args.exclude)
    if args.sort:
        hosts.sort()
    if args.union:
        hosts.uniq()
    if args.limit:
        hosts = hosts[: args.limit] if args.limit > 0 else hosts[args.limit :]
    if args.nth is not None:
        hosts = _nth(hosts, args.nth)
    return hosts


def _without(hosts: Hostlist, text: str) -> Hostlist:
    """Leave out all occurrences of hosts; if there are none, the text may name positions."""
    from rosin.rfc.idset import Idset

    left = hosts.minus(text)
    if len(left) < len(hosts):
        return left
    try:
        ids = Idset(text)
    except FormatError:
        return hosts
    return hosts[[at for at in range(len(hosts)) if at not in ids]]  # type: ignore[no-any-return]


def _nth(hosts: Hostlist, text: str) -> Hostlist:
    from rosin.rfc.idset import Idset

    # Counted from the end, the hosts still come in the order of the list.
    positions = [-at for at in reversed(list(Idset(text[1:])))] if text[:1] == "-" else list(Idset(text))
    try:
        return hosts[positions]  # type: ignore[no-any-return]
    except IndexError as exc:
        raise ValueError(str(exc)) from None


def _find(hosts: Hostlist, text: str) -> str:
    wanted = Hostlist(text)
    positions = [hosts.find(host) for host in wanted]
    missing = Hostlist.from_names(
        [host for host, position in zip(wanted, positions, strict=True) if position < 0]
    )
    if missing:
        raise ValueError(f"host{'s' if len(missing) > 1 else ''} '{missing}' not found")
    return " ".join(map(str, positions))


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    args = parser(prog).parse_args(_shielded(argv))
    sources = Sources(args.fallback)
    try:
        names = args.sources or ["local" if args.local else "stdin"]
        hosts = reduce(combine([sources.get(name) for name in names], args), args)
    finally:
        sources.close()
    found = _find(hosts, args.find) if args.find else ""  # fails even when nothing is printed
    if args.quiet:
        return 0 if hosts else 1
    if args.find:
        print(found)
    elif args.count:
        print(len(hosts))
    elif args.expand:
        if hosts:
            print(args.delimiter.replace("\\n", "\n").join(hosts.expand()))
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
