# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin cgroup``: the control group that the command runs in, in a job the job's."""

from __future__ import annotations

from rosin.cli.subcommands import AdminParser, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Show the control group of the command, which in a job is that of the job.")
    result.command("path", _path, "print its directory")
    return result


def _path(args: argparse.Namespace) -> None:
    from rosin.process.cgroup import own

    try:
        print(own().path)
    except OSError as exc:
        raise OSError(exc.errno, f"incompatible cgroup configuration: {exc.strerror}") from None


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
