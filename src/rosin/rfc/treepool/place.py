# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 49: which cores and GPUs a request gets, so that what belongs together lies together.

Nodes are tried from the fullest to the emptiest. On a node a slot takes the cores and GPUs of the smallest
domain that has enough of both; slots without GPUs go where fewest cores are left, so that whole domains
remain for others. The places are those that flux-core's TreePool gives, which the tests compare.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.count import parse as count_of
from rosin.rfc.idset import Idset
from rosin.rfc.payload import describe
from rosin.rfc.rset import ResourceSet
from rosin.rfc.treepool.topology import Domain, Topology

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    #: Cores and GPUs, as integers with a bit for each.
    Masks = tuple[int, int]


class Request:
    """What is asked for.

    Attributes:
        nnodes: nodes, all with as many slots; 0: slots go to any nodes.
        slots: slots of each node, or of all when ``nnodes`` is 0.
        cores, gpus: of each slot.
        exclusive: the nodes must be free and are taken whole.
        locality: each slot takes a whole domain of that name.
    """

    __slots__ = ("cores", "exclusive", "gpus", "locality", "nnodes", "slots")

    def __init__(
        self,
        slots: int = 1,
        cores: int = 0,
        gpus: int = 0,
        *,
        nnodes: int = 0,
        exclusive: bool = False,
        locality: str = "",
    ) -> None:
        if slots < 1 or min(cores, gpus, nnodes) < 0:
            raise FormatError("request: expected a slot or more and no negative counts")
        if not cores and not exclusive and not locality:
            raise FormatError("request: a slot needs a core or more, or something whole: node{x}, numa{x}")
        self.slots = slots
        self.cores = cores
        self.gpus = gpus
        self.nnodes = nnodes
        self.exclusive = exclusive
        self.locality = locality

    @staticmethod
    def decode(resources: Any) -> Request:
        """Read the ``resources`` of a jobspec (RFC 14), the smallest of each range of counts.

        A vertex of another type than node, slot, core and gpu names a locality; it must be exclusive, with
        nothing below. Raises FormatError that names the place.
        """
        found: dict[str, int] = {}
        exclusive, locality = False, ""
        place, above = "resources", 1
        vertices = _vertices(resources, place)
        while vertices:
            below, outer = None, above
            for here, kind, count, whole, inner in vertices:
                if kind in found:
                    raise FormatError(f"{here}: a second {describe(kind)}")
                if kind not in ("node", "slot"):
                    if "slot" not in found:
                        raise FormatError(f"{here}: {describe(kind)} is in no slot")
                    unit = kind in ("core", "gpu")
                    if inner or whole is unit:
                        rule = "cannot be exclusive or hold" if unit else "must be exclusive and not hold"
                        raise FormatError(f"{here}: {describe(kind)} {rule} anything")
                    locality = locality if unit else kind
                elif whole:
                    exclusive = True
                found[kind] = outer * count
                if inner:
                    below, place, above = inner, f"{here}.with", found[kind]
            vertices = _vertices(below, place) if below else []
        if "slot" not in found:
            raise FormatError("resources: there is no slot")
        slots, nodes = found["slot"], found.get("node", 0)
        # Each node is one slot's where slots lie around nodes.
        parts = max(slots, nodes)
        per_node = max(slots // nodes, 1) if nodes else slots
        if exclusive and not nodes and not locality:
            nodes, per_node = slots, 1
        if locality:
            per_node = found[locality] // nodes if nodes else found[locality]
        return Request(
            per_node,
            found.get("core", 0) // parts,
            found.get("gpu", 0) // parts,
            nnodes=nodes,
            exclusive=exclusive,
            locality=locality,
        )


def _vertices(vertices: Any, place: str) -> list[tuple[str, str, int, bool, Any]]:
    """``(place, type, count, exclusive, with)`` of vertices side by side: a single one, or cores and GPUs."""
    if type(vertices) is not list:
        raise FormatError(f"{place}: expected an array, got {describe(vertices)}")
    checked = []
    for at, vertex in enumerate(vertices):
        here = f"{place}[{at}]"
        if type(vertex) is not dict:
            raise FormatError(f"{here}: expected an object, got {describe(vertex)}")
        kind, whole = vertex.get("type"), vertex.get("exclusive", False)
        if type(kind) is not str or not kind:
            raise FormatError(f"{here}.type: expected a string, got {describe(kind)}")
        if len(vertices) > 1 and kind not in ("core", "gpu"):
            raise FormatError(f"{here}: {describe(kind)} cannot be beside others")
        if type(whole) is not bool:
            raise FormatError(f"{here}.exclusive: expected true or false, got {describe(whole)}")
        try:
            count = count_of(vertex.get("count", 1)).min
        except FormatError as error:
            raise FormatError(f"{here}.count: {error}") from None
        checked.append((here, kind, count, whole, vertex.get("with")))
    return checked


class Places:
    """The free cores and GPUs of ranks, and a way to give them out."""

    __slots__ = ("_free", "_kinds", "_named", "_rset", "_topology", "_whole")

    def __init__(self, rset: ResourceSet, topology: Topology | None = None) -> None:
        """``topology`` is by default that of ``rset.scheduling``. Raises FormatError when they do not fit."""
        self._rset = rset
        self._topology = Topology.decode(rset.scheduling) if topology is None else topology
        self._topology.check(rset)
        self._whole: dict[int, Masks] = dict(sorted(rset.items()))
        self._free = dict(self._whole)
        self._kinds: dict[int, list[list[Masks]]] = {}  # by the identity of a domain
        self._named: dict[tuple[int, str], list[Masks]] = {}

    def free(self, rank: int) -> Masks:
        """Return the free cores and GPUs of a rank."""
        return self._free[rank]

    def release(self, rset: ResourceSet) -> None:
        """Take resources back."""
        for rank, (cores, gpus) in rset.items():
            whole, free = self._whole[rank], self._free[rank]
            self._free[rank] = (free[0] | (cores & whole[0]), free[1] | (gpus & whole[1]))

    def allocate(self, request: Request) -> ResourceSet | None:
        """Return R of resources for a request and make them busy, or None while there are not enough."""
        if request.exclusive:
            usable = [rank for rank, free in self._free.items() if free == self._whole[rank]]
        else:
            usable = [rank for rank, (cores, _) in self._free.items() if cores.bit_count() >= request.cores]
        usable.sort(key=lambda rank: tuple(mask.bit_count() for mask in self._free[rank]))
        nodes, left = request.nnodes, request.slots
        chosen: dict[int, Masks] = {}
        for rank in usable:
            taken, count = self.take(rank, self._free[rank], request, request.slots if nodes else left)
            if nodes:
                if count == request.slots:
                    chosen[rank] = taken
                    if len(chosen) == nodes:
                        return self._give(chosen)
            elif count:
                chosen[rank] = taken
                left -= count
                if not left:
                    return self._give(chosen)
        return None

    def _give(self, chosen: dict[int, Masks]) -> ResourceSet:
        new = self._rset.copy_ranks(Idset(chosen))
        part = ResourceSet()
        for rank, (cores, gpus) in chosen.items():
            free = self._free[rank]
            self._free[rank] = (free[0] & ~cores, free[1] & ~gpus)
            part.add_rank(rank, self._rset.host(rank), cores, gpus)
        new = new.intersect(part)
        new.drop_local_properties()
        new.scheduling = self._topology.trim(chosen).encode()
        return new

    def take(self, rank: int, free: Masks, request: Request, most: int) -> tuple[Masks, int]:
        """Return what up to ``most`` slots take of what is free on a rank, and how many slots that is.

        For those who keep account of what is free themselves: nothing changes here.
        """
        domain = self._topology.nodes[rank]
        if request.locality:
            key = id(domain), request.locality
            if key not in self._named:
                self._named[key] = [inner.masks() for inner in domain.named(request.locality)]
            return _whole_domains(self._named[key], free, most)
        if request.exclusive and not request.cores:
            return free, most
        if id(domain) not in self._kinds:
            self._kinds[id(domain)] = levels(domain)
        kinds = self._kinds[id(domain)]
        taken, count = (_with_gpus if request.gpus else _cores_only)(kinds, free, request, most)
        return (free if request.exclusive else taken), count


def levels(domain: Domain) -> list[list[Masks]]:
    """Return the cores and GPUs of each domain of a node, by level: the smallest domains first."""
    found: list[list[Masks]] = []
    _add_levels(domain, found)
    return found


def _add_levels(domain: Domain, found: list[list[Masks]]) -> tuple[int, Masks]:
    """Add a domain and those inside to the levels; return its level, -1 without cores, and what it has."""
    masks = domain.masks()
    if domain.cores is not None:
        _put(found, 0, masks)
        return 0, masks
    inner = [_add_levels(child, found) for child in domain.children()]
    top = max((level for level, _ in inner), default=-1)
    if not masks[0]:
        return top, masks
    at_top = {mask for level, mask in inner if level == top}
    if top >= 0 and at_top == {masks}:
        return top, masks  # a domain that is all of its node's or socket's is one level with it
    _put(found, top + 1, masks)
    return top + 1, masks


def _put(found: list[list[Masks]], level: int, masks: Masks) -> None:
    while len(found) <= level:
        found.append([])
    found[level].append(masks)


def _whole_domains(domains: list[Masks], free: Masks, most: int) -> tuple[Masks, int]:
    cores = gpus = count = 0
    for masks in domains:
        if count < most and any(masks) and not (masks[0] & ~free[0] or masks[1] & ~free[1]):
            cores |= masks[0]
            gpus |= masks[1]
            count += 1
    return (cores, gpus), count


def _with_gpus(kinds: list[list[Masks]], free: Masks, request: Request, most: int) -> tuple[Masks, int]:
    cores, gpus = free
    count = 0
    for level in kinds:
        for group in level:
            while count < most:
                here = cores & group[0], gpus & group[1]
                if here[0].bit_count() < request.cores or here[1].bit_count() < request.gpus:
                    break
                cores &= ~lowest(here[0], request.cores)
                gpus &= ~lowest(here[1], request.gpus)
                count += 1
    return (free[0] & ~cores, free[1] & ~gpus), count


def _cores_only(kinds: list[list[Masks]], free: Masks, request: Request, most: int) -> tuple[Masks, int]:
    cores = free[0]
    size = request.cores
    for level in kinds:
        sizes = [((cores & group[0]).bit_count(), group[0]) for group in level]
        if max(number for number, _ in sizes) >= size:
            break
    else:
        return (0, 0), 0
    count = 0
    for _, group in sorted(sizes, key=lambda item: item[0]):
        fit = min((cores & group).bit_count() // size, most - count)
        cores &= ~lowest(cores & group, fit * size)
        count += fit
    return (free[0] & ~cores, 0), count


def lowest(mask: int, count: int) -> int:
    """Return the ``count`` lowest one-bits of a mask."""
    rest = mask
    for _ in range(count):
        rest &= rest - 1
    return mask & ~rest
