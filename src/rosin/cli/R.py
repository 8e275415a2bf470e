# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin R``: make, read and combine resource sets (RFC 20) on standard input and output."""

from __future__ import annotations

import json
import os
import sys
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rosin.cli.base import warning
from rosin.cli.subcommands import AdminParser, dispatch
from rosin.errors import FormatError
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    import argparse


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Make, read and combine resource sets (RFC 20).")
    sub = result.command("encode", _encode, "make a resource set")
    add = sub.add_argument
    add("-r", "--ranks", metavar="IDSET", help="its ranks (default: one for each host, else 0)")
    add("-c", "--cores", metavar="IDS", default="", help="cores of each rank (default: 0, if no GPUs)")
    add("-g", "--gpus", metavar="IDS", default="", help="GPUs of each rank (default: none)")
    add("-H", "--hosts", metavar="HOSTS", help="hosts of the ranks (default: this one)")
    add(
        "-p",
        "--property",
        metavar="NAME[:RANKS]",
        action="append",
        default=[],
        help="property of some or all ranks",
    )
    sub.flag("-l", "--local", text="take cores and GPUs from this machine")
    add("-f", "--xml", metavar="PATH", help="take cores and GPUs from a file of hwloc XML")
    sub = result.command("decode", _decode, "print the union of the sets, or facts about it")
    sub.flag("-s", "--short", text="print it in short form")
    sub.flag("-n", "--nodelist", text="print the hosts")
    sub.flag("-r", "--ranks", text="print the ranks")
    sub.add_argument("-c", "--count", metavar="TYPE", help="print the number of 'node', 'core' or 'gpu'")
    sub.add_argument("-i", "--include", metavar="RANKS", help="only these ranks")
    sub.add_argument("-x", "--exclude", metavar="RANKS", help="not these ranks")
    sub.add_argument(
        "-p", "--properties", metavar="LIST", help="only ranks with these properties; ^NAME: without"
    )
    result.command("append", _append, "join sets that have nothing in common")
    result.command("diff", _diff, "take what is in the first set only")
    result.command("intersect", _intersect, "take what is in all sets")
    result.command("remap", _remap, "number ranks, cores and GPUs of the union from 0")
    sub = result.command("rerank", _rerank, "number ranks of the union by their host's place in a list")
    sub.add_argument("hosts", metavar="HOSTLIST", help="the hosts in order")
    sub = result.command("set-property", _set_property, "give properties to ranks")
    sub.add_argument("property", metavar="NAME[:RANKS]", nargs="*", help="property of some or all ranks")
    result.command("verify", _verify, "check that the one rank of the second set has what the first says")
    sub = result.command("parse-config", _parse_config, "read resource.config of configuration files")
    sub.add_argument("path", metavar="PATH", help="TOML file or directory")
    return result


def read_sets(text: str) -> list[ResourceSet]:
    """All R objects in a text, one after the other. Raises ValueError."""
    decoder = json.JSONDecoder()
    sets: list[ResourceSet] = []
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text) and sets:
            return sets
        try:
            obj, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as exc:
            raise ValueError(f"Failed to read an R object: {exc}") from None
        try:
            sets.append(ResourceSet.decode(obj))
        except FormatError as exc:
            raise ValueError(f"Failed to decode R on stdin: object {len(sets) + 1}: {exc}") from None


def _input() -> list[ResourceSet]:
    return read_sets(sys.stdin.read())


def _inputs(command: str) -> list[ResourceSet]:
    sets = _input()
    if len(sets) < 2:
        raise ValueError(f"{command} requires at least 2 resource sets")
    return sets


def _union() -> ResourceSet:
    sets = _input()
    result = sets[0]
    for rset in sets[1:]:
        result.add(rset)
    return result


def _print(rset: ResourceSet) -> None:
    print(json.dumps(rset.encode(), ensure_ascii=False))


def _assign(rset: ResourceSet, properties: list[str]) -> None:
    # Of two assignments to one name the last holds.
    wanted = {name: ranks if colon else None for name, colon, ranks in (p.partition(":") for p in properties)}
    for name, ranks in wanted.items():
        try:
            rset.set_property(name, ranks)
        except FormatError as exc:
            raise ValueError(f"failed to assign properties: {exc}") from None


def _ids(option: str, text: str) -> Idset:
    try:
        return Idset(text)
    except FormatError as exc:
        raise ValueError(f"{option}='{text}': {exc}") from None


