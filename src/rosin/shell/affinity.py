# SPDX-License-Identifier: LGPL-3.0-or-later
"""CPU and GPU binding: the ``cpu-affinity`` and ``gpu-affinity`` options.

R names cores by their logical number on the node; binding needs the operating system's processor numbers.
:func:`topology` finds them once per process (a zygote calls it before it forks shells).
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.process.topology import discover
from rosin.rfc.idset import Idset
from rosin.shell.errors import ShellError

_cores: list[frozenset[int]] | None = None


def topology() -> list[frozenset[int]]:
    """Processors of each logical core, in order of package and lowest processor number."""
    global _cores
    if _cores is None:
        _cores = [frozenset(core.pus) for core in discover().cores]
    return _cores


def cpus_of(cores: Idset, table: list[frozenset[int]]) -> frozenset[int] | None:
    """Processors of these logical cores; None if the node has not got them all."""
    last = cores.last()
    if last is None or last >= len(table):
        return None
    return frozenset().union(*(table[core] for core in cores))


def distribute(cores: list[frozenset[int]], ntasks: int) -> list[frozenset[int]]:
    """Share cores among tasks: consecutive and equal where they suffice, else several tasks on a core."""
    result: list[set[int]] = []
    count = len(cores)
    for number, core in enumerate(cores):
        chunk = -(-(number + 1) * ntasks // count) - -(-number * ntasks // count)
        if chunk == 0:
            result[-1] |= core  # fewer tasks than cores: this core joins the task before
        result += [set(core) for _ in range(chunk)]
    return [frozenset(cpus) for cpus in result]


def parse_map(text: str, ntasks: int, what: str = "cpuset") -> list[frozenset[int]]:
    """A list such as ``0-1;2-3`` or ``0x3;0xc``: one set per task, used again from the start when short."""
    sets: list[frozenset[int]] = []
    for item in filter(None, text.split(";")):
        try:
            if item.startswith("0x"):
                ids = frozenset(Idset.from_mask(_mask(item)))
            else:
                # In any order, as hwloc takes lists.
                ids = frozenset(id for part in item.split(",") for id in Idset.decode(part))
        except (FormatError, ValueError):
            ids = frozenset()
        if not ids:
            raise ShellError(f"{what} {item} contains no cores or is invalid")
        sets.append(ids)
    if not sets:
        raise ShellError(f"no {what}s found in affinity list {text}")
    return [sets[number % len(sets)] for number in range(ntasks)]


def _mask(item: str) -> int:
    """``0xff`` or hwloc's comma-separated 32-bit words, most significant first."""
    value = 0
    for word in item.split(","):
        value = value << 32 | int(word, 16)
    return value


def format_cpus(cpus: frozenset[int]) -> str:
    """Processor numbers as ranges."""
    return Idset(cpus).encode()


def check_mode(option: str, mode: str) -> None:
    """Raises ShellError for what is no way to bind."""
    if mode not in ("off", "on", "per-task") and not mode.startswith("map:"):
        raise ShellError(
            f"invalid option: {option}={mode}: expected off, on, per-task or map:LIST (map:0-1;2-3)"
        )


class CpuOption:
    """``cpu-affinity``: ``mode`` is off, on, per-task or map:LIST."""

    __slots__ = ("dry_run", "mode", "verbose")

    def __init__(self, text: str) -> None:
        self.verbose = self.dry_run = False
        while True:
            if text.startswith("dry-run"):
                self.dry_run, text = True, text[len("dry-run") :].removeprefix(",")
            elif text.startswith("verbose"):
                self.verbose, text = True, text[len("verbose") :].removeprefix(",")
            else:
                break
        self.mode = text or "on"
        check_mode("cpu-affinity", self.mode)

    def per_task(self, cores: list[frozenset[int]], ntasks: int) -> list[frozenset[int]] | None:
        """Processors of each task by its local number; None when tasks share the shell's."""
        if self.mode == "per-task":
            return distribute(cores, ntasks)
        if self.mode.startswith("map:"):
            return parse_map(self.mode[4:], ntasks)
        return None


def gpu_environment(mode: str, gpus: Idset, ntasks: int) -> tuple[str, list[str] | None]:
    """``CUDA_VISIBLE_DEVICES`` for all tasks, and per task where the mode asks for it.

    A job without GPUs gets -1, an id that no device has, so that it does not use another job's.
    """
    check_mode("gpu-affinity", mode)
    everyone = gpus.encode(ranges=False) if gpus else "-1"
    if mode == "per-task":
        share = len(gpus) // ntasks
        ids = list(gpus)
        return "-1", [_join(ids[i * share : (i + 1) * share]) for i in range(ntasks)]
    if mode.startswith("map:"):
        return "-1", [_join(sorted(ids)) for ids in parse_map(mode[4:], ntasks, "gpuset")]
    return everyone, None


def _join(ids: list[int]) -> str:
    return ",".join(map(str, ids))
