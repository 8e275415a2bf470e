# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers that come one after the other on the same directories, and jobs that outlive them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rosin.handle import Flux
from rosin.testing.process import wait_until_gone

ROSIN = [sys.executable, "-m", "rosin"]
MARK = "ROSIN_KEPT_IN_TREES"
#: Writes numbered lines at once until it may end, tells its pid, ends with 7.
WRITER = (
    "import os, sys\n"
    "number, end = 0, sys.argv[1]\n"
    "print('pid', os.getpid(), flush=True)\n"
    "while not os.path.exists(end):\n"
    "    number += 1\n"
    "    print(number, 'x' * 100, flush=True)\n"
    "print('last', number, flush=True)\n"
    "sys.exit(7)\n"
)


def check_output(text: str) -> None:
    """All lines, each once."""
    pid, *lines, last = text.splitlines()
    numbered = [f"{number + 1} {'x' * 100}" for number in range(len(lines))]
    wrong = [pair for pair in zip(lines, numbered, strict=True) if pair[0] != pair[1]]
    assert (pid.split()[0], last, wrong[:3]) == ("pid", f"last {len(lines)}", [])


def check_labelled(text: str, tasks: int) -> None:
    """The same of each task, by the labels of lines."""
    lines = [line.partition(": ") for line in text.splitlines()]
    for task in range(tasks):
        check_output("\n".join(line for label, _, line in lines if label == str(task)))
    assert {label for label, _, _ in lines} == {str(task) for task in range(tasks)}


class Tree:
    """A broker on each of some hosts with names of a letter, each below the one before; this machine plays
    them. ``a`` is rank 0."""

    def __init__(self, path: Path, hosts: str, config: str = "") -> None:
        self.path = path
        self.hosts = hosts
        self.env = {**os.environ, MARK: str(path), "FLUX_URI": f"local://{path}/a/local-0"}
        self.brokers: dict[str, subprocess.Popen[bytes]] = {}
        for name in (*hosts, "state"):
            (path / name).mkdir()
        subprocess.run([*ROSIN, "keygen", f"{path}/certificate"], check=True, stdout=subprocess.DEVNULL)
        rows = "".join(
            f'  {{ host = "{host}", bind = "ipc://{path}/at-{host}", connect = "ipc://{path}/at-{host}" }},\n'
            for host in hosts
        )
        text = f'[bootstrap]\ncurve_cert = "{path}/certificate"\nhosts = [\n{rows}]\n'
        (path / "conf.toml").write_text(f'{text}[tbon]\ntopo = "kary:1"\n{config}')

    def start(self, *hosts: str) -> None:
        for host in hosts or self.hosts:
            self._start(host)

    def _start(self, host: str) -> None:
        command = [*ROSIN, "broker", f"-c{self.path}/conf.toml", f"-Shostname={host}"]
        command += [f"-Srundir={self.path}/{host}"]
        if host == "a":
            command += ["-Sbroker.rc2_none", f"-Sstatedir={self.path}/state"]
        env = {name: value for name, value in self.env.items() if name != "FLUX_URI"}
        with open(self.path / f"{host}.log", "a") as log:
            self.brokers[host] = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, *hosts: str) -> None:
        """Kill these, and wait for those below them to follow."""
        for host in hosts:
            self.brokers[host].kill()
        for host in self.hosts[min(map(self.hosts.index, hosts)) :]:
            self.brokers[host].wait()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*ROSIN, *words], env=self.env, capture_output=True, text=True, check=False)

    def wait(self) -> None:
        """Until all are there."""
        while self.run("overlay", "status", "--wait=full", "--timeout=1").returncode:
            assert self.brokers["a"].poll() is None
        with Flux(self.env["FLUX_URI"]) as h:
            h.rpc("state-machine.wait", {}).get()

    def submit(self, *words: str) -> str:
        done = self.run("submit", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def close(self) -> None:
        self.brokers["a"].terminate()
        self.brokers["a"].wait()
        for broker in self.brokers.values():  # they follow, unless they were not there yet
            broker.terminate()
        for broker in self.brokers.values():
            broker.wait()
        assert wait_until_gone(f"{MARK}={self.path}") == []
