# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin broker``: run one broker of an instance."""

from __future__ import annotations

from rosin.cli.start import default_interrupt
from rosin.cli.start.options import broker_parser as parser

__all__ = ["main", "parser"]


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    default_interrupt()
    args = parser(prog).parse_args(argv)
    from rosin.cli.start.settings import of_broker

    settings = of_broker(args)
    settings.warn(prog)
    from rosin.cli.start.single import run

    return run(settings)
