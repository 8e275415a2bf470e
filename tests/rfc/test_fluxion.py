# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 40: JGF in both flavours, hostile input."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import fluxion, jgf
from rosin.rfc.graph import Graph
from rosin.rfc.pool import Pool

# What Fluxion writes for one core of a node whose host has a number, below a rack with a name of its own.
SHORT: dict[str, Any] = {
    "graph": {
        "nodes": [
            {"id": "0", "metadata": {"type": "cluster", "id": 0, "rank": -1, "paths": _}}
            for _ in [{"containment": "/cluster0"}]
        ]
        + [
            {
                "id": "1",
                "metadata": {
                    "type": "rack",
                    "basename": "r",
                    "name": "left",
                    "id": -1,
                    "rank": -1,
                    "paths": {"containment": "/cluster0/left"},
                },
            },
            {
                "id": "2",
                "metadata": {
                    "type": "node",
                    "name": "fluke7",
                    "rank": 3,
                    "exclusive": True,
                    "properties": {"fast": ""},
                    "paths": {"containment": "/cluster0/left/fluke7"},
                },
            },
            {
                "id": "9",
                "metadata": {
                    "type": "core",
                    "id": 5,
                    "rank": 3,
                    "paths": {"containment": "/cluster0/left/fluke7/core5"},
                },
            },
            {
                "id": "10",
                "metadata": {
                    "type": "memory",
                    "size": 16,
                    "unit": "GB",
                    "rank": 3,
                    "uniq_id": 12,
                    "status": 0,
                    "properties": None,
                    "paths": {"containment": "/cluster0/left/fluke7/memory12"},
                },
            },
            {
                "id": "11",
                "metadata": {"type": "pdu", "id": 1, "rank": -1, "paths": {"power": "/pdu1"}},
            },
        ],
        "edges": [
            {"source": "0", "target": "1"},
            {"source": "1", "target": "2"},
            {"source": "2", "target": "9", "metadata": {"name": {"containment": "contains"}}},
            {"source": "2", "target": "10"},
            {"source": "11", "target": "2", "metadata": {"subsystem": "power"}},
        ],
    }
}


@pytest.mark.rfc(40, "graph-key", "nodes-list", "edges-list", "edge-ends", "other-keys")
def test_what_fluxion_writes():
    graph = fluxion.decode(SHORT)
    assert [(pool.name, pool.id, pool.size, pool.unit) for _, pool in graph.items()] == [
        ("cluster0", 0, 1, ""),
        ("left", None, 1, ""),
        ("fluke7", 7, 1, ""),
        ("core5", 5, 1, ""),
        ("memory12", 12, 16, "GB"),
        ("pdu1", 1, 1, ""),
    ]
    assert [graph.path(v) for v in graph.members()] == [
        graph.pool(v).data["paths"]["containment"] for v in graph.members()
    ]
    assert graph.pool("2").properties == {"fast": ""}
    assert graph.pool("2").data["exclusive"] is True
    assert graph.subsystems() == ["containment", "power"]
    assert [(e.subsystem, e.relationship) for e in graph.edges("power")] == [("power", "contains")]
    assert fluxion.to_resource_set(graph).encode()["execution"] == {
        "R_lite": [{"rank": "3", "children": {"core": "5"}}],
        "starttime": 0.0,
        "expiration": 0.0,
        "nodelist": ["fluke7"],
        "properties": {"fast": "3"},
    }
    for flavour in ("rfc", "fluxion"):
        assert fluxion.decode(fluxion.encode(graph, flavour)) == graph


