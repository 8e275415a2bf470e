# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 46: every use case, the grammar, refusals with their column, and shapes written and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import count, shape
from rosin.rfc.jobspec import validate

CASES = json.loads((Path(__file__).parent / "data" / "jobspecs.json").read_text())

#: The shapes of RFC 46 by the use case of RFC 14 that they stand for.
SHAPES = [
    ("1.1", "slot=4/node"),
    ("1.2", "slot=3-30/node"),
    ("1.3", "slot=4{nodelevel}/node{-x}/socket=2+/core=4+"),
    ("1.4", "slot=4{nodelevel}/node/socket=2/core=4"),
    ("1.5", "[cluster/slot=2{ib}/node/[memory=4{unit:GB};ib10g];switch/slot=2{bicore}/node/core=2]"),
    ("1.6", "cluster=2/slot/node=1+{-x}/core=30"),
    ("1.7", "switch=3/slot/node=1+{-x}/core"),
    ("1.8", "slot=4,9,16,25/node"),
    ("2.1", "slot=4/node"),
    ("2.2", "slot=4/node"),
    ("2.3", "slot=10/core=2"),
    ("2.4", "node/[slot=10{read-db}/[core;memory=4{unit:GB}];slot{db}/[core=6;memory=24{unit:GB}]]"),
    ("2.5", "slot=10/[memory=2+{unit:GB};core]"),
    ("2.6", "slot=2{4GB-node}/node/memory=4+{unit:GB}"),
    ("2.7", "slot/node"),
    ("2.8", "slot/node"),
    ("2.9", "slot/node"),
]


def one(text: str) -> dict[str, Any]:
    (vertex,) = shape.parse(text)
    return vertex


def items(text: str) -> dict[str, Any]:
    """The keys of ``core{...}`` beside type and count."""
    return {key: value for key, value in one(text).items() if key not in ("type", "count")}


@pytest.mark.rfc_vectors(46)
@pytest.mark.rfc(
    46, "brackets", "separators", "vertex-form", "with", "slot-label", "single-slot-label", "count"
)
@pytest.mark.parametrize(("case", "text"), SHAPES)
def test_use_cases_of_the_rfc(case: str, text: str) -> None:
    jobspec = CASES[f"14/use_case_{case}"]
    label = "myslot" if case == "2.2" else shape.DEFAULT_LABEL
    assert shape.parse(text, label) == jobspec["resources"]
    assert shape.encode(jobspec["resources"], label) == text
    validate({**jobspec, "resources": shape.parse(text, label)}, canonical=True)


@pytest.mark.rfc_vectors(46)
@pytest.mark.rfc(46, "json-values", "booleans")
def test_values_and_short_forms() -> None:
    assert items('core{unit:"G B",note:null,+flag}') == {"unit": "G B", "note": None, "flag": True}


@pytest.mark.rfc_vectors(46)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slot=2{blah", "unclosed '{' at column 7"),
        ("slot/", "expected a resource type, got the end at column 6"),
        ("slot=2{bla}}", "expected '/' and what is in the slot, got '}' at column 12"),
        ("node/[slot=10{read-db}/[core;memory=4{unit:GB}];slot{db}/[blah", "unclosed '[' at column 58"),
        ("slot=4/node]", "expected the end, got ']' at column 12"),
        ("slot=4", "expected '/' and what is in the slot, got the end at column 7"),
    ],
)
def test_invalid_shapes(text: str, message: str) -> None:
    with pytest.raises(FormatError) as info:
        shape.parse(text)
    assert str(info.value) == f"shape: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a resource type, got the end at column 1"),
        ("  ", "expected a resource type, got the end at column 3"),
        ("[]", "expected a resource type, got ']' at column 2"),
        ("[a;]", "expected a resource type, got ']' at column 4"),
        ("a;b", "expected the end, got ';' at column 2"),
        ("[slot/a;slot/b]", "a slot without a label, of several slots, at column 2"),
        ("[slot{a}/a;slot{}/b]", "a slot without a label, of several slots, at column 12"),
        ("a=", "expected a count, got the end at column 3"),
        ("a={b}", "expected a count, got '{' at column 3"),
        ("a=0", "count: expected an integer >= 1, an idset or a range such as 2-8:2, got '0' at column 3"),
        ("a=3-1", "count: max 1 is below min 3 at column 3"),
        ("a=[2", "unclosed '[' at column 3"),
        ("a=[2/b", "expected ']', got '/' at column 5"),
        ("a{b", "unclosed '{' at column 2"),
        ("a{b,}", "expected a key, got '}' at column 5"),
        ("a{,}", "expected a key, got ',' at column 3"),
        ("a{b:}", "expected a value, got '}' at column 5"),
        ("a{b:[}", "expected a value, got '}' at column 6"),
        ("a{b:[1", "unclosed '[' at column 5"),
        ("a{b:{", "expected a key, got the end at column 6"),
        ("a{b:1]}", "expected ',' or '}', got ']' at column 6"),
        ("a{'x}", "unclosed quote at column 3"),
        ('a{"x\\"}', "unclosed quote at column 3"),
        ('a{"\\q"}', "the text in quotes is no JSON string at column 3"),
        ("a{b,b}", "the key 'b' is given twice at column 5"),
        ("a{x,exclusive:true}", "the key 'exclusive' is given twice at column 5"),
        ("a{type:b}", "the key 'type' is given twice at column 3"),
        ("slot{a,label:b}/c", "the key 'label' is given twice at column 8"),
        ("slot{-x}/a", "expected the label of the slot before its other keys at column 6"),
        ("slot{unit:GB}/a", "expected the label of the slot before its other keys at column 6"),
        ("a{b:" + "[" * 100, "nested deeper than 64 levels at column 69"),
        ("a/" * 1000, "nested deeper than 64 levels at column 131"),
    ],
)
@pytest.mark.rfc(46, "label-first", "single-slot-label", "slot-with")
def test_refusals_name_the_column(text: str, message: str) -> None:
    with pytest.raises(FormatError) as info:
        shape.parse(text)
    assert str(info.value) == f"shape: {message}"


