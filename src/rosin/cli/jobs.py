# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin jobs``: list jobs."""

from __future__ import annotations

import os
import sys

from rosin.cli.arguments import SUPPRESS, Parser
from rosin.cli.base import add_color, connect, error, fail, utf8_output, warning
from rosin.cli.colour import use_color
from rosin.cli.formats import NamedFormats
from rosin.cli.jobformat import JOBS, job_format
from rosin.job.fields import job_fields_to_attrs
from rosin.job.jobid import JobID
from rosin.job.listing import JobList

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from typing import Any

    from rosin.cli.jobformat import JobInfoFormat
    from rosin.handle.flux import Flux
    from rosin.job.info import JobInfo

_COLORS = {"COMPLETED": "01;32", "FAILED": "01;31", "CANCELED": "37", "TIMEOUT": "01;31"}
_FILTERS = ("a", "A", "count", "filter", "since", "user", "name", "queue")


def parser(prog: str) -> Parser:
    """The options of the command."""
    result = Parser(
        prog, description="List jobs: your pending and running ones, unless options say otherwise."
    )
    add = result.add_argument
    add("-a", action="store_true", help="jobs in all states")
    add("-A", action="store_true", help="jobs of all users")
    add("-c", "--count", type=int, metavar="N", default=1000, help="at most N jobs (1000), 0 for all")
    add("-f", "--filter", action="words", metavar="STATE|RESULT", help="jobs with these states or results")
    add("--since", metavar="WHEN", help="also jobs that ended since WHEN (implies -a without --filter)")
    add("-n", "--no-header", action="store_true", help="leave out the heading")
    add("--suppress-header", dest="no_header", action="store_true", help=SUPPRESS)
    add("-u", "--user", metavar="USER", help="jobs of this user, or of 'all'")
    add("--name", metavar="JOB-NAME", help="jobs with this name")
    add("-q", "--queue", action="words", metavar="QUEUE,...", help="jobs in these queues")
    add("-i", "--include", metavar="HOSTS|RANKS", help="jobs that have, or had, these hosts or broker ranks")
    add(
        "-o", "--format", default="default", metavar="FORMAT", help="columns, or the name of a format; 'help'"
    )
    add("--sort", metavar="KEY,...", default="", help="sort by these fields, -KEY in reverse")
    add("-w", "--width", type=int, default=-1, const=0, nargs="?", metavar="N", help="cut lines at N columns")
    add("--json", action="store_true", help="print JSON objects")
    add_color(result)
    add("-R", "--recursive", action="store_true", help="also list the jobs of jobs that are Flux instances")
    add("-L", "--level", type=int, metavar="N", default=9999, help="with -R: at most N levels deep")
    add("--recurse-all", action="store_true", help="with -R: also instances of other users")
    add("--threads", type=int, metavar="N", help="with -R: instances to ask at the same time")
    add("--stats", action="store_true", help="print numbers of jobs first")
    add("--stats-only", action="store_true", help="print numbers of jobs only; fails when none is active")
    add("jobids", metavar="JOBID", type=JobID, nargs="*", help="list just these jobs")
    return result


def _located(text: str) -> dict[str, Any]:
    """The constraint of ``--include``. Raises ValueError."""
    from rosin.rfc.hostlist import Hostlist
    from rosin.rfc.idset import Idset

    try:
        return {"ranks": [Idset(text).encode()]}
    except ValueError:
        pass
    try:
        return {"hostlist": [Hostlist(text).encode()]}
    except ValueError:
        raise ValueError(f"-i/--include: invalid targets: {text}") from None


def _since(text: str) -> float:
    from rosin.cli.when import parse_since

    return parse_since(text)


class Query:
    """What the options ask job-list for."""

    def __init__(self, args: Namespace, fields: Sequence[str], prog: str) -> None:
        self.args = args
        attrs = job_fields_to_attrs(fields)
        if use_color(args.color):
            attrs |= job_fields_to_attrs(["result", "annotations"])
        if args.recursive:
            attrs |= job_fields_to_attrs(["annotations", "status", "userid"])
        if args.json:
            attrs = {"all"}
        self.instances = any(field.startswith("instance.") for field in fields)
        self.attrs = sorted(attrs)
        self.since = _since(args.since) if args.since else 0.0
        if args.filter == []:
            raise ValueError("Invalid filter specified: it is empty")
        filters = list(args.filter or ())
        every = args.a or (bool(args.since) and not filters)
        if args.a and filters:
            warning(prog, "Both -a and --filter specified, ignoring -a")
        elif every:
            filters = ["pending", "running", "inactive"]
        self.filters = filters or ["pending", "running"]
        self.constraint = _located(args.include) if args.include else None
        # Hosts and ranks are shared by all users.
        self.user = "all" if args.A or (args.include and args.user is None) else args.user

    def fetch(self, handle: Flux, jobids: Sequence[int] | None) -> tuple[list[JobInfo], bool]:
        """The jobs, and whether there are more than the limit."""
        count = self.args.count
        query = JobList(
            handle,
            attrs=self.attrs,
            filters=self.filters,
            ids=jobids or (),
            user=self.user,
            max_entries=count + 1 if count > 0 else count,
            since=self.since,
            name=self.args.name,
            queue=[""] if self.args.queue == [] else self.args.queue,  # no queue is called so
            constraint=self.constraint,
        )
        jobs = query.jobs()
        for text in query.errors:
            sys.stderr.write(f"{text}\n")
        truncated = not jobids and 0 < count < len(jobs)
        if truncated:
            jobs.pop()
        if self.instances:
            for _ in in_threads(self.args.threads, type(jobs[0]).get_instance_info if jobs else None, jobs):
                pass
        return jobs, truncated


