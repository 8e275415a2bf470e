# SPDX-License-Identifier: LGPL-3.0-or-later
"""Archives that are extracted before a job's tasks start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.shell.fakes import FakeRPC, FakeShell

from rosin import _json
from rosin.rfc import archive, treeobj
from rosin.shell.errors import ShellError


def archives(**files: dict[str, bytes]) -> dict[str, Any]:
    """What the KVS has."""
    found = {}
    for name, contents in files.items():
        entries = [archive.file(path, data, 0o644) for path, data in contents.items()]
        found[f"archive.{name}"] = archive.encode(entries)
    return found


MAIN = archives(main={"a": b"1", "d/b.dat": b"22"}, two={"a": b"other"})


def stage(
    option: Any, tmp_path: Path, kvs: dict[str, Any] | None = None, rank: int = 3, level: int = 0
) -> FakeShell:
    shell = FakeShell({"stage-in": option}, rank=rank)
    shell.log.verbose = level
    (tmp_path / "job").mkdir(exist_ok=True)
    shell.info.tmpdir = str(tmp_path / "job")
    known = MAIN if kvs is None else kvs

    def rpc(topic: str, payload: Any, **_: Any) -> FakeRPC:
        assert (topic, payload["namespace"]) == ("kvs.lookup", "primary")
        future = FakeRPC(topic, payload)
        if payload["key"] in known:
            future.value = {"val": treeobj.val(_json.dumps(known[payload["key"]]))}
        else:
            future.value = FileNotFoundError(2, f"{payload['key']}: No such file or directory")
        return future

    shell.h.rpc = rpc
    shell.load("stage-in").shell_init()
    return shell


def found(directory: Path) -> dict[str, bytes]:
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (1, {"a": b"1", "d/b.dat": b"22"}),
        ({}, {"a": b"1", "d/b.dat": b"22"}),
        ({"names": ""}, {"a": b"1", "d/b.dat": b"22"}),
        ({"names": "two"}, {"a": b"other"}),
        ({"names": "main,two"}, {"a": b"other", "d/b.dat": b"22"}),
        ({"names": "two,main"}, {"a": b"1", "d/b.dat": b"22"}),
        ({"pattern": "*.dat"}, {"d/b.dat": b"22"}),
        ({"pattern": "./d/*"}, {"d/b.dat": b"22"}),
        ({"pattern": "nosuch"}, {}),
        (0, {}),
    ],
)
@pytest.mark.rfc(37)
def test_what_is_extracted(tmp_path: Path, option: Any, expected: dict[str, bytes]) -> None:
    assert stage(option, tmp_path).logged == []
    assert found(tmp_path / "job") == expected


def test_the_older_name_of_names(tmp_path: Path) -> None:
    shell = stage({"tags": "two", "names": "main"}, tmp_path)
    assert found(tmp_path / "job") == {"a": b"other"}
    assert shell.logged == [(4, "Setting stage-in.names to the value of deprecated option stage-in.tags.")]


@pytest.mark.parametrize(("prefix", "leader_only"), [("", False), ("local:", False), ("global:", True)])
def test_other_places(tmp_path: Path, prefix: str, leader_only: bool) -> None:
    (tmp_path / "x").mkdir()
    stage({"destination": f"{prefix}{tmp_path}/x"}, tmp_path, rank=7)
    assert found(tmp_path / "x") == ({} if leader_only else {"a": b"1", "d/b.dat": b"22"})
    stage({"destination": f"{prefix}{tmp_path}/x"}, tmp_path)
    assert found(tmp_path / "x") == {"a": b"1", "d/b.dat": b"22"}
    assert found(tmp_path / "job") == {}


def test_what_is_done_is_told(tmp_path: Path) -> None:
    shell = stage(1, tmp_path, level=2)
    first, *files, last = [text for _, text in shell.logged]
    assert first == f"=> {tmp_path}/job"
    assert files == ["f 0644        1 a", "f 0644        2 d/b.dat"]
    assert last.startswith("2 files ")
    assert last.endswith("MB/s")


@pytest.mark.parametrize(
    ("option", "kvs", "message"),
    [
        (
            {"destination": "foo:/x"},
            {},
            "stage-in.destination=foo:/x: destination prefix must be local: or global:, as in",
        ),
        ({"names": 3}, {}, "stage-in.names=3: expected text, as in stage-in.names=main,data"),
        (
            {"names": "no"},
            {},
            "stage-in: could not lookup archive.no in primary KVS namespace: No such file or directory$",
        ),
        (1, {"archive.main": 5}, "stage-in: archive.main: archive: expected an array or an object, got 5"),
        (1, archives(main={"x": b""}) | {}, "x: Not a directory"),
        ({"destination": "/nonexistent"}, MAIN, "archive.main: /nonexistent: No such file or directory"),
    ],
)
def test_what_ends_the_job(tmp_path: Path, option: Any, kvs: dict[str, Any], message: str) -> None:
    if "Not a directory" in message:
        kvs["archive.main"][0]["path"] = "f/x"
        (tmp_path / "job").mkdir()
        (tmp_path / "job" / "f").touch()
    with pytest.raises(ShellError, match=message):
        stage(option, tmp_path, kvs)


def test_no_place(tmp_path: Path) -> None:
    shell = FakeShell({"stage-in": 1})
    with pytest.raises(ShellError, match="FLUX_JOB_TMPDIR is not set"):
        shell.load("stage-in").shell_init()
    assert os.listdir(tmp_path) == []
