# SPDX-License-Identifier: LGPL-3.0-or-later
"""`/api/v1` as flux-rest-server's contract has it, and the probes and figures of `/rosin/v1`."""

from __future__ import annotations

import pytest

from rosin.rfc import fluid


async def test_about_and_health(api):
    about = (await api.get("/api/v1/")).json()
    assert set(about) == {"name", "user", "broker_version", "rank", "size"}
    assert (about["rank"], about["size"]) == (0, 1)
    assert (await api.get("/api/v1/health")).json() == {"status": "ok"}


async def test_a_job_from_submission_to_its_end(api):
    asked = {"command": ["sh", "-c", "env; pwd"], "num_tasks": 1, "duration": "1m", "environment": {"A": "1"}}
    answer = await api.post("/api/v1/jobs", json=asked)
    assert answer.status_code == 201
    ident = answer.json()["id"]
    assert answer.headers["location"] == f"/api/v1/jobs/{ident}"
    assert fluid.encode(fluid.parse(ident), "f58plain") == ident
    await api.ended(ident)
    job = await api.get(answer.headers["location"])
    assert (job.json()["id"], job.json()["state"], job.json()["result"]) == (ident, "INACTIVE", "COMPLETED")
    assert "retry-after" not in job.headers
    again = await api.delete(f"/api/v1/jobs/{ident}")
    assert (again.status_code, again.json()["error"], again.json()["path"]) == (
        409,
        "Conflict",
        f"/api/v1/jobs/{ident}",
    )


async def test_a_pending_job_is_looked_at_again_and_cancelled(api):
    ident = await api.submit("true", urgency=0)
    assert (await api.get(f"/api/v1/jobs/{ident}")).headers["retry-after"] == "5"
    assert (await api.delete(f"/api/v1/jobs/{ident}", params={"reason": "enough"})).status_code == 202
    await api.ended(ident)
    assert "enough" in str((await api.get(f"/api/v1/jobs/{ident}")).json())


@pytest.mark.parametrize(
    "asked",
    [
        [],
        {},
        {"command": "true"},
        {"command": []},
        {"command": [1]},
        {"command": ["true"], "tasks": 1},
        {"command": ["true"], "num_tasks": "2"},
        {"command": ["true"], "num_nodes": 2, "num_tasks": 1},
        {"command": ["true"], "environment": [1]},
        {"command": ["true"], "environment": {"A": 1}},
        {"command": ["true"], "duration": {}},
        {"command": ["true"], "rlimits": 5},
        {"command": ["true"], "cwd": 5},
        {"command": ["true"], "output": []},
    ],
)
async def test_what_makes_no_sense_is_400(api, asked):
    answer = await api.post("/api/v1/jobs", json=asked)
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"error", "detail", "path"}


async def test_what_is_not_there(api):
    assert (await api.get("/api/v1/jobs/99")).json()["error"] == "Not Found"
    assert (await api.get("/api/v1/jobs/x!")).status_code == 400
    assert (await api.get("/api/v1/nowhere")).status_code == 404
    assert (await api.put("/api/v1/jobs")).status_code == 405


async def test_credentials_are_needed_but_for_probes(locked):
    assert (await locked.get("/api/v1/")).status_code == 401
    assert set((await locked.get("/api/v1/")).json()) == {"error", "detail", "path"}
    assert (await locked.get("/rosin/v1/health")).status_code == 200
    assert (await locked.get("/rosin/v1/metrics")).status_code == 401


async def test_probes_and_figures(api):
    assert (await api.get("/rosin/v1/ready")).json() == {"status": "ready"}
    answer = await api.get("/rosin/v1/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    figures = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert figures["rosin_up"] == "1"
    assert float(figures['rosin_nodes{state="all"}']) == 1
    assert float(figures['rosin_http_requests_total{method="GET",status="200"}']) >= 1
    assert (
        figures['rosin_http_request_duration_seconds_bucket{le="+Inf"}']
        == figures["rosin_http_request_duration_seconds_count"]
    )
    for line in answer.text.splitlines():
        assert line.startswith("# ") or float(line.rsplit(" ", 1)[1]) >= 0
