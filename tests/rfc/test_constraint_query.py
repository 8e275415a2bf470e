# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 35 vectors, flux-core's cases, errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.constraint.query import parse, render

NAME = {None: "name", "h": "host"}
A, B, C, D = ({"name": [n]} for n in "abcd")


def both(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"and": list(terms)}


def either(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"or": list(terms)}


def no(term: dict[str, Any]) -> dict[str, Any]:
    return {"not": [term]}


@pytest.mark.rfc_vectors(35)
@pytest.mark.rfc(
    35,
    *("term", "default-operator", "and", "or", "not", "white-space", "quoting", "dash", "parentheses"),
    *("precedence", "result"),
)
@pytest.mark.parametrize(
    ("query", "result"),
    [
        ("foo", {"name": ["foo"]}),
        ("foo bar", both({"name": ["foo"]}, {"name": ["bar"]})),
        ("foo bar state:started", both({"name": ["foo"]}, {"name": ["bar"]}, {"state": ["started"]})),
        ("a|b|c", either(A, B, C)),
        ("a|b&c", either(A, both(B, C))),
        ("(a|b)&c", both(either(A, B), C)),
        ("(a|-b)&c", both(either(A, no(B)), C)),
        ("name:a", A),
        ("foo:'this is args'", {"foo": ["this is args"]}),
        ("-op:operand", no({"op": ["operand"]})),
        ("a&(b|c)", both(A, either(B, C))),
        ("a or time:11:00am", either(A, {"time": ["11:00am"]})),
        ("a or test:'a quoted string'", either(A, {"test": ["a quoted string"]})),
        ("a or name:'/foo|(bar)|baz.*/'", either(A, {"name": ["/foo|(bar)|baz.*/"]})),
    ],
)
def test_examples(query: str, result: dict[str, Any]) -> None:
    assert parse(query, NAME) == result


@pytest.mark.rfc_vectors(35)
@pytest.mark.rfc(35, "dash", "quoting", "parentheses")
@pytest.mark.parametrize("query", ["a|", "a:' ", "(a", "(a))", "-(a|b)", "4g,host:foo", "foo and a:"])
def test_what_flux_core_refuses(query: str) -> None:
    with pytest.raises(FormatError, match=r"^query: .* at column \d+"):
        parse(query, NAME)


@pytest.mark.rfc(35, "and", "or", "not", "white-space", "quoting", "dash", "precedence")
@pytest.mark.parametrize(
    ("query", "result"),
    [
        ("a b", both(A, B)),
        ('a or "x y"', either(A, {"name": ["x y"]})),
        ("a||b&&c", either(A, both(B, C))),
        ("a and b or c", either(both(A, B), C)),
        ("a b|c d", either(both(A, B), both(C, D))),
        ("not a b", both(no(A), B)),
        ("AND", {"name": ["AND"]}),
        ("not a|b", either(no(A), B)),
        ("not (a b)", no(both(A, B))),
        ("not(a)", no(A)),
        ("not not a", no(no(A))),
        ("not -a", no(no(A))),
        ("a -b", both(A, no(B))),
        ("(a b) c", both(A, B, C)),
        ("a (b c)", both(A, B, C)),
        ("a or (b or c)", either(A, B, C)),
        ("android", {"name": ["android"]}),
        ("notx orca", both({"name": ["notx"]}, {"name": ["orca"]})),
        ("not-done", {"name": ["not-done"]}),
        ("foo-bar", {"name": ["foo-bar"]}),
        ("x:-y", {"x": ["-y"]}),
        ("a::b", {"a": [":b"]}),
        ("a:  b", {"a": ["b"]}),
        ("a:''", {"a": [""]}),
        ("h:x,y", {"host": ["x,y"]}),
    ],
)
def test_queries(query: str, result: dict[str, Any]) -> None:
    assert parse(query, NAME) == result
    assert parse(f" ( {query} )\n", NAME) == result


