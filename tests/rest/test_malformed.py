# SPDX-License-Identifier: LGPL-3.0-or-later
"""Requests with two readings, and credentials that are none: never let in, never 500."""

from __future__ import annotations

import base64
import hmac
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rosin.rest.auth.access import AccessTokens, claims_of
from rosin.rest.auth.authenticator import Authenticator
from rosin.rest.auth.rules import rule
from rosin.rest.auth.sessions import Sessions, cookie_values
from rosin.rest.auth.tokens import TokenStore
from rosin.rest.settings import Settings
from rosin.testing.process import RealInstance

TOKEN = "correct horse battery"
KEY = b"a key of 32 bytes, as it has to be"
QUICK = settings(max_examples=200, derandomize=True, suppress_health_check=list(HealthCheck))

# -- requests as bytes -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with RealInstance() as instance:
        assert instance.run("queue", "stop").returncode == 0
        env = {**os.environ, "FLUX_URI": instance.uri, "FLUX_TOKEN": TOKEN, "FLUX_SECRET_KEY": ""}
        command = [sys.executable, "-m", "rosin", "serve", "--port", "0"]
        process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        host, port = process.stderr.readline().rstrip("/\n").rpartition("//")[2].split(":")
        yield host, int(port)
        process.terminate()
        _, log = process.communicate(timeout=30)
        assert "Traceback" not in log, log
        assert process.returncode == 0


def ask(address: tuple[str, int], data: bytes, *, end: bool = True) -> bytes:
    """All that a connection answers, until the server ends it; with *end* the client has no more to say."""
    answer = b""
    with socket.create_connection(address, timeout=30) as sock:
        try:
            sock.sendall(data)
            if end:
                sock.shutdown(socket.SHUT_WR)
            while part := sock.recv(65536):
                answer += part
        except OSError:
            pass  # it was ended before all of it was sent
    return answer


BASIC = b"Authorization: Basic " + base64.b64encode(b"fluxuser:" + TOKEN.encode()) + b"\r\n"
SMUGGLED = b"GET /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n" + BASIC + b"X-Smuggled: 1\r\n\r\n"
POST = b"POST /jobs/submit HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.system
@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5, 6\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length : 5\r\n",
        b"Content-Length: 5\x00\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: identity, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Host: evil.example\r\n",
        b" leading: fold\r\n",
        b"no colon\r\n",
        b"X: a\rb\r\n",
    ],
)
def test_requests_with_two_readings_lead_to_no_other(address, head):
    """With or without credentials: nothing behind them is taken for a request."""
    for credentials in (b"", BASIC):
        answer = ask(address, POST + credentials + head + b"\r\n0\r\n\r\n" + SMUGGLED)
        codes = [part.split()[0] for part in answer.split(b"HTTP/1.1 ")[1:]]
        assert codes[0] in (b"400", b"401", b"413", b"421", b"422", b"501"), answer
        assert codes[1:] in ([], [b"400"]), answer  # what follows is none, and ends it
        assert b'"jobs"' not in answer


@pytest.mark.system
def test_a_folded_header_is_no_second_one(address):
    """obs-fold: one value, by both readings, or none."""
    answer = ask(
        address, b"GET /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX: y\r\n " + BASIC + b"Connection: close\r\n\r\n"
    )
    assert answer.split()[1] in (b"400", b"401")


@pytest.mark.system
def test_heads_without_end_and_lines_without_number(address):
    line = b"X-%d: " + b"y" * 1000 + b"\r\n"
    for data in (
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"".join(line % n for n in range(1000)),
        b"GET /" + b"a" * 200_000,
        b"X" * 200_000,
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: " + b"rosin=x;" * 20_000 + b"\r\n\r\n",
    ):
        answer = ask(address, data)
        assert not answer or answer.split()[1] in (b"400", b"413", b"431"), answer[:200]
    assert httpx.get(f"http://{address[0]}:{address[1]}/health").status_code == 200


