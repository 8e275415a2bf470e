# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin relay``: a broker's socket on standard input and output, for the ssh connector of another host."""

from __future__ import annotations

import os
import select
from _socket import AF_UNIX, SHUT_WR, SOCK_STREAM, socket

from rosin.cli.subcommands import AdminParser, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_CHUNK = 1 << 18


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Connect standard input and output with a broker's socket, for ssh:// URIs.")
    result.add_argument("path", metavar="PATH", help="the socket")
    result.set_defaults(run=_relay)
    return result


def _relay(args: argparse.Namespace) -> None:
    from rosin.process.directory import socket_path

    sock = socket(AF_UNIX, SOCK_STREAM)
    try:
        with socket_path(args.path) as name:
            sock.connect(name)
    except OSError as exc:
        sock.close()
        raise OSError(exc.errno, f"{args.path}: {exc.strerror or exc}") from None
    copy(sock)
    sock.close()


def copy(sock: socket) -> None:
    """Copy both ways until the socket ends; the end of standard input is passed on."""
    fd = sock.fileno()
    readers = {0: fd, fd: 1}
    while fd in readers:
        for source in select.select(list(readers), [], [])[0]:
            data = os.read(source, _CHUNK)
            if data:
                _write(readers[source], data)
                continue
            del readers[source]
            if source != fd:
                sock.shutdown(SHUT_WR)


def _write(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
