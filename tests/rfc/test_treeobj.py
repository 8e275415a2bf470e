# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 11: KVS tree objects."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import blobref, treeobj

REF = "sha1-da39a3ee5e6b4b0d3255bfef95601890afd80709"
refs = st.binary().map(blobref.blobref)
leaves = st.one_of(
    st.binary().map(treeobj.val),
    st.lists(refs, min_size=1, max_size=4).map(treeobj.valref),
    refs.map(treeobj.dirref),
    st.builds(treeobj.symlink, st.text(), st.none() | st.text()),
)
trees = st.recursive(leaves, lambda inner: st.dictionaries(st.text(), inner, max_size=4).map(treeobj.dirobj))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["ver", "type", "data", "target", "a"]), inner, max_size=4)
    ),
)


@pytest.mark.rfc_vectors(11)
@pytest.mark.rfc(11, "objects", "dir", "val")
@pytest.mark.parametrize(
    ("obj", "text", "ref"),
    [
        (
            treeobj.dirobj(),
            b'{"data":{},"type":"dir","ver":1}',
            "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91",
        ),
        (
            treeobj.dirobj({"a": treeobj.val(b"422\n")}),
            b'{"data":{"a":{"data":"NDIyCg==","type":"val","ver":1}},"type":"dir","ver":1}',
            "sha1-c3395e2f04624b57921eefa38ae69fc8f4d9b42f",
        ),
    ],
)
def test_canonical_encoding_hashes_to_the_known_references(obj, text, ref):
    assert treeobj.encode(obj) == text
    assert treeobj.decode(text) == obj
    assert blobref.blobref(text) == ref


OTHER = "sha1-" + "b" * 40
#: The examples of the text, with whole blobrefs.
EXAMPLES = {
    "valref": {"ver": 1, "type": "valref", "data": [REF, OTHER]},
    "val": {"ver": 1, "type": "val", "data": "NDIyCg=="},
    "dirref": {"ver": 1, "type": "dirref", "data": [REF]},
    "dir": {
        "ver": 1,
        "type": "dir",
        "data": {
            "a": {"ver": 1, "type": "dirref", "data": [REF]},
            "b": {"ver": 1, "type": "val", "data": "NDIyCg=="},
            "c": {"ver": 1, "type": "valref", "data": [REF, OTHER]},
            "d": {"ver": 1, "type": "dir", "data": {}},
        },
    },
    "symlink": {"ver": 1, "type": "symlink", "data": {"target": "a.a"}},
    "symlink elsewhere": {"ver": 1, "type": "symlink", "data": {"namespace": "a", "target": "b.b"}},
}
MADE = {
    "valref": treeobj.valref([REF, OTHER]),
    "val": treeobj.val(b"422\n"),
    "dirref": treeobj.dirref(REF),
    "dir": treeobj.dirobj(
        {
            "a": treeobj.dirref(REF),
            "b": treeobj.val(b"422\n"),
            "c": treeobj.valref([REF, OTHER]),
            "d": treeobj.dirobj(),
        }
    ),
    "symlink": treeobj.symlink("a.a"),
    "symlink elsewhere": treeobj.symlink("b.b", "a"),
}


@pytest.mark.rfc_vectors(11)
@pytest.mark.rfc(11, "objects", "val", "valref", "dir", "dirref", "symlink", "rolled-up")
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_the_text(name):
    assert MADE[name] == EXAMPLES[name]
    assert treeobj.decode(json.dumps(EXAMPLES[name])) == EXAMPLES[name]
    assert treeobj.decode(treeobj.encode(EXAMPLES[name])) == EXAMPLES[name]


@pytest.mark.rfc_vectors(11)
def test_the_example_that_is_reserved():
    bucket = [EXAMPLES["dirref"], None, None, None, None, None, EXAMPLES["dirref"], EXAMPLES["dirref"]]
    hdir = {"ver": 1, "type": "hdir", "data": {"size": 8, "func": "city32", "bucket": bucket}}
    with pytest.raises(FormatError, match="unknown type 'hdir'"):
        treeobj.validate(hdir)


