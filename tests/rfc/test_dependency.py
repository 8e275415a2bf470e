# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 26: URIs, objects, what each scheme asks for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import dependency, fluid


@pytest.mark.rfc_vectors(26)
@pytest.mark.rfc(26, "uri")
@pytest.mark.parametrize(
    ("uri", "keys"),
    [
        ("afterany:\u01922oLkTLb", {"scheme": "afterany", "value": "\u01922oLkTLb"}),
        ("string:foo?type=out", {"scheme": "string", "value": "foo", "type": "out"}),
        ("fluid:hungry-hippos-white-elephant", {"scheme": "fluid", "value": "hungry-hippos-white-elephant"}),
    ],
)
def test_uris_of_the_rfc(uri: str, keys: dict[str, Any]) -> None:
    assert dependency.parse_uri(uri) == keys


def symbolic(kind: str, value: str, scope: str = "user", scheme: str = "string") -> dict[str, str]:
    return {"type": kind, "scope": scope, "scheme": scheme, "value": value}


@pytest.mark.rfc_vectors(26)
@pytest.mark.rfc(26, "object", "array", "symbolic-keys", "type", "scope")
@pytest.mark.parametrize(
    "dependencies",
    [
        [symbolic("inout", "foo")],
        [symbolic("in", "hungry-hippo-white-elephant", "global", "fluid")],
        [symbolic("out", "A")],
        [symbolic("in", "A"), symbolic("out", "B")],
        [symbolic("in", "B")],
    ],
)
def test_examples_of_the_rfc(dependencies: list[dict[str, str]]) -> None:
    for one in dependencies:
        dependency.check_keys(one)
        for key in one:
            with pytest.raises(FormatError):
                dependency.check_keys({**one, key: "foo" if key in ("type", "scope") else None})


@pytest.mark.rfc_vectors(26)
@pytest.mark.rfc(26, "object")
def test_a_simple_scheme_needs_neither_type_nor_scope() -> None:
    dependency.check_keys({"scheme": "afterok", "value": "ƒuZZybuNNy"})


@pytest.mark.rfc(26, "jobid")
def test_the_id_of_an_example_is_none() -> None:
    with pytest.raises(FormatError, match='"hungry-hippo-white-elephant" is not a valid jobid'):
        dependency.jobid(symbolic("in", "hungry-hippo-white-elephant", "global", "fluid"))


@pytest.mark.rfc(26, "uri", "uri-delimiters")
@pytest.mark.parametrize(
    ("uri", "keys"),
    [
        ("a:b?x=1&y=2;z=c", {"scheme": "a", "value": "b", "x": 1, "y": 2, "z": "c"}),
        ("a:b?x=1&x=2&x=-3", {"scheme": "a", "value": "b", "x": [1, 2, -3]}),
        ("a:b?x=1.5&y=-2e3&z=%2B4", {"scheme": "a", "value": "b", "x": 1.5, "y": -2000.0, "z": 4}),
        ("a:b?x=nan&y=1e999&z=1-2", {"scheme": "a", "value": "b", "x": "nan", "y": "1e999", "z": "1-2"}),
        ("a:b?x=" + "9" * 30, {"scheme": "a", "value": "b", "x": "9" * 30}),
        ("a:", {"scheme": "a", "value": ""}),
        ("a:b?", {"scheme": "a", "value": "b"}),
        ("a:b?x=", {"scheme": "a", "value": "b", "x": ""}),
        ("AfterOk:f1", {"scheme": "afterok", "value": "f1"}),
        ("a:b?c=%20d+e", {"scheme": "a", "value": "b", "c": " d e"}),
        ("a:b?c%20d=e", {"scheme": "a", "value": "b", "c d": "e"}),
        ("a://b#c", {"scheme": "a", "value": "//b#c"}),
    ],
)
def test_uris(uri: str, keys: dict[str, Any]) -> None:
    assert dependency.parse_uri(uri) == keys


