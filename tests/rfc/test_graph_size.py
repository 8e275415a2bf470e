# SPDX-License-Identifier: LGPL-3.0-or-later
"""Graphs of many vertices."""

from __future__ import annotations

import pytest

from rosin.errors import FormatError
from rosin.rfc import jgf
from rosin.rfc.graph import Graph
from rosin.rfc.graph.walk import postorder, totals
from rosin.rfc.pool import Pool

from .test_graph import IO, named

MANY = 100_000


def chain(length: int) -> Graph:
    graph = Graph()
    for number in range(length):
        graph.add(Pool("box", number))
        if number:
            graph.connect(str(number - 1), str(number))
    return graph


@pytest.mark.parametrize("shape", ["chain", "star", "mesh"])
def test_many_vertices(shape):
    if shape == "chain":
        graph = chain(MANY)
    elif shape == "star":
        graph = Graph()
        graph.add(Pool("cluster", 0))
        for number in range(1, MANY):
            graph.connect("0", graph.add(Pool("node", number)))
    else:  # everything is a conduit of its neighbours, both ways round a ring, with cross links
        graph = Graph()
        for number in range(MANY):
            graph.add(Pool("switch", number))
        for number in range(MANY):
            for step in (1, 17):
                graph.connect(str(number), str((number + step) % MANY), IO, "conduit_of", both=True)
    subsystem = IO if shape == "mesh" else "containment"
    graph.check_composite()
    assert sum(totals(graph, "0", subsystem).values()) == MANY
    assert sum(1 for _ in postorder(graph, "0", subsystem)) == MANY
    if shape == "chain":
        with pytest.raises(FormatError, match="too long"):
            graph.path(str(MANY - 1))
        graph.connect(str(MANY - 1), "0")
        with pytest.raises(FormatError, match="is inside of itself"):
            graph.check_composite()


@pytest.mark.rfc_vectors(4)
@pytest.mark.rfc(4, "pool-size", "base-data")
@pytest.mark.parametrize("sizes", [[32], [16, 16]], ids=["one pool", "one on each socket"])
def test_memory_of_the_text_at_two_grains(sizes: list[int]) -> None:
    graph = named("Node1")
    for number, size in enumerate(sizes):
        where = "Node1"
        if len(sizes) > 1:
            where = f"Socket{number}"
            graph.add(Pool("socket", id=number), where)
            graph.connect("Node1", where)
        graph.add(Pool("memory", id=number, size=size, unit="GB"), f"memory{number}")
        graph.connect(where, f"memory{number}")
    assert totals(graph, "Node1")["memory"] == 32
    again = jgf.decode(jgf.encode(graph))
    assert totals(again, "Node1") == totals(graph, "Node1")
