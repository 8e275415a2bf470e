# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 6: typed payload fields."""

import pytest

from rosin.errors import FormatError
from rosin.rfc.payload import field, int_field, list_field

ARGS = {"s": "x", "i": 3, "f": 1.5, "b": True, "n": None, "o": {}, "a": ["x"], "huge": 10**400}


@pytest.mark.parametrize(
    ("name", "types", "value"),
    [
        ("s", str, "x"),
        ("i", int, 3),
        ("f", float, 1.5),
        ("i", (int, float), 3),
        ("b", bool, True),
        ("n", (str, type(None)), None),
        ("o", dict, {}),
        ("a", list, ["x"]),
    ],
)
def test_fetch(name, types, value):
    assert field(ARGS, name, types) == value


def test_a_whole_number_serves_as_float():
    value = field(ARGS, "i", float)
    assert (value, type(value)) == (3.0, float)


def test_defaults():
    assert field({}, "key", str, "none") == "none"
    assert field({}, "key", str, None) is None
    assert int_field({}, "key", 0, 31, None) is None
    assert list_field({}, "key", str, []) == []


@pytest.mark.parametrize(
    ("obj", "name", "types", "text"),
    [
        ({}, "key", str, "payload: missing field 'key'"),
        (ARGS, "i", str, "payload: field 'i': expected a string, got 3"),
        (ARGS, "b", int, "payload: field 'b': expected an integer, got true"),
        (ARGS, "b", (int, float), "payload: field 'b': expected an integer or a number, got true"),
        (ARGS, "f", int, "payload: field 'f': expected an integer, got 1.5"),
        (ARGS, "n", dict, "payload: field 'n': expected an object, got null"),
        (ARGS, "huge", float, "payload: field 'huge': the number is too large"),
        (None, "key", str, "payload: expected an object, got null"),
        ([1], "key", str, "payload: expected an object, got an array"),
    ],
)
def test_refusals_say_what_was_expected(obj, name, types, text):
    with pytest.raises(FormatError) as info:
        field(obj, name, types)
    assert str(info.value) == text


def test_long_values_are_shortened():
    with pytest.raises(FormatError) as info:
        field({"k": "x" * 10**6}, "k", int)
    assert len(str(info.value)) < 100


def test_int_field_checks_the_range():
    assert int_field({"urgency": 31}, "urgency", 0, 31) == 31
    with pytest.raises(FormatError, match="expected 0 to 31, got 32"):
        int_field({"urgency": 32}, "urgency", 0, 31)


def test_list_field_checks_every_element():
    assert list_field({"keys": ["a", "b"]}, "keys", str) == ["a", "b"]
    with pytest.raises(FormatError, match=r"'keys\[1\]': expected a string, got 2"):
        list_field({"keys": ["a", 2]}, "keys", str)
