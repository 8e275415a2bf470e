# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13: process mappings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import pmi

MAPPINGS = [
    ("(vector,(0,2,2))", [(0, 2, 2)]),
    ("(vector,(0,2,1),(0,2,1))", [(0, 2, 1)] * 2),
    ("(vector,(0,2,4))", [(0, 2, 4)]),
    ("(vector,(0,2,1),(0,2,1),(0,2,1),(0,2,1))", [(0, 2, 1)] * 4),
    ("(vector,(0,2,2),(2,2,4))", [(0, 2, 2), (2, 2, 4)]),
    ("(vector,(0,4,1),(0,4,1),(2,2,1),(2,2,1))", [(0, 4, 1)] * 2 + [(2, 2, 1)] * 2),
    ("(vector,(0,4096,256))", [(0, 4096, 256)]),
]


@pytest.mark.rfc_vectors(13)
@pytest.mark.rfc(13, "mapping-format")
@pytest.mark.parametrize(("text", "blocks"), MAPPINGS)
def test_mappings(text, blocks):
    assert pmi.decode_mapping(text) == blocks
    assert pmi.encode_mapping(blocks) == text


@pytest.mark.rfc(13, "mapping-too-long")
def test_a_mapping_that_is_too_long_is_unknown():
    assert pmi.encode_mapping([(0, 4096, 1)] * 256) == ""
    assert pmi.encode_mapping([]) == ""
    assert pmi.decode_mapping("") == []
    assert pmi.clique("", 0) is None


@pytest.mark.parametrize(
    "text",
    [
        "vector,(0,1,1)",
        "(vector)",
        "(vector,)",
        "(vector,())",
        "(vector,(0,1))",
        "(vector,(0,1,1,1))",
        "(vector,(-1,1,1))",
        "(vector,(0,0,1))",
        "(vector,(0,1,1),)",
        "(vector, (0,1,1))",
        "(vector,(0,1,x))",
        "(vector,(0,1,1)" * 70000,
        "(vector" + ",(0,1,1)" * 130000,
    ],
)
def test_broken_mappings(text):
    with pytest.raises(FormatError, match="pmi: mapping: "):
        pmi.decode_mapping(text)


@pytest.mark.parametrize("block", [(0, 1), (-1, 1, 1), (0, 0, 1), (0, 1, 0)])
def test_blocks_that_cannot_be_written(block):
    with pytest.raises(FormatError, match="block 1"):
        pmi.encode_mapping([block])


@given(st.lists(st.tuples(st.integers(0, 9999), st.integers(1, 9999), st.integers(1, 9999)), max_size=9))
def test_mapping_round_trip(blocks):
    assert pmi.decode_mapping(pmi.encode_mapping(blocks)) == blocks


@pytest.mark.rfc(13, "mapping-format")
@pytest.mark.parametrize(
    ("mapping", "rank", "ranks"),
    [
        ("(vector,(0,2,2))", 2, [2, 3]),
        ("(vector,(0,2,1),(0,2,1))", 2, [0, 2]),
        ("(vector,(0,4,1),(0,4,1),(2,2,1),(2,2,1))", 3, [3, 7, 9, 11]),
        ('{"version":1,"map":[[0,2,1,2]]}', 1, [1, 3]),
    ],
)
def test_cliques(mapping, rank, ranks):
    found = pmi.clique(mapping, rank)
    assert found is not None
    assert list(found) == ranks


def test_a_clique_without_the_rank():
    with pytest.raises(FormatError, match="no rank 4"):
        pmi.clique("(vector,(0,2,2))", 4)
