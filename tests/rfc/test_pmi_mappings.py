# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13: process mappings."""

import pytest

from rosin.errors import FormatError
from rosin.rfc import pmi
from rosin.rfc.taskmap import TaskMap

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
    tasks = TaskMap.decode(text)
    assert [(*block[:3],) for block in tasks.encode() for _ in range(block[3])] == blocks
    assert tasks.encode_pmi() == text


def test_an_unknown_mapping():
    assert TaskMap().encode_pmi() == ""
    assert pmi.clique("", 0) is None


@pytest.mark.parametrize(
    "text",
    [
        "(vector)",
        "(vector,)",
        "(vector,())",
        "(vector,(0,1))",
        "(vector,(0,1,1,1))",
        "(vector,(-1,1,1))",
        "(vector,(0,0,1))",
        "(vector,(0,1,1),)",
        "(vector,(0,1,x))",
        "(vector,(0,1,1)" * 70000,
        "(vector" + ",(0,1,1)" * 130000,
    ],
)
def test_broken_mappings(text):
    with pytest.raises(FormatError, match=r"^taskmap: "):
        TaskMap.decode(text)


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
