# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin exec``: run a command on brokers, or on the nodes of a job (RFC 42)."""

from __future__ import annotations

import os
import sys

from rosin.cli.base import connect, die
from rosin.cli.subcommands import AdminParser, guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from rosin.handle.flux import Flux
    from rosin.rfc.idset import Idset


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(
        prog,
        "Run a command on brokers, forward input and signals to it, and exit with the largest exit code.",
        usage=f"{prog.replace('-', ' ', 1)} [OPTIONS...] COMMAND [ARGS...]",
    )
    add = result.add_argument
    add("-r", "--rank", metavar="IDSET", default="all", help="brokers to run it on (default: all)")
    add("-x", "--exclude", metavar="IDSET", help="brokers not to run it on")
    result.flag("--bg", text="run it in the background: print its process ids and exit")
    result.flag("--waitable", text="with --bg, keep its exit status until somebody asks for it")
    result.flag("--attach", text="follow a background process; COMMAND is its process id or label")
    add("--label", metavar="LABEL", help="name that the process can be called by")
    add("-d", "--dir", metavar="PATH", help="working directory (default: this one; 'none': the broker's)")
    result.flag("-l", "--label-io", text="begin each line of output with the rank it comes from")
    result.flag("-n", "--noinput", text="give it no standard input")
    add("-v", "--verbose", action="count", default=0, help="say what is being done")
    result.flag("-q", "--quiet", text="do not report exit codes")
    add("--service", metavar="NAME", help="service that runs it (default: rexec)")
    add("--setopt", metavar="NAME=VALUE", action="append", default=[], help="option for that service")
    add("--stdin-flow", metavar="on|off", choices=("on", "off"), help="flow control of standard input")
    result.flag("--with-imp", text="run it as 'flux-imp run COMMAND'")
    add("-j", "--jobid", metavar="JOBID", help="run it beside the tasks of a running job, in its environment")
    result.set_defaults(run=_exec)
    return result


def _check(args: argparse.Namespace) -> None:
    if args.label == "":
        raise ValueError("failed to set label: Invalid argument: --label: a name must not be empty")
    if args.attach:
        if len(args.command) != 1:
            raise ValueError("--attach requires a pid or label argument")
        if args.bg or args.waitable:
            raise ValueError("--attach cannot be used with --bg or --waitable")
    elif not args.command:
        raise ValueError("no command given")
    if args.waitable and not args.bg:
        raise ValueError("--waitable can only be used with --bg")


def make_command(args: argparse.Namespace, owner: str) -> dict[str, Any]:
    """The RFC 42 command object that the options ask for. Raises ValueError."""
    from rosin.remote import protocol

    env = {name: value for name, value in os.environ.items() if name != "FLUX_PROXY_REMOTE"}
    # For systemctl --user, on an instance that systemd has started.
    env.setdefault("DBUS_SESSION_BUS_ADDRESS", f"unix:path=/run/user/{owner}/bus")
    # Labels are put on here, so that output need not come line by line, as flux-core's command wants it.
    opts = {} if args.bg else {protocol.CHUNKS_OPTION: "1"}
    for pair in args.setopt:
        name, sep, value = pair.partition("=")
        if not sep:
            raise ValueError(f"--setopt: '{pair}' is not NAME=VALUE")
        opts[name] = value
    cwd = None if args.dir == "none" else args.dir or os.getcwd()
    return protocol.command(args.command, env, opts, cwd, args.label or None)


def choose_ranks(candidates: Idset, rank: str, exclude: str | None, relative: bool) -> Idset:
    """The ranks to run on. ``relative``: the idsets count positions among the candidates. ValueError."""
    from rosin.errors import FormatError
    from rosin.rfc.idset import Idset

    def decode(text: str) -> Idset:
        try:
            ids = Idset(text)
        except FormatError as exc:
            raise ValueError(f"failed to decode idset '{text}': Invalid argument: {exc}") from None
        return ids

    def members(ids: Idset) -> Idset:
        listed = list(candidates)
        return Idset(listed[at] for at in ids if at < len(listed)) if relative else ids

    ranks = candidates
    if rank != "all":
        chosen = decode(rank)
        if chosen - (Idset.from_range(0, len(candidates) - 1) if relative else candidates):
            raise ValueError(f"One or more invalid --ranks specified: {rank}")
        ranks = members(chosen)
    if exclude is not None:
        ranks = ranks - members(decode(exclude))
    if not ranks:
        raise ValueError("No targets specified")
    return ranks


def _exec(args: argparse.Namespace) -> int:
    from rosin.rfc.idset import Idset

    _check(args)
    with connect() as h:
        owner = h.attr_get("security.owner")
        service, candidates = "rexec", Idset.from_range(0, int(h.attr_get("size")) - 1)
        jobid = None
        if args.jobid is not None:
            from rosin.cli.exec.job import job_service

            service, candidates, jobid = job_service(h, args.jobid)
        ranks = choose_ranks(candidates, args.rank, args.exclude, jobid is not None)
        service = service if args.service is None else args.service
        if args.with_imp:
            args.command[:0] = [_imp(h), "run"]
        command = {} if args.attach else make_command(args, owner)
        if args.bg:
            return _background(h, args, service, ranks, command)
        from rosin.cli.exec.run import Runner

        return Runner(h, args, service, ranks, command, jobid).run()


def _imp(h: Flux) -> str:
    path = h.rpc("config.get").get().get("exec", {}).get("imp")
    if not path:
        raise ValueError("--with-imp: exec.imp path not found in config")
    return str(path)


def _background(
    h: Flux, args: argparse.Namespace, service: str, ranks: Idset, command: dict[str, Any]
) -> int:
    from rosin.cli.exec.run import exit_code_of_error
    from rosin.constants import SUBPROCESS_REXEC_WAITABLE
    from rosin.remote import protocol

    request = protocol.exec_request(command, SUBPROCESS_REXEC_WAITABLE if args.waitable else 0)
    code = 0
    for rank, rpc in [(rank, h.rpc(f"{service}.exec", request, rank)) for rank in ranks]:
        try:
            pid = rpc.get()["pid"]
        except OSError as exc:
            text = f"Error: rank {rank}: {args.command[0]}: {exc.strerror}"
            sys.stderr.write(f"{args.prog}: {text}\n")
            code = max(code, exit_code_of_error(exc) if len(ranks) == 1 else 1)
            continue
        print(f"{rank}: {pid}", flush=True)
    return 1 if code else 0


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = parser(prog)
    args = options.parse_command(argv)
    if not args.command and not args.attach:
        options.print_usage(sys.stderr)
        die(prog, "no command given", 2)
    return guarded(args, prog)
