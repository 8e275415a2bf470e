# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 20: texts that are no R, and large ones."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet

from .test_rset import MIXED, entry


@pytest.mark.rfc(
    20, "version", "execution", "r-lite", "rank-idset", "children", "core-gpu-idsets", "nodelist"
)
@pytest.mark.rfc(20, "nslots", "properties", "property-names", "times", "expiration-after")
@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("version", 2, "version is not 1"),
        ("version", None, "version is missing"),
        ("version", 1.0, "version is not 1"),
        ("version", True, "version is not 1"),
        ("execution.nodelist", [], "nodelist has 0 hosts for 3 ranks"),
        (
            "execution.R_lite",
            [{"rank": "0-2", "children": {"core": "0-1"}}, {"rank": "1", "children": {"core": "1-2"}}],
            r"R_lite\[1\].rank: rank 1 has a resource twice",
        ),
        ("execution", [], "execution is not an object"),
        ("execution.R_lite", None, "execution.R_lite is not an array"),
        ("execution.R_lite", [1], r"execution.R_lite\[0\] is not an object"),
        ("execution.R_lite", [{"rank": "0"}], r"R_lite\[0\].children is missing"),
        ("execution.R_lite", [{"children": {}}], r"R_lite\[0\].rank is missing"),
        ("execution.R_lite", [{"rank": 0, "children": {}}], r"R_lite\[0\].rank is not a string"),
        ("execution.R_lite", [{"rank": "x", "children": {}}], r"R_lite\[0\].rank: idset: unexpected 'x'"),
        (
            "execution.R_lite",
            [{"rank": "0", "children": {"core": "1-"}}],
            "children.core: idset: expected a number",
        ),
        ("execution.R_lite", [{"rank": "0", "children": {"gpu": 3}}], "children.gpu is not a string"),
        ("execution.R_lite", [{"rank": "0", "children": {"core": "99999"}}], "above the limit of 32767"),
        ("execution.R_lite", [{"rank": "0-9999999", "children": {}}], "more than 1048576 ranks"),
        ("execution.nodelist", ["a", "b"], "nodelist has 2 hosts for 3 ranks"),
        ("execution.nodelist", ["a["], r"nodelist\[0\]: hostlist: unbalanced"),
        ("execution.nodelist", [7], r"nodelist\[0\] is not a string"),
        ("execution.nodelist", "a", "nodelist is not an array"),
        ("execution.nslots", 0, "nslots is not a positive integer"),
        ("execution.starttime", "1", "starttime is not a time"),
        ("execution.starttime", float("nan"), "starttime is not a time"),
        ("execution.starttime", 6, "does not come after starttime"),
        ("execution.properties", {"a": "0-3"}, "rank 3 not found"),
        ("execution.properties", {"a!": "0"}, "invalid character '!' in property \"a!\""),
        ("execution.properties", {"a": 0}, "properties.a is not a string"),
        ("execution.properties", {"a": "y"}, "properties: idset"),
    ],
)
def test_bad_r(path: str, value: Any, message: str) -> None:
    source = copy.deepcopy(MIXED)
    *parents, last = path.split(".")
    place = source
    for key in parents:
        place = place[key]
    place[last] = value
    with pytest.raises(FormatError, match=f"^R: .*{message}"):
        ResourceSet.decode(source)


@given(st.text() | st.binary())
def test_any_text_is_r_or_a_format_error(text: str | bytes) -> None:
    with pytest.raises(FormatError, match=r"^R: "):
        ResourceSet.decode(text)


def test_large_sets_finish() -> None:
    entries = [{"rank": str(r), "children": {"core": f"{r % 100}"}} for r in range(0, 60_000, 2)]
    rset = ResourceSet.decode({"version": 1, "execution": {"R_lite": entries, "nodelist": ["n[0-29999]"]}})
    assert rset.ncores == 30_000
    assert len(rset.encode()["execution"]["R_lite"]) == 50
    assert rset.remap().dumps() == "rank[0-29999]/core0"
    assert rset.rerank(rset.nodelist()).ranks() == Idset("0-29999")
    assert rset.diff(rset).nnodes == 0


def test_a_hundred_thousand_ranks_in_many_groups() -> None:
    entries = [
        {"rank": Idset(range(k, 100_000, 64)).encode(), "children": {"core": f"0-{k + 1}"}} for k in range(64)
    ]
    properties = {f"p{k}": f"{k}-99999" for k in range(100)}
    execution = {"R_lite": entries, "nodelist": ["n[0-99999]"], "properties": properties}
    rset = ResourceSet.decode({"version": 1, "execution": execution})
    assert rset.encode()["execution"]["R_lite"] == entries
    assert rset.get_properties() == dict(sorted(properties.items()))
    assert rset.diff(rset.copy_ranks("0-49999")).ranks() == Idset("50000-99999")
    assert rset.union(rset) == rset.intersect(rset) == rset


@pytest.mark.parametrize(
    "execution",
    [
        {"R_lite": [entry("0-500000")] * 20_000},
        {"R_lite": [entry(str(r), core=str(134_217_727 - r)) for r in range(20_000)]},
        {
            "R_lite": [entry("134217727", core="0")],
            "properties": {f"p{i}": "134217727" for i in range(9_000)},
        },
        {"R_lite": [entry("0", core="0")], "properties": {f"p{i}": "134217727" for i in range(9_000)}},
        {"R_lite": [entry("0", core="," * 1_000_000)]},
        {"R_lite": [entry("0", core="0")], "nodelist": ["[" * 1_000_000]},
        {"R_lite": [entry("0", core="0")], "nodelist": ["a[0-1048575]"] * 50_000},
        {"R_lite": [[]] * 300_000},
        {"R_lite": [entry("0", core="0")], "properties": {"(" * 1_000_000: "0"}},
    ],
    ids=range(9),
)
def test_a_megabyte_of_hostile_R_fails_soon(execution: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match=r"^R: execution\."):
        ResourceSet.decode({"version": 1, "execution": execution})


@pytest.mark.parametrize("text", ["[" * 1_000_000, '{"a":' * 200_000, "1" * 1_000_000, '"' + "x" * 1_000_000])
def test_a_megabyte_of_nonsense_fails_soon(text: str) -> None:
    with pytest.raises(FormatError, match=r"^R: "):
        ResourceSet.decode(text)
