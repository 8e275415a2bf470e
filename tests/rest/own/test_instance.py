# SPDX-License-Identifier: LGPL-3.0-or-later
"""The instance, what goes on in it, its nodes and its queues, by `/rosin/v1`."""

from __future__ import annotations

import os

import pytest

from rosin.rest.own.utilisation import Intervals

OWN = "/rosin/v1"


async def test_the_instance(api, real_instance):
    about = (await api.get(f"{OWN}/instance")).json()
    assert (about["owner"]["uid"], about["size"], about["rosin"]) == (os.getuid(), 1, True)
    assert about["start"] < about["now"]
    assert about["level"] == 0


async def test_the_overview(api):
    held = await api.submit("true", urgency=0, name="waits")
    running = await api.submit("sleep 600", name="runs")
    failed = await api.submit("false", name="fails")
    await api.ended(failed)
    await api.running(running)
    answer = await api.get(f"{OWN}/overview", params={"span": 60, "points": 6})
    found = answer.json()
    assert found["running"][0]["name"] == "runs"
    assert found["failed"][0]["name"] == "fails"
    assert "it is held: its urgency is 0" in [text for job in found["waiting"] for text in job["sentences"]]
    assert found["reasons"]["held"] >= 1
    assert found["counts"]["run"] >= 1
    assert found["resources"]["allocated"]["cores"] >= 1
    use = found["utilisation"]
    assert len(use["cores"]) == len(use["pending"]) == 6
    assert use["step"] == 10
    assert use["pending"][-1] > 0
    tag = answer.headers["etag"]
    assert tag.startswith('W/"')
    for jobid in (held, running):
        await api.post(f"{OWN}/jobs/{jobid}/cancel")
        await api.ended(jobid)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, 10, 2)], [2, 2]),
        ([(-5, 2.5, 4)], [2, 0]),
        ([(2.5, 7.5, 4)], [2, 2]),
        ([(9, 99, 10)], [0, 2]),
        ([(1, 2, 5), (1, 2, 5)], [2, 0]),
        ([(20, 30, 5), (-9, -1, 5), (4, 4, 5)], [0, 0]),
    ],
)
def test_intervals(spans, expected):
    found = Intervals(0, 5, 2)
    for begin, end, amount in spans:
        found.add(begin, end, amount)
    assert found.averages() == expected


async def test_what_runs_where_and_draining(api):
    running = await api.submit("sleep 600", name="runs")
    await api.running(running)
    found = (await api.get(f"{OWN}/resources")).json()
    (node,) = found["nodes"]
    assert (found["total"], found["all"]["nodes"]) == (1, 1)
    (share,) = [job for job in node["jobs"] if job["name"] == "runs"]
    assert share["cores"] != ""
    assert node["cores_used"] >= 1
    assert (node["online"], node["drain"]) == (True, None)
    assert (await api.get(f"{OWN}/resources", params={"state": "down"})).json()["nodes"] == []
    assert (await api.get(f"{OWN}/resources", params={"ranks": "5"})).json()["total"] == 0
    answer = await api.post(f"{OWN}/resources/drain", json={"targets": "0", "reason": "for <b>looking</b>"})
    assert answer.status_code == 200, answer.text
    try:
        (node,) = (await api.get(f"{OWN}/resources", params={"host": node["host"]})).json()["nodes"]
        assert (node["state"], node["drain"]["reason"]) == ("draining", "for <b>looking</b>")
        again = await api.post(f"{OWN}/resources/drain", json={"targets": "0"})
        assert again.status_code == 409, again.text
    finally:
        assert (await api.post(f"{OWN}/resources/undrain", json={"targets": "0"})).status_code == 200
    await api.post(f"{OWN}/jobs/{running}/cancel")
    await api.ended(running)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("resources/drain", {"targets": ""}, 422),
        ("resources/drain", {"targets": "0", "mode": "often"}, 422),
        ("resources/drain", {"targets": "77"}, 400),
        ("resources/drain", {"targets": "["}, 400),
        ("queues/nosuch/stop", {}, 404),
        ("queues/all/explode", {}, 422),
    ],
)
async def test_what_is_not_there(api, path, body, status):
    answer = await api.post(f"{OWN}/{path}", json=body)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("parameters", [{"state": "sleepy"}, {"ranks": "x"}, {"host": "[["}])
async def test_restrictions_that_make_no_sense(api, parameters):
    answer = await api.get(f"{OWN}/resources", params=parameters)
    assert (answer.status_code, min(parameters) in answer.json()["detail"]) == (400, True)


async def test_the_only_queue(api):
    (queue,) = (await api.get(f"{OWN}/queues")).json()["items"]
    assert (queue["name"], queue["enabled"], queue["started"]) == ("", True, True)
    assert queue["limits"]["duration"] is None
    assert queue["counts"]["total"] >= 0
    assert (await api.post(f"{OWN}/queues/all/stop", json={"reason": "tea"})).status_code == 200
    (queue,) = (await api.get(f"{OWN}/queues")).json()["items"]
    assert (queue["started"], queue["stop_reason"]) == (False, "tea")
    assert (await api.post(f"{OWN}/queues/all/start")).status_code == 200
    assert (await api.post(f"{OWN}/queues/all/disable", json={"reason": "x"})).status_code == 200
    assert (await api.post(f"{OWN}/queues/all/enable")).status_code == 200
    (queue,) = (await api.get(f"{OWN}/queues")).json()["items"]
    assert (queue["enabled"], queue["started"]) == (True, True)
