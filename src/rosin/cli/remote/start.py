# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin remote submit``, ``run``, ``batch`` and ``attach``."""

from __future__ import annotations

import sys

from rosin.cli.arguments import REMAINDER
from rosin.cli.remote.follow import follow
from rosin.cli.remote.server import add_url, connected, is_terminal, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from rosin.cli.subcommands import AdminParser
    from rosin.client.blocking import Client

_NUMBERS = ("ntasks", "nnodes", "cores_per_task", "gpus_per_task")
_TEXTS = ("queue", "bank", "name", "requires", "cwd", "stdout_path", "stderr_path")


def add_commands(parser: AdminParser) -> None:
    """Add these subcommands."""
    one = _job_options(parser.command("submit", _submit, "submit a job and print its id"))
    one.flag("--dry-run", text="only say what is wrong with it, and print the same command for a shell there")
    one.flag("--wait", text="wait for its end, and exit as it does")
    one.add_argument("command", metavar="COMMAND", nargs=REMAINDER, help="the command and its arguments")
    one = _job_options(parser.command("run", _run, "run a job: its output here, its input from here"))
    one.flag("--pty", text="give it a terminal, and sit at it here (detach with Control-Backslash)")
    one.add_argument("command", metavar="COMMAND", nargs=REMAINDER, help="the command and its arguments")
    one = _job_options(parser.command("batch", _batch, "submit a script of here, whose directives count"))
    one.add_argument("script", metavar="SCRIPT", help="its file")
    one.add_argument("args", metavar="ARG", nargs="*", help="the script's arguments")
    one = add_url(parser.command("attach", _attach, "show a job's output or terminal, and exit as it does"))
    one.flag("-i", "--input", text="give the job what is read here")
    one.add_argument("id", metavar="JOBID", help="the job")


def _job_options(one: AdminParser) -> AdminParser:
    add = add_url(one).add_argument
    add("-n", "--ntasks", metavar="N", type=int, help="number of tasks")
    add("-N", "--nodes", metavar="N", dest="nnodes", type=int, help="number of nodes")
    add("-c", "--cores-per-task", metavar="N", type=int, help="cores of each task")
    add("-g", "--gpus-per-task", metavar="N", type=int, help="GPUs of each task")
    one.flag("-x", "--exclusive", text="whole nodes")
    add("-t", "--time-limit", metavar="MIN|FSD", help="minutes, or a duration such as 90s or 1.5h")
    add("-q", "--queue", metavar="NAME", help="the queue")
    add("-B", "--bank", metavar="BANK", help="charge the job to this bank")
    add("--job-name", dest="name", metavar="NAME", help="name of the job")
    add("--urgency", metavar="N", type=int, help="0 (hold) to 31")
    add("--dependency", metavar="URI", action="append", default=[], help="wait for what an RFC 26 URI says")
    add("--requires", metavar="CONSTRAINT", help="ask for resources with these properties")
    add("--env", metavar="NAME=VALUE", action="append", default=[], help="set a variable")
    add("--cwd", metavar="DIRECTORY", help="working directory there (default: the home directory)")
    add("-o", "--setopt", metavar="OPT[=VAL]", action="append", default=[], help="set a job shell option")
    add("--output", dest="stdout_path", metavar="FILE", help="write standard output to a file there")
    add(
        "--sign",
        metavar="MECHANISM",
        choices=("none", "munge", "curve"),
        help="sign it here, as guests have to",
    )
    add("--error", dest="stderr_path", metavar="FILE", help="write standard error to a file there")
    return one


def _request(args: Namespace) -> dict[str, Any]:
    """The job request of options. Raises ValueError."""
    from rosin.cli.submission import keyval, time_limit

    given = {name: getattr(args, name) for name in (*_NUMBERS, *_TEXTS, "urgency")}
    asked = {name: value for name, value in given.items() if value is not None}
    if args.exclusive:
        asked["exclusive"] = True
    if args.time_limit is not None:
        asked["duration"] = time_limit(args.time_limit)
    if args.dependency:
        asked["dependencies"] = args.dependency
    environment = {}
    for text in args.env:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"--env={text}: it takes NAME=VALUE, as in --env=OMP_NUM_THREADS=4")
        environment[name] = value
    if environment:
        asked["environment"] = environment
    if args.setopt:
        asked["options"] = dict(keyval("--setopt", text) for text in args.setopt)
    return asked


def _command(args: Namespace) -> list[str]:
    words: list[str] = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not words:
        raise ValueError("job command and arguments are missing")
    return words


def _submit(args: Namespace) -> int:
    request = {**_request(args), "command": _command(args)}
    with connected(args) as client:
        request = _signed(args, client, request)
        if args.dry_run:
            found = client.check(**request)
            for fault in found["errors"]:
                sys.stderr.write(f"rosin-remote: {fault['field'] or 'job'}: {fault['detail']}\n")
            print(found["command_line"])
            return 0 if found["ok"] else 1
        jobid = client.submit(**request)["id"]
        print(jobid, flush=True)
        return status_of(client.wait(jobid)) if args.wait else 0


def _batch(args: Namespace) -> int:
    try:
        with open(args.script, encoding="utf-8") as stream:
            script = stream.read()
    except UnicodeDecodeError:
        raise ValueError(f"{args.script} holds no text") from None
    request = {**_request(args), "script": script, "args": args.args}
    request.setdefault("name", args.script.rpartition("/")[2])
    with connected(args) as client:
        print(client.submit(**_signed(args, client, request))["id"])
    return 0


def _signed(args: Namespace, client: Client, request: dict[str, Any]) -> dict[str, Any]:
    """The same job, signed here by who submits it (RFC 39). Raises ValueError for one that is wrong."""
    if args.sign is None or getattr(args, "dry_run", False):
        return request
    from rosin import _json
    from rosin.security.signer import Signer

    found = client.check(**request)
    for fault in found["errors"]:
        raise ValueError(f"{fault['field'] or 'job'}: {fault['detail']}")
    whole: dict[str, Any] = {"signed": Signer().wrap(_json.dumps(found["jobspec"]), args.sign)}
    return {**whole, "urgency": request["urgency"]} if "urgency" in request else whole


def _run(args: Namespace) -> int:
    request = {**_request(args), "command": _command(args), "pty": args.pty}
    with connected(args) as client:
        jobid = client.submit(**_signed(args, client, request))["id"]
        return follow(args, client, jobid, not is_terminal() and sys.stdin is not None)


def _attach(args: Namespace) -> int:
    with connected(args) as client:
        return follow(args, client, client.job(args.id)["id"], args.input)