def test_split_and_combine() -> None:
    def host(query: str) -> dict[str, Any]:
        return parse(query, NAME, split={"host": ","}, combine={"host"})

    assert host("-h:x,y") == no({"host": ["x", "y"]})
    assert host("h:x host:y") == {"host": ["x", "y"]}
    assert host("h:x a h:y") == both({"host": ["x", "y"]}, A)
    assert host("(h:x) h:y") == {"host": ["x", "y"]}
    assert host("h:x|h:y") == either({"host": ["x"]}, {"host": ["y"]})
    assert host("not h:x not h:y") == both(no({"host": ["x"]}), no({"host": ["y"]}))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "a term is missing at column 1"),
        ("  ", "a term is missing at column 3"),
        ("()", "unexpected ')' at column 2"),
        ("a|", "a term is missing at column 3"),
        ("&a", "unexpected '&' at column 1"),
        ("a or", "a term is missing at column 5"),
        ("a:' ", "unclosed quote at column 3"),
        ("'x", "unclosed quote at column 1"),
        ("''", "empty term at column 1"),
        ("(a", "unclosed '(' at column 1"),
        ("(a))", "unexpected ')' at column 4"),
        ("-(a|b)", "'-' negates only a term, at column 2"),
        ("--a", "'-' negates only a term, at column 2"),
        ("a -", "'-' negates only a term, at column 4"),
        ("4g,host:foo", "invalid character ',' in operator '4g,host:' at column 1"),
        ("foo and a:", "missing argument to 'a:' at column 9"),
        ("a 'b:'", "missing argument to 'b:' at column 3"),
        ("a: -b", "missing argument to 'a:' at column 1"),
        ("a:)", "missing argument to 'a:' at column 1"),
        (":a", "invalid operator ':' at column 1"),
        ("not:a", "invalid operator 'not:' at column 1"),
        ("not", "a term is missing at column 4"),
        ("(" * 1000, "nested deeper than 64 levels at column 66"),
        ("not " * 1000, "nested deeper than 64 levels"),
    ],
)
def test_errors(query: str, message: str) -> None:
    with pytest.raises(FormatError) as info:
        parse(query, NAME)
    assert str(info.value).startswith(f"query: {message}")


@pytest.mark.rfc_vectors(35)
@pytest.mark.rfc(35, "default-operator")
def test_a_bare_term_needs_a_default_operator() -> None:
    assert parse("a:b") == {"a": ["b"]}
    with pytest.raises(FormatError, match="missing operator in 'foo' at column 5"):
        parse("a:b foo")


@given(st.text() | st.text("ab:-'\"()|& notrd"))
def test_any_text_is_a_constraint_or_a_format_error(query: str) -> None:
    try:
        result = parse(query, NAME, combine=["name"])
    except FormatError:
        return
    assert len(result) == 1


@pytest.mark.parametrize(
    "query",
    [
        "(" * 1_000_000,
        "a " * 500_000 + ")",
        "-" * 1_000_000,
        "a:" * 500_000,
        "'" * 1_000_001,
        "'a'" * 300_000 + "'",
        "not " * 250_000,
        "(a b|c)&" * 120_000 + "d",
        "x" * 1_000_000 + ",:",
        ("((((" * 10 + "a b" + "))))" * 10 + " ") * 10_000,
        " " * 1_000_000,
    ],
    ids=range(11),
)
def test_a_megabyte_takes_linear_time(query: str) -> None:
    try:
        parse(query, NAME, combine={"name"})
    except FormatError as error:
        assert len(str(error)) < 300  # noqa: PT017


def test_long_queries_finish() -> None:
    assert len(parse("a " * 100_000, NAME)["and"]) == 100_000
    assert len(parse("|".join(["a&b"] * 50_000), NAME)["or"]) == 50_000


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("a", "a"),
        ("a,b", "a,b"),
        ("a b", "a,b"),
        ("host:n[0-3] rank:7", "host:n[0-3] and rank:7"),
        ("-host:n1", "not host:n1"),
        ("a (host:b or not rank:1)", "a and (host:b or not rank:1)"),
        ("not (a | host:b)", "not (a or host:b)"),
        ("host:a|rank:1 host:c", "host:a or (rank:1 and host:c)"),
    ],
)
def test_a_query_is_written_back(query, text):
    operators = {None: "properties", "host": "hostlist", "rank": "ranks"}

    def compiled(words):
        return parse(words, operators, {"properties": ","}, {"properties"})

    assert render(compiled(query)) == text
    assert compiled(render(compiled(query))) == compiled(query)


def test_what_no_query_says_is_written_as_well():
    assert render(None) == render({}) == ""
    assert render({"not": [{"properties": ["a"]}, {"ranks": ["1"]}]}) == "not (a and rank:1)"
