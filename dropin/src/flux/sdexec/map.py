# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.sdexec.map: from the resources of a job on a node to properties of a unit of systemd."""

from __future__ import annotations

import argparse
import errno
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flux._elsewhere import elsewhere
from flux.idset import IDset
from flux.resource import ResourceSet
from flux.sdexec.devices import (
    AMD_DRIVER,
    DEV_DRI,
    DEV_PREFIX,
    NVIDIA_DRIVER,
    NVIDIA_SHARED_DEVICES,
    SYSFS_PCI_DEVICES,
    of_gpu,
)
from rosin.errors import FormatError
from rosin.resource.hwloc_tree import HwlocTree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "AMD_DRIVER",
    "DEV_DRI",
    "DEV_PREFIX",
    "NVIDIA_DRIVER",
    "NVIDIA_SHARED_DEVICES",
    "SYSFS_PCI_DEVICES",
    "HwlocMapper",
    "ResourceMapper",
    "main",
]

__getattr__ = elsewhere(__name__)

#: Upper bounds of memory, of which a job gets the share of the processing units that it has.
_BOUNDS = ("MemoryHigh", "MemoryMax", "MemorySwapMax")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class ResourceMapper:
    """Maps the resources of one rank. A subclass has a method ``map_TYPE(ids)`` for each type that it knows:
    ``map_cores``, ``map_gpus``, whatever R has.
    """

    def __init__(self, rank: int = 0) -> None:
        self._rank = rank

    def map(self, R: Any, extra_properties: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The properties for what R (JSON text, an object or a ResourceSet) has on this rank.

        ``extra_properties`` are those of the site, which :meth:`finalize_properties` may use.
        """
        resources = R if isinstance(R, ResourceSet) else ResourceSet(R)
        cores, gpus = dict(resources.impl.items()).get(self._rank, (0, 0))
        properties: dict[str, Any] = {}
        for name, mask in (("cores", cores), ("gpus", gpus)):
            method = getattr(self, f"map_{name}", None)
            if method is not None and (cores or gpus):
                ids = IDset([bit for bit in range(mask.bit_length()) if mask >> bit & 1])
                properties.update(method(str(ids)))
        return self.finalize_properties(properties, resources, extra_properties)

    def finalize_properties(
        self, properties: dict[str, Any], R: Any, extra_properties: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The properties in the end: none stay none, others allow no devices but those that they name."""
        if properties:
            properties["DevicePolicy"] = "closed"
        return properties


class HwlocMapper(ResourceMapper):
    """Maps by hwloc's XML of the machine. Raises OSError (EINVAL) for what is none."""

    def __init__(self, xml: str, rank: int = 0) -> None:
        super().__init__(rank)
        try:
            self._machine = HwlocTree(xml)
        except FormatError as exc:
            raise OSError(errno.EINVAL, str(exc)) from None

    def map_cores(self, cores: str) -> dict[str, Any]:
        """``AllowedCPUs`` and ``AllowedMemoryNodes`` of an idset of cores. Raises OSError."""
        try:
            cpus, memory = self._machine.of_cores(IDset(cores))
        except OSError as exc:
            raise OSError(exc.errno, f"failed to map cores: {exc.strerror}") from None
        return {"AllowedCPUs": cpus, "AllowedMemoryNodes": memory}

    def map_gpus(self, gpus: str) -> dict[str, Any]:
        """``DeviceAllow`` of an idset of GPUs, nothing for none. Raises OSError."""
        if not gpus:
            return {}
        try:
            addresses = self._machine.of_gpus(IDset(gpus))
        except OSError as exc:
            raise OSError(exc.errno, f"failed to map GPUs: {exc.strerror}") from None
        files = [path for address in addresses for path in of_gpu(address)]
        return {"DeviceAllow": ",".join(f"{path} rw" for path in dict.fromkeys(files))}

    def finalize_properties(
        self, properties: dict[str, Any], R: Any, extra_properties: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """With bounds of memory by the share of the machine's processing units that the job has."""
        super().finalize_properties(properties, R, extra_properties)
        if extra_properties and "AllowedCPUs" in properties and self._machine.units:
            share = len(IDset(properties["AllowedCPUs"])) / self._machine.units
            for name in _BOUNDS:
                bound = _share_of(str(extra_properties.get(name) or ""), share)
                if bound is not None:
                    properties[name] = bound
        return properties


def _share_of(bound: str, share: float) -> str | None:
    """A share of a size or percentage as systemd writes them; None for what is neither, or no bound."""
    text = bound.strip()
    percent, unit = text.endswith("%"), _UNITS.get(text[-1:].upper(), 0)
    try:
        value = float(text[:-1] if percent or unit else text) * (unit or 1) * share
        return f"{round(value)}%" if percent else str(int(value))
    except (ValueError, OverflowError):
        return None


def _class_of(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    if not module:
        raise SystemExit(f"--mapper must be a fully-qualified class name: {name!r}")
    return getattr(import_module(module), attribute)


def _machine_xml(path: str | None) -> str:
    if path:
        return Path(path).read_text(encoding="utf-8")
    try:
        return subprocess.run(
            ["hwloc-ls", "--of", "xml", "-"], capture_output=True, text=True, check=True
        ).stdout
    except FileNotFoundError:
        raise SystemExit("hwloc-ls not found; install it or use --xml to supply topology XML") from None
    except subprocess.CalledProcessError as exc:
        raise SystemExit(f"hwloc-ls failed: {exc.stderr.strip()}") from None


def main(args: Sequence[str] | None = None) -> int:
    """Print the properties that some resources of this machine would get."""
    parser = argparse.ArgumentParser(
        prog="flux python -m flux.sdexec.map",
        description="Show the properties that a systemd unit with these resources gets on this machine.",
    )
    parser.add_argument("--cores", metavar="IDSET", default="", help="cores, as in 0-3")
    parser.add_argument("--gpus", metavar="IDSET", default="", help="GPUs, as in 0-1")
    parser.add_argument(
        "--xml", metavar="FILE", help="hwloc's XML of the machine (default: what hwloc-ls says)"
    )
    parser.add_argument(
        "--mapper", metavar="CLASS", help="class that maps (default: HwlocMapper of this module)"
    )
    options = parser.parse_args(args)
    xml = _machine_xml(options.xml)
    mapper = (_class_of(options.mapper) if options.mapper else HwlocMapper)(xml)
    machine = HwlocTree(xml)
    everything = not options.cores and not options.gpus
    children = {
        "core": f"0-{len(machine.cores) - 1}" if everything else options.cores,
        "gpu": f"0-{len(machine.gpus) - 1}" if everything and machine.gpus else options.gpus,
    }
    lite = [{"rank": "0", "children": {name: ids for name, ids in children.items() if ids}}]
    execution = {"R_lite": lite, "nodelist": ["localhost"], "starttime": 0, "expiration": 0}
    try:
        properties = mapper.map({"version": 1, "execution": execution})
    except OSError as exc:
        sys.stderr.write(f"mapper failed: {exc}\n")
        return 1
    print(json.dumps(properties, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
