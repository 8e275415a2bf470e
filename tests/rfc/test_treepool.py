# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 49: reading, writing, trimming; the two tables of allocations."""

from __future__ import annotations

import copy
import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import shape
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet
from rosin.rfc.treepool import Domain, Topology
from rosin.rfc.treepool.place import Places, Request, lowest


def numa(first: int, gpu: int) -> dict[str, str]:
    return {"cores": f"{first}-{first + 14}", "gpus": str(gpu)}


CLUSTER_A: dict[str, Any] = {
    "writer": "TreePool",
    "children": [
        {
            "ranks": "0-15",
            "topo": {
                "storage": [{"path": "/mnt/nvme", "capacity": 2, "unit": "TiB"}],
                "socket": [{"numa": [numa(15 * n, n) for n in range(at, at + 4)]} for at in (0, 4)],
            },
        }
    ],
}
CLUSTER_B: dict[str, Any] = {
    "writer": "TreePool",
    "children": [
        {
            "ranks": "0-1151",
            "topo": {
                "storage": [{"path": "/l/ssd", "capacity": 200, "unit": "GiB"}],
                "socket": [
                    {"cores": f"{24 * n}-{24 * n + 23}", "gpus": str(n), "memory": 126 if n else 125}
                    for n in range(4)
                ],
            },
        }
    ],
}

TABLE_A = [
    ("TVA1", "slot=1/node=1/[core=8;gpu=1]", {"rank": "0", "children": {"core": "0-7", "gpu": "0"}}),
    ("TVA2", "slot=1/node=1/[core=8;gpu=1]", {"rank": "0", "children": {"core": "15-22", "gpu": "1"}}),
    ("TVA3", "node/slot=8/[core=15;gpu=1]", {"rank": "1", "children": {"core": "0-119", "gpu": "0-7"}}),
    ("TVA4", "slot=4/node/core=120", {"rank": "2-5", "children": {"core": "0-119"}}),
    ("TVA5", "slot=1/node=1/core=4", {"rank": "0", "children": {"core": "8-11"}}),
    ("TVA6", "slot=1/node=1/[core=15;gpu=1]", {"rank": "0", "children": {"core": "30-44", "gpu": "2"}}),
    ("TVA7", "node/slot=6/[core=15;gpu=1]", {"rank": "6", "children": {"core": "0-89", "gpu": "0-5"}}),
    ("TVA8", "slot=1/node=1/[core=60;gpu=4]", {"rank": "0", "children": {"core": "60-119", "gpu": "4-7"}}),
    ("TVA9", "slot=1/numa{x}", {"rank": "0", "children": {"core": "45-59", "gpu": "3"}}),
    ("TVA10", "slot=1/socket{x}", {"rank": "7", "children": {"core": "0-59", "gpu": "0-3"}}),
    ("TVA11", "slot=1/node{x}", {"rank": "8", "children": {"core": "0-119", "gpu": "0-7"}}),
]
TABLE_B = [
    ("TVB1", "slot=1/node=1/[core=24;gpu=1]", {"rank": "0", "children": {"core": "0-23", "gpu": "0"}}),
    ("TVB2", "slot=1/node=1/[core=24;gpu=1]", {"rank": "0", "children": {"core": "24-47", "gpu": "1"}}),
    ("TVB3", "node/slot=4/[core=24;gpu=1]", {"rank": "1", "children": {"core": "0-95", "gpu": "0-3"}}),
    ("TVB4", "slot=4/node/[core=96;gpu=4]", {"rank": "2-5", "children": {"core": "0-95", "gpu": "0-3"}}),
    ("TVB5", "slot=1/node=1/core=8", {"rank": "0", "children": {"core": "48-55"}}),
    ("TVB6", "slot=1/node=1/[core=24;gpu=1]", {"rank": "0", "children": {"core": "72-95", "gpu": "3"}}),
    ("TVB7", "node/slot=3/[core=24;gpu=1]", {"rank": "6", "children": {"core": "0-71", "gpu": "0-2"}}),
    ("TVB8", "slot=1/socket{x}", {"rank": "6", "children": {"core": "72-95", "gpu": "3"}}),
    ("TVB9", "slot=1/node{x}", {"rank": "7", "children": {"core": "0-95", "gpu": "0-3"}}),
]