@pytest.mark.parametrize(
    "uri", ["", "a", ":b", "1a:b", "a b:c", "a:b?x", "a:b?=1", "a:b?scheme=x", "a:b?value=x"]
)
def test_bad_uris(uri: str) -> None:
    with pytest.raises(FormatError, match=r"^Invalid dependency URI"):
        dependency.parse_uri(uri)


@pytest.mark.rfc(26, "object", "array", "jobid", "begin-time", "symbolic-keys")
def test_valid_objects() -> None:
    f58 = fluid.encode(123456789, "f58")
    good = [
        *({"scheme": s, "value": f58} for s in ("after", "afterstart", "afterany", "afterok", "afternotok")),
        {"scheme": "afterok", "value": "123456789"},
        {"scheme": "begin-time", "value": "1552593349.1"},
        {"scheme": "string", "value": "foo", "type": "inout", "scope": "user"},
        {"scheme": "fluid", "value": f58, "type": "in", "scope": "global"},
        {"scheme": "mine", "value": "anything", "more": [1]},
    ]
    for one in good:
        dependency.check_keys(one)
    assert {dependency.jobid(d) for d in good[:6]} == {123456789}
    assert dependency.begin_time(good[6]) == 1552593349.1


@pytest.mark.rfc(26, "object", "symbolic-keys", "type", "scope")
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "not an object"),
        ({"value": "x"}, "scheme is missing"),
        ({"scheme": "a"}, "value is missing"),
        ({"scheme": 1, "value": "x"}, "scheme is missing or not a string"),
        ({"scheme": "", "value": "x"}, "scheme is empty"),
        ({"scheme": "string", "value": "x", "scope": "user"}, "type must be one of in, out, inout"),
        ({"scheme": "string", "value": "x", "type": "in"}, "scope must be one of user, global"),
        ({"scheme": "string", "value": "x", "type": ["in"], "scope": "user"}, "type must be one of"),
    ],
)
def test_bad_objects(value: Any, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        dependency.check_keys(value)


@pytest.mark.rfc(26, "jobid", "begin-time")
def test_bad_values() -> None:
    with pytest.raises(FormatError, match=r'^dependency: afterok: "hello!" is not a valid jobid$'):
        dependency.jobid({"scheme": "afterok", "value": "hello!"})
    for value in ("+1h", "nan", "inf", "-1", "1e300", "253370764800"):
        with pytest.raises(FormatError, match=r"^Invalid begin-time="):
            dependency.begin_time({"scheme": "begin-time", "value": value})


@given(st.text() | st.text("ab1:?&;=%+"))
def test_any_text_is_a_dependency_or_a_format_error(uri: str) -> None:
    try:
        parsed = dependency.parse_uri(uri)
    except FormatError:
        return
    assert isinstance(parsed["scheme"], str)
    assert isinstance(parsed["value"], str)


@pytest.mark.parametrize(
    "uri",
    [
        "a:b?" + "k=1&" * 250_000,
        "a:b?" + "&".join(f"k{number}=1" for number in range(100_000)),
        "a:b?" + ";" * 1_000_000,
        "a:b?x=" + "%41" * 300_000,
        "a:b?x=" + "1" * 1_000_000,
        "a" * 1_000_000,
        "a:" + "b" * 1_000_000,
        "a:b?" + "x" * 1_000_000,
        "a:b?x=" + "%" * 1_000_000,
    ],
    ids=range(9),
)
def test_a_megabyte_takes_linear_time(uri: str) -> None:
    try:
        dependency.check_keys(dependency.parse_uri(uri))
    except FormatError as error:
        assert len(str(error)) < 300  # noqa: PT017


@pytest.mark.parametrize(
    ("scheme", "read"),
    [
        ("afterok", dependency.jobid),
        ("begin-time", dependency.begin_time),
        ("string", dependency.check_keys),
    ],
)
def test_a_long_value_is_not_repeated(scheme: str, read: Any) -> None:
    with pytest.raises(FormatError) as info:
        read({"scheme": scheme, "value": "x" * 1_000_000})
    assert len(str(info.value)) < 300
