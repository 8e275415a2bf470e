# SPDX-License-Identifier: LGPL-3.0-or-later
"""Task maps (RFC 34): which task ranks run on which node of a job.

A :class:`TaskMap` keeps the blocks ``[nodeid, nnodes, ppn, repeat]`` and answers from them by arithmetic.
Node ids count within the job. Text may be JSON, the wrapped object, the PMI vector of RFC 13, with or without
its outer parentheses, or the raw form ``0-1;2-3``; in the last an empty idset is a node without tasks
(flux-core skips it).

Neighbouring blocks that one block can say are joined, so that equal maps are written alike; flux-core keeps
the blocks of JSON and PMI text as they are.
"""

from __future__ import annotations

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset, decode_ranges, mask_of_ranges
from rosin.rfc.payload import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

#: Tasks of one map; node ids are below it, too.
MAX_TASKS = 1 << 24


class TaskMap:
    """An ordered list of blocks; empty when the mapping is unknown.

    Attributes:
        blocks: ``(nodeid, nnodes, ppn, repeat)``, joined where neighbours allow it.
    """

    __slots__ = ("_starts", "blocks")

    def __init__(self) -> None:
        self.blocks: list[tuple[int, int, int, int]] = []
        self._starts = [0]  # first task of each block, and the number of tasks

    @staticmethod
    def decode(source: str | bytes | list[Any] | dict[str, Any]) -> TaskMap:
        """Read a map in any of its forms. Raises FormatError that names the fault."""
        if isinstance(source, bytes):
            try:
                source = source.decode()
            except UnicodeDecodeError:
                raise FormatError("taskmap: not UTF-8 text") from None
        if not isinstance(source, str):
            return _from_object(source)
        text = source.strip()
        if text.startswith("{") or (text.startswith("[") and not text[1:2].isdecimal()):
            try:
                source = _json.loads(text)
            except (ValueError, RecursionError) as error:
                raise FormatError(f"taskmap: not JSON: {error}") from None
            return _from_object(source)
        if text.startswith(("(", "vector")):
            return _from_pmi(text)
        return _from_raw(text)

    def encode(self) -> list[list[int]]:
        """Return the blocks as an array for JSON."""
        return [list(block) for block in self.blocks]

    def wrap(self) -> dict[str, Any]:
        """Return the wrapped form ``{"version": 1, "map": [...]}``."""
        return {"version": 1, "map": self.encode()}

    def encode_pmi(self) -> str:
        """Return PMI_process_mapping (RFC 13); ``""`` for an unknown map."""
        parts = [f",({node},{nnodes},{ppn})" * repeat for node, nnodes, ppn, repeat in self.blocks]
        return f"(vector{''.join(parts)})" if parts else ""

    def encode_raw(self) -> str:
        """Return the idset of each node in order, joined by semicolons."""
        by_node = self.by_node()
        last = max(by_node, default=-1)
        return ";".join([by_node.get(node, "") for node in range(last + 1)])

    def by_node(self) -> dict[int, str]:
        """Return the tasks of each node that has any, as idset text, in the order of nodes."""
        parts: dict[int, list[str]] = {}
        for node, low, high in self._merged_runs():
            parts.setdefault(node, []).append(str(low) if low == high else f"{low}-{high}")
        return {node: ",".join(parts[node]) for node in sorted(parts)}

    def append(self, nodeid: int, nnodes: int, ppn: int, repeat: int = 1) -> None:
        """Give the next tasks to ``nnodes`` nodes from ``nodeid``, ``ppn`` each, ``repeat`` times.

        Raises FormatError on a negative node id, a count below 1 or more than MAX_TASKS tasks.
        """
        if nodeid < 0 or nnodes < 1 or ppn < 1 or repeat < 1:
            raise FormatError(f"taskmap: invalid entry {_block_text(nodeid, nnodes, ppn, repeat)}")
        total = self._starts[-1] + nnodes * ppn * repeat
        if total > MAX_TASKS or nodeid + nnodes > MAX_TASKS:
            raise FormatError(f"taskmap: more than {MAX_TASKS} tasks or nodes")
        if nnodes == 1:
            ppn, repeat = ppn * repeat, 1
        block = (nodeid, nnodes, ppn, repeat)
        while self.blocks:
            joined = _join(self.blocks[-1], block)
            if joined is None:
                break
            block = joined  # which may now equal the block before it
            self.blocks.pop()
            self._starts.pop()
        self.blocks.append(block)
        self._starts.append(total)

    @property
    def unknown(self) -> bool:
        """True when the map says nothing."""
        return not self.blocks

    def total_ntasks(self) -> int:
        """Return the number of tasks."""
        return self._starts[-1]

    def nnodes(self) -> int:
        """Return the number of nodes that have a task."""
        count, end = 0, 0
        for low, high in sorted((node, node + nnodes) for node, nnodes, _, _ in self.blocks):
            count += max(0, high - max(low, end))
            end = max(end, high)
        return count

    def nodeid(self, taskid: int) -> int | None:
        """Return the node of a task, None for a task that is not in the map."""
        if not 0 <= taskid < self._starts[-1]:
            return None
        from bisect import bisect_right

        at = bisect_right(self._starts, taskid) - 1
        node, nnodes, ppn, _ = self.blocks[at]
        return node + (taskid - self._starts[at]) % (nnodes * ppn) // ppn

    def taskids(self, nodeid: int) -> Idset:
        """Return the tasks of a node, empty for a node that is not in the map."""
        ranges = []
        for start, (node, nnodes, ppn, repeat) in zip(self._starts, self.blocks, strict=False):
            if node <= nodeid < node + nnodes:
                first = start + (nodeid - node) * ppn
                step = nnodes * ppn
                ranges += [(low, low + ppn - 1) for low in range(first, first + step * repeat, step)]
        return Idset.from_mask(mask_of_ranges(ranges))

    def ntasks(self, nodeid: int) -> int:
        """Return the number of tasks of a node, 0 for a node that is not in the map."""
        return sum(
            ppn * repeat for node, nnodes, ppn, repeat in self.blocks if node <= nodeid < node + nnodes
        )

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """Yield ``(nodeid, first task, last task)`` in the order of tasks."""
        task = 0
        for node, nnodes, ppn, repeat in self.blocks:
            for _ in range(repeat):
                for nodeid in range(node, node + nnodes):
                    yield nodeid, task, task + ppn - 1
                    task += ppn

    def check(self, other: TaskMap) -> None:
        """Raise FormatError unless ``other``, which was asked for, has as many tasks and nodes."""
        if other.nnodes() != self.nnodes():
            raise FormatError(f"got {other.nnodes()} nodes, expected {self.nnodes()}")
        if other.total_ntasks() != self.total_ntasks():
            raise FormatError(f"got {other.total_ntasks()} total tasks, expected {self.total_ntasks()}")

    def _merged_runs(self) -> Iterator[tuple[int, int, int]]:
        last: tuple[int, int, int] | None = None
        for node, low, high in self.runs():
            if last is None:
                last = (node, low, high)
            elif last[0] == node:
                last = (node, last[1], high)
            else:
                yield last
                last = (node, low, high)
        if last is not None:
            yield last

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TaskMap):
            return NotImplemented
        if self.blocks == other.blocks:
            return True
        if self._starts[-1] != other._starts[-1]:
            return False
        return all(a == b for a, b in zip(self._merged_runs(), other._merged_runs(), strict=False))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"TaskMap({self.encode()!r})"


