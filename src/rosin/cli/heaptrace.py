# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin heaptrace``: profile the memory of a broker of flux-core, built for that."""

from __future__ import annotations

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, about, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_EPILOG = (
    "Brokers of flux-core answer if they were built with google-perftools. Rosin's have no such profiler."
)


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Profile the memory of a broker of flux-core.", epilog=_EPILOG)
    sub = result.command("start", _start, "begin, with files of this name")
    sub.add_argument("filename", metavar="FILENAME", help="how the files begin")
    result.command("stop", _stop, "end")
    sub = result.command("dump", _dump, "write a file now")
    sub.add_argument("reason", metavar="REASON", help="what the file is to say of it")
    return result


def _ask(method: str, payload: dict[str, str] | None) -> None:
    topic = f"heaptrace.{method}"
    with connect() as h, about(topic):
        h.rpc(topic, payload).get()


def _start(args: argparse.Namespace) -> None:
    _ask("start", {"filename": args.filename})


def _stop(args: argparse.Namespace) -> None:
    _ask("stop", None)


def _dump(args: argparse.Namespace) -> None:
    _ask("dump", {"reason": args.reason})


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
