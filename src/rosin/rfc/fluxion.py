# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 40: the ``scheduling`` key of R with a resource graph (JGF), as the scheduler Fluxion keeps it.

R names cores and GPUs of ranks; the graph tells how they hang together. Where the two meet: a vertex of type
``node`` is a host of R (its name), the ``core`` and ``gpu`` vertices below it are that host's, by their ids,
and ``rank`` in :attr:`Pool.data` is the broker rank. Ranks are numbered anew in a sub-instance while the
scheduling key is not, so hosts decide where both are known.

Fluxion also writes ``fluxion:jgf_shorthand``, which the RFC does not have: an ``exclusive`` vertex stands for
all that is below it in the graph of the whole system (:func:`expand`).
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc import jgf
from rosin.rfc.graph import Graph
from rosin.rfc.graph.walk import postorder, preorder
from rosin.rfc.idset import Idset, mask_of
from rosin.rfc.payload import describe
from rosin.rfc.pool import Pool
from rosin.rfc.rset import ResourceSet
from rosin.rfc.rset.format import MAX_CHILDREN, MAX_RANKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The ``writer`` of this format, and of the short one.
WRITER, SHORTHAND = "fluxion:jgf", "fluxion:jgf_shorthand"

_UNITS = ("core", "gpu")


def writer(scheduling: Any) -> tuple[str, str]:
    """Return scheme and path of ``scheduling.writer``; what it leaves out is ``fluxion`` and ``jgf``.

    Another scheme than ``fluxion`` has the path that is written, perhaps "". Raises FormatError.
    """
    if type(scheduling) is not dict:
        raise FormatError(f"scheduling: expected an object, got {describe(scheduling)}")
    uri = scheduling.get("writer", "fluxion")
    if type(uri) is not str:
        raise FormatError(f"scheduling.writer: expected a string, got {describe(uri)}")
    scheme, _, path = uri.partition(":")
    return scheme, path or ("jgf" if scheme == "fluxion" else "")


def decode(scheduling: Any, *, strict: bool = False) -> Graph:
    """Read the graph of a ``scheduling`` key. Raises FormatError, also when another scheduler wrote it.

    ``strict`` is that of :func:`rosin.rfc.jgf.decode`.
    """
    scheme, path = writer(scheduling)
    if scheme != "fluxion" or path not in ("jgf", "jgf_shorthand"):
        text = f"{scheme}:{path}".rstrip(":")
        raise FormatError(f"scheduling.writer: expected {WRITER} or {SHORTHAND}, got {describe(text)}")
    try:
        return jgf.decode(scheduling, strict=strict)
    except FormatError as error:
        raise FormatError(f"scheduling: {str(error).removeprefix('jgf: ')}") from None


def encode(graph: Graph, flavour: str = "rfc") -> dict[str, Any]:
    """Return the ``scheduling`` key for a graph, in a flavour of :func:`rosin.rfc.jgf.encode`."""
    return {"writer": WRITER, **jgf.encode(graph, flavour)}


def from_resource_set(rset: ResourceSet) -> Graph:
    """Return the graph of R: a cluster, its nodes, and their cores and GPUs.

    Raises FormatError when R does not name the hosts, since the graph refers to them.
    """
    graph = Graph()
    root = graph.add(Pool("cluster", 0))
    properties: dict[int, list[str]] = {}
    for name in rset.get_properties():
        for rank in rset.property_ranks(name):
            properties.setdefault(rank, []).append(name)
    for rank, masks in sorted(rset.items()):
        host = rset.host(rank)
        if not host:
            raise FormatError(f"R: rank {rank} has no host: a graph needs execution.nodelist")
        node = Pool(
            "node", _trailing(host), name=host, properties=properties.get(rank, ()), data={"rank": rank}
        )
        above = graph.add(node)
        graph.connect(root, above)
        for kind, mask in zip(_UNITS, masks, strict=True):
            for number in Idset.from_mask(mask):
                graph.connect(above, graph.add(Pool(kind, number, data={"rank": rank})))
    return graph


def _trailing(host: str) -> int | None:
    digits = host[len(host.rstrip("0123456789")) :]
    return int(digits) if digits and len(digits) < 19 else None


def attach(rset: ResourceSet, flavour: str = "fluxion") -> ResourceSet:
    """Return a copy of R whose ``scheduling`` key is the graph of it."""
    new = rset.copy()
    new.scheduling = encode(from_resource_set(rset), flavour)
    return new


def to_resource_set(graph: Graph) -> ResourceSet:
    """Return R of the nodes, cores and GPUs of a graph; other types have no place there.

    Nodes that have a rank must have different ones; if none has, they are numbered from 0 in their order.
    Raises FormatError that names the vertex.
    """
    graph.check_composite()
    nodes = [(vertex, pool) for vertex, pool in graph.items() if pool.type == "node"]
    ranks = _ranks(nodes)
    rset = ResourceSet()
    having: dict[str, list[int]] = {}
    for (vertex, pool), rank in zip(nodes, ranks, strict=True):
        if pool.size != 1:
            raise FormatError(f"graph: node {describe(pool.name)}: R cannot tell a pool of {pool.size} nodes")
        cores, gpus = _units(graph, vertex)
        rset.add_rank(rank, pool.name, mask_of(cores), mask_of(gpus))
        for name in pool.properties:
            having.setdefault(name, []).append(rank)
    for name, those in having.items():
        rset.set_property(name, Idset(those))
    return rset


