# SPDX-License-Identifier: LGPL-3.0-or-later
"""Credentials: what is open without them, every way to present them, and what guessing leads to."""

from __future__ import annotations

import time

import httpx
import jwt
import pytest

from rosin.rest.auth import BURST, LONGEST, REFILL, WRONG, Authenticator, Failures
from rosin.rest.peer import peer_key
from rosin.rest.problem import Problem
from rosin.rest.settings import (
    Settings,
    boolean,
    is_loopback,
    is_proxy,
    parse_address,
    parse_proxy,
    read_environment,
)

SHARED = "shared key of the clients, 32 bytes long"
GOOD = httpx.BasicAuth("ann", "correct horse")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_only_the_front_page_and_the_probes_are_open(locked):
    await locked.get("/ready", auth=GOOD)  # strangers do not wait for the instance
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
    claims = {"user": "ann", "pass": "correct horse", "scope": "token", "exp": time.time() + 60, "jti": "1"}
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


def signed(**claims: object) -> str:
    whole = {"user": "ann", "pass": "correct horse", "scope": "token", **claims}
    return jwt.encode(whole, SHARED, algorithm="HS256")


def test_a_signed_request_is_good_once_and_for_a_short_time():
    auth = Authenticator(Settings(user="ann", token="correct horse", secret_key=SHARED))
    now = time.time()
    first = signed(exp=now + 60, jti="1")
    assert auth.exchange(first, False) is None
    assert "before" in str(auth.exchange(first, False))
    # The last character of a signature has bits that no decoder looks at.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same = first[:-1] + alphabet[alphabet.index(first[-1]) ^ 1]
    assert auth.exchange(same, False) is not None
    assert auth.exchange(signed(exp=now + 60, jti="2"), False) is None
    for claims in ({}, {"exp": now + LONGEST + 60}, {"exp": now - 1}, {"exp": 1e308}, {"exp": "soon"}):
        assert auth.exchange(signed(**claims), False) is not None
    assert auth.exchange(signed(**{"pass": "x", "exp": now + 60}), False) == WRONG


def test_requests_without_an_end_come_from_the_own_user_or_by_setting():
    given = {"user": "ann", "token": "correct horse", "secret_key": SHARED}
    auth = Authenticator(Settings(**given))
    assert auth.exchange(signed(), True) is None
    assert auth.exchange(signed(), True) is None
    assert "exp" in str(auth.exchange(signed(), False))
    assert Authenticator(Settings(**given, endless_requests=True)).exchange(signed(), False) is None
    assert read_environment({"FLUX_ENDLESS_TOKEN_REQUESTS": "true"})["endless_requests"]


def test_memory_of_signed_requests_is_bounded(monkeypatch):
    monkeypatch.setattr("rosin.rest.auth._REMEMBERED", 2)
    auth = Authenticator(Settings(user="ann", token="correct horse", secret_key=SHARED))
    now = time.time()
    for number in range(2):
        assert auth.exchange(signed(exp=now + 60, jti=str(number)), False) is None
    assert "too many" in str(auth.exchange(signed(exp=now + 60, jti="3"), False))


async def test_only_a_configured_proxy_says_for_whom_it_asks(make):
    """Wrong guesses are counted for who makes them, and nobody counts as another by a header."""

    async def guess(client, *forwarded):
        headers = [("X-Forwarded-For", value) for value in forwarded]
        return (await client.get("/jobs", headers=headers, auth=("ann", "guess"))).status_code

    plain = await make(user="ann", token="correct horse")
    answers = [await guess(plain, f"10.0.0.{n}") for n in range(BURST + 1)]
    assert answers == [401] * BURST + [429]
    behind = await make(user="ann", token="correct horse", proxies=(parse_proxy("127.0.0.0/8"),))
    for n in range(BURST + 1):  # what the client itself wrote stands further left
        assert await guess(behind, f"10.0.0.{n}, 192.0.2.1:80", "127.0.0.2") == (401 if n < BURST else 429)
    assert await guess(behind, "192.0.2.2") == 401
    assert await guess(behind, "rubbish") == 401


def test_what_is_a_proxy():
    assert parse_proxy("unix") is None
    with pytest.raises(ValueError, match="--trusted-proxy"):
        parse_proxy("example.org")
    assert is_proxy(None, (None,))
    assert not is_proxy("10.1.2.3", (None,))
    assert is_proxy("::ffff:10.1.2.3", (parse_proxy("10.0.0.0/8"),))
    assert not is_proxy("rubbish", (parse_proxy("0.0.0.0/0"),))
    assert str(parse_address("[2001:db8::1]:80")) == "2001:db8::1"
    assert peer_key(None, "2001:db8::1") == peer_key(None, "2001:db8::2:1") == "2001:db8::/64"
    assert peer_key(1000, "127.0.0.1") == "user 1000"


async def test_strangers_hear_nothing_of_an_instance_that_is_away(make):
    client = await make(user="ann", token="correct horse", uri="local:///nowhere/secret-path")
    answer = await client.get("/ready")
    assert (answer.status_code, answer.json()["detail"]) == (503, "not ready")
    answer = await client.get("/ready", auth=GOOD)
    assert answer.status_code == 503
    assert "not ready" not in answer.text


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
