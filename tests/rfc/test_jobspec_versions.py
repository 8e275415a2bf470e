# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobspec version 2, the canonical version 9999, what of them version 1 can say, and totals."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import shape
from rosin.rfc.jobspec import Jobspec, validate
from rosin.rfc.jobspec.lower import lower
from rosin.rfc.jobspec.rules import CANONICAL, problems, validate_version
from rosin.rfc.jobspec.totals import Totals, span_text

CASES = json.loads((Path(__file__).parent / "data" / "jobspecs.json").read_text())
#: Written with ``task`` as the label of a single slot.
V1_SHAPES = [
    "slot=4{task}/core=2",
    "slot=4{task}/[core=2;gpu]",
    "node=4/slot=2{task}/[core;gpu=3]",
    "node=4{x}/slot{task}/core{unit:c}",
]


def jobspec(text: str, version: int = 2, **count: Any) -> dict[str, Any]:
    """A jobspec of the resources *text*, with one task for each slot label."""
    resources = shape.parse(text, "task")
    labels: list[str] = []
    level = resources
    while level:
        labels += [vertex["label"] for vertex in level if vertex["type"] == "slot"]
        level = [child for vertex in level for child in vertex.get("with", ())]
    tasks = [{"command": ["app"], "slot": label, "count": count or {"per_slot": 1}} for label in labels]
    return {
        "resources": resources,
        "tasks": tasks,
        "attributes": {"system": {"duration": 60}},
        "version": version,
    }


def test_the_example_of_its_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "jobspec-v2.md").read_text()
    example = json.loads(page.partition("```json\n")[2].partition("```")[0])
    validate_version(example, 2)
    text = page.partition("(RFC 46):\n`")[2].partition("`")[0]
    assert shape.encode(example["resources"]) == text


@pytest.mark.parametrize("name", CASES)
def test_use_cases_as_version_2_and_9999(name: str) -> None:
    for version in (2, CANONICAL):
        validate_version({**CASES[name], "version": version})
        validate_version({**CASES[name], "version": version}, version)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("25/")])
def test_version_2_holds_version_1(name: str) -> None:
    assert lower({**CASES[name], "version": 2}) == CASES[name]
    assert lower(CASES[name]) == CASES[name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "version: expected one of 1, 2, 9999, got 3"),
        ({"version": "2"}, "version: expected one of 1, 2, 9999, got '2'"),
        ({"attributes": {}}, "attributes: missing key 'system'"),
        ({"attributes": {"system": {}}}, "attributes.system: missing key 'duration' (0: no limit)"),
        (
            {"resources": shape.parse("slot{task}/slot{b}/core")},
            "resources[0].with[0].type: version 2 allows no slot inside a slot",
        ),
        (
            {"resources": shape.parse("node{label:task}/slot{task}/core")},
            "resources[0].with[0].label: the label 'task' is used twice",
        ),
        (
            {"resources": shape.parse("[node{label:task}/slot{a}/core]")},
            "tasks[0].slot: no slot is labelled 'task' (labels: a)",
        ),
        (
            {
                "tasks": [
                    {"command": ["a"], "slot": "task", "count": {"per_resource": {"type": "x", "count": 1}}}
                ]
            },
            "tasks[0].count.per_resource.type: no x is in the task's slot (types: core, node)",
        ),
        (
            {
                "tasks": [
                    {
                        "command": ["a"],
                        "slot": "task",
                        "count": {"total": 1},
                        "attributes": {"environment": {"A": 1}},
                    }
                ]
            },
            "tasks[0].attributes.environment.'A': expected a string, or null to unset it, got 1",
        ),
    ],
)
def test_refusals(change: dict[str, Any], message: str) -> None:
    good = jobspec("slot=2+{task}/node/core")
    validate_version(good)
    with pytest.raises(FormatError) as info:
        validate_version({**good, **change})
    assert str(info.value) == f"jobspec: {message}"


