# SPDX-License-Identifier: LGPL-3.0-or-later
"""Browsers: the one-time link, signing in, and everything that a session's cookie must not do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from rosin.rest import peer
from rosin.rest.auth.identity import Identity
from rosin.rest.auth.links import LIFETIME, LoginLinks
from rosin.rest.auth.sessions import IDLE, LONGEST, Sessions, cookie_values
from rosin.rest.routes.session import is_own_path

OWNER = Identity("ann", 1000)
GOOD = {"username": "ann", "password": "correct horse battery"}
HTML = {"Accept": "text/html"}
HOST = "http://127.0.0.1:5000"


def link(client: Any) -> str:
    auth = client.app.state.auth
    return f"/?login={auth.links.make(auth.owner)}"


async def signed_in(client: Any) -> str:
    """Sign in with the link; returns what pages send along."""
    assert (await client.get(link(client))).status_code == 303
    csrf: str = (await client.get("/rosin/v1/session")).json()["csrf"]
    return csrf


# -- the link ----------------------------------------------------------------------------------------


async def test_a_link_opens_a_session_once(locked):
    path = link(locked)
    answer = await locked.get(path, headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert re.fullmatch(r"rosin=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict", cookie)
    who = (await locked.get("/rosin/v1/session")).json()
    assert (who["user"], who["role"], who["via"]) == ("ann", "owner", "session")
    assert (await locked.get("/jobs")).status_code == 200
    assert (await locked.get(path)).headers["location"] == "/"  # again, by who is in
    locked.cookies.clear()
    again = await locked.get(path, headers=HTML)
    assert again.status_code == 403
    assert "set-cookie" not in again.headers
    assert "has been used" in again.text
    assert (await locked.get("/jobs")).status_code == 401


@pytest.mark.parametrize("token", ["x", "", "x" * 256, "%00", "%ff", "ƒ"])
async def test_links_that_are_none(locked, token):
    answer = await locked.get(f"/?login={token}")
    assert answer.status_code in (200, 403)
    assert "set-cookie" not in answer.headers


async def test_who_only_looks_at_a_link_leaves_it(locked):
    path = link(locked)
    assert (await locked.head(path)).status_code == 204
    for name in ("Sec-Purpose", "Purpose"):
        assert (await locked.get(path, headers={name: "prefetch;prerender"})).status_code == 204
    assert (await locked.get(path)).status_code == 303


async def test_a_link_on_another_site_leads_in(locked):
    """A redirect of it would go on without the cookie, which is for our own pages' requests only."""
    answer = await locked.get(link(locked), headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert answer.headers["refresh"] == "0; url=/"
    assert "SameSite=Strict" in answer.headers["set-cookie"]


def test_links_end_and_are_few():
    now = [0.0]
    links = LoginLinks(lambda: now[0])
    token = links.make(OWNER)
    assert links.take(token) == OWNER
    assert links.take(token) is None
    token = links.make(OWNER)
    now[0] = LIFETIME
    assert links.take(token) is None
    tokens = [links.make(OWNER) for _ in range(100)]
    assert links.take(tokens[0]) is None
    assert links.take(tokens[-1]) == OWNER
    assert len(links._open) < 20
    assert not any(token.encode() in key for token in tokens for key in links._open)


async def test_a_link_is_asked_for_with_all_rights(locked):
    assert (await locked.post("/rosin/v1/login-links")).status_code == 401
    made = (await locked.post("/rosin/v1/login-links", auth=("ann", "correct horse battery"))).json()
    assert (await locked.get(made["path"])).status_code == 303


# -- signing in and out ------------------------------------------------------------------------------


async def test_name_and_token_for_a_session(locked):
    for wrong in ({**GOOD, "password": "x"}, {**GOOD, "username": "bob"}):
        answer = await locked.post("/rosin/v1/session", json=wrong)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
    for bad in (b"", b"[", b"[]", b"{}", b'{"username": 1, "password": []}', b'{"username":"a","extra":1}'):
        assert (await locked.post("/rosin/v1/session", content=bad)).status_code in (400, 422)
    answer = await locked.post("/rosin/v1/session", json=GOOD)
    assert answer.status_code == 201
    assert answer.json()["csrf"]
    assert (await locked.get("/jobs")).status_code == 200
    csrf = {"X-CSRF-Token": answer.json()["csrf"]}
    old = dict(locked.cookies)
    gone = await locked.delete("/rosin/v1/session", headers=csrf)
    assert (gone.status_code, "Max-Age=0" in gone.headers["set-cookie"]) == (204, True)
    answer = await locked.get("/jobs", headers={"Cookie": f"rosin={old['rosin']}"})
    assert answer.status_code == 401  # over for whoever has a copy
    gone = await locked.delete("/rosin/v1/session", auth=("ann", "correct horse battery"))
    assert gone.status_code == 409


async def test_the_form_signs_in_and_goes_on(locked):
    page = await locked.get("/jobs/123?x=1", headers=HTML)
    assert page.status_code == 401
    assert page.headers["www-authenticate"] == "Bearer"  # no window of the browser's own
    assert 'name="next" value="/jobs/123?x=1"' in page.text
    wrong = await locked.post("/rosin/v1/session", data={**GOOD, "password": "x"}, headers=HTML)
    assert wrong.status_code == 401
    assert "Wrong name or token" in wrong.text
    for given, leads in (("/jobs/123", "/jobs/123"), ("//evil.example", "/"), ("https://evil.example", "/")):
        answer = await locked.post("/rosin/v1/session", data={**GOOD, "next": given}, headers=HTML)
        assert (answer.status_code, answer.headers["location"]) == (303, leads)


@pytest.mark.parametrize(
    "text", ["", "x", "//e", "/\\e", "/\n//e", "/\te", "/ƒ", "https://e", "javascript:x"]
)
def test_ways_out(text):
    assert not is_own_path(text)
    assert is_own_path("/jobs/1?x=y")


async def test_the_page_says_nothing_back(locked):
    page = await locked.get("/%22%3E%3Cscript%3Ealert(1)%3C/script%3E", headers=HTML)
    assert "<script" not in page.text


async def test_guessing_at_the_form_is_slowed_down(locked):
    for _ in range(10):
        assert (await locked.post("/rosin/v1/session", json={**GOOD, "password": "x"})).status_code == 401
    assert (await locked.post("/rosin/v1/session", json={**GOOD, "password": "x"})).status_code == 429
    assert (await locked.post("/rosin/v1/session", json=GOOD)).status_code == 201


# -- forged requests ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/jobs/submit", "/v1/jobs/submit", "/service/stop", "/jobs/1/cancel"])
async def test_a_cookie_alone_changes_nothing(locked, path):
    csrf = await signed_in(locked)
    for headers in (
        {},
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "x" * 43},
        {"X-CSRF-Token": csrf, "Origin": "https://evil.example"},
        {"X-CSRF-Token": csrf, "Origin": "http://127.0.0.1:6000"},
        {"X-CSRF-Token": csrf, "Sec-Fetch-Site": "same-site"},
    ):
        assert (await locked.post(path, data={"command": "true"}, headers=headers)).status_code == 403


