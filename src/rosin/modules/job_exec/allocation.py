# SPDX-License-Identifier: LGPL-3.0-or-later
"""The little of R (RFC 20) that execution needs."""

from __future__ import annotations

from typing import Any

from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field
from rosin.rfc.rset.format import MAX_RANKS, is_time


class JobNodes:
    """The ranks of an R object in order, its times in seconds since the epoch (0: none), its hosts."""

    __slots__ = ("_hosts", "_nodelist", "expiration", "ranks", "starttime")

    def __init__(self, R: Any) -> None:
        """Raises FormatError if ``R`` is not an R version 1 object with at least one rank."""
        execution = field(R, "execution", dict)
        ranks = Idset()
        for entry in field(execution, "R_lite", list):
            ranks = ranks | Idset.decode(field(entry, "rank", str), limit=MAX_RANKS)
        if not ranks:
            raise FormatError("R: no ranks")
        self.ranks = ranks
        self.starttime: float = field(execution, "starttime", (int, float), 0.0)
        self.expiration: float = field(execution, "expiration", (int, float), 0.0)
        if not is_time(self.expiration):
            raise FormatError(f"Invalid resource set expiration {self.expiration:.2f}")
        self._nodelist: Any = execution.get("nodelist", [])
        self._hosts: dict[int, str] | None = None

    def host(self, rank: int) -> str:
        """The host of ``rank``, or its number in words if R does not say."""
        if self._hosts is None:
            try:
                names = list(Hostlist(",".join(self._nodelist)))
            except (FormatError, TypeError):
                names = []
            self._hosts = dict(zip(self.ranks, names, strict=False))
        return self._hosts.get(rank, "(unknown)")

    def hosts(self, ranks: Idset) -> str:
        """The hosts of several ranks as a hostlist."""
        names = [self.host(rank) for rank in ranks]
        return "(unknown)" if "(unknown)" in names else Hostlist.from_names(names).encode()

    def shell_rank(self, rank: int) -> int:
        """Position of a broker rank among the job's ranks."""
        return len(self.ranks & Idset.from_range(0, rank)) - 1
