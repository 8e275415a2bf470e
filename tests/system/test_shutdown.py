# SPDX-License-Identifier: LGPL-3.0-or-later
"""The end of an instance, asked for in every way, from every state: in good order and without a trace."""

import os
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rosin.constants import FLUX_JOB_EVENT_WATCH_WAITCREATE, FLUX_KVS_WAITCREATE, FLUX_RPC_STREAMING
from rosin.handle import Flux
from rosin.job.submission import submit
from rosin.rfc import eventlog, treeobj
from rosin.rfc.jobpath import job_key
from rosin.rfc.jobspec.build import from_command
from rosin.testing.process import RealInstance, processes_with, wait_until_gone

pytestmark = pytest.mark.system

MARK = "ROSIN_TEST_SHUTDOWN"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[RealInstance]:
    (tmp_path / "tmp").mkdir()
    env = {"TMPDIR": str(tmp_path / "tmp"), MARK: str(tmp_path)}
    with RealInstance("-S", f"statedir={tmp_path}/state", "-Sstatedir-cleanup=0", env=env) as instance:
        yield instance


def clean(instance: RealInstance) -> None:
    """Nothing of an instance that has ended is left."""
    assert wait_until_gone(f"{MARK}={instance.env[MARK]}") == []
    assert os.listdir(instance.env["TMPDIR"]) == []


def job(h: Flux, instance: RealInstance, *command: str, cores: int = 1) -> int:
    env = {"PATH": os.environ["PATH"], MARK: instance.env[MARK]}
    return submit(h, from_command(command, cores_per_task=cores, environment=env))


def wait_event(h: Flux, id: int, name: str, path: str = "eventlog") -> dict[str, object]:
    request = {"id": id, "path": path, "flags": FLUX_JOB_EVENT_WATCH_WAITCREATE}
    for answer in h.rpc("job-info.eventlog-watch", request, flags=FLUX_RPC_STREAMING):
        for entry in eventlog.decode_entries(answer["event"]):
            if entry["name"] == name:
                return entry
    raise AssertionError(f"the log ends without {name}")


def events(h: Flux, id: int) -> list[dict[str, object]]:
    key = job_key(id, "eventlog")
    answer = h.rpc("kvs.lookup", {"key": key, "namespace": "primary", "flags": 0}).get()
    return eventlog.decode_entries(treeobj.val_data(answer["val"]))


def terminate(instance: RealInstance, _h: Flux) -> None:
    instance.process.send_signal(signal.SIGTERM)


def hang_up(instance: RealInstance, _h: Flux) -> None:
    instance.process.send_signal(signal.SIGHUP)


def request(_instance: RealInstance, h: Flux) -> None:
    h.rpc("shutdown.start", {"loglevel": 3}).get()


def initial_program_ends(instance: RealInstance, _h: Flux) -> None:
    instance.process.stdin.close()
    instance.process.stdin = None


WAYS = [(terminate, 129), (hang_up, 129), (request, 129), (initial_program_ends, 0)]


@pytest.mark.parametrize(("way", "code"), WAYS, ids=[way.__name__ for way, _ in WAYS])
def test_end_with_jobs_and_clients(
    instance: RealInstance, tmp_path: Path, way: Callable[[RealInstance, Flux], None], code: int
) -> None:
    idle = [Flux(instance.uri) for _ in range(3)]
    h = Flux(instance.uri)
    total = len(os.sched_getaffinity(0))
    ready = f": >{tmp_path}/ready; "
    stubborn = job(h, instance, "sh", "-c", 'trap "" TERM HUP; ' + ready + "while :; do sleep 1; done")
    rest = [job(h, instance, "sleep", "inf") for _ in range(total - 1)]
    pending = [job(h, instance, "sh", "-c", f"echo ran >>{tmp_path}/ran") for _ in range(3)]
    for id in (stubborn, *rest):
        wait_event(h, id, "start")
    wait_event(h, stubborn, "shell.start", "guest.exec.eventlog")
    waits = [
        h.rpc("kvs.wait-version", {"rootseq": 1 << 40, "namespace": "primary"}),
        h.rpc("job-manager.wait", {"id": pending[0]}),
        h.rpc("kvs-watch.lookup", {"key": "no", "namespace": "primary", "flags": FLUX_KVS_WAITCREATE}),
    ]
    way(instance, h)
    assert instance.wait() == code
    clean(instance)
    assert "Traceback" not in instance.stderr
    for wait in waits:
        with pytest.raises(OSError):
            wait.get()
    for client in (*idle, h):
        client.close()
    instance.start()
    with Flux(instance.uri) as h:
        h.rpc("job-manager.drain").get()
        for id in (stubborn, *rest):
            notes = [e["context"]["note"] for e in events(h, id) if e["name"] == "exception"]  # type: ignore[index]
            assert notes == ["instance is shutting down"]
        for id in pending:
            names = [entry["name"] for entry in events(h, id)]
            assert "exception" not in names
            assert names[-1] == "clean"
    assert (tmp_path / "ran").read_text().splitlines() == ["ran"] * 3
    assert instance.stop() == 0
    clean(instance)