def in_threads(number: int | None, function: Any, items: Sequence[Any]) -> list[Any]:
    """Apply a function to items, several at a time; each call uses a handle of its own."""
    if not items:
        return []
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(number) as executor:
        return list(executor.map(function, items))


def _color(job: JobInfo) -> str:
    code = _COLORS.get(job.result) or ("01;34" if job.uri else "")
    return f"\033[{code}m" if code else ""


class Listing:
    """Prints jobs, and those of instances below them. ``here``: the URI of the instance that was asked."""

    def __init__(self, args: Namespace, query: Query, fmt: JobInfoFormat, here: str) -> None:
        self.here = (here,)
        self.args = args
        self.query = query
        self.fmt = fmt
        self.color = use_color(args.color)

    def _lines(self, jobs: list[JobInfo]) -> None:
        self.fmt.sort_items(jobs)
        write = sys.stdout.write
        for job, line in self.fmt.lines(jobs, self.args.width):
            color = _color(job) if self.color else ""
            write(f"{color}{line}\033[0;0m\n" if color else f"{line}\n")

    def _is_instance(self, job: JobInfo, above: Sequence[str]) -> bool:
        """Whether to go on in a job, which may claim to be one of the instances above it."""
        mine = self.args.recurse_all or job.userid == os.getuid()
        return bool(job.uri and job.status_abbrev == "R" and mine and job.uri.near not in above)

    def _below(self, job: JobInfo) -> tuple[list[JobInfo], Any]:
        """The jobs and the counts of the instance that a job is; none if it cannot be asked."""
        try:
            with connect(job.uri.near) as handle:
                jobs, _ = self.query.fetch(handle, None)
                return jobs, _stats(handle, None) if self.args.stats else None
        except (OSError, ValueError):
            return [], None

    def text(self, jobs: list[JobInfo], path: str = "", above: tuple[str, ...] = ()) -> None:
        """Print lines, then the instances among the jobs. ``above``: those in which they run, if any."""
        above = above or self.here
        self._lines(jobs)
        if not self.args.recursive or len(above) > self.args.level:
            return
        instances = [job for job in jobs if self._is_instance(job, above)]
        for job, (inner, stats) in zip(
            instances, in_threads(self.args.threads, self._below, instances), strict=True
        ):
            where = f"{path}/{job.id.f58}" if path else job.id.f58
            print(f"\n{where}:")
            if stats is not None:
                print(_counts(stats))
            self.text(inner, where, (*above, job.uri.near))

    def objects(self, jobs: list[JobInfo], above: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """The jobs for JSON, those of instances in ``jobs`` of theirs."""
        above = above or self.here
        result = [job.to_dict() for job in jobs]
        if self.args.recursive and len(above) <= self.args.level:
            pairs = [
                (job, obj) for job, obj in zip(jobs, result, strict=True) if self._is_instance(job, above)
            ]
            below = in_threads(self.args.threads, self._below, [job for job, _ in pairs])
            for (job, obj), (inner, _) in zip(pairs, below, strict=True):
                obj["jobs"] = self.objects(inner, (*above, job.uri.near))
        return result


def _stats(handle: Flux, queue: list[str] | None) -> Any:
    from rosin.job.counts import JobStats

    return JobStats(handle, queue).update_sync()


def _counts(stats: Any) -> str:
    active = f"{stats.running} running, {stats.successful} completed"
    return f"{active}, {stats.failed} failed, {stats.pending} pending"


def _print_stats(prog: str, handle: Flux, queue: list[str] | None) -> Any:
    try:
        stats = _stats(handle, queue)
    except ValueError as exc:
        fail(prog, f"error retrieving job stats: {exc}")
    print(f"{_counts(stats)}, {stats.inactive_purged} inactive purged")
    return stats


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    utf8_output()
    args = parser(prog).parse_args(argv)
    if args.json and (args.stats or args.stats_only):
        error(prog, "--json incompatible with --stats or --stats-only")
        return 1
    if args.count < 0:
        raise ValueError(f"--count={args.count}: it takes a number of jobs >= 0, as in 100, or 0 for all")
    if args.recurse_all:
        args.recursive = True
    if args.jobids and not args.recursive and _filtered(args):
        warning(prog, "Filtering options ignored with jobid list")
    fmt = job_format(NamedFormats(JOBS, "flux-jobs").get(args.format))
    if args.sort:
        fmt.set_sort_keys(args.sort)
    with connect() as handle:
        if args.stats or args.stats_only:
            stats = _print_stats(prog, handle, args.queue)
            if args.stats_only:
                return 0 if stats.active else 1
        query = Query(args, fmt.fields, prog)
        jobs, truncated = query.fetch(handle, args.jobids)
        here = handle.attr_get("local-uri") if args.recursive else ""
    if args.jobids and not jobs:
        return 1
    if args.json:
        _print_json(Listing(args, query, fmt, here), jobs)
        return 0
    final = type(fmt)(fmt.filter(jobs, args.no_header))
    if not args.no_header:
        print(final.header(args.width))
    Listing(args, query, final, here).text(jobs)
    if truncated and not args.no_header:
        sys.stdout.flush()
        sys.stderr.write(
            f"warning: output truncated at {args.count} jobs.\n"
            "Use --count to increase returned results or use filters to alter results.\n"
        )
    return 0


def _filtered(args: Namespace) -> bool:
    return any(getattr(args, name) not in (None, False, 1000) for name in _FILTERS)


def _print_json(listing: Listing, jobs: list[JobInfo]) -> None:
    """One object for one job that was asked for by id, else ``{"jobs": [...]}``."""
    import json

    result = listing.objects(jobs)
    one = listing.args.jobids and len(listing.args.jobids) == 1
    print(json.dumps(result[0] if one else {"jobs": result}))
