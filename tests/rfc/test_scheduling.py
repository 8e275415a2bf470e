# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``scheduling`` key when R is copied, cut and numbered anew (RFC 20, 40, 49)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import fluxion
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet
from rosin.rfc.scheduling import of_allocation, of_instance


def four() -> ResourceSet:
    rset = ResourceSet()
    for rank in range(4):
        rset.add_rank(rank, f"n{rank}", 0b1111, 0b1)
    return rset


TREE: dict[str, Any] = {
    "writer": "TreePool",
    "children": [
        {"ranks": "0-2", "topo": {"cores": "0-3", "gpus": "0"}},
        {"ranks": "3", "topo": {"numa": [{"cores": "0-3", "gpus": "0"}]}},
    ],
}


@pytest.mark.rfc(49, "trimmed", "renumbered")
def test_a_tree_is_cut_and_numbered():
    part = four().copy_ranks("1,3")
    cut = of_allocation(TREE, part)
    assert [entry["ranks"] for entry in cut["children"]] == ["1", "3"]
    assert [entry["ranks"] for entry in of_instance(cut, part)["children"]] == ["0", "1"]
    assert of_instance(TREE, part) == of_instance(cut, part)
    assert of_allocation(of_instance(cut, part), part.copy_ranks("").union(part.remap())) == of_instance(
        cut, part
    )


@pytest.mark.rfc(40, "opaque")
def test_a_graph_is_cut_and_not_numbered():
    whole = fluxion.attach(four())
    part = whole.intersect(whole.copy_ranks("1,3"))
    cut = of_allocation(whole.scheduling, part)
    assert dict(fluxion.to_resource_set(fluxion.decode(cut)).items()) == dict(part.items())
    assert of_instance(cut, part) is cut
    assert of_allocation({"writer": "fluxion:jgf_shorthand", "graph": 1}, part) == {
        "writer": "fluxion:jgf_shorthand",
        "graph": 1,
    }
    with pytest.raises(FormatError, match="scheduling: graph"):
        of_allocation({"graph": 1}, part)


@pytest.mark.rfc(40, "opaque")
@given(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3)))
def test_keys_of_others_stay(key):
    other = {**key, "writer": "mine"}
    rset = four()
    rset.scheduling = other
    part = rset.copy_ranks("2")
    assert of_allocation(other, part) is other
    assert of_instance(other, part) is other
    assert of_allocation(None, part) is of_instance(None, part) is None
    made = [rset.copy(), part, rset.union(part), rset.diff(part), rset.intersect(part), rset.remap()]
    assert all(new.scheduling is other for new in [*made, rset.rerank("n[3,2,1,0]")])
    assert rset.rerank("n[3,2,1,0]").ranks() == Idset("0-3")
