# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 37: archives as JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.archive.extents import chunks
from rosin.errors import FormatError
from rosin.rfc import archive
from rosin.rfc.archive import JSON_NULL, Entry

REF = "sha1-d4a09c5dd5a0d2d570066b6f13e465c73c3f9944"
MIB = 1 << 20

# The examples of the text, and what their content is.
EXAMPLES = [
    ({"path": "appdata/phase1", "mode": 16893, "mtime": 1677604007, "ctime": 1677604007}, None),
    ({"path": "src", "mode": 41471, "data": "/users/fred/work/project"}, None),
    ({"path": "data/empty", "mode": 33204, "size": 0, "mtime": 1677604909, "ctime": 1677604909}, b""),
    (
        {"path": "config.json", "mode": 33204, "data": {"resource": {"exclude": "node42"}}},
        b'{"resource":{"exclude":"node42"}}',
    ),
    (
        {
            "path": "data.csv",
            "mode": 33204,
            "encoding": "utf-8",
            "data": "iteration,density\n1,35435.555\n2,356655.332\n3,5454545.500\n",
            "size": 57,
        },
        b"iteration,density\n1,35435.555\n2,356655.332\n3,5454545.500\n",
    ),
    (
        {
            "path": "vectors.dat",
            "mode": 33204,
            "encoding": "base64",
            "data": "MzU0MzUuNTU1CjIsMzU2NjU1LjMzMgozLDU0NTQ1NDUuNTAwCg==",
            "size": 37,
        },
        b"35435.555\n2,356655.332\n3,5454545.500\n",
    ),
    (
        {
            "path": "kernel8.img",
            "size": 8194604,
            "mtime": 1674520056,
            "ctime": 1674520057,
            "mode": 33261,
            "encoding": "blobvec",
            "data": [*([n * MIB, MIB, REF] for n in range(7)), [7 * MIB, 854572, REF]],
        },
        None,
    ),
]


@pytest.mark.rfc_vectors(37)
@pytest.mark.rfc(
    37,
    "array-or-object",
    "mode",
    "path",
    "times",
    "directory",
    "symlink",
    "empty-file",
    "json-content",
    "text-content",
    "binary-content",
    "blobvec-content",
)
@pytest.mark.parametrize(("obj", "content"), EXAMPLES)
def test_examples_of_the_text(obj, content):
    (entry,) = archive.decode([obj])
    assert archive.encode([entry]) == [obj]
    by_path = archive.encode_dict([entry])
    assert by_path == {obj["path"]: {key: value for key, value in obj.items() if key != "path"}}
    assert archive.decode(by_path) == [entry]
    assert archive.decode_text(json.dumps(by_path)) == [entry]
    if content is not None:
        assert entry.content() == content
        assert entry.size in (len(content), None)
    else:
        with pytest.raises(FormatError, match="the content is not in the archive"):
            entry.content()


@pytest.mark.rfc_vectors(37)
@pytest.mark.rfc(37, "json-content")
def test_json_content_has_quotes_and_no_size():
    obj = {"path": "a", "mode": 33204, "data": "text"}
    (entry,) = archive.decode([obj])
    assert entry.content() == b'"text"'
    with pytest.raises(FormatError, match="a: size: JSON content has none"):
        archive.decode([{**obj, "size": 6}])


@pytest.mark.rfc(37, "blobvec-content")
def test_regions():
    (entry,) = archive.decode([EXAMPLES[-1][0]])
    assert entry.regions()[:2] == [(0, MIB, REF), (MIB, MIB, REF)]
    assert sum(size for _, size, _ in entry.regions()) == entry.size
    assert archive.directory("a").regions() == []


@pytest.mark.rfc(37, "path-traversal")
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("../x", marks=pytest.mark.rfc_vectors(37)),
        "/etc/passwd",
        "//a",
        "..",
        "../a",
        "a/../b",
        "a/..",
        "./..",
        "a\0b",
        "x" * 5000,
        "/" * 100_000,
        "",
    ],
)
def test_paths_that_lead_away(path):
    with pytest.raises(FormatError, match="archive: "):
        archive.decode([{"path": path, "mode": 33188, "size": 0}])
    with pytest.raises(FormatError, match="archive: "):
        archive.decode({path: {"mode": 33188, "size": 0}})
    with pytest.raises(FormatError, match="archive: "):
        archive.file(path, b"")


@pytest.mark.parametrize(
    ("path", "clean"),
    [("./a", "a"), ("a//b", "a/b"), ("a/./b/", "a/b"), ("..a/b..", "..a/b.."), ("...", "...")],
)
def test_harmless_paths(path, clean):
    (entry,) = archive.decode([{"path": path, "mode": 33188, "size": 0}])
    assert entry.path == clean


