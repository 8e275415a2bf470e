# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 4: the figures of the text, naming, composites, walks and filters."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import jgf
from rosin.rfc.graph import Edge, Graph
from rosin.rfc.graph.walk import Accumulator, evaluate, postorder, preorder, totals, walk
from rosin.rfc.idset import Idset
from rosin.rfc.pool import Match, Pool

IO, POWER = "PFS1 I/O bandwidth", "power"


def named(*names: str) -> Graph:
    graph = Graph()
    for name in names:
        graph.add(Pool(name.rstrip("0123456789 A").lower(), name=name), name)
    return graph


def inside(graph: Graph, parent: str, *children: str) -> None:
    for child in children:
        graph.connect(parent, child)
        graph.connect(child, parent, relationship="in")


def conduit(graph: Graph, *names: str) -> None:
    for one, other in pairwise(names):
        graph.connect(one, other, IO, "conduit_of")
        graph.connect(other, one, IO, "conduit_of")


def contains_figure() -> Graph:
    graph = named("Cluster A", "Rack1")
    graph.connect("Cluster A", "Rack1")
    return graph


def channel_figure() -> Graph:
    graph = named("Core Switch1", "Edge Switch3")
    conduit(graph, "Core Switch1", "Edge Switch3")
    return graph


def opposite_figure() -> Graph:
    graph = named("Cluster A", "Rack1")
    inside(graph, "Cluster A", "Rack1")
    return graph


def composite_figure() -> Graph:
    graph = named("Cluster A", "Rack1", "Node7", "Node8", "Node9")
    inside(graph, "Cluster A", "Rack1")
    inside(graph, "Rack1", "Node7", "Node8", "Node9")
    return graph


def bandwidth_figure() -> Graph:
    graph = named("PFS1", "Core Switch1", "Edge Switch3")
    conduit(graph, "PFS1", "Core Switch1", "Edge Switch3")
    return graph


def combined_figure() -> Graph:
    graph = named(
        "Cluster A", "Rack1", "Node7", "Node8", "Node9", "Nic1", "PFS1", "Core Switch1", "Edge Switch3"
    )
    inside(graph, "Cluster A", "Rack1")
    inside(graph, "Rack1", "Node7", "Node8", "Node9", "Edge Switch3")
    inside(graph, "Node9", "Nic1")
    conduit(graph, "PFS1", "Core Switch1", "Edge Switch3", "Nic1")
    return graph


FIGURES = [
    (contains_figure, "Cluster A", {"containment": ["Cluster A", "Rack1"]}),
    (channel_figure, "Core Switch1", {IO: ["Core Switch1", "Edge Switch3"]}),
    (opposite_figure, "Cluster A", {"containment": ["Cluster A", "Rack1"]}),
    (composite_figure, "Cluster A", {"containment": ["Cluster A", "Rack1", "Node7", "Node8", "Node9"]}),
    (bandwidth_figure, "PFS1", {IO: ["PFS1", "Core Switch1", "Edge Switch3"]}),
    (
        combined_figure,
        "Cluster A",
        {
            "containment": ["Cluster A", "Rack1", "Node7", "Node8", "Node9", "Nic1", "Edge Switch3"],
            IO: ["Nic1", "PFS1", "Core Switch1", "Edge Switch3"],
        },
    ),
]


@pytest.mark.rfc(4, "edge", "subsystem", "bidirectional", "opposite", "channel", "unified", "serializer")
@pytest.mark.rfc_vectors(4)
@pytest.mark.parametrize(("figure", "start", "subsystems"), FIGURES, ids=[f[0].__name__ for f in FIGURES])
def test_the_figures(figure, start, subsystems):
    graph = figure()
    assert {name: sorted(graph.members(name)) for name in graph.subsystems()} == {
        name: sorted(members) for name, members in subsystems.items()
    }
    graph.check_composite()
    for name, members in subsystems.items():
        origin = start if start in members else "PFS1"
        assert sorted(preorder(graph, origin, name)) == sorted(members)
        assert sorted(postorder(graph, origin, name)) == sorted(members)
    assert jgf.decode(jgf.encode(graph)) == graph


@pytest.mark.rfc(4, "base-data", "default-basename", "default-name", "name-pattern")
@pytest.mark.rfc_vectors(4)
@pytest.mark.parametrize(
    ("pool", "name"),
    [
        (Pool("core", 3), "core3"),
        (Pool("core"), "core"),
        (Pool("core", 3, basename="cpu"), "cpu3"),
        (
            Pool("node", name="node-${frameid}-${rack}", properties={"frameid": "7", "rack": "b"}),
            "node-7-b",
        ),
    ],
)
def test_names(pool, name):
    assert pool.name == name
    assert pool.basename == ("cpu" if name == "cpu3" else pool.type)


