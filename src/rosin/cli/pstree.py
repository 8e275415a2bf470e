# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin pstree``: the tree of an instance, its jobs, and the jobs of those that are instances."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from rosin.cli.arguments import Parser
from rosin.cli.base import connect, utf8_output, warning
from rosin.cli.jobformat import JobInfoFormat, job_format
from rosin.cli.jobs import in_threads
from rosin.cli.tree import Tree
from rosin.job.info import JobInfo
from rosin.job.jobid import JobID
from rosin.job.listing import JobList

if TYPE_CHECKING:
    from argparse import Namespace

    from rosin.handle.flux import Flux

_ID = "{id.f58:>12} "
_RESOURCES = " ".join(
    f"{{instance.resources.{which}.{kind}:>5}}"
    for kind in ("nnodes", "ncores", "ngpus")
    for which in ("all", "allocated")
)
#: What ``--details`` puts before the tree.
DETAILS = {
    "default": _ID + "{username:<8.8} {status_abbrev:>2.2} {ntasks:>6h} {nnodes:>6h} {runtime!F:>8h}",
    "resources": _ID + _RESOURCES,
    "progress": _ID
    + "{ntasks:>6h} {instance.stats.total:>6} {instance.progress!P:>5} {instance.utilization!P:>5} "
    + "{instance.gpu_utilization!P:>5} {runtime!H:>10}",
    "stats": _ID + "{instance.stats:^25} {runtime!H:>10}",
}
_EVERY = "pending,running,inactive"


def parser(prog: str) -> Parser:
    """The options of the command."""
    result = Parser(
        prog, description="Show your running jobs as a tree, with the jobs of those that are instances below."
    )
    add = result.add_argument
    add("-a", "--all", action="store_true", help="jobs in all states, and which")
    add("-c", "--count", type=int, metavar="N", help="at most N jobs of each instance (1000)")
    add("-f", "--filter", metavar="STATE|RESULT", help="jobs with these states or results")
    add("-x", "--extended", action="store_true", help="print details before the tree")
    add("-l", "--long", action="store_true", help="do not cut lines at the width of the terminal")
    add("-L", "--level", type=int, metavar="N", default=999, help="go down N levels only")
    add("-p", "--parent-ids", action="store_true", help="print the ids of jobs that are instances")
    add("-n", "--no-header", action="store_true", help="leave out the heading of details")
    add("-X", "--no-combine", action="store_true", help="do not count jobs that look alike in one line")
    add("-o", "--label", metavar="FORMAT", help="what to print of each job ({name})")
    add("--parent-label", metavar="FORMAT", help="what to print of a job that is an instance")
    add("--detail-format", metavar="FORMAT", help="what to print before the tree")
    add("-d", "--details", metavar="NAME", choices=tuple(DETAILS), help=f"details: {', '.join(DETAILS)}")
    style = result.add_mutually_exclusive_group()
    style.add_argument("-C", "--compact", action="store_true", help="short branches")
    style.add_argument("--ascii", action="store_true", help="branches of ASCII characters")
    add(
        "--skip-root",
        metavar="yes|no",
        choices=("yes", "no"),
        help="leave out this instance itself (yes with details or JOBIDs)",
    )
    add("jobids", metavar="JOBID", type=JobID, nargs="*", help="show just these jobs")
    return result


class _Here(JobID):
    """The id of an instance that is no job."""

    def __format__(self, spec: str) -> str:
        return format(".", spec)

    def __str__(self) -> str:
        return "."

    f58 = f58plain = dec = hex = dothex = words = emoji = kvs = property(lambda self: ".")


class JobLabels:
    """What is printed of a job. Raises ValueError."""

    def __init__(self, args: Namespace) -> None:
        label = args.label or ("{name}:{status_abbrev}" if args.all else "{name}")
        above = args.parent_label or args.label or "{name}"
        self.job = job_format(label)
        self.parent = job_format(f"{{id.f58}} {above}" if args.parent_ids else above)
        self.prefix: JobInfoFormat | None = None
        if args.extended or args.details or args.detail_format:
            self.prefix = job_format(args.detail_format or DETAILS[args.details or "default"])
        formats = [fmt for fmt in (self.job, self.parent, self.prefix) if fmt is not None]
        self.instances = any(field.startswith("instance.") for fmt in formats for field in fmt.fields)

    def of(self, job: JobInfo, parent: bool) -> tuple[str, str]:
        """The label of a job, and what stands before the tree."""
        label = (self.parent if parent else self.job).format(job)
        return label, self.prefix.format(job) if self.prefix is not None else ""


class JobNode:
    """A job in the tree. ``uri``: the instance that it is; ``above``: those in which it runs."""

    __slots__ = ("above", "children", "label", "prefix", "uri")

    def __init__(self, label: str, prefix: str, uri: str | None, above: tuple[str, ...]) -> None:
        self.label = label
        self.prefix = prefix
        self.uri = uri
        self.above = above
        self.children: list[JobNode] = []


