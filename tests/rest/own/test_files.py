# SPDX-License-Identifier: LGPL-3.0-or-later
"""Files of a job's working directory by `/rosin/v1`, and nothing else of the machine."""

from __future__ import annotations

import os

import pytest

from rosin.rest.own import beneath

JOBS = "/rosin/v1/jobs"


@pytest.fixture
async def files(api, tmp_path):
    """The path of a job's files; its directory is tmp_path/work."""
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    (work / "a.txt").write_bytes(b"0123456789")
    (tmp_path / "secret").write_text("secret")
    (work / "link").symlink_to(tmp_path / "secret")
    (work / "up").symlink_to(tmp_path)
    os.mkfifo(work / "fifo")
    jobid = (await api.post(JOBS, json={"command": "true", "cwd": str(work), "urgency": 0})).json()["id"]
    yield f"{JOBS}/{jobid}/files"
    await api.post(f"{JOBS}/{jobid}/cancel")


async def test_listing_reading_and_writing(api, files, tmp_path):
    found = (await api.get(files)).json()
    kinds = {item["name"]: item["type"] for item in found["items"]}
    assert kinds == {"a.txt": "file", "fifo": "other", "link": "link", "sub": "directory", "up": "link"}
    assert (found["directory"], found["complete"]) == (str(tmp_path / "work"), True)
    whole = await api.get(f"{files}/a.txt")
    assert (whole.content, whole.headers["content-type"]) == (b"0123456789", "application/octet-stream")
    assert whole.headers["content-disposition"].startswith("attachment")
    part = await api.get(f"{files}/a.txt", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    answer = await api.put(f"{files}/sub/ŧ.bin", content=b"\0\1")
    assert (answer.status_code, answer.json()["size"]) == (200, 2)
    assert (await api.put(f"{files}/sub/ŧ.bin", params={"offset": 2}, content=b"\2")).json()["size"] == 3
    made = tmp_path / "work" / "sub" / "ŧ.bin"
    assert (made.read_bytes(), made.stat().st_mode & 0o777) == (b"\0\1\2", 0o600)
    assert (await api.put(f"{files}/sub/ŧ.bin", content=b"x")).json()["size"] == 1
    assert [item["name"] for item in (await api.get(files, params={"path": "sub"})).json()["items"]] == [
        "ŧ.bin"
    ]


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("link", {403}),
        ("up/secret", {403, 404}),
        ("..%2Fsecret", {400}),
        ("sub/..%2F..%2Fsecret", {400}),
        ("%2Fetc%2Fpasswd", {400}),
        ("fifo", {409}),
        ("sub", {409}),
        ("none", {404}),
        ("a.txt/x", {404}),
        ("a%00b", {400}),
        ("x" * 300, {400}),
        ("/".join("a" * 80), {400}),
    ],
)
async def test_nothing_else_is_read_or_written(api, files, tmp_path, path, statuses):
    assert (await api.get(f"{files}/{path}")).status_code in statuses
    if path != "none":
        answer = await api.put(f"{files}/{path}", content=b"broken in")
        assert answer.status_code in {*statuses, 404, 409}, answer.text
    assert (tmp_path / "secret").read_text() == "secret"


async def test_a_directory_that_is_a_link_is_not_listed(api, files):
    assert (await api.get(files, params={"path": "up"})).status_code in (403, 404)
    assert (await api.get(files, params={"path": "../"})).status_code == 400
    assert (await api.get(files, params={"path": "/etc"})).status_code == 400


async def test_files_have_no_holes(api, files):
    answer = await api.put(f"{files}/a.txt", params={"offset": 11}, content=b"x")
    assert (answer.status_code, "10 bytes" in answer.text) == (409, True)
    assert (await api.put(f"{files}/new", params={"offset": 5}, content=b"x")).status_code == 404


async def test_another_users_job(api, files, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    assert (await api.get(files)).status_code == 403


@pytest.mark.parametrize(("path", "names"), [("", []), ("a/b", ["a", "b"]), ("./a/", ["a"])])
def test_steps(path, names):
    assert beneath.steps(path) == names