def _ranks(nodes: list[tuple[str, Pool]]) -> list[int]:
    ranks = [pool.data.get("rank", -1) for _, pool in nodes]
    if all(rank == -1 for rank in ranks):
        return list(range(len(ranks)))
    seen: set[int] = set()
    for (vertex, _), rank in zip(nodes, ranks, strict=True):
        if type(rank) is not int or not 0 <= rank < MAX_RANKS:
            raise FormatError(f"graph: node {describe(vertex)}: rank {describe(rank)} is not a broker rank")
        if rank in seen:
            raise FormatError(f"graph: node {describe(vertex)}: rank {rank} is that of another node")
        seen.add(rank)
    return ranks


def _units(graph: Graph, node: str) -> tuple[list[int], list[int]]:
    """The ids of the cores and of the GPUs below a node, but not below a node within."""
    found: dict[str, set[int]] = {kind: set() for kind in _UNITS}
    root = graph.pool(node)
    for vertex in preorder(graph, node, prune=lambda pool: pool is root or pool.type != "node"):
        pool = graph.pool(vertex)
        ids = found.get(pool.type)
        if ids is None:
            continue
        place = f"graph: {pool.type} {describe(vertex)}"
        if pool.size != 1:
            raise FormatError(f"{place}: R cannot tell a pool of {pool.size}: expected size 1")
        if pool.id is None or not 0 <= pool.id < MAX_CHILDREN:
            raise FormatError(f"{place}: expected an id from 0 to {MAX_CHILDREN - 1}")
        if pool.id in ids:
            raise FormatError(f"{place}: the node has another {pool.type} with id {pool.id}")
        ids.add(pool.id)
    return list(found["core"]), list(found["gpu"])


def restrict(graph: Graph, rset: ResourceSet) -> Graph:
    """Return the part of a graph that R names: for the ``scheduling`` key of an allocation.

    It has the nodes whose hosts R has, the cores and GPUs of R, what is above these, and pools of other types
    that nothing is below of (memory, storage) where what is right above them stays. Pools are shared.
    """
    graph.check_composite()
    hosts: dict[str, int] = {rset.host(rank): rank for rank in rset}
    keep: set[str] = set()
    for root in graph.roots():
        owner: dict[str, int | None] = {}
        for vertex in preorder(graph, root):
            pool = graph.pool(vertex)
            above = next(iter(graph.parents(vertex)), None)
            rank = owner[above] if above is not None and above in owner else None
            owner[vertex] = hosts.get(pool.name) if pool.type == "node" else rank
        for vertex in postorder(graph, root):
            if _stays(graph, vertex, owner[vertex], rset, keep):
                keep.add(vertex)
        for vertex in preorder(graph, root):
            if vertex in keep:
                below = graph.children(vertex)
                keep.update(v for v in below if _is_store(graph.pool(v)) and not graph.children(v))
    return graph.subset(keep)


def _is_store(pool: Pool) -> bool:
    return pool.type != "node" and pool.type not in _UNITS


def _stays(graph: Graph, vertex: str, rank: int | None, rset: ResourceSet, keep: set[str]) -> bool:
    pool = graph.pool(vertex)
    if pool.type in _UNITS and rank is not None and pool.id is not None and pool.id >= 0:
        return bool((rset.core_mask(rank) if pool.type == "core" else rset.gpu_mask(rank)) >> pool.id & 1)
    if pool.type == "node" and rank is not None:
        return True
    return any(child in keep for child in graph.children(vertex))


def expand(graph: Graph, whole: Graph) -> Graph:
    """Return a shorthand graph with all that ``whole`` has below its exclusive vertices.

    A vertex of the one is that of the other with the same name. Raises FormatError when there is none.
    """
    whole.check_composite()
    foreign = next((vertex for vertex in graph if vertex not in whole), None)
    if foreign is not None:
        raise FormatError(f"graph: the whole graph has no vertex {describe(foreign)}")
    taken: dict[str, Pool] = dict(graph.items())
    for root in whole.roots():
        for vertex in preorder(whole, root):
            if vertex in taken and taken[vertex].data.get("exclusive") is True:
                for child in whole.children(vertex):
                    taken[child] = (taken.get(child) or whole.pool(child)).copy()
                    taken[child].data["exclusive"] = True
    new = Graph()
    for vertex in whole:
        if vertex in taken:
            new.add(taken[vertex], vertex)
    for edge in whole.edges():
        if edge.source in taken and edge.target in taken:
            new.connect(edge.source, edge.target, edge.subsystem, edge.relationship, both=edge.both)
    return new