def test_canonical_needs_less() -> None:
    nested = jobspec("slot{a}/[slot{b}/core;gpu]", CANONICAL)
    nested["attributes"] = {}
    nested["tasks"][0]["count"] = {"per_resource": {"type": "core", "count": 1}}
    validate_version(nested)
    nested["attributes"] = None
    assert problems(nested) == ["jobspec: attributes: expected an object, got null"]


def test_a_version_that_is_not_the_required_one() -> None:
    with pytest.raises(FormatError, match=r"^jobspec: version: expected 1, got 2 \('rosin jobspec lower'"):
        validate(jobspec("slot/core"))
    with pytest.raises(FormatError, match=r"^jobspec: version: expected 2, got 1$"):
        validate_version(jobspec("slot/core", 1), 2)
    with pytest.raises(FormatError, match=r"^jobspec: version: expected 1, got 999$"):
        validate(jobspec("slot/core", 999))


def test_every_place_is_told() -> None:
    bad = jobspec("[node=2/slot=3{a}/core;slot{b}/core;x]")
    bad["resources"][0]["count"] = 0
    bad["resources"][1]["with"][0]["count"] = "4-2"
    bad["resources"][2]["tpye"] = 1
    bad["tasks"][1]["command"] = []
    bad["attributes"]["system"] = {"duration": -1, "queue": 1, "constraints": {"and": [{"x": []}]}, "new": 1}
    assert [text.split(": ")[1] for text in problems(bad)] == [
        "resources[0].count",
        "resources[1].with[0].count",
        "resources[2]",
        "tasks[1].command",
        "attributes.system.duration",
        "attributes.system.queue",
        "attributes.system.constraints",
    ]
    many = jobspec("slot{task}/core")
    many["resources"] = [{"type": "x"}] * 100_000
    assert len(problems(many)) == 100
    assert problems(None) == ["jobspec: expected an object, got null"]
    assert problems(jobspec("slot/core", 7), canonical=True) == []


def test_a_small_text_with_an_enormous_tree() -> None:
    vertex: dict[str, Any] = {"type": "core", "count": 1}
    for _ in range(30):
        vertex = {"type": "box", "count": 1, "with": [vertex] * 10}
    huge = jobspec("slot/core")
    huge["resources"].append(vertex)
    found = problems(huge)
    assert found[0].endswith("more than 65536 resources")
    assert len(found) <= 100


def hostile(name: str) -> dict[str, Any]:
    """A jobspec of about a megabyte."""
    spec = jobspec("slot{task}/core")
    slot, task = spec["resources"][0], spec["tasks"][0]
    if name == "slots":
        spec["resources"] = [{**slot, "label": f"task{number}"} for number in range(12_000)]
    elif name == "tasks":
        spec["resources"] = [{**slot, "label": f"task{number}"} for number in range(5_000)]
        spec["tasks"] = [task] * 10_000
    elif name == "counts":
        spec["resources"] += [{"type": "a", "count": "1,3-100000000"}] * 20_000
    elif name == "digits":
        spec["resources"][0]["count"] = ",".join(map(str, range(1, 150_000)))
    elif name == "label":
        spec["resources"][0]["label"] = "x" * 1_000_000
    elif name == "types":
        slot["with"] = [{"type": f"t{number}", "count": 1} for number in range(25_000)]
        spec["tasks"] = [{**task, "count": {"per_resource": {"type": "x" * 1000, "count": 1}}}] * 1000
    elif name == "constraints":
        spec["attributes"]["system"]["constraints"] = {"and": [{"x": []}] * 80_000}
    elif name == "dependencies":
        spec["attributes"]["system"]["dependencies"] = [{"scheme": "a", "value": "b"}] * 30_000 + [1]
    elif name == "keys":
        slot.update({f"k{number}": 1 for number in range(80_000)})
    else:
        for _ in range(40_000):
            spec["attributes"]["user"] = {"a": spec["attributes"].get("user", {})}
    return spec