@pytest.mark.rfc(46, "booleans", "exclusive-x", "json-values", "relaxed-objects", "unquoted", "empty-braces")
@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("core{}", {}),
        ("core{ }", {}),
        ("core{x}", {"exclusive": True}),
        ("core{+x}", {"exclusive": True}),
        ("core{-x}", {"exclusive": False}),
        ("core{x:false}", {"exclusive": False}),
        ("core{exclusive:true}", {"exclusive": True}),
        ('core{"x":1}', {"x": 1}),
        ("core{unit:'G B',note:null,+flag}", {"unit": "G B", "note": None, "flag": True}),
        (
            "core{a:1,b:-2.5,c:1e3,d:01,e:4GB,f:-}",
            {"a": 1, "b": -2.5, "c": 1e3, "d": "01", "e": "4GB", "f": "-"},
        ),
        ('core{a:"1",b:\'true\',c:"null"}', {"a": "1", "b": "true", "c": "null"}),
        ("core{a:True,b:NULL}", {"a": True, "b": None}),
        ('core{"a,b":"c}\\"\\u0041",\'d:e\':x/y;z}', {"a,b": 'c}"A', "d:e": "x/y;z"}),
        ("core{a:{b:1,-c,d:{},e:[]}}", {"a": {"b": 1, "c": False, "d": {}, "e": []}}),
        ('core{a:[1,"b",c,null,[2],{d,x:1}]}', {"a": [1, "b", "c", None, [2], {"d": True, "exclusive": 1}]}),
        ("core{ a : b c , d : 1 }", {"a": "b c", "d": 1}),
        ("core{a:1e999}", {"a": "1e999"}),
        ("core{a:" + "9" * 5000 + "}", {"a": "9" * 5000}),
    ],
)
def test_keys(text: str, keys: dict[str, Any]) -> None:
    assert items(text) == keys


@pytest.mark.rfc(46, "count", "count-one")
@pytest.mark.rfc(45, "operators", "brackets", "omit-plus", "omit-one", "no-maximum")
@pytest.mark.parametrize(
    ("text", "expected", "string"),
    [
        ("core", 1, 1),
        ("core=1", 1, 1),
        ("core=[7]", 7, 7),
        ("core=2-8:2:*", {"min": 2, "max": 8, "operator": "*", "operand": 2}, "2-8:2:*"),
        ("core=[2+:3:^]", {"min": 2, "operator": "^", "operand": 3}, "2+:3:^"),
        ("core=2+:1:+", {"min": 2}, "2+:1:+"),
        ("core=1-5:2", {"min": 1, "max": 5, "operator": "+", "operand": 2}, "1-5:2"),
        ("core=3-3", 3, "3-3"),
        ("core=1,3-5", "1,3-5", "1,3-5"),
        ("core = [ 4,9 ] ", "4,9", "4,9"),
    ],
)
def test_counts(text: str, expected: Any, string: Any) -> None:
    assert one(text)["count"] == expected
    assert shape.parse(text, range_strings=True)[0]["count"] == string


