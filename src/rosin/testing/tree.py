# SPDX-License-Identifier: LGPL-3.0-or-later
"""An instance of several brokers in one process, on one clock and a network that does what a test says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.broker.clock import Clock, VirtualClock
from rosin.testing.instance import Instance, MemoryFlux
from rosin.testing.network import MemoryNetwork
from rosin.testing.timed import Timed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from types import TracebackType

    from rosin.broker.module import BrokerModule


class InstanceTree(Timed):
    """``size`` brokers, each with ``modules`` (see :class:`rosin.testing.Instance`), or those of its rank.

    ``topo`` is ``tbon.topo``, ``missing`` are ranks that do not join before :meth:`restart`; the other
    arguments are an Instance's. ``tree[rank]`` is the Instance of a rank.
    """

    turns = 100
    turns_of_a_timer = 20

    def __init__(
        self,
        size: int,
        modules: Iterable[str | type[BrokerModule]]
        | Callable[[int], Iterable[str | type[BrokerModule]]] = (),
        *,
        topo: str = "kary:32",
        config: dict[str, Any] | None = None,
        attrs: dict[str, str] | None = None,
        clock: str = "virtual",
        seed: int = 0,
        missing: Collection[int] = (),
    ) -> None:
        self.size = size
        self.clock: Clock = VirtualClock() if clock == "virtual" else Clock()
        self.network = MemoryNetwork(self.clock, seed)
        self._modules = modules if callable(modules) else lambda _rank, given=list(modules): given
        self._config = config
        self._attrs = {"tbon.topo": topo, **(attrs or {})}
        self._missing = missing
        self._brokers: dict[int, Instance] = {}

    def _make(self, rank: int) -> Instance:
        return Instance(
            self._modules(rank),
            config=self._config,
            attrs=self._attrs,
            rank=rank,
            size=self.size,
            network=self.network,
        )

    async def __aenter__(self) -> InstanceTree:
        try:
            for rank in range(self.size):
                if rank not in self._missing:
                    await self._start(rank)
        except BaseException:
            await self._end()
            raise
        return self

    async def _start(self, rank: int) -> None:
        broker = self._brokers[rank] = self._make(rank)
        try:
            await broker.__aenter__()
        except BaseException:
            del self._brokers[rank]  # it has ended
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        for rank in sorted(self._brokers, reverse=True):
            await self._brokers.pop(rank).stop()

    def __getitem__(self, rank: int) -> Instance:
        return self._brokers[rank]

    def __iter__(self) -> Iterator[Instance]:
        return iter(self._brokers.values())

    async def kill(self, rank: int) -> None:
        """A broker is gone without a word."""
        self.network.kill(rank)
        await self._brokers.pop(rank).stop()

    async def replace(self, rank: int) -> Instance:
        """Start another broker in the place of one that goes on; returns the older one, whom nobody ends."""
        older = self._brokers.pop(rank)
        await self._start(rank)
        return older

    async def restart(self, rank: int, after: Callable[[], None] | None = None) -> None:
        """A new broker in the place of one that is killed now, if it is there; then ``after`` is called."""
        if rank in self._brokers:
            await self.kill(rank)
        if after is not None:
            after()
        await self._start(rank)

    async def connect(self, rank: int = 0, userid: int | None = None) -> MemoryFlux:
        """A new client of the broker of a rank."""
        return await self._brokers[rank].connect(userid)

    def logged(self, rank: int, text: str) -> list[str]:
        """The lines of a broker's log with a text."""
        return [line for line in self._brokers[rank].logged() if text in line]