def test_the_directory_itself_is_left_out():
    assert archive.decode([{"path": ".", "mode": 16877}, {"path": "./a", "mode": 16877}]) == [
        Entry("a", 0o40755)
    ]
    with pytest.raises(FormatError, match="names no file"):
        archive.decode([{"path": ".", "mode": 33188, "size": 0}])


@pytest.mark.rfc(37, "path-traversal")
@pytest.mark.parametrize(
    ("entries", "error"),
    [
        (
            [archive.symlink("a", "/etc"), archive.file("a/passwd", b"")],
            "a/passwd is below a, which is a symb",
        ),
        ([archive.file("a/b/c", b""), archive.symlink("a", "/etc")], "a/b/c is below a, which is a symbolic"),
        ([archive.file("a", b""), archive.directory("a/b")], "a/b is below a, which is a file"),
        ([archive.file("a", b""), archive.file("a-", b""), archive.file("a/b", b"")], "a/b is below a"),
        ([archive.file("a", b""), archive.symlink("a", "/etc")], "a is there twice"),
    ],
)
def test_entries_that_do_not_go_together(entries, error):
    with pytest.raises(FormatError, match=error):
        archive.encode(entries)
    with pytest.raises(FormatError, match=error):
        archive.encode_dict(entries)
    with pytest.raises(FormatError, match=error):
        archive.decode([entry.encode() for entry in entries])


def test_siblings_go_together():
    paths = ["a", "a-b", "a.b", "ab", "b/a", "b-"]
    assert [e.path for e in archive.decode(archive.encode([archive.file(p, b"") for p in paths]))] == paths


REGULAR = {"path": "a", "mode": 33188}
INVALID = [
    (3, "expected an array or an object, got 3"),
    ([3], r"\[0\]: expected an object, got 3"),
    ([{"mode": 33188, "size": 0}], r"\[0\].path: expected a path, got null"),
    ({"a": {"path": "a", "mode": 33188, "size": 0}}, "a: there is a path inside"),
    ([{"path": "a", "size": 0}], "a: mode: expected a file mode, got null"),
    ([{"path": "a", "size": 0, "mode": True}], "a: mode: expected a file mode, got true"),
    ([{"path": "a", "mode": 0o10644}], "a: mode: 0o10644 is no file"),
    ([{**REGULAR, "size": -1}], "a: size: expected an integer of 0 or more, got -1"),
    ([{**REGULAR, "size": 1 << 63}], "a: size: expected an integer"),
    ([{**REGULAR, "size": 0, "mtime": 1.5}], "a: mtime: expected an integer, got 1.5"),
    ([REGULAR], "a: size: a file without data needs one"),
    ([{"path": "d", "mode": 16893, "size": 0}], "d: size: a directory has none"),
    ([{"path": "d", "mode": 16893, "data": None}], "d: data: a directory has none"),
    ([{"path": "d", "mode": 16893, "encoding": "utf-8"}], "d: encoding: a directory has none"),
    ([{"path": "l", "mode": 41471}], "l: data: expected the target"),
    ([{"path": "l", "mode": 41471, "data": ""}], "l: data: expected the target"),
    ([{"path": "l", "mode": 41471, "data": "a\0"}], "l: data: expected the target"),
    ([{"path": "l", "mode": 41471, "data": ["a"]}], "l: data: expected the target"),
    ([{"path": "l", "mode": 41471, "data": "a", "size": 1}], "l: size: a symbolic link has none"),
    (
        [{"path": "l", "mode": 41471, "data": "a", "encoding": "utf-8"}],
        "l: encoding: a symbolic link has none",
    ),
    ([{**REGULAR, "data": {}, "size": 2}], "a: size: JSON content has none"),
    (
        [{**REGULAR, "data": "a", "encoding": "UTF-8", "size": 1}],
        "a: encoding: expected utf-8, base64, blobvec",
    ),
    ([{**REGULAR, "data": 3, "encoding": "utf-8", "size": 1}], "a: data: expected a string, got 3"),
    ([{**REGULAR, "encoding": "utf-8", "size": 1}], "a: data: expected a string, got null"),
    ([{**REGULAR, "data": "\ud800", "encoding": "utf-8", "size": 1}], "a: data: not utf-8 text"),
    ([{**REGULAR, "data": "a", "encoding": "base64", "size": 1}], "a: data: not base64 text"),
    ([{**REGULAR, "data": "AAAA=", "encoding": "base64", "size": 9}], "a: data: not base64 text"),
    ([{**REGULAR, "data": "é", "encoding": "utf-8", "size": 1}], "a: size: 1 is less than the 2 bytes"),
    ([{**REGULAR, "data": "", "encoding": "blobvec", "size": 1}], "a: data: expected an array of regions"),
    ([{**REGULAR, "data": [], "encoding": "blobvec"}], "a: size: a file of blobs needs one"),
    ([{**REGULAR, "data": [[0, 1]], "encoding": "blobvec", "size": 1}], r"a: data\[0\]: expected \[offset"),
    (
        [{**REGULAR, "data": [[0, 0, REF]], "encoding": "blobvec", "size": 1}],
        r"a: data\[0\]: expected an off",
    ),
    (
        [{**REGULAR, "data": [[0, 1, "x"]], "encoding": "blobvec", "size": 1}],
        r"a: data\[0\]: invalid blobref",
    ),
    ([{**REGULAR, "data": [[0, 2, REF]], "encoding": "blobvec", "size": 1}], r"a: data\[0\]: ends at 2"),
    (
        [{**REGULAR, "data": [[0, 2, REF], [1, 1, REF]], "encoding": "blobvec", "size": 9}],
        r"a: data\[1\]: begins at 1, before the end",
    ),
    ([{"path": "\ud800", "mode": 33188, "size": 0}], "not valid Unicode"),
]


