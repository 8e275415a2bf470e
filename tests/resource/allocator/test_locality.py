# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 49 in the allocator: what belongs together is given together, and nothing twice."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.resource.allocator.placement import best_fit
from rosin.resource.allocator.request import ResourceRequest
from rosin.rfc.count import Count, parse

from .resources import inventory_of
from .test_pool import check


def machine(nodes, sockets, numas, cores):
    """R of like nodes, with a GPU in each NUMA domain."""
    domains, total = [], 0
    for _ in range(sockets):
        inner = []
        for _ in range(numas):
            number = total // cores
            inner.append({"cores": f"{total}-{total + cores - 1}", "gpus": str(number)})
            total += cores
        domains.append({"numa": inner})
    children = {"core": f"0-{total - 1}", "gpu": f"0-{sockets * numas - 1}"}
    ranks = f"0-{nodes - 1}"
    return {
        "version": 1,
        "execution": {"R_lite": [{"rank": ranks, "children": children}], "nodelist": [f"n[{ranks}]"]},
        "scheduling": {"writer": "TreePool", "children": [{"ranks": ranks, "topo": {"socket": domains}}]},
    }


def pack(request, portions):
    return best_fit(portions)


def asked(nodes, slots, cores, gpus=0):
    return ResourceRequest(None if nodes is None else Count(nodes, nodes), parse(slots), cores, gpus)


def test_the_vectors_of_the_rfc():
    """Those whose places are not named: two sockets of four domains with 15 cores and a GPU each."""
    inventory = inventory_of(machine(16, 2, 4, 15), place=pack)
    placed = []
    for jobid, request in enumerate(
        [
            asked(1, 1, 8, 1),
            asked(1, 1, 8, 1),
            asked(1, 8, 15, 1),
            asked(4, 1, 120),
            asked(1, 1, 4),
            asked(1, 1, 15, 1),
            asked(1, 6, 15, 1),
            asked(1, 1, 60, 4),
        ]
    ):
        allocation = inventory.pool.alloc(jobid, request)
        placed.append(inventory.summary(allocation.nodes))
    assert placed == [
        "rank0/core[0-7],gpu0",
        "rank0/core[15-22],gpu1",
        "rank1/core[0-119],gpu[0-7]",
        "rank[2-5]/core[0-119]",
        "rank0/core[8-11]",
        "rank0/core[30-44],gpu2",
        "rank6/core[0-89],gpu[0-5]",
        "rank0/core[60-119],gpu[4-7]",
    ]
    check(inventory.pool)


def test_r_tells_the_part_of_its_ranks():
    inventory = inventory_of(machine(4, 1, 2, 4), place=pack)
    R = inventory.encode(inventory.pool.alloc(1, asked(2, 1, 4)), 0.0)
    (entry,) = R["scheduling"]["children"]
    assert (R["scheduling"]["writer"], entry["ranks"]) == ("TreePool", "0-1")


def test_slots_that_find_no_domain_go_elsewhere():
    inventory = inventory_of(machine(2, 1, 2, 4), place=pack)
    pool = inventory.pool
    pool.register(1, {0: (0b00010001, 0)}, 0.0)  # three cores of each domain are left
    assert inventory.summary(pool.alloc(2, asked(None, 3, 2)).nodes) == "rank0/core[1-2,5-6] rank1/core[0-1]"
    pool.release(2)
    assert inventory.summary(pool.alloc(3, asked(1, 3, 2)).nodes) == "rank1/core[0-5]"
    allocation = pool.alloc(4, asked(None, "3-4", 2))
    assert inventory.summary(allocation.nodes) == "rank0/core[1-2,5-6] rank1/core[6-7]"
    assert (allocation.nslots, pool.alloc(5, asked(None, "2-4", 1)).nslots) == (3, 2)
    check(pool)


requests = st.builds(
    asked,
    st.none() | st.integers(1, 3),
    st.sampled_from([1, 2, 3, "1-5", "2-8:2:*"]),
    st.integers(1, 9),
    st.integers(0, 2),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(requests, st.integers(0, 9)), max_size=25))
def test_nothing_is_given_twice(steps):
    pool = inventory_of(machine(3, 2, 2, 4), place=pack).pool
    for jobid, (request, ends) in enumerate(steps):
        if ends in pool.jobs:
            pool.release(ends)
        try:
            allocation = pool.alloc(jobid, request)
        except OSError:
            continue
        check(pool)
        if allocation is None:
            continue
        held = list(allocation.nodes.values())
        assert sum(cores.bit_count() for cores, _ in held) == allocation.nslots * request.cores
        assert sum(gpus.bit_count() for _, gpus in held) == allocation.nslots * request.gpus
        if request.nodes is None:
            assert allocation.nslots in request.slots
        else:
            assert len(held) == request.nodes.min
            assert {cores.bit_count() for cores, _ in held} == {request.slots.min * request.cores}


def test_a_description_that_does_not_fit():
    R = machine(2, 1, 2, 4)
    R["scheduling"]["children"][0]["ranks"] = "0"
    with pytest.raises(FormatError, match=r"scheduling\.children: rank 1 is not described"):
        inventory_of(R)
