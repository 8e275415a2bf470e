# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 34 vectors and RFC 13 mappings both ways; schemes; bad maps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import taskmap
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.taskmap import TaskMap

VECTORS = [
    ("", "[]"),
    ("0", "[[0,1,1,1]]"),
    ("0;1", "[[0,2,1,1]]"),
    ("0-1", "[[0,1,2,1]]"),
    ("0-1;2-3", "[[0,2,2,1]]"),
    ("0,2;1,3", "[[0,2,1,2]]"),
    ("1;0", "[[1,1,1,1],[0,1,1,1]]"),
    ("0-3;4-7;8-11;12-15", "[[0,4,4,1]]"),
    ("0,4,8,12;1,5,9,13;2,6,10,14;3,7,11,15", "[[0,4,1,4]]"),
    ("0-1,8-9;2-3,10-11;4-5,12-13;6-7,14-15", "[[0,4,2,2]]"),
    ("0-1;2-3;4-5;6-7;8-11;12-15", "[[0,4,2,1],[4,2,4,1]]"),
    ("0,6;1,7;2,8;3,9;4,10,12,14;5,11,13,15", "[[0,6,1,2],[4,2,1,2]]"),
    (
        "14-15;12-13;10-11;8-9;4-7;0-3",
        "[[5,1,4,1],[4,1,4,1],[3,1,2,1],[2,1,2,1],[1,1,2,1],[0,1,2,1]]",
    ),
    ("0-1;2-3;4-5;6-7;8-9;12-13;10-11;14-15", "[[0,5,2,1],[6,1,2,1],[5,1,2,1],[7,1,2,1]]"),
    ("12-15;8-11;4-7;0-3", "[[3,1,4,1],[2,1,4,1],[1,1,4,1],[0,1,4,1]]"),
]


@pytest.mark.rfc_vectors(34)
@pytest.mark.rfc(34, "array", "unknown", "block", "order", "wrapped", "raw", "pmi")
@pytest.mark.parametrize(("raw", "blocks"), VECTORS)
def test_vectors(raw: str, blocks: str) -> None:
    decoded = TaskMap.decode(blocks)
    assert decoded.encode() == json.loads(blocks)
    assert decoded.encode_raw() == raw
    assert decoded.unknown == (raw == "")
    wrapped = {"version": 1, "map": json.loads(blocks)}
    assert decoded.wrap() == wrapped
    for source in (raw, blocks.encode(), json.dumps(wrapped), wrapped, decoded.encode_pmi()):
        assert TaskMap.decode(source).encode() == json.loads(blocks)


FOUR, MIXED, MANY = [4] * 4, [2] * 4 + [4] * 2, [256] * 4096


@pytest.mark.rfc_vectors(34)
@pytest.mark.rfc(34, "regular", "pmi", "order")
@pytest.mark.parametrize(
    ("counts", "stride", "blocks", "pmi"),
    [
        (FOUR, 0, "[[0,4,4,1]]", "(vector,(0,4,4))"),
        (FOUR, 1, "[[0,4,1,4]]", "(vector,(0,4,1),(0,4,1),(0,4,1),(0,4,1))"),
        (FOUR, 2, "[[0,4,2,2]]", "(vector,(0,4,2),(0,4,2))"),
        (MIXED, 0, "[[0,4,2,1],[4,2,4,1]]", "(vector,(0,4,2),(4,2,4))"),
        (MIXED, 1, "[[0,6,1,2],[4,2,1,2]]", "(vector,(0,6,1),(0,6,1),(4,2,1),(4,2,1))"),
        (MIXED, 2, "[[0,6,2,1],[4,2,2,1]]", "(vector,(0,6,2),(4,2,2))"),
        (MANY, 0, "[[0,4096,256,1]]", "(vector,(0,4096,256))"),
        (MANY, 1, "[[0,4096,1,256]]", f"(vector{',(0,4096,1)' * 256})"),
        (MANY, 2, "[[0,4096,2,128]]", f"(vector{',(0,4096,2)' * 128})"),
    ],
    ids=range(9),
)
def test_regular_distributions(counts: list[int], stride: int, blocks: str, pmi: str) -> None:
    made = taskmap.cyclic(counts, stride) if stride else taskmap.block(counts)
    assert made.encode() == json.loads(blocks)
    assert made.encode_pmi() == pmi
    assert TaskMap.decode(pmi) == TaskMap.decode(blocks) == made
    assert [made.ntasks(node) for node in range(len(counts))] == counts


