# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin archive and filemap: files in the key-value store and out of it."""

from __future__ import annotations

import json
import os

import pytest

pytestmark = pytest.mark.system


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A directory with a small and a large file, a hole, a link and a directory, from where it is seen."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d" / "sub").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "d" / "a").write_text("hi\n")
    (tmp_path / "d" / "a").chmod(0o750)
    (tmp_path / "d" / "link").symlink_to("a")
    (tmp_path / "d" / "sub" / "big").write_bytes(os.urandom(3000))
    with open(tmp_path / "d" / "sub" / "hole", "wb") as stream:
        stream.truncate(5000)
    return tmp_path


@pytest.fixture
def archive(rosin, files):
    """Run a subcommand, which is to succeed; what it prints."""

    def run(*words, command="archive"):
        result = rosin(command, *words)
        assert (result.code, result.err) == (0, "")
        return result.out

    yield run
    for name in ("main", "x", "deep/name"):
        rosin("archive", "remove", "-f", "-n", name)


LISTED = "d\nd/a\nd/link\nd/sub\nd/sub/big\nd/sub/hole\n"


def test_in_and_out_again(archive, files):
    assert archive("create", "-v", "d") == LISTED
    assert archive("list") == LISTED
    assert archive("list", "-l") == (
        "d 0755        0 d\nf 0750        3 d/a\nl 0777        0 d/link\n"
        "d 0755        0 d/sub\nf 0644     3000 d/sub/big\nf 0644     5000 d/sub/hole\n"
    )
    assert archive("extract", "-C", "out") == ""
    out = files / "out" / "d"
    assert (out / "sub" / "big").read_bytes() == (files / "d" / "sub" / "big").read_bytes()
    assert (out / "sub" / "hole").read_bytes() == bytes(5000)
    assert ((out / "a").stat().st_mode & 0o777, os.readlink(out / "link")) == (0o750, "a")


def test_some_of_the_files(archive, rosin):
    archive("create", "-n", "x", "-C", "d", ".")
    assert archive("list", "-n", "x", "./s*") == "sub\nsub/big\nsub/hole\n"
    assert archive("extract", "-n", "x", "-t", "-v", "*big") == "f 0644     3000 sub/big\n"
    result = rosin("archive", "extract", "-n", "x", "-v", "-C", "../out", "a")
    assert result == (0, "", "a\n")
    assert os.listdir("../out") == ["a"]
    assert rosin("archive", "list", "-n", "x", "no*") == (
        0,
        "",
        "rosin-archive: No files matched pattern 'no*'\n",
    )


def test_what_is_there_already(archive, rosin):
    archive("create", "d/a")
    result = rosin("archive", "create", "d/a")
    assert result == (
        1,
        "",
        "rosin-archive: archive.main: key exists: --overwrite or --append say what to do\n",
    )
    archive("create", "--append", "d/link")
    assert archive("list") == "d/a\nd/link\n"
    archive("create", "--overwrite", "d/link")
    assert archive("list") == "d/link\n"
    archive("extract", "-C", "out")
    assert rosin("archive", "extract", "-C", "out").err == "rosin-archive: d/link: File exists\n"
    archive("extract", "--overwrite", "-C", "out")


def test_blobs_are_kept_for_all_that_was_added(archive, rosin):
    """Garbage collection leaves what a key refers to; what is added must not take the place of others."""
    archive("create", "--preserve", "--chunksize=1K", "d/sub/big")
    archive("create", "--preserve", "--append", "--small-file-threshold=0", "d/a")
    refs = [ref for line in archive("list", "--raw").splitlines() for *_, ref in json.loads(line)["data"]]
    names = rosin("kvs", "ls", "-1", "archive.main_blobs").out.split()
    assert len(refs) == 4
    assert [
        ref
        for name in names
        for ref in json.loads(rosin("kvs", "get", "-t", f"archive.main_blobs.{name}").out)["data"]
    ] == refs
    archive("remove")
    assert rosin("kvs", "ls", "archive.main_blobs").code == 1


