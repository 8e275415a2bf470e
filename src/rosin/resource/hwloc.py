# SPDX-License-Identifier: LGPL-3.0-or-later
"""The machine as hwloc 2 XML, for job shells and tools that ask ``resource.topo-get``, and back.

Written: machine, one NUMA node, packages, cores, processing units, and a device for each GPU. The format is
hwloc's own (``hwloc2.dtd``); no RFC describes it. Read: XML of any origin, for ``resource.reload``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from xml.etree.ElementTree import Element

    from rosin.process.topology import MachineTopology, PhysicalCore

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n'
_COPROCESSOR = "5"  # hwloc's osdev_type
_CPUSETS = ("cpuset", "complete_cpuset", "allowed_cpuset")
_BACKENDS = ("CUDA", "NVML", "OpenCL", "RSMI")
_NODESET = 'nodeset="0x00000001" complete_nodeset="0x00000001"'


def encode(topology: MachineTopology) -> str:
    """Return the XML of a machine."""
    return _HEAD + "\n".join(_Writer(topology).lines()) + "\n"


def _escape(text: str) -> str:
    """Text for an attribute; the standard library's own function imports its HTTP client."""
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(char, entity)
    return text


class _Writer:
    """Numbers the objects of one document: every object has a unique ``gp_index``."""

    def __init__(self, topology: MachineTopology) -> None:
        self.topology = topology
        self.objects = 0

    def lines(self) -> Iterator[str]:
        topology = self.topology
        everything = _cpuset(topology.cores)
        yield '<topology version="2.0">'
        allowed = f'allowed_cpuset="{_hex(everything)}" allowed_nodeset="0x00000001"'
        yield f"  {self.open('Machine', 0, everything, allowed)}>"
        yield f'    <info name="HostName" value="{_escape(topology.hostname)}"/>'
        yield '    <info name="Backend" value="rosin"/>'
        memory = f'local_memory="{topology.memory}"'
        yield f"    {self.open('NUMANode', 0, everything, memory)}/>"
        number = 0
        for package in sorted({core.package for core in topology.cores}):
            cores = [core for core in topology.cores if core.package == package]
            yield f"    {self.open('Package', package, _cpuset(cores))}>"
            for core in cores:
                yield f"      {self.open('Core', number, _cpuset([core]))}>"
                for unit in core.pus:
                    yield f"        {self.open('PU', unit, 1 << unit)}/>"
                yield "      </object>"
                number += 1
            yield "    </object>"
        for gpu in range(topology.gpus):
            self.objects += 1
            device = f'name="cuda{gpu}" subtype="CUDA" osdev_type="{_COPROCESSOR}"'
            yield f'    <object type="OSDev" gp_index="{self.objects}" {device}>'
            yield '      <info name="Backend" value="CUDA"/>'
            yield "    </object>"
        yield "  </object>"
        yield "</topology>"

    def open(self, kind: str, index: int, cpuset: int, more: str = "") -> str:
        """Return the start of an element, without its end bracket."""
        self.objects += 1
        text = (
            f'<object type="{kind}" os_index="{index}" cpuset="{_hex(cpuset)}"'
            f' complete_cpuset="{_hex(cpuset)}" {_NODESET} gp_index="{self.objects}"'
        )
        return f"{text} {more}" if more else text


def _cpuset(cores: list[PhysicalCore]) -> int:
    mask = 0
    for core in cores:
        for unit in core.pus:
            mask |= 1 << unit
    return mask


def _hex(mask: int) -> str:
    """Return hwloc's bitmap text: words of 32 bits, highest first, joined by commas."""
    words: list[str] = []
    while mask or not words:
        words.append(f"0x{mask & 0xFFFFFFFF:08x}")
        mask >>= 32
    return ",".join(reversed(words))


def decode(
    xml: str | bytes, rank: int, *, units: int | None = None, each_gpu: bool = False
) -> dict[str, Any]:
    """Return the R object of one rank whose machine the XML describes. Raises FormatError.

    Of cores those count that have one of the processing ``units``, a mask; None: all. ``each_gpu``: a GPU
    that several interfaces show counts for each of them.
    """
    from xml.etree import ElementTree  # few brokers read any XML

    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise FormatError(f"hwloc XML: {error}") from None
    host = next((info.get("value") for info in root.iter("info") if info.get("name") == "HostName"), None)
    cores = sum(
        1
        for obj in root.iter("object")
        if obj.get("type") == "Core" and (units is None or units & mask_of(obj.get("cpuset", "")))
    )
    if not host or not cores:
        raise FormatError("hwloc XML: no host name or no core in it")
    ngpus = sum(_gpus(root, each_gpu))
    children = {"core": f"0-{cores - 1}" if cores > 1 else "0"}
    if ngpus:
        children["gpu"] = f"0-{ngpus - 1}" if ngpus > 1 else "0"
    lite = [{"rank": str(rank), "children": children}]
    return {
        "version": 1,
        "execution": {"R_lite": lite, "starttime": 0.0, "expiration": 0.0, "nodelist": [host]},
    }


def restrict(xml: bytes, units: Iterable[int]) -> bytes:
    """Return the XML of what a machine has with these processing units, and of its devices.

    Raises FormatError for what is no XML, and when it has none of them."""
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise FormatError(f"hwloc XML: {error}") from None
    _restrict(root, sum(1 << unit for unit in units))
    if root.find("object") is None:
        raise FormatError("hwloc XML: it has none of the processing units")
    return (_HEAD + ElementTree.tostring(root, encoding="unicode") + "\n").encode()


def _restrict(root: Element, mask: int) -> None:
    """Remove objects without processing units. Memory stays, and devices move up to what is left."""
    parents = [root]
    while parents:
        parent = parents.pop()
        below, kept = list(reversed(parent)), []
        while below:
            child = below.pop()
            cpuset = child.get("cpuset")
            if cpuset is not None and not mask_of(cpuset) & mask and child.get("type") != "NUMANode":
                below += [each for each in reversed(child) if each.tag == "object"]
                continue
            kept.append(child)
            if cpuset is not None:
                parents.append(child)
                for name in _CPUSETS:
                    if name in child.attrib:
                        child.set(name, _hex(mask_of(child.attrib[name]) & mask))
        parent[:] = kept


def mask_of(text: str) -> int:
    """Return the integer of hwloc's bitmap text. Raises FormatError."""
    mask = 0
    for word in text.split(","):
        try:
            mask = mask << 32 | int(word or "0", 16)
        except ValueError:
            raise FormatError(f"hwloc XML: cpuset '{text}' is not a bitmap") from None
    return mask


def _gpus(parent: Element, each: bool) -> Iterator[int]:
    """Yield the number of GPUs below each object."""
    for child in parent:
        if child.tag == "object":
            yield from _gpus(child, each)
    yield gpus(parent, each)


def gpus(parent: Element, each: bool = False) -> int:
    """The number of GPUs right below an object.

    Several programming interfaces may each show the GPUs of one PCI device: there, the one that shows most
    counts, unless ``each`` is to.
    """
    devices: dict[str, int] = {}
    for child in parent:
        if child.tag == "object" and child.get("type") == "OSDev":
            backend = _info(child, "Backend")
            if backend in _BACKENDS:
                devices[backend] = devices.get(backend, 0) + 1
    once = parent.get("type") == "PCIDev" and not each
    return max(devices.values(), default=0) if once else sum(devices.values())


def _info(element: Element, name: str) -> str:
    return next((info.get("value", "") for info in element.iter("info") if info.get("name") == name), "")