def test_the_program_that_ends_well_when_hung_up_counts_as_aborted(tmp_path: Path) -> None:
    script = (
        f'trap "echo caught >{tmp_path}/caught; exit 0" HUP; echo "$FLUX_URI"; while :; do sleep 0.1; done'
    )
    instance = RealInstance()
    instance.command[-1] = script
    instance.start()
    instance.process.send_signal(signal.SIGTERM)
    assert instance.wait() == 1
    assert "aborted after exit with rc=0" in instance.stderr
    assert (tmp_path / "caught").exists()


def test_interrupt_is_left_to_the_initial_program(instance: RealInstance) -> None:
    with Flux(instance.uri) as h:
        assert (
            h.rpc("attr.get", {"name": "rank"}).get()["value"] == "0"
        )  # the program has been running for turns
        instance.process.send_signal(signal.SIGINT)
        assert h.rpc("attr.get", {"name": "size"}).get()["value"] == "1"
    assert instance.stop() == 0
    clean(instance)


def test_user_signals_go_to_jobs(instance: RealInstance, tmp_path: Path) -> None:
    with Flux(instance.uri) as h:
        script = f'trap "echo warned >{tmp_path}/warned; exit 0" USR1; echo up; while :; do sleep 0.1; done'
        id = job(h, instance, "sh", "-c", script)
        wait_event(h, id, "data", "guest.output")
        instance.process.send_signal(signal.SIGUSR1)
        assert wait_event(h, id, "finish")["context"] == {"status": 0}
    assert (tmp_path / "warned").exists()
    assert instance.stop() == 0


def test_nothing_outlives_a_killed_broker(instance: RealInstance) -> None:
    with Flux(instance.uri) as h:
        # A task that cannot be asked to go, with a child in a session of its own.
        script = 'trap "" TERM HUP; setsid sh -c "trap \\"\\" TERM HUP; while :; do sleep 1; done" & '
        script += "while :; do echo line; done"
        id = job(h, instance, "sh", "-c", script)
        wait_event(h, id, "data", "guest.output")
        assert len(processes_with(f"{MARK}={instance.env[MARK]}")) >= 5
        instance.kill()
    assert wait_until_gone(f"{MARK}={instance.env[MARK]}") == []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1], ids=lambda s: s.name)
def test_signals_until_the_very_end(instance: RealInstance, signum: int) -> None:
    """An instance that is ending goes on doing so, whatever is sent to it."""
    with Flux(
        instance.uri
    ) as h:  # SIGINT is for the initial program, too, until the broker goes on after its start
        h.rpc("broker.ping", {}).get()
    assert instance.process.stdin is not None
    instance.process.stdin.close()
    instance.process.stdin = None
    pidfd = os.pidfd_open(instance.process.pid)
    ended = select.poll()
    ended.register(pidfd, select.POLLIN)
    while not ended.poll(1):  # a millisecond, in which the broker gets on
        for _ in range(20):
            signal.pidfd_send_signal(pidfd, signum)
    os.close(pidfd)
    assert instance.stop() in ((0, 1, 129) if signum == signal.SIGTERM else (0,))
    clean(instance)
