# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs on a broker below rank 0 go on when that one is killed, or all are: real brokers, as configured."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rosin.handle import Flux
from rosin.testing.process import wait_until_gone

from .test_kept_jobs import WRITER, check_output

pytestmark = pytest.mark.system

ROSIN = [sys.executable, "-m", "rosin"]
MARK = "ROSIN_KEPT_IN_TREES"
CONF = """
[bootstrap]
curve_cert = "{path}/certificate"
hosts = [
  {{ host = "a", bind = "ipc://{path}/overlay", connect = "ipc://{path}/overlay" }},
  {{ host = "b" }},
]
"""


class Pair:
    """A broker on each of two hosts, a and b, that this machine plays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.env = {**os.environ, MARK: str(path), "FLUX_URI": f"local://{path}/a/local-0"}
        self.brokers: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("a", "b", "state"):
            (path / name).mkdir()
        subprocess.run([*ROSIN, "keygen", f"{path}/certificate"], check=True, stdout=subprocess.DEVNULL)
        (path / "conf.toml").write_text(CONF.format(path=path))

    def start(self, host: str) -> None:
        command = [*ROSIN, "broker", f"-c{self.path}/conf.toml", f"-Shostname={host}"]
        command += [f"-Srundir={self.path}/{host}"]
        if host == "a":
            command += ["-Sbroker.rc2_none", f"-Sstatedir={self.path}/state"]
        env = {name: value for name, value in self.env.items() if name != "FLUX_URI"}
        with open(self.path / f"{host}.log", "a") as log:
            self.brokers[host] = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, host: str) -> None:
        self.brokers[host].kill()
        self.brokers[host].wait()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*ROSIN, *words], env=self.env, capture_output=True, text=True, check=False)

    def wait(self) -> None:
        """Until both are there."""
        while self.run("overlay", "status", "--wait=full", "--timeout=1").returncode:
            assert self.brokers["a"].poll() is None
        with Flux(self.env["FLUX_URI"]) as h:
            h.rpc("state-machine.wait", {}).get()

    def close(self) -> None:
        for broker in self.brokers.values():
            broker.terminate()
        for broker in self.brokers.values():
            broker.wait()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    for host in "ab":
        made.start(host)
    made.wait()
    yield made
    made.close()
    assert wait_until_gone(f"{MARK}={tmp_path}") == []


def begin(pair: Pair, end: Path) -> str:
    done = pair.run("submit", "--requires=host:b", sys.executable, "-c", WRITER, str(end))
    assert done.returncode == 0, done.stderr
    job = done.stdout.strip()
    assert pair.run("job", "wait-event", "-W", "-p", "output", job, "data").returncode == 0
    return job


def finish(pair: Pair, job: str, end: Path) -> None:
    end.touch()
    done = pair.run("job", "attach", job)
    assert done.returncode == 7, done.stderr
    check_output(done.stdout)


def test_a_leaf_is_killed(pair: Pair, tmp_path: Path) -> None:
    end = tmp_path / "end"
    job = begin(pair, end)
    pair.kill("b")
    assert pair.run("job", "wait-event", "-t60", job, "start").returncode == 0
    pair.start("b")
    pair.wait()
    finish(pair, job, end)


def test_all_are_killed(pair: Pair, tmp_path: Path) -> None:
    end = tmp_path / "end"
    job = begin(pair, end)
    for host in "ab":
        pair.kill(host)
    for host in "ab":
        pair.start(host)
    pair.wait()
    finish(pair, job, end)


def test_rank_0_is_killed_and_the_leaf_follows(pair: Pair, tmp_path: Path) -> None:
    """It ends when its parent has gone, and leaves the job."""
    end = tmp_path / "end"
    job = begin(pair, end)
    pair.kill("a")
    pair.brokers["b"].wait()
    for host in "ab":
        pair.start(host)
    pair.wait()
    finish(pair, job, end)


def test_a_leaf_that_comes_back_without_the_shell(pair: Pair, tmp_path: Path) -> None:
    job = begin(pair, tmp_path / "never")
    pair.kill("b")
    kept = tmp_path / "b/kept-1"
    (zygote,) = (int(file.name) for file in kept.iterdir())
    os.kill(zygote, 9)
    pair.start("b")
    done = pair.run("job", "attach", job)
    assert "lost contact with job shell on broker restart" in done.stderr
