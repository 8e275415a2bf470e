# SPDX-License-Identifier: LGPL-3.0-or-later
"""What defines resources (RFC 44, ``resource-define``), as R: a machine, files, a site's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field
from rosin.rfc.rset import ResourceSet
from rosin.rfc.rset.format import check_property

if TYPE_CHECKING:
    from rosin.process.topology import MachineTopology

_ENTRY_KEYS = {"hosts", "cores", "gpus", "properties"}


def from_topology(topology: MachineTopology, rank: int) -> ResourceSet:
    """Return the resources of a discovered machine."""
    rset = ResourceSet()
    rset.add_rank(rank, topology.hostname, (1 << len(topology.cores)) - 1, (1 << topology.gpus) - 1)
    return rset


def load_json(path: str) -> Any:
    """Read JSON from a file. Raises FormatError that names the file."""
    try:
        with open(path, "rb") as file:
            return _json.loads(file.read())
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise FormatError(f"{path}: not JSON: {error}") from None


def load_file(path: str) -> ResourceSet:
    """Read R from a file. Raises FormatError that names the file."""
    R = load_json(path)
    try:
        return ResourceSet.decode(R)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def from_entries(entries: list[Any]) -> ResourceSet:
    """Make the resource set of a ``[[resource.config]]`` array.

    Each entry gives cores, GPUs and properties to hosts; hosts are ranked in the order in which they are
    first named, and entries that name the same host add up. Raises FormatError that names the entry.
    """
    rset = ResourceSet()
    ranks: dict[str, int] = {}
    for number, entry in enumerate(entries):
        try:
            _add_entry(rset, ranks, entry)
        except FormatError as error:
            raise FormatError(f"config[{number}]: {error}") from None
    if not ranks:
        raise FormatError("config: no hosts configured")
    idle = [host for host, rank in ranks.items() if not rset.core_mask(rank) and not rset.gpu_mask(rank)]
    if idle:
        raise FormatError(f"config: {Hostlist(idle).encode()} assigned no resources")
    return rset


def _add_entry(rset: ResourceSet, ranks: dict[str, int], entry: Any) -> None:
    hosts = list(Hostlist(field(entry, "hosts", str)))
    unknown = sorted(set(entry) - _ENTRY_KEYS)
    if unknown:
        raise FormatError(f"unknown key '{unknown[0]}': expected one of {', '.join(sorted(_ENTRY_KEYS))}")
    if not hosts:
        raise FormatError("hosts is empty")
    cores, gpus = Idset(field(entry, "cores", str, "")), Idset(field(entry, "gpus", str, ""))
    properties = field(entry, "properties", list, [])
    mine = []
    for host in hosts:
        rank = ranks.setdefault(host, len(ranks))
        rset.add_rank(rank, host, cores, gpus)
        mine.append(rank)
    for name in properties:
        if not isinstance(name, str):
            raise FormatError("properties must be an array of strings")
        check_property(name)
        rset.set_property(name, Idset(mine))


def load_directory(directory: str) -> ResourceSet:
    """Make the resource set of a directory of hwloc XML, ``<rank>.xml``.

    Raises FormatError that names the file.
    """
    from pathlib import Path

    from rosin.resource import hwloc  # few ask for it, and its parser is large

    rset = ResourceSet()
    for file in sorted(Path(directory).glob("*.xml")):
        if not (file.stem.isascii() and file.stem.isdigit()):
            raise FormatError(f"{file}: expected RANK.xml")
        try:
            rset.append(ResourceSet.decode(hwloc.decode(file.read_bytes(), int(file.stem))))
        except (FormatError, OSError) as error:
            raise FormatError(f"{file}: {error}") from None
    if not rset.nnodes:
        raise FormatError(f"{directory}: no RANK.xml in this directory")
    return rset
