# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin serve`` as a program: TLS, UNIX sockets, and one line for what keeps it from starting."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.rest.test_server_sockets import certificate

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

_NOTHING = dict.fromkeys(("FLUX_USER", "FLUX_TOKEN", "FLUX_SECRET_KEY"), "")


def start(uri: str, *options: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rosin", "serve", *options],
        env={**os.environ, "FLUX_URI": uri, **_NOTHING, **variables},
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def serving(instance: RealInstance, *options: str, **variables: str) -> Iterator[list[str]]:
    """A server; yields the lines with which it begins (two without credentials)."""
    process = start(instance.uri, *options, **variables)
    assert process.stderr is not None
    try:
        count = 2 if "http" in (first := process.stderr.readline()) and not variables else 1
        yield [first, *(process.stderr.readline() for _ in range(count - 1))]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_tls(real_instance: RealInstance, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    options = ("--port", "0", "--tls-cert", str(cert), "--tls-key", str(key))
    with serving(real_instance, *options) as (first, link):
        base = first.split()[-1]
        assert base.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(cert))
        with httpx.Client(base_url=base, verify=trusting) as client:
            assert client.get("/jobs").status_code == 200  # the kernel tells whose it is, as without TLS
            answer = client.get(link.split()[-1])
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith(f"__Host-rosin-{base.rpartition(':')[2].rstrip('/')}=")
            assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")
            csrf = client.get("/rosin/v1/session").json()["csrf"]
            for scheme, code in (("http", 403), ("https", 200)):
                headers = {"X-CSRF-Token": csrf, "Origin": base.rstrip("/").replace("https", scheme)}
                asked = client.post("/jobs/submit", json={"command": "true"}, headers=headers)
                assert asked.status_code == code
        with pytest.raises(httpx.HTTPError):
            httpx.get(base)  # nobody vouches for it
        host, port = "127.0.0.1", int(base.rstrip("/").rpartition(":")[2])
        with socket.create_connection((host, port), timeout=30) as plain:
            plain.sendall(b"GET /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert b"200" not in plain.recv(100)


def test_another_link(real_instance: RealInstance) -> None:
    command = [sys.executable, "-m", "rosin", "token", "link"]
    token = "t" * 20
    for variables in ({}, {"FLUX_TOKEN": token}):
        with serving(real_instance, "--port", "0", **variables) as lines:
            base = lines[0].split()[-1]
            asked = subprocess.run(
                [*command, base], env={**os.environ, **_NOTHING, **variables}, capture_output=True, text=True
            )
            assert asked.returncode == 0, asked.stderr
            assert asked.stdout.startswith(f"{base}?login=")
            assert httpx.get(asked.stdout.strip()).status_code == 303
            assert httpx.get(asked.stdout.strip()).status_code == (303 if not variables else 403)
            if variables:
                env = {**os.environ, **_NOTHING}
                asked = subprocess.run([*command, base], env=env, capture_output=True, text=True)
                assert (asked.returncode, asked.stderr.count("\n")) == (1, 1)
                assert "Not authenticated" in asked.stderr
    for url, says in (
        (base, "refused"),
        ("x", "expected the address of a server, such as http://127.0.0.1:5000"),
    ):
        asked = subprocess.run([*command, url], capture_output=True, text=True)
        assert (asked.returncode, asked.stderr.count("\n")) == (1, 1)
        assert says in asked.stderr


def test_a_unix_socket_is_the_users_own(real_instance: RealInstance) -> None:
    with tempfile.TemporaryDirectory(prefix="rosin-unix-", dir="/tmp") as folder:
        _try_unix_socket(real_instance, Path(folder) / "s")


def _try_unix_socket(real_instance: RealInstance, path: Path) -> None:
    with serving(real_instance, "--unix", str(path)) as (first,):
        assert first == f"Rosin serves unix:{path}\n"  # no link: no browser opens it
        assert path.stat().st_mode & 0o777 == 0o600
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost"
        ) as client:
            assert client.get("/rosin/v1/session").json()["via"] == "connection"
            assert client.get("/jobs", headers={"Host": "evil.example"}).status_code == 421
        if os.getuid() == 0:
            path.chmod(0o666)  # should that be lost, the kernel still tells
            path.parent.chmod(0o755)
            script = (
                "import os, socket, sys; os.setuid(65534); s = socket.socket(socket.AF_UNIX);"
                "s.connect(sys.argv[1]); s.sendall(b'GET /jobs HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n');"
                "print(s.recv(100).split()[1].decode())"
            )
            asked = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True)
            assert asked.stdout == "403\n", asked.stderr


@pytest.mark.parametrize(
    ("options", "variables", "says"),
    [
        (["--port", "{taken}"], {}, "in use by "),
        (["--port", "{taken}"], {}, "choose another --port"),
        (["--port", "70000"], {}, "--port: expected a number from 0 to 65535, such as 5000, got 70000"),
        (
            ["--host", "192.0.2.1"],
            {},
            "192.0.2.1 can be reached from other machines and no credentials are set",
        ),
        (["--tls-cert", "/nope"], {}, "--tls-cert: /nope: No such file"),
        (["--tls-key", "/nope"], {}, "--tls-key: it needs --tls-cert"),
        (["--tls-cert", "x", "--unix", "y"], {}, "--tls-cert: a UNIX socket has no TLS"),
        (["--unix", "/nope/s"], {}, "cannot listen on /nope/s: No such file"),
        (["--trusted-proxy", "x"], {"FLUX_TOKEN": "t" * 20}, "--trusted-proxy: expected an address"),
        (["--trusted-proxy", "::1"], {}, "--trusted-proxy: without credentials"),
        (
            ["--allow-webhook", "x"],
            {},
            "--allow-webhook: expected an address or a network such as 10.0.0.0/8",
        ),
        (["--rate-limit", "-1"], {}, "--rate-limit: expected requests a second such as 50"),
        (["--users", "/nope"], {}, "/nope: No such file"),
        (["--port", "0", "--audit-log", "/nope/x"], {}, "/nope/x: No such file"),
        (["--uri", "local:///nope"], {}, "/nope"),
        ([], {"FLUX_REQUIRE_AUTH": "maybe"}, "FLUX_REQUIRE_AUTH: expected true or false, got 'maybe'"),
        ([], {"FLUX_TOKEN_FILE": "/nope"}, "FLUX_TOKEN_FILE: /nope: No such file"),
    ],
)
def test_what_keeps_it_from_starting(
    real_instance: RealInstance, options: list[str], variables: dict[str, str], says: str
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = str(other.getsockname()[1])
        words = [word.replace("{taken}", taken) for word in options]
        if "--port" not in words and "--unix" not in words:
            words += ["--port", "0"]
        process = start(real_instance.uri, *words, **variables)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 1
    assert log.count("\n") == 1, log
    assert log.startswith("rosin-serve: ERROR: ")
    assert says in log
