# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin remote``: an instance elsewhere, by the REST API of its ``rosin serve``."""

from __future__ import annotations

from rosin.cli.subcommands import AdminParser, dispatch

_EPILOG = """\
ROSIN_URL is the address of the server (http://HOST:PORT, https://HOST:PORT or unix:PATH; by default port
5000 of this machine). ROSIN_TOKEN, or the file that ROSIN_TOKEN_FILE names, holds a token (rosin token
create); ROSIN_CAFILE names certificates to trust instead of the system's.
"""


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    from rosin.cli.remote import change, show, start

    result = AdminParser(
        prog,
        "Submit jobs to an instance on another machine, and look at them and control them, by HTTP.",
        epilog=_EPILOG,
    )
    start.add_commands(result)
    show.add_commands(result)
    change.add_commands(result)
    return result


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