def test_names_of_attributes_and_tags():
    pool = Pool("node", 4, name="${type}${id}.${site}${", tags={"site": "x"})
    with pytest.raises(FormatError, match="unbalanced"):
        _ = pool.name
    pool.name = "${type}${id}.${site}"
    assert pool.name == "node4.x"
    pool.name = "${nope}"
    with pytest.raises(FormatError, match="there is no 'nope'"):
        _ = pool.name
    pool.name = "${a}" * 100_000
    pool.properties["a"] = "x" * 100_000
    with pytest.raises(FormatError, match="more than 1024 characters"):
        _ = pool.name
    pool.name = None
    assert pool.name == "node4"


@pytest.mark.rfc(4, "pool-size")
def test_the_size_of_a_pool():
    assert Pool("core").degenerate
    assert not Pool("memory", size=32, unit="GB").degenerate
    assert repr(Pool("memory", size=32, unit="GB")) == "<Pool memory memory of 32GB>"
    with pytest.raises(FormatError, match="size 0 is below 1"):
        Pool("memory", size=0)
    with pytest.raises(FormatError, match="type is empty"):
        Pool("")


@pytest.mark.rfc(4, "extended-data", "getters", "setters", "properties")
def test_getters_and_setters():
    pool = Pool("node", 1, uuid="u", size=2, unit="x", properties=["fast", "big"], data={"jobs": [1]})
    pool.tag("broken", "fan")
    pool.tag("seen")
    pool.state = "down"
    pool.data["reservations"] = []
    keys = ("type", "uuid", "basename", "id", "size", "unit", "state", "fast", "broken", "seen", "nope")
    assert [pool.get(key) for key in keys] == [
        *("node", "u", "node", 1, 2, "x", "down", "", "fan", None, None)
    ]
    assert pool.data == {"jobs": [1], "reservations": []}
    copy = pool.copy()
    copy.data.clear()
    assert pool.data
    assert copy != pool
    assert pool != 1


@pytest.mark.rfc(4, "matching")
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, True),
        ({"type": "node"}, True),
        ({"type": "core"}, False),
        ({"basename": "n"}, True),
        ({"basename": "m"}, False),
        ({"name": "n7"}, True),
        ({"name": "n8"}, False),
        ({"id": 7}, True),
        ({"id": 8}, False),
        ({"id": Idset("3-9")}, True),
        ({"id": Idset("3")}, False),
        ({"size": 4}, True),
        ({"size": 5}, False),
        ({"state": "up"}, True),
        ({"state": "down"}, False),
        ({"properties": ["a"]}, True),
        ({"properties": {"a": "1"}}, True),
        ({"properties": {"a": "2"}}, False),
        ({"properties": ["a", "b"]}, False),
        ({"tags": ["t"]}, True),
        ({"tags": {"t": None}}, True),
        ({"tags": {"t": "x"}}, False),
        ({"tags": ["u"]}, False),
    ],
)
def test_matching(wanted, found):
    pool = Pool("node", 7, basename="n", size=4, state="up", properties={"a": "1"}, tags={"t": None})
    assert Match(**wanted)(pool) is found


def cluster(racks: int = 2, nodes: int = 3, cores: int = 2) -> Graph:
    graph = Graph()
    root = graph.add(Pool("cluster", 0))
    for rack in range(racks):
        upper = graph.add(Pool("rack", rack))
        graph.connect(root, upper)
        for node in range(nodes):
            inner = graph.add(Pool("node", rack * nodes + node))
            graph.connect(upper, inner)
            for core in range(cores):
                graph.connect(inner, graph.add(Pool("core", core)))
            graph.connect(inner, graph.add(Pool("memory", 0, size=16, unit="GB")))
    return graph


@pytest.mark.rfc(4, "walker", "reference")
def test_a_walk_in_both_orders():
    graph = cluster()
    up, down = list(preorder(graph, "0")), list(postorder(graph, "0"))
    assert len(up) == len(down) == len(graph) == 1 + 2 * (1 + 3 * 4)
    place_up, place_down = ({v: i for i, v in enumerate(order)} for order in (up, down))
    for edge in graph.edges():
        assert place_up[edge.source] < place_up[edge.target]
        assert place_down[edge.source] > place_down[edge.target]
    assert totals(graph, "0") == {"cluster": 1, "rack": 2, "node": 6, "core": 12, "memory": 96}
    seen: list[tuple[str, str]] = []
    count = walk(graph, "0", pre=lambda v: seen.append(("pre", v)), post=lambda v: seen.append(("post", v)))
    assert count == len(graph)
    assert [v for kind, v in seen if kind == "pre"] == up
    assert [v for kind, v in seen if kind == "post"] == down
    with pytest.raises(KeyError):
        walk(graph, "nope")
    with pytest.raises(KeyError):
        list(preorder(graph, "nope"))


