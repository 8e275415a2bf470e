# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.cli.run."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from flux._elsewhere import elsewhere
from flux.cli import base
from flux.cli._attach import attach
from rosin.cli.submission import is_idset

__all__ = ["RunCmd"]

__getattr__ = elsewhere(__name__)


class RunCmd(base.SubmitBaseCmd):
    """Submits a job and follows it."""

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None) -> None:
        super().__init__(prog, usage, description)
        self.parser.add_argument("--wait-event", metavar="NAME", help="follow the job to this event")
        self.parser.add_argument("command", nargs=argparse.REMAINDER, help="the job's command")

    def main(self, args: Any) -> None:
        jobid = self.submit(args)
        if args.verbose > 0:
            sys.stderr.write(f"jobid: {jobid}\n")
        words = {
            "--label-io": args.label_io,
            "--show-events": args.verbose > 1,
            "--show-exec": args.verbose > 2,
            f"--wait-event={args.wait_event}": args.wait_event,
            "--unbuffered": args.unbuffered,
            f"--stdin-ranks={args.input}": args.input and is_idset(args.input),
        }
        attach(jobid.f58, *(word for word, wanted in words.items() if wanted))
