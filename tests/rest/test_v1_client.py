# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the client of flux-restful-api sends to `/v1` and expects of it, without authentication and with it.

Without an access token its first request fails; it gets one with a request that it signs, and sends what it
wanted to say once more: its parameters then as a JSON body, those of the query are lost.
"""

from __future__ import annotations

import jwt
import pytest

KEY = "shared key of the clients, 32 bytes long"
WORD = "correct horse battery"


class OldClient:
    """The requests of that client; each with a new token, as if the last one had expired."""

    def __init__(self, api, locked):
        self._api, self._locked = api, locked

    async def request(self, method, path, params=None):
        answer = await self._api.request(method, f"/v1{path}", params=params)
        assert (answer.status_code == 401) == self._locked, answer.text
        if self._locked:
            assert "www-authenticate" in answer.headers
            answer = await self._api.request(
                method, f"/v1{path}", json=params, headers={"Authorization": await self._token()}
            )
        return answer

    async def _token(self):
        claims = {"user": "ann", "pass": WORD, "scope": "token"}
        signed = jwt.encode(claims, KEY, algorithm="HS256")
        answer = await self._api.post("/v1/token", headers={"Authorization": f"Bearer {signed}"})
        found = answer.json()
        assert found["token_type"] == "Bearer"
        return f"Bearer {found['access_token']}"

    async def get(self, path, **params):
        answer = await self.request("GET", path, params or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def submit(self, command, status=200, **params):
        answer = await self.request("POST", "/jobs/submit", {"command": command, **params})
        assert answer.status_code == status, answer.text
        return answer.json()

    async def ended(self, jobid):
        mirror = await self._api.app.state.instances.current().jobs()
        while (await self.get(f"/jobs/{jobid}"))["state"] != "INACTIVE":
            assert await mirror.bell.wait(30)


@pytest.fixture(params=["open", "locked"])
async def old(request, make):
    """The client, of a server without authentication and of one with it."""
    locked = request.param == "locked"
    more = {"user": "ann", "token": WORD, "secret_key": KEY, "endless_requests": True} if locked else {}
    return OldClient(await make(**more), locked)


async def test_nodes(old):
    assert len((await old.get("/nodes"))["nodes"]) == 1


async def test_submit_and_list(old):
    jobid = (await old.submit("sleep 0"))["id"]
    assert isinstance(jobid, int)
    assert jobid in [job["id"] for job in (await old.get("/jobs"))["jobs"]]
    assert len(await old.get(f"/jobs/{jobid}")) > 20
    assert str(jobid) in await old.get("/jobs", details="true")
    assert "jobs" in await old.get("/jobs", detail="true", listing="true")
    assert isinstance(await old.get("/jobs", details="true", listing="true"), list)
    assert len(await old.get("/jobs", details="true", listing="true", limit="1")) == 1
    assert await old.get("/jobs", details="true", limit="0") == {}
    await old.ended(jobid)


async def test_cancel_and_cancel_again(old):
    jobid = (await old.submit("sleep 60"))["id"]
    first = await old.request("POST", f"/jobs/{jobid}/cancel")
    assert "requested to cancel" in first.json()["Message"]
    await old.ended(jobid)
    second = await old.request("POST", f"/jobs/{jobid}/cancel")
    assert (second.status_code, "cannot be cancelled" in second.json()["Message"]) == (400, True)


async def test_output_with_a_picture(old):
    jobid = (await old.submit("echo pancakes 🥞️"))["id"]
    assert (await old.get(f"/jobs/{jobid}/output"))["Output"] == ["pancakes 🥞️\n"]
    assert "not exist yet" in (await old.get("/jobs/99/output"))["Message"]


async def test_option_flags(old):
    refused = await old.submit("true", 400, option_flags="-ompi=openmpi@5")
    assert "keys without -o" in refused["Errors"][0]
    await old.submit(
        "true", option_flags="ompi=openmpi@5", num_tasks=1, exclusive="false", is_launcher="false"
    )


async def test_what_that_client_makes_of_nothing_and_of_an_environment(old):
    asked = {"num_nodes": "", "workdir": "/", "envars": "{'A': 'b c'}"}
    jobid = (await old.submit("sh -c 'echo $A; pwd'", **asked))["id"]
    assert (await old.get(f"/jobs/{jobid}/output"))["Output"] == ["b c\n", "/\n"]


async def test_search_counts(old):
    for _ in range(3):
        await old.ended((await old.submit("true"))["id"])
    total = (await old.get("/jobs/search"))["recordsTotal"]
    assert (await old.get("/jobs/search", start=1))["recordsFiltered"] == total - 1
    some = await old.get("/jobs/search", length=3)
    assert (some["recordsFiltered"], len(some["data"])) == (3, 3)
    assert (await old.get("/jobs/search", query="no such word"))["data"] == []