class InstanceWalk:
    """Asks the instances, those of one level at the same time."""

    def __init__(self, args: Namespace, labels: JobLabels) -> None:
        self._labels = labels
        self._level = args.level
        self._user = os.getuid()
        self._count = 1000 if args.count is None else args.count
        self._filters = [_EVERY if args.all else args.filter or "running"]

    def below(self, root: JobNode, jobs: list[JobInfo]) -> None:
        """Hang the jobs, and all that is below them, to the root."""
        root.children = layer = self._nodes(root, jobs)
        for _ in range(self._level):
            layer = [node for node in layer if node.uri is not None]
            if not layer:
                return
            found = in_threads(None, self._ask, layer)
            for node, inner in zip(layer, found, strict=True):
                node.children = self._nodes(node, inner)
            layer = [child for node in layer for child in node.children]

    def _nodes(self, parent: JobNode, jobs: list[JobInfo]) -> list[JobNode]:
        if self._labels.instances:
            in_threads(None, JobInfo.get_instance_info, jobs)
        above = (*parent.above, parent.uri or "")
        nodes = []
        for job in jobs:
            # Where others' jobs claim to be, nobody is led unasked.
            mine = job.userid == self._user and job.state_single == "R"
            uri = job.uri.near if job.uri and mine else None
            label, prefix = self._labels.of(job, uri is not None)
            # A note may name an instance around the job; that would never end.
            nodes.append(JobNode(label, prefix, None if uri in above else uri, above))
        return nodes

    def _ask(self, node: JobNode) -> list[JobInfo]:
        """The jobs of an instance; none if it does not answer, or not to this user."""
        try:
            with connect(node.uri) as handle:
                return self.jobs(handle, self._filters)
        except (OSError, ValueError):
            return []

    def jobs(self, handle: Flux, filters: list[str], ids: list[JobID] | None = None) -> list[JobInfo]:
        """The jobs of an instance that are asked for. Raises OSError, ValueError."""
        query = JobList(handle, filters=filters, ids=ids or (), attrs=["all"], max_entries=self._count)
        jobs = query.jobs()
        for text in query.errors:
            sys.stderr.write(f"{text}\n")
        return jobs

    def first(self, handle: Flux, skip_root: bool, ids: list[JobID]) -> list[JobInfo]:
        """The jobs of this instance; where it is left out those that run, which may have others below."""
        JobList(handle, filters=self._filters)  # a wrong one is an error before others are asked
        return self.jobs(handle, ["running"] if skip_root else self._filters, ids)


def enclosing(handle: Flux) -> JobInfo:
    """This instance as a job: the one that it is, else made up of its attributes. Raises OSError."""
    size = int(handle.attr_get("size"))
    try:
        jobid = JobID(handle.attr_get("jobid"))
        with connect(handle.attr_get("parent-uri")) as parent:
            entry = JobList(parent, ids=[jobid], attrs=["all"]).fetch_jobs().get_jobs()[0]
    except (OSError, IndexError):
        entry = {
            "id": 0,
            "userid": int(handle.attr_get("security.owner")),
            "state": 16,
            "name": ".",
            "ntasks": size,
            "nnodes": size,
            "nodelist": handle.attr_get("hostlist"),
            "t_run": float(handle.attr_get("broker.starttime")),
            "annotations": {"user": {"uri": handle.attr_get("local-uri")}},
        }
    info = JobInfo({**entry, "ranks": f"0-{size - 1}"})  # as they are called in here
    if not info.id:
        info.id = _Here(0)
    return info


def tree(root: JobNode, combine: bool) -> Tree:
    """The tree of nodes, made from below: what looks alike is counted when it is complete."""
    order = [root]
    for node in order:
        order += node.children
    made: dict[int, Tree] = {}
    for node in reversed(order):
        grown = made[id(node)] = Tree(node.label, node.prefix, combine)
        for child in node.children:
            grown.append_tree(made[id(child)])
    return made[id(root)]


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    utf8_output()
    args = parser(prog).parse_args(argv)
    if args.count is not None and args.count < 0:
        raise ValueError(f"--count={args.count}: it takes a number of jobs >= 0, as in 100, or 0 for all")
    if args.jobids and (args.all or args.filter is not None or args.count is not None):
        warning(prog, "filtering options ignored with jobid list")
    labels = JobLabels(args)
    skip_root = bool(labels.prefix or args.jobids) if args.skip_root is None else args.skip_root == "yes"
    walk = InstanceWalk(args, labels)
    with connect() as handle:
        here: Any = None if skip_root else enclosing(handle)
        if labels.instances and here is not None:
            here.get_instance_info()
        root = JobNode(
            *(labels.of(here, True) if here is not None else (".", "")), handle.attr_get("local-uri"), ()
        )
        jobs = walk.first(handle, skip_root, args.jobids)
    walk.below(root, jobs)
    if labels.prefix is not None and not args.no_header:
        print(labels.prefix.header())
    style = "compact" if args.compact else "ascii" if args.ascii else "box"
    tree(root, not args.no_combine).render(style, skip_root=skip_root, truncate=not args.long)
    return 0
