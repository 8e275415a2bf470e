# SPDX-License-Identifier: LGPL-3.0-or-later
"""A server ends with the instance that it was started in, however that ends, and its readers are told."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from rosin.testing.process import RealInstance

SERVE = [sys.executable, "-m", "rosin", "serve", "--port", "0"]
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfds"),
]


@pytest.fixture
def instance() -> Iterator[RealInstance]:
    with RealInstance() as instance:
        yield instance


def end(instance: RealInstance, how: str) -> None:
    if how == "killed":
        instance.kill()
    elif how == "shutdown":
        assert instance.run("shutdown").returncode == 0
        instance.wait()
    else:
        instance.stop()


def last_event(url: str, how: str, instance: RealInstance) -> str:
    """The last event of a reader that is connected while the instance ends."""
    name = ""
    with httpx.stream("GET", url + "/events", timeout=60) as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
                if name == "snapshot":
                    end(instance, how)
    return name


@pytest.mark.parametrize("how", ["left", "shutdown", "killed"])
def test_server_beside_the_initial_program(instance, how):
    env = {**os.environ, "FLUX_URI": instance.uri}
    server = subprocess.Popen(SERVE, env=env, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    url = server.stderr.readline().split()[-1].rstrip("/")
    try:
        assert last_event(url, how, instance) == "gone"
        _, log = server.communicate(timeout=60)
    finally:
        server.kill()
    assert (server.returncode, log) == (0, "rosin-serve: the instance has ended\n")
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


@pytest.mark.parametrize("how", ["left", "killed"])
def test_server_as_a_job(instance, tmp_path, how):
    first, second = tmp_path / "pid", tmp_path / "log"
    for path in (first, second):
        os.mkfifo(path)
    script = f"echo $$ >{first}; exec {' '.join(SERVE)} 2>{second}"
    assert instance.run("submit", "sh", "-c", script).returncode == 0
    process = os.pidfd_open(int(first.read_text()))
    with open(second) as stream:
        url = stream.readline().split()[-1].rstrip("/")
        last_event(url, how, instance)
        assert select.select([process], [], [], 60)[0]
    os.close(process)


def test_server_of_a_named_instance_waits_for_its_return(instance):
    """``--uri`` names an instance that may be started again, as by a service manager."""
    server = subprocess.Popen([*SERVE, "--uri", instance.uri], stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    url = server.stderr.readline().split()[-1].rstrip("/")
    try:
        assert last_event(url, "killed", instance) == "gone"
        answer = httpx.get(url + "/jobs")
        assert answer.status_code == 503
        assert json.loads(answer.text)["detail"]
    finally:
        server.terminate()
        server.communicate(timeout=60)
    assert server.returncode == 0
