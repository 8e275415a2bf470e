# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs by HTTP: submit, list, look at, cancel, output, events, as a new user would."""

from __future__ import annotations

import asyncio
import os
import pwd

from rosin.rfc import fluid

HTML = {"Accept": "text/html,application/xhtml+xml"}


async def test_submit_and_list(api):
    answer = await api.post("/jobs/submit", json={"command": "hostname", "runtime": 60})
    assert answer.status_code == 200
    body = answer.json()
    assert body["Message"] == "Job submit."
    assert fluid.parse(body["jobid"]) == body["id"] == int(body["id_str"])
    # what was submitted is listed at once
    page = (await api.get("/jobs")).json()
    assert page["jobs"][0]["id"] == body["id"]
    assert page["jobs"][0]["duration"] == 60.0
    job = await api.ended(body["jobid"])
    assert (job["result"], job["returncode"], job["name"]) == ("COMPLETED", 0, "hostname")
    assert job["runtime"] > 0


async def test_why_a_job_waits(api):
    await api.post("/jobs/submit", json={"command": "true", "urgency": 0})
    jobid = (await api.get("/jobs")).json()["jobs"][0]["id"]
    why = (await api.get(f"/jobs/{jobid}/why")).json()["why"]
    assert (why["id"], why["state"], why["sentences"]) == (jobid, "SCHED", ["it is held: its urgency is 0"])
    await api.post(f"/jobs/{jobid}/cancel")
    await api.ended(jobid)
    assert (await api.get(f"/jobs/{jobid}/why")).status_code == 404


async def test_seed_client_sends_json_as_a_form(api):
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await api.post("/jobs/submit", content='{"command": "true", "runtime": 5}', headers=kind)
    assert answer.status_code == 200
    assert (await api.ended(answer.json()["id_str"]))["result"] == "COMPLETED"


async def test_form_without_scripts_leads_to_the_job(api):
    fields = {
        "command": "echo $A",
        "shell": "on",
        "environment": "A=b c\n",
        "num_tasks": "",
        "name": "formed",
    }
    answer = await api.post("/jobs/submit", data=fields, headers=HTML)
    assert answer.status_code == 303
    page = await api.get(answer.headers["location"], headers=HTML)
    assert page.status_code == 200
    assert "formed" in page.text
    jobid = answer.headers["location"].rpartition("/")[2]
    await api.ended(jobid)
    assert (await api.get(f"/jobs/{jobid}/output")).json()["Output"] == ["b c\n"]


async def test_every_parameter_reaches_the_jobspec(api, tmp_path):
    jobid = await api.submit(
        "sh -c 'pwd; echo $X'",
        num_tasks=2,
        cores_per_task=1,
        num_nodes=1,
        runtime="5m",
        workdir=str(tmp_path),
        environment={"X": "y"},
        name="all",
        option_flags="verbose=1,output.limit=10M,x.nan=NaN,x.y=[1],flag",
        urgency=0,
    )
    spec = (await api.get(f"/jobs/{jobid}/jobspec")).json()
    system = spec["attributes"]["system"]
    assert spec["resources"][0]["type"] == "node"
    assert spec["resources"][0]["with"][0]["count"] == 2
    assert spec["tasks"][0]["command"] == ["sh", "-c", "pwd; echo $X"]
    assert (system["duration"], system["cwd"], system["job"]["name"]) == (300.0, str(tmp_path), "all")
    assert system["shell"]["options"]["verbose"] == 1
    assert system["shell"]["options"]["x"] == {"nan": "NaN", "y": [1]}
    assert system["shell"]["options"]["flag"] == 1
    assert system["shell"]["options"]["output"]["limit"] == "10M"
    assert (await api.job(jobid))["urgency"] == 0
    await api.post(f"/jobs/{jobid}/cancel")


async def test_numbers_in_option_flags_are_numbers_to_the_job_shell(api):
    jobid = await api.submit("true", option_flags="verbose=1,exit-timeout=none")
    await api.ended(jobid)
    assert (await api.job(jobid))["returncode"] == 0


async def test_environment_is_the_users_and_not_the_servers(api, monkeypatch):
    monkeypatch.setenv("LEAK", "of the server")
    jobid = await api.submit("env", environment={"GIVEN": "1"})
    await api.ended(jobid)
    lines = (await api.get(f"/jobs/{jobid}/output")).json()["Output"]
    found = dict(line.rstrip("\n").split("=", 1) for line in lines)
    entry = pwd.getpwuid(os.getuid())
    assert found["HOME"] == entry.pw_dir
    assert found["USER"] == found["LOGNAME"] == entry.pw_name
    assert found["GIVEN"] == "1"
    assert "LEAK" not in found
    assert "VIRTUAL_ENV" not in found


async def test_cancel(api):
    jobid = await api.submit("sleep 300")
    await api.running(jobid)
    answer = await api.post(f"/jobs/{jobid}/cancel")
    assert answer.json() == {"Message": "Job is requested to cancel.", "id": jobid}
    assert (await api.ended(jobid))["result"] == "CANCELED"
    again = await api.post(f"/jobs/{jobid}/cancel")
    assert again.status_code == 409
    assert again.headers["content-type"] == "application/problem+json"