def _machine(args: argparse.Namespace) -> tuple[Any, Any]:
    """Cores and GPUs of each rank, as the options say."""
    if (args.local or args.xml) and (args.cores or args.gpus):
        raise ValueError("do not specify --cores or --gpus with --local or --xml")
    if args.xml:
        from rosin.resource.hwloc import decode
        from rosin.resource.machine import NO_DEDUP

        text = sys.stdin.buffer.read() if args.xml == "-" else Path(args.xml).read_bytes()
        rset = ResourceSet.decode(decode(text, 0, each_gpu=bool(os.environ.get(NO_DEDUP))))
        return rset.cores(0), rset.gpus(0)
    if args.local:
        from rosin.resource.machine import look

        rset = look(0, os.environ, partial(warning, args.prog)).rset
        return rset.cores(0), rset.gpus(0)
    cores = args.cores if args.cores or args.gpus else "0"
    return _ids("cores", cores), _ids("gpus", args.gpus)


def _encode(args: argparse.Namespace) -> None:
    from rosin.rfc.hostlist import Hostlist

    cores, gpus = _machine(args)
    hosts = None if args.hosts is None else Hostlist(args.hosts).expand()
    if args.ranks is not None:
        ranks = _ids("ranks", args.ranks)
    else:
        ranks = Idset(range(1 if hosts is None else len(hosts)))
    if hosts is None:
        hosts = [os.uname().nodename] * len(ranks)
    if len(hosts) != len(ranks):
        raise ValueError(f"hostname count in '{args.hosts}' does not match nranks ({len(ranks)})")
    rset = ResourceSet()
    for rank, host in zip(ranks, hosts, strict=True):
        rset.add_rank(rank, host, cores, gpus)
    _assign(rset, args.property)
    _print(rset)


def _decode(args: argparse.Namespace) -> None:
    rset = _union()
    if args.properties:
        from rosin.rfc.constraint import copy_constraint

        try:
            rset = copy_constraint(rset, {"properties": args.properties.split(",")})
        except FormatError as exc:
            raise ValueError(f"Invalid property constraint: {exc}") from None
    if args.include is not None:
        rset = rset.copy_ranks(_ids("include", args.include))
    if args.exclude is not None:
        rset.remove_ranks(_ids("exclude", args.exclude))
    lines = []
    if args.short:
        lines.append(rset.dumps())
    if args.nodelist:
        lines.append(rset.nodelist().encode())
    if args.ranks:
        lines.append(rset.ranks().encode())
    if args.count:
        lines.append(str(rset.count(args.count)))
    if lines:
        print("\n".join(lines))
    else:
        _print(rset)


def _append(_args: argparse.Namespace) -> None:
    sets = _input()
    for rset in sets[1:]:
        sets[0].append(rset)
    _print(sets[0])


def _diff(_args: argparse.Namespace) -> None:
    _print(reduce(lambda one, other: one.diff(other), _inputs("diff")))


def _intersect(_args: argparse.Namespace) -> None:
    _print(reduce(lambda one, other: one.intersect(other), _inputs("intersect")))


def _remap(_args: argparse.Namespace) -> None:
    _print(_union().remap())


def _rerank(args: argparse.Namespace) -> None:
    _print(_union().rerank(args.hosts))


def _set_property(args: argparse.Namespace) -> None:
    rset = _union()
    _assign(rset, args.property)
    _print(rset)


def _verify(_args: argparse.Namespace) -> int:
    sets = _input()
    if len(sets) != 2:
        raise ValueError("verify requires exactly 2 R objects on stdin")
    expected, found = sets
    if len(found) != 1:
        raise ValueError("Verification supported on single rank only")
    from rosin.resource.verify import Verification

    (rank,) = found
    fault = Verification(True).check(expected, found, rank)
    if fault is None:
        return 0
    sys.stderr.write(f"rosin-R: {fault}\n")
    # More than is expected is told, but is no failure.
    tolerant = Verification({"core": "allow-extra", "gpu": "allow-extra"})
    return 0 if tolerant.check(expected, found, rank) is None else 1


def _parse_config(args: argparse.Namespace) -> None:
    from rosin.configfile import load
    from rosin.resource.definition import from_entries, load_file

    table = load(args.path).get("resource", {})
    if not isinstance(table, dict):
        raise ValueError("Config file error: resource is not a table")
    entries, path, scheduling = (table.get(key) for key in ("config", "path", "scheduling"))
    if entries is None and path is None:
        raise ValueError("Config file error: resource.config or resource.path must be defined")
    try:
        if entries is None:
            rset = load_file(_text("path", path))
        elif isinstance(entries, list):
            rset = from_entries(entries)
        else:
            raise ValueError("resource.config is not an array")
    except ValueError as exc:
        raise ValueError(f"Config file error: {exc}") from None
    if scheduling is not None:
        name = _text("scheduling", scheduling)
        try:
            rset.scheduling = json.loads(Path(name).read_bytes())
        except ValueError as exc:
            raise ValueError(f"resource.scheduling: {name}: {exc}") from None
    _print(rset)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"resource.{key} is not a string")
    return value


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