def whole(scheduling: dict[str, Any], cores: str, gpus: str) -> ResourceSet:
    ranks = scheduling["children"][0]["ranks"]
    return ResourceSet.decode(
        {
            "version": 1,
            "execution": {
                "R_lite": [{"rank": ranks, "children": {"core": cores, "gpu": gpus}}],
                "nodelist": [f"n[{ranks}]"],
                "properties": {"+q": ranks, "p": ranks},
            },
            "scheduling": copy.deepcopy(scheduling),
        }
    )


@pytest.fixture(scope="module")
def tables() -> dict[str, ResourceSet | None]:
    """All rows of both tables, each allocated after those before it."""
    results: dict[str, ResourceSet | None] = {}
    for rset, table in (
        (whole(CLUSTER_A, "0-119", "0-7"), TABLE_A),
        (whole(CLUSTER_B, "0-95", "0-3"), TABLE_B),
    ):
        places = Places(rset)
        for row, text, _ in table:
            results[row] = places.allocate(Request.decode(shape.parse(text)))
    return results


@pytest.mark.rfc(49, "locality-vertex", "trimmed", "topo-unchanged", "authority")
@pytest.mark.rfc_vectors(49)
@pytest.mark.parametrize(("row", "text", "expected"), TABLE_A + TABLE_B, ids=lambda v: str(v)[:5])
def test_the_tables(tables, row, text, expected):
    R = tables[row].encode()
    assert R["execution"]["R_lite"] == [expected]
    cluster = CLUSTER_A if row.startswith("TVA") else CLUSTER_B
    assert R["scheduling"] == {
        "writer": "TreePool",
        "children": [{"ranks": expected["rank"], "topo": cluster["children"][0]["topo"]}],
    }
    assert R["execution"]["properties"] == {"p": expected["rank"]}
    Topology.decode(R["scheduling"]).check(tables[row])


@pytest.mark.rfc(49, "writer", "ranks-idset", "locality", "cores-gpus", "memory", "storage")
@pytest.mark.rfc_vectors(49)
@pytest.mark.parametrize("cluster", [CLUSTER_A, CLUSTER_B], ids="AB")
def test_the_clusters(cluster):
    topology = Topology.decode(json.dumps(cluster))
    assert topology.encode() == cluster
    assert Topology.decode(topology.encode()) == topology
    domain = topology.nodes[15]
    assert len(domain.named("socket")) == len(list(domain.children()))
    assert domain.masks()[0].bit_count() == (120 if cluster is CLUSTER_A else 96)
    assert domain.named("apu") == []


ids = st.sets(st.integers(0, 40), max_size=4).map(lambda s: Idset(s).encode())
storage = st.fixed_dictionaries(
    {"path": st.text(max_size=3), "capacity": st.integers(0, 9) | st.floats(0, 9)},
    optional={"unit": st.sampled_from(["GiB", "TiB"]), "other": st.integers()},
)
domains = st.recursive(
    st.fixed_dictionaries({}, optional={"cores": ids, "gpus": ids, "memory": st.integers(0, 9)}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "socket": st.lists(inner, max_size=3),
            "x y": st.lists(inner, max_size=2),
            "storage": st.lists(storage, max_size=2),
            "cores": ids,
        },
    ),
    max_leaves=6,
)


@st.composite
def schedulings(draw: st.DrawFn) -> dict[str, Any]:
    ranks = draw(st.lists(st.integers(0, 99), unique=True, max_size=9))
    children = []
    while ranks:
        here, ranks = ranks[:3], ranks[3:]
        children.append({"ranks": Idset(here).encode(), "topo": draw(domains)})
    return {"writer": "TreePool", "children": children, **draw(st.just({}) | st.just({"site": [1]}))}


