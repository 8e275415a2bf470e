# SPDX-License-Identifier: LGPL-3.0-or-later
"""R against flux-core: 10,000 random pairs through its Python binding, some hundreds through ``flux R``.

The binding is Python code of its own, the command is the C library; the two do not agree everywhere. Here
the times of the first set are kept, as in the binding, and a rank without resources is not; the scheduling
object is carried as by the command. Compared with the binding are resources, hosts, properties and times of
unions, differences and copies (its intersection keeps whole ranks and is left to the command); compared with
the command is all but the times, which it forgets, and the properties of unions and intersections: a rank
whose resources the second set has too loses those of the first in a union, all are dropped in an
intersection. After a union the command also counts cores twice that are in both, so one set is counted.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet

from .conftest import Ask, differing

COUNT = 10_000
BINDING = """
import json
from flux.resource import ResourceSet
def told(rset):
    R = json.loads(rset.encode())["execution"]
    return [rset.dumps(), R.get("nodelist") or [""], R.get("properties", {}), R["starttime"], R["expiration"],
            rset.count("core"), rset.count("gpu"), rset.nnodes, str(rset.ranks)]
def answer(given):
    a, b = ResourceSet(given[0]), ResourceSet(given[1])
    whole = ResourceSet(given[0])
    whole.add(b)
    return [told(a), told(a | b), told(a - b), told(a.copy_ranks(given[2])), told(a.remove_ranks(given[2]))]
"""


_LOSES_PROPERTIES = ("decode", "remap", "intersect")


def random_R(rng: random.Random) -> dict[str, Any]:
    """R of a few ranks, whose hosts depend on the rank."""
    ranks = sorted(rng.sample(range(12), rng.choice((1, 2, 4, 8))))
    entries = []
    for rank in ranks:
        children = {"core": Idset(rng.sample(range(8), rng.choice((1, 2, 4, 8)))).encode()}
        if rng.random() < 0.4:
            children["gpu"] = Idset(rng.sample(range(4), rng.choice((1, 2)))).encode()
        entries.append({"rank": str(rank), "children": children})
    rng.shuffle(entries)
    execution: dict[str, Any] = {"R_lite": entries, "nodelist": [f"n{rank}" for rank in ranks]}
    if rng.random() < 0.5:
        execution["starttime"] = float(rng.randrange(1, 100))
        execution["expiration"] = execution["starttime"] + rng.randrange(1, 100)
    names = rng.sample(["a", "b", "+q", "x@gpu"], rng.choice((0, 0, 1, 2)))
    if names:
        execution["properties"] = {
            name: Idset(rng.sample(ranks, rng.randint(1, len(ranks)))).encode() for name in names
        }
    R = {"version": 1, "execution": execution}
    if rng.random() < 0.3:
        R["scheduling"] = {"writer": "x:", "n": rng.randrange(9)}
    return R


def told(rset: ResourceSet) -> list[Any]:
    R = rset.encode()["execution"]
    return [
        rset.dumps(),
        R.get("nodelist", [""]),
        R.get("properties", {}),
        R["starttime"],
        R["expiration"],
        rset.ncores,
        rset.ngpus,
        rset.nnodes,
        str(rset.ranks()),
    ]


def answer(given: list[Any]) -> list[Any]:
    a, b = ResourceSet.decode(given[0]), ResourceSet.decode(given[1])
    results = [told(a), told(a.union(b)), told(a.diff(b)), told(a.copy_ranks(given[2]))]
    a.remove_ranks(given[2])
    return [*results, told(a)]


def gpus_only(text: str) -> str:
    """The short form without the empty ``core`` that the binding writes for ranks with GPUs only."""
    return text.replace("/core,", "/")


def test_binding(ask: Ask, rng: random.Random) -> None:
    inputs = [[random_R(rng), random_R(rng), Idset(rng.sample(range(12), 4)).encode()] for _ in range(COUNT)]
    theirs = ask(BINDING, inputs)
    for results in theirs:
        for result in results:
            result[0] = gpus_only(result[0])
    assert differing(inputs, [answer(given) for given in inputs], theirs) == []


def test_commands(flux: str, rng: random.Random) -> None:
    rosin = str(Path(sys.executable).with_name("rosin"))
    inputs = []
    for _ in range(80):
        one, other = random_R(rng), random_R(rng)
        ranks = Idset(rng.sample(range(12), 4)).encode()
        hosts = [f"n{rank}" for rank in ResourceSet.decode(one).ranks()]
        rng.shuffle(hosts)
        argv = rng.choice(
            (
                ["decode"],
                ["decode", "-snr", "-c", "core"],
                ["decode", "-i", ranks],
                ["decode", "-x", ranks],
                ["decode", "-p", rng.choice(("a", "^a", "+q", "a,b", "zz"))],
                ["append"],
                ["diff"],
                ["intersect"],
                ["remap"],
                ["rerank", ",".join(hosts)],
                ["set-property", f"new:{ranks}", "all"],
                ["verify"],
            )
        )
        sets = [one] if argv[0] in ("rerank", "set-property") or "-snr" in argv else [one, other]
        inputs.append((argv, "".join(map(json.dumps, sets))))
    ours, theirs = ([_run(path, *given) for given in inputs] for path in (rosin, flux))
    assert differing(inputs, ours, theirs) == []


def _run(path: str, argv: list[str], text: str) -> tuple[int, Any]:
    done = subprocess.run(
        [path, "R", *argv], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode or not done.stdout.startswith("{"):
        # In the short form the command has no order after a union.
        return done.returncode, sorted((done.stdout + done.stderr.replace("rosin-R", "flux-R")).split())
    R = json.loads(done.stdout)
    for key in ("starttime", "expiration", *(["properties"] if argv[0] in _LOSES_PROPERTIES else [])):
        R["execution"].pop(key, None)
    R["execution"]["R_lite"] = [entry for entry in R["execution"]["R_lite"] if entry["children"]]
    return 0, R
