# SPDX-License-Identifier: LGPL-3.0-or-later
"""Whether a jobspec is one, of the version that ``--require-version`` says (1, or ``any``)."""

from __future__ import annotations

import json
from typing import Any

from flux.cli.plugin import CLIPluginRegistry
from flux.job import validate_jobspec
from flux.job.validator import ValidatorPlugin

__all__ = ["Validator"]


class Validator(ValidatorPlugin):
    """Checks the form, and by what plugins of the command line have to say."""

    def __init__(self, parser: Any) -> None:
        super().__init__(parser)
        self.require_version: int | None = 1
        parser.add_argument(
            "--require-version", metavar="V", default=1, help="version that jobspecs must have, or any"
        )

    def configure(self, args: Any) -> None:
        if args.require_version == "any":
            self.require_version = None
        elif str(args.require_version) != "1":
            raise ValueError(f"--require-version={args.require_version}: it takes 1 or any")
        self.plugins = CLIPluginRegistry("validate")

    def validate(self, args: Any) -> None:
        _, jobspec = validate_jobspec(json.dumps(args.jobspec), self.require_version)
        self.plugins.validate(jobspec)
