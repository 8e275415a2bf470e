# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin kvs in a real instance."""

import json
import os
import subprocess
import sys
import uuid

import pytest

pytestmark = pytest.mark.system


@pytest.fixture
def kvs(rosin, monkeypatch):
    """Run ``rosin kvs ARGS...`` in a namespace of its own."""
    name = f"test-{uuid.uuid4().hex}"
    assert rosin("kvs", "namespace", "create", name).code == 0
    monkeypatch.setenv("FLUX_KVS_NAMESPACE", name)
    yield lambda *argv, **kw: rosin("kvs", *argv, **kw)
    assert rosin("kvs", "namespace", "remove", name).code == 0


@pytest.fixture
def tree(kvs):
    assert kvs("put", "a.b=1", 'a.c={"x":1}', "a.d.e=foo", "z=3").code == 0
    return kvs


def test_put_and_get(tree):
    assert tree("get", "a.b", "a.c", "a.d.e").out == '1\n{"x":1}\nfoo\n'
    assert tree("get", "-l", "a.b").out == "a.b=1\n"
    assert tree("get", "-r", "a.b").out == "1"


def test_values_keep_every_byte(tree):
    assert tree("put", "-r", "x=-", stdin=b"\0\xff\n").code == 0
    assert json.loads(tree("get", "-t", "x").out)["data"] == "AP8K"


def test_empty_values_print_nothing(tree):
    tree("put", "x=")
    assert tree("get", "x") == (0, "", "")
    assert tree("get", "-l", "x").out == "x="


def test_append(tree):
    tree("put", "-A", "z=4")
    tree("put", "-A", "new=5")
    assert tree("get", "z", "new").out == "34\n5\n"


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["get", "nope"], "nope: "),
        (["get", "a"], "a: "),
        (["dir", "a.b"], "a.b: "),
        (["readlink", "a"], "a: "),
        (["put", "x"], "put: you must specify a value as key=value"),
        (["put", "=v"], "Invalid argument: a KVS key must not be empty"),
        (["mkdir", ""], "Invalid argument: a KVS key must not be empty"),
        (["get", ""], ": Invalid argument"),
        (["unlink", ""], "cannot unlink '': Invalid argument"),
        (["copy", "", "x"], "flux_kvs_copy: : Invalid argument"),
        (["get", "-N", "", "z"], "z: Operation not supported"),
        (["put", "-t", 'x={"ver":1}'], "x: Protocol error"),
        (["unlink", "nope"], "cannot unlink 'nope': No such file or directory: nope"),
        (["unlink", "a"], "cannot unlink 'a': Directory not empty"),
        (["copy", "nope", "x"], "flux_kvs_copy: No such file or directory: nope"),
        (["move", "nope", "x"], "flux_kvs_move: No such file or directory: nope"),
        (["get", "-a", "foo", "a"], "--at=foo: Invalid argument: treeobj: not valid JSON"),
        (["eventlog", "get", "nope"], "flux_kvs_lookup_get: "),
        (["eventlog", "wait-event", "nope", "x"], "eventlog path nope not found"),
        (["eventlog", "append", "e", "x", "[1]"], "eventlog_entry_create: Invalid argument"),
        (["eventlog", "append", "e", ""], "eventlog_entry_create: Invalid argument"),
        (["eventlog", "get", "-w", "-S", "e"], "flux_kvs_lookup_get: Invalid argument"),
        (["put", "-N", "missing", "a=1"], "flux_kvs_commit: "),
    ],
)
def test_errors_name_what_was_asked_for(tree, argv, text):
    result = tree(*argv)
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert result.err.startswith(f"rosin-kvs: {text}")


def test_dir(tree):
    assert tree("dir").out == "a.\nz = 3\n"
    assert tree("dir", "-R").out == 'a.b = 1\na.c = {"x":1}\na.d.e = foo\nz = 3\n'
    assert tree("dir", "-d").out == "a.\nz\n"


@pytest.mark.parametrize(("columns", "cut"), [("30", True), ("0", False), ("wide", False), (None, False)])
def test_values_in_a_pipe_are_cut_only_if_columns_are_given(tree, monkeypatch, columns, cut):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert tree("put", f"long={'x' * 100}").code == 0
    code, out, err = tree("dir")
    line = next(line for line in out.splitlines() if line.startswith("long"))
    assert (code, err, len(line), line.endswith("...")) == (0, "", 30 if cut else 107, cut)


def test_ls(tree):
    assert tree("ls").out == "a    z\n"
    assert tree("ls", "-1F").out == "a.\nz\n"
    assert tree("ls", "-RF").out == ".:\na.   z\n\na:\nb    c    d.\n\na.d:\ne\n"
    assert tree("ls", "z", "a", "a.d").out == "z\n\na:\nb    c    d\n\na.d:\ne\n"
    assert tree("ls", "-d", "a").out == "a\n"