@pytest.mark.rfc_vectors(34)
@pytest.mark.rfc(34, "pmi", "order")
@pytest.mark.parametrize(
    "pmi",
    [
        "(vector,(0,4,4))",
        "(vector,(0,4,1),(0,4,1),(0,4,1),(0,4,1))",
        "(vector,(0,4,2),(0,4,2))",
        "(vector,(0,4,2),(4,2,4))",
        "(vector,(0,6,1),(0,6,1),(4,2,1),(4,2,1))",
        "(vector,(0,6,2),(4,2,2))",
        "(vector,(0,4096,256))",
        f"(vector{',(0,4096,1)' * 256})",
        f"(vector{',(0,4096,2)' * 128})",
    ],
    ids=range(9),
)
def test_maps_of_pmi_in_the_text(pmi: str) -> None:
    decoded = TaskMap.decode(pmi)
    assert decoded.encode_pmi() == pmi
    assert [decoded.ntasks(node) for node in range(decoded.nnodes())] in (FOUR, MIXED, MANY)


@pytest.mark.rfc_vectors(34)
@pytest.mark.rfc(34, "wrapped")
def test_the_wrapped_map_of_the_text() -> None:
    assert TaskMap.decode('{"version":1, "map":[[0,4096,256,1]]}') == taskmap.block(MANY)


@pytest.mark.parametrize(
    ("pmi", "blocks"),
    [
        ("(vector,(0,2,2))", [[0, 2, 2, 1]]),
        ("(vector,(0,2,1),(0,2,1))", [[0, 2, 1, 2]]),
        ("(vector,(0,2,4))", [[0, 2, 4, 1]]),
        ("(vector,(0,2,1),(0,2,1),(0,2,1),(0,2,1))", [[0, 2, 1, 4]]),
        ("(vector,(0,2,2),(2,2,4))", [[0, 2, 2, 1], [2, 2, 4, 1]]),
        ("(vector,(0,4,1),(0,4,1),(2,2,1),(2,2,1))", [[0, 4, 1, 2], [2, 2, 1, 2]]),
        ("(vector,(0,4096,256))", [[0, 4096, 256, 1]]),
        ("(vector,(0,4,1),(0,4,1),(0,4,1),(0,4,1))", [[0, 4, 1, 4]]),
        ("(vector,(0,4,2),(0,4,2))", [[0, 4, 2, 2]]),
        ("(vector,(0,4,2),(4,2,4))", [[0, 4, 2, 1], [4, 2, 4, 1]]),
        ("(vector,(0,6,1),(0,6,1),(4,2,1),(4,2,1))", [[0, 6, 1, 2], [4, 2, 1, 2]]),
        ("(vector,(0,6,2),(4,2,2))", [[0, 6, 2, 1], [4, 2, 2, 1]]),
        ("", []),
    ],
)
def test_pmi(pmi: str, blocks: list[list[int]]) -> None:
    assert TaskMap.decode(pmi).encode() == blocks
    assert TaskMap.decode(blocks).encode_pmi() == pmi
    assert TaskMap.decode(pmi.replace(",", " , ")).encode() == blocks


@pytest.mark.rfc_vectors(34)
@pytest.mark.rfc(34, "pmi", "regular")
def test_a_large_cyclic_map_is_long_only_in_pmi() -> None:
    large = taskmap.cyclic([256] * 4096)
    assert large.encode() == [[0, 4096, 1, 256]]
    assert len(large.encode_pmi()) == 2824
    assert (large.total_ntasks(), large.nnodes()) == (1 << 20, 4096)
    assert large.nodeid(4097) == 1
    assert len(large.taskids(7)) == 256
    assert TaskMap.decode(large.encode_raw()) == large


@pytest.mark.parametrize(
    ("counts", "stride", "blocks"),
    [
        ([4] * 4, 1, [[0, 4, 1, 4]]),
        ([4] * 4, 2, [[0, 4, 2, 2]]),
        ([256] * 4096, 2, [[0, 4096, 2, 128]]),
        ([2] * 4 + [4] * 2, 1, [[0, 6, 1, 2], [4, 2, 1, 2]]),
        ([2] * 4 + [4] * 2, 2, [[0, 6, 2, 1], [4, 2, 2, 1]]),
        ([3, 3], 2, [[0, 2, 2, 1], [0, 2, 1, 1]]),
        ([0, 1, 0, 2], 1, [[1, 1, 1, 1], [3, 1, 2, 1]]),
        ([], 1, []),
        ([4], 3, [[0, 1, 4, 1]]),
    ],
)
def test_cyclic(counts: list[int], stride: int, blocks: list[list[int]]) -> None:
    assert taskmap.cyclic(counts, stride).encode() == blocks