@pytest.mark.parametrize(
    "name",
    ["slots", "tasks", "counts", "digits", "label", "types", "constraints", "dependencies", "keys", "user"],
)
def test_a_megabyte_takes_linear_time(name: str) -> None:
    spec = hostile(name)
    for version in (None, 1):
        assert sum(map(len, problems(spec, version))) < 100_000
    inner = spec["attributes"].pop("user", {})
    while inner:  # take it apart: the interpreter would recurse
        inner = inner.pop("a")


@pytest.mark.parametrize("text", V1_SHAPES)
def test_version_1_comes_back(text: str) -> None:
    low = lower(jobspec(text))
    validate(low)
    assert low == jobspec(text, 1)


@pytest.mark.rfc(14, "exclusive-default")
@pytest.mark.parametrize(
    ("text", "lowered"),
    [
        ("slot=4/node", "node=4{x}/slot{task}/core"),
        ("slot=4{a}/node/core=2", "node=4{x}/slot{a}/core=2"),
        ("slot=4/node/[core=2;gpu]", "node=4{x}/slot{task}/[core=2;gpu]"),
        ("slot=4/node{-x}/core=2", "slot=4{task}/core=2"),
        ("slot=[4]{b,x}/[core=2-2{x}]", "slot=4{b}/core=2"),
        ("node=2{x}/slot=3/core", "node=2{x}/slot=3{task}/core"),
    ],
)
def test_other_ways_to_say_it(text: str, lowered: str) -> None:
    for version in (2, CANONICAL):
        low = lower(jobspec(text, version, total=4))
        assert low == jobspec(lowered, 1, total=4)
        validate(low)


def test_lowering_leaves_the_original_alone() -> None:
    source = jobspec("slot=4/node/core", CANONICAL)
    source["attributes"] = {"user": {"a": 1}}
    kept = copy.deepcopy(source)
    assert lower(source)["attributes"] == {"user": {"a": 1}, "system": {"duration": 0}}
    assert source == kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slot=2+/core", "resources[0].count: version 1 has fixed counts only, not 2+"),
        ("slot=4,9/core", "resources[0].count: version 1 has fixed counts only, not 4,9"),
        (
            "node=2/slot/core=1-2",
            "resources[0].with[0].with[0].count: version 1 has fixed counts only, not 1-2",
        ),
        ("cluster/slot/core", "resources[0].type: version 1 has no cluster at the top"),
        ("node/socket/slot/core", "resources[0].with[0].type: version 1 has no socket in a node"),
        ("slot/[core;memory]", "resources[0].with[1].type: version 1 has no memory in a slot"),
        ("slot/[core/x]", "resources[0].with[0].with: version 1 has nothing in a core"),
        ("slot/gpu", "resources[0].with: expected a core in the slot"),
        ("slot/[core;core]", "resources[0].with[1].type: a second core in the slot"),
        ("slot/node=2", "resources[0].with[0].count: version 1 has no slot of several nodes"),
        ("slot/node{-x}", "resources[0].with[0]: version 1 has no slot of a shared node without cores"),
        ("slot/core{-x}", "resources[0].with[0].exclusive: version 1 has no shared core in a slot"),
        ("slot{a,-x}/core", "resources[0].exclusive: version 1 has no shared slot in a slot"),
        ("slot/core{id:n3}", "resources[0].with[0].id: version 1 has no ids of resources"),
        ("slot/[node;core]", "resources[0].with: version 1 has one element here, not 2"),
        ("[slot{a}/core;slot{b}/core]", "resources: version 1 has one element here, not 2"),
        ("node/[slot{a}/core;slot{b}/core]", "resources[0].with: version 1 has one element here, not 2"),
    ],
)
def test_what_version_1_cannot_say(text: str, message: str) -> None:
    with pytest.raises(FormatError) as info:
        lower(jobspec(text))
    assert str(info.value) == f"jobspec: {message}"


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"distribution": "cyclic"}, "tasks[0].distribution: version 1 tasks have no such key"),
        ({"attributes": {"a": 1}}, "tasks[0].attributes: version 1 tasks have no such key"),
        (
            {"count": {"per_resource": {"type": "core", "count": 1}}},
            "tasks[0].count.per_resource: version 1 has no",
        ),
    ],
)
def test_tasks_that_version_1_cannot_have(task: dict[str, Any], message: str) -> None:
    source = jobspec("slot/core")
    source["tasks"][0].update(task)
    with pytest.raises(FormatError) as info:
        lower(source)
    assert str(info.value).startswith(f"jobspec: {message}")


