# SPDX-License-Identifier: LGPL-3.0-or-later
"""Values at paths in JSON objects."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.treedict import merge, put, with_value

keys = st.sampled_from("abc")
trees = st.recursive(
    st.integers(0, 3), lambda values: st.dictionaries(keys, values, min_size=1, max_size=3), max_leaves=8
)
objects = st.dictionaries(keys, trees, max_size=3)
paths = st.lists(keys, min_size=1, max_size=4).map(".".join)


def lookup(obj, path):
    for step in path.split("."):
        obj = obj[step]
    return obj


def test_put():
    obj = {"a": {"b": 1}}
    put(obj, "a.c.d", 2)
    put(obj, "e", 3)
    assert obj == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    with pytest.raises(FormatError, match=r"^cannot set a\.b\.x\.y: a\.b is not an object$"):
        put(obj, "a.b.x.y", 2)


@given(objects, paths, trees)
def test_with_value_leaves_the_original_alone(obj, path, value):
    before = copy.deepcopy(obj)
    new = with_value(obj, path, value)
    assert lookup(new, path) == value
    assert obj == before
    head = path.partition(".")[0]
    assert all(new[key] is obj[key] for key in obj if key != head)
    try:
        put(before, path, value)
    except FormatError as error:
        with pytest.raises(FormatError, match=f"^{error}$"):
            with_value(obj, path, value, strict=True)
    else:
        assert with_value(obj, path, value, strict=True) == new == before


def test_with_value_of_no_object():
    assert with_value(None, "a.b", 1) == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("old", "changes", "new"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}),
        ({"a": {"b": 1}}, {"a": {"b": None}}, {}),
        ({"a": 1}, {"a": {"b": {}}}, {}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        ({"a": 1}, {"x": None}, {"a": 1}),
    ],
)
def test_merge(old, changes, new):
    before = copy.deepcopy(old)
    assert merge(old, changes) == new
    assert old == before
