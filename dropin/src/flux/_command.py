# SPDX-License-Identifier: LGPL-3.0-or-later
"""The command ``flux``."""

from __future__ import annotations


def main() -> int:
    """Run Rosin's command line under flux-core's name."""
    from rosin.cli.entry import main as command

    return command(prog="flux")
