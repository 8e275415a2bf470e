# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job taskmap``: where the tasks of a job run (RFC 34)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rosin import _json
from rosin.cli.base import connect, die
from rosin.cli.subcommands import AdminParser
from rosin.rfc.taskmap import TaskMap

if TYPE_CHECKING:
    from argparse import Namespace

    from rosin.rfc.hostlist import Hostlist


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(f"{prog} taskmap", "Print the task map of a job, or convert a map.")
    add = result.add_argument
    add("--taskids", metavar="NODEID", type=int, help="the tasks on a node")
    add("--ntasks", metavar="NODEID", type=int, help="the number of tasks on a node")
    add("--nodeid", metavar="TASKID", type=int, help="the node of a task")
    add("--hostname", metavar="TASKID", type=int, help="the name of a task's host")
    add("--to", metavar="FORMAT", help="raw, pmi, hosts or multiline")
    add("source", metavar="JOBID|TASKMAP")
    return result


def job_taskmap(jobid: int, prog: str) -> TaskMap:
    """The map of a job, waited for until it has started."""
    from rosin.job.events import event_watch_async

    with connect() as handle:
        try:
            events = event_watch_async(handle, jobid, "guest.exec.eventlog")
            start = next((event for event in events if event.name == "shell.start"), None)
        except OSError as exc:
            missing = exc.errno == errno.ENOENT
            reason = "no such job" if missing else exc.strerror
            what = "Unable to get job taskmap" if missing else "waiting for shell.start event"
            die(prog, f"{what}: {reason}")
    if start is None:
        die(prog, "No taskmap found for job")
    return TaskMap.decode(start.context["taskmap"])


def _hosts(jobid: int | None, prog: str, option: str) -> Hostlist:
    if jobid is None:
        die(prog, f"taskmap: can't use {option} without a jobid")
    from rosin.rfc.hostlist import Hostlist

    with connect() as handle:
        text = handle.rpc("job-info.lookup", {"id": jobid, "keys": ["R"], "flags": 0}).get()["R"]
    return Hostlist(",".join(_json.loads(text)["execution"]["nodelist"]))


def _one(taskmap: TaskMap, jobid: int | None, args: Namespace, prog: str) -> str:
    """The answer to a question about one node or task."""
    if args.taskids is not None:
        taskids = taskmap.taskids(args.taskids)
        if not taskids:
            die(prog, f"No taskids for node {args.taskids}: No such file or directory")
        return taskids.encode()
    if args.ntasks is not None:
        ntasks = taskmap.ntasks(args.ntasks)
        if not ntasks:
            die(prog, f"failed to get task count for node {args.ntasks}: No such file or directory")
        return str(ntasks)
    task = args.nodeid if args.nodeid is not None else args.hostname
    node = taskmap.nodeid(task)
    if node is None:
        die(prog, f"failed to get nodeid for task {task}: No such file or directory")
    return str(node) if args.nodeid is not None else _hosts(jobid, prog, "--hostname")[node]


def _converted(taskmap: TaskMap, jobid: int | None, form: str, prog: str) -> str:
    if form not in ("raw", "pmi", "multiline", "hosts"):
        die(prog, f"invalid value --to={form}")
    if form == "raw":
        return taskmap.encode_raw()
    if form == "pmi":
        return taskmap.encode_pmi()
    if form == "multiline":
        return "\n".join(
            f"{task}: {node}" for node, low, high in taskmap.runs() for task in range(low, high + 1)
        )
    hosts = _hosts(jobid, prog, "--to=hosts")
    return "\n".join(f"{hosts[node]}: {ids}" for node, ids in taskmap.by_node().items())


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    from rosin.rfc.fluid import parse

    args = parser(prog).parse_args(argv)
    jobid: int | None = None
    try:
        jobid = parse(args.source)
    except ValueError:
        try:
            taskmap = TaskMap.decode(args.source)
        except ValueError as exc:
            die(prog, f"error decoding {exc}")
    else:
        taskmap = job_taskmap(jobid, prog)
    if (args.taskids, args.ntasks, args.nodeid, args.hostname) != (None,) * 4:
        print(_one(taskmap, jobid, args, prog))
    elif args.to is not None:
        text = _converted(taskmap, jobid, args.to, prog)
        if text or args.to in ("raw", "pmi"):
            print(text)
    else:
        print(_json.dumps(taskmap.encode()).decode())
    return 0