@pytest.mark.rfc(37, "array-or-object", "mode", "path", "directory", "symlink", "json-content")
@pytest.mark.parametrize(("value", "error"), INVALID)
def test_invalid_archives(value, error):
    with pytest.raises(FormatError, match=f"archive: .*{error}"):
        archive.decode(value)


@pytest.mark.rfc(37, "json-content")
@pytest.mark.parametrize(("data", "content"), [(None, b"null"), ("text", b'"text"'), ([1, 2.5], b"[1,2.5]")])
def test_json_content(data, content):
    entry = archive.json_file("a", data)
    assert entry.content() == content
    assert entry.encode()["data"] == data
    assert archive.decode([entry.encode()]) == [entry]


def test_null_is_not_nothing():
    assert archive.json_file("a", None).data is JSON_NULL
    assert archive.json_file("a", None) != archive.file("a", b"")
    assert repr(JSON_NULL) == "JSON_NULL"


@pytest.mark.rfc(37, "text-content", "binary-content", "empty-file")
@given(st.binary() | st.text().map(str.encode))
def test_files_in_place(content):
    entry = archive.file("a", content, 0o600, mtime=5)
    (again,) = archive.decode_text(json.dumps(archive.encode([entry])))
    assert (again, again.content(), again.size) == (entry, content, len(content))
    assert again.permissions == 0o600


@pytest.mark.rfc(37, "sparse")
@given(
    st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), max_size=9),
    st.integers(1, 40),
    st.integers(0, 9),
)
def test_sparse_files(gaps, chunksize, tail):
    extents, at = [], 0
    for gap, size in gaps:
        extents.append((at + gap, size))
        at += gap + size
    pieces = chunks(extents, chunksize)
    covered = [byte for offset, size in pieces for byte in range(offset, offset + size)]
    assert covered == [byte for offset, size in extents for byte in range(offset, offset + size)]
    assert all(0 < size <= chunksize for _, size in pieces)
    entry = archive.blobvec("a", at + tail, [(offset, size, REF) for offset, size in pieces])
    (again,) = archive.decode([entry.encode()])
    assert again.regions() == [(offset, size, REF) for offset, size in pieces]


def test_a_chunk_has_a_size():
    with pytest.raises(FormatError, match="above 0"):
        chunks([], 0)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["path", "mode", "size", "data", "encoding", "a/b", "a\nb", "x" * 300]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_any_value(value):
    try:
        entries = archive.decode(value)
    except FormatError as error:
        fault = str(error)
    else:
        assert archive.decode(archive.encode(entries)) == entries
        return
    assert "\n" not in fault
    assert len(fault) < 300


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "",
        "x",
        '[{"path":"' + "a/" * 500_000 + '"}]',
        b"\xff",
        "[" * (1 << 20),
    ],
)
def test_hostile_text(text):
    with pytest.raises(FormatError, match="archive: "):
        archive.decode_text(text)


def test_many_entries():
    many = [{"path": "/".join("x" * (n % 300 + 1)) + f"/{n}", "mode": 33188, "size": 0} for n in range(4000)]
    assert len(archive.decode(many)) == 4000
    many = [{"path": "x", "mode": 33188, "size": 0}] * 20_000
    with pytest.raises(FormatError, match="x is there twice"):
        archive.decode(many)
    deep = [{"path": "x/" * n + "y", "mode": 33188, "size": 0} for n in range(1000)]
    assert len(archive.decode(deep)) == 1000