@pytest.mark.system
def test_pipelined_requests_each_bring_their_own_credentials(address):
    get = b"GET /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    answer = ask(
        address, get + BASIC + b"\r\n" + get + b"\r\n" + get + BASIC + b"Connection: close\r\n\r\n", end=False
    )
    codes = [part.split()[0] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert codes == [b"200", b"401", b"200"]


# -- tokens and cookies ------------------------------------------------------------------------------


def part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def sign(header: object, claims: object, key: bytes = KEY) -> str:
    signed = f"{part(header)}.{part(claims)}"
    return f"{signed}.{part(hmac.digest(key, signed.encode(), 'sha256'))}"


HS256 = {"alg": "HS256", "typ": "JWT"}
NOW = time.time() + 86400  # the tests may be run long after


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS384"},
        {"alg": "RS256"},
        {"alg": ["HS256"]},
        {"alg": None},
        {},
        [],
        "HS256",
        3,
        b"{",
        b"\xff",
        b"[" * 6000,
        {**HS256, "crit": ["x"]},
        {**HS256, "b64": False},
        {**HS256, "kid": 3},
    ],
)
def test_headers_that_are_none(header):
    """Even signed with the right key."""
    assert claims_of(sign(header, {"exp": NOW + 60}), KEY, ("exp",)) is None


@pytest.mark.parametrize("kid", ["../../etc/passwd", "x' or 1=1", "http://evil.example/", "\x00"])
def test_no_header_chooses_the_key(kid):
    header = {**HS256, "kid": kid, "jku": kid, "jwk": {"kty": "oct", "k": part(b"")}}
    assert claims_of(sign(header, {"exp": NOW + 60}), KEY, ("exp",)) is not None
    assert claims_of(sign(header, {"exp": NOW + 60}, b""), KEY, ("exp",)) is None


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"exp": "x"},
        {"exp": None},
        {"exp": []},
        b'{"exp": NaN}',
        b'{"exp": Infinity}',
        b'{"exp": -Infinity}',
        b'{"exp": 1e999}',
        [],
        b"",
        b"[" * 6000,
        {"exp": NOW + 60, "nbf": NOW + 60},
        {"exp": NOW + 60, "iat": "x"},
    ],
)
def test_claims_that_are_none(claims):
    assert claims_of(sign(HS256, claims), KEY, ("exp",)) is None


def test_signatures_that_are_none():
    good = sign(HS256, {"exp": NOW + 60})
    assert claims_of(good, KEY, ("exp",)) is not None
    head, body, signature = good.split(".")
    for bad in (
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}..{signature}",
        f".{body}.{signature}",
        f"{head}.{body}.{signature}.x",
        f"{head}.{body}.{signature[:-4]}",
        f"{head}.{part({'exp': NOW + 600})}.{signature}",
        good + "\N{LATIN SMALL LETTER E WITH ACUTE}",
        "." * 100,
        "x" * 9000,
        "",
    ):
        assert claims_of(bad, KEY, ("exp",)) is None, bad


@given(st.text() | st.text(alphabet="ey.-_AZaz09=", max_size=200))
@QUICK
def test_no_text_is_a_token(text):
    assert claims_of(text, KEY) is None
    assert AccessTokens(10).name(text) is None
    assert TokenStore().find(text) is None
    assert Sessions().find(text, None) is None
    for value in cookie_values([text, f"rosin={text}"], "rosin"):
        assert Sessions().find(value, None) is None


@given(
    st.text(max_size=100), st.sampled_from(["Basic ", "Bearer ", "Bearer rosin_", "basic\t", "", "Digest "])
)
@QUICK
async def test_no_header_lets_anybody_in(text, scheme):
    auth = Authenticator(Settings(user="ann", token=TOKEN, secret_key="x" * 32))
    assert await auth.header(scheme + text, "x") is None
    assert isinstance(await auth.exchange(text, True, "y"), str)


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "X"]),
    st.text(alphabet="/jobsv1%.\n \x00ƒcanel*", max_size=40),
)
@QUICK
def test_every_path_has_a_rule(method, path):
    needed = rule(method, path)
    assert needed.scope in ("read", "submit", "control", "admin") or path.startswith(("/v1/", "/rosin/v1/"))
