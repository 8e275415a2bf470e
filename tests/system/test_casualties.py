# SPDX-License-Identifier: LGPL-3.0-or-later
"""Parts of an instance that are killed: the jobs concerned end on record, the rest goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rosin.constants import FLUX_JOB_EVENT_WATCH_WAITCREATE, FLUX_RPC_STREAMING, SUBPROCESS_REXEC_STDOUT
from rosin.handle import Flux
from rosin.job.submission import submit
from rosin.rfc import eventlog
from rosin.rfc.jobspec.build import from_command
from rosin.testing.process import RealInstance, processes_with, wait_until_gone

pytestmark = pytest.mark.system

MARK = "ROSIN_TEST_CASUALTIES"
LOOP = "while :; do echo line; sleep 0.01; done"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[RealInstance]:
    with RealInstance("-S", f"statedir={tmp_path}/state", "-Sstatedir-cleanup=0") as instance:
        yield instance


@pytest.fixture
def h(instance: RealInstance) -> Iterator[Flux]:
    with Flux(instance.uri) as h:
        yield h


def job(h: Flux, mark: object, *command: str) -> int:
    environment = {"PATH": os.environ["PATH"], MARK: str(mark)}
    return submit(h, from_command(command, environment=environment))


def log(h: Flux, id: int, until: str, path: str = "eventlog") -> list[dict[str, object]]:
    """The events of a log up to the first of a name."""
    request = {"id": id, "path": path, "flags": FLUX_JOB_EVENT_WATCH_WAITCREATE}
    entries: list[dict[str, object]] = []
    for answer in h.rpc("job-info.eventlog-watch", request, flags=FLUX_RPC_STREAMING):
        entries += eventlog.decode_entries(answer["event"])
        if any(entry["name"] == until for entry in entries):
            return entries
    raise AssertionError(f"the log ends without {until}: {entries}")


def named(pid: int, name: str) -> bool:
    with open(f"/proc/{pid}/comm") as file:
        return file.read().startswith(name)


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def zygote(instance: RealInstance) -> int:
    return next(pid for pid in children(instance.process.pid) if named(pid, "rosin-zygote"))


def test_killed_shell(h: Flux, tmp_path: Path) -> None:
    ids = []
    for name in ("victim", "other"):
        ids.append(job(h, tmp_path / name, "sh", "-c", LOOP))
        log(h, ids[-1], "data", "guest.output")
    processes = h.rpc("rexec.list").get()["procs"]  # in order of start
    victim, _ = [process["pid"] for process in processes if process["label"].startswith("shell-")]
    os.kill(victim, signal.SIGKILL)
    context = {entry["name"]: entry.get("context") for entry in log(h, ids[0], "clean")}
    assert context["finish"] == {"status": signal.SIGKILL}
    assert wait_until_gone(f"{MARK}={tmp_path}/victim") == []
    assert processes_with(f"{MARK}={tmp_path}/other")
    h.rpc("job-manager.raise", {"id": ids[1], "severity": 0, "type": "cancel", "note": ""}).get()
    log(h, ids[1], "clean")
    assert wait_until_gone(f"{MARK}={tmp_path}/other") == []


def test_killed_zygote(h: Flux, instance: RealInstance, tmp_path: Path) -> None:
    id = job(h, tmp_path / "first", "sh", "-c", f'trap "" TERM HUP; {LOOP}')
    log(h, id, "data", "guest.output")
    os.kill(zygote(instance), signal.SIGKILL)
    events = log(h, id, "clean")
    notes = [entry["context"]["note"] for entry in events if entry["name"] == "exception"]  # type: ignore[index]
    assert len(notes) == 1
    assert "job shell exec error" in notes[0]
    assert wait_until_gone(f"{MARK}={tmp_path}/first") == []
    # Shells are now started the slow way.
    second = job(h, tmp_path / "second", "sh", "-c", "exit 3")
    context = {entry["name"]: entry.get("context") for entry in log(h, second, "clean")}
    assert context["finish"] == {"status": 3 << 8}
    assert wait_until_gone(f"{MARK}={tmp_path}/second") == []


def test_killed_task(h: Flux, tmp_path: Path) -> None:
    id = job(h, tmp_path / "task", "sh", "-c", "kill -9 $$")
    context = {entry["name"]: entry.get("context") for entry in log(h, id, "clean")}
    assert context["finish"] == {"status": (128 + signal.SIGKILL) << 8}


def test_killed_client_of_rexec(h: Flux, instance: RealInstance, tmp_path: Path) -> None:
    with Flux(instance.uri) as client:
        command = {
            "cwd": "/",
            "cmdline": ["sh", "-c", 'trap "" TERM HUP; echo up; sleep inf & wait; wait'],
            "env": {"PATH": os.environ["PATH"], MARK: str(tmp_path)},
            "opts": {},
            "channels": [],
        }
        stream = client.rpc("rexec.exec", {"cmd": command, "flags": 3}, flags=FLUX_RPC_STREAMING)
        for answer in stream:
            if answer["type"] == "output":
                break
        assert processes_with(f"{MARK}={tmp_path}")
    assert wait_until_gone(f"{MARK}={tmp_path}") == []
    assert h.rank == 0


STUBBORN = "trap '' TERM HUP; setsid sh -c 'trap \"\" TERM HUP; echo up; exec sleep 1000' & wait"


def test_what_was_run_on_a_broker_ends_with_it(instance: RealInstance, h: Flux) -> None:
    """``rosin exec`` of a program that ignores SIGTERM and has a child in a session of its own."""
    value = f"exec-{os.getpid()}"  # the same tests may run beside these
    mark = f"{MARK}={value}"
    environment = {"PATH": os.environ["PATH"], MARK: value}
    command = {"cmdline": ["sh", "-c", STUBBORN], "env": environment, "opts": {}, "channels": []}
    payload = {"cmd": command, "flags": SUBPROCESS_REXEC_STDOUT, "local_flags": 0}
    for answer in h.rpc("rexec.exec", payload, flags=FLUX_RPC_STREAMING):
        if answer["type"] == "output":
            break
    assert len(processes_with(mark)) == 2
    instance.process.kill()
    instance.process.wait()
    assert not wait_until_gone(mark)


def test_the_initial_program_ends_with_its_broker(tmp_path: Path) -> None:
    """Also one that ignores SIGTERM and waits for something else than its standard input.

    When the broker has answered it, it has left it in the zygote's care.
    """
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    mark = f"{MARK}={tmp_path}"
    ask = f"{sys.executable} -m rosin getattr rank"
    script = f"trap '' TERM HUP; sleep 1000 & {ask} >{ready}; while :; do wait; done"
    command = [sys.executable, "-m", "rosin", "start", "sh", "-c", script]
    broker = subprocess.Popen(command, env={**os.environ, MARK: str(tmp_path), "TMPDIR": str(tmp_path)})
    assert ready.read_text() == "0\n"
    broker.kill()
    broker.wait()
    assert not wait_until_gone(mark)
