# SPDX-License-Identifier: LGPL-3.0-or-later
"""The server that ``rosin remote`` talks to."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from typing import Any

    from rosin.cli.subcommands import AdminParser
    from rosin.client.blocking import Client


def add_url(parser: AdminParser) -> AdminParser:
    """Add ``--url``."""
    parser.add_argument(
        "--url", metavar="URL", help="the server (default: ROSIN_URL, or http://127.0.0.1:5000)"
    )
    return parser


@contextmanager
def connected(args: Namespace) -> Iterator[Client]:
    """The server. What it refuses is an OSError that names each wrong member of the request.

    Raises ValueError and OSError for an address or a file of a token that is none.
    """
    from rosin.client.blocking import Client
    from rosin.client.errors import ApiError

    try:
        with Client(args.url) as client:
            yield client
    except ApiError as exc:
        lines = [f"{fault.get('field') or 'request'}: {fault.get('detail')}" for fault in exc.errors]
        raise OSError(None, "; ".join(lines) or exc.detail) from exc


def status_of(job: Any) -> int:
    """The exit code for a job's end, as a shell counts it."""
    code = job.get("returncode")
    if code is None:
        return 1
    return 128 - code if -128 < code < 0 else 1 if code < 0 else min(code, 255)


def write_out(data: bytes, stream: str = "stdout") -> None:
    """Write bytes of a job's output where they belong."""
    out = sys.stderr.buffer if stream == "stderr" else sys.stdout.buffer
    out.write(data)
    out.flush()


def is_terminal() -> bool:
    """Whether standard input is a person's."""
    return sys.stdin is not None and os.isatty(0)
