# SPDX-License-Identifier: LGPL-3.0-or-later
"""Reading requests from jobspecs, and counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.resource.allocator.count import scaled
from rosin.resource.allocator.request import from_jobspec
from rosin.rfc.count import Count, parse
from rosin.rfc.idset import Idset


def vertex(kind, count, *children, **more):
    return {"type": kind, "count": count, **({"with": list(children)} if children else {}), **more}


def jobspec(*resources, **system):
    return {"version": 1, "resources": list(resources), "attributes": {"system": {"duration": 0, **system}}}


def test_node_slot_core_gpu():
    slot = vertex("slot", 3, vertex("core", 2), vertex("gpu", 1), label="t")
    request = from_jobspec(jobspec(vertex("node", 4, slot), duration=7, constraints={"ranks": ["0"]}))
    assert (request.nodes.min, request.slots.min, request.cores, request.gpus) == (4, 3, 2, 1)
    assert (request.duration, request.constraint, request.exclusive) == (7.0, {"ranks": ["0"]}, False)


def test_parents_multiply_nodes():
    node = vertex("node", {"min": 2, "max": 3}, vertex("slot", 1, vertex("socket", 1, vertex("core", 2))))
    request = from_jobspec(jobspec(vertex("rack", 5, node)))
    assert (request.nodes.min, request.nodes.max, request.cores) == (10, 15, 2)


def test_exclusive_slots_are_nodes():
    request = from_jobspec(jobspec(vertex("slot", 2, vertex("core", 1), exclusive=True)))
    assert (request.nodes.min, request.slots.min, request.exclusive) == (2, 1, True)


def test_gpu_count_of_zero():
    slot = vertex("slot", 1, vertex("core", 1), vertex("gpu", 0))
    assert from_jobspec(jobspec(slot)).gpus == 0


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (None, "no resources"),
        ({"resources": []}, "no resources"),
        (jobspec(vertex("core", 1)), "slot count"),
        (jobspec(vertex("slot", 1)), "slot size"),
        (jobspec(vertex("slot", 0, vertex("core", 1))), ">= 1"),
        (jobspec(vertex("slot", 1, vertex("core", True))), "integer"),
        (jobspec("x"), "must be an object"),
        (jobspec(vertex("slot", 1, vertex("core", 1)), duration=-1), "duration"),
        (jobspec(vertex("slot", 1, vertex("core", 1)), duration=None), "getting duration"),
        (jobspec(vertex("slot", 1, vertex("core", 1)), constraints=["x"]), "constraints"),
        ({"version": 1, "resources": [vertex("slot", 1, vertex("core", 1))]}, "getting duration"),
        ({"resources": [{"type": "slot", "count": 1, "with": {"type": "core"}}]}, "'with' must be an array"),
    ],
)
def test_malformed(spec, text):
    with pytest.raises(FormatError, match=text):
        from_jobspec(spec)


def test_nesting_is_bounded():
    inner = vertex("core", 1)
    for _ in range(1000):
        inner = vertex("slot", 1, inner)
    with pytest.raises(FormatError, match="deeper"):
        from_jobspec(jobspec(inner))


@given(st.sampled_from(["4", "2-9", "2-9:3", "2-64:3:*", "1,3,8", "3+"]), st.integers(1, 5))
def test_scaled(text, factor):
    count = parse(text)
    for available in range(40):
        best = count.largest(available)
        wanted = None if best is None else factor * best
        assert scaled(count, factor).largest(available * factor) == wanted


def test_what_cannot_be_scaled():
    with pytest.raises(FormatError):
        scaled(parse("2-400:2:^"), 2)
    with pytest.raises(FormatError):
        scaled(Count(1, 10**8, ids=Idset("1,3-100000000")), 2)