def with_units(value: Any) -> Any:
    """The same with the default unit written out."""
    if isinstance(value, list):
        return [with_units(item) for item in value]
    if isinstance(value, dict):
        unit = {"unit": "GiB"} if "path" in value else {}
        return {**unit, **{key: with_units(item) for key, item in value.items()}}
    return value


@pytest.mark.rfc(49, "other-names", "shared-entry", "storage-unit")
@given(schedulings(), st.sets(st.integers(0, 99)))
def test_round_trip_trim_and_renumber(scheduling, chosen):
    topology = Topology.decode(scheduling)
    assert topology.encode() == with_units(scheduling)
    assert Topology.decode(json.dumps(topology.encode())) == topology
    part = topology.trim(chosen)
    assert set(part.nodes) == set(topology.nodes) & chosen
    assert all(part.nodes[rank] is topology.nodes[rank] for rank in part.nodes)
    assert all(entry["ranks"] for entry in part.encode()["children"])
    assert part.trim(chosen) == part
    new = part.renumber()
    assert set(new.nodes) == set(range(len(part.nodes)))
    assert [new.nodes[at] for at in sorted(new.nodes)] == [part.nodes[rank] for rank in sorted(part.nodes)]
    assert new.renumber() == new


@pytest.mark.rfc(49, "renumbered", "trimmed")
def test_a_sub_instance():
    topology = Topology.decode(CLUSTER_B).trim(Idset("7,9-10"))
    assert topology.encode()["children"][0]["ranks"] == "7,9-10"
    assert topology.renumber().encode()["children"][0]["ranks"] == "0-2"
    two = {
        "writer": "TreePool",
        "children": [{"ranks": "3,8", "topo": {"cores": "0"}}, {"ranks": "5", "topo": {"cores": "1"}}],
    }
    assert [e["ranks"] for e in Topology.decode(two).renumber().encode()["children"]] == ["0,2", "1"]
    assert [e["ranks"] for e in Topology.decode(two).trim({5}).encode()["children"]] == ["5"]


TOPO = ("children", 0, "topo")
GONE: Any = object()