async def test_output_by_stream(api):
    jobid = await api.submit("echo out; echo err >&2; printf tail", shell=True)
    await api.ended(jobid)
    output = (await api.get(f"/jobs/{jobid}/output")).json()
    assert sorted(output["Output"]) == ["err\n", "out\n", "tail"]
    assert (output["stdout"], output["stderr"], output["complete"]) == ("out\ntail", "err\n", True)
    text = await api.get(f"/jobs/{jobid}/output", params={"format": "text", "stream": "stdout"})
    assert text.content == b"out\ntail"
    assert text.headers["content-type"].startswith("text/plain")


async def test_output_of_a_silent_job_does_not_wait(api):
    jobid = await api.submit("sleep 300")
    await api.running(jobid)
    output = (await api.get(f"/jobs/{jobid}/output")).json()
    assert output["Output"] == []
    assert output["complete"] is False
    await api.post(f"/jobs/{jobid}/cancel")


async def test_binary_output_comes_back_as_it_was(api):
    jobid = await api.submit(r"printf '\377\000\001abc\n'", shell=True)
    await api.ended(jobid)
    text = await api.get(f"/jobs/{jobid}/output", params={"format": "text"})
    assert text.content == b"\xff\x00\x01abc\n"
    stream = await api.get(f"/jobs/{jobid}/output/stream")
    assert stream.content == text.content


async def test_events_of_a_job(api):
    jobid = await api.submit("true")
    await api.ended(jobid)
    logs = (await api.get(f"/jobs/{jobid}/events")).json()
    names = [event["name"] for event in logs["eventlog"]]
    assert names[0] == "submit"
    assert names[-1] == "clean"
    assert "shell.start" in [event["name"] for event in logs["exec"]]


async def test_pages_and_filters(api):
    ids = [await api.submit("true", name=f"page-{n}") for n in range(5)]
    for jobid in ids:
        await api.ended(jobid)
    found, cursor = [], ""
    while cursor is not None:
        page = (await api.get("/jobs", params={"limit": 2, "cursor": cursor, "q": "PAGE-"})).json()
        found += [job["id_str"] for job in page["jobs"]]
        cursor = page["next"]
    assert found == ids[::-1]
    done = (await api.get("/jobs", params={"state": "completed", "q": "page-3"})).json()
    assert [job["name"] for job in done["jobs"]] == ["page-3"]
    assert (await api.get("/jobs", params={"state": "run", "q": "page-"})).json()["jobs"] == []
    assert (await api.get("/jobs", params={"state": "sleepy"})).status_code == 400


async def test_any_spelling_of_an_id(api):
    jobid = int(await api.submit("true"))
    for style in ("dec", "hex", "dothex", "f58", "f58plain", "words"):
        assert (await api.job(fluid.encode(jobid, style)))["id"] == jobid
    await api.ended(str(jobid))


async def test_refusals_name_the_cause(api):
    async def refused(status: int, text: str, **parameters: object) -> None:
        answer = await api.post("/jobs/submit", json=parameters)
        assert answer.status_code == status, answer.text
        assert text in answer.json()["detail"]

    await refused(422, "command", runtime=5)
    await refused(400, "command", command="")
    await refused(400, "quotation", command="echo 'open")
    await refused(422, "num_tasks", command="true", num_tasks=0)
    await refused(422, "nodes", command="true", nodes=2)
    await refused(400, "duration", command="true", runtime=-1)
    await refused(400, "nodes", command="true", num_tasks=1, num_nodes=2)
    await refused(400, "-o", command="true", option_flags="-ompi=none")
    await refused(400, "environment", command="true", environment={"A=B": "c"})
    for body in (b"", b"[1]", b"{", b"\xff"):
        answer = await api.post("/jobs/submit", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400


async def test_infeasible_job_is_refused_or_recorded(api):
    answer = await api.post("/jobs/submit", json={"command": "true", "num_tasks": 1 << 20})
    if answer.status_code == 200:
        assert (await api.ended(answer.json()["id_str"]))["result"] == "FAILED"
    else:
        assert answer.status_code == 400
        assert answer.json()["detail"]


async def test_nodes_and_resources(api):
    nodes = (await api.get("/nodes")).json()["nodes"]
    assert len(nodes) == 1
    resources = (await api.get("/resources")).json()
    assert resources["all"]["nodes"] == 1
    assert resources["nodes"][0]["host"] == nodes[0]
    total = resources["allocated"]["cores"] + resources["free"]["cores"]
    assert total == resources["up"]["cores"] == os.cpu_count() or total > 0


async def test_burst_of_submissions(api):
    ids = await asyncio.gather(*(api.submit("true", name=f"burst-{n}") for n in range(50)))
    assert len(set(ids)) == 50
    for jobid in ids:
        assert (await api.ended(jobid))["result"] == "COMPLETED"