names = st.text("abc/${}'\n", max_size=4)
words = st.dictionaries(names, names, max_size=2)
pools = st.builds(
    Pool,
    st.sampled_from(["node", "core", "gpu", "memory", "x"]),
    st.none() | st.integers(0, 2**60),
    basename=st.none() | st.text("ab", min_size=1, max_size=2),
    name=st.none() | st.text("ab01", min_size=1, max_size=3),
    size=st.integers(1, 9),
    unit=st.text("GB", max_size=2),
    uuid=st.text("0-", max_size=2),
    properties=words,
    state=st.none() | st.sampled_from(["up", "down"]),
    tags=st.dictionaries(names, st.none() | names, max_size=2),
    data=st.fixed_dictionaries({}, optional={"rank": st.integers(-1, 5), "exclusive": st.booleans()}),
)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    graph = Graph()
    for pool in draw(st.lists(pools, max_size=7)):
        graph.add(pool, draw(st.sampled_from(["", "v"])) + str(len(graph)))
    keys = list(graph)
    for at, vertex in enumerate(keys[1:], 1):
        parent = draw(st.none() | st.sampled_from(keys[:at]))
        if parent is not None:
            graph.connect(parent, vertex)
            if draw(st.booleans()):
                graph.connect(vertex, parent, relationship="in")
        other = draw(st.none() | st.sampled_from(keys))
        if other is not None:
            graph.connect(vertex, other, "power", "supplies", both=draw(st.booleans()))
    return graph


def without_paths(graph: Graph) -> Graph:
    for vertex in graph:
        graph.pool(vertex).data.pop("paths", None)
    return graph


@pytest.mark.rfc(40, "lossless", "writer", "pool-keys", "edge-metadata")
@given(graphs())
def test_nothing_is_lost(graph):
    scheduling = fluxion.encode(graph)
    assert scheduling["writer"] == "fluxion:jgf"
    assert list(scheduling) == ["writer", "graph"]
    text = json.dumps(scheduling)
    assert fluxion.decode(json.loads(text), strict=True) == graph
    assert jgf.decode(text.encode()) == graph
    assert without_paths(fluxion.decode(fluxion.encode(graph, "fluxion"))) == graph


def full() -> dict[str, Any]:
    graph = Graph()
    graph.add(Pool("cluster", 0))
    graph.connect("0", graph.add(Pool("node", 1)))
    return jgf.encode(graph)


NODE, EDGE = ("graph", "nodes", 1, "metadata"), ("graph", "edges", 0)
GONE: Any = object()


@pytest.mark.rfc(40, "unique-id")
@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ((), [], "the text: expected an object, got an array"),
        (("graph",), GONE, "graph is missing"),
        (("graph",), 1, "graph: expected an object, got 1"),
        (("graph", "nodes"), GONE, "graph.nodes is missing"),
        (("graph", "nodes"), {}, "graph.nodes: expected an array, got an object"),
        (("graph", "edges"), GONE, "graph.edges is missing"),
        (("graph", "nodes", 1), "x", r"graph.nodes\[1\]: expected an object, got 'x'"),
        (("graph", "nodes", 1, "id"), 1, r"graph.nodes\[1\].id: expected a string, got 1"),
        (("graph", "nodes", 1, "id"), "0", r"graph.nodes\[1\]: vertex '0' exists already"),
        ((*NODE,), GONE, r"graph.nodes\[1\].metadata is missing"),
        ((*NODE, "type"), GONE, r"graph.nodes\[1\].metadata.type is missing"),
        ((*NODE, "type"), "", r"graph.nodes\[1\]: the type is empty"),
        ((*NODE, "size"), 0, r"metadata.size: expected an integer from 1 up, got 0"),
        ((*NODE, "size"), True, r"metadata.size: expected an integer, got true"),
        ((*NODE, "size"), 2**63, r"metadata.size: expected an integer from 1 up"),
        ((*NODE, "id"), -2, r"metadata.id: expected an integer from -1 up, got -2"),
        ((*NODE, "id"), "1", r"metadata.id: expected an integer, got '1'"),
        ((*NODE, "name"), 1, r"metadata.name: expected a string"),
        ((*NODE, "properties"), 1, r"metadata.properties: expected an object, got an integer"),
        ((*NODE, "properties"), [1], r"metadata.properties\[0\]: expected a string, got 1"),
        ((*NODE, "properties"), {"a": 1}, r"metadata.properties.a: expected a string, got 1"),
        ((*NODE, "tags"), {"a": 1}, r"metadata.tags.a: expected a string, got 1"),
        ((*NODE, "rank"), "0", r"metadata.rank: expected an integer, got '0'"),
        ((*NODE, "exclusive"), 1, r"metadata.exclusive: expected true or false, got 1"),
        ((*NODE, "paths"), {"containment": 1}, r"metadata.paths.containment: expected a string"),
        ((*EDGE,), 1, r"graph.edges\[0\]: expected an object"),
        ((*EDGE, "source"), GONE, r"graph.edges\[0\].source is missing"),
        ((*EDGE, "target"), "7", r"graph.edges\[0\]: an edge leads to '7', which is no vertex"),
        ((*EDGE, "target"), "0", r"'containment': '0' is inside of itself"),
        (
            (*EDGE,),
            {"source": [], "target": "1"},
            r"graph.edges\[0\].source: expected a string, got an array",
        ),
        (
            (*EDGE,),
            {"source": "0", "target": {}},
            r"graph.edges\[0\].target: expected a string, got an object",
        ),
        ((*EDGE,), {"source": "0", "target": "x"}, r"graph.edges\[0\]: an edge leads to 'x'"),
        ((*EDGE, "directed"), 1, r"graph.edges\[0\].directed: expected true or false"),
        ((*EDGE, "metadata"), 1, r"graph.edges\[0\].metadata: expected an object"),
        ((*EDGE, "metadata", "subsystem"), 1, r"edges\[0\].metadata.subsystem: expected a string"),
        ((*EDGE, "metadata", "relationship"), 1, r"edges\[0\].metadata.relationship: expected a string"),
        ((*EDGE, "metadata"), {"name": 1}, r"edges\[0\].metadata.name: expected an object"),
    ],
)
def test_faults_have_a_place(path, value, text):
    obj: Any = full()
    if path:
        here = obj
        for key in path[:-1]:
            here = here[key]
        if value is GONE:
            del here[path[-1]]
        else:
            here[path[-1]] = value
    else:
        obj = value
    with pytest.raises(FormatError, match=f"^jgf: .*{text}"):
        jgf.decode(obj)