def test_ls_goes_on_after_a_missing_key(tree):
    result = tree("ls", "nope", "z", "z.", "")
    assert (result.code, result.out) == (1, "z\n")
    assert result.err.splitlines() == [
        "nope: No such file or directory",
        "z: Not a directory",
        ": Invalid argument: a KVS key must not be empty",
    ]


def test_ls_follows_links_unless_it_shows_them(tree):
    for name, target in (("l", "a"), ("v", "z"), ("dead", "nowhere"), ("loop", "loop")):
        tree("link", target, name)
    assert tree("ls", "l").out == tree("ls", "a").out == "b    c    d\n"
    assert tree("ls", "v", "dead").out == "dead    v\n"
    assert tree("ls", "-F", "l", "a.").out == "l@\n\na:\nb    c    d.\n"
    assert tree("ls", "-d", "l", "a").out == "a    l\n"
    looped = tree("ls", "loop", "z")
    assert (looped.code, looped.out) == (1, "z\n")
    assert looped.err.startswith("loop: Too many levels of symbolic links")


def test_the_width_that_is_none(tree):
    tree("put", "lines=a\nb", f"long={'x' * 100}")
    assert tree("dir", "-w", "-1").out == tree("dir").out
    assert "lines = a\nb\n" in tree("dir", "-w", "0").out
    assert tree("dir", "-w", "2").out == tree("dir", "-w", "0").out


def test_a_value_in_pieces_is_a_line(tree):
    assert tree("get", "-S", "a.b", "z").out == "1\n3\n"
    assert tree("get", "-S", "-l", "a.b").out == "a.b=1\n"
    assert tree("get", "-S", "-r", "a.b").out == "1"
    assert tree("put", "none=").code == 0
    assert tree("get", "-S", "none").out == ""


def test_the_tree_object_of_a_raw_value(tree):
    assert tree("get", "-r", "-t", "z").out == tree("get", "-t", "z").out


def test_a_forced_unlink_of_nothing_is_a_commit(tree):
    root = tree("getroot", "-b").out
    assert tree("unlink", "-f", "-b", "nope") == (0, root, "")


def test_a_namespace_without_a_name_is_not_the_primary_one(rosin, monkeypatch):
    monkeypatch.setenv("FLUX_KVS_NAMESPACE", "")
    result = rosin("kvs", "put", "a=1")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("rosin-kvs: flux_kvs_commit: Operation not supported")


UNKNOWN = "sha1-" + "0" * 40


@pytest.mark.parametrize(
    "argv", [["ls", "d"], ["ls", "-R", "d"], ["dir", "d"], ["dir", "-R", "d"], ["get", "d.x"]]
)
def test_a_reference_to_nothing_is_an_error_with_its_key(tree, argv):
    tree("put", "-t", f'd={{"ver":1,"type":"dirref","data":["{UNKNOWN}"]}}')
    result = tree(*argv)
    key = argv[-1]
    text = f"No such file or directory: unknown blob {UNKNOWN}"
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"rosin-kvs: {key}: {text}")
    assert result.err.count("\n") == 1


def test_a_transaction_below_a_reference_to_nothing_fails_alone(tree):
    tree("put", "-t", f'a.r={{"ver":1,"type":"dirref","data":["{UNKNOWN}"]}}')
    result = tree("put", "a.r.x.y=1")
    text = f"flux_kvs_commit: No such file or directory: unknown blob {UNKNOWN} (key a.r)"
    assert (result.code, result.err) == (1, f"rosin-kvs: {text}\n")
    assert tree("put", "z=4").code == 0
    assert tree("put", "a.r=1").code == 0
    assert tree("get", "a.r").out == "1\n"


def test_a_directory_that_is_a_value_is_not_recoverable(tree):
    tree("put", "long=" + "x" * 200)
    ref = json.loads(tree("get", "-t", "long").out)["data"][0]
    tree("put", "-t", f'd={{"ver":1,"type":"dirref","data":["{ref}"]}}')
    for argv in (["dir", "d"], ["get", "d.x"], ["put", "d.x=1"]):
        result = tree(*argv)
        assert result.code == 1
        assert "State not recoverable" in result.err
        assert result.err.count("\n") == 1


def test_links(tree):
    tree("link", "a.b", "l")
    tree("link", "-T", "ns", "a.b", "m")
    assert tree("readlink", "l", "m").out == "a.b\nns::a.b\n"
    assert tree("get", "l").out == "1\n"
    assert tree("ls", "-F").out == "a.   l@   m@   z\n"
    assert tree("dir").out == "a.\nl -> a.b\nm -> ns::a.b\nz = 3\n"


def test_copy_move_unlink(tree):
    tree("copy", "a", "b")
    tree("move", "b.d.e", "e")
    assert tree("get", "e", "a.d.e").out == "foo\nfoo\n"
    assert tree("get", "b.d.e").code == 1
    assert tree("unlink", "-R", "b").code == 0
    assert tree("unlink", "-f", "b").code == 0
    assert tree("mkdir", "d").code == 0
    assert tree("unlink", "d").code == 0


