# SPDX-License-Identifier: LGPL-3.0-or-later
"""Credentials: what is open without them, every way to present them, and what guessing leads to."""

from __future__ import annotations

import asyncio
import time

import httpx
import jwt
import pytest

from rosin.rest.auth.access import LONGEST
from rosin.rest.auth.authenticator import WRONG, Authenticator
from rosin.rest.auth.identity import Identity
from rosin.rest.auth.throttle import BURST, DELAY, REFILL, Failures, Throttle
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

LONG = "correct horse battery"
SHARED = "shared key of the clients, 32 bytes long"
GOOD = httpx.BasicAuth("ann", "correct horse battery")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_only_the_front_page_and_the_probes_are_open(locked):
    await locked.get("/ready", auth=GOOD)  # strangers do not wait for the instance
    for path in ("/", "/health", "/ready", "/rosin/v1/health", "/rosin/v1/ready"):
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
        if path.removeprefix("/rosin/v1") in (
            "/",
            "/health",
            "/ready",
            "/v1/token",
            "/v1/login/access-token",
        ):
            continue
        for method in ("GET", "POST"):
            if (method, path) == ("POST", "/rosin/v1/session"):
                continue  # where one signs in
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
    assert (await locked.get("/jobs", headers=bearer("correct horse battery"))).status_code == 200
    login = {"username": "ann", "password": "correct horse battery"}
    answer = await locked.post("/v1/login/access-token", data=login)
    assert answer.json()["token_type"] == "Bearer"
    assert (await locked.get("/v1/jobs", headers=bearer(answer.json()["access_token"]))).status_code == 200


async def test_wrong_credentials(locked):
    for auth in (("ann", "wrong"), ("bob", "correct horse battery"), ("", ""), ("ann", "")):
        assert (await locked.get("/jobs", auth=auth)).status_code == 401
    for header in ("Basic", "Basic !!!", "Basic YW5u", "Digest x", "Bearer", "Bearer a.b.c", "x" * 9000):
        answer = await locked.get("/v1/jobs", headers={"Authorization": header})
        assert answer.status_code in (401, 429)
        assert set(answer.json()) == {"detail"}


async def test_shared_secret_flow_of_the_old_client(locked):
    claims = {
        "user": "ann",
        "pass": "correct horse battery",
        "scope": "token",
        "exp": time.time() + 60,
        "jti": "1",
    }
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
    whole = {"user": "ann", "pass": "correct horse battery", "scope": "token", **claims}
    return jwt.encode(whole, SHARED, algorithm="HS256")


async def test_a_signed_request_is_good_once_and_for_a_short_time():
    auth = Authenticator(Settings(user="ann", token="correct horse battery", secret_key=SHARED))
    now = time.time()
    first = signed(exp=now + 60, jti="1")
    assert isinstance(await auth.exchange(first, False, "x"), Identity)
    assert "before" in str(await auth.exchange(first, False, "x"))
    # The last character of a signature has bits that no decoder looks at.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same = first[:-1] + alphabet[alphabet.index(first[-1]) ^ 1]
    assert isinstance(await auth.exchange(same, False, "x"), str)
    assert isinstance(await auth.exchange(signed(exp=now + 60, jti="2"), False, "x"), Identity)
    ends = (
        now + LONGEST + 60,
        now - 1,
        1e308,
        10**400,
        float("inf"),
        float("nan"),
        "soon",
        True,
        None,
        [],
        {},
    )
    for claims in ({}, *({"exp": end} for end in ends)):
        assert isinstance(await auth.exchange(signed(**claims), False, "y"), str)
    assert await auth.exchange(signed(**{"pass": "x", "exp": now + 60}), False, "z") == WRONG


async def test_requests_without_an_end_come_from_the_own_user_or_by_setting():
    given = {"user": "ann", "token": "correct horse battery", "secret_key": SHARED}
    auth = Authenticator(Settings(**given))
    assert isinstance(await auth.exchange(signed(), True, "x"), Identity)
    assert isinstance(await auth.exchange(signed(), True, "x"), Identity)
    assert "exp" in str(await auth.exchange(signed(), False, "x"))
    auth = Authenticator(Settings(**given, endless_requests=True))
    assert isinstance(await auth.exchange(signed(), False, "x"), Identity)
    assert read_environment({"FLUX_ENDLESS_TOKEN_REQUESTS": "true"})["endless_requests"]