@pytest.mark.rfc(40, "pool-keys", "edge-metadata")
def test_strict_reading_asks_for_every_key():
    jgf.decode(full(), strict=True)
    for key in jgf.REQUIRED:
        obj = full()
        del obj["graph"]["nodes"][1]["metadata"][key]
        with pytest.raises(FormatError, match=rf"graph.nodes\[1\].metadata.{key} is missing"):
            jgf.decode(obj, strict=True)
    for key in ("subsystem", "relationship"):
        obj = full()
        del obj["graph"]["edges"][0]["metadata"][key]
        with pytest.raises(FormatError, match=rf"graph.edges\[0\].metadata.{key} is missing"):
            jgf.decode(obj, strict=True)
    obj = full()
    del obj["graph"]["edges"][0]["metadata"]
    with pytest.raises(FormatError, match=r"graph.edges\[0\].metadata is missing"):
        jgf.decode(obj, strict=True)
    assert jgf.decode(obj) == jgf.decode(full())


def test_other_forms_that_are_read():
    obj = full()
    obj["graph"]["nodes"][1]["metadata"].update(id=None, properties=["a", "b"], unit=None, uuid=None)
    obj["graph"]["edges"][0] = {"source": "0", "target": "1", "relation": "holds", "directed": True}
    graph = jgf.decode(obj)
    assert graph.pool("1").id is None
    assert graph.pool("1").properties == {"a": "", "b": ""}
    assert [e.relationship for e in graph.edges()] == ["holds"]
    nodes = [
        {"id": "x", "metadata": {"type": "core"}},
        {"id": "4", "metadata": {"type": "core"}},
        {"id": "y", "metadata": {"type": "node", "name": "n" + "1" * 30}},
    ]
    ids = [pool.id for _, pool in jgf.decode({"graph": {"nodes": nodes, "edges": []}}).items()]
    assert ids == [None, 4, None]
    with pytest.raises(ValueError, match="not rfc or fluxion"):
        jgf.encode(graph, "other")
    with pytest.raises(FormatError, match="not JSON"):
        jgf.decode("{")
    with pytest.raises(FormatError, match="not JSON"):
        jgf.decode("[" * 1_000_000)


