# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin dump, restore, fsck, gc: what they print, and that what was dumped is what is restored."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from rosin.handle import Flux
from rosin.rfc import treeobj
from rosin.testing.process import RealInstance


@pytest.fixture
def h(real_instance: RealInstance):
    with Flux(real_instance.uri) as handle:
        yield handle


def put(h, **objs):
    ops = [{"key": key.replace("__", "."), "flags": 0, "dirent": obj} for key, obj in objs.items()]
    return h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": ops}).get()


def tree(h, key):
    """All below a key, as names with what they hold."""
    found = {}
    todo = [key]
    while todo:
        key = todo.pop()
        try:
            answer = h.rpc("kvs.lookup", {"key": key, "namespace": "primary", "flags": 2}).get()
        except OSError:
            pass  # no link
        else:
            obj = answer["val"]
            found[key] = obj["data"]
            continue
        try:
            answer = h.rpc("kvs.lookup", {"key": key, "namespace": "primary", "flags": 1}).get()
        except NotADirectoryError:
            answer = h.rpc("kvs.lookup", {"key": key, "namespace": "primary", "flags": 0}).get()
            found[key] = treeobj.val_data(answer["val"])
            continue
        entries = answer["val"]["data"]
        found[key] = sorted(entries)
        todo += [f"{key}.{name}" for name in entries]
    return found


CONTENTS = {
    "t__small": treeobj.val(b"x"),
    "t__empty": treeobj.val(b""),
    "t__large": treeobj.val(os.urandom(200_000)),
    "t__a__b__c": treeobj.val(b"d" * 80),
    "t__link": treeobj.symlink("t.small"),
    "t__other": treeobj.symlink("k", "elsewhere"),
    "t__nothing": treeobj.dirobj(),
    "t__\u00fc n\n": treeobj.val(b"odd name"),
}


def key_of(h, tmp_path, rosin, name="x.tgz", *options):
    """Dump all, and restore it to a key."""
    path = str(tmp_path / name)
    assert rosin("dump", "-q", path).code == 0
    done = rosin("restore", *options, "--key=copy", path)
    assert done.code == 0, done.err
    return done


@pytest.mark.parametrize("name", ["x.tar", "x.tgz", "x.tar.gz", "x.tbz", "x.txz"])
@pytest.mark.parametrize("option", ["--maxreqs=1", "--no-cache"])
def test_what_was_dumped_is_restored(rosin, h, tmp_path, name, option):
    put(h, **CONTENTS)
    before = tree(h, "t")
    done = key_of(h, tmp_path, rosin, name, option)
    assert "writing snapshot sha1-" in done.err
    assert done.err.endswith(" to KVS key 'copy'\n")
    copied = {key.removeprefix("copy."): value for key, value in tree(h, "copy.t").items()}
    assert copied == before
    put(h, copy=None, t=None)


def test_output_and_input(rosin, h, tmp_path):
    put(h, t__a=treeobj.val(b"1"), t__l=treeobj.symlink("t.a"))
    done = rosin("dump", "-v", str(tmp_path / "x.tgz"))
    assert {"t/a", "t/l"} <= set(done.err.splitlines())
    count = len(done.err.splitlines())
    done = rosin("dump", str(tmp_path / "x.tgz"))
    assert done.err.endswith(f"\rrosin-dump: archived {count} keys\n")
    assert done.err.startswith("\rrosin-dump: archived 1 keys\rrosin-dump: archived 2 keys")
    done = rosin("restore", "-v", "--key=zz", str(tmp_path / "x.tgz"))
    assert "t/l -> t.a" in done.err.splitlines()
    done = rosin("restore", "-q", "--key=zz", str(tmp_path / "x.tgz"))
    assert (done.code, done.err) == (0, "")
    put(h, zz=None, t=None)


def test_files_are_for_their_owner_alone(rosin, tmp_path):
    assert rosin("dump", "-q", str(tmp_path / "x.tgz")).code == 0
    assert (tmp_path / "x.tgz").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["x.tgz"]


def test_a_dump_that_fails_leaves_what_there_was(rosin, h, tmp_path):
    missing = treeobj.dirref("sha1-" + "5" * 40)
    path = tmp_path / "x.tgz"
    path.write_bytes(b"the dump of yesterday")
    put(h, t__gone=missing)
    try:
        done = rosin("dump", "-q", str(path))
        assert (done.code, done.err) == (1, "rosin-dump: t/gone: could not load content: missing\n")
        assert os.listdir(tmp_path) == ["x.tgz"]
        assert path.read_bytes() == b"the dump of yesterday"
        done = rosin("dump", "-q", "--ignore-failed-read", str(path))
        assert (done.code, done.err) == (0, "t/gone: could not load content: missing\n")
        with tarfile.open(path) as tar:
            assert tar.getnames()
        put(h, t__gone=treeobj.valref(["sha1-" + "6" * 40]))
        done = rosin("dump", "-q", str(path))
        assert done.code == 1
        assert done.err.startswith("rosin-dump: t/gone: missing blobref 0: ")
    finally:
        put(h, t=None)


