# SPDX-License-Identifier: LGPL-3.0-or-later
"""API tokens: what each scope opens and what not, their ends, and the file that holds their digests."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest

from rosin.rest.auth.identity import SCOPES
from rosin.rest.auth.rules import Guests, rule
from rosin.rest.auth.throttle import BURST
from rosin.rest.auth.tokens import TokenStore, default_path, parse_scopes

OWNER = ("ann", "correct horse battery")
TOKENS = "/rosin/v1/tokens"


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


async def make_token(client, *scopes, **more):
    answer = await client.post(TOKENS, json={"name": "t", "scopes": scopes, **more}, auth=OWNER)
    assert answer.status_code == 201, answer.text
    return answer.json()


# -- what a scope opens ------------------------------------------------------------------------------

REQUESTS = {
    "read": [("GET", "/jobs"), ("GET", "/resources"), ("GET", "/v1/nodes"), ("GET", "/rosin/v1/session")],
    "submit": [("POST", "/jobs/submit"), ("POST", "/v1/jobs/submit")],
    "control": [("POST", "/jobs/1/cancel"), ("POST", "/v1/jobs/1/cancel")],
    "admin": [
        ("POST", "/rosin/v1/login-links"),
        ("GET", TOKENS),
        ("POST", TOKENS),
        ("DELETE", f"{TOKENS}/000000000000"),
        ("POST", "/rosin/v1/resources/drain"),
        ("POST", "/rosin/v1/queues/batch/stop"),
        ("PUT", "/what/nobody/has/listed"),
    ],
}


@pytest.mark.parametrize("given", SCOPES)
async def test_a_scope_opens_what_it_names_and_nothing_else(locked, given):
    secret = (await make_token(locked, given))["token"]
    for scope, requests in REQUESTS.items():
        for method, path in requests:
            answer = await locked.request(method, path, headers=bearer(secret))
            allowed = given in (scope, "admin") or path == "/rosin/v1/session"
            assert (answer.status_code != 403) == allowed, f"{given}: {method} {path}: {answer.text}"
    # Stopping is asked for with what must not have it only.
    if given != "admin":
        for path in ("/service/stop", "/v1/service/stop"):
            assert (await locked.post(path, headers=bearer(secret))).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/jobs/1/output", "read"),
        ("HEAD", "/v1/jobs/1/output/stream", "read"),
        ("POST", "/rosin/v1/jobs", "submit"),
        ("POST", "/rosin/v1/jobs/actions", "control"),
        ("POST", "/rosin/v1/jobs/1/input", "submit"),
        ("PUT", "/rosin/v1/jobs/1/files/a/b", "submit"),
        ("GET", "/rosin/v1/jobs/1/files/.ssh/id_rsa", "submit"),
        ("GET", "/rosin/v1/jobs/1/files", "submit"),
        ("POST", "/rosin/v1/jobs/1/urgency", "control"),
        ("DELETE", "/api/v1/jobs/1", "control"),
        ("POST", "/v1/service/stop", "admin"),
        ("PATCH", "/rosin/v1/what/comes/later", "admin"),
        ("POST", "/jobs/1/cancel\n", "control"),
        ("POST", "//jobs/1/cancel", "admin"),
        ("POST", "/Jobs/1/cancel", "admin"),
    ],
)
def test_what_requests_need(method, path, scope):
    assert rule(method, path).scope == scope


def test_what_guests_may():
    assert rule("GET", "/jobs").guests is Guests.ALL
    assert rule("GET", "/jobs/1/output").guests is Guests.OWN
    assert rule("GET", "/jobs/ƒ1/output").job == "ƒ1"
    assert rule("POST", "/v1/jobs/1/cancel").guests is Guests.OWN
    assert rule("POST", "/rosin/v1/jobs/actions").guests is Guests.ALL  # each job's owner is asked for
    for path in ("/jobs/submit", "/service/stop", "/rosin/v1/resources/drain", "/x"):
        assert rule("POST", path).guests is Guests.NONE
    assert rule("GET", "/events").guests is Guests.ALL  # of others it tells what listings show
    assert rule("POST", "/rosin/v1/jobs/1/urgency").guests is Guests.OWN  # how high, is asked for there
    # These are done with the rights of the server's account, or are for owners only.
    for what in ("resubmit", "clone", "files/a", "update", "what/comes"):
        assert rule("POST", f"/rosin/v1/jobs/1/{what}").guests is Guests.NONE
    assert rule("GET", "/rosin/v1/jobs/1/files/etc/passwd").guests is Guests.NONE
    assert rule("GET", "/rosin/v1/jobs/1/terminal", websocket=True).scope == "submit"
    assert rule("GET", "/rosin/v1/events", websocket=True).scope == "read"
    assert rule("GET", "/x", websocket=True).scope == "admin"


# -- making and revoking -----------------------------------------------------------------------------


async def test_a_token_lives_until_it_is_revoked(locked):
    made = await make_token(locked, "read")
    assert re.fullmatch(r"rosin_[\w-]{43}", made["token"])
    assert (await locked.get("/jobs", headers=bearer(made["token"]))).status_code == 200
    listed = await locked.get(TOKENS, auth=OWNER)
    assert made["token"] not in listed.text
    assert "digest" not in listed.text
    (row,) = listed.json()["tokens"]
    assert row["used"] > row["created"] - 1
    where = f"{TOKENS}/{made['id']}"
    assert (await locked.delete(where, headers=bearer(made["token"]))).status_code == 403
    assert (await locked.delete(where, auth=OWNER)).status_code == 204
    assert (await locked.delete(where, auth=OWNER)).status_code == 404
    assert (await locked.get("/jobs", headers=bearer(made["token"]))).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x" * 65},
        {"name": "a\nb"},
        {"name": "a", "scopes": []},
        {"name": "a", "scopes": ["root"]},
        {"name": "a", "scopes": "read"},
        {"name": "a", "expires": "soon"},
        {"name": "a", "expires": "0"},
        {"name": "a", "expires": "-1"},
        {"name": "a", "expires": "inf"},
        {"name": "a", "expires": "nan"},
        {"name": "a", "user": "bob"},
        [],
    ],
)
async def test_tokens_that_cannot_be_made(locked, body):
    answer = await locked.post(TOKENS, json=body, auth=OWNER)
    assert answer.status_code == 422
    assert (await locked.post(TOKENS, content=b"{" * 10000, auth=OWNER)).status_code == 400


async def test_without_credentials_of_the_owner_a_token_still_says_less(make):
    """A revoked or narrow token is not made good by whose connection it is."""
    client = await make()  # lets everybody in
    made = (await client.post(TOKENS, json={"name": "t"})).json()
    assert (await client.get("/jobs", headers=bearer(made["token"]))).status_code == 200
    answer = await client.post("/jobs/submit", json={"command": "true"}, headers=bearer(made["token"]))
    assert answer.status_code == 403
    assert (await client.delete(f"{TOKENS}/{made['id']}")).status_code == 204
    assert (await client.get("/jobs", headers=bearer(made["token"]))).status_code == 401
    assert (await client.get("/jobs", headers=bearer("anything else"))).status_code == 200


async def test_a_token_is_never_slowed_down(locked):
    secret = (await make_token(locked, "read"))["token"]
    for _ in range(BURST + 1):
        await locked.get("/jobs", headers=bearer("rosin_" + "x" * 43))
    assert (await locked.get("/jobs", headers=bearer("rosin_" + "x" * 43))).status_code == 429
    assert (await locked.get("/jobs", headers=bearer(secret))).status_code == 200


# -- the file ----------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "tokens.json"


def test_servers_and_commands_share_a_file(path):
    now = [1000.0]
    server, command = (TokenStore(str(path), lambda: now[0]) for _ in range(2))
    assert server.all() == []
    secret, token = command.create("a", ("submit", "read"), 10)
    assert token.scopes == ("read", "submit")
    assert secret not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert server.find(secret) == token
    for wrong in (secret[:-1], secret + "x", secret.upper(), token.digest, "rosin_", "", "x" * 10000):
        assert server.find(wrong) is None
    now[0] = 1010.0
    assert server.find(secret) is None
    other, _ = command.create("b", ("read",))
    assert [one.name for one in server.all()] == ["b"]  # what is over goes
    found = server.find(other)
    assert found is not None
    assert command.revoke(found.id, "bob") is None
    assert command.revoke(found.id) == found
    assert server.find(other) is None
    path.unlink()
    assert server.all() == []


def test_a_file_that_cannot_be_trusted(path):
    store = TokenStore(str(path))
    store.create("a", ("read",))
    for mode in (0o620, 0o602):
        path.chmod(mode)
        with pytest.raises(ValueError, match="others can write it: chmod 600"):
            TokenStore(str(path)).all()
    path.chmod(0o600)
    if os.getuid() == 0:
        os.chown(path, 1234, 1234)
        with pytest.raises(ValueError, match="another user"):
            TokenStore(str(path)).all()
        os.chown(path, 0, 0)
    good = json.loads(path.read_text())
    row = good["tokens"][0]
    for bad in (
        "",
        "[]",
        "[" * 5000,
        '{"version": 2, "tokens": []}',
        '{"version": 1}',
        *(
            json.dumps({"version": 1, "tokens": [{**row, name: value}]})
            for name, value in (
                ("scopes", ["root"]),
                ("scopes", 3),
                ("digest", "x"),
                ("digest", 3),
                ("expires", "x"),
                ("more", 1),
            )
        ),
    ):
        path.write_text(bad)
        with pytest.raises(ValueError, match=r"tokens\.json: not a file of tokens"):
            TokenStore(str(path)).all()
        with pytest.raises(ValueError, match="not a file of tokens"):
            TokenStore(str(path)).create("b", ("read",))
        assert path.read_text() == bad  # nothing is lost


def test_a_draft_does_not_follow_links(path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    path.parent.mkdir()
    (path.parent / "tokens.json.new").symlink_to(victim)
    with pytest.raises(OSError):
        TokenStore(str(path)).create("a", ("read",))
    assert victim.read_text() == "mine"


def test_tokens_are_few(monkeypatch):
    monkeypatch.setattr("rosin.rest.auth.tokens._MOST", 2)
    store = TokenStore()
    for _ in range(2):
        store.create("a", ("read",))
    with pytest.raises(ValueError, match="revoke"):
        store.create("a", ("read",))


async def test_a_server_whose_tokens_cannot_be_read_lets_nobody_in_by_them(make, tmp_path):
    path = tmp_path / "tokens.json"
    secret, _ = TokenStore(str(path)).create("a", ("admin",))
    client = await make(user=OWNER[0], token=OWNER[1], tokens=str(path))
    assert (await client.get("/jobs", headers=bearer(secret))).status_code == 200
    path.chmod(0o666)
    os.utime(path, (1, 1))
    assert (await client.get("/jobs", headers=bearer(secret))).status_code == 503
    for answer in (
        await client.get(TOKENS, auth=OWNER),
        await client.post(TOKENS, json={"name": "a"}, auth=OWNER),
    ):
        assert answer.status_code in (422, 503)
    assert (await client.get("/jobs", auth=OWNER)).status_code == 200


def test_scopes_and_places(monkeypatch):
    assert parse_scopes("submit, read,") == ("read", "submit")
    for bad in ("", ",", "write", "read,root"):
        with pytest.raises(ValueError, match="such as read,submit"):
            parse_scopes(bad)
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    assert default_path() == "/s/rosin/tokens.json"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert default_path().endswith("/.local/state/rosin/tokens.json")
