# SPDX-License-Identifier: LGPL-3.0-or-later
"""All nodes and counted pools as one integer: what is free at some time is worked out in a few steps."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rosin.resource.allocator.pool import NodePool


class Packing:
    """Where the bits are: as many bytes for each node, cores first, then the counted pools."""

    def __init__(self, pool: NodePool) -> None:
        self._cores = _bytes(pool.cores)
        self._node = self._cores + _bytes(pool.gpus)
        self._size = self._node * len(pool.ranks)
        self._pools: list[tuple[str, int, int]] = []  # name, first bit, mask
        at = self._size * 8
        for name, whole in pool.counted.whole.items():
            self._pools.append((name, at, whole))
            at += whole.bit_length()

    def pack(
        self, held: Iterable[tuple[int, tuple[int, int]]], units: Mapping[str, int] = MappingProxyType({})
    ) -> int:
        """Return the integer of what is held: node indices and (core mask, GPU mask), units of pools."""
        buffer = bytearray(self._size)
        split, node = self._cores, self._node
        for i, (cores, gpus) in held:
            at = i * node
            buffer[at : at + split] = cores.to_bytes(split, "little")
            buffer[at + split : at + node] = gpus.to_bytes(node - split, "little")
        packed = int.from_bytes(buffer, "little")
        for name, at, _ in self._pools if units else ():
            packed |= units.get(name, 0) << at
        return packed

    def units(self, packed: int) -> dict[str, int]:
        """Return the units of each pool."""
        return {name: packed >> at & whole for name, at, whole in self._pools}

    def unpack(self, packed: int) -> list[tuple[int, int]]:
        """Return (core mask, GPU mask) of each node."""
        if self._pools:
            packed &= (1 << self._size * 8) - 1
        data = packed.to_bytes(self._size, "little")
        split, node, read = self._cores, self._node, int.from_bytes
        if node == split:
            return [(read(data[at : at + node], "little"), 0) for at in range(0, self._size, node)]
        return [
            (read(data[at : at + split], "little"), read(data[at + split : at + node], "little"))
            for at in range(0, self._size, node)
        ]


def _bytes(masks: list[int]) -> int:
    return (max((mask.bit_length() for mask in masks), default=0) + 7) // 8
