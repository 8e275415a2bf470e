# SPDX-License-Identifier: LGPL-3.0-or-later
"""The graph of R is the one that Fluxion's ``flux ion-R encode`` makes (RFC 40).

Fluxion is not part of flux-core: ``FLUXION`` names the folder that holds its Python package ``fluxion``;
without it the test is skipped. Fluxion pairs hosts with ranks in the order of R_lite instead of the numerical
one, so R is given with its ranks in order.
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from rosin.rfc import fluxion
from rosin.rfc.graph import Graph
from rosin.rfc.rset import ResourceSet

from .conftest import differing

_CODE = """
import sys
sys.path.insert(0, {path!r})
from fluxion.resourcegraph.V1 import FluxionResourceGraphV1

def answer(R):
    return FluxionResourceGraphV1(R).to_JSON()
"""


def _rset(rng: random.Random) -> ResourceSet:
    rset = ResourceSet()
    for rank in sorted(rng.sample(range(40), rng.randint(1, 5))):
        gpus = rng.getrandbits(3) if rng.random() < 0.5 else 0
        rset.add_rank(rank, f"{rng.choice(['n', 'rack1-n', 'login'])}{rank}", rng.getrandbits(6) | 1, gpus)
    for name in ("a", "+q", "b@gpu"):
        ranks = [rank for rank in rset if rng.random() < 0.3]
        if ranks:
            rset.set_property(name, ",".join(map(str, ranks)))
    return rset


def _in_order(rset: ResourceSet) -> dict[str, Any]:
    R = rset.encode()
    lite = []
    for rank in rset:
        units = {"core": rset.cores(rank).encode(), "gpu": rset.gpus(rank).encode()}
        lite.append({"rank": str(rank), "children": {kind: ids for kind, ids in units.items() if ids}})
    R["execution"]["R_lite"] = lite
    R["execution"]["nodelist"] = [rset.host(rank) for rank in rset]
    return R


def _shown(graph: Graph) -> list[Any]:
    """What the two may differ in: Fluxion leaves out the rank of what has none."""
    vertices = []
    for vertex, pool in graph.items():
        base = (pool.type, pool.basename, pool.name, pool.id, pool.size, pool.properties)
        vertices.append((vertex, base, pool.data.get("rank", -1), pool.data["paths"]))
    return [vertices, list(graph.edges())]


def test_graphs_of_r(ask, rng):
    path = os.environ.get("FLUXION")
    if not path:
        pytest.skip("FLUXION does not name the folder of Fluxion's Python package")
    rsets = [_rset(rng) for _ in range(10_000)]
    inputs = [_in_order(rset) for rset in rsets]
    theirs = [fluxion.decode(scheduling) for scheduling in ask(_CODE.format(path=path), inputs)]
    ours = [fluxion.decode(fluxion.attach(rset).scheduling) for rset in rsets]
    assert differing(inputs, [_shown(graph) for graph in ours], [_shown(graph) for graph in theirs]) == []
    assert differing(inputs, rsets, [fluxion.to_resource_set(graph) for graph in theirs]) == []
