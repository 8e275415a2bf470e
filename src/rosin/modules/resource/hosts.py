# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which broker rank runs on which host."""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING

from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset, decode_ranges
from rosin.rfc.resource_events.replay import remapped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rosin.rfc.rset import ResourceSet


#: Hosts that targets may name at least, though there are fewer: who misspells some is told which.
_MOST_NAMED = 4096


class HostMap:
    """Hosts by rank. Several ranks may share a host."""

    __slots__ = ("_by_rank", "_first", "_ranks_of", "hosts")

    def __init__(self, hosts: Iterable[str]) -> None:
        self.hosts = list(hosts)
        self._by_rank = dict(enumerate(self.hosts))
        self._ranks_of: dict[str, list[int]] = {}
        for rank, host in enumerate(self.hosts):
            self._ranks_of.setdefault(host, []).append(rank)
        self._first = {host: ranks[0] for host, ranks in self._ranks_of.items()}

    @classmethod
    def of(cls, rset: ResourceSet, hostlist: str, size: int) -> HostMap:
        """Make the map of an instance of ``size`` brokers on ``hostlist``.

        R says where a rank is, and the list where R does not; R may have more ranks than there are brokers.
        """
        names = list(Hostlist(hostlist))
        count = max(size, (rset.ranks().last() or 0) + 1)
        return cls(rset.host(rank) or (names[rank] if rank < len(names) else "") for rank in range(count))

    def __len__(self) -> int:
        return len(self.hosts)

    def named(self) -> Idset:
        """Return the ranks of which the host is known: all, but for an R without hosts."""
        return Idset([rank for rank, host in self._by_rank.items() if host])

    def names(self, ranks: Idset) -> Hostlist:
        """Return the hosts of a set of ranks."""
        return Hostlist([host for rank in ranks if (host := self._by_rank.get(rank))])

    def ranks(self, targets: str) -> Idset:
        """Return the ranks that an idset or a hostlist names.

        A host stands for all of its ranks. Raises OSError EINVAL on text that is neither, on unknown hosts,
        on an empty set and on ranks that do not exist.
        """
        try:
            ranges = decode_ranges(targets)
        except FormatError:
            ids = self._by_host(targets)
        else:  # looked at before a set is made of them, which takes as much memory as its largest id
            if any(high >= len(self.hosts) for _, high in ranges):
                raise OSError(EINVAL, f"idset is out of range: ranks are 0 to {len(self.hosts) - 1}")
            ids = Idset(targets)
        if not ids:
            raise OSError(EINVAL, "idset is empty")
        return ids

    def _by_host(self, targets: str) -> Idset:
        try:
            named = Hostlist(targets)
        except FormatError as error:
            raise OSError(EINVAL, f"invalid targets: {error}") from None
        if len(named) > max(_MOST_NAMED, 2 * len(self.hosts)):
            raise OSError(EINVAL, f"invalid targets: {len(named)} hosts: there are {len(self._first)}")
        wanted = set(named)
        unknown = [host for host in wanted if host not in self._ranks_of]
        if unknown:
            raise OSError(EINVAL, f"invalid targets: invalid hosts: {Hostlist(sorted(unknown)).encode()}")
        return Idset([rank for host in wanted for rank in self._ranks_of[host]])

    def place(self, ranks: Idset, names: Hostlist) -> Idset:
        """Return where ranks are now that were recorded with the names of their hosts (RFC 44)."""
        return remapped(ranks, names, self._by_rank, self._first)
