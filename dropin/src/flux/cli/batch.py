# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.cli.batch."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from flux.cli import base
from flux.job._utils import list_split
from flux.job.directives import DirectiveParser
from flux.job.Jobspec import JobspecV1
from rosin.cli.base import error
from rosin.cli.batch import OUTPUT
from rosin.cli.submission import working_directory

__all__ = ["BatchCmd"]


class BatchCmd(base.BatchAllocCmd):
    """Submits a script that runs in an instance of its own."""

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None) -> None:
        super().__init__(prog, usage, description)
        self.script = ""
        self.argv: list[str] = []
        self.parser.add_argument("--wrap", action="store_true", help="make a shell script of words or input")
        self.parser.add_argument("SCRIPT", nargs=argparse.REMAINDER, help="the script and its arguments")

    def parse_directive_args(self, name: str, batchscript: Any) -> tuple[str, Any]:
        """The script, and the options of its directives, then those of the command line."""
        args = None
        for item in batchscript.directives:
            if item.action != "SETARGS":
                continue
            try:
                args = self.parser.parse_args(item.args, namespace=args)
            except SystemExit:
                error(self.prog.replace(" ", "-"), f"argument parsing failed at {name} line {item.lineno}")
                raise
        return batchscript.script, self.parser.parse_args(self.argv, namespace=args)

    def process_script(self, args: Any) -> tuple[str, Any]:
        """The text of the script and the arguments. Raises ValueError, OSError."""
        if args.SCRIPT and args.SCRIPT[0] == "--":
            args.SCRIPT.pop(0)
        if args.SCRIPT and args.wrap:
            return " ".join(args.SCRIPT) + "\n", args
        name = args.SCRIPT[0] if args.SCRIPT else "stdin"
        with open(args.SCRIPT[0] if args.SCRIPT else 0, encoding="utf-8") as stream:
            try:
                batchscript = DirectiveParser(stream)
            except UnicodeError:
                text = f"{name} does not appear to be a script, or failed to encode as utf-8"
                raise ValueError(text) from None
            except ValueError as exc:
                raise ValueError(f"{name}: {exc}") from None
        return self.parse_directive_args(name, batchscript)

    def init_jobspec(self, args: Any) -> Any:
        self.init_common(args)
        if args.wrap:
            self.script = f"#!/bin/sh\n{self.script}"
        if args.job_name is None:
            args.job_name = args.SCRIPT[0] if args.SCRIPT else "batch"
        jobspec = JobspecV1.from_batch_command(
            self.script,
            args.job_name,
            args.SCRIPT[1:],
            args.nslots,
            args.cores_per_slot,
            args.gpus_per_slot,
            args.nodes,
            list_split(args.broker_opts),
            args.exclusive,
            args.conf.config if args.conf else None,
            duration=args.time_limit,
            cwd=working_directory() if args.cwd is None else args.cwd,
            output=OUTPUT if args.output is None else args.output,
            **{name: getattr(args, name) for name in ("input", "error", "label_io", "unbuffered")},
            **{name: getattr(args, name) for name in ("queue", "bank")},
        )
        self.update_jobspec_common(args, jobspec)
        return jobspec

    def main(self, args: Any) -> None:
        self.argv = sys.argv[2:] if sys.argv[1:2] == ["batch"] else sys.argv[1:]
        self.script, args = self.process_script(args)
        jobid = self.submit(args)
        if not args.quiet:
            print(jobid)