def test_only_the_word_slot_is_a_slot() -> None:
    assert one("Slot=4") == {"type": "Slot", "count": 4}
    assert one("'slot'/a")["label"] == shape.DEFAULT_LABEL
    assert one("slot{x}/a")["label"] == "x"
    assert one('slot{"-x"}/a')["label"] == "-x"
    assert one("slot{}/a")["label"] == shape.DEFAULT_LABEL


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ([], "expected a non-empty array of resources, got an array"),
        (None, "expected a non-empty array of resources, got null"),
        ([1], "expected a resource with a type"),
        ([{"type": "slot", "count": 1, "with": [{"type": "a", "count": 1}]}], "a slot needs a label"),
        ([{"type": "slot", "count": 1, "label": "a"}], "a slot needs a label and resources in it"),
        ([{"type": "a", "count": 0}], "count of 'a': expected an integer >= 1, got 0"),
        ([{"type": "a", "count": 1, "b": float("nan")}], "nan is no JSON value"),
        ([{"type": "a", "count": 1, "b": [set()]}], "set() is no JSON value"),
        ([{"type": "a", "count": 1, 3: 4}], "expected a string as key, got 3"),
        ([{"type": "\ud800", "count": 1}], "'\\ud800' is no text"),
    ],
)
def test_what_has_no_shape(resources: Any, message: str) -> None:
    with pytest.raises(FormatError) as info:
        shape.encode(resources)
    assert str(info.value).startswith(f"shape: {message}")


def test_encoding_is_bounded_in_depth() -> None:
    vertex: dict[str, Any] = {"type": "a", "count": 1}
    for _ in range(5000):
        vertex = {"type": "a", "count": 1, "with": [vertex]}
    with pytest.raises(FormatError, match="at most 64 levels"):
        shape.encode([vertex])
    value: Any = 1
    for _ in range(5000):
        value = [value]
    with pytest.raises(FormatError, match="nested deeper than 64 levels"):
        shape.encode([{"type": "a", "count": 1, "b": value}])


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.text(
    "xslot-+:,{}[]/;= '\"\\", max_size=5
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
COUNTS = (
    st.integers(1, 100)
    | st.builds(lambda low, span: {"min": low, "max": low + span}, st.integers(1, 9), st.integers(1, 9))
    | st.builds(
        lambda low, operator: {"min": low, "operator": operator, "operand": 3},
        st.integers(2, 9),
        st.sampled_from("+*^"),
    )
    | st.sampled_from(["4,9", "2-8:2:*", "3+", "[5]"])
)
KEYS = TEXT.filter(lambda key: key not in ("type", "count", "with", "label"))


def vertices(inner: Any) -> Any:
    return st.builds(
        lambda kind, number, keys, below, label: {
            "type": kind,
            "count": number,
            **({"label": label} if kind == "slot" else {}),
            **keys,
            **({"with": below} if below or kind == "slot" else {}),
        },
        TEXT,
        COUNTS,
        st.dictionaries(KEYS, VALUES, max_size=2),
        inner,
        TEXT,
    ) | st.builds(
        lambda number, keys, below, label: {
            "type": "slot",
            "count": number,
            "label": label,
            **keys,
            "with": below or [{"type": "core", "count": 1}],
        },
        COUNTS,
        st.dictionaries(KEYS, VALUES, max_size=1),
        inner,
        TEXT,
    )


RESOURCES: st.SearchStrategy[list[dict[str, Any]]] = st.recursive(
    st.just([]), lambda inner: st.lists(vertices(inner), min_size=1, max_size=3)
).filter(bool)


def normal(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with each count in its one form."""
    return [
        {
            **vertex,
            "count": count.parse(vertex["count"]).encode(),
            **({"with": normal(vertex["with"])} if "with" in vertex else {}),
        }
        for vertex in resources
    ]


@given(RESOURCES)
def test_any_resources_come_back(resources: list[dict[str, Any]]) -> None:
    try:
        text = shape.encode(resources)
    except FormatError:
        assert '"slot"' in json.dumps(resources)  # without what a slot needs
        return
    assert shape.parse(text) == normal(resources)
    assert shape.encode(shape.parse(text)) == text


@given(st.text() | st.text("slotx=12,-+:*^{}[]/;'\" "))
def test_any_text_is_a_shape_or_refused(text: str) -> None:
    try:
        resources = shape.parse(text)
    except FormatError as error:
        assert str(error).startswith("shape: ")  # noqa: PT017
        return
    assert shape.parse(shape.encode(resources)) == normal(resources)


@pytest.mark.parametrize(
    "text",
    [
        "[" + ";".join(["core=2{x,unit:GB}"] * 60_000) + "]",
        "[" * 1_000_000,
        "a{b:" + "[1,2]" + "," * 1_000_000,
        'a{b:"' + '\\"' * 500_000,
        "a{" + "x" * 1_000_000 + ":",
        "a=" + "1," * 500_000,
        " " * 1_000_000,
        "a{" + ",".join(f"k{number}:1" for number in range(100_000)) + "}",
        "'" * 1_000_000,
        "[" + ";".join(["slot{a}/b"] * 100_000) + "]",
    ],
    ids=lambda text: text[:8],
)
def test_a_megabyte_takes_linear_time(text: str) -> None:
    try:
        assert shape.encode(shape.parse(text))
    except FormatError as error:
        assert len(str(error)) < 300  # noqa: PT017