@pytest.mark.parametrize(
    ("name", "tasks", "types"),
    [
        ("25/use_case_2.4", "16", {"node": "4", "slot": "16", "core": "16", "gpu": "16"}),
        ("14/use_case_1.2", "3-30", {"slot": "3-30", "node": "3-30"}),
        ("14/use_case_1.3", "4", {"slot": "4", "node": "4", "socket": "8+", "core": "32+"}),
        ("14/use_case_1.6", "2+", {"cluster": "2", "slot": "2", "node": "2+", "core": "60+"}),
        ("14/use_case_1.8", "4-25", {"slot": "4-25", "node": "4-25"}),
        ("14/use_case_2.4", "11", {"node": "1", "slot": "11", "core": "16", "memory": "64"}),
        ("14/use_case_2.6", "10", {"slot": "2", "node": "2", "memory": "8+"}),
    ],
)
def test_totals(name: str, tasks: str, types: dict[str, str]) -> None:
    totals = Totals(CASES[name])
    assert {kind: span_text(span) for kind, span in totals.types.items()} == types
    assert span_text(totals.tasks) == tasks


@given(
    st.integers(0, 9),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 3),
    st.sampled_from(["per_slot", "total"]),
)
def test_totals_agree_with_the_view(nodes: int, slots: int, cores: int, gpus: int, key: str) -> None:
    inside = f"[core={cores};gpu={gpus}]" if gpus else f"core={cores}"
    text = f"slot={slots}/{inside}"
    spec = jobspec(f"node={nodes}/{text}" if nodes else text, 1, **{key: 3})
    totals, view = Totals(spec), Jobspec.checked(spec)
    assert totals.types["core"] == (view.ncores, view.ncores)
    assert totals.types.get("gpu", (0, 0)) == (view.ngpus, view.ngpus)
    assert totals.slots == {"task": (view.nslots, view.nslots)}
    assert totals.tasks == (view.ntasks, view.ntasks)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["2+", "1-4", "slot"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> Any:
    if path:
        yield path
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, child in pairs:
        yield from places(child, (*path, step))


@given(st.sampled_from([*CASES, None]), st.data(), JUNK, st.sampled_from([2, CANONICAL]))
def test_any_jobspec_has_totals_and_a_version_1_or_is_refused(
    name: str | None, data: st.DataObject, junk: Any, version: int
) -> None:
    spec = junk if name is None else {**copy.deepcopy(CASES[name]), "version": version}
    if name is not None:
        *steps, last = data.draw(st.sampled_from(list(places(spec))))
        node = spec
        for step in steps:
            node = node[step]
        node[last] = junk
    found = problems(spec)
    assert all(text.startswith("jobspec: ") and "\n" not in text for text in found)
    if not found:
        assert Totals(spec).tasks[0] > 0
    try:
        low = lower(spec)
    except FormatError as error:
        assert str(error).startswith("jobspec: ")  # noqa: PT017
        return
    assert not found
    validate(low)
    view, totals = Jobspec(low), Totals(low)
    assert totals.tasks == (view.ntasks, view.ntasks)
    assert totals.types["core"] == (view.ncores, view.ncores)
