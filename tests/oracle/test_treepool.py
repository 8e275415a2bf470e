# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where flux-core's TreePool puts a job is where we put it (RFC 49).

Whole runs are compared: a topology, then allocations and releases one after the other. Left out are requests
that flux-core answers otherwise by what the text would not have: GPUs beside a domain that names its own, an
exclusive node whose GPUs alone are in use, domains without any core. And two topologies in one R that differ
only in the names of their localities: flux-core takes them for one and uses the names of the first for both.
"""

from __future__ import annotations

import random
from typing import Any

from rosin.rfc.rset import ResourceSet
from rosin.rfc.treepool.place import Places, Request

from .conftest import differing

_CODE = """
import json
from flux.resource.TreePool import TreePool
from flux.resource import InsufficientResources
from flux.resource.ResourcePoolImplementation import InfeasibleRequest

def answer(run):
    pool = TreePool(json.dumps(run["R"]))
    out = []
    held = {}
    for number, (what, value) in enumerate(run["steps"]):
        if what == "free":
            if value in held:
                pool.free(value, held.pop(value), final=True)
            continue
        spec = {"version": 999, "resources": value, "attributes": {"system": {"duration": 0}}}
        try:
            got = pool.alloc(number, pool.parse_resource_request(spec))
        except (InsufficientResources, InfeasibleRequest):
            out.append(None)
            continue
        held[number] = got
        R = got.to_dict()
        out.append([R["execution"]["R_lite"], [e["ranks"] for e in R["scheduling"]["children"]]])
    return out
"""


def _topo(rng: random.Random) -> tuple[dict[str, Any], int, int]:
    cores = gpus = 0
    sockets = []
    per_socket, size, gpu = rng.randint(1, 3), rng.randint(1, 5), rng.randint(0, 2)
    for _ in range(rng.randint(1, 3)):
        numas = []
        for _ in range(per_socket):
            here = size if rng.random() < 0.7 else rng.randint(1, 6)
            mine = gpu if rng.random() < 0.7 else rng.randint(0, 2)
            numa: dict[str, Any] = {"cores": _span(cores, here)}
            if mine:
                numa["gpus"] = _span(gpus, mine)
            numas.append(numa)
            cores += here
            gpus += mine
        sockets.append(numas[0] if per_socket == 1 else {"numa": numas})
    kind = rng.random()
    if kind < 0.15:
        return {"cores": _span(0, cores), **({"gpus": _span(0, gpus)} if gpus else {})}, cores, gpus
    return {"socket": sockets}, cores, gpus


def _span(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + count - 1}"


def _resources(rng: random.Random) -> list[dict[str, Any]]:
    per_slot: list[dict[str, Any]] = [{"type": "core", "count": rng.randint(1, 6)}]
    if rng.random() < 0.5:
        per_slot.append({"type": "gpu", "count": rng.randint(1, 2)})
    form = rng.random()
    if form < 0.15:
        per_slot = [{"type": rng.choice(["numa", "socket"]), "count": 1, "exclusive": True}]
    slot = {"type": "slot", "count": rng.randint(1, 3), "label": "t", "with": per_slot}
    if form < 0.45:
        return [slot]
    node: dict[str, Any] = {"type": "node", "count": rng.randint(1, 2)}
    if form > 0.9:
        node["exclusive"] = True
    if form < 0.7 or rng.random() < 0.3:
        return [{**node, "with": [slot]}]
    node["count"] = 1
    return [{**slot, "with": [{**node, "with": per_slot}]}]


def _run(rng: random.Random) -> dict[str, Any]:
    lite: list[Any] = []
    children: list[Any] = []
    first = 0
    kinds = {kind[1]: kind for kind in (_topo(rng), _topo(rng))}  # with different numbers of cores
    for topo, cores, gpus in kinds.values():
        nodes = rng.randint(1, 4)
        ranks = _span(first, nodes)
        units = {"core": _span(0, cores), **({"gpu": _span(0, gpus)} if gpus else {})}
        lite.append({"rank": ranks, "children": units})
        children.append({"ranks": ranks, "topo": topo})
        first += nodes
    steps: list[tuple[str, Any]] = []
    for number in range(12):
        if number and rng.random() < 0.25:
            steps.append(("free", rng.randrange(number)))
        else:
            steps.append(("alloc", _resources(rng)))
    hosts = f"n[0-{first - 1}]" if first > 1 else "n0"
    execution = {"R_lite": lite, "nodelist": [hosts], "starttime": 0.0, "expiration": 0.0}
    R = {"version": 1, "execution": execution, "scheduling": {"writer": "TreePool", "children": children}}
    return {"R": R, "steps": steps}


def _ours(run: dict[str, Any]) -> list[Any]:
    places = Places(ResourceSet.decode(run["R"]))
    out: list[Any] = []
    held: dict[int, ResourceSet] = {}
    for number, (what, value) in enumerate(run["steps"]):
        if what == "free":
            if value in held:
                places.release(held.pop(value))
            continue
        got = places.allocate(Request.decode(value))
        if got is None:
            out.append(None)
            continue
        held[number] = got
        R = got.encode()
        out.append([R["execution"]["R_lite"], [entry["ranks"] for entry in R["scheduling"]["children"]]])
    return out


def test_jobs_get_the_same_places(ask, rng):
    runs = [_run(rng) for _ in range(1500)]
    theirs = ask(_CODE, runs)
    ours = [_ours(run) for run in runs]
    assert sum(len(answers) for answers in ours) > 10_000
    assert sum(answer is not None for answers in ours for answer in answers) > 3_000
    assert differing(runs, ours, theirs) == []
