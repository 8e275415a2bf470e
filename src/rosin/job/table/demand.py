# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 25, RFC 20: the few facts of a jobspec and of an R that a listing shows.

A job with a jobspec or R that breaks its RFC is still listed, with the facts that can be found.
"""

from __future__ import annotations

from functools import lru_cache
from sys import intern
from typing import Any

from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset

_NUMBER = (int, float)


def _dig(obj: Any, *path: str) -> Any:
    for key in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(key)
    return obj


def _text(value: Any) -> str | None:
    return intern(value) if isinstance(value, str) else None


def _time(value: Any) -> float | None:
    return float(value) if type(value) in _NUMBER and value >= 0 else None


def _job_name(jobspec: dict[str, Any]) -> str | None:
    """The name that the user gave, or else the last path component of the command."""
    name = _text(_dig(jobspec, "attributes", "system", "job", "name"))
    if name is not None:
        return name
    try:
        command = jobspec["tasks"][0]["command"][0]
    except (KeyError, IndexError, TypeError):
        return None
    if not isinstance(command, str):
        return None
    return intern(command.rpartition("/")[2] or command)


def _minimum(count: Any) -> int:
    """The least value of a resource count: an integer, ``{"min": N, ...}`` or a range such as ``2-4``."""
    if isinstance(count, dict):
        count = count.get("min")
    elif isinstance(count, str):
        digits = count.strip("[]")
        end = next((at for at, char in enumerate(digits) if not char.isdigit()), len(digits))
        count = int(digits[:end] or 0)
    return count if type(count) is int and count > 0 else 0


class _Counts:
    """Totals over a resource graph: nodes, slots, cores in a slot, and whether whole nodes are asked for."""

    __slots__ = ("cores", "exclusive", "nnodes", "nslots")

    def __init__(self, resources: Any) -> None:
        self.nnodes = self.nslots = self.cores = 0
        self.exclusive = False
        self._walk(resources, 1, 0)

    def _walk(self, resources: Any, outer: int, inside_slot: int) -> None:
        for vertex in resources if isinstance(resources, list) else []:
            if not isinstance(vertex, dict):
                continue
            kind, count = vertex.get("type"), _minimum(vertex.get("count"))
            slot = inside_slot
            if kind == "node":
                self.nnodes += outer * count
                self.exclusive |= vertex.get("exclusive") is True
            elif kind == "slot":
                self.nslots += outer * count
                slot = 1
            elif kind == "core" and inside_slot:
                self.cores += inside_slot * count
            self._walk(vertex.get("with"), outer * count, slot * count if inside_slot else slot)


class Demand:
    """What a jobspec asks for. An attribute is None when the jobspec does not tell."""

    __slots__ = (
        "_ntasks",
        "_per_core",
        "_per_node",
        "bank",
        "cwd",
        "duration",
        "name",
        "ncores",
        "nnodes",
        "project",
        "queue",
    )

    def __init__(self, jobspec: dict[str, Any]) -> None:
        system = _dig(jobspec, "attributes", "system") or {}
        self.name = _job_name(jobspec)
        self.cwd = _text(_dig(system, "cwd"))
        self.queue = _text(_dig(system, "queue"))
        self.project = _text(_dig(system, "project"))
        self.bank = _text(_dig(system, "bank"))
        self.duration = _time(_dig(system, "duration"))
        counts = _Counts(_dig(jobspec, "resources"))
        self.nnodes = counts.nnodes or None
        # How many cores whole nodes have is known only when they are allocated.
        whole = counts.nnodes and counts.exclusive
        self.ncores = None if whole else counts.nslots * counts.cores or None
        self._per_node = self._per_core = 0
        self._ntasks = self._count_tasks(jobspec, system, counts)

    def _count_tasks(self, jobspec: dict[str, Any], system: Any, counts: _Counts) -> int | None:
        per_resource = _dig(system, "shell", "options", "per-resource")
        if isinstance(per_resource, dict):
            number = per_resource.get("count", 1)
            if per_resource.get("type") == "node" and type(number) is int:
                if not counts.nnodes:
                    self._per_node = number
                    return None
                return counts.nnodes * number
            if per_resource.get("type") == "core" and type(number) is int:
                if counts.nnodes:
                    self._per_core = number
                    return None
                return counts.nslots * counts.cores * number
        try:
            total = jobspec["tasks"][0]["count"].get("total")
        except (KeyError, IndexError, TypeError, AttributeError):
            total = None
        return total if type(total) is int else counts.nslots or None

    def ntasks(self, nnodes: int | None, ncores: int | None) -> int | None:
        """Number of tasks, given the allocated nodes and cores (None while there are none)."""
        if self._per_node and nnodes is not None:
            return self._per_node * nnodes
        if self._per_core and ncores is not None:
            return self._per_core * ncores
        return self._ntasks


@lru_cache(maxsize=4096)
def _idset(text: str) -> Idset:
    """Decode an idset; jobs share few of them."""
    return Idset(text)


@lru_cache(maxsize=4096)
def _hosts(text: str) -> str:
    """A hostlist in its shortest form."""
    return intern(Hostlist(text).encode())


class ResourceSummary:
    """What an R holds. An attribute is None when R does not tell."""

    __slots__ = ("expiration", "ncores", "nnodes", "nodelist", "ranks")

    def __init__(self, R: dict[str, Any]) -> None:
        execution = _dig(R, "execution")
        self.expiration = _time(_dig(execution, "expiration"))
        self.ranks: str | None = None
        self.nodelist: str | None = None
        self.nnodes: int | None = None
        self.ncores: int | None = None
        try:
            self._count(_dig(execution, "R_lite"))
            hosts = _dig(execution, "nodelist")
            if isinstance(hosts, list) and hosts:
                self.nodelist = _hosts(",".join(hosts))
        except (FormatError, KeyError, TypeError, AttributeError):
            return

    def _count(self, entries: Any) -> None:
        if not isinstance(entries, list):
            return
        ranks, ncores = Idset(), 0
        for entry in entries:
            these = _idset(entry["rank"])
            ncores += len(these) * len(_idset(entry["children"].get("core", "")))
            ranks |= these
        self.nnodes = len(ranks)
        self.ncores = ncores
        self.ranks = intern(ranks.encode(brackets=True))
