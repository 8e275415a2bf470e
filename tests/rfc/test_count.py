# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14 counts and RFC 45 range strings."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.count import MAX_COUNT, Count, parse, parse_string
from rosin.rfc.idset import Idset


@pytest.mark.rfc_vectors(14)
@pytest.mark.rfc(14, "count-object", "count-operator", "count-max")
@pytest.mark.parametrize(
    ("value", "values"),
    [
        ({"min": 2, "max": 16, "operator": "^", "operand": 2}, [2, 4, 16]),
        ({"min": 2, "max": 16, "operator": "*", "operand": 2}, [2, 4, 8, 16]),
        ({"min": 1, "max": 3, "operator": "+", "operand": 2}, [1, 3]),
    ],
)
def test_ranges_of_flux_core(value, values):
    assert list(parse(value).values()) == values


@pytest.mark.rfc_vectors(45)
@pytest.mark.rfc(45, "maximum", "no-maximum", "operators", "omit-plus", "omit-one", "brackets")
@pytest.mark.parametrize(
    ("text", "obj"),
    [
        ("1-5:2:+", {"min": 1, "max": 5, "operator": "+", "operand": 2}),
        ("1-5:2", {"min": 1, "max": 5, "operator": "+", "operand": 2}),
        ("1-4:1:+", {"min": 1, "max": 4, "operator": "+", "operand": 1}),
        ("1-4", {"min": 1, "max": 4, "operator": "+", "operand": 1}),
        ("[1-4:2:*]", {"min": 1, "max": 4, "operator": "*", "operand": 2}),
        ("[100+]", {"min": 100}),
        ("3-3", 3),
        ("2+", {"min": 2}),
        ("2-5:3", {"min": 2, "max": 5, "operator": "+", "operand": 3}),
        ("2-8:2:*", {"min": 2, "max": 8, "operator": "*", "operand": 2}),
        ("25-133:17", {"min": 25, "max": 133, "operator": "+", "operand": 17}),
    ],
)
def test_range_strings(text, obj):
    assert parse(text).encode() == obj
    assert parse(parse(text).encode()) == parse(text)


@pytest.mark.rfc_vectors(45)
@pytest.mark.rfc(45, "decimal", "operators", "characters")
@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "[0]", "{}", "3-2:1:+", "2-8:01", "2-8:1;+", "2-8:1:*", "2-8:1:^", "2-8:1:/", "2-8:1:++"),
        *("4.2", "x", "01,2", "3,2"),
    ],
)
def test_range_strings_that_flux_core_refuses(text):
    with pytest.raises(FormatError):
        parse(text)


@pytest.mark.rfc(14, "count-string", "count-integer")
@pytest.mark.parametrize(
    ("value", "values"),
    [
        ({"min": 3, "max": 5}, [3, 4, 5]),
        ("4,9,16,25", [4, 9, 16, 25]),
        ("[2-3,7]", [2, 3, 7]),
        ("2-5:3", [2, 5]),
        ("2-8:2:*", [2, 4, 8]),
        ("[1-4:2:*]", [1, 2, 4]),
        ("1-5:2:+", [1, 3, 5]),
        ("7", [7]),
        (7, [7]),
    ],
)
def test_values(value, values):
    count = parse(value)
    assert list(count.values()) == values
    assert (count.min, count.max) == (values[0], values[-1])
    assert [n for n in range(30) if n in count] == values
    assert count.largest(values[0] - 1) is None
    assert count.largest(10**9) == values[-1]


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("3-3", "3"),
        ("2+", "2+"),
        ("2+:1:+", "2+"),
        ("1-5:2:+", "1-5:2"),
        ("1-4:1:+", "1-4"),
        ("25-133:17", "25-133:17"),
        ("[100+]", "100+"),
        ("1,2,3", "1-3"),
        ("1,3", "1,3"),
    ],
)
def test_shortest_string(text, short):
    count = parse_string(text)
    assert str(count) == short
    assert parse_string(short) == count
    assert hash(parse_string(short)) == hash(count)
    assert repr(count) == f"Count('{short}')"


