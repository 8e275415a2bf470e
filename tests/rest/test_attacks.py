# SPDX-License-Identifier: LGPL-3.0-or-later
"""Attacks: forged requests, names that lead here, secrets that leak, input that is meant to break."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from rosin.rest import peer
from rosin.rest.requestlog import RequestLog
from rosin.testing.process import RealInstance

ORIGIN = {"Origin": "https://evil.example"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    "headers",
    [ORIGIN, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}],
)
@pytest.mark.parametrize("path", ["/jobs/submit", "/v1/jobs/submit", "/service/stop", "/jobs/1/cancel"])
async def test_requests_from_other_sites(make, headers, path):
    client = await make(user="ann", token="t")
    answer = await client.post(path, data={"command": "true"}, headers=headers, auth=("ann", "t"))
    assert answer.status_code == 403


async def test_own_page_may(api):
    headers = {"Origin": "http://127.0.0.1:5000", "Sec-Fetch-Site": "same-origin"}
    answer = await api.post("/jobs/submit", json={"command": "true"}, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:5000", "127.0.0.1.evil.example", "", "[::2]"])
async def test_other_host_names(make, host):
    client = await make(hosts=("localhost", "127.0.0.1", "::1"))
    answer = await client.get("/jobs", headers={"Host": host})
    assert answer.status_code == 421
    assert (await client.get("/jobs", headers={"Host": "[::1]:5000"})).status_code == 200


IDS = [
    "0",
    "-1",
    "ƒ",
    "ƒ!",
    "99999999999999999999999",
    "%00",
    "%ff",
    "a b",
    "null",
    "1e3",
    "0x",
    "x" * 300,
]


@pytest.mark.parametrize("jobid", IDS)
async def test_ids_that_are_none(api, jobid):
    for path in ("", "/output", "/output/stream", "/events", "/jobspec", "/why"):
        answer = await api.get(f"/jobs/{jobid}{path}")
        assert 300 <= answer.status_code < 500, f"{path}: {answer.status_code}"
    for path in ("", "/output", "/output/stream"):
        assert (await api.get(f"/v1/jobs/{jobid}{path}")).status_code < 500
    for prefix in ("", "/v1"):
        assert 400 <= (await api.post(f"{prefix}/jobs/{jobid}/cancel")).status_code < 500


async def test_large_bodies(make):
    client = await make(body_limit=1000)
    command = "x" * 2000
    assert (await client.post("/jobs/submit", json={"command": command})).status_code == 413

    async def chunks():
        for _ in range(4):
            yield b"y" * 500

    assert (await client.post("/jobs/submit", content=chunks())).status_code == 413
    assert (await client.post("/v1/jobs/submit", content=chunks())).status_code == 413


@pytest.mark.parametrize("path", ["/v1/login/access-token", "/v1/token", "/"])
async def test_strangers_have_little_room(make, path):
    """Who shows no credentials may send a name and a password, not megabytes that are kept meanwhile."""
    client = await make(user="ann", token="t")
    longest = {"username": "\N{EURO SIGN}" * 1024, "password": "\N{EURO SIGN}" * 4096}
    assert (await client.post(path, data=longest)).status_code != 413
    assert (await client.post(path, content=bytes(100_000))).status_code == 413

    async def chunks():
        for _ in range(100):
            yield bytes(1000)

    if path == "/v1/login/access-token":  # which reads what it is sent
        assert (await client.post(path, content=chunks(), headers=FORM)).status_code in (400, 413)
    assert (await client.post("/jobs/submit", content=bytes(100_000), auth=("ann", "t"))).status_code == 400


async def test_a_client_writes_no_long_lines(api, capsys):
    api.app.add_middleware(RequestLog)
    await api.request("A" * 70_000, "/jobs/" + "%1b" * 1000)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.endswith("... 405\n")
    assert len(line) < 600


async def test_deep_json(api):
    deep = b"[" * 100000
    answer = await api.post("/jobs/submit", content=deep, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    answer = await api.post("/v1/jobs/submit", params={"command": "true", "envars": "(" * 5000})
    assert answer.status_code in (400, 422)


async def test_path_traversal(api):
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd"):
        assert (await api.get(path)).status_code in (404, 307)


async def test_header_injection_by_id(api):
    answer = await api.get("/job/1%0d%0aSet-Cookie:x=1", follow_redirects=False)
    assert "set-cookie" not in answer.headers


def serve(instance: RealInstance, *options: str, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rosin", "serve", *options],
        env={**os.environ, "FLUX_URI": instance.uri, **env},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.system
def test_secrets_stay_in_the_server(real_instance):
    import httpx

    secrets = {"FLUX_USER": "ann", "FLUX_TOKEN": "tok-5ecret", "FLUX_SECRET_KEY": "key-5ecret"}
    server = serve(real_instance, "--port", "0", "-v", env=secrets)
    assert server.stderr is not None
    try:
        line = server.stderr.readline()
        with httpx.Client(base_url=line.split()[-1], auth=("ann", "tok-5ecret"), timeout=30) as client:
            form = {"command": "env", "name": "visible-5ecret"}
            jobid = client.post("/v1/jobs/submit", params=form).json()["id"]
            output = client.get(f"/v1/jobs/{jobid}/output").json()["Output"]
            client.get("/jobs", auth=("ann", "wrong-5ecret"))
            spec = client.get(f"/jobs/{jobid}/jobspec").text
    finally:
        server.send_signal(signal.SIGTERM)
        _, log = server.communicate(timeout=20)
    assert server.returncode == 0, log
    assert len(output) > 5
    assert "5ecret" not in "".join(output)
    assert "tok-" not in spec
    assert "5ecret" not in line + log
    assert f"GET /v1/jobs/{jobid}/output 200" in log


@pytest.mark.system
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_open_to_the_network_without_credentials_is_refused(real_instance, host):
    env = dict.fromkeys(("FLUX_USER", "FLUX_TOKEN", "FLUX_SECRET_KEY"), "")
    server = serve(real_instance, "--host", host, "--port", "0", env=env)
    _, log = server.communicate(timeout=20)
    assert server.returncode == 1
    assert log.count("\n") == 1
    assert "FLUX_TOKEN" in log


@pytest.mark.system
def test_unix_socket_is_private(real_instance, tmp_path):
    import httpx

    path = tmp_path / "rest.sock"
    server = serve(real_instance, "--unix", str(path), env={})
    assert server.stderr is not None
    try:
        assert str(path) in server.stderr.readline()
        assert path.stat().st_mode & 0o777 == 0o600
        transport = httpx.HTTPTransport(uds=str(path))
        with httpx.Client(transport=transport, base_url="http://localhost") as client:
            assert client.get("/ready").status_code == 200
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=20)
    assert server.returncode == 0
    assert not path.exists()


_ASK = """
import encodings.idna, os, sys, urllib.request, urllib.error
os.setuid(65534)
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=10).status)
except urllib.error.HTTPError as exc:
    print(exc.code)