def test_commits_print_the_root_when_asked(tree):
    ref = tree("put", "-b", "q=1").out.strip()
    assert tree("getroot", "-b").out.strip() == ref
    assert json.loads(tree("put", "-O", "q=1").out) == {"data": [ref], "type": "dirref", "ver": 1}
    assert int(tree("put", "-s", "q=1").out) == int(tree("version").out) == int(tree("getroot", "-s").out)
    assert int(tree("getroot", "-o").out) == os.getuid()
    assert tree("wait", tree("version").out.strip()).code == 0


def test_snapshots_do_not_change(tree):
    snapshot = tree("getroot").out.strip()
    tree("put", "z=4")
    assert tree("get", "-a", snapshot, "z").out == "3\n"
    assert tree("dir", "-a", snapshot).out == "a.\nz = 3\n"


def test_sync(tree):
    assert tree("sync").code == 0


def test_namespaces_are_listed(rosin):
    rosin("kvs", "namespace", "create", "listed", "-o", "1234")
    rows = [row.split() for row in rosin("kvs", "namespace", "list").out.splitlines()]
    assert rows[0] == ["NAMESPACE", "OWNER", "FLAGS"]
    assert ["listed", "1234", "0x00000000"] in rows
    assert rosin("kvs", "namespace", "create", "listed").err.startswith("rosin-kvs: listed: ")
    rosin("kvs", "namespace", "remove", "listed")


def follow(*argv):
    """A command in a process of its own, for what runs while something else happens."""
    return subprocess.Popen([sys.executable, "-m", "rosin", "kvs", *argv], stdout=subprocess.PIPE, text=True)


def test_watch(tree):
    with follow("get", "-w", "-c3", "z") as watcher:
        assert watcher.stdout.readline() == "3\n"
        tree("put", "z=4")
        assert watcher.stdout.readline() == "4\n"
        tree("put", "z=4", "other=1")
        assert watcher.stdout.readline() == "4\n"
        assert watcher.wait(30) == 0


def test_watch_of_several_keys(tree):
    with follow("get", "-w", "-l", "-c4", "z", "a.b") as watcher:
        assert sorted(watcher.stdout.readline() for _ in range(2)) == ["a.b=1\n", "z=3\n"]
        tree("put", "a.b=2")
        assert watcher.stdout.readline() == "a.b=2\n"
        tree("put", "z=4")
        assert watcher.stdout.readline() == "z=4\n"
        assert watcher.wait(30) == 0


def test_the_end_of_a_key_ends_a_watch(tree):
    with follow("get", "-w", "z", "a.b") as watcher:
        assert sorted(watcher.stdout.readline() for _ in range(2)) == ["1\n", "3\n"]
        tree("unlink", "z")
        assert watcher.wait(30) == 1


def test_watch_of_changes_only(tree):
    with follow("get", "-w", "-u", "-l", "-c2", "z") as watcher:
        assert watcher.stdout.readline() == "z=3\n"
        tree("put", "z=3")
        tree("put", "z=5")
        assert watcher.stdout.readline() == "z=5\n"
        assert watcher.wait(30) == 0


def test_wait_for_a_key(tree):
    with follow("get", "-W", "later") as waiter:
        tree("put", "later=1")
        assert waiter.communicate(timeout=30)[0] == "1\n"


def test_eventlog(kvs):
    kvs("eventlog", "append", "-t", "2.5", "log", "foo", '{"a": 1}')
    kvs("eventlog", "append", "-t", "3.5", "log", "bar")
    assert kvs("eventlog", "get", "log").out == "2.500000 foo a=1\n3.500000 bar\n"
    assert kvs("eventlog", "get", "-u", "log").out.splitlines()[1] == '{"timestamp":3.5,"name":"bar"}'
    assert kvs("eventlog", "get", "-w", "-c1", "log").out == "2.500000 foo a=1\n"
    assert kvs("eventlog", "wait-event", "log", "bar").out == "3.500000 bar\n"
    assert kvs("eventlog", "wait-event", "-v", "log", "bar").out == "2.500000 foo a=1\n3.500000 bar\n"
    assert kvs("eventlog", "wait-event", "-q", "log", "bar").out == ""
    assert kvs("eventlog", "wait-event", "-qv", "log", "bar").out == "2.500000 foo a=1\n"
    assert kvs("eventlog", "wait-event", "-t", "0", "log", "bar").out == "3.500000 bar\n"
    kvs("eventlog", "append", "-t", "0", "now", "foo")
    assert json.loads(kvs("get", "now").out)["timestamp"] > 1e9
    result = kvs("eventlog", "wait-event", "-t", "0.01s", "log", "never")
    assert (result.code, result.err) == (1, "rosin-kvs: wait-event timeout on event 'never'\n")


def test_eventlog_waits_for_what_comes(kvs):
    with follow("eventlog", "wait-event", "-W", "log", "bar") as waiter:
        kvs("eventlog", "append", "-t", "1", "log", "foo")
        kvs("eventlog", "append", "-t", "2", "log", "bar")
        assert waiter.communicate(timeout=30)[0] == "2.000000 bar\n"
