# SPDX-License-Identifier: LGPL-3.0-or-later
"""What this machine has: host name, cores and their processing units, memory, GPUs.

Read from ``sched_getaffinity``, ``/sys`` and ``/proc`` on Linux; elsewhere every processing unit that the
operating system reports counts as one core of one package. Nothing here fails for want of a file: a
container that hides ``/sys`` has one core for each processing unit.
"""

from __future__ import annotations

import os
import socket

_CPU = "sys/devices/system/cpu"
_KFD = "sys/class/kfd/kfd/topology/nodes"


class PhysicalCore:
    """A core: the ids of its package and of its processing units, as the operating system numbers them."""

    __slots__ = ("package", "pus")

    def __init__(self, package: int, pus: tuple[int, ...]) -> None:
        self.package = package
        self.pus = pus

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PhysicalCore) and (self.package, self.pus) == (other.package, other.pus)

    def __hash__(self) -> int:
        return hash((self.package, self.pus))

    def __repr__(self) -> str:
        return f"PhysicalCore(package={self.package}, pus={self.pus})"


class MachineTopology:
    """A machine.

    Attributes:
        hostname: its name.
        cores: its cores, in order of package and first processing unit; numbered from 0 by position.
        gpus: number of GPUs.
        memory: bytes of main memory; 0 when unknown.
    """

    __slots__ = ("cores", "gpus", "hostname", "memory")

    def __init__(self, hostname: str, cores: list[PhysicalCore], gpus: int = 0, memory: int = 0) -> None:
        self.hostname = hostname
        self.cores = cores
        self.gpus = gpus
        self.memory = memory


def discover(
    *, restrict: bool = True, root: str | os.PathLike[str] = "/", hostname: str | None = None
) -> MachineTopology:
    """Find out what this machine has.

    With ``restrict`` only the processing units that this process may run on count. ``root`` is where
    ``/sys``, ``/proc`` and ``/dev`` are looked for.
    """
    root = os.fspath(root)  # no Path: every broker and every shell would pay for importing pathlib
    return MachineTopology(
        hostname or socket.gethostname() or "localhost",
        _cores(_processing_units(restrict, root), root),
        _nvidia(root) + _amd(root),
        _memory(root),
    )


def _processing_units(restrict: bool, root: str) -> list[int]:
    if restrict and hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    online = _read(f"{root}/{_CPU}/online")
    if online:
        units: list[int] = []
        for part in online.split(","):
            low, _, high = part.partition("-")
            units.extend(range(int(low), int(high or low) + 1))
        return units
    return list(range(os.cpu_count() or 1))


def _cores(units: list[int], root: str) -> list[PhysicalCore]:
    """Group processing units into cores by package and core id."""
    members: dict[tuple[int, int], list[int]] = {}
    for unit in units:
        where = f"{root}/{_CPU}/cpu{unit}/topology"
        core = _read_number(f"{where}/core_id")
        package = _read_number(f"{where}/physical_package_id") or 0
        # without a core id the unit is a core by itself; negative keys cannot clash with real ids
        key = (package, -1 - unit) if core is None else (package, core)
        members.setdefault(key, []).append(unit)
    cores = [PhysicalCore(max(package, 0), tuple(pus)) for (package, _), pus in members.items()]
    return sorted(cores, key=lambda core: (core.package, core.pus))


def _nvidia(root: str) -> int:
    """Count NVIDIA GPUs by their device files, which a container has only for those that it may use."""
    return sum(1 for name in _names(f"{root}/dev") if name[:6] == "nvidia" and name[6:].isdigit())


def _amd(root: str) -> int:
    """Count AMD GPUs: nodes of the kernel's compute topology that have SIMD units (a CPU node has none)."""
    count = 0
    for node in _names(f"{root}/{_KFD}"):
        for line in _read(f"{root}/{_KFD}/{node}/properties").splitlines():
            name, _, value = line.partition(" ")
            if name == "simd_count" and value.strip() != "0":
                count += 1
    return count


def _memory(root: str) -> int:
    for line in _read(f"{root}/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name == "MemTotal":
            return int(rest.split()[0]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0  # the platform does not tell


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _read_number(path: str) -> int | None:
    try:
        return int(_read(path))
    except ValueError:
        return None
