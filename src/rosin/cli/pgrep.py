# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin pgrep`` and ``rosin pkill``: find, or cancel, jobs by name pattern and range of ids."""

from __future__ import annotations

import sys
from itertools import islice

from rosin.cli.arguments import SUPPRESS, Parser
from rosin.cli.base import connect, error, fail, id_text, utf8_output
from rosin.cli.formats import NamedFormats
from rosin.cli.jobformat import PGREP, JobInfoFormat, job_format
from rosin.job.jobid import JobID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from rosin.handle.flux import Flux
    from rosin.handle.future import Future
    from rosin.job.info import JobInfo


def parser(prog: str, kill: bool) -> Parser:
    """The options of pgrep, or with ``kill`` those of pkill."""
    what = "Cancel the jobs" if kill else "List the jobs"
    result = Parser(prog, description=f"{what} whose name matches, or whose id is in a range.")
    add = result.add_argument
    add("-a", action="store_true", help=SUPPRESS if kill else "jobs in all states")
    add("-A", action="store_true", help="jobs of all users")
    add("-u", "--user", metavar="USER", help="jobs of this user, or of 'all'")
    add("-f", "--filter", action="words", metavar="STATE|RESULT", help="jobs with these states or results")
    add("-q", "--queue", action="words", metavar="QUEUE,...", help="jobs in these queues")
    add("-c", "--count", type=int, metavar="N", default=99999, help="only the first N matches")
    add("--max-entries", type=int, metavar="N", default=1000, help="search at most N jobs (1000)")
    if kill:
        add("--wait", action="store_true", help="wait for the jobs to end")
    else:
        add("-n", "--no-header", action="store_true", help="leave out the heading")
        add("-o", "--format", default="default", metavar="FORMAT", help="columns, or the name of a format")
    add("expression", metavar="EXPRESSION", nargs="+", help="[name:]PATTERN (regular expression) or ID..ID")
    return result


def matcher(words: Sequence[str]) -> Callable[[JobInfo], bool]:
    """A test for jobs. Raises ValueError for a bad expression."""
    import re

    pattern: re.Pattern[str] | None = None
    low, high = 0, (1 << 64) - 1
    for word in words:
        first, dots, last = word.partition("..")
        if dots and ":" not in word:
            try:
                low, high = JobID(first), JobID(last)
                continue
            except ValueError:
                pass  # it is a pattern
        if pattern is not None:
            raise ValueError("Only one pattern can be provided")
        try:
            pattern = re.compile(word.removeprefix("name:"))
        except re.error as exc:
            raise ValueError(str(exc)) from None
    found = pattern.search if pattern is not None else None
    return lambda job: low <= job.id <= high and (found is None or found(job.name) is not None)


def _search(handle: Flux, args: Namespace, attrs: set[str]) -> list[JobInfo]:
    from rosin.job.listing import JobList

    filters = list(args.filter or ())
    if args.a:
        filters += ["pending", "running", "inactive"]
    query = JobList(
        handle,
        attrs=sorted(attrs | {"name"}),
        filters=filters or ["pending", "running"],
        user="all" if args.A else args.user,
        max_entries=args.max_entries,
        queue=args.queue,
    )
    return query.jobs()


class _Killer:
    """Cancels jobs, and waits for their end if asked to."""

    def __init__(self, handle: Flux, prog: str, wait: bool) -> None:
        self._handle = handle
        self._prog = prog
        self._wait = wait
        self.canceled = 0
        self.failed = False

    def run(self, jobs: Sequence[JobInfo]) -> int:
        from rosin.job.control import cancel_async
        from rosin.job.waiting import result_async

        pending: list[Future] = []
        for job, future in [(job, cancel_async(self._handle, job.id)) for job in jobs]:
            try:
                future.get()
            except OSError as exc:
                self.failed = True
                error(self._prog, f"{id_text(job.id)}: cancel: {exc}")
                continue
            self.canceled += 1
            if self._wait:
                pending.append(result_async(self._handle, job.id))
        for ended in pending:
            ended.get()
        number = f"{self.canceled} job{'' if self.canceled == 1 else 's'}"
        sys.stderr.write(f"{self._prog}: INFO: Canceled {number}\n")
        return 1 if self.failed else 0


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    from rosin.job.fields import job_fields_to_attrs

    utf8_output()
    kill = prog.endswith("pkill")
    fmt: JobInfoFormat | None = None
    names = NamedFormats(PGREP, "flux-jobs", toolname="flux-pgrep")
    options = parser(prog, kill)
    for place, word in enumerate(argv[:-1]):
        if not kill and word in ("-o", "--format") and argv[place + 1] == "help":
            names.get("help")
    args = options.parse_args(argv)
    if not kill:
        source = names.get(args.format)
        fmt = job_format(source)
    try:
        matches = matcher(args.expression)
    except ValueError as exc:
        fail(prog, f"expression error: {exc}", 2)
    with connect() as handle:
        found = _search(handle, args, job_fields_to_attrs(fmt.fields if fmt else ["id"]))
        jobs = list(islice(filter(matches, found), args.count))
        if not jobs:
            return 1
        if fmt is None:
            return _Killer(handle, prog, args.wait).run(jobs)
    # The ids alone need no heading.
    plain = args.format == "default" and source == PGREP["default"][1]
    fmt.print_items(jobs, no_header=args.no_header or plain)
    return 0
