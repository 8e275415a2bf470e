# SPDX-License-Identifier: LGPL-3.0-or-later
"""Guests: events, output and actions of their own jobs, and jobs that they have signed."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from rosin import _json
from rosin.handle.aio import AsyncFlux
from rosin.rest.auth.users import hash_password
from rosin.rest.own.follow import Follower, Interest, Place
from rosin.rfc import sign

from ..conftest import serving
from ..sockets import SocketClient
from .test_events import Link

OWN = "/rosin/v1"
OWNER, GUEST, SELF = (
    ("ann", "correct horse battery"),
    ("bob", "a guest's password"),
    ("self", "a guest's password"),
)
HASH = hash_password(GUEST[1])
UID = os.getuid()
NDJSON = {"Accept": "application/x-ndjson"}


@pytest.fixture
async def served(make, tmp_path: Path):
    path = tmp_path / "users.toml"
    scopes = 'scopes = ["read", "submit", "control"]'
    path.write_text(
        f'[bob]\npassword = "{HASH}"\nuserid = {UID + 1}\n{scopes}\n'
        f'[self]\npassword = "{HASH}"\nuserid = {UID}\n{scopes}\n'
    )
    path.chmod(0o600)
    return await make(user=OWNER[0], token=OWNER[1], users=str(path))


async def submitted(served, **request):
    answer = await served.post(f"{OWN}/jobs", json=request, auth=OWNER)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def told(guest, **interest):
    """What a reader hears of a job of user 7 and one of user 8."""
    link = Link()
    follower = Follower(link, Interest(topics=frozenset({"jobs"}), **interest), Place(), lambda: False, guest)
    records = follower.records()
    await anext(records)
    for jobid, userid in ((5, 7), (6, 8)):
        context = {"userid": userid, "urgency": 16, "flags": 0, "version": 1}
        event = {"timestamp": 1.0, "name": "submit", "context": context}
        link.mirror.take({"id": jobid, "events": [event], "jobspec": {}})
    found = [_json.loads(data) for _, _, data in await anext(records)]
    return {int(data["job"]["id_dec"]): data["context"] for data in found}


async def test_events_of_others_say_what_listings_show():
    whole = await told(None)
    assert whole[5]
    assert whole[6]
    of_guest = await told(7)
    assert of_guest == {5: whole[5], 6: {}}
    assert await told(8, jobs=frozenset({5})) == {5: {}}


async def test_output_of_others_is_refused_on_every_stream(served):
    jobid = await submitted(served, command="echo secret")
    refused = await served.get(f"{OWN}/events", params={"output": jobid}, headers=NDJSON, auth=GUEST)
    assert refused.status_code == 403
    assert refused.json()["detail"] == "this is the job of another user"
    for path in (f"{OWN}/jobs/{jobid}/output", f"{OWN}/jobs/{jobid}/lines", f"/jobs/{jobid}/output/stream"):
        assert (await served.get(path, auth=GUEST)).status_code == 403
        assert (await served.get(path, auth=SELF)).status_code == 200
    assert (await served.head(f"{OWN}/events", auth=GUEST)).status_code == 200
    assert (await served.head("/events", auth=GUEST)).status_code == 200


async def test_a_reader_cannot_ask_for_more_on_the_way(served):
    jobid = await submitted(served, command="echo secret")
    basic = "Basic " + base64.b64encode(":".join(GUEST).encode()).decode()
    async with serving(served.app) as base:
        client = await SocketClient.open(f"{base}{OWN}/events?topics=jobs", {"Authorization": basic})
        assert _json.loads(await client.hear())["event"] == "hello"
        client.say({"output": jobid, "topics": "jobs"})
        while await client.hear() is not None:
            pass
        assert (client.code, client.reason) == (1008, "this is the job of another user")
        await client.close()


async def test_actions_on_many_are_for_own_jobs(served):
    jobid = await submitted(served, command="sleep 100", urgency=0)
    ask: dict[str, Any] = {"action": "cancel", "ids": [jobid]}
    (item,) = (await served.post(f"{OWN}/jobs/actions", json=ask, auth=GUEST)).json()["items"]
    assert item["status"] == 403
    ask = {"action": "cancel", "state": "active", "dry_run": True}
    assert (await served.post(f"{OWN}/jobs/actions", json=ask, auth=GUEST)).json()["items"] == []
    ids = [
        one["id"] for one in (await served.post(f"{OWN}/jobs/actions", json=ask, auth=SELF)).json()["items"]
    ]
    assert jobid in ids
    for action, arguments, status in (("urgency", {"urgency": 17}, 403), ("urgency", {"urgency": 16}, 200)):
        ask = {"action": action, "arguments": arguments, "ids": [jobid], "dry_run": True}
        (item,) = (await served.post(f"{OWN}/jobs/actions", json=ask, auth=SELF)).json()["items"]
        assert item["status"] == status
        answer = await served.post(f"{OWN}/jobs/{jobid}/{action}", json={"urgency": 17}, auth=SELF)
        assert answer.status_code == 403
    ask = {"action": "update", "arguments": {"name": "x"}, "ids": [jobid]}
    assert (await served.post(f"{OWN}/jobs/actions", json=ask, auth=SELF)).status_code == 403
    assert (await served.post(f"{OWN}/jobs/{jobid}/cancel", auth=SELF)).status_code == 200


async def test_a_guest_submits_what_the_guest_has_signed(served):
    request = {"command": "true"}
    refused = await served.post(f"{OWN}/jobs", json=request, auth=GUEST)
    assert (refused.status_code, "signed" in refused.json()["detail"]) == (403, True)
    checked = (await served.post(f"{OWN}/jobs/check", json=request, auth=GUEST)).json()
    environment = checked["jobspec"]["attributes"]["system"]["environment"]
    assert "LOGNAME" not in environment or environment["LOGNAME"] != "root"
    payload = _json.dumps(checked["jobspec"])
    # It comes in the guest's name, whom this instance, which knows only its owner's signature, tells so.
    own = sign.wrap(payload, UID + 1)
    answer = await served.post(f"{OWN}/jobs", json={"signed": own}, auth=GUEST)
    assert answer.status_code == 403
    assert "only instance owner can use sign-type=none" in answer.json()["detail"]
    others = await served.post(f"{OWN}/jobs", json={"signed": sign.wrap(payload, UID)}, auth=GUEST)
    assert others.status_code == 403
    assert f"signer={UID} != requestor={UID + 1}" in others.json()["detail"]
    # Nor does a guest whose account is the owner's have an owner's rights.
    answer = await served.post(f"{OWN}/jobs", json={"signed": sign.wrap(payload, UID)}, auth=SELF)
    assert answer.status_code == 403
    answer = await served.post(f"{OWN}/jobs", json={"signed": sign.wrap(payload, UID)}, auth=OWNER)
    assert answer.status_code == 201, answer.text
    bulk = {"jobs": [{"signed": own}, request]}
    items = (await served.post(f"{OWN}/jobs/bulk", json=bulk, auth=GUEST)).json()["items"]
    assert [item["status"] for item in items] == [403, 403]
    raised = await served.post(f"{OWN}/jobs", json={"signed": own, "urgency": 31}, auth=GUEST)
    assert raised.status_code == 403
    for signed in ("", "x", "a.b.c", own[:-9]):
        answer = await served.post(f"{OWN}/jobs", json={"signed": signed}, auth=GUEST)
        assert answer.status_code in (400, 422, 403), answer.text
    answer = await served.post(f"{OWN}/jobs/check", json={"signed": "x"}, auth=GUEST)
    assert answer.json()["errors"][0]["field"] == "signed"
    both = await served.post(f"{OWN}/jobs", json={"signed": own, "command": "true"}, auth=GUEST)
    assert both.status_code == 422


async def test_a_connection_in_anothers_name(real_instance):
    handle = await AsyncFlux.connect(real_instance.uri, credential=(UID + 1, 2))
    assert handle.userid == UID + 1
    with pytest.raises(PermissionError):
        await handle.rpc("config.load", {})
    await handle.close()
