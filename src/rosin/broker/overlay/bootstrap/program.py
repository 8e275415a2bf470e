# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers that a process manager started: they find each other through its keys, as flux-core's do.

Each puts its business card under its rank, waits for all, reads those of its neighbours, and waits again, so
that nobody connects before the one above knows his key. What an enclosing instance says is read first.

All want to know all hosts. Where rank 0 is flux-core's everybody reads everybody's card; otherwise rank 0
does, before the others go on, and puts what it has found: of N cards, N are read and not N times N.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.broker.overlay.bootstrap import endpoints, interface
from rosin.broker.overlay.bootstrap.card import Card
from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rosin.broker.overlay.bootstrap.space import Space

LEVEL, TASKMAP, HINT = "flux.instance-level", "flux.taskmap", "flux.tbon-interface-hint"
MAPPING = "PMI_process_mapping"
#: How many parts the hostlist has that rank 0 has put; with ``.0`` and so on these are the parts.
HOSTS = "rosin.hostlist"
#: Characters of a part, which fits into any value. More parts than this are not read.
_PART, _PARTS = 900, 1 << 16


class ProgramBootstrap:
    """A :class:`~rosin.broker.overlay.bootstrap.Bootstrap` by any process manager."""

    curve_cert: str | None = None
    #: Addresses of both families may be met.
    ipv6 = True

    def __init__(
        self, space: Space, config: Mapping[str, Any], attrs: Mapping[str, str], environ: Mapping[str, str]
    ) -> None:
        self.method = space.method
        self.rank, self.size = space.rank, space.size
        self._space = space
        self._config, self._attrs, self._environ = config, attrs, environ
        self._cards: dict[int, Card] = {}
        #: What the log should say.
        self.notices: list[str] = []

    def topology(self, shape: str) -> Sequence[int | None] | None:
        """Without a list of hosts, a ``custom`` tree has all below rank 0."""
        return [None] + [0] * (self.size - 1) if shape == "custom" else None

    async def begin(self) -> dict[str, str]:
        """Speak to the process manager; returns what it says, as attributes. Raises OSError."""
        name = await self._space.begin()
        level = await self._space.get(LEVEL)
        attrs = {"instance-level": "0" if level is None else _level(level)}
        hint = None
        if level is not None:
            attrs["jobid"] = name
            if interface.NAME not in self._attrs:
                hint = await self._space.get(HINT)
        attrs[interface.NAME] = interface.hint(self._attrs, hint, self._config, self._environ)
        mapping = await self._mapping(flux=level is not None)
        if mapping is not None:
            attrs["broker.mapping"] = mapping
        return attrs

    async def _mapping(self, *, flux: bool) -> str | None:
        if self.size == 1:
            return endpoints.one_each(1)
        for key in (TASKMAP, MAPPING) if flux else (MAPPING,):
            text = await self._space.get(key)
            if text is not None:
                try:
                    return _mapping(text, self.size)
                except FormatError as exc:
                    raise OSError(errno.EPROTO, f"{key} of the process manager: {exc}") from None
        return None

    def endpoints(self, children: Sequence[int], attrs: Mapping[str, str]) -> list[str]:
        """Where to listen for these ranks. Raises OSError."""
        return endpoints.of_program(self.rank, children, attrs, self._environ)

    async def exchange(self, card: Card, ranks: Iterable[int]) -> dict[int, Card]:
        """Give everybody this broker's card; returns it and those of *ranks*. Raises OSError."""
        self._cards[self.rank] = card
        if self.size > 1:
            await self._space.put(str(self.rank), card.encode())
            await self._space.barrier()
            for rank in ranks:
                await self._card(rank)
        return dict(self._cards)

    async def _card(self, rank: int) -> Card:
        if rank not in self._cards:
            text = await self._space.get(str(rank), rank)
            if text is None:
                raise OSError(errno.ENOENT, f"rank {rank} has put no business card")
            try:
                self._cards[rank] = Card.decode(text)
            except FormatError as exc:
                raise OSError(errno.EPROTO, f"rank {rank}: {exc}") from None
        return self._cards[rank]

    async def reach(self, rank: int, attrs: Mapping[str, str]) -> str:
        """Where to connect to a rank whose card was asked for. Raises OSError if it listens nowhere."""
        uri = self._cards[rank].uri(local=endpoints.prefers_ipc(self.rank, rank, attrs))
        if uri is None:
            raise OSError(errno.EADDRNOTAVAIL, f"rank {rank} says nowhere where it listens")
        return uri

    async def finish(self) -> dict[str, str]:
        """Wait for all, and say goodbye; returns the attribute ``hostlist``, if it was not given."""
        attrs = {}
        if self.size > 1:
            wanted = "hostlist" not in self._attrs
            if wanted and not self.rank:
                attrs["hostlist"] = await self._tell_hosts()
            await self._space.barrier()  # whoever is above this broker lets it in now
            if wanted and self.rank:
                told = await self._space.get(HOSTS, 0)
                attrs["hostlist"] = await (self._hosts() if told is None else self._told_hosts(told))
        await self._space.finish()
        return attrs

    async def _hosts(self) -> str:
        """By the cards of all."""
        hosts = [(await self._card(rank)).host for rank in range(self.size)]
        return Hostlist.from_names(hosts).encode()

    async def _tell_hosts(self) -> str:
        text = await self._hosts()
        parts = [text[at : at + _PART] for at in range(0, len(text), _PART)]
        for number, part in enumerate(parts):
            await self._space.put(f"{HOSTS}.{number}", part)
        await self._space.put(HOSTS, str(len(parts)))
        return text

    async def _told_hosts(self, count: str) -> str:
        """What rank 0 has put. Raises OSError."""
        if not (count.isascii() and count.isdecimal() and len(count) < 6 and int(count) <= _PARTS):
            raise OSError(errno.EPROTO, f"{HOSTS} of rank 0: expected a number, got {count[:40]!r}")
        parts = [await self._space.get(f"{HOSTS}.{number}", 0) or "" for number in range(int(count))]
        try:
            hosts = Hostlist("".join(parts))
        except FormatError as exc:
            raise OSError(errno.EPROTO, f"{HOSTS} of rank 0: {exc}") from None
        if len(hosts) != self.size:
            raise OSError(errno.EPROTO, f"{HOSTS} of rank 0: {len(hosts)} hosts for {self.size} brokers")
        return hosts.encode()

    def close(self) -> None:
        """Let go of the process manager, without a goodbye if there was none."""
        self._space.close()


def _mapping(text: str, size: int) -> str:
    """A map of any form as RFC 34 writes it. MPICH's are repeated until they are long enough."""
    from rosin.rfc.taskmap import TaskMap

    mapping = TaskMap.decode(text) if text else TaskMap()
    blocks = list(mapping.blocks)
    while blocks and mapping.total_ntasks() < size:
        for block in blocks:
            mapping.append(*block)
    return _json.dumps(mapping.encode()).decode()


def _level(text: str) -> str:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise OSError(errno.EPROTO, f"{LEVEL} of the process manager: expected a number, got {text[:40]!r}")
    return text
