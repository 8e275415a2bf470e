# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is done to jobs through `/rosin/v1`, to one and to many."""

from __future__ import annotations

import pytest

JOBS = "/rosin/v1/jobs"


async def act(api, jobid, action, **asked):
    answer = await api.post(f"{JOBS}/{jobid}/{action}", json=asked)
    return answer.status_code, answer.json()


async def test_hold_release_and_urgency(api):
    jobid = await api.submit("true", urgency=0)
    assert (await act(api, jobid, "urgency", urgency=0))[1]["result"] == {"urgency": 0, "old_urgency": 0}
    status, answer = await act(api, jobid, "release")
    assert (status, answer["result"]) == (200, {"urgency": 16, "old_urgency": 0})
    await api.ended(jobid)
    assert (await act(api, jobid, "hold"))[0] == 409
    assert (await act(api, 99, "hold"))[0] == 404


async def test_signal_and_cancel(api):
    jobid = await api.submit("sleep 600")
    assert (await act(api, jobid, "signal", signal="NOPE"))[0] == 422
    await api.until(jobid, lambda job: job["state"] == "RUN")
    while (await act(api, jobid, "signal", signal="TERM"))[0] == 409:
        pass  # its shell begins
    job = await api.ended(jobid)
    assert job["returncode"] in (143, -15)
    held = await api.submit("true", urgency=0)
    assert (await act(api, held, "signal", signal=15))[0] == 409
    answer = await api.post(f"{JOBS}/{held}/cancel")
    assert answer.status_code == 200
    await api.ended(held)
    assert (await act(api, held, "cancel", reason="x"))[0] == 409
    about = (await api.get(f"{JOBS}/{held}")).json()
    assert (about["result"], about["exception"]["type"]) == ("CANCELED", "cancel")


async def test_update(api):
    jobid = await api.submit("true", urgency=0, runtime=60)
    status, answer = await act(api, jobid, "update", duration="+1m", name="other")
    assert status == 200, answer
    assert answer["result"]["updates"]["attributes.system.duration"] == 120.0
    job = (await api.get(f"{JOBS}/{jobid}")).json()
    assert (job["duration"], job["name"]) == (120.0, "other")
    for asked, field in (({"duration": "soon"}, "duration"), ({}, ""), ({"duration": "-1h"}, "duration")):
        status, answer = await act(api, jobid, "update", **asked)
        assert (status, answer["errors"][0]["field"]) == (422, field)
    await act(api, jobid, "cancel")


@pytest.mark.parametrize(
    ("action", "asked", "field"),
    [
        ("urgency", {"urgency": 32}, "urgency"),
        ("urgency", {"urgency": "16"}, "urgency"),
        ("urgency", {}, "urgency"),
        ("cancel", {"raeson": "x"}, "raeson"),
        ("signal", {"signal": 0}, "signal"),
        ("signal", {"signal": "9" * 30}, "signal"),
    ],
)
async def test_wrong_members_are_named(api, action, asked, field):
    jobid = await api.submit("true", urgency=0)
    status, answer = await act(api, jobid, action, **asked)
    assert (status, answer["errors"][0]["field"]) == (422, field)
    await act(api, jobid, "cancel")


async def test_a_body_is_json(api):
    for body, kind, status in (
        (b"urgency=3", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 400),
        (b"[" * 5000, "application/json", 400),
        (b'{"urgency":1' + b"0" * 5000 + b"}", "application/json", 400),
        (b'{"urgency":NaN}', "application/json", 400),
        (b"[]", "application/json", 422),
        (b"\xff", "application/json", 400),
    ):
        answer = await api.post(f"{JOBS}/1/urgency", content=body, headers={"Content-Type": kind})
        assert answer.status_code == status, (body[:20], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_many_at_once_have_each_an_answer(api):
    ids = [await api.submit("true", urgency=0, name="crowd") for _ in range(3)]
    over = await api.submit("true", name="crowd")
    await api.ended(over)
    asked = {"action": "urgency", "arguments": {"urgency": 0}, "ids": [*ids, over, "99", "nonsense"]}
    answer = (await api.post(f"{JOBS}/actions", json=asked)).json()
    assert [item["status"] for item in answer["items"]] == [200, 200, 200, 409, 404, 400]
    assert (answer["done"], answer["failed"]) == (3, 3)
    assert answer["items"][3]["problem"]["detail"] == "the job is over"
    dry = {"action": "cancel", "q": "name:crowd", "state": "pending", "dry_run": True}
    assert (await api.post(f"{JOBS}/actions", json=dry)).json()["done"] == 3
    wet = {**dry, "dry_run": False, "arguments": {"reason": "enough"}}
    assert (await api.post(f"{JOBS}/actions", json=wet)).json()["done"] == 3
    for jobid in ids:
        await api.ended(jobid)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"action": "cancel"}, "ids"),
        ({"action": "cancel", "ids": ["1"], "q": "x"}, "ids"),
        ({"action": "destroy", "ids": []}, "action"),
        ({"action": "signal", "ids": [], "arguments": {}}, "arguments.signal"),
    ],
)
async def test_what_is_not_said_is_not_guessed(api, asked, field):
    answer = await api.post(f"{JOBS}/actions", json=asked)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
