# SPDX-License-Identifier: LGPL-3.0-or-later
"""Credentials: what is open without them, every way to present them, and what guessing leads to."""

from __future__ import annotations

import time

import httpx
import jwt
import pytest

from rosin.rest.auth import BURST, REFILL, Authenticator, Failures
from rosin.rest.problem import Problem
from rosin.rest.settings import Settings, boolean, is_loopback, read_environment

SHARED = "shared key of the clients, 32 bytes long"
GOOD = httpx.BasicAuth("ann", "correct horse")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_only_the_front_page_and_the_probes_are_open(locked):
    for path in ("/", "/health", "/ready"):
        assert (await locked.get(path)).status_code == 200
    openapi = (await locked.get("/openapi.json", auth=GOOD)).json()
    paths = [
        *openapi["paths"],
        "/openapi.json",
        "/docs",
        "/static/app.css",
        "/jobs/submit",
        "/nope",
        "/v1/nope",
    ]
    for path in paths:
        if path in ("/", "/health", "/ready", "/v1/token", "/v1/login/access-token"):
            continue
        for method in ("GET", "POST"):
            answer = await locked.request(method, path.replace("{jobid}", "1"))
            assert answer.status_code == 401, f"{method} {path} is open"
            assert "www-authenticate" in answer.headers


async def test_front_page_shows_nothing_without_credentials(locked):
    page = await locked.get("/", headers={"Accept": "text/html"})
    assert "Sign in" in page.text
    assert "/static" not in page.text
    inside = await locked.get("/", headers={"Accept": "text/html"}, auth=GOOD)
    assert "New job" in inside.text


async def test_every_way_in(locked):
    assert (await locked.get("/jobs", auth=GOOD)).status_code == 200
    assert (await locked.get("/jobs", headers=bearer("correct horse"))).status_code == 200
    login = {"username": "ann", "password": "correct horse"}
    answer = await locked.post("/v1/login/access-token", data=login)
    assert answer.json()["token_type"] == "Bearer"
    assert (await locked.get("/v1/jobs", headers=bearer(answer.json()["access_token"]))).status_code == 200


async def test_wrong_credentials(locked):
    for auth in (("ann", "wrong"), ("bob", "correct horse"), ("", ""), ("ann", "")):
        assert (await locked.get("/jobs", auth=auth)).status_code == 401
    for header in ("Basic", "Basic !!!", "Basic YW5u", "Digest x", "Bearer", "Bearer a.b.c", "x" * 9000):
        answer = await locked.get("/v1/jobs", headers={"Authorization": header})
        assert answer.status_code in (401, 429)
        assert set(answer.json()) == {"detail"}


async def test_shared_secret_flow_of_the_old_client(locked):
    claims = {"user": "ann", "pass": "correct horse", "scope": "token"}
    request = jwt.encode(claims, SHARED, algorithm="HS256")
    answer = await locked.post("/v1/token", headers=bearer(request))
    assert answer.status_code == 200
    token = answer.json()["access_token"]
    assert (await locked.get("/v1/nodes", headers=bearer(token))).status_code == 200
    for wrong in (
        {**claims, "pass": "x"},
        {**claims, "user": "bob"},
        {**claims, "scope": "admin"},
        {"scope": "token"},
    ):
        bad = jwt.encode(wrong, SHARED, algorithm="HS256")
        answer = await locked.post("/v1/token", headers=bearer(bad))
        assert (answer.status_code, answer.json()) == (400, {"Message": "Denied"})


async def test_the_shared_key_opens_nothing_by_itself(locked):
    """The reference let any holder of the shared key sign access tokens for the superuser."""
    for subject in ("1", "ann"):
        forged = jwt.encode({"sub": subject, "exp": time.time() + 600}, SHARED, algorithm="HS256")
        assert (await locked.post("/v1/service/stop", headers=bearer(forged))).status_code == 401
    unsigned = jwt.encode({"sub": "ann", "exp": time.time() + 600}, "", algorithm="none")
    assert (await locked.get("/v1/jobs", headers=bearer(unsigned))).status_code == 401


async def test_expired_token_asks_for_a_new_one(make):
    client = await make(user="ann", token="t", token_minutes=0)
    token = client.app.state.auth.issue()
    for _ in range(BURST + 5):  # not a guess, so never locked out
        answer = await client.get("/v1/jobs", headers=bearer(token))
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_guessing_is_slowed_down_and_locks_nobody_out(locked):
    for _ in range(BURST):
        assert (await locked.get("/jobs", auth=("ann", "guess"))).status_code == 401
    answer = await locked.get("/jobs", auth=("ann", "guess"))
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    login = {"username": "ann", "password": "guess"}
    assert (await locked.post("/v1/login/access-token", data=login)).status_code == 429
    assert (await locked.post("/v1/token", headers=bearer("a.b.c"))).status_code == 429
    assert (await locked.get("/jobs", auth=GOOD)).status_code == 200
    login["password"] = "correct horse"
    assert (await locked.post("/v1/login/access-token", data=login)).status_code == 200


def test_lockout_ends_and_memory_is_bounded():
    now = [0.0]
    failures = Failures(lambda: now[0])
    for _ in range(BURST):
        failures.add("a")
    assert failures.locked("a")
    assert not failures.locked("b")
    now[0] += REFILL + 1
    assert not failures.locked("a")
    for n in range(10000):
        failures.add(str(n))
    assert len(failures._spent) < 5000


def test_credentials_leave_the_environment():
    environ = {"FLUX_USER": "u", "FLUX_TOKEN": "t", "FLUX_SECRET_KEY": "k", "OTHER": "1"}
    settings = Settings(**read_environment(environ))
    assert environ == {"OTHER": "1"}
    assert (settings.user, settings.token, settings.secret_key) == ("u", "t", "k")
    assert "t'" not in repr(settings)
    assert "'k'" not in repr(settings)


@pytest.mark.parametrize(
    "environ",
    [
        {"FLUX_REQUIRE_AUTH": "true"},
        {"FLUX_REQUIRE_AUTH": "maybe"},
        {"FLUX_USER": "u"},
        {"FLUX_USER": "a:b", "FLUX_TOKEN": "t"},
        {"FLUX_ACCESS_TOKEN_EXPIRES_MINUTES": "soon"},
    ],
)
def test_settings_that_make_no_sense(environ):
    name = next(iter(environ))
    with pytest.raises(ValueError, match=name):
        read_environment(environ)


def test_false_means_false():
    assert not boolean("X", "false")
    assert not boolean("X", "0")
    assert boolean("X", "TRUE")
    assert is_loopback("127.0.0.1")
    assert is_loopback("[::1]")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("example.org")


def test_without_a_token_nobody_is_asked():
    auth = Authenticator(Settings())
    assert auth.check(None, "x") == "fluxuser"


def test_a_guesser_is_slowed_down_by_address():
    auth = Authenticator(Settings(token="t"))
    for _ in range(BURST):
        assert auth.check("Bearer no", "x") is None
    with pytest.raises(Problem):
        auth.check("Bearer no", "x")
    assert auth.check("Bearer no", "y") is None
    assert auth.check("Bearer t", "x") == "fluxuser"
