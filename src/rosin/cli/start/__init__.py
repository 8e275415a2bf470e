# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin start``: start an instance on this machine and run a program in it."""

from __future__ import annotations

import _signal

from rosin.cli.start.options import arguments, parser

__all__ = ["main", "parser"]


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    default_interrupt()
    args = arguments(parser(prog), argv)
    from rosin.cli.start.settings import of_start

    settings = of_start(args)
    if args.noexec or args.test_size is not None:
        from rosin.cli.start import several

        return several.start(args, settings, prog)
    from rosin.cli.start import single

    if args.wrap:
        single.execute([*args.wrap, *settings.broker()])
    settings.warn(prog)
    return single.run(settings)


def default_interrupt() -> None:
    """Until the broker has handlers of its own, let a signal end this process at once.

    Nothing exists that would have to be removed, and the zygote goes when the other end of its socket closes.
    """
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
