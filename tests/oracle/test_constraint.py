# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 31: random constraints, the same ranks as flux-core's library picks from a resource set.

Differences, which the constraints avoid or the comparison levels out:

- An empty object and ``or`` without values match anything here and ``not`` without values nothing (RFC 31);
  flux-core's Python refuses the first and the last and lets the second match nothing. Of several values of
  ``not`` it looks at the first alone; here, as in RFC 43, their conjunction is negated.
- flux-core joins the idsets of ``ranks`` to one text, and so refuses brackets and repetitions in several.
- flux-core does not check what is nested beyond the point where the answer is known, nor the characters of
  properties: some that it takes are refused here.
"""

import json

from rosin.errors import FormatError
from rosin.rfc import constraint
from rosin.rfc.rset import ResourceSet

from .conftest import Refused, answers, differing

COUNT = 10_000
THEIRS = """
import json
from flux.resource import ResourceSet
rset = ResourceSet(json.loads(%r))
def answer(constraint):
    found = rset.copy_constraint(constraint)
    return str(found.ranks)
"""
PROPERTIES = {"ssd": "0-9", "huge": "5-14", "odd": "1,3,5,7,9,11,13,15", "none": "0"}


def inventory():
    rset = ResourceSet()
    for rank in range(16):
        rset.add_rank(rank, f"n{rank % 12}", 0b11)
    for name, ranks in PROPERTIES.items():
        rset.set_property(name, ranks)
    return rset


def made(rng, depth=0):
    kind = rng.random()
    if depth < 4 and kind < 0.5:
        operator = rng.choice(["and", "or", "not"])
        number = 1 if operator == "not" else rng.choice([1, 1, 2, 2, 3])
        return {operator: [made(rng, depth + 1) for _ in range(number)]}
    if kind < 0.7:
        names = [
            rng.choice(["", "", "^"]) + rng.choice([*PROPERTIES, "missing"]) for _ in range(rng.randint(1, 2))
        ]
        return {"properties": names}
    if kind < 0.85:
        return {
            "hostlist": rng.choices(
                ["n0", "n[1-3]", "n[9-11]", "x[1-9]", "n5,n7", "n[0-15]"], k=rng.randint(1, 2)
            )
        }
    if kind < 0.97:
        return {"ranks": [rng.choice(["0", "3-5", "[1,7,9]", "14-90", "12"])]}
    return rng.choice(
        [{"xor": []}, {"properties": ["a|b"]}, {"ranks": ["x"]}, {"hostlist": ["n["]}, {"and": {}}]
    )


def test_constraints(ask, rng):
    rset = inventory()
    constraints = [made(rng) for _ in range(COUNT)]
    ours = answers(lambda one: str(constraint.compile(one).match_ranks(rset)), constraints, FormatError)
    theirs = ask(THEIRS % json.dumps(rset.encode()), constraints)
    taken = [
        isinstance(mine, Refused) and not isinstance(other, Refused)
        for mine, other in zip(ours, theirs, strict=True)
    ]
    print(sum(isinstance(mine, Refused) for mine in ours), "refused,", sum(taken), "of them here alone")
    rows = [
        row for row, skip in zip(zip(constraints, ours, theirs, strict=True), taken, strict=True) if not skip
    ]
    assert differing(*zip(*rows, strict=True)) == []
