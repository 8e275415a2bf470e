# SPDX-License-Identifier: LGPL-3.0-or-later
"""How far a command has come with the keys of a store: on standard error, and for systemd."""

from __future__ import annotations

import sys

from rosin.constants import FLUX_RPC_NORESPONSE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from rosin.handle.flux import Flux

#: Up to so many keys each one is shown, then every hundredth.
_FEW, _EVERY = 10, 100


class KeyCount:
    """Counts keys. ``text(count)`` says what has become of them; ``done`` is what systemd is told."""

    def __init__(self, h: Flux, args: argparse.Namespace, text: Callable[[int], str], done: str) -> None:
        """``args``: with prog, quiet, verbose and sd_notify."""
        self._h = h
        self._prog = args.prog
        self._shown = not args.quiet and not args.verbose
        self._verbose = args.verbose
        self._notifies = args.sd_notify
        self._text = text
        self._done = done
        self.count = 0

    def add(self, path: str) -> None:
        """One more key."""
        self.count += 1
        if self._verbose:
            print(path, file=sys.stderr)
        if self.count < _FEW or self.count % _EVERY == 0:
            self._show("")
            self._notify()

    def end(self) -> None:
        """These were all."""
        self._show("\n")
        self._notify()

    def line(self, text: str) -> None:
        """Print something else."""
        print(f"\r{text}" if self._shown else text, file=sys.stderr)

    def _show(self, end: str) -> None:
        if self._shown:
            print(f"\r{self._prog}: {self._text(self.count)}", end=end, file=sys.stderr, flush=True)

    def _notify(self) -> None:
        if self._notifies:
            status = f"{self._prog}(1) has {self._done} {self.count} keys"
            self._h.rpc("state-machine.sd-notify", {"status": status}, flags=FLUX_RPC_NORESPONSE)


def add_options(parser: object, doing: str, default: int, requests: str) -> None:
    """Add ``-v``, ``-q``, ``--no-cache``, ``--maxreqs`` and ``--sd-notify`` to an AdminParser."""
    from rosin.cli.subcommands import AdminParser

    assert isinstance(parser, AdminParser)
    parser.flag("-v", "--verbose", text=f"list keys on standard error as they are {doing}")
    parser.flag("-q", "--quiet", text="do not show how many keys there are so far")
    parser.flag("--no-cache", text="ask the backing store of rank 0")
    parser.add_argument(
        "--maxreqs",
        metavar="N",
        type=requests_argument,
        default=default,
        help=f"{requests} at a time (default {default})",
    )
    parser.flag("--sd-notify", text="tell systemd how many keys there are so far, by way of the broker")


def requests_argument(text: str) -> int:
    """The argument of ``--maxreqs``."""
    import argparse

    if not (text.isascii() and text.isdecimal() and 0 < len(text) <= 6) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"invalid value '{text}': expected a number from 1 on, such as 16")
    return int(text)