def test_block() -> None:
    assert taskmap.block([4] * 4).encode() == [[0, 4, 4, 1]]
    assert taskmap.block([2] * 4 + [4] * 2).encode() == [[0, 4, 2, 1], [4, 2, 4, 1]]
    assert taskmap.block([0, 1]).encode() == [[1, 1, 1, 1]]
    with pytest.raises(FormatError, match="invalid stride 0"):
        taskmap.cyclic([1], 0)


def test_hostfile() -> None:
    nodes = Hostlist("n[0-2]")
    assert taskmap.hostfile("n[2,0]\nn1\n", nodes, 6).encode_raw() == "1,4;2,5;0,3"
    assert taskmap.hostfile(["n1,n1", "n0"], nodes, 3).encode_raw() == "2;0-1"
    assert taskmap.hostfile("\nn[1-2]\r\n\n", nodes, 2).encode_raw() == ";0;1"
    with pytest.raises(FormatError, match=r"^hostfile: line 2: host x not found in job nodelist"):
        taskmap.hostfile("n0\nx", nodes, 1)
    with pytest.raises(FormatError, match=r"^hostfile: entry 1: hostlist: .* at column 2"):
        taskmap.hostfile(["n["], nodes, 1)
    many = Hostlist(f"a{number}x,b{number}y" for number in range(50_000))
    back = taskmap.hostfile("\n".join(reversed(many.expand())), many, 100_000)
    assert (back.nodeid(0), back.nodeid(99_999)) == (99_999, 0)
    with pytest.raises(FormatError, match="hostfile: no hosts"):
        taskmap.hostfile("\n", nodes, 1)


def test_a_hostfile_that_says_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taskmap, "MAX_TASKS", 1000)
    with pytest.raises(FormatError, match="hostfile: line 11: more than 1000 hosts"):
        taskmap.hostfile("n[0-99]\n" * 30, Hostlist("n[0-99]"), 1)


def test_manual() -> None:
    default = taskmap.block([2, 2])
    assert taskmap.manual("[[1,1,2,1],[0,1,2,1]]", default).encode_raw() == "2-3;0-1"
    with pytest.raises(FormatError, match="got 3 total tasks, expected 4"):
        taskmap.manual("0-1;2", default)
    with pytest.raises(FormatError, match="got 1 nodes, expected 2"):
        taskmap.manual("0-3", default)


@pytest.mark.rfc(34, "questions", "raw")
def test_questions() -> None:
    tm = TaskMap.decode("[[0,6,1,2],[4,2,1,2]]")
    assert (tm.total_ntasks(), tm.nnodes()) == (16, 6)
    assert tm.taskids(4) == Idset("4,10,12,14")
    assert (tm.ntasks(4), tm.ntasks(0), tm.ntasks(9)) == (4, 2, 0)
    assert tm.taskids(9) == Idset()
    assert [tm.nodeid(t) for t in (0, 11, 12, 15, 16, -1)] == [0, 5, 4, 5, None, None]
    assert TaskMap.decode("0;;1").encode() == [[0, 1, 1, 1], [2, 1, 1, 1]]
    assert TaskMap.decode("[[2,1,1,1]]").encode_raw() == ";;0"


ASSIGNMENTS = st.lists(st.integers(0, 5), max_size=40)


@given(ASSIGNMENTS)
def test_any_assignment(nodes: list[int]) -> None:
    tm = TaskMap()
    for node in nodes:
        tm.append(node, 1, 1)
    assert [tm.nodeid(task) for task in range(len(nodes))] == nodes
    assert tm.total_ntasks() == len(nodes)
    assert tm.nnodes() == len(set(nodes))
    for node in range(7):
        assert list(tm.taskids(node)) == [t for t, n in enumerate(nodes) if n == node]
        assert tm.ntasks(node) == nodes.count(node)
    for form in (tm.encode(), tm.wrap(), tm.encode_pmi(), tm.encode_raw()):
        assert TaskMap.decode(form) == tm
    assert len(tm.blocks) <= len(nodes)


@given(st.lists(st.tuples(*[st.integers(0, 4), *[st.integers(1, 4)] * 3]), max_size=6))
def test_joining_blocks_changes_no_task(blocks: list[tuple[int, int, int, int]]) -> None:
    expected = [
        node + i
        for node, nnodes, ppn, rep in blocks
        for _ in range(rep)
        for i in range(nnodes)
        for _ in range(ppn)
    ]
    tm = TaskMap.decode([list(b) for b in blocks])
    assert [tm.nodeid(t) for t in range(tm.total_ntasks())] == expected
    assert len(tm.blocks) <= len(blocks)