def test_files_that_stay_where_they_are(archive, rosin, files):
    archive("create", "-n", "x", "--mmap", "d")
    mapped = json.loads(rosin("module", "stats", "content").out)["mmap"]["tags"]["x"]
    assert mapped == [str(files / "d" / "sub" / "big")]
    archive("extract", "-n", "x", "-C", "out")
    assert (files / "out/d/sub/big").read_bytes() == (files / "d/sub/big").read_bytes()
    archive("remove", "-n", "x")
    assert "x" not in json.loads(rosin("module", "stats", "content").out)["mmap"]["tags"]


def test_an_absolute_path(archive, files):
    archive("create", f"{files}/d/a")
    assert archive("list") == f"{files}/d/a\n".removeprefix("/")


def test_filemap(rosin, archive):
    told = "rosin-filemap: filemap is deprecated: use archive instead\n"
    assert rosin("filemap", "map", "-T", "x", "-C", "d", "a") == (0, "", told)
    assert rosin("filemap", "list", "--tags=x") == (0, "a\n", told)
    assert rosin("filemap", "get", "-T", "x", "-C", "../out") == (0, "", told)
    assert os.listdir("../out") == ["a"]
    assert rosin("filemap", "unmap", "-T", "x") == (0, "", told)


def test_waiting_for_an_archive(rosin, real_instance, files):
    """Somebody else makes it."""
    import subprocess
    import sys

    words = [sys.executable, "-m", "rosin", "archive", "extract", "--waitcreate", "-t"]
    env = {**os.environ, "FLUX_URI": real_instance.uri}
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as waiting:
        assert rosin("archive", "create", "d/a").code == 0
        assert waiting.communicate(timeout=60)[0] == "d/a\n"
    assert rosin("archive", "remove").code == 0
    result = rosin("archive", "extract", "--waitcreate=0.01s")
    assert result.err == "rosin-archive: archive.main: key was not created within timeout window\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["create", "nosuch"], 1, "nosuch: No such file or directory"),
        (["create", "-C", "nosuch", "d"], 1, "chdir nosuch: No such file or directory"),
        (["create", "../x"], 1, "../x: No such file or directory"),
        (["create", "../" + "{name}" + "/d"], 1, "leads out of the archive: it has '..'"),
        (["create", "--mmap", "--preserve", "d"], 1, "--mmap cannot work with --preserve"),
        (["create", "--mmap", "--no-force-primary", "d"], 1, "--mmap cannot work with --no-force-primary"),
        (["create", "--append", "--overwrite", "d"], 1, "--overwrite and --append cannot be used together"),
        (["create", "--chunksize=x", "d"], 1, "--chunksize=x: not a size: 'x'"),
        (["create", "--chunksize=2G", "d"], 1, "--chunksize: value 2G too large (must be < 2G)"),
        (["create", "--small-file-threshold=3G", "d"], 1, "value 3G too large (must be < 2G)"),
        (["create", "fifo"], 1, "fifo: unsupported file type: no file, directory or symbolic link"),
        (["create"], 2, "the following arguments are required: PATH"),
        (["extract", "-n", "x"], 1, "KVS lookup archive.x: No such file or directory"),
        (["list", "-n", "x"], 1, "KVS lookup archive.x: No such file or directory"),
        (["list", "-n", "none"], 1, "archive.none is no archive"),
        (["remove", "-n", "x"], 1, "archive.x does not exist"),
        (["remove", "x"], 2, "unexpected argument 'x'"),
    ],
)
def test_what_is_refused(rosin, files, words, code, text):
    os.mkfifo("fifo")
    assert rosin("kvs", "put", "archive.none=5").code == 0
    result = rosin("archive", *(word.format(name=files.name) for word in words))
    assert (result.code, result.out) == (code, "")
    assert text in result.err


def test_a_foreign_archive_stays_below_its_directory(rosin, files):
    entry = {"path": "../outside", "mode": 0o100644, "data": "x", "encoding": "utf-8", "size": 1}
    assert rosin("kvs", "put", f"archive.x={json.dumps([entry])}").code == 0
    result = rosin("archive", "extract", "-n", "x", "-C", "out")
    assert (result.code, "leads out of the archive" in result.err) == (1, True)
    assert not os.path.exists("outside")
    assert rosin("archive", "remove", "-n", "x").code == 0
