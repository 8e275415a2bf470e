# SPDX-License-Identifier: LGPL-3.0-or-later
"""All nodes and counted pools as one integer: what is free at some time is worked out in a few steps."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING

from rosin.resource.allocator.room import per_node, slots_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rosin.resource.allocator.pool import NodePool
    from rosin.resource.allocator.request import ResourceRequest


class Packing:
    """Where the bits are: as many bytes for each node, cores first, then the counted pools."""

    def __init__(self, pool: NodePool) -> None:
        self._cores = _bytes(pool.cores)
        self._node = self._cores + _bytes(pool.gpus)
        self._count = len(pool.ranks)
        self._size = self._node * self._count
        self._wholes = {cores.bit_count() for cores in pool.cores}
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
        pieces = self._split(packed)
        known = {piece: self._masks(piece) for piece in set(pieces)}
        return [known[piece] for piece in pieces]

    def room(self, packed: int, request: ResourceRequest) -> int:
        """Return for how many of what a request is for there is room at most, if it may have any node.

        To say that there is none takes much less time than to try.
        """
        sizes: dict[tuple[int, int], int] = {}
        for piece, number in Counter(self._split(packed)).items():
            cores, gpus = self._masks(piece)
            size = cores.bit_count(), gpus.bit_count()
            sizes[size] = sizes.get(size, 0) + number
        if request.nodes is None:
            return sum(slots_in(*size, request.cores, request.gpus) * n for size, n in sizes.items())
        cores, gpus = per_node(request)
        if request.exclusive:
            cores = min((whole for whole in self._wholes if whole >= cores), default=cores)
        return sum(n for size, n in sizes.items() if size[0] >= cores and size[1] >= gpus)

    def _split(self, packed: int) -> list[bytes]:
        """The bytes of each node, which few differ in."""
        if self._pools:
            packed &= (1 << self._size * 8) - 1
        data, node = packed.to_bytes(self._size, "little"), self._node
        return [data[at : at + node] for at in range(0, self._size, node)] if node else [b""] * self._count

    def _masks(self, piece: bytes) -> tuple[int, int]:
        split, read = self._cores, int.from_bytes
        return read(piece[:split], "little"), read(piece[split:], "little")


def _bytes(masks: list[int]) -> int:
    return (max((mask.bit_length() for mask in masks), default=0) + 7) // 8
