# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin remote jobs`` and what else only looks at an instance."""

from __future__ import annotations

import sys

from rosin import _json
from rosin.cli.base import utf8_output
from rosin.cli.remote.server import add_url, connected, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Sequence
    from typing import Any

    from rosin.cli.subcommands import AdminParser

_COLUMNS = ("JOBID", "USER", "NAME", "ST", "NTASKS", "NNODES", "TIME", "INFO")


def add_commands(parser: AdminParser) -> None:
    """Add these subcommands."""
    one = add_url(parser.command("jobs", _jobs, "list jobs, newest first"))
    one.add_argument("-f", "--filter", metavar="STATE,...", help="states or results (default: active jobs)")
    one.flag("-a", "--all", text="also jobs that are over")
    one.add_argument("-q", "--query", metavar="QUERY", help="RFC 35: 'user:ann (ntasks:>4 or name:sim-*)'")
    one.add_argument(
        "-c", "--count", metavar="N", type=int, default=1000, help="so many jobs (default: 1000)"
    )
    one.add_argument("--sort", metavar="FIELD", help="order by a member of jobs, '-' for the other way round")
    _json_option(one)
    one = _of_job(parser, "info", _info, "print all about a job as JSON")
    one = _of_job(parser, "why", _why, "say what a job waits for")
    one = _of_job(parser, "output", _output, "print what a job has written until now")
    one.add_argument("-s", "--stream", metavar="STREAM", choices=("stdout", "stderr"), help="only this one")
    one.add_argument("-r", "--rank", metavar="IDSET", help="only of these tasks")
    one = _of_job(parser, "wait", _wait, "wait for a job's end, and exit as it does")
    one = add_url(parser.command("events", _events, "print what happens, a line of JSON each"))
    one.add_argument("--topics", metavar="TOPIC,...", help="of jobs, resources, queues, counts")
    one = add_url(parser.command("resources", _resources, "list nodes and what runs on them"))
    _json_option(one)
    one = add_url(parser.command("queues", _queues, "list queues"))
    _json_option(one)
    add_url(parser.command("status", _status, "say whose instance it is and what goes on"))


def _of_job(parser: AdminParser, name: str, run: Any, text: str) -> AdminParser:
    one = add_url(parser.command(name, run, text))
    one.add_argument("id", metavar="JOBID", help="the job")
    return one


def _json_option(one: AdminParser) -> None:
    one.flag("--json", text="print JSON")


def _print_json(obj: Any) -> None:
    print(_json.dumps(obj).decode())


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    utf8_output()
    lines = [titles, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(titles))]
    for line in lines:
        cells = [plain(text).ljust(width) for text, width in zip(line, widths, strict=True)]
        print("  ".join(cells).rstrip())


def plain(text: str) -> str:
    """Text without what a terminal would take for a command."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _jobs(args: Namespace) -> int:
    state = args.filter or ("" if args.all else "active")
    wanted = {"state": state, "q": args.query, "sort": args.sort, "limit": min(args.count, 1000)}
    with connected(args) as client:
        jobs: list[Any] = []
        for job in client.each_job(**wanted):
            if len(jobs) == args.count:
                break
            jobs.append(job)
    if args.json:
        _print_json({"jobs": jobs})
    else:
        _table(_COLUMNS, map(_row, jobs))
    return 0


def _row(job: Any) -> list[str]:
    info = job["nodelist"] or job["queue"] or ""
    if job["state"] == "INACTIVE" and job["exception"]:
        info = job["exception"]["type"] or ""
    values = (job["id"], job["user"], job["name"] or "", job["status"], job["ntasks"], job["nnodes"])
    from rosin.rfc import fsd

    time = "" if job["runtime"] is None else fsd.encode(job["runtime"])
    return [*("" if value is None else str(value) for value in values), time, info]


def _info(args: Namespace) -> int:
    with connected(args) as client:
        _print_json(client.job(args.id))
    return 0


def _why(args: Namespace) -> int:
    with connected(args) as client:
        found = client.why(args.id)
    for sentence in found["sentences"]:
        print(plain(sentence))
    return 0


def _output(args: Namespace) -> int:
    with connected(args) as client:
        for data in client.output(args.id, stream=args.stream, rank=args.rank):
            sys.stdout.buffer.write(data)
    sys.stdout.flush()
    return 0


def _wait(args: Namespace) -> int:
    with connected(args) as client:
        return status_of(client.wait(args.id))


def _events(args: Namespace) -> int:
    with connected(args) as client:
        for record in client.events(topics=args.topics):
            print(_json.dumps(record).decode(), flush=True)
    return 0


def _resources(args: Namespace) -> int:
    with connected(args) as client:
        found = client.resources()
    if args.json:
        _print_json(found)
        return 0
    rows = [
        [
            str(node["rank"]),
            node["host"],
            node["state"],
            f"{node['cores_used']}/{node['ncores']}",
            f"{node['gpus_used']}/{node['ngpus']}",
            ",".join(node["properties"]),
            ",".join(job["id"] for job in node["jobs"]) or (node["drain"] or {}).get("reason", ""),
        ]
        for node in found["nodes"]
    ]
    _table(("RANK", "HOST", "STATE", "CORES", "GPUS", "PROPERTIES", "JOBS"), rows)
    return 0


def _queues(args: Namespace) -> int:
    with connected(args) as client:
        found = client.queues()
    if args.json:
        _print_json(found)
        return 0
    rows = [
        [
            queue["name"] or "-",
            "open" if queue["enabled"] else "closed",
            "started" if queue["started"] else "stopped",
            queue["disable_reason"] or queue["stop_reason"] or "",
        ]
        for queue in found
    ]
    _table(("QUEUE", "SUBMIT", "SCHED", "REASON"), rows)
    return 0


def _status(args: Namespace) -> int:
    with connected(args) as client:
        about, goes_on = client.instance(), client.overview(limit=0)
    counts, there = goes_on["counts"], goes_on["resources"]
    pending = counts["depend"] + counts["priority"] + counts["sched"]
    brokers = "1 broker" if about["size"] == 1 else f"{about['size']} brokers"
    print(f"{plain(about['owner']['name'])}'s instance, {brokers}, version {about['version']}")
    print(f"jobs: {pending} wait, {counts['run'] + counts['cleanup']} run, {counts['inactive']} are over")
    for unit in ("nodes", "cores", "gpus"):
        print(f"{unit}: {there['allocated'][unit]} of {there['up'][unit]} in use, {there['down'][unit]} down")
    return 0