@pytest.mark.rfc(11, "objects", "valref", "dirref", "symlink", "rolled-up")
@given(trees)
def test_round_trip(tree):
    treeobj.validate(tree)
    data = treeobj.encode(tree)
    assert treeobj.decode(data) == tree
    assert treeobj.encode(treeobj.decode(data)) == data


@given(st.binary())
def test_val_keeps_bytes(data):
    assert treeobj.val_data(treeobj.val(data)) == data


def test_val_data_refuses_other_objects():
    for obj in (
        treeobj.dirref(REF),
        {"type": "val"},
        {"type": "val", "data": "x"},
        {"type": "val", "data": 1},
        [],
    ):
        with pytest.raises(FormatError):
            treeobj.val_data(obj)


@pytest.mark.rfc(11, "objects", "valref", "dirref", "symlink", "val", "dir")
@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (None, "treeobj: expected an object, got null"),
        ({"ver": 1, "type": "hdir", "data": {}}, "treeobj: unknown type 'hdir'"),
        ({"ver": 1, "type": [], "data": {}}, "treeobj: unknown type an array"),
        ({"ver": 2, "type": "dir", "data": {}}, "treeobj: expected ver 1, got 2"),
        ({"ver": True, "type": "dir", "data": {}}, "treeobj: expected ver 1, got true"),
        ({"ver": 1, "type": "dir"}, "treeobj: expected exactly the keys ver, type and data"),
        (
            {"ver": 1, "type": "dir", "data": {}, "x": 1},
            "treeobj: expected exactly the keys ver, type and data",
        ),
        (treeobj.valref([]), "treeobj: valref: expected a non-empty array of blobrefs, got an array"),
        (treeobj.valref(["sha1-x"]), "treeobj: valref: invalid blobref 'sha1-x'"),
        ({"ver": 1, "type": "dirref", "data": [REF, REF]}, "treeobj: dirref: expected one blobref, got 2"),
        ({"ver": 1, "type": "val", "data": "NDIyCg="}, "treeobj: val: data is not base64 text"),
        ({"ver": 1, "type": "val", "data": "é"}, "treeobj: val: data is not base64 text"),
        ({"ver": 1, "type": "symlink", "data": {}}, "treeobj: symlink: expected data with a string 'target'"),
        (
            {"ver": 1, "type": "symlink", "data": {"target": "a", "namespace": 1}},
            "treeobj: symlink: expected a string 'namespace', got 1",
        ),
        (
            treeobj.dirobj({"a": treeobj.dirobj({"b": treeobj.dirobj({"c": 3})})}),
            "treeobj: a.b.c: expected an object, got 3",
        ),
    ],
)
def test_refusals_name_place_and_cause(obj, text):
    with pytest.raises(FormatError) as info:
        treeobj.validate(obj)
    assert str(info.value) == text


def test_depth_is_no_danger():
    tree = treeobj.dirobj()
    for _ in range(100_000):
        tree = treeobj.dirobj({"d": tree})
    treeobj.validate(tree)
    for hostile in (b'{"data":' * 200_000, b"[" * 100_000, b"[" * (1 << 20), b'"' * (1 << 20)):
        with pytest.raises(FormatError, match="treeobj: "):
            treeobj.decode(hostile)


@given(json_values)
def test_any_json_is_valid_or_refused(obj):
    try:
        treeobj.validate(obj)
    except FormatError:
        return
    assert obj["ver"] == 1


@given(st.binary())
def test_any_bytes_are_an_object_or_refused(data):
    try:
        treeobj.validate(treeobj.decode(data))
    except FormatError:
        pass


def test_large_values_keep_their_bytes_whatever_was_handled_before():
    one, two = b"1" * 10_000, b"2" * 10_000
    first, second = treeobj.val(one), treeobj.val(two)
    for _ in range(2):
        assert treeobj.val_data(first) == one
        assert treeobj.val_data(second) == two
    data = treeobj.val_data(first)
    assert treeobj.val(data) == first
    assert treeobj.val(bytearray(two)) == second
    assert treeobj.val_data(treeobj.val(data)) == one