@given(st.lists(st.integers(0, 6), max_size=6), st.integers(1, 4))
def test_schemes_keep_the_counts(counts: list[int], stride: int) -> None:
    for tm in (taskmap.block(counts), taskmap.cyclic(counts, stride)):
        assert [tm.ntasks(n) for n in range(len(counts))] == counts
    dealt, left = [], list(counts)
    while any(left):
        for node, count in enumerate(left):
            dealt += [node] * min(stride, count)
            left[node] -= min(stride, count)
    tm = taskmap.cyclic(counts, stride)
    assert [tm.nodeid(t) for t in range(sum(counts))] == dealt


@pytest.mark.rfc(34, "array", "block", "wrapped")
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("(vector)", "PMI mapping is not"),
        ("vector", "PMI mapping is not"),
        ("(vector,(0,1,1)", r"invalid block|PMI mapping is not"),
        ("vector,(0,1,1))", r"block 0: invalid block: \(0,1,1\)\)"),
        ("(vector,(0,1,1),(0,0,1))", r"block 1: invalid entry \[0,0,1,1\]"),
        ("[[0,1,1,1],[0,0,1,1]]", r"entry 1: invalid entry \[0,0,1,1\]"),
        ("[0-1];[x", r"node 1: idset: "),
        ("(vector,(0,0,1))", r"invalid entry \[0,0,1,1\]"),
        ("(vector,(0,1,-1))", r"invalid block: \(0,1,-1\)"),
        ("(vector,(0,1))", r"invalid block: \(0,1\)"),
        ("[[0,1,1]]", "entry 0 is not an array of 4 integers"),
        ("[[0,1,1,true]]", "entry 0 is not an array of 4 integers"),
        ("[[0,0,1,1]]", r"invalid entry \[0,0,1,1\]"),
        ("[[-1,1,1,1]]", r"invalid entry \[-1,1,1,1\]"),
        ("[[0,1000000000,1000000000,1000000000]]", "more than 16777216 tasks"),
        ("[[99999999,1,1,1]]", "more than 16777216 tasks"),
        ("[[0", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[[" + "9" * 5000 + ",1,1,1]]", "not JSON"),
        ('{"version":2,"map":[]}', "expected version=1, got 2"),
        ('{"version":1}', "not an array"),
        ("0;0", "duplicate taskid specified: 0"),
        ("0;2", "missing taskid: 1"),
        ("1", "missing taskid: 0"),
        ("0;x", "node 1: idset: unexpected 'x' at column 1"),
        (b"\xff", "not UTF-8"),
        (5, "not an array"),
    ],
)
def test_bad_maps(source: Any, message: str) -> None:
    with pytest.raises(FormatError, match=f"^taskmap: .*{message}"):
        TaskMap.decode(source)


@given(st.text() | st.binary() | st.text("()vector,0123;[]- "))
def test_any_text_is_a_map_or_a_format_error(text: str | bytes) -> None:
    try:
        tm = TaskMap.decode(text)
    except FormatError:
        return
    assert TaskMap.decode(tm.encode()) == tm


@pytest.mark.parametrize(
    "source",
    [
        json.dumps([[number, 1, 1, 1] for number in range(0, 100_000, 2)]),
        json.dumps([[number % 7, 3, 1, 2] for number in range(60_000)]),
        "[" + "[0,1,1,1]," * 100_000,
        "[0-1]" + "," * 1_000_000,
        "(vector" + ",(0,2,1)" * 120_000 + ")",
        "(vector" + ",(1,2,1),(0,2,1)" * 60_000 + ")",
        "(vector,(" + "0" * 1_000_000 + ",1,1))",
        ";".join(map(str, range(150_000))),
        ";".join(map(str, reversed(range(150_000)))),
        ",".join(map(str, range(0, 300_000, 2))) + ";" + ",".join(map(str, range(1, 300_000, 2))),
        ";" * 1_000_000,
        "0;" * 500_000,
        "[[0,1,1," + "9" * 4000 + "]]",
    ],
    ids=range(13),
)
def test_a_megabyte_takes_linear_time(source: str) -> None:
    try:
        tm = TaskMap.decode(source)
    except FormatError as error:
        assert len(str(error)) < 300  # noqa: PT017
        return
    assert TaskMap.decode(tm.encode_raw()) == tm
    assert TaskMap.decode(tm.encode_pmi()) == tm
    assert tm.nodeid(tm.total_ntasks() - 1) is not None or tm.unknown
