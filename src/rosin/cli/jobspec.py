# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin jobspec``: check jobspecs (RFC 14, RFC 25)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rosin.cli.subcommands import AdminParser, dispatch

if TYPE_CHECKING:
    import argparse


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Check jobspecs.")
    sub = result.command("validate", _validate, "check that jobspecs are valid")
    sub.flag("-q", "--quiet", text="print nothing")
    sub.add_argument("path", metavar="FILE", nargs="*", help="JSON or YAML (default: standard input)")
    return result


def _read(path: str) -> Any:
    if path == "-":
        text = sys.stdin.read()
    else:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
    from rosin import _json

    try:
        return _json.loads(text)
    except ValueError:
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as exc:
            mark = getattr(exc, "problem_mark", None)
            where = f" at line {mark.line + 1}" if mark else ""
            raise ValueError(f"neither JSON nor YAML{where}: {getattr(exc, 'problem', exc)}") from None


def _validate(args: argparse.Namespace) -> int:
    from rosin.rfc.jobspec import validate

    code = 0
    for path in args.path or ["-"]:
        try:
            validate(_read(path))
        except ValueError as exc:
            code = 1
            if not args.quiet:
                sys.stderr.write(f"{args.prog}: {path}: {exc}\n")
    return code


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
