# SPDX-License-Identifier: LGPL-3.0-or-later
"""The machine that a broker is on, as R and as hwloc XML: looked at, or what a file says of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rosin.errors import FormatError
from rosin.process.topology import discover
from rosin.resource import hwloc
from rosin.resource.definition import from_topology
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: A file to believe instead of the machine; and that it is of another one, so that all of it counts.
FILE, ELSEWHERE = "FLUX_HWLOC_XMLFILE", "FLUX_HWLOC_XMLFILE_NOT_THISSYSTEM"
#: GPUs count as often as interfaces show them.
NO_DEDUP = "FLUX_HWLOC_GPU_NO_DEDUP"


class Machine:
    """``rset`` has the one rank. ``xml()`` is what job shells and tools ask for."""

    __slots__ = ("_make_xml", "rset")

    def __init__(self, rset: ResourceSet, make_xml: Callable[[], bytes]) -> None:
        self.rset = rset
        self._make_xml = make_xml

    def xml(self) -> bytes:
        """The machine as hwloc XML."""
        return self._make_xml()


def look(
    rank: int,
    environ: Mapping[str, str],
    warn: Callable[[str], None],
    *,
    hostname: str | None = None,
    restrict: bool = True,
) -> Machine:
    """The machine of the broker on ``rank``; with ``restrict`` what the process may run on counts alone.

    ``warn`` is told when the file that the environment names cannot be used.
    """
    name = environ.get(FILE)
    if name:
        try:
            return _of_file(name, rank, environ, restrict)
        except (OSError, FormatError) as error:
            text = getattr(error, "strerror", None) or str(error)
            warn(f"{FILE}={name}: {text}; the machine itself is looked at")
    topology = discover(restrict=restrict, hostname=hostname)
    return Machine(from_topology(topology, rank), lambda: hwloc.encode(topology).encode())


def _of_file(name: str, rank: int, environ: Mapping[str, str], restrict: bool) -> Machine:
    with open(name, "rb") as file:
        xml = file.read()
    mine = restrict and not environ.get(ELSEWHERE) and hasattr(os, "sched_getaffinity")
    units = sum(1 << unit for unit in os.sched_getaffinity(0)) if mine else None
    R = hwloc.decode(xml, rank, units=units, each_gpu=bool(environ.get(NO_DEDUP)))
    return Machine(ResourceSet.decode(R), lambda: xml)