@pytest.mark.rfc(4, "pruning")
def test_a_filter_prunes():
    graph = cluster()
    visits: list[str] = []
    left: list[str] = []

    def pre(vertex: str) -> bool:
        visits.append(vertex)
        return graph.pool(vertex).type != "node"

    assert walk(graph, "0", pre=pre, post=left.append) == len(visits) == 1 + 2 + 6
    assert [graph.pool(v).type for v in left] == ["rack", "rack", "cluster"]
    assert list(preorder(graph, "0", prune=lambda pool: pool.type != "node")) == visits
    assert walk(graph, "0", pre=lambda v: False) == 1


@pytest.mark.rfc(4, "evaluating", "accumulator", "sub-walk")
def test_a_filter_scores_and_walks_elsewhere():
    graph = cluster()
    big = Match(type="memory", size=16)
    found = evaluate(graph, "0", lambda pool: float(pool.id or 0) if pool.type == "node" else None)
    assert [graph.pool(v).name for v in found] == [f"node{n}" for n in (5, 4, 3, 2, 1, 0)]
    assert found.best() is not None
    assert len(evaluate(graph, "0", lambda pool: 1.0 if big(pool) else None)) == 6
    assert not list(evaluate(graph, "0", lambda pool: 1.0, prune=lambda pool: False))

    pdu = graph.add(Pool("pdu", 0, size=900, unit="W"))
    nodes = [v for v, pool in graph.items() if pool.type == "node"]
    for node in nodes[:3]:
        graph.connect(pdu, node, POWER, "supplies")
    with_power: list[str] = []

    def post(vertex: str) -> None:
        if any(graph.pool(v).type == "pdu" for v in graph.parents(vertex, POWER)):
            walk(graph, graph.parents(vertex, POWER)[0], POWER, pre=lambda v: with_power.append(v))

    walk(graph, "0", post=post)
    assert with_power == [pdu, *nodes[:3]] * 3
    assert totals(graph, pdu, POWER) == {"pdu": 900, "node": 3}


def test_equal_scores_keep_their_order():
    found = Accumulator()
    assert found.best() is None
    for vertex, score in (("a", 1.0), ("b", 2.0), ("c", 1.0), ("d", 2.0)):
        found.add(vertex, score)
    assert list(found) == ["b", "d", "a", "c"]


@pytest.mark.rfc(4, "composite")
def test_what_is_no_composite():
    graph = composite_figure()
    graph.connect("Cluster A", "Node7")
    with pytest.raises(FormatError, match="'Node7' has two parents, 'Rack1' and 'Cluster A'"):
        graph.check_composite()
    with pytest.raises(FormatError, match="has two parents"):
        graph.path("Node7")
    graph = composite_figure()
    graph.connect("Node9", "Cluster A")
    with pytest.raises(FormatError, match="is inside of itself"):
        graph.check_composite()
    with pytest.raises(FormatError, match="never ends"):
        graph.path("Node9")
    graph = named("a")
    graph.connect("a", "a")
    with pytest.raises(FormatError, match="'a' is inside of itself"):
        graph.check_composite()
    graph = named("a", "b")
    graph.connect("a", "b", both=True)
    with pytest.raises(FormatError, match="is inside of itself"):
        graph.check_composite()


@pytest.mark.rfc(4, "composite-subset")
@given(st.sets(st.integers(0, 26)))
def test_a_subset_is_a_composite(numbers):
    whole = cluster()
    part = whole.subset(map(str, numbers))
    part.check_composite()
    assert sorted(part, key=int) == sorted(map(str, numbers), key=int)
    assert all(part.pool(v) is whole.pool(v) for v in part)
    expected = [e for e in whole.edges() if e.source in part and e.target in part]
    assert list(part.edges()) == expected
    assert jgf.decode(jgf.encode(part)) == part


def test_paths():
    graph = cluster()
    for vertex in graph:
        assert graph.find(graph.path(vertex)) == vertex
    assert graph.path("3") == "/cluster0/rack0/node0/core0"
    assert [graph.find(path) for path in ("", "/", "cluster0", "/cluster0/nope")] == [None] * 4
    assert graph.roots() == ["0"]
    assert graph.roots(POWER) == []
    assert graph.parents("0") == graph.children("3") == []
    with pytest.raises(KeyError):
        graph.children("nope")


def test_faults_when_building():
    graph = named("a")
    with pytest.raises(FormatError, match="vertex 'a' exists already"):
        graph.add(Pool("x"), "a")
    with pytest.raises(FormatError, match="leads to 'b', which is no vertex"):
        graph.connect("a", "b")
    assert "a" in graph
    assert len(graph) == 1
    assert graph != named("b")
    assert graph != 1
    assert Edge("a", "b", "s", "r", False) != 1
    assert repr(Edge("a", "b", "s", "r", True)) == "<Edge a <-> b s:r>"
    assert len({Edge("a", "b", "s", "r", False), Edge("a", "b", "s", "r", False)}) == 1