@pytest.mark.rfc(49, "children-keys", "writer", "cores-gpus", "memory", "storage", "ranks-idset", "locality")
@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ((), 1, "^scheduling: expected an object, got 1"),
        (("writer",), GONE, "^scheduling.writer: expected 'TreePool', got null"),
        (("writer",), "fluxion", "^scheduling.writer: expected 'TreePool', got 'fluxion'"),
        (("children",), {}, "^scheduling.children: expected an array, got an object"),
        (("children", 0), 1, r"^scheduling.children\[0\]: expected an object"),
        (("children", 0, "ranks"), GONE, r"children\[0\].ranks is missing"),
        (("children", 0, "topo"), GONE, r"children\[0\].topo is missing"),
        (("children", 0, "more"), 1, r"children\[0\]: 'more' has no place here"),
        (("children", 0, "ranks"), 1, r"children\[0\].ranks: expected a string, got 1"),
        (("children", 0, "ranks"), "1,x", r"children\[0\].ranks: idset: unexpected 'x' at column 3"),
        (
            ("children", 0, "ranks"),
            "0-2000000",
            r"children\[0\].ranks: idset: id at column 3 is above the limit",
        ),
        (("children", 1), {"ranks": "9", "topo": {}}, r"children\[1\].ranks: rank 9 is described twice"),
        ((*TOPO,), "x", r"children\[0\].topo: expected an object"),
        ((*TOPO, "cores"), "x", r"topo.cores: idset: "),
        ((*TOPO, "cores"), "32768", r"topo.cores: idset: id at column 1 is above the limit of 32767"),
        ((*TOPO, "gpus"), [0], r"topo.gpus: expected a string, got an array"),
        ((*TOPO, "memory"), 1.5, r"topo.memory: expected a number of GiB, got 1.5"),
        ((*TOPO, "memory"), True, r"topo.memory: expected a number of GiB, got true"),
        ((*TOPO, "memory"), -1, r"topo.memory: expected a number of GiB"),
        ((*TOPO, "apu"), "0-3", r"topo.apu: expected an array, got '0-3'"),
        ((*TOPO, "socket", 1), 0, r"topo.socket\[1\]: expected an object, got 0"),
        ((*TOPO, "socket", 1, "numa", 3, "cores"), 1, r"topo.socket\[1\].numa\[3\].cores: expected a string"),
        ((*TOPO, "storage"), {}, r"topo.storage: expected an array"),
        ((*TOPO, "storage", 0), 1, r"topo.storage\[0\]: expected an object"),
        ((*TOPO, "storage", 0, "path"), GONE, r"topo.storage\[0\].path is missing"),
        ((*TOPO, "storage", 0, "path"), 1, r"topo.storage\[0\].path: expected a string"),
        ((*TOPO, "storage", 0, "capacity"), GONE, r"topo.storage\[0\].capacity is missing"),
        ((*TOPO, "storage", 0, "capacity"), "2", r"topo.storage\[0\].capacity: expected a number"),
        ((*TOPO, "storage", 0, "unit"), 1, r"topo.storage\[0\].unit: expected a string"),
    ],
)
def test_faults_have_a_place(path, value, text):
    obj: Any = copy.deepcopy(CLUSTER_A)
    if not path:
        obj = value
    else:
        here = obj
        for key in path[:-1]:
            here = here[key]
        if value is GONE:
            del here[path[-1]]
        elif isinstance(here, list) and path[-1] == len(here):
            here.append(value)
        else:
            here[path[-1]] = value
    with pytest.raises(FormatError, match=text):
        Topology.decode(obj)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("0-3,x", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["ranks", "topo", "cores", "numa", "storage"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(
    json_values | st.fixed_dictionaries({"writer": st.just("TreePool"), "children": json_values}) | st.text()
)
def test_any_input(value):
    fault = ""
    try:
        topology = Topology.decode(value)
        assert Topology.decode(topology.encode()) == topology
    except FormatError as error:
        fault = str(error)
    assert "\n" not in fault


def test_a_megabyte():
    def entries(children: list[Any]) -> str:
        return json.dumps({"writer": "TreePool", "children": children})

    deep: dict[str, Any] = {"cores": "0"}
    for _ in range(90):
        deep = {"x": [deep, {}]}
    assert Topology.decode(entries([{"ranks": "0", "topo": deep}])).nodes[0].masks() == (1, 0)
    for _ in range(20):
        deep = {"x": [deep]}
    with pytest.raises(FormatError, match="more than 100 levels"):
        Topology.decode(entries([{"ranks": "0", "topo": deep}]))
    with pytest.raises(FormatError, match="not JSON"):
        Topology.decode('{"x":[' * 200_000)
    many = [{"ranks": str(999_999 - n), "topo": {}} for n in range(40_000)]
    assert len(Topology.decode(entries(many)).nodes) == 40_000
    wide = [{"cores": "32767"} for _ in range(60_000)]
    assert (
        Topology.decode(entries([{"ranks": "0", "topo": {"core": wide}}])).nodes[0].masks()[0] == 1 << 32767
    )
    twice = [{"ranks": "0-1048575", "topo": {}} for _ in range(30_000)]
    with pytest.raises(FormatError, match="rank 0 is described twice"):
        Topology.decode(entries(twice))


@given(st.integers(0, 2**70), st.integers(0, 80))
def test_the_lowest_bits(mask, count):
    count = min(count, mask.bit_count())
    assert list(Idset.from_mask(lowest(mask, count))) == list(Idset.from_mask(mask))[:count]


def test_equality():
    assert Domain() != 1
    assert Topology() != 1
    assert all(
        (one == other) == (one is other) for one, other in product((Domain(), Domain(memory=1)), repeat=2)
    )