@pytest.mark.rfc(45, "decimal", "characters")
@pytest.mark.parametrize(
    "text",
    [
        *(
            "0",
            "1-8:2:^",
            "-1",
            "1-",
            "+",
            "3:2",
            "2-8:2:*:3",
            "0,1",
            "1-2+",
            "+2",
            "1_0-20",
            "2-8:2:**",
            "1 - 4",
        ),
        *("99999999999", "1-99999999999", "1,99999999999", "[1-4", "1-4]", "٣-٤", "00-2"),
    ],
)
def test_invalid_strings(text):
    with pytest.raises(FormatError):
        parse_string(text)


@pytest.mark.rfc(14, "count-max", "count-operator", "count-power", "count-pair")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "expected an integer >= 1, got 0"),
        (True, "expected an integer >= 1, a string or an object, got true"),
        (2**31, f"expected an integer <= {MAX_COUNT}"),
        ({"max": 3}, "missing key 'min'"),
        ({"min": 3, "operand": 2}, "operator and operand need each other"),
        ({"min": 3, "max": 2}, "max 2 is below min 3"),
        ({"min": 1, "operator": "^", "operand": 2}, "min: expected an integer >= 2"),
        ({"min": 1, "operator": "*", "operand": 1}, "operand: expected an integer >= 2"),
        ({"min": 1, "operator": [], "operand": 1}, "operator: expected one of"),
        ({"min": 1, "step": 1}, "unknown key 'step'"),
    ],
)
def test_refusals(value, text):
    with pytest.raises(FormatError) as info:
        parse(value)
    assert str(info.value).startswith(text)


def test_a_billion_costs_nothing():
    count = parse_string("1-1000000000")
    assert count.largest(10**9) == 10**9
    assert 999_999_999 in count
    assert list(islice(parse_string("5+:5").values(), 3)) == [5, 10, 15]
    assert parse_string("3+:2:^").largest(10**9) == 3**16


def test_enormous_counts_are_bounded():
    top = MAX_COUNT
    power = parse_string(f"2+:{top}:^")
    assert list(power.values()) == [2]
    assert power.largest(10**9) == 2
    assert 3 not in power
    assert list(parse_string(f"2-{top}:{top}:^").values()) == [2]
    assert list(parse_string("65536+:2:^").values()) == [65536]
    assert list(parse_string(f"{top}+").values()) == [top]
    assert parse_string(f"1+:{top}").largest(10_000) == 1
    assert parse_string("[1,3-100000000]").largest(10_000) == 10_000
    assert parse_string("[1,3-100000000]").largest(2) == 1


@given(
    st.integers(2, 20), st.integers(0, 100), st.sampled_from("+*^"), st.integers(2, 5), st.integers(0, 150)
)
def test_largest_agrees_with_values(low, span, operator, operand, available):
    count = Count(low, low + span, operator, operand)
    fitting = [n for n in count.values() if n <= available]
    assert count.largest(available) == (fitting[-1] if fitting else None)
    assert parse_string(str(count)) == (count if span else Count(low, low))


@given(st.text(st.sampled_from("0123456789-+:*^,[] ")) | st.text())
def test_any_text_is_a_count_or_refused(text):
    try:
        count = parse_string(text)
    except FormatError:
        return
    assert count.min >= 1
    assert count.min in count


@pytest.mark.parametrize(
    "text",
    [
        ",".join(map(str, range(1, 150_000, 1))),
        ",".join(map(str, range(1, 300_000, 2))),
        "1" * 1_000_000,
        "1-2:" * 250_000,
        "[" * 1_000_000,
        "1," * 500_000,
    ],
    ids=range(6),
)
def test_a_megabyte_takes_linear_time(text):
    try:
        assert parse_string(text).largest(10**9) in (149_999, 299_999)
    except FormatError as error:
        assert len(str(error)) < 200  # noqa: PT017


def test_idsets_stay_as_short_as_their_text():
    for number in range(20_000):
        count = parse_string(f"{number + 1},100000000-134217726")
        assert (count.largest(10**8 - 1), count.largest(10**9)) == (number + 1, 134217726)
    assert parse_string("1,3-4").ids == Idset("1,3-4")
    assert Count(1, 4, ids=Idset("1,3-4")) == parse_string("[1,3,4]")
    assert parse_string("1-4,5").ids is None
