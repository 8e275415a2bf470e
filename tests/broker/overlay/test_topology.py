# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which broker is above which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.broker.overlay.topology import OverlayTopology
from rosin.errors import FormatError

SHAPES = st.one_of(
    st.integers(0, 40).map(lambda k: f"kary:{k}"),
    st.integers(0, 40).map(lambda k: f"mincrit:{k}"),
    st.sampled_from(["mincrit", "binomial"]),
)


def parents(spec, size):
    tree = OverlayTopology.parse(spec, size)
    return [tree.parent(rank) for rank in range(size)]


def test_kary():
    assert parents("kary:2", 8) == [None, 0, 0, 1, 1, 2, 2, 3]
    assert parents("kary:1", 4) == [None, 0, 1, 2]
    assert parents("kary:0", 4) == [None, 0, 0, 0]
    assert parents("kary:32", 34) == [None, *[0] * 32, 1]


def test_mincrit():
    assert parents("mincrit:2", 8) == [None, 0, 0, 1, 2, 1, 2, 1]
    assert parents("mincrit:0", 4) == [None, 0, 0, 0]
    assert parents("mincrit:9", 4) == [None, 0, 0, 0]


def test_mincrit_chooses_as_few_routers_as_do():
    assert set(parents("mincrit", 1025)) == {None, 0}
    tree = OverlayTopology.parse("mincrit", 1026)
    assert tree.children(0) == [1, 2]
    assert max(len(tree.children(rank)) for rank in range(1026)) <= 1024
    assert len(OverlayTopology.parse("mincrit", 2 * 1024 + 4).children(0)) == 3


def test_binomial():
    assert parents("binomial", 16) == [None, 0, 0, 2, 0, 4, 4, 6, 0, 8, 8, 10, 8, 12, 12, 14]


@pytest.mark.parametrize(
    "spec", ["", "kary", "kary:", "kary:x", "kary:-1", "kary:1e3", "binomial:2", "ring", "custom"]
)
def test_no_shape(spec):
    with pytest.raises(FormatError, match=r"tbon\.topo"):
        OverlayTopology.parse(spec, 4)


@pytest.mark.parametrize(
    ("given_parents", "what"),
    [
        ([], "no parent"),
        ([0], "no parent"),
        ([None, None], "parent of rank 1"),
        ([None, 1], "parent of rank 1"),
        ([None, 5], "parent of rank 1"),
        ([None, -1], "parent of rank 1"),
        ([None, 2, 1, 0], "rank 1 is not below rank 0"),
    ],
)
def test_no_tree(given_parents, what):
    with pytest.raises(FormatError, match=what):
        OverlayTopology(given_parents)


def test_a_tree_of_ones_own():
    tree = OverlayTopology([None, 3, 3, 0])
    assert tree.children(3) == [1, 2]
    assert tree.subtree(0) == [0, 3, 1, 2]
    assert tree.level(1) == tree.depth == 2
    assert tree.internal() == [0, 3]


def test_description():
    assert OverlayTopology.parse("kary:2", 4).describe(0) == {
        "rank": 0,
        "size": 4,
        "children": [
            {"rank": 1, "size": 2, "children": [{"rank": 3, "size": 1, "children": []}]},
            {"rank": 2, "size": 1, "children": []},
        ],
    }


@given(SHAPES, st.integers(1, 300))
def test_every_shape_is_a_tree(spec, size):
    tree = OverlayTopology.parse(spec, size)
    assert sorted(tree.subtree(0)) == list(range(size))
    for rank in range(1, size):
        parent = tree.parent(rank)
        assert parent is not None
        assert parent < rank
        assert rank in tree.children(parent)
        assert tree.level(rank) == tree.level(parent) + 1
    for rank in range(size):
        below = [each for child in tree.children(rank) for each in tree.subtree(child)]
        assert sorted(below) == sorted(tree.subtree(rank)[1:])


def test_a_large_chain_needs_no_deep_stack():
    tree = OverlayTopology.parse("kary:1", 20_000)
    assert tree.depth == 19_999
    node = tree.describe(0)
    while node["children"]:
        (node,) = node["children"]
    assert node["rank"] == 19_999
