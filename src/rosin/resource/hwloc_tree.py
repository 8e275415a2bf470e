# SPDX-License-Identifier: LGPL-3.0-or-later
"""What lies where in a machine that hwloc 2 XML describes: processing units, memory and devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.resource.hwloc import gpus, mask_of
from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from xml.etree.ElementTree import Element

_GIB = 1 << 30
#: RFC 49's names of what parts a machine, from the outside in.
_LOCALITIES = {"Package": "socket", "NUMANode": "numa"}


class HwlocTree:
    """A machine, of its XML. Raises FormatError.

    Attributes:
        cores: by its number among cores, the processing units and memory nodes of each, as masks.
        gpus: by its number among GPUs, the PCI address of each, "" for one on no PCI bus.
        units: how many processing units there are.
    """

    def __init__(self, xml: str | bytes) -> None:
        from xml.etree import ElementTree

        try:
            self._root = ElementTree.fromstring(xml)
        except ElementTree.ParseError as error:
            raise FormatError(f"hwloc XML: {error}") from None
        if self._root.tag != "topology":
            raise FormatError(f"hwloc XML: <topology> expected, not <{self._root.tag}>")
        self.cores = [
            (mask_of(core.get("cpuset", "")), mask_of(core.get("nodeset", ""))) for core in self._all("Core")
        ]
        self._devices = list(_devices(self._root))
        self.gpus = [address for address, _, count in self._devices for _ in range(count)]
        self.units = sum(1 for _ in self._all("PU"))

    def _all(self, kind: str) -> Iterator[Element]:
        return (obj for obj in self._root.iter("object") if obj.get("type") == kind)

    def of_cores(self, ids: Iterable[int]) -> tuple[str, str]:
        """The processing units and memory nodes of cores, as idsets. FileNotFoundError for no such core."""
        cpus = memory = 0
        for core in ids:
            if core >= len(self.cores):
                raise FileNotFoundError(2, f"core {core} not found in node topology")
            cpus |= self.cores[core][0]
            memory |= self.cores[core][1]
        return str(Idset.from_mask(cpus)), str(Idset.from_mask(memory))

    def of_gpus(self, ids: Iterable[int]) -> list[str]:
        """The PCI addresses of GPUs. OSError (ENODEV) for no such GPU."""
        found = []
        for gpu in ids:
            if gpu >= len(self.gpus):
                text = f"gpu{gpu} not found in local topology (gpu count={len(self.gpus)})"
                raise OSError(19, text)
            found.append(self.gpus[gpu])
        return found

    def domains(self) -> dict[str, Any]:
        """The inside of the machine as RFC 49 has it: sockets and NUMA domains, if there are several."""
        everything = 0
        for cpus, _ in self.cores:
            everything |= cpus
        return self._domain(everything, list(_LOCALITIES))

    def _domain(self, cpus: int, kinds: list[str]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        parts: list[Element] = []
        while kinds and len(parts) < 2:
            kind, *kinds = kinds
            parts = [obj for obj in self._all(kind) if mask_of(obj.get("cpuset", "")) & cpus]
            masks = [mask_of(obj.get("cpuset", "")) & cpus for obj in parts]
            if len(parts) > 1 and sum(masks) == cpus:  # they share nothing
                result[_LOCALITIES[kind]] = [self._domain(mask, kinds) for mask in masks]
            else:
                parts = []
        if not parts:
            result["cores"] = str(Idset([at for at, core in enumerate(self.cores) if core[0] & cpus]))
        inner = [self._near(mask_of(obj.get("cpuset", ""))) for obj in parts]
        here = [gpu for gpu in self._near(cpus) if not any(gpu in part for part in inner)]
        if here:
            result["gpus"] = str(Idset(here))
        memory = self._memory(cpus) - sum(self._memory(mask_of(obj.get("cpuset", ""))) for obj in parts)
        if memory // _GIB:
            result["memory"] = memory // _GIB
        return result

    def _memory(self, cpus: int) -> int:
        """Bytes of the memory nodes of these units and no others."""
        nodes = [obj for obj in self._all("NUMANode") if mask_of(obj.get("cpuset", "")) | cpus == cpus]
        return sum(int(obj.get("local_memory", 0)) for obj in nodes)

    def _near(self, cpus: int) -> list[int]:
        """The GPUs at these units or at a part of them."""
        found: list[int] = []
        at = 0
        for _, place, count in self._devices:
            if place and place | cpus == cpus:
                found += range(at, at + count)
            at += count
        return found


def _devices(root: Element) -> Iterator[tuple[str, int, int]]:
    """The PCI address of each object with GPUs right below, the units that it is near, and how many GPUs."""
    waiting = [(root, "", 0)]
    while waiting:
        parent, address, cpus = waiting.pop()
        address, text = parent.get("pci_busid", address), parent.get("cpuset")
        cpus = cpus if text is None else mask_of(text)
        count = gpus(parent)
        if count:
            yield address, cpus, count
        waiting += [(child, address, cpus) for child in reversed(parent) if child.tag == "object"]
