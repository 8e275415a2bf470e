# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a server knows after it was started anew, and what of it nobody finds in its file."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from rosin.rest.app import create_app
from rosin.rest.auth.identity import Identity
from rosin.rest.auth.sessions import IDLE, LONGEST, Sessions
from rosin.rest.own import idempotency
from rosin.rest.serverstate import MIGRATIONS, KnownAnswer, ServerState, default_path
from rosin.rest.settings import Settings

OWNER = ("ann", "correct horse battery")
JOBS, HOOKS, SESSION = "/rosin/v1/jobs", "/rosin/v1/webhooks", "/rosin/v1/session"
SIGN_IN = {"username": OWNER[0], "password": OWNER[1]}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "deep" / "state.db")


@pytest.fixture
def lives(make, path: str) -> Any:
    """Each call ends the server and starts the next."""
    before: list[Any] = []

    async def next_life(**settings: Any) -> Any:
        for client in before:
            await client.app.state.webhooks.close()
            client.app.state.state.close()
        given = {"user": OWNER[0], "token": OWNER[1], "state": path}
        client = await make(**{**given, **settings})
        before[:] = [client]
        return client

    return next_life


# -- the file ----------------------------------------------------------------------------------------


def test_the_file_is_for_its_user_and_one_server(path):
    state = ServerState(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    with pytest.raises(OSError, match="another server uses it"):
        ServerState(path)
    state.close()
    ServerState(path).close()
    os.chmod(path, 0o640)
    with pytest.raises(ValueError, match="chmod 600"):
        ServerState(path)
    link = path + ".link"
    os.chmod(path, 0o600)
    os.symlink(path, link)
    with pytest.raises(OSError, match="symbolic"):
        ServerState(link)


def test_what_is_no_state_is_told(tmp_path):
    for name, make, text in (
        ("text", lambda file: file.write_text("x" * 5000), "not the state of a server"),
        ("other", lambda file: _database(file, "PRAGMA user_version=3"), "another program"),
        ("newer", lambda file: _newer(file), "newer release"),
    ):
        file = tmp_path / name
        file.touch(0o600)
        make(file)
        with pytest.raises(ValueError, match=text):
            ServerState(str(file))


def _database(file: Path, *statements: str) -> None:
    with sqlite3.connect(file) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


def _newer(file: Path) -> None:
    ServerState(str(file)).close()
    _database(file, f"PRAGMA user_version={len(MIGRATIONS) + 1}")


def test_a_file_of_an_earlier_version_is_brought_up_to_date(path, monkeypatch):
    ServerState(path).close()
    monkeypatch.setattr(
        "rosin.rest.serverstate.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE more (a); CREATE TABLE still (b)")
    )
    ServerState(path).close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS) + 1
        assert db.execute("SELECT count(*) FROM still").fetchone()[0] == 0
    db.close()


def test_what_cannot_be_written_is_told_once(path, capsys):
    state = ServerState(path)
    state._db.execute("PRAGMA query_only=ON")
    for _ in range(3):
        state.keep_webhook("x", "{}")
    assert capsys.readouterr().err.count("rosin-serve: ERROR") == 1


def test_each_place_has_a_file_of_its_own():
    places = ["http://127.0.0.1:5000/", "http://127.0.0.1:5001/", "unix:/run/a", "unix:" + "/x" * 200]
    paths = [default_path(place) for place in places]
    assert len(set(paths)) == len(places)
    assert all(len(os.path.basename(one)) < 150 and "//" not in one for one in paths)


# -- sessions ----------------------------------------------------------------------------------------


async def test_a_session_outlives_the_server(lives, path):
    first = await lives()
    answer = await first.post(SESSION, json=SIGN_IN)
    cookie, csrf = first.cookies["rosin"], answer.json()["csrf"]
    second = await lives()
    second.cookies.set("rosin", cookie)
    about = (await second.get(SESSION)).json()
    assert (about["user"], about["via"], about["csrf"]) == ("ann", "session", csrf)
    stored = Path(path).read_bytes() + Path(f"{path}-wal").read_bytes()
    for secret in (cookie, csrf, OWNER[1]):
        assert secret.encode() not in stored
    assert (await second.delete(SESSION, headers={"X-CSRF-Token": csrf})).status_code == 204
    third = await lives()
    third.cookies.set("rosin", cookie)
    assert (await third.get(SESSION)).status_code == 401


async def test_another_token_ends_all_sessions(lives):
    first = await lives()
    await first.post(SESSION, json=SIGN_IN)
    second = await lives(token="another long token of ann")
    second.cookies.set("rosin", first.cookies["rosin"])
    assert (await second.get(SESSION)).status_code == 401


def test_a_session_ends_also_over_several_lives(path):
    now = [1000.0]
    state = ServerState(path, lambda: now[0])
    state.forget_old(None, IDLE, LONGEST)
    cookie, _ = Sessions(lambda: now[0], state).begin(Identity("ann", 1), 7)
    unused, _ = Sessions(lambda: now[0], state).begin(Identity("ann", 1), 7)
    while now[0] < 1000.0 + LONGEST:
        found = Sessions(lambda: now[0], state).find(cookie, 7)
        assert found is not None
        assert (found.identity.scopes, found.identity.owner) == (frozenset(), False)
        assert Sessions(lambda: now[0], state).find(cookie, 8) is None
        now[0] += IDLE - 1
        state.forget_old(None, IDLE, LONGEST)
    assert Sessions(lambda: now[0], state).find(cookie, 7) is None
    assert Sessions(lambda: now[0], state).find(unused, 7) is None


