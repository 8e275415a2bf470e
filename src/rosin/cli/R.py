# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin R``: make, read and combine resource sets (RFC 20) on standard input and output."""

from __future__ import annotations

import json
import sys
from functools import reduce
from typing import TYPE_CHECKING, Any

from rosin.cli.subcommands import AdminParser, dispatch
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    import argparse


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Make, read and combine resource sets (RFC 20).")
    sub = result.command("encode", _encode, "make a resource set")
    add = sub.add_argument
    add("-r", "--ranks", metavar="IDSET", help="its ranks (default: one for each host, else 0)")
    add("-c", "--cores", metavar="IDS", help="cores of each rank (default: 0)")
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
    sub.add_argument("property", metavar="NAME[:RANKS]", nargs="+", help="property of some or all ranks")
    result.command("verify", _verify, "check that the second set has all that the first has, rank by rank")
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
        except ValueError as exc:
            raise ValueError(f"Failed to read an R object: {exc}") from None
        sets.append(ResourceSet.decode(obj))


def _input() -> list[ResourceSet]:
    return read_sets(sys.stdin.read())


def _union() -> ResourceSet:
    sets = _input()
    result = sets[0]
    for rset in sets[1:]:
        result.add(rset)
    return result


def _print(rset: ResourceSet) -> None:
    print(json.dumps(rset.encode(), ensure_ascii=False))


def _assign(rset: ResourceSet, properties: list[str]) -> None:
    from rosin.errors import FormatError

    for text in properties:
        name, _, ranks = text.partition(":")
        try:
            rset.set_property(name, ranks or None)
        except FormatError as exc:
            raise ValueError(f"failed to assign properties: {exc}") from None


def _machine(args: argparse.Namespace) -> tuple[Any, Any]:
    """Cores and GPUs of each rank, as the options say."""
    from rosin.rfc.idset import Idset

    if args.local:
        from rosin.modules.resource.inventory import from_topology
        from rosin.process.topology import discover

        rset = from_topology(discover(), 0)
        return rset.cores(0), rset.gpus(0)
    if args.xml:
        from rosin.modules.resource.hwloc import decode

        with open(args.xml, "rb") as stream:
            rset = ResourceSet.decode(decode(stream.read(), 0))
        return rset.cores(0), rset.gpus(0)
    return Idset(args.cores or "0"), Idset(args.gpus)


def _encode(args: argparse.Namespace) -> None:
    from rosin.rfc.hostlist import Hostlist
    from rosin.rfc.idset import Idset

    cores, gpus = _machine(args)
    hosts = Hostlist(args.hosts).expand() if args.hosts else []
    ranks = Idset(args.ranks) if args.ranks else Idset.from_range(0, max(len(hosts), 1) - 1)
    if not hosts:
        import os

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
    if args.include:
        rset = rset.copy_ranks(args.include)
    if args.exclude:
        rset.remove_ranks(args.exclude)
    if args.properties:
        from rosin.rfc.constraint import copy_constraint

        rset = copy_constraint(rset, {"properties": args.properties.split(",")})
    if args.short:
        print(rset.dumps())
    elif args.nodelist:
        print(rset.nodelist().encode())
    elif args.ranks:
        print(rset.ranks().encode())
    elif args.count:
        print(rset.count(args.count))
    else:
        _print(rset)


def _append(_args: argparse.Namespace) -> None:
    sets = _input()
    for rset in sets[1:]:
        sets[0].append(rset)
    _print(sets[0])


def _diff(_args: argparse.Namespace) -> None:
    _print(reduce(lambda one, other: one.diff(other), _input()))


def _intersect(_args: argparse.Namespace) -> None:
    _print(reduce(lambda one, other: one.intersect(other), _input()))


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
    # Ranks that only the first set has are not looked at.
    missing = expected.copy_ranks(found.ranks()).diff(found)
    if missing:
        sys.stderr.write(f"missing: {missing.dumps()}\n")
        return 1
    return 0


def _parse_config(args: argparse.Namespace) -> None:
    from rosin.broker.configfile import load
    from rosin.modules.resource.config import from_entries

    entries = load(args.path).get("resource", {}).get("config")
    if not isinstance(entries, list):
        raise ValueError(f"{args.path}: no resource.config array")
    _print(from_entries(entries))


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
