# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 49: the ``scheduling`` key of R that tells what is near what inside of nodes, as trees.

``{"writer": "TreePool", "children": [{"ranks": IDSET, "topo": DOMAIN}]}``. A domain holds resources of a node
(``cores``, ``gpus``, ``memory``, ``storage``) and, under names such as ``socket`` and ``numa``, arrays of
domains. Which cores a job has is told by R_lite alone; this is where they are.
:mod:`rosin.rfc.treepool.place` makes use of it.
"""

from __future__ import annotations

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc.idset import Idset, decode_ranges, encode_ids
from rosin.rfc.payload import describe
from rosin.rfc.rset.format import MAX_CHILDREN, MAX_RANKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from rosin.rfc.rset import ResourceSet

WRITER = "TreePool"
#: Deepest nesting of domains.
MAX_DEPTH = 100


class Domain:
    """A part of a node, or all of it.

    Attributes:
        cores, gpus: node-local ids of what this domain names itself, None when it names none.
        memory: GiB, or None.
        storage: devices as ``{"path", "capacity", "unit"}``, or None.
        inside: name of a locality -> the domains in it, in order.
    """

    __slots__ = ("cores", "gpus", "inside", "memory", "storage")

    def __init__(
        self,
        cores: Idset | None = None,
        gpus: Idset | None = None,
        memory: int | None = None,
        storage: list[dict[str, Any]] | None = None,
        inside: dict[str, list[Domain]] | None = None,
    ) -> None:
        self.cores = cores
        self.gpus = gpus
        self.memory = memory
        self.storage = storage
        self.inside: dict[str, list[Domain]] = inside or {}

    def children(self) -> Iterator[Domain]:
        """Yield the domains right inside of this one."""
        for group in self.inside.values():
            yield from group

    def named(self, name: str) -> list[Domain]:
        """Return the outermost domains of a locality, in order; ``[]`` if the node has none."""
        if name in self.inside:
            return self.inside[name]
        return [found for child in self.children() for found in child.named(name)]

    def masks(self) -> tuple[int, int]:
        """Return all cores and all GPUs of the domain and what is inside of it, as integers."""
        cores = self.cores.mask if self.cores is not None else 0
        gpus = self.gpus.mask if self.gpus is not None else 0
        for child in self.children():
            more = child.masks()
            cores |= more[0]
            gpus |= more[1]
        return cores, gpus

    def encode(self) -> dict[str, Any]:
        """Return the JSON object."""
        obj: dict[str, Any] = {}
        if self.storage is not None:
            obj["storage"] = self.storage
        for name, group in self.inside.items():
            obj[name] = [domain.encode() for domain in group]
        if self.cores is not None:
            obj["cores"] = self.cores.encode()
        if self.gpus is not None:
            obj["gpus"] = self.gpus.encode()
        if self.memory is not None:
            obj["memory"] = self.memory
        return obj

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Domain):
            return NotImplemented
        return all(getattr(self, slot) == getattr(other, slot) for slot in Domain.__slots__)

    __hash__ = None  # type: ignore[assignment]


class Topology:
    """The inside of each rank's node. Ranks that share a domain were described by one entry.

    Attributes:
        nodes: rank -> domain, in the order of the entries.
        rest: keys of ``scheduling`` that the RFC does not have, as they came.
    """

    __slots__ = ("nodes", "rest")

    def __init__(self, nodes: dict[int, Domain] | None = None) -> None:
        self.nodes: dict[int, Domain] = nodes or {}
        self.rest: dict[str, Any] = {}

    @staticmethod
    def decode(source: str | bytes | dict[str, Any]) -> Topology:
        """Read a ``scheduling`` key from JSON text or its object. Raises FormatError that names the place."""
        if isinstance(source, (str, bytes)):
            try:
                source = _json.loads(source)
            except (ValueError, RecursionError) as error:
                raise FormatError(f"scheduling: not JSON: {error}") from None
        return _Reader().topology(source)

    def encode(self) -> dict[str, Any]:
        """Return the ``scheduling`` key."""
        entries: dict[int, tuple[Domain, list[int]]] = {}
        for rank, domain in self.nodes.items():
            entries.setdefault(id(domain), (domain, []))[1].append(rank)
        children = [
            {"ranks": encode_ids(sorted(ranks)), "topo": domain.encode()}
            for domain, ranks in entries.values()
        ]
        return {"writer": WRITER, "children": children, **self.rest}

    def trim(self, ranks: Idset | Iterable[int]) -> Topology:
        """Return the part of these ranks, as it goes with an allocation; domains stay whole."""
        wanted = set(ranks)
        return self._like({rank: domain for rank, domain in self.nodes.items() if rank in wanted})

    def renumber(self) -> Topology:
        """Return the topology with ranks from 0 in their order, as an instance on an allocation has them."""
        numbers = {rank: at for at, rank in enumerate(sorted(self.nodes))}
        return self._like({numbers[rank]: domain for rank, domain in self.nodes.items()})

    def check(self, rset: ResourceSet) -> None:
        """Raise FormatError unless all ranks of R are described, with every core and GPU that they have."""
        known: dict[int, tuple[int, int]] = {}
        for rank, (cores, gpus) in sorted(rset.items()):
            domain = self.nodes.get(rank)
            if domain is None:
                raise FormatError(f"scheduling.children: rank {rank} is not described")
            if id(domain) not in known:
                known[id(domain)] = domain.masks()
            have = known[id(domain)]
            for name, mask in (("core", cores & ~have[0]), ("gpu", gpus & ~have[1])):
                if mask:
                    ids = Idset.from_mask(mask).encode(brackets=True)
                    raise FormatError(f"scheduling.children: rank {rank}: {name}{ids} is in no domain")

    def _like(self, nodes: dict[int, Domain]) -> Topology:
        new = Topology(nodes)
        new.rest = self.rest
        return new

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Topology):
            return NotImplemented
        return self.nodes == other.nodes and self.rest == other.rest

    __hash__ = None  # type: ignore[assignment]


_WANTED: dict[type, str] = {str: "a string", dict: "an object", list: "an array"}


class _Reader:
    """Checks one ``scheduling`` key. Idsets that occur again are read once."""

    def __init__(self) -> None:
        self.known: dict[str, Idset] = {}

    def topology(self, source: Any) -> Topology:
        scheduling = _typed(source, dict, "scheduling")
        writer = scheduling.get("writer")
        if writer != WRITER:
            raise FormatError(f"scheduling.writer: expected '{WRITER}', got {describe(writer)}")
        new = Topology()
        new.rest = {key: value for key, value in scheduling.items() if key not in ("writer", "children")}
        for at, entry in enumerate(_typed(scheduling.get("children", []), list, "scheduling.children")):
            self.entry(entry, f"scheduling.children[{at}]", new.nodes)
        return new

    def entry(self, entry: Any, place: str, nodes: dict[int, Domain]) -> None:
        for key in ("ranks", "topo"):
            if key not in _typed(entry, dict, place):
                raise FormatError(f"{place}.{key} is missing")
        if len(entry) > 2:
            extra = next(key for key in entry if key not in ("ranks", "topo"))
            raise FormatError(f"{place}: {describe(extra)} has no place here: expected ranks and topo")
        text = _typed(entry["ranks"], str, f"{place}.ranks")
        try:
            ranges = decode_ranges(text, MAX_RANKS)
        except FormatError as error:
            raise FormatError(f"{place}.ranks: {error}") from None
        domain = self.domain(entry["topo"], f"{place}.topo", 0)
        for low, high in ranges:
            for rank in range(low, high + 1):
                if rank in nodes:
                    raise FormatError(f"{place}.ranks: rank {rank} is described twice")
                nodes[rank] = domain

    def domain(self, obj: Any, place: str, depth: int) -> Domain:
        if depth > MAX_DEPTH:
            raise FormatError(f"{place[:80]}...: more than {MAX_DEPTH} levels")
        new = Domain()
        for key, value in _typed(obj, dict, place).items():
            here = f"{place}.{key if len(key) <= 40 else key[:37] + '...'}"
            if key == "cores":
                new.cores = self.ids(value, here)
            elif key == "gpus":
                new.gpus = self.ids(value, here)
            elif key == "memory":
                if type(value) is not int or value < 0:
                    raise FormatError(f"{here}: expected a number of GiB, got {describe(value)}")
                new.memory = value
            elif key == "storage":
                devices = enumerate(_typed(value, list, here))
                new.storage = [_storage(device, f"{here}[{at}]") for at, device in devices]
            else:
                group = enumerate(_typed(value, list, here))
                new.inside[key] = [self.domain(child, f"{here}[{at}]", depth + 1) for at, child in group]
        return new

    def ids(self, value: Any, place: str) -> Idset:
        text = _typed(value, str, place)
        if text not in self.known:
            try:
                self.known[text] = Idset.decode(text, limit=MAX_CHILDREN)
            except FormatError as error:
                raise FormatError(f"{place}: {error}") from None
        return self.known[text]


def _typed(value: Any, kind: type, place: str) -> Any:
    if type(value) is not kind:
        raise FormatError(f"{place}: expected {_WANTED[kind]}, got {describe(value)}")
    return value


def _storage(device: Any, place: str) -> dict[str, Any]:
    for key in ("path", "capacity"):
        if key not in _typed(device, dict, place):
            raise FormatError(f"{place}.{key} is missing")
    _typed(device["path"], str, f"{place}.path")
    _typed(device.get("unit", "GiB"), str, f"{place}.unit")
    if type(device["capacity"]) not in (int, float) or not 0 <= device["capacity"] < float("inf"):
        raise FormatError(f"{place}.capacity: expected a number, got {describe(device['capacity'])}")
    return {"unit": "GiB", **device}
