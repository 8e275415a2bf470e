# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin alloc``: start an instance in a job, and work in it."""

from __future__ import annotations

import os
import sys

from rosin.cli.arguments import Parser
from rosin.cli.base import connect, fail, id_text, reason, utf8_output
from rosin.cli.nested import add_nested_options, broker_options, common, finish, submit
from rosin.cli.plugins import of, parse_command
from rosin.rfc.jobspec import build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from rosin.handle.flux import Flux

#: Makes a broker stay without an initial program.
NO_PROGRAM = "-Sbroker.rc2_none=1"


def parser(prog: str) -> Parser:
    """The options of the command."""
    result = Parser(
        prog,
        usage=f"{prog} [OPTIONS...] [COMMAND [ARGS...]]",
        description="Allocate resources, start an instance there with COMMAND, or else an interactive shell, "
        "as its initial program, and attach to it.",
    )
    add_nested_options(result, with_io=False)
    result.add_argument("-v", "--verbose", action="count", default=0, help="say what goes on")
    result.add_argument("--bg", action="store_true", help="wait for the instance, print its id, and leave it")
    of(prog).declare(result)
    return result


def jobspec(prog: str, args: Namespace) -> dict[str, Any]:
    """The jobspec of the instance. Raises ValueError and OSError."""
    stays = [NO_PROGRAM] if args.bg and not args.command else []
    keywords = {**common(args), "broker_opts": broker_options(args, stays)}
    # A word that looks like an option is not to be taken for one of the broker's.
    command = ["--", *args.command] if args.command and args.command[0][:1] == "-" else args.command
    result = build.from_nest_command(command, name=args.job_name, **keywords)
    finish(result, args, prog)
    if args.bg:
        # An interactive terminal would wait for somebody who attaches to it.
        build.set_shell_option(result, "pty.capture", 1)
    elif os.isatty(0):
        build.set_shell_option(result, "pty.interactive", 1)
    return result


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    utf8_output()
    args = parse_command(parser(prog), argv)
    spec = jobspec(prog, args)
    if args.dry_run:
        from rosin import _json

        print(_json.dumps(spec).decode())
        return 0
    handle = connect()
    jobid = submit(handle, spec, args)
    if args.bg:
        return Background(handle, jobid, prog, args.verbose).run()
    if args.verbose:
        sys.stderr.write(f"jobid: {id_text(jobid)}\n")
    return follow(handle, jobid, prog)


def follow(handle: Flux, jobid: int, prog: str) -> int:
    """Attach to the job; returns its exit code."""
    from rosin.cli.job.attach import attach
    from rosin.cli.job.attach import parser as attach_parser

    program = f"{prog.partition('-')[0]}-job"
    args = attach_parser(program).parse_args([id_text(jobid)])
    return attach(handle, jobid, id_text(jobid), args, program)


class Background:
    """Waits until the instance in a job takes jobs (``--bg``)."""

    def __init__(self, handle: Flux, jobid: int, prog: str, verbose: int) -> None:
        self._handle = handle
        self._jobid = jobid
        self._label = id_text(jobid)
        self._prog = prog
        self._verbose = verbose
        self._submitted = 0.0

    def run(self) -> int:
        """Print the job's id when its instance is up; returns the exit code. Ctrl-C cancels the job."""
        try:
            self._log(0.0, "waiting for resources")
            uri = self._uri()
            if uri is None:  # the job has ended: let it say why, where messages go
                os.dup2(2, 1)
                code = follow(self._handle, self._jobid, self._prog)
                fail(self._prog, f"{self._label}: unexpectedly exited", code or 1)
            self._await_start(uri)
        except KeyboardInterrupt:
            from rosin.job.control import cancel_async

            sys.stderr.write(f"{self._label}: Interrupt: canceling job\n")
            cancel_async(self._handle, self._jobid).get()
            return 1
        print(self._label)
        return 0

    def _uri(self) -> str | None:
        """Where the instance is, None if the job ends before it tells. Raises OSError."""
        from rosin.job.events import event_watch

        for event in event_watch(self._handle, self._jobid):
            self._submitted = self._submitted or event.timestamp
            if event.name == "alloc":
                self._log(event.timestamp - self._submitted, "resources allocated")
            if event.name == "memo" and isinstance(event.context.get("uri"), str):
                self._log(event.timestamp - self._submitted, "waiting for instance")
                return str(event.context["uri"])
        return None

    def _await_start(self, uri: str) -> None:
        from rosin.job.uri import JobURI

        try:
            with connect(JobURI(uri).near) as inside:
                inside.rpc("state-machine.wait").get()
        except (OSError, ValueError) as exc:
            fail(self._prog, f"{self._label}: instance startup failed: {reason(exc)}")
        import time

        self._log(time.time() - self._submitted, "ready")

    def _log(self, seconds: float, text: str) -> None:
        if self._verbose:
            sys.stderr.write(f"{self._label}: {seconds:6.3f}s: {text}\n")
            sys.stderr.flush()