# -- answers -----------------------------------------------------------------------------------------


async def test_a_request_that_is_sent_again_to_the_next_server_does_nothing(lives):
    key, job = {"Idempotency-Key": "of-two-lives"}, {"command": "true"}
    first = await (await lives()).post(JOBS, json=job, headers=key, auth=OWNER)
    bulk = {"jobs": [job, {"command": "true", "name": "two"}]}
    many = await (await lives()).post(f"{JOBS}/bulk", json=bulk, headers=key, auth=OWNER)
    second = await lives()
    again = await second.post(JOBS, json=job, headers=key, auth=OWNER)
    assert (again.status_code, again.json()) == (201, first.json())
    assert (again.headers["idempotency-replayed"], again.headers["location"]) == (
        "true",
        first.headers["location"],
    )
    assert (await second.post(f"{JOBS}/bulk", json=bulk, headers=key, auth=OWNER)).json() == many.json()
    other = await second.post(JOBS, json={"command": "false"}, headers=key, auth=OWNER)
    assert other.status_code == 422


async def test_an_answer_of_another_instance_counts_no_more(lives, monkeypatch):
    key, job = {"Idempotency-Key": "of-an-instance"}, {"command": "true"}
    first = await (await lives()).post(JOBS, json=job, headers=key, auth=OWNER)
    client = await lives()
    client.app.state.state._write("UPDATE answers SET t_submit = t_submit + 1")
    again = await client.post(JOBS, json=job, headers=key, auth=OWNER)
    assert (again.status_code, again.json() == first.json()) == (201, False)


async def test_nobody_knows_what_became_of_it(lives, monkeypatch):
    key, job = {"Idempotency-Key": "halfway"}, {"command": "true"}
    first = await lives()
    forgotten: list[Any] = []
    monkeypatch.setattr(idempotency.Answers, "_done", lambda *args: forgotten.append(args))
    await first.post(JOBS, json=job, headers=key, auth=OWNER)
    second = await lives()
    again = await second.post(JOBS, json=job, headers=key, auth=OWNER)
    assert (again.status_code, "look what is done" in again.json()["detail"]) == (409, True)


def test_answers_are_as_many_and_as_old_as_they_may_be(path):
    now = [0.0]
    state = ServerState(path, lambda: now[0])
    for number in range(10):
        now[0] = float(number)
        state.keep_answer(bytes([number]), KnownAnswer(b"", b"{}", 1, 1.0))
    state.limit_answers(3)
    assert [number for number in range(10) if state.answer(bytes([number]))] == [7, 8, 9]
    now[0] = 86_400.0 + 8
    assert [number for number in range(10) if state.answer(bytes([number]))] == [8, 9]
    state.forget_old(None, IDLE, LONGEST)
    assert [row[0] for row in state._db.execute("SELECT key FROM answers ORDER BY key")] == [b"\x08", b"\x09"]


# -- webhooks ----------------------------------------------------------------------------------------


async def test_a_webhook_and_what_waits_for_it_outlive_the_server(lives):
    networks = (ipaddress.ip_network("127.0.0.0/8"),)
    got: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def away(_target: Any, headers: dict[str, str], _body: bytes) -> int:
        await got.put(("away", headers["webhook-id"]))
        raise OSError("away")

    async def there(_target: Any, headers: dict[str, str], _body: bytes) -> int:
        await got.put(("there", headers["webhook-id"]))
        return 204

    first = await lives(webhook_networks=networks)
    first.app.state.webhooks.post = away
    hook = (await first.post(HOOKS, json={"url": "http://127.0.0.1:9/x"}, auth=OWNER)).json()
    for _ in range(2):
        await first.post(f"{HOOKS}/{hook['id']}/ping", auth=OWNER)
    _, tried = await got.get()
    second = await lives(webhook_networks=networks)
    second.app.state.webhooks.post = there
    (listed,) = (await second.get(HOOKS, auth=OWNER)).json()["webhooks"]
    assert {**listed, "waiting": 0} == {key: hook[key] for key in listed}
    delivered = [await asyncio.wait_for(got.get(), 30) for _ in range(2)]
    assert delivered[0] == ("there", tried)
    assert delivered[1][0] == "there"
    assert (await second.delete(f"{HOOKS}/{hook['id']}", auth=OWNER)).status_code == 204
    third = await lives()
    assert (await third.get(HOOKS, auth=OWNER)).json() == {"webhooks": []}


async def test_a_webhook_that_cannot_be_read_does_not_hinder_the_server(lives, path, capsys):
    await lives()
    state = ServerState(path + "x")
    state.close()
    client = await lives()
    client.app.state.state.keep_webhook("x", '{"url": 3}')
    client = await lives()
    assert (await client.get(HOOKS, auth=OWNER)).json() == {"webhooks": []}
    assert "a webhook cannot be read" in capsys.readouterr().err


def test_an_application_without_a_file_keeps_it_in_memory():
    app = create_app(Settings())
    assert app.state.state.path is None