async def test_pages_send_the_token_as_header_or_field(locked):
    csrf = await signed_in(locked)
    page = await locked.get("/jobs/submit", headers=HTML)
    assert f'name="csrf-token" content="{csrf}"' in page.text
    assert f'name="csrf" value="{csrf}"' in page.text
    job = {"command": "true"}
    headers = {"X-CSRF-Token": csrf, "Origin": HOST}
    assert (await locked.post("/jobs/submit", json=job, headers=headers)).status_code == 200
    assert (await locked.post("/jobs/submit", data={**job, "csrf": csrf})).status_code == 200
    for fields in (job, {**job, "csrf": "x"}, {**job, "csrf": "\N{EURO SIGN}"}):
        assert (await locked.post("/jobs/submit", data=fields)).status_code == 403
    many = "&".join(["csrf=x"] * 2000)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await locked.post("/jobs/submit", content=many, headers=form)).status_code == 403


async def test_credentials_of_their_own_need_no_token(locked):
    answer = await locked.post("/jobs/submit", json={"command": "true"}, auth=("ann", GOOD["password"]))
    assert answer.status_code == 200
    await signed_in(locked)
    # Wrong ones are not made good by a cookie.
    assert (await locked.get("/jobs", auth=("ann", "x"))).status_code == 401


# -- whose a session is ------------------------------------------------------------------------------


def test_sessions_end_and_are_few():
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    cookie, session = sessions.begin(OWNER, None)
    now[0] = IDLE - 1
    assert sessions.find(cookie, None) is session
    now[0] += IDLE + 1
    assert sessions.find(cookie, None) is None
    cookie, session = sessions.begin(OWNER, None)
    while now[0] - session.begun < LONGEST:
        assert sessions.find(cookie, None) is session
        now[0] += IDLE / 2
    assert sessions.find(cookie, None) is None
    other, _ = sessions.begin(Identity("bob", 1001), None)
    cookies = [sessions.begin(OWNER, None)[0] for _ in range(200)]
    assert sessions.find(cookies[0], None) is None
    assert sessions.find(cookies[-1], None) is not None
    assert sessions.find(other, None) is not None  # nobody signs others out by signing in
    for number in range(2000):
        sessions.begin(Identity(str(number), 1), None)
    assert len(sessions._found) <= 1024
    cookies = [sessions.begin(OWNER, None)[0]]
    sessions.end_all("ann")
    assert sessions.find(cookies[-1], None) is None


def test_a_cookie_is_of_the_user_who_was_given_it():
    sessions = Sessions()
    cookie, session = sessions.begin(OWNER, 1000)
    assert sessions.find(cookie, 1001) is None
    assert sessions.find(cookie, None) is None
    assert sessions.find(cookie, 1000) is session


def test_a_second_cookie_of_that_name_hides_none():
    assert cookie_values(["rosin=a; x=y", "rosin = b;rosin=c=d"], "rosin") == ["a", "c=d"]
    assert len(cookie_values(["rosin=1;" * 1000], "rosin")) == 8