@pytest.mark.rfc(40, "writer-default")
@pytest.mark.parametrize(
    ("scheduling", "writer"),
    [
        pytest.param({}, ("fluxion", "jgf"), marks=pytest.mark.rfc_vectors(40)),
        pytest.param({"writer": "fluxion"}, ("fluxion", "jgf"), marks=pytest.mark.rfc_vectors(40)),
        ({"writer": "fluxion:"}, ("fluxion", "jgf")),
        pytest.param({"writer": "fluxion:jgf"}, ("fluxion", "jgf"), marks=pytest.mark.rfc_vectors(40)),
        ({"writer": "fluxion:jgf_shorthand"}, ("fluxion", "jgf_shorthand")),
        ({"writer": "TreePool"}, ("TreePool", "")),
        ({"writer": "x:y:z"}, ("x", "y:z")),
    ],
)
def test_the_writer(scheduling, writer):
    assert fluxion.writer(scheduling) == writer


@pytest.mark.parametrize(
    ("scheduling", "text"),
    [
        (None, "scheduling: expected an object, got null"),
        ({"writer": 1}, "scheduling.writer: expected a string, got 1"),
        ({"writer": "TreePool"}, "expected fluxion:jgf or fluxion:jgf_shorthand, got 'TreePool'"),
        ({"writer": "fluxion:other"}, "got 'fluxion:other'"),
        ({"writer": "fluxion:jgf"}, "scheduling: graph is missing"),
    ],
)
def test_not_for_fluxion(scheduling, text):
    with pytest.raises(FormatError, match=text):
        fluxion.decode(scheduling)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab0", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "metadata", "type", "size", "x"]), inner, max_size=3)
        | st.fixed_dictionaries({"nodes": inner, "edges": inner})
        | st.fixed_dictionaries({"id": inner, "metadata": inner})
        | st.fixed_dictionaries({"source": inner, "target": inner})
        | st.fixed_dictionaries({"type": inner, "paths": inner, "properties": inner})
    ),
    max_leaves=12,
)


@given(st.one_of(json_values, st.fixed_dictionaries({"graph": json_values}), st.text(), st.binary()))
def test_any_input(value):
    for function in (jgf.decode, fluxion.decode):
        fault = ""
        try:
            fluxion.to_resource_set(function(value))
        except FormatError as error:
            fault = str(error)
        assert "\n" not in fault


def test_a_megabyte():
    chain = {
        "graph": {
            "nodes": [{"id": str(n), "metadata": {"type": "node"}} for n in range(20_000)],
            "edges": [{"source": str(n), "target": str(n + 1)} for n in range(19_999)],
        }
    }
    graph = jgf.decode(json.dumps(chain))
    assert len(fluxion.to_resource_set(graph)) == 20_000
    assert len(fluxion.restrict(graph, fluxion.to_resource_set(graph))) == 20_000
    for vertex in graph:
        graph.pool(vertex).data["exclusive"] = True
    assert len(fluxion.expand(graph, graph)) == 20_000
    with pytest.raises(FormatError, match="too long"):
        jgf.encode(graph, "fluxion")
    chain["graph"]["edges"].append({"source": "19999", "target": "0"})  # type: ignore[attr-defined]
    with pytest.raises(FormatError, match="inside of itself"):
        jgf.decode(json.dumps(chain))
    star = {
        "graph": {
            "nodes": [{"id": str(n), "metadata": {"type": "core"}} for n in range(20_000)],
            "edges": [{"source": "0", "target": str(n)} for n in range(1, 20_000)],
        }
    }
    assert len(jgf.decode(json.dumps(star)).children("0")) == 19_999
    huge = {"graph": {"nodes": [{"id": "x" * 1_000_000, "metadata": {"type": "a", "size": 0}}], "edges": []}}
    with pytest.raises(FormatError, match="size") as caught:
        jgf.decode(huge)
    assert len(str(caught.value)) < 200
