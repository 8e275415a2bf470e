# SPDX-License-Identifier: LGPL-3.0-or-later
"""How brokers of one process find each other: their addresses follow from their ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.broker.overlay.bootstrap import Card

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class MemoryBootstrap:
    """A :class:`~rosin.broker.overlay.bootstrap.Bootstrap` for :class:`rosin.testing.network.MemoryNetwork`.

    ``parents``: the rank above each, if ``tbon.topo`` does not say it; ``found``: more attributes.
    """

    method = "memory"
    curve_cert: str | None = None
    ipv6 = False

    def __init__(
        self,
        rank: int,
        size: int,
        parents: Sequence[int | None] | None = None,
        found: Mapping[str, str] | None = None,
    ) -> None:
        self.rank, self.size = rank, size
        self._found = found or {}
        self.notices: list[str] = []
        self._parents = parents

    def topology(self, _shape: str) -> Sequence[int | None] | None:
        return self._parents

    async def begin(self) -> dict[str, str]:
        hosts = f"host[0-{self.size - 1}]" if self.size > 1 else "host0"
        return {"hostlist": hosts, "broker.mapping": f"[[0,{self.size},1,1]]", **self._found}

    def endpoints(self, children: Sequence[int], _attrs: Mapping[str, str]) -> list[str]:
        return [_uri(self.rank)] if children else []

    async def exchange(self, card: Card, ranks: Iterable[int]) -> dict[int, Card]:
        return {self.rank: card, **{rank: Card(f"host{rank}", "", [_uri(rank)]) for rank in ranks}}

    async def reach(self, rank: int, _attrs: Mapping[str, str]) -> str:
        return _uri(rank)

    async def finish(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        """Nothing is held."""


def _uri(rank: int) -> str:
    return f"memory://{rank}"