@pytest.mark.parametrize(
    "cookie", ["rosin=", "rosin=x", "rosin", "rosin=" + "x" * 5000, '=;;;rosin="', "\xff"]
)
async def test_cookies_that_are_none(locked, cookie):
    assert (await locked.get("/jobs", headers={"Cookie": cookie.encode("latin-1")})).status_code == 401


async def test_under_tls_the_cookie_is_for_tls_only(locked, make):
    secure = httpx.AsyncClient(transport=httpx.ASGITransport(locked.app), base_url="https://127.0.0.1")
    assert "; Secure" in (await secure.get(link(locked))).headers["set-cookie"]
    said = {"X-Forwarded-Proto": "https"}  # by a client, which means nothing
    assert "Secure" not in (await locked.get(link(locked), headers=said)).headers["set-cookie"]
    await secure.aclose()


# -- WebSockets --------------------------------------------------------------------------------------


async def knock(app: Any, *headers: tuple[str, str], **scope: Any) -> str:
    """What becomes of a WebSocket to /x, which the application does not have."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in (("host", "127.0.0.1:5000"), *headers)]
    whole = {"type": "websocket", "path": "/x", "query_string": b"", "headers": raw, "scheme": "ws", **scope}
    await app(whole, receive, send)
    return f"{sent[0]['type']} {sent[0].get('code')}"


async def test_a_websocket_passes_the_gate(locked):
    refused, passed = "websocket.close 1008", "websocket.close 1000"
    basic = httpx.BasicAuth("ann", GOOD["password"])._auth_header
    assert await knock(locked.app) == refused
    assert await knock(locked.app, ("authorization", "Bearer x")) == refused
    assert await knock(locked.app, ("authorization", basic)) == passed
    assert await knock(locked.app, ("authorization", basic), ("origin", "https://evil.example")) == refused
    assert await knock(locked.app, ("authorization", basic), ("origin", "null")) == refused
    await signed_in(locked)
    cookie = ("cookie", f"rosin={locked.cookies['rosin']}")
    assert await knock(locked.app, cookie, ("origin", HOST)) == passed
    assert await knock(locked.app, cookie) == refused
    assert await knock(locked.app, cookie, ("origin", "http://127.0.0.1:6000")) == refused
    assert await knock(locked.app, cookie, ("origin", HOST), ("sec-fetch-site", "same-site")) == refused


async def test_a_websocket_of_another_user_or_name_is_refused(make):
    client = await make(same_user=True, hosts=("127.0.0.1",))
    for uid in (os.getuid() + 1, None):
        assert await knock(client.app, **{"rosin.connection": Connection(uid)}) == "websocket.close 1008"
    assert await knock(client.app) == "websocket.close 1008"
    own = {"rosin.connection": Connection(os.getuid())}
    assert await knock(client.app, **own) == "websocket.close 1000"
    assert await knock(client.app, ("host", "evil.example"), **own) == "websocket.close 1000"  # the first one


class Connection(SimpleNamespace):
    def __init__(self, uid: int | None) -> None:
        super().__init__(uid=uid, admit=lambda: None)


# -- the whole server --------------------------------------------------------------------------------

# As another user: what is answered to a stolen cookie, and to the link.
_OTHER = """
import encodings.idna, os, sys, urllib.request, urllib.error
os.setuid(65534)
class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None
opener = urllib.request.build_opener(NoRedirect)
def get(path, cookie=""):
    try:
        with opener.open(urllib.request.Request(sys.argv[1] + path, headers={"Cookie": cookie})) as answer:
            print(answer.status)
    except urllib.error.HTTPError as exc:
        print(exc.code)
        return exc.headers.get("Set-Cookie", "").split(";")[0]
get("jobs")
get("jobs", sys.argv[2])
cookie = get(sys.argv[3])
get("jobs", cookie)
get(sys.argv[3])
"""


@pytest.mark.system
@pytest.mark.skipif(os.getuid() != 0 or not peer.works(), reason="needs root to become another user")
def test_the_printed_link_lets_another_user_in_and_a_stolen_cookie_does_not(real_instance):
    env = dict.fromkeys(("FLUX_USER", "FLUX_TOKEN", "FLUX_SECRET_KEY"), "")
    server = subprocess.Popen(
        [sys.executable, "-m", "rosin", "serve", "--port", "0"],
        env={**os.environ, "FLUX_URI": real_instance.uri, **env},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    try:
        base = server.stderr.readline().split()[-1]
        printed = server.stderr.readline().split()[-1]
        assert printed.startswith(f"{base}?login=")
        made = httpx.post(f"{base}rosin/v1/login-links").json()
        opened = httpx.get(base.rstrip("/") + made["path"])
        name, value = next(iter(opened.cookies.items()))
        assert name == f"rosin-{base.split(':')[-1].rstrip('/')}"
        assert httpx.get(f"{base}rosin/v1/session", cookies={name: value}).json()["via"] == "session"
        command = [sys.executable, "-c", _OTHER, base, f"{name}={value}", printed.removeprefix(base)]
        other = subprocess.run(command, capture_output=True, text=True, check=True)
        assert other.stdout.split() == ["403", "403", "303", "200", "403"]
    finally:
        server.terminate()
        server.communicate(timeout=20)
