# SPDX-License-Identifier: LGPL-3.0-or-later
"""An unsatisfiable request: what makes it so is named behind flux-core's words."""

import errno

import pytest

from rosin.resource.allocator.pool import InfeasibleError
from rosin.resource.allocator.request import ResourceRequest, from_jobspec
from rosin.rfc.count import Count
from rosin.rfc.rset import ResourceSet

from .resources import inventory_of


def pool_of(shapes):
    """Nodes with so many cores and GPUs."""
    rset = ResourceSet()
    for rank, (cores, gpus) in enumerate(shapes):
        rset.add_rank(rank, f"n{rank}", (1 << cores) - 1, (1 << gpus) - 1)
    return inventory_of(rset.encode(), up="").pool


def why(*args, shapes=((4, 0), (2, 1)), **kwargs):
    """The reasons behind the first part of the message."""
    request = ResourceRequest(*args, **kwargs)
    pool = pool_of(shapes)
    with pytest.raises(InfeasibleError) as caught:
        pool.check(request)
    assert caught.value.errno == errno.EOVERFLOW
    first, *found = caught.value.strerror.split("; ")
    assert first.startswith("unsatisfiable request: need ")
    return found


ONE, MANY = Count(1, 1), Count(99, 99)


def test_numbers_alone_say_enough():
    assert why(None, MANY, 1) == []
    assert why(Count(3, 3), ONE, 1) == []


def test_the_constraint():
    assert why(None, ONE, 1, constraint={"properties": ["x"]}) == [
        "constraint 'x' is met by none of 2 node(s)"
    ]
    assert why(Count(2, 2), ONE, 1, constraint={"ranks": ["1"]}) == [
        "constraint 'rank:1' is met by 1 of 2 node(s)"
    ]
    assert why(None, MANY, 1, constraint={"ranks": ["0-1"]}) == []  # it is not what is in the way


def test_the_queue():
    found = why(None, ONE, 1, constraint={"properties": ["x"]}, queue="debug")
    assert found == ["constraint 'x' in queue 'debug' is met by none of 2 node(s)"]
    system = {"duration": 0, "queue": "debug"}
    slot = {"type": "slot", "count": 1, "with": [{"type": "core", "count": 1}]}
    spec = {"version": 1, "resources": [slot], "attributes": {"system": system}}
    assert from_jobspec(spec).queue == "debug"


def test_what_no_node_has():
    assert why(None, ONE, 1, 2) == ["no node has more than 1 GPU(s), the request is for 2 in one slot"]
    assert why(None, ONE, 1, 1, shapes=[(4, 0)]) == ["no node has a GPU, the request is for 1 in one slot"]
    assert why(None, ONE, 9) == ["no node has more than 4 core(s), the request is for 9 in one slot"]
    assert why(ONE, Count(3, 3), 2, 1) == [
        "no node has more than 4 core(s), the request is for 6 in 3 slot(s) of one node",
        "no node has more than 1 GPU(s), the request is for 3 in 3 slot(s) of one node",
    ]
    assert why(ONE, ONE, 1, 2, exclusive=True) == [
        "no node has more than 1 GPU(s), the request is for 2 in one slot"
    ]


def test_several_at_once():
    assert why(None, MANY, 5, 2, constraint={"not": [{"ranks": ["0-5"]}]}) == [
        "constraint 'not rank:0-5' is met by none of 2 node(s)",
        "no node has more than 4 core(s), the request is for 5 in one slot",
        "no node has more than 1 GPU(s), the request is for 2 in one slot",
    ]


def test_nodes_that_have_gone_do_not_count():
    pool = pool_of([(4, 0), (8, 0)])
    pool.shrink(2)
    with pytest.raises(InfeasibleError, match=r"no node has more than 4 core\(s\)"):
        pool.check(ResourceRequest(None, ONE, 8))
