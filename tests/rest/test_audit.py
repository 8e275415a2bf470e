# SPDX-License-Identifier: LGPL-3.0-or-later
"""The audit log: who, from where, what and what came of it; never a secret or a line that a client wrote."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from rosin.rest.auth.audit import AuditLog

OWNER = ("ann", "correct horse battery")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
async def served(make, path):
    return await make(user=OWNER[0], token=OWNER[1], audit=str(path))


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_what_is_told(served, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await served.get("/jobs", auth=OWNER)
    await served.get("/health")
    assert lines(path) == []
    await served.post("/jobs/submit", json={"command": "true sec-ret"}, auth=OWNER)
    await served.get("/jobs?x=sec-ret", auth=("ann", "sec-ret guess"))
    await served.post("/rosin/v1/session", json={"username": "ann", "password": "sec-ret"})
    link = served.app.state.auth.links.make(served.app.state.auth.owner)
    await served.get(f"/?login={link}")
    csrf = (await served.get("/rosin/v1/session")).json()["csrf"]
    await served.delete("/rosin/v1/session", headers={"X-CSRF-Token": csrf})
    await served.get("/jobs", headers={"Authorization": "Bearer x\x1b[31m", "X-Forwarded-For": "6.6.6.6"})
    told = lines(path)
    short = [
        (entry["user"], entry["method"], entry["path"], entry["status"], entry.get("event")) for entry in told
    ]
    assert short == [
        ("ann", "POST", "/jobs/submit", 200, None),
        (None, "GET", "/jobs", 401, None),
        (None, "POST", "/rosin/v1/session", 401, None),
        ("ann", "GET", "/", 303, "login"),
        ("ann", "DELETE", "/rosin/v1/session", 204, "logout"),
        (None, "GET", "/jobs", 401, None),
    ]
    assert told[0]["time"].endswith("Z")
    assert (told[0]["via"], told[0]["role"], told[0]["from"]) == ("password", "owner", "127.0.0.1")
    text = path.read_text()
    for secret in ("sec-ret", OWNER[1], link, csrf, "6.6.6.6"):
        assert secret not in text


async def test_a_client_writes_no_lines(served, path):
    await served.post("/a%0a%7b%22user%22:%22root%22%7d%1b[31m%e2%80%a8" + "x" * 5000, auth=OWNER)
    data = path.read_bytes()
    assert data.count(b"\n") == 1
    assert not any(byte < 32 or byte > 126 for byte in data[:-1])
    assert len(data) < 1500


def test_a_file_that_was_moved_is_begun_anew(path):
    log = AuditLog(str(path))
    log.write({"a": 1})
    path.rename(path.with_suffix(".1"))
    log.write({"a": 2})
    assert lines(path) == [{"a": 2}]
    log.close()


def test_what_cannot_be_written_is_told_once(path, capsys):
    log = AuditLog(str(path))
    path.unlink()
    path.mkdir()
    for _ in range(3):
        log.write({"a": 1})
    assert capsys.readouterr().err.count("audit log") == 1
    log.close()


def test_links_are_not_followed(path, tmp_path):
    path.symlink_to(tmp_path / "victim")
    with pytest.raises(OSError):
        AuditLog(str(path))
    with pytest.raises(OSError):
        AuditLog(str(tmp_path / "no" / "where"))
