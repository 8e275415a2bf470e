# SPDX-License-Identifier: LGPL-3.0-or-later
"""Concrete resources as R, version 1 (RFC 20): which cores and GPUs of which ranks and hosts.

A rank's resources are two integers with a bit for each core and GPU, in a tuple that ranks with equal
resources share; copying a set copies one dictionary of references.

Where flux-core and the RFC differ, or Rosin from both:

- A missing ``nodelist`` and a rank without cores are accepted, as flux-core does;
  :func:`rosin.rfc.rset.format.validate` follows the RFC.
- Property names and times are checked, as the RFC says; flux-core lets ``!`` and an expiration before the
  start time pass.
- Children other than core and gpu are not part of RFC 20 and are dropped; flux-core keeps them.
- A rank without any resource is kept; flux-core drops it when it writes.
- Results of set operations have the times of the first set and the properties of the ranks that are left,
  as in flux-core's Python binding. Its C library forgets the times, and properties when it intersects.
- The ``scheduling`` object goes with a copy, a difference and an intersection that is not empty, and a
  union has the first one there is, as in flux-core.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset, mask_of
from rosin.rfc.rset.encode import lite, short
from rosin.rfc.rset.format import check_property, foreign_ranks, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Self


class ResourceSet:
    """A set of ranks with their hosts, cores, GPUs and properties.

    ``ResourceSet()`` is empty; :meth:`decode` reads R. Not to be shared while it is changed.

    Attributes:
        starttime, expiration: seconds since the epoch, 0.0 = unset.
        nslots: slots of an allocation, 0 = unset (an inventory).
        scheduling: the scheduler's own object, passed on as it is, or None.
    """

    __slots__ = ("_hosts", "_nodes", "_properties", "expiration", "nslots", "scheduling", "starttime")

    def __init__(self) -> None:
        self._nodes: dict[int, tuple[int, int]] = {}  # rank: (core mask, GPU mask)
        self._hosts: dict[int, str] = {}
        self._properties: dict[str, int] = {}  # name: mask of ranks
        self.starttime = 0.0
        self.expiration = 0.0
        self.nslots = 0
        self.scheduling: Any = None

    @classmethod
    def decode(cls, source: str | bytes | dict[str, Any]) -> Self:
        """Read R from JSON text or its object. Raises FormatError that names the place."""
        new = cls()
        fields = parse(source)
        new._nodes, new._hosts, new._properties = fields.nodes, fields.hosts, fields.properties
        new.starttime, new.expiration = fields.starttime, fields.expiration
        new.nslots, new.scheduling = fields.nslots, fields.scheduling
        return new

    def encode(self) -> dict[str, Any]:
        """Return R as an object of its own, with the keys that flux-core writes."""
        execution: dict[str, Any] = {"R_lite": lite(self._nodes)}
        if self.nslots:
            execution["nslots"] = self.nslots
        execution["starttime"] = self.starttime
        execution["expiration"] = self.expiration
        if len(self._hosts) == len(self._nodes):
            execution["nodelist"] = [self.nodelist().encode()]
        properties = self.get_properties()
        if properties:
            execution["properties"] = properties
        source: dict[str, Any] = {"version": 1, "execution": execution}
        if self.scheduling is not None:
            source["scheduling"] = self.scheduling
        return source

    def dumps(self) -> str:
        """Return the short form ``rank[0-1]/core[0-3],gpu0 rank2/core[0-1]``."""
        return short(self._nodes)

    # -- looking ------------------------------------------------------------------------------------

    def ranks(self) -> Idset:
        """Return the ranks."""
        return Idset.from_mask(mask_of(self._nodes.keys()))

    def nodelist(self) -> Hostlist:
        """Return the hosts in the order of their ranks; empty when R came without them."""
        return Hostlist.from_names(self._hosts[rank] for rank in sorted(self._hosts))

    def host(self, rank: int) -> str:
        """Return the host of a rank, ``""`` when unknown."""
        return self._hosts.get(rank, "")

    def host_ranks(self, hosts: str | Iterable[str], ignore_nomatch: bool = False) -> list[int]:
        """Return the ranks of each of ``hosts`` in turn; FileNotFoundError if one is missing."""
        by_host: dict[str, list[int]] = {}
        for rank in sorted(self._hosts):
            by_host.setdefault(self._hosts[rank], []).append(rank)
        found: list[int] = []
        for host in Hostlist(hosts):
            if host not in by_host and not ignore_nomatch:
                raise FileNotFoundError(2, f"host '{host}' not found")
            found.extend(by_host.get(host, ()))
        return found

    def cores(self, rank: int) -> Idset:
        """Return the cores of a rank; empty for a rank that is not in the set."""
        return Idset.from_mask(self.core_mask(rank))

    def gpus(self, rank: int) -> Idset:
        """Return the GPUs of a rank; empty for a rank that is not in the set."""
        return Idset.from_mask(self.gpu_mask(rank))

    def core_mask(self, rank: int) -> int:
        """Return the cores of a rank as an integer, 0 for none."""
        node = self._nodes.get(rank)
        return node[0] if node else 0

    def gpu_mask(self, rank: int) -> int:
        """Return the GPUs of a rank as an integer, 0 for none."""
        node = self._nodes.get(rank)
        return node[1] if node else 0

    def items(self) -> Iterable[tuple[int, tuple[int, int]]]:
        """Return a view of ``(rank, (core mask, GPU mask))``, in no particular order."""
        return self._nodes.items()

    def count(self, name: str) -> int:
        """Return how many ``core``, ``gpu``, ``node`` or ``rank`` there are; 0 for another name."""
        if name in ("node", "rank"):
            return len(self._nodes)
        if name not in ("core", "gpu"):
            return 0
        which = 0 if name == "core" else 1
        return sum(node[which].bit_count() for node in self._nodes.values())

    @property
    def nnodes(self) -> int:
        """Number of ranks."""
        return len(self._nodes)

    @property
    def ncores(self) -> int:
        """Number of cores on all ranks."""
        return self.count("core")

    @property
    def ngpus(self) -> int:
        """Number of GPUs on all ranks."""
        return self.count("gpu")

    def issuperset(self, other: ResourceSet) -> bool:
        """Tell whether every core and GPU of ``other`` is here."""
        for rank, (cores, gpus) in other._nodes.items():
            have = self._nodes.get(rank)
            if have is None or cores & ~have[0] or gpus & ~have[1]:
                return False
        return True

    # -- properties ---------------------------------------------------------------------------------

    def get_properties(self) -> dict[str, str]:
        """Return property names with their ranks as idset text, sorted by name."""
        return {
            name: Idset.from_mask(mask).encode() for name, mask in sorted(self._properties.items()) if mask
        }

    def property_ranks(self, name: str) -> Idset:
        """Return the ranks that have a property."""
        return Idset.from_mask(self._properties.get(name, 0))

    def rank_properties(self, rank: int) -> list[str]:
        """Return the names of the properties of a rank, sorted."""
        return sorted(name for name, mask in self._properties.items() if mask >> rank & 1)

    def set_property(self, name: str, ranks: str | Idset | None = None) -> None:
        """Give ``ranks`` (default all) a property. Raises FormatError on a bad name or a foreign rank."""
        check_property(name)
        mine = self.ranks()
        wanted = mine if ranks is None else Idset(ranks)
        foreign = wanted - mine
        if foreign:
            raise FormatError(foreign_ranks(foreign))
        if wanted:
            self._properties[name] = self._properties.get(name, 0) | wanted.mask

    def remove_property(self, name: str, ranks: str | Idset | None = None) -> None:
        """Take a property from ``ranks`` (default all); those that do not have it are ignored."""
        left = 0 if ranks is None else self._properties.get(name, 0) & ~Idset(ranks).mask
        if left:
            self._properties[name] = left
        else:
            self._properties.pop(name, None)

    def drop_local_properties(self) -> None:
        """Remove the properties of this instance only (``+name``), as R of a job must not have them."""
        self._properties = {n: mask for n, mask in self._properties.items() if not n.startswith("+")}

    # -- building and set operations ------------------------------------------------------------------

    def add_rank(self, rank: int, host: str, cores: Idset | int, gpus: Idset | int = 0) -> None:
        """Add resources to a rank; integers are masks. A rank that is known keeps its host."""
        core_mask = cores.mask if isinstance(cores, Idset) else cores
        gpu_mask = gpus.mask if isinstance(gpus, Idset) else gpus
        have = self._nodes.get(rank)
        self._nodes[rank] = (have[0] | core_mask, have[1] | gpu_mask) if have else (core_mask, gpu_mask)
        if host:
            self._hosts.setdefault(rank, host)

    def copy(self) -> Self:
        """Return an independent copy (``scheduling`` is shared)."""
        new = self._like(self._nodes.copy())
        new.nslots = self.nslots
        return new

    def copy_ranks(self, ranks: str | Idset) -> Self:
        """Return a copy of the given ranks only; those that are not here are ignored."""
        nodes = self._nodes
        return self._like_some({rank: nodes[rank] for rank in Idset(ranks) if rank in nodes})

    def copy_hosts(self, hosts: str | Iterable[str], ignore_nomatch: bool = False) -> Self:
        """Return a copy of the ranks of ``hosts`` only; FileNotFoundError if one is missing."""
        return self.copy_ranks(Idset(self.host_ranks(hosts, ignore_nomatch)))

    def remove_ranks(self, ranks: str | Idset) -> None:
        """Remove ranks from this set; those that are not here are ignored."""
        gone = self.ranks() & Idset(ranks)
        for rank in gone:
            del self._nodes[rank]
            self._hosts.pop(rank, None)
        self._keep_properties(~gone.mask)

    def union(self, other: ResourceSet) -> Self:
        """Return the resources that are in either set."""
        new = self.copy()
        new.add(other)
        return new

    def diff(self, other: ResourceSet) -> Self:
        """Return the resources that are not in ``other``; a rank with none left is dropped."""
        nodes = self._nodes.copy()
        for rank, (cores, gpus) in other._nodes.items():
            have = nodes.get(rank)
            if have is not None:
                left = (have[0] & ~cores, have[1] & ~gpus)
                if left == (0, 0):
                    del nodes[rank]
                else:
                    nodes[rank] = left
        return self._like(nodes)

    def intersect(self, other: ResourceSet) -> Self:
        """Return the resources that are in both sets; a rank with none left is dropped.

        A rank that has different hosts in the sets is two different nodes: nothing of it is in both.
        """
        nodes = {}
        theirs, hosts, other_hosts = other._nodes, self._hosts, other._hosts
        for rank, (cores, gpus) in self._nodes.items():
            have = theirs.get(rank)
            if have is not None and (cores & have[0] or gpus & have[1]):
                host = hosts.get(rank)
                if host and other_hosts.get(rank, host) != host:
                    continue
                nodes[rank] = (cores & have[0], gpus & have[1])
        return self._like_some(nodes)

    def add(self, other: ResourceSet) -> None:
        """Add the resources and properties of ``other``, overlapping or not, to this set."""
        nodes, hosts = self._nodes, self._hosts
        for rank, node in other._nodes.items():
            have = nodes.get(rank)
            if have is None:
                nodes[rank] = node
            elif have != node:
                nodes[rank] = (have[0] | node[0], have[1] | node[1])
        for rank, host in other._hosts.items():
            hosts.setdefault(rank, host)
        for name, mask in other._properties.items():
            self._properties[name] = self._properties.get(name, 0) | mask
        if self.scheduling is None:
            self.scheduling = other.scheduling
        self.nslots = 0

    def append(self, other: ResourceSet) -> None:
        """Add the resources of ``other``. Raises FormatError, and changes nothing, if any is here."""
        if self.intersect(other)._nodes:
            raise FormatError(f"R objects '{self.dumps()}' and '{other.dumps()}' overlap")
        self.add(other)

    def remap(self, gpus: bool = False) -> Self:
        """Return the set with ranks and cores numbered from 0 in their order, as in flux-core.

        GPUs keep their numbers, by which their driver knows them, unless ``gpus`` is set.
        """
        new = self._renumbered({rank: at for at, rank in enumerate(sorted(self._nodes))})
        mapped: dict[tuple[int, int], tuple[int, int]] = {}
        for rank, node in new._nodes.items():
            if node not in mapped:
                ids = (1 << node[1].bit_count()) - 1 if gpus else node[1]
                mapped[node] = ((1 << node[0].bit_count()) - 1, ids)
            new._nodes[rank] = mapped[node]
        return new

    def rerank(self, hosts: str | Iterable[str]) -> Self:
        """Return the set with each rank numbered by its host's place in ``hosts``.

        A host with several ranks must be listed as often. Raises FormatError when the hosts differ.
        """
        order = Hostlist(hosts)
        if len(order) != len(self._nodes):
            few = "few" if len(order) < len(self._nodes) else "many"
            raise FormatError(f"Too {few} hosts specified (expected {len(self._nodes)})")
        waiting: dict[str, list[int]] = {}
        for rank in sorted(self._hosts, reverse=True):
            waiting.setdefault(self._hosts[rank], []).append(rank)
        numbers = {}
        for at, host in enumerate(order):
            if not waiting.get(host):
                raise FormatError(f"host {host} not found in R")
            numbers[waiting[host].pop()] = at
        return self._renumbered(numbers)

    # -- the rest -------------------------------------------------------------------------------------

    def __contains__(self, rank: object) -> bool:
        return rank in self._nodes

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._nodes))

    def __len__(self) -> int:
        return len(self._nodes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ResourceSet):
            return NotImplemented
        return all(getattr(self, slot) == getattr(other, slot) for slot in ResourceSet.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<ResourceSet {self.dumps()}>"

    def _like(self, nodes: dict[int, tuple[int, int]]) -> Self:
        """Make a set of ``nodes``, a part of this one, with its hosts, times and properties."""
        new = type(self)()
        new._nodes = nodes
        hosts = self._hosts
        if len(nodes) == len(self._nodes):
            new._hosts, new._properties = hosts.copy(), self._properties.copy()
        else:
            new._hosts = {rank: hosts[rank] for rank in nodes if rank in hosts}
            if self._properties:
                new._properties = self._properties
                new._keep_properties(mask_of(nodes.keys()))
        new.starttime, new.expiration, new.scheduling = self.starttime, self.expiration, self.scheduling
        return new

    def _like_some(self, nodes: dict[int, tuple[int, int]]) -> Self:
        """Make a set as :meth:`_like` does, without ``scheduling`` when nothing is left."""
        new = self._like(nodes)
        if not nodes:
            new.scheduling = None
        return new

    def _keep_properties(self, ranks: int) -> None:
        kept = {name: mask & ranks for name, mask in self._properties.items()}
        self._properties = {name: mask for name, mask in kept.items() if mask}

    def _renumbered(self, numbers: dict[int, int]) -> Self:
        new = self.copy()
        new._nodes = {numbers[rank]: node for rank, node in self._nodes.items()}
        new._hosts = {numbers[rank]: host for rank, host in self._hosts.items()}
        new._properties = {
            name: mask_of([numbers[rank] for rank in Idset.from_mask(mask)])
            for name, mask in self._properties.items()
        }
        return new