def archive(path, *entries):
    """A tar file of (name, kind, data)."""
    with tarfile.open(path, "w") as tar:
        for name, kind, data in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.SYMTYPE:
                info.linkname = data
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def test_archives_that_others_made(rosin, h, tmp_path):
    path = str(tmp_path / "x.tar")
    archive(
        path,
        ("./a/./b", tarfile.REGTYPE, b"1"),
        ("a//c", tarfile.REGTYPE, b"2"),
        ("a/d.e", tarfile.REGTYPE, b"3"),
        ("big", tarfile.REGTYPE, b"4" * 100),
        ("fifo", tarfile.FIFOTYPE, b""),
        ("hard", tarfile.LNKTYPE, b""),
        ("./", tarfile.REGTYPE, b"5"),
        ("a/b", tarfile.REGTYPE, b"again"),
    )
    done = rosin("restore", "-q", "--size-limit=99", "--key=o", path)
    assert done.err.splitlines() == [
        "a/d.e: no part of a key may hold a dot, skipping",
        "big size 100 exceeds 99 limit, skipping",
        "./: an entry without a name, skipping",
    ]
    assert tree(h, "o") == {"o": ["a"], "o.a": ["b", "c"], "o.a.b": b"again", "o.a.c": b"2"}
    put(h, o=None)


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ([("a", tarfile.REGTYPE, b"1"), ("a/b", tarfile.REGTYPE, b"2")], "a in a/b is not a directory"),
    ],
)
def test_archives_that_are_no_tree(rosin, tmp_path, entries, text):
    path = str(tmp_path / "x.tar")
    archive(path, *entries)
    done = rosin("restore", "-q", "--key=o", path)
    assert (done.code, done.err) == (1, f"rosin-restore: {text}\n")


@pytest.mark.parametrize("cut", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("name", ["x.tar", "x.tgz", "x.tbz", "x.txz"])
def test_archives_that_are_cut_off_change_nothing(rosin, h, tmp_path, name, cut):
    put(h, t__large=treeobj.val(os.urandom(100_000)))
    path = tmp_path / name
    assert rosin("dump", "-q", str(path)).code == 0
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * cut)])
    done = rosin("restore", "-q", "--key=o", str(path))
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    whats = ["'{}' is damaged or cut off: "]
    if name == "x.tbz":  # whose first block may be all, which is no archive without its end
        whats.append("Unrecognized archive format: '{}': ")
    assert any(what.format(path) in done.err for what in whats)
    with pytest.raises(FileNotFoundError):
        tree(h, "o")
    put(h, t=None)


def test_an_archive_that_is_cut_off_between_entries_is_not_whole(rosin, h, tmp_path):
    path = tmp_path / "x.tar"
    archive(str(path), ("a", tarfile.REGTYPE, b"1"), ("b", tarfile.REGTYPE, b"2"))
    path.write_bytes(path.read_bytes()[:1024])
    done = rosin("restore", "-q", "--key=o", str(path))
    text = f"rosin-restore: '{path}' is damaged or cut off: it has no end\n"
    assert (done.code, done.err) == (1, text)
    with pytest.raises(FileNotFoundError):
        tree(h, "o")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["dump"], 2, "the following arguments are required: OUTFILE"),
        (["dump", "x.zip"], 1, "No such format 'x.zip': expected a name that ends with one of .tar"),
        (["dump", "--maxreqs=0", "x.tar"], 2, "expected a number from 1 on, such as 16"),
        (["dump", "/nonexistent/x.tar"], 1, "Failed to open '/nonexistent/x.tar': No such file"),
        (["restore", "x"], 1, "Please specify a restore target with --checkpoint or --key"),
        (["restore", "--checkpoint", "x"], 1, "please unload kvs module before using --checkpoint"),
        (["restore", "--key=a", "/nonexistent"], 1, "Failed to open '/nonexistent': No such file"),
        (["restore", "--key=a", "/tmp"], 1, "Failed to open '/tmp': Is a directory"),
        (["restore", "--key=a", "/dev/null"], 1, "Unrecognized archive format: '/dev/null'"),
        (["restore", "--size-limit=zz", "--key=a", "x"], 2, "not a size: 'zz'"),
        (["fsck", "-r", "zz"], 1, "invalid blobref specified: 'zz'"),
        (["fsck", "--repair"], 1, "please unload kvs module before using flux-fsck --repair"),
        (["gc", "--maxreqs=x"], 2, "expected a number from 1 on, such as 16"),
    ],
)
def test_mistakes(rosin, words, code, text):
    done = rosin(*words)
    assert done.code == code
    assert text in done.err
    assert "Traceback" not in done.err


def test_fsck_of_a_root(rosin, h):
    ref = put(h, t__v=treeobj.valref(["sha1-" + "6" * 40]), t__d=treeobj.dirref("sha1-" + "7" * 40))[
        "rootref"
    ]
    try:
        h.rpc("kvs.commit", {"namespace": "primary", "flags": 4, "ops": []}).get()
        done = rosin("fsck", "-r", ref)
        lines = ["rosin-fsck: t.d: missing dirref blobref", "rosin-fsck: t.v: missing blobref(s)"]
        assert (done.code, sorted(done.err.splitlines())) == (1, ["rosin-fsck: Total errors: 2", *lines])
        done = rosin("fsck", "-v", "-r", ref)
        assert "rosin-fsck: t.v: missing blobref index=0" in done.err.splitlines()
        assert "rosin-fsck: " not in done.err.splitlines()  # the root is no key
        done = rosin("fsck", "-r", "sha1-" + "8" * 40)
        assert done.err.splitlines() == [
            "rosin-fsck: : missing dirref blobref",
            "rosin-fsck: Total errors: 1",
        ]
    finally:
        put(h, t=None)


def test_fsck_and_gc_of_a_store_that_is_whole(rosin, h):
    h.rpc("kvs.commit", {"namespace": "primary", "flags": 4, "ops": []}).get()
    done = rosin("fsck")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Checking integrity of checkpoint from 20")
    done = rosin("gc", "-v")
    assert done.code == 0
    assert "rosin-gc: gc complete: marked " in done.err.splitlines()[-1]
