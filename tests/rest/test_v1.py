# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/v1`` as the clients of flux-restful-api use it."""

from __future__ import annotations

import pytest


async def submit(api, command="true", **query):
    answer = await api.post("/v1/jobs/submit", params={"command": command, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_submit_by_query(api):
    body = await submit(api, "sleep 0", num_tasks=1, runtime=60, exclusive="false", is_launcher="false")
    assert body["Message"] == "Job submit."
    assert isinstance(body["id"], int)
    job = (await api.get(f"/v1/jobs/{body['id']}")).json()
    assert len(job) > 20  # all keys from the first moment on
    assert job["id"] == body["id"]
    assert job["duration"] == 60.0
    await api.ended(body["id_str"])


async def test_submit_by_json_form_and_what_old_clients_send(api):
    for kwargs in (
        {"json": {"command": "printenv A", "envars": {"A": "b c"}}},
        {"data": {"command": "printenv A", "envars": '{"A": "b c"}'}},
        {"params": {"command": "printenv A", "envars": "{'A': 'b c'}", "num_nodes": "", "workdir": ""}},
        {"params": {"command": "printenv A"}, "json": {"A": "b c"}},
    ):
        answer = await api.post("/v1/jobs/submit", **kwargs)
        assert answer.status_code == 200, answer.text
        jobid = answer.json()["id_str"]
        await api.ended(jobid)
        assert (await api.get(f"/v1/jobs/{jobid}/output")).json() == {"Output": ["b c\n"]}


async def test_refusals_in_the_words_of_the_reference(api):
    answer = await api.post("/v1/jobs/submit")
    assert (answer.status_code, answer.json()) == (
        400,
        {"Message": "A 'command' is minimally required."},
    )
    query = {"num_nodes": 99, "option_flags": "-ompi=openmpi@5", "gpus_per_task": 1, "runtime": -1}
    answer = await api.post("/v1/jobs/submit", params={"command": "true", **query})
    body = answer.json()
    assert (answer.status_code, body["Message"]) == (400, "Invalid submit request")
    assert body["Errors"][0] == "The server only has 1 nodes, you requested 99"
    assert "keys without -o" in body["Errors"][1]
    assert body["Errors"][-1] == "Runtime must be >= 0, found -1"
    answer = await api.post("/v1/jobs/submit", params={"command": "true", "exclusive": "true"})
    assert answer.json()["Message"] == "There was an issue submitting that job."
    assert "exclusive" in answer.json()["Error"]
    answer = await api.post("/v1/jobs/submit", params={"command": "true", "num_tasks": "many"})
    assert answer.status_code == 422


async def test_listing_forms(api):
    body = await submit(api)
    raw = (await api.get("/v1/jobs")).json()["jobs"]
    assert raw[0]["id"] == body["id"]
    assert isinstance(raw[0]["state"], int)
    for name in ("details", "detail"):
        keyed = (await api.get("/v1/jobs", params={name: "true"})).json()
        assert keyed[body["id_str"]]["jobid"] == body["jobid"]
        listed = (await api.get("/v1/jobs", params={name: "true", "listing": "true"})).json()
        listed = listed if name == "details" else listed["jobs"]
        assert listed[0]["id"] == body["id"]
    assert (await api.get("/v1/jobs", params={"details": "true", "limit": 0})).json() == {}
    assert len((await api.get("/v1/jobs", params={"details": "true", "limit": 1})).json()) == 1
    old = await api.request("GET", "/v1/jobs", json={"details": True, "limit": 1})
    assert len(old.json()) == 1
    await api.ended(body["id_str"])


async def test_search_counts(api):
    for n in range(3):
        await submit(api, f"echo search-{n}", name="findme")
    everything = (await api.get("/v1/jobs/search")).json()
    total = everything["recordsTotal"]
    assert everything["draw"] == 1
    assert everything["recordsFiltered"] == len(everything["data"]) == total
    assert (await api.get("/v1/jobs/search", params={"start": 1})).json()["recordsFiltered"] == total - 1
    assert (await api.get("/v1/jobs/search", params={"length": 3})).json()["recordsFiltered"] == 3
    assert (await api.get("/v1/jobs/search", params={"start": total + 5})).json()["data"] == []
    for name in ("query", "search", "search[value]"):
        found = (await api.get("/v1/jobs/search", params={name: "findme"})).json()
        assert found["recordsFiltered"] == 3
    tables = {"draw": 7, "length": 1, "search[value]": "findme"}
    answer = (await api.get("/v1/jobs/search", params=tables)).json()
    assert (answer["draw"], answer["recordsFiltered"], len(answer["data"])) == (7, 3, 1)
    order = {"draw": 1, "order[0][column]": 0, "order[0][dir]": "asc", "columns[0][data]": "id"}
    ids = [job["id"] for job in (await api.get("/v1/jobs/search", params=order)).json()["data"]]
    assert ids == sorted(ids)


async def test_cancel_twice(api):
    body = await submit(api, "sleep 300")
    for jobid in (body["id_str"],):
        answer = await api.post(f"/v1/jobs/{jobid}/cancel")
        assert answer.json() == {"Message": "Job is requested to cancel.", "id": jobid}
        await api.ended(jobid)
        answer = await api.post(f"/v1/jobs/{jobid}/cancel")
        assert answer.status_code == 400
        assert answer.json()["Message"].startswith("Job cannot be cancelled: ")
        assert answer.json()["id"] == jobid


@pytest.mark.parametrize("jobid", ["99", "nonsense!"])
async def test_cancel_of_nothing(api, jobid):
    answer = await api.post(f"/v1/jobs/{jobid}/cancel")
    assert answer.status_code == 400
    assert answer.json()["Message"].startswith("Job cannot be cancelled: ")


async def test_unknown_job(api):
    assert (await api.get("/v1/jobs/99")).json() is None
    assert "not exist yet" in (await api.get("/v1/jobs/99/output")).json()["Message"]
    assert (await api.get("/v1/jobs/99/output/stream")).content == b""


async def test_output_waits_but_not_for_ever(make):
    client = await make(legacy_wait=0.05)
    body = await submit(client, "sleep 300")
    answer = await client.get(f"/v1/jobs/{body['id']}/output")
    assert "not exist yet" in answer.json()["Message"]
    await client.post(f"/v1/jobs/{body['id']}/cancel")
    patient = await make(legacy_wait=30)
    body = await submit(patient, "sh -c 'echo one; sleep 0.1; echo two'")
    assert (await patient.get(f"/v1/jobs/{body['id']}/output")).json() == {"Output": ["one\n", "two\n"]}


async def test_nodes(api):
    assert len((await api.get("/v1/nodes")).json()["nodes"]) == 1


async def test_server_wide_option_flags(make):
    client = await make(option_flags="-overbose=1 -o output.limit=5M")
    body = await submit(client, option_flags="verbose=2")
    spec = (await client.get(f"/jobs/{body['id']}/jobspec")).json()
    options = spec["attributes"]["system"]["shell"]["options"]
    assert (options["verbose"], options["output"]["limit"]) == (2, "5M")
    await client.ended(body["id_str"])
    assert (await client.job(body["id_str"]))["returncode"] == 0