def block(counts: Iterable[int]) -> TaskMap:
    """Make the default map: consecutive tasks on each node; ``counts`` are the tasks of each node."""
    new = TaskMap()
    for node, count in enumerate(counts):
        if count:
            new.append(node, 1, count)
    return new


def cyclic(counts: Sequence[int], stride: int = 1) -> TaskMap:
    """Deal ``stride`` tasks at a time to the nodes in turn, until each has its count. Raises FormatError."""
    if stride < 1:
        raise FormatError(f"cyclic: invalid stride {stride}")
    new = TaskMap()
    left = [(node, count) for node, count in enumerate(counts) if count]
    while left:
        # All nodes take a full stride this many times; then, once, some take what is left to them.
        full = max(1, min(count for _, count in left) // stride)
        regular = left[-1][0] - left[0][0] + 1 == len(left) and left[0][1] >= stride
        if regular and all(count >= stride for _, count in left):
            new.append(left[0][0], len(left), stride, full)
            left = [(node, count - stride * full) for node, count in left]
        else:
            for node, count in left:
                new.append(node, 1, min(stride, count))
            left = [(node, count - min(stride, count)) for node, count in left]
        left = [(node, count) for node, count in left if count]
    return new


def hostfile(hosts: str | Iterable[str], nodelist: Hostlist, ntasks: int) -> TaskMap:
    """Give one task to each of ``hosts`` in turn, again from the first until all are placed.

    ``hosts`` is the text of the file (hostlists, one or more a line), or hostlists. Raises FormatError with
    the line when it is empty, too long, or names a host that is not in the job's ``nodelist``.
    """
    index: dict[str, int] = {}
    for node, host in enumerate(nodelist):
        index.setdefault(host, node)
    nodes: list[int] = []
    what, lines = ("line", hosts.split("\n")) if isinstance(hosts, str) else ("entry", hosts)
    for number, line in enumerate(lines, 1):
        try:
            for host in Hostlist(line):
                if host not in index:
                    raise FormatError(f"host {host} not found in job nodelist")
                nodes.append(index[host])
            if len(nodes) > MAX_TASKS:
                raise FormatError(f"more than {MAX_TASKS} hosts")
        except FormatError as error:
            raise FormatError(f"hostfile: {what} {number}: {error}") from None
    if not nodes:
        raise FormatError("hostfile: no hosts")
    new = TaskMap()
    for task in range(ntasks):
        new.append(nodes[task % len(nodes)], 1, 1)
    return new


def manual(source: str | list[Any] | dict[str, Any], default: TaskMap) -> TaskMap:
    """Read a user's own map, which must have the tasks and nodes of the ``default`` one.

    Raises FormatError.
    """
    new = TaskMap.decode(source)
    default.check(new)
    return new


def _join(
    last: tuple[int, int, int, int], new: tuple[int, int, int, int]
) -> tuple[int, int, int, int] | None:
    """Return one block that means ``last`` and then ``new``, or None."""
    node, nnodes, ppn, repeat = last
    if (node, nnodes) == new[:2]:
        if nnodes == 1:
            return (node, 1, ppn + new[2], 1)
        if ppn == new[2]:
            return (node, nnodes, ppn, repeat + new[3])
    if ppn == new[2] and repeat == new[3] == 1 and node + nnodes == new[0]:
        return (node, nnodes + new[1], ppn, 1)
    return None


def _from_object(source: Any) -> TaskMap:
    if isinstance(source, dict):
        version = source.get("version")
        if version != 1 or isinstance(version, bool):
            raise FormatError(f"taskmap: expected version=1, got {describe(version)}")
        source = source.get("map")
    if not isinstance(source, list):
        raise FormatError("taskmap: not an array")
    new = TaskMap()
    for at, entry in enumerate(source):
        if not isinstance(entry, list) or len(entry) != 4:
            raise FormatError(f"taskmap: entry {at} is not an array of 4 integers")
        for value in entry:
            if isinstance(value, bool) or not isinstance(value, int):
                raise FormatError(f"taskmap: entry {at} is not an array of 4 integers")
        _append(new, entry, f"entry {at}")
    return new


def _append(taskmap: TaskMap, entry: Sequence[int], place: str) -> None:
    """Append a block of decoded text, at *place*."""
    try:
        taskmap.append(*entry)
    except FormatError as error:
        raise FormatError(f"taskmap: {place}: {str(error).removeprefix('taskmap: ')}") from None


def _block_text(*block: int) -> str:
    """Write a block in an error text, numbers shortened that are absurd."""
    return f"[{','.join([str(n) if abs(n) < 10**18 else '...' for n in block])}]"


def _from_pmi(text: str) -> TaskMap:
    packed = "".join(text.split())
    if packed.startswith("("):
        packed = packed[1:-1] if packed.endswith(")") else ""
    if not (packed.startswith("vector,(") and packed.endswith(")")):
        raise FormatError("taskmap: PMI mapping is not (vector,(nodeid,nnodes,ppn),...)")
    new = TaskMap()
    for at, entry in enumerate(packed[len("vector,(") : -1].split("),(")):
        numbers = entry.split(",")
        if len(numbers) != 3 or not all(n.isascii() and n.isdigit() and len(n) < 10 for n in numbers):
            raise FormatError(f"taskmap: block {at}: invalid block: ({entry[:40]})")
        _append(new, [*map(int, numbers)], f"block {at}")
    return new


def _from_raw(text: str) -> TaskMap:
    runs: list[tuple[int, int, int]] = []
    if text:
        for node, ids in enumerate(text.split(";")):
            try:
                runs += [(low, high, node) for low, high in decode_ranges(ids.strip())]
            except FormatError as error:
                raise FormatError(f"taskmap: node {node}: {error}") from None
    runs.sort()
    new = TaskMap()
    for low, high, node in runs:
        expected = new.total_ntasks()
        if low < expected:
            raise FormatError(f"taskmap: duplicate taskid specified: {low} (node {node})")
        if low > expected:
            raise FormatError(f"taskmap: missing taskid: {expected} (before {low}, node {node})")
        new.append(node, 1, high - low + 1)
    return new
