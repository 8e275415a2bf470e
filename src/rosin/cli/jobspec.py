# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin jobspec``: check, convert and summarize jobspecs (RFC 14, 25, 36, 46)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.cli.subcommands import AdminParser, dispatch

if TYPE_CHECKING:
    import argparse

_VERSIONS = ("1", "2", "9999", "any")


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Check, convert and summarize jobspecs.")
    sub = result.command("validate", _validate, "check that jobspecs are valid, with a line for each fault")
    sub.flag("-q", "--quiet", text="print nothing")
    sub.add_argument(
        "--require-version",
        metavar="V",
        choices=_VERSIONS,
        help="the version that a jobspec must have: 1, 2, 9999, or any, where RFC 14 rules those not known "
        "(default: one of 1, 2 and 9999)",
    )
    sub.add_argument("path", metavar="FILE", nargs="*", help="JSON or YAML (default: standard input)")
    sub = result.command("show", _show, "tell what a jobspec asks for")
    _file(sub)
    sub = result.command("lower", _lower, "turn a jobspec of any version to version 1, if that can say it")
    _file(sub)
    sub = result.command("shape", _shape, "turn a shape (RFC 46) to resources, or resources to a shape")
    sub.add_argument(
        "shape", metavar="SHAPE", nargs="?", help="such as 'slot=4/node' or 'node=2/slot/core=4+'"
    )
    sub.add_argument("-f", "--from", dest="file", metavar="FILE", help="print the shape of this jobspec")
    sub.add_argument("--label", metavar="NAME", default="default", help="label of a single slot (default)")
    sub.flag("--range-strings", text="leave ranges as the text that they are")
    sub = result.command("directives", _directives, "print the submission directives of a script (RFC 36)")
    sub.add_argument("path", metavar="SCRIPT", nargs="?", default="-", help="default: standard input")
    return result


def _file(sub: AdminParser) -> None:
    sub.add_argument("path", metavar="FILE", nargs="?", default="-", help="JSON or YAML (default: stdin)")


def _text(path: str) -> str:
    if path == "-":
        data = sys.stdin.buffer.read()
    else:
        with open(path, "rb") as stream:
            data = stream.read()
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise ValueError(f"not UTF-8 at byte {exc.start}") from None


def _read(path: str) -> Any:
    text = _text(path)
    try:
        return _json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except ValueError:
        return _yaml(text)


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except (yaml.YAMLError, ValueError) as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        text = getattr(exc, "problem", None) or " ".join(str(exc).split())
        raise ValueError(f"neither JSON nor YAML{where}: {text}") from None


def _validate(args: argparse.Namespace) -> int:
    from rosin.rfc.jobspec.rules import VERSIONS, problems

    wanted = args.require_version
    code = 0
    for path in args.path or ["-"]:
        try:
            obj = _read(path)
            known = isinstance(obj, dict) and obj.get("version") in VERSIONS
            if wanted == "any":
                found = problems(obj, canonical=not known)
            else:
                found = problems(obj, None if wanted is None else int(wanted))
        except OSError as exc:
            found = [str(exc.strerror)]
        except ValueError as exc:
            found = [str(exc)]
        if found:
            code = 1
        if not args.quiet:
            sys.stderr.write("".join(f"{args.prog}: {path}: {text}\n" for text in found))
    return code


def _valid(path: str) -> dict[str, Any]:
    """Read a jobspec and check it by the rules of its version."""
    from rosin.rfc.jobspec.rules import VERSIONS, problems

    obj = _read(path)
    found = problems(obj, canonical=isinstance(obj, dict) and obj.get("version") not in VERSIONS)
    if found:
        raise ValueError(f"{path}: {found[0]}")
    return dict(obj)


def _show(args: argparse.Namespace) -> None:
    import shlex

    from rosin.rfc import fsd, shape
    from rosin.rfc.jobspec.totals import Totals, span_text

    obj = _valid(args.path)
    totals = Totals(obj)
    system = obj["attributes"].get("system", {})
    lines = [("version", str(obj["version"])), ("shape", shape.encode(_shapely(obj["resources"])))]
    lines += [(kind, span_text(span)) for kind, span in totals.types.items()]
    lines.append(("tasks", span_text(totals.tasks)))
    lines += [("command", shlex.join(task["command"])) for task in obj["tasks"]]
    duration = system.get("duration")
    lines.append(("duration", fsd.encode(float(duration)) if duration else "unlimited"))
    lines += [(key, system[key]) for key in ("queue", "bank", "project", "cwd") if key in system]
    width = max(len(key) for key, _ in lines) + 2
    print("\n".join(f"{key:{width}}{value}" for key, value in lines))


def _shapely(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The resources without those of which none is asked for: a shape cannot say 0."""
    return [
        {**vertex, "with": _shapely(vertex["with"])} if "with" in vertex else vertex
        for vertex in resources
        if vertex["count"] != 0
    ]


def _lower(args: argparse.Namespace) -> None:
    from rosin.rfc.jobspec.lower import lower

    print(_json.dumps(lower(_read(args.path))).decode())


def _shape(args: argparse.Namespace) -> None:
    from rosin.rfc import shape

    if (args.shape is None) == (args.file is None):
        raise ValueError("shape: give either a SHAPE or --from=FILE")
    if args.file is not None:
        print(shape.encode(_shapely(_valid(args.file)["resources"]), args.label))
        return
    resources = shape.parse(args.shape, args.label, args.range_strings)
    print(_json.dumps(resources).decode())


def _directives(args: argparse.Namespace) -> None:
    from rosin.rfc.directives import parse

    for directive in parse(_text(args.path)):
        print(f"{directive.line}: {_json.dumps(directive.args).decode()}")


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
