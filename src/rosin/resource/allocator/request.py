# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a job asks for, read from its jobspec (RFC 14 and 25) in the terms of the allocator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.errors import FormatError
from rosin.resource.allocator.count import scaled
from rosin.rfc.count import Count, parse
from rosin.rfc.jobspec.attributes import is_duration

if TYPE_CHECKING:
    from collections.abc import Hashable

#: Deepest nesting of resources that is followed; legitimate requests have four or five levels.
MAX_DEPTH = 100
#: Counted pools of one request, or of an instance, and characters of their names, at most.
MAX_POOLS = 64
MAX_NAME = 64
#: Types that mean something to an allocator.
_TYPES = ("node", "slot", "core", "gpu")

ONE = Count(1, 1)


class ResourceRequest:
    """A resource request.

    Attributes:
        nodes: acceptable node counts; None when the job asks for slots wherever they are.
        slots: slots per node, or the total number of slots when ``nodes`` is None.
        cores: cores per slot.
        gpus: GPUs per slot.
        exclusive: the job gets its nodes whole.
        duration: seconds; 0.0 is no limit.
        constraint: RFC 31 object, or None.
        queue: name of the job's queue, for messages; "" without one.
        shape: the same for requests that fit on the same resources.
        feasible_at: generation of the pool for which feasibility was last found true.
        pools: of counted pools: name, how many the job needs, how many more each node, or each slot
            where ``nodes`` is None.
    """

    __slots__ = (
        "constraint",
        "cores",
        "duration",
        "exclusive",
        "feasible_at",
        "gpus",
        "nodes",
        "pools",
        "queue",
        "shape",
        "slots",
    )

    def __init__(
        self,
        nodes: Count | None,
        slots: Count,
        cores: int,
        gpus: int = 0,
        *,
        exclusive: bool = False,
        duration: float = 0.0,
        constraint: dict[str, Any] | None = None,
        queue: str = "",
        pools: tuple[tuple[str, int, int], ...] = (),
    ) -> None:
        self.nodes = nodes
        self.slots = slots
        self.cores = cores
        self.gpus = gpus
        self.exclusive = exclusive
        self.duration = duration
        self.constraint = constraint
        self.queue = queue
        self.feasible_at = -1
        if exclusive and nodes is None:  # exclusive is a property of nodes: each slot gets one
            self.nodes, self.slots = slots, ONE
        where = constraint and _json.dumps_sorted(constraint)
        self.pools = pools
        self.shape: Hashable = (self.nodes, self.slots, cores, gpus, exclusive, where, pools)


def from_jobspec(jobspec: Any) -> ResourceRequest:
    """Read the request out of a decoded jobspec.

    The resource graph is walked to any depth. Of types other than node, slot, core and gpu those that hold
    something only multiply it; the others are counted pools (RFC 4), once for the job, or for each node or
    slot that they are in. Raises FormatError naming what is missing.
    """
    resources = jobspec.get("resources") if isinstance(jobspec, dict) else None
    if not resources or not isinstance(resources, list):
        raise FormatError("jobspec has no resources")
    walk = _Walk()
    walk.visit(resources, 1, 0)
    if walk.slots is None:
        raise FormatError("jobspec: no slot in resources: unable to determine slot count")
    if walk.cores is None:
        raise FormatError("jobspec: no core in resources: unable to determine slot size")
    system = _system(jobspec)
    return ResourceRequest(
        None if walk.nodes is None else scaled(walk.nodes, walk.parents),
        walk.slots,
        walk.cores,
        walk.gpus,
        exclusive=walk.exclusive,
        duration=_duration(system),
        constraint=_constraint(system),
        queue=str(system.get("queue") or ""),
        pools=walk.counted(),
    )


class _Walk:
    """What a walk over the resource vertices has found so far."""

    __slots__ = ("cores", "exclusive", "gpus", "nodes", "parents", "pools", "slots")

    def __init__(self) -> None:
        self.nodes: Count | None = None
        self.slots: Count | None = None
        self.cores: int | None = None
        self.gpus = 0
        self.exclusive = False
        self.parents = 1  # how many resources above the node level each multiply the node count
        self.pools: dict[tuple[str, str], int] = {}  # type, and what it is in: node, slot or neither

    def counted(self) -> tuple[tuple[str, int, int], ...]:
        """The counted pools, by name."""
        slots = 1 if self.nodes is None or self.slots is None else self.slots.min
        found: dict[str, tuple[int, int]] = {}
        for (kind, place), count in self.pools.items():
            once, each = found.get(kind, (0, 0))
            if place:
                found[kind] = (once, each + count * (slots if place == "slot" else 1))
            else:
                found[kind] = (once + count, each)
        return tuple((kind, once, each) for kind, (once, each) in sorted(found.items()))

    def visit(self, vertices: Any, parents: int, depth: int, place: str = "", inside: int = 1) -> None:
        if depth > MAX_DEPTH:
            raise FormatError(f"jobspec: resources are nested deeper than {MAX_DEPTH} levels")
        if not isinstance(vertices, list):
            raise FormatError("jobspec: 'with' must be an array")
        for vertex in vertices:
            if not isinstance(vertex, dict):
                raise FormatError("jobspec: a resource must be an object")
            kind = vertex.get("type")
            spec = vertex.get("count", 1)
            if kind == "gpu" and spec == 0:  # written by tools that always list GPUs
                continue
            count = parse(spec)
            if kind in ("node", "slot") and vertex.get("exclusive") is True:
                self.exclusive = True
            if kind == "node":
                self.nodes, self.parents = count, parents
            elif kind == "slot":
                self.slots = count
            elif kind == "core":
                self.cores = count.min
            elif kind == "gpu":
                self.gpus = count.min
            children = vertex.get("with")
            if children:
                above = kind if kind in ("node", "slot") else place
                within = 1 if kind in ("node", "slot") else inside * count.min
                self.visit(
                    children, parents if kind == "node" else parents * count.min, depth + 1, above, within
                )
            elif kind not in _TYPES and isinstance(kind, str):
                if len(kind) > MAX_NAME or len(self.pools) >= 3 * MAX_POOLS:
                    text = (
                        f"jobspec: expected {MAX_POOLS} types of resources at most, of {MAX_NAME} characters"
                    )
                    raise FormatError(text)
                self.pools[kind, place] = self.pools.get((kind, place), 0) + inside * count.min


def _system(jobspec: dict[str, Any]) -> dict[str, Any]:
    attributes = jobspec.get("attributes")
    system = attributes.get("system") if isinstance(attributes, dict) else None
    if not isinstance(system, dict):
        if jobspec.get("version") == 1:
            raise FormatError("jobspec: getting duration: attributes.system is missing")
        return {}
    if jobspec.get("version") == 1 and system.get("duration") is None:
        raise FormatError("jobspec: getting duration: attributes.system.duration is missing")
    return system


def _duration(system: dict[str, Any]) -> float:
    duration = system.get("duration") or 0.0
    if not is_duration(duration):
        raise FormatError("jobspec: attributes.system.duration must be a number of seconds, 0 or more")
    return float(duration)


def _constraint(system: dict[str, Any]) -> dict[str, Any] | None:
    constraint = system.get("constraints")
    if not constraint:
        return None
    if not isinstance(constraint, dict):
        raise FormatError("jobspec: attributes.system.constraints must be an object")
    return constraint