"""


@pytest.mark.system
@pytest.mark.skipif(os.getuid() != 0 or not peer.works(), reason="needs root to become another user")
def test_other_users_of_the_machine_are_refused(real_instance):
    env = dict.fromkeys(("FLUX_USER", "FLUX_TOKEN", "FLUX_SECRET_KEY"), "")
    server = serve(real_instance, "--port", "0", env=env)
    assert server.stderr is not None
    try:
        base = server.stderr.readline().split()[-1]
        asked = subprocess.run([sys.executable, "-c", _ASK, base + "jobs"], capture_output=True, text=True)
        import httpx

        assert httpx.get(base + "jobs").status_code == 200
    finally:
        server.terminate()
        server.communicate(timeout=20)
    assert asked.stdout == "403\n", asked.stderr


@pytest.mark.skipif(not peer.works(), reason="needs sock_diag")
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_owner_of_a_connection(family, address):
    with socket.socket(family) as server, socket.socket(family) as client:
        try:
            server.bind((address, 0))
        except OSError:
            pytest.skip(f"no {address} here")
        server.listen()
        client.connect(server.getsockname())
        own, mine = server.getsockname()[:2], client.getsockname()[:2]
        assert peer.peer_uid(mine, own) == os.getuid()
        with pytest.raises(OSError):
            peer.peer_uid((address, 1), own)


@pytest.mark.skipif(not peer.works(), reason="needs sock_diag")
def test_owner_of_a_connection_of_ipv4_from_a_socket_of_ipv6():
    """As Java's are."""
    with socket.socket() as server, socket.socket(socket.AF_INET6) as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        try:
            client.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            client.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        except OSError:
            pytest.skip("no IPv6 here")
        served, _ = server.accept()
        with served:
            assert peer.established_peer(served) == os.getuid()
