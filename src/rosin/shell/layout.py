# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 20: the nodes of a job's R, and how many tasks each of them runs.

Nodes are numbered by ascending broker rank: that number is the shell rank and the node id of the task map.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from rosin.errors import FormatError
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field

#: Tasks that a shell starts at most. More than a node can run, and yet few enough to be refused in time.
MAX_TASKS = 1 << 15


class Node:
    """One node of R: ``rank`` of its broker, ``cores`` and ``gpus`` (logical ids), ``ntasks``."""

    __slots__ = ("cores", "gpus", "hostname", "ntasks", "rank")

    def __init__(self, rank: int, cores: Idset, gpus: Idset) -> None:
        self.rank = rank
        self.cores = cores
        self.gpus = gpus
        self.ntasks = 0
        self.hostname = "unknown"


class Resources:
    """The execution part of R. Raises FormatError for what is no R version 1."""

    __slots__ = ("expiration", "ncores", "ngpus", "nodes", "nslots")

    def __init__(self, R: dict[str, Any]) -> None:
        if field(R, "version", int) != 1:
            raise FormatError(f"R: version {R['version']} is not supported")
        execution = field(R, "execution", dict)
        self.nslots = field(execution, "nslots", int, 0)
        self.expiration = float(field(execution, "expiration", (int, float), 0.0))
        self.nodes: list[Node] = []
        for entry in field(execution, "R_lite", list):
            children = field(entry, "children", dict)
            cores = Idset.decode(field(children, "core", str))
            gpus = Idset.decode(field(children, "gpu", str, ""))
            for rank in Idset.decode(field(entry, "rank", str)):
                self.nodes.append(Node(rank, cores, gpus))
        if not self.nodes:
            raise FormatError("R: no ranks")
        self.nodes.sort(key=lambda node: node.rank)
        self.ncores = sum(len(node.cores) for node in self.nodes)
        self.ngpus = sum(len(node.gpus) for node in self.nodes)
        self._name_nodes(field(execution, "nodelist", list, []))

    def _name_nodes(self, nodelist: list[Any]) -> None:
        """Hostnames are in the order of the ranks in R_lite, which is ascending (RFC 20)."""
        if not nodelist or not all(isinstance(hosts, str) for hosts in nodelist):
            return
        from rosin.rfc.hostlist import Hostlist

        hosts: list[str] = []
        for text in nodelist:
            hosts += Hostlist.decode(text)
        if len(hosts) == len(self.nodes):
            for node, host in zip(self.nodes, hosts, strict=True):
                node.hostname = host

    def shell_rank(self, broker_rank: int) -> int:
        """Number of the node whose broker has this rank. Raises FormatError when R does not have it."""
        for number, node in enumerate(self.nodes):
            if node.rank == broker_rank:
                return number
        raise FormatError(f"R: rank {broker_rank} is not among the job's ranks")

    def distribute(self, ntasks: int, cores_per_task: int) -> None:
        """Set each node's ``ntasks``: one task at a time to the nodes in turn, largest first, leaving out a
        node when it has no cores left for another; when all are full, again from the start (the job then
        has more tasks than cores)."""
        if ntasks <= 0:
            raise FormatError(f"jobspec: task count {ntasks} is not positive")
        if cores_per_task <= 0:
            cores_per_task = self.ncores // ntasks
            if cores_per_task == 0:
                raise FormatError(f"{ntasks} tasks do not fit on {self.ncores} cores")
        cores_per_task = min(cores_per_task, min(len(node.cores) for node in self.nodes))
        if cores_per_task == 0:
            raise FormatError("R: a node has no cores")
        largest_first = sorted(self.nodes, key=lambda node: -len(node.cores))
        for node in self.nodes:
            node.ntasks = 0
        _check_tasks(ntasks, len(self.nodes))
        left = ntasks
        while left:
            turn = deque((node, len(node.cores)) for node in largest_first)
            while turn and left:
                node, free = turn.popleft()
                if free >= cores_per_task:
                    node.ntasks += 1
                    left -= 1
                    turn.append((node, free - cores_per_task))

    def check_tasks(self) -> None:
        """Raises FormatError when a node has more tasks than a shell starts."""
        _check_tasks(max(node.ntasks for node in self.nodes), 1)

    def distribute_per_resource(self, kind: str, count: int) -> None:
        """Set each node's ``ntasks`` to ``count`` times its nodes (one) or its cores."""
        for node in self.nodes:
            node.ntasks = count * (len(node.cores) if kind == "core" else 1)

    def normalize(self, cores_per_task: int, gpus_per_task: int) -> None:
        """Drop the cores and GPUs that no task of a node is entitled to: a jobspec version 1 asks for equal
        nodes, so that an uneven task count leaves a slot too much on some."""
        for node in self.nodes:
            node.cores = _at_most(node.cores, node.ntasks * cores_per_task)
            node.gpus = _at_most(node.gpus, node.ntasks * gpus_per_task)


def _check_tasks(ntasks: int, nnodes: int) -> None:
    if ntasks > MAX_TASKS * nnodes:
        where = "a node" if nnodes == 1 else f"{nnodes} nodes"
        raise FormatError(f"{ntasks} tasks on {where}: a job shell starts {MAX_TASKS} at most")


def _at_most(ids: Idset, count: int) -> Idset:
    return ids if len(ids) <= count else Idset(list(ids)[:count])
