# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.cli.submit."""

from __future__ import annotations

import argparse

from flux.cli import base

__all__ = ["SubmitCmd"]


class SubmitCmd(base.SubmitBulkCmd):
    """Submits a job, or copies of it, and prints their ids."""

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None) -> None:
        super().__init__(prog, usage, description)
        self.parser.add_argument("command", nargs=argparse.REMAINDER, help="the job's command")
