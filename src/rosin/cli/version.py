# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin version``: the versions of the command and of the broker it talks to."""

from __future__ import annotations

import os

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Print the versions of the command and of the broker.")
    result.set_defaults(run=_version)
    return result


def _version(args: argparse.Namespace) -> None:
    import rosin
    from rosin.constants import FLUX_CORE_VERSION

    # As flux, it says which flux-core it stands in for.
    own = FLUX_CORE_VERSION if args.prog.startswith("flux") else rosin.__version__
    print(f"commands:    \t\t{own}")
    print(f"libflux-core:\t\t{FLUX_CORE_VERSION}")
    uri = os.environ.get("FLUX_URI")
    if not uri:
        return
    with connect() as h:
        print(f"broker:  \t\t{h.attr_get('version')}")
    print(f"FLUX_URI:\t\t{uri}")


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
