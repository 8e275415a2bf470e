# SPDX-License-Identifier: LGPL-3.0-or-later
"""Users beside the owner: what a guest's rights are not, passwords, and the file that holds their hashes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from rosin.rest.auth.throttle import BURST
from rosin.rest.auth.users import Users, hash_password

OWNER = ("ann", "correct horse battery")
GUEST = ("bob", "a guest's password")
HASH = hash_password(GUEST[1])
UID = os.getuid()


def write(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users.toml"
    write(
        path,
        f'[bob]\npassword = "{HASH}"\nuserid = {UID + 1}\nscopes = ["read", "submit", "control"]\n'
        f'[self]\npassword = "{HASH}"\nuserid = {UID}\n'
        f'[viewer]\npassword = "{HASH}"\nrole = "owner"\nscopes = ["read"]\n',
    )
    return path


@pytest.fixture
async def served(make, users):
    return await make(user=OWNER[0], token=OWNER[1], users=str(users))


# -- a guest -----------------------------------------------------------------------------------------


async def test_a_guest_is_not_the_owner(served):
    job = await served.post("/jobs/submit", json={"command": "true"}, auth=OWNER)
    jobid = job.json()["id_str"]
    who = (await served.get("/rosin/v1/session", auth=GUEST)).json()
    assert (who["user"], who["role"], who["userid"], who["via"]) == ("bob", "guest", UID + 1, "password")
    for path in ("/jobs", "/v1/jobs", "/resources", "/docs", "/static/app.css"):
        assert (await served.get(path, auth=GUEST)).status_code == 200
    looks = ["", "/output", "/output/stream", "/events", "/jobspec", "/why"]
    for path in [
        *(f"/jobs/{jobid}{what}" for what in looks),
        f"/v1/jobs/{jobid}",
        f"/v1/jobs/{jobid}/output",
    ]:
        answer = await served.get(path, auth=GUEST)
        assert answer.status_code == 403, path
    changes = [
        *(f"{prefix}/jobs/{jobid}/cancel" for prefix in ("", "/v1", "/rosin/v1")),
        f"/rosin/v1/jobs/{jobid}/signal",
        f"/rosin/v1/jobs/{jobid}/urgency",
        "/rosin/v1/webhooks",
        "/api/v1/jobs",
        "/jobs/submit",
        "/v1/jobs/submit",
        "/service/stop",
        "/v1/service/stop",
        "/rosin/v1/resources/drain",
        "/rosin/v1/queues/x/stop",
        "/rosin/v1/login-links",
    ]
    for path in changes:
        answer = await served.post(path, json={"command": "true"}, auth=GUEST)
        assert answer.status_code == 403, path
    # In any spelling of the job's id, and for any of a path.
    for text in (f"{int(jobid):#x}", f"%{ord(jobid[0]):02x}{jobid[1:]}", f"0{jobid}"):
        assert (await served.get(f"/jobs/{text}/output", auth=GUEST)).status_code in (400, 403, 404)
    assert (await served.get("/jobs/9999999/output", auth=GUEST)).status_code == 404


async def test_a_guest_has_rights_on_jobs_of_the_own_account(served):
    own = ("self", GUEST[1])
    job = await served.post("/jobs/submit", json={"command": "sleep 100"}, auth=OWNER)
    jobid = job.json()["id_str"]
    assert (await served.get(f"/jobs/{jobid}", auth=own)).status_code == 200
    assert (await served.post(f"/jobs/{jobid}/cancel", auth=own)).status_code == 200
    assert (await served.post("/jobs/submit", json={"command": "true"}, auth=own)).status_code == 403
    # A job that is started anew would be one of the server's account.
    for what in ("resubmit", "update"):
        answer = await served.post(f"/rosin/v1/jobs/{jobid}/{what}", json={"command": "id"}, auth=own)
        assert answer.status_code == 403


async def test_a_user_with_the_owners_role_may_still_be_for_looking(served):
    viewer = ("viewer", GUEST[1])
    job = await served.post("/jobs/submit", json={"command": "true"}, auth=OWNER)
    assert (await served.get(f"/jobs/{job.json()['id_str']}/jobspec", auth=viewer)).status_code == 200
    assert (await served.post("/jobs/submit", json={"command": "true"}, auth=viewer)).status_code == 403
    assert (await served.post("/service/stop", auth=viewer)).status_code == 403


async def test_tokens_of_a_guest_are_a_guests(served, users):
    made = await served.post("/rosin/v1/tokens", json={"name": "g", "scopes": ["read"]}, auth=GUEST)
    assert made.json()["user"] == "bob"
    bearer = {"Authorization": f"Bearer {made.json()['token']}"}
    assert (await served.get("/jobs", headers=bearer)).status_code == 200
    assert (await served.post("/jobs/1/cancel", headers=bearer)).status_code == 403
    assert (await served.get("/metrics", headers=bearer)).status_code == 403
    refused = await served.post("/rosin/v1/tokens", json={"name": "g", "scopes": ["admin"]}, auth=GUEST)
    assert refused.status_code == 403
    owners = (await served.post("/rosin/v1/tokens", json={"name": "o"}, auth=OWNER)).json()
    listed = (await served.get("/rosin/v1/tokens", auth=GUEST)).json()["tokens"]
    assert [token["name"] for token in listed] == ["g"]
    assert (await served.delete(f"/rosin/v1/tokens/{owners['id']}", auth=GUEST)).status_code == 404
    assert (await served.delete(f"/rosin/v1/tokens/{made.json()['id']}", auth=OWNER)).status_code == 204


async def test_a_user_who_is_removed_is_out_at_once(served, users):
    login = {"username": GUEST[0], "password": GUEST[1]}
    assert (await served.post("/rosin/v1/session", json=login)).status_code == 201
    access = (await served.post("/v1/login/access-token", data=login)).json()["access_token"]
    made = await served.post("/rosin/v1/tokens", json={"name": "g"}, auth=GUEST)
    bearers = [{"Authorization": f"Bearer {token}"} for token in (access, made.json()["token"])]
    for bearer in bearers:
        assert (await served.get("/v1/jobs", headers=bearer)).status_code == 200
    assert (await served.get("/jobs")).status_code == 200
    assert (await served.get("/rosin/v1/session")).json()["role"] == "guest"
    write(users, "")
    assert (await served.get("/jobs")).status_code == 401
    for bearer in bearers:
        assert (await served.get("/v1/jobs", headers=bearer)).status_code == 401
    assert (await served.get("/jobs", auth=GUEST)).status_code == 401
    users.write_text("[")
    os.utime(users, (1, 1))
    assert (await served.get("/jobs", auth=GUEST)).status_code == 503
    assert (await served.get("/jobs", auth=OWNER)).status_code == 200


async def test_users_without_a_token_of_the_owner(make, users):
    """The owner comes by the own connection, which the test has none of, or by the link."""
    client = await make(same_user=True, users=str(users))
    assert (await client.get("/jobs")).status_code == 401
    assert (await client.get("/jobs", auth=GUEST)).status_code == 200
    for wrong in (("fluxuser", ""), ("fluxuser", "None"), ("bob", "x"), ("", "")):
        assert (await client.get("/jobs", auth=wrong)).status_code == 401
    assert (await client.get("/jobs", headers={"Authorization": "Bearer None"})).status_code == 401
    page = await client.get("/", headers={"Accept": "text/html"})
    assert 'name="password"' in page.text
    owner = client.app.state.auth.owner
    assert (await client.get(f"/?login={client.app.state.auth.links.make(owner)}")).status_code == 303
    assert (await client.get("/rosin/v1/session")).json()["role"] == "owner"


# -- passwords ---------------------------------------------------------------------------------------


async def test_a_password_is_compared_once(users, monkeypatch):
    hashed: list[str] = []
    real = hash_password.__globals__["_scrypt"]

    def scrypt(password, *rest):
        hashed.append(password)
        return real(password, *rest)

    monkeypatch.setattr("rosin.rest.auth.users._scrypt", scrypt)
    table = Users(str(users))
    for _ in range(3):
        assert await table.check(*GUEST) is not None
    assert hashed == [GUEST[1]]
    assert await table.check("bob", "x") is None
    assert await table.check("nobody", "x") is None  # takes as long
    assert hashed == [GUEST[1], "x", "x"]
    write(users, users.read_text().replace(HASH, hash_password("another password")))
    assert await table.check(*GUEST) is None


async def test_guesses_at_a_guest_slow_down_the_guest_only(served):
    auth = served.app.state.auth
    waits = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        await waits.wait()

    auth.throttle._sleep = sleep
    for _ in range(BURST):
        assert await auth.password("bob", "guess", "x") is None
    slow = asyncio.ensure_future(auth.password(*GUEST, "x"))
    assert (await auth.password("self", GUEST[1], "x")).name == "self"
    assert (await auth.password(*GUEST, "y")).name == "bob"
    assert (await auth.password(*OWNER, "x")).name == "ann"
    assert not slow.done()
    waits.set()
    assert (await slow).name == "bob"


# -- the file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "users.toml: "),
        ("bob = 1", r"\[bob\]: expected a table"),
        ("[bob]", r"\[bob\]: userid|no account"),
        ("[root]", "password: expected a line of 'rosin token password'"),
        ('[root]\npassword = "secret"', "password: expected"),
        ('[root]\npassword = "scrypt:99:8:1:AAAA:AAAA"', "password: expected"),
        ('[root]\npassword = "scrypt:14:8:1:!:!"', "root"),
        ('[root]\nrole = "king"', "role: expected guest or owner, got 'king'"),
        ('[root]\nscopes = "read"', "scopes: expected a list"),
        ('[root]\nscopes = ["root"]', "expected some of read"),
        ("[root]\nuserid = true", "userid: expected a number"),
        ("[root]\nuserid = -1", "userid: expected a number"),
        ("[root]\nuser = 1", "user: unknown; there are password, role, scopes, userid"),
        ('["a:b"]', "has no ':'"),
    ],
)
def test_files_that_make_no_sense(tmp_path, text, says):
    with pytest.raises(ValueError, match=says):
        Users(write(tmp_path / "users.toml", text)).load()


def test_a_file_that_others_can_write_or_read(users):
    for mode in (0o604, 0o620, 0o602):
        users.chmod(mode)
        with pytest.raises(ValueError, match="chmod 600"):
            Users(str(users)).load()
    with pytest.raises(FileNotFoundError):
        Users(str(users) + "x").load()
