# SPDX-License-Identifier: LGPL-3.0-or-later
"""Raw bytes against a real server: no 500, no traceback, no control character in its log, and it lives."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

_TARGETS = [
    "/",
    "/jobs",
    "/jobs/submit",
    "/v1/jobs/submit",
    "/v1/token",
    "/v1/login/access-token",
    "/jobs/1/output",
]
_HEADERS = [
    b"Host: 127.0.0.1",
    b"Host: 127.0.0.1:1@evil",
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip",
    b"Expect: 100-continue",
    b"Connection: upgrade",
    b"Upgrade: websocket",
    b"Upgrade: h2c",
    b"Authorization: Bearer \xff\x00",
    b"Authorization: Basic Og==",
    b"Content-Type: multipart/form-data; boundary=x",
    b"Content-Type: application/x-www-form-urlencoded",
    b"Accept: text/html",
    b"X-Forwarded-For: \x1b[31m, 1.2.3.4",
    b"Last-Event-ID: \xb2",
]
_BODIES = [
    b"",
    b"0\r\n\r\n",
    b"zz\r\n",
    b"{",
    b"[[[[",
    b"--x\r\n\r\n",
    b'{"command": 3}',
    b"command=%00",
    b"username=%ff&password=%1b",
    b'{"command": "\\u0000"}',
]

line = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda method, target, extra, version: b" ".join([method, target.encode() + extra, version]),
        st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"TRACE", b"\x1b[31m"]),
        st.sampled_from(
            [*_TARGETS, "*", "http://127.0.0.1/jobs", "http://evil/jobs", "//x", "/%1b%5b31m%9b"]
        ),
        st.one_of(st.just(b""), st.just(b"?limit=\xff"), st.just(b"?%00=%0a"), st.binary(max_size=10)),
        st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b""]),
    ),
)
request = st.builds(
    lambda first, headers, body: b"\r\n".join([first, *headers, b"", body]),
    line,
    st.lists(st.one_of(st.sampled_from(_HEADERS), st.binary(max_size=30)), max_size=6),
    st.one_of(st.sampled_from(_BODIES), st.binary(max_size=60)),
)


@pytest.fixture(scope="module", params=["open", "locked"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """A server whose queue is stopped, so that nothing which a fuzzer submits is run."""
    token = "correct horse battery" if request.param == "locked" else ""
    with RealInstance() as instance:
        assert instance.run("queue", "stop").returncode == 0
        process = subprocess.Popen(
            [sys.executable, "-m", "rosin", "serve", "--port", "0", "-v"],
            env={**os.environ, "FLUX_URI": instance.uri, "FLUX_TOKEN": token, "FLUX_SECRET_KEY": ""},
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        host, port = process.stderr.readline().decode().rstrip("/\n").rpartition("//")[2].split(":")
        # What comes later must not fill the pipe: it is read when the server has ended.
        os.set_blocking(process.stderr.fileno(), True)
        try:
            yield host, int(port)
            assert process.poll() is None
        finally:
            process.terminate()
            _, log = process.communicate(timeout=30)
        assert b"Traceback" not in log, log.decode(errors="replace")
        assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]", log), log
        assert process.returncode == 0


def send(address: tuple[str, int], data: bytes) -> bytes:
    """What the server answers to these bytes and the end of the client's side."""
    answer = b""
    with socket.create_connection(address, timeout=30) as sock:
        # An answer says that the server has looked at the connection while it was whole.
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b" 200 " in sock.recv(65536)
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while part := sock.recv(65536):
                answer += part
        except (ConnectionResetError, BrokenPipeError):
            pass  # it was refused before all of it was sent
    return answer


@given(st.lists(request, min_size=1, max_size=3))
@settings(max_examples=150, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_bytes_break_the_server(server, requests):
    for status in re.findall(rb"HTTP/1\.1 (\d+) ", send(server, b"".join(requests))):
        assert int(status) < 500 or status in (b"501", b"503"), requests