async def test_memory_of_signed_requests_is_bounded(monkeypatch):
    monkeypatch.setattr("rosin.rest.auth.access._REMEMBERED", 2)
    auth = Authenticator(Settings(user="ann", token="correct horse battery", secret_key=SHARED))
    now = time.time()
    for number in range(2):
        found = await auth.exchange(signed(exp=now + 60, jti=str(number)), False, "x")
        assert isinstance(found, Identity)
    assert "too many" in str(await auth.exchange(signed(exp=now + 60, jti="3"), False, "x"))


async def test_only_a_configured_proxy_says_for_whom_it_asks(make):
    """Wrong guesses are counted for who makes them, and nobody counts as another by a header."""

    async def guess(client, *forwarded):
        headers = [("X-Forwarded-For", value) for value in forwarded]
        return (await client.get("/jobs", headers=headers, auth=("ann", "guess"))).status_code

    plain = await make(user="ann", token="correct horse battery")
    answers = [await guess(plain, f"10.0.0.{n}") for n in range(BURST + 1)]
    assert answers == [401] * BURST + [429]
    behind = await make(user="ann", token="correct horse battery", proxies=(parse_proxy("127.0.0.0/8"),))
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
    client = await make(user="ann", token="correct horse battery", uri="local:///nowhere/secret-path")
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
    auth = client.app.state.auth
    token = auth.issue(auth.owner)
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
    login["password"] = "correct horse battery"
    assert (await locked.post("/v1/login/access-token", data=login)).status_code == 200


def test_lockout_ends_and_memory_is_bounded():
    now = [0.0]
    failures = Failures(lambda: now[0])
    for _ in range(BURST):
        failures.add(("ann", "a"))
    assert failures.locked(("ann", "a"))
    assert not failures.locked(("ann", "b"))
    assert not failures.locked(("bob", "a"))
    now[0] += REFILL + 1
    assert not failures.locked(("ann", "a"))
    for n in range(10000):
        failures.add(("ann", str(n)))
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
    found = Authenticator(Settings()).ambient(None)
    assert found is not None
    assert found.name == "fluxuser"


async def test_a_guesser_is_slowed_down_by_address():
    auth = Authenticator(Settings(token=LONG))
    for _ in range(BURST):
        assert await auth.header("Bearer no", "x") is None
    with pytest.raises(Problem):
        await auth.header("Bearer no", "x")
    assert await auth.header("Bearer no", "y") is None
    found = await auth.header(f"Bearer {LONG}", "x")
    assert found is not None
    assert found.name == "fluxuser"


async def test_a_guesser_slows_down_the_guessed_name_only():
    auth = Authenticator(Settings(user="ann", token=LONG))
    for _ in range(BURST):
        assert await auth.password("bob", "guess", "x") is None
    with pytest.raises(Problem):
        await auth.password("carol", "guess", "x")  # names that nobody has are one
    assert await auth.password("ann", "guess", "x") is None


async def test_a_short_token_is_tried_slowly():
    """It can be guessed, so each guess takes its time; the right one still comes in."""
    slept: list[float] = []
    gate = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await gate.wait()

    auth = Authenticator(Settings(user="ann", token="short"))
    auth.throttle = Throttle(sleep=sleep)
    for _ in range(BURST):
        assert await auth.password("ann", "guess", "x") is None
    assert slept == []
    right = asyncio.ensure_future(auth.password("ann", "short", "x"))
    wrong = [asyncio.ensure_future(auth.header("Bearer guess", "x")) for _ in range(3)]
    await asyncio.sleep(0)
    assert slept == [DELAY]  # one after the other
    with pytest.raises(Problem, match="too many"):  # and few wait
        await auth.password("ann", "short", "x")
    elsewhere = await auth.password("ann", "short", "y")
    gate.set()
    assert elsewhere == await right
    assert elsewhere is not None
    for guess in wrong:
        with pytest.raises(Problem):
            await guess
    assert slept == [DELAY] * 4
    assert auth.throttle._queues == {}
