# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 32 and RFC 50 through the service, with mock execution.

The expected logs and statuses are those of flux-core 0.88.
"""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from rosin.rfc import fluid
from rosin.testing.instance import Instance

from .conftest import JOBID, mock, namespaces, read_log

RELEASE = ("release", {"ranks": "all", "final": True})
NORMAL = ["init", "starting", "recoverable", "complete", "done"]


def f58() -> str:
    return fluid.encode(JOBID, "f58")


async def names(h: Any, jobid: int = JOBID) -> list[str]:
    return [name for name, _ in await read_log(h, jobid)]


@pytest.mark.rfc(32, "start", "finish", "final-release")
async def test_normal_job(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    manager.run(system=mock(run_duration="10s", wait_status=768))
    await inst.settle()
    assert manager.responses[JOBID] == [("start", {})]
    assert await namespaces(h) == [f"job-{JOBID}"]
    assert [name for name, _ in await read_log(h, running=True)] == NORMAL[:3]
    assert [name for name, _ in await read_log(h)] == NORMAL[:3]  # by the link in the primary namespace
    await inst.advance(10.0)
    assert manager.responses[JOBID] == [("start", {}), ("finish", {"status": 768}), RELEASE]
    log = await read_log(h)
    assert [name for name, _ in log] == NORMAL
    assert log[3] == ("complete", {"status": 768})
    assert await namespaces(h) == []
    assert inst.broker.modules["job-exec"].runs == {}  # type: ignore[attr-defined]


async def test_without_a_duration_it_ends_at_once(inst: Instance, manager: Any) -> None:
    manager.run(system=mock())
    await inst.advance(0.0)
    assert manager.types() == ["start", "finish", "release"]


async def test_duration_of_the_jobspec_counts(inst: Instance, manager: Any) -> None:
    manager.run(system={"duration": 5.0, **mock()})
    await inst.advance(4.9)
    assert manager.types() == ["start"]
    await inst.advance(0.2)
    assert manager.types() == ["start", "finish", "release"]


async def test_cancel(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    manager.run(system=mock(run_duration="10s"))
    await inst.settle()
    manager.exception()
    await inst.settle()
    assert manager.responses[JOBID] == [("start", {}), ("finish", {"status": 15}), RELEASE]
    assert await names(h) == NORMAL


async def test_other_exceptions_change_nothing(inst: Instance, manager: Any) -> None:
    manager.run(system=mock(run_duration="10s"))
    await inst.settle()
    manager.exception(severity=1)
    manager.exception(jobid=1)
    await inst.settle()
    assert manager.types() == ["start"]


async def test_time_limit(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    now = inst.clock.now()
    manager.run(system=mock(run_duration="10s"), execution={"starttime": now, "expiration": now + 1})
    await inst.settle()
    expires = (await h.rpc("job-exec.stats-get", {}))["jobs"][f58()]["expiration"]
    assert expires == now + 1
    await inst.advance(1.0)
    exception = {"type": "timeout", "severity": 0, "note": "resource allocation expired"}
    assert manager.responses[JOBID] == [
        ("start", {}),
        ("exception", exception),
        ("finish", {"status": 14}),
        RELEASE,
    ]


async def test_the_time_limit_can_be_moved(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    now = inst.clock.now()
    manager.run(system=mock(run_duration="10s"), execution={"starttime": now, "expiration": now + 1})
    await inst.settle()
    await h.rpc("job-exec.expiration", {"id": JOBID, "expiration": now + 3})
    await inst.advance(2.9)
    assert manager.types() == ["start"]
    await inst.advance(0.2)
    assert manager.types() == ["start", "exception", "finish", "release"]
    with pytest.raises(FileNotFoundError):
        await h.rpc("job-exec.expiration", {"id": JOBID, "expiration": now + 3})


async def test_a_late_start_does_not_shorten_a_short_job(inst: Instance, manager: Any) -> None:
    now = inst.clock.now()
    manager.run(system=mock(run_duration="1m"), execution={"starttime": now - 5, "expiration": now + 5})
    manager.run(2, system=mock(run_duration="1h"), execution={"starttime": now - 5, "expiration": now + 95})
    await inst.advance(9.9)  # job 1 had lost half of its time, job 2 a twentieth
    assert manager.types() == ["start"]
    await inst.advance(0.2)
    assert "exception" in manager.types()
    await inst.advance(84.8)
    assert manager.types(2) == ["start"]
    await inst.advance(0.2)
    assert "exception" in manager.types(2)


@pytest.mark.parametrize(
    ("where", "log", "types"),
    [
        ("init", ["init", "done"], ["exception", "release"]),
        ("run", NORMAL, ["start", "exception", "finish", "release"]),
    ],
)
async def test_mock_exceptions(
    inst: Instance, manager: Any, where: str, log: list[str], types: list[str]
) -> None:
    h = await inst.connect()
    manager.run(system=mock(mock_exception=where, run_duration="10s"))
    await inst.settle()
    assert manager.types() == types
    note = "mock initialization exception generated" if where == "init" else "mock run exception generated"
    assert manager.data("exception") == {"severity": 0, "type": "exec", "note": note}
    if where == "run":
        assert manager.data("finish") == {"status": 15}
    assert await names(h) == log


@pytest.mark.rfc(21, "finish-override")
@pytest.mark.rfc(32, "finish-override")
async def test_wait_status_of_an_exec_exception_wins(inst: Instance, manager: Any) -> None:
    manager.run(system=mock(run_duration="10s"))
    await inst.settle()
    manager.exception(kind="exec", wait_status=11)
    await inst.settle()
    assert manager.data("finish") == {"status": 139 << 8}


async def test_cancel_before_the_namespace_exists(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    manager.run(system=mock(run_duration="10s"))
    manager.exception()
    await inst.settle()
    assert manager.types()[-1] == "release"
    assert await namespaces(h) == []


async def test_override(inst: Instance, manager: Any) -> None:
    h = await inst.connect()

    async def override(event: str, **more: Any) -> None:
        await h.rpc("job-exec.override", {"jobid": JOBID, "event": event, **more})

    with pytest.raises(FileNotFoundError, match="Job not found"):
        await override("start")
    manager.run(system=mock(override=1, run_duration="0"))
    await inst.settle()
    assert manager.types() == []
    with pytest.raises(OSError, match="Job not running"):
        await override("finish")
    with pytest.raises(OSError, match="Invalid event"):
        await override("pause")
    await override("start")
    with pytest.raises(OSError, match="Job already running"):
        await override("start")
    guest = await inst.connect(userid=4711)
    with pytest.raises(PermissionError):
        await guest.rpc("job-exec.override", {"jobid": JOBID, "event": "finish"})
    await override("finish", status=512)
    await inst.settle()
    assert manager.responses[JOBID] == [("start", {}), ("finish", {"status": 512}), RELEASE]
    assert await names(h) == NORMAL


@pytest.mark.rfc(32, "one-start")
async def test_a_job_that_starts_after_a_second_request_is_reattached(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    manager.run(system=mock(override=1, run_duration="0"))
    await inst.settle()
    manager.run(reattach=True)
    await inst.settle()
    assert manager.types() == []
    await h.rpc("job-exec.override", {"jobid": JOBID, "event": "start"})
    await inst.settle()
    assert manager.types() == ["reattached"]


async def test_override_needs_override_mode(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    manager.run(system=mock(run_duration="1s"))
    await inst.settle()
    with pytest.raises(OSError, match="not in exec override mode") as error:
        await h.rpc("job-exec.override", {"jobid": JOBID, "event": "start"})
    assert error.value.errno == errno.EINVAL


async def test_guests_may_not_mock_unless_allowed(inst: Instance, manager: Any) -> None:
    manager.run(system=mock(), userid=4711)
    await inst.advance(0.0)
    assert manager.data("exception")["note"] == "guests may not use test exec implementation"
    h = await inst.connect()
    await h.rpc("job-exec.config-reload", {"exec": {"testexec": {"allow-guests": True}}})
    manager.run(2, system=mock(), userid=4711)
    await inst.advance(0.0)
    assert manager.types(2) == ["start", "finish", "release"]


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ({"system": {"exec": {"test": 1}}}, "attributes.system.exec.test"),
        ({"system": mock(run_duration="x")}, "x"),
        ({"system": mock(wait_status="x")}, "wait_status"),
        ({"R": {}}, "execution"),
        ({"R": {"execution": {"R_lite": []}}}, "no ranks"),
        ({"execution": {"expiration": -1.0}}, "expiration"),
        ({"system": {"exec": {"bulkexec": {"barrier-timeout": "x"}}}}, "barrier-timeout"),
        ({"system": {"exec": {"bulkexec": {"foo": "x"}}}}, "unknown key foo: it takes barrier-timeout, mock"),
    ],
)
async def test_what_cannot_be_run_is_refused(
    inst: Instance, manager: Any, more: dict[str, Any], note: str
) -> None:
    manager.run(**more)
    await inst.settle()
    assert manager.types() == ["exception", "release"]
    assert note in manager.data("exception")["note"]
    assert manager.errors == []


async def test_requests_that_cannot_be_answered_by_job_are_errors(inst: Instance, manager: Any) -> None:
    manager.h.send_request("job-exec.start", {"id": "x"})
    await inst.settle()
    assert [msg.errnum for msg in manager.errors] == [errno.EPROTO]
    manager.run(system=mock(run_duration="1m"))
    manager.run(system=mock(run_duration="1m"))
    await inst.settle()
    assert [msg.errnum for msg in manager.errors] == [errno.EPROTO, errno.EEXIST]
    manager.run(reattach=True)
    await inst.settle()
    assert manager.types() == ["start", "reattached"]


async def test_a_namespace_in_the_way(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    await h.rpc(
        "kvs.namespace-create",
        {
            "namespace": f"job-{JOBID}",
            "rootref": inst.broker.modules["job-exec"].empty_root,  # type: ignore[attr-defined]
            "owner": os.getuid(),
            "flags": 0,
        },
    )
    manager.run(system=mock())
    await inst.advance(0.0)
    assert manager.types() == ["exception", "release"]
    assert manager.data("exception")["note"] == "failed to create guest ns: File exists"


async def test_many_jobs_share_commits(inst: Instance, manager: Any, kvs: Any) -> None:
    h = await inst.connect()
    for number in range(1, 101):
        manager.run(number, system=mock(run_duration="1h"))
    await inst.settle()
    for number in range(1, 101):
        manager.exception(number)
    await inst.settle()
    assert all(manager.types(n) == ["start", "finish", "release"] for n in range(1, 101))
    assert await names(h, 77) == NORMAL
    assert kvs.commits.count("primary") < 10
    assert len(kvs.commits) < 210
    assert inst.broker.modules["job-exec"].runs == {}  # type: ignore[attr-defined]
    assert await namespaces(h) == []


@pytest.mark.rfc(50, "reattach", "recoverable")
async def test_reattach_after_a_reload(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    manager.run(system=mock(run_duration="10s"))
    manager.run(2)
    await inst.settle()
    await inst.broker.modules.remove("job-exec")
    await inst.load("job-exec")
    manager.responses.clear()
    manager.run(system=mock(run_duration="10s"), reattach=True)
    await inst.settle()
    assert manager.types() == ["reattached"]
    await inst.advance(10.0)
    assert manager.types() == ["reattached", "finish", "release"]
    assert await names(h) == [*NORMAL[:3], "reattach", *NORMAL[3:]]


async def test_reattach_finish(inst: Instance, manager: Any) -> None:
    manager.run(system=mock(run_duration="1h"))
    await inst.settle()
    await inst.broker.modules.remove("job-exec")
    await inst.load("job-exec")
    manager.run(system=mock(run_duration="1h", reattach_finish=1), reattach=True)
    await inst.advance(0.0)
    assert manager.types() == ["start", "reattached", "finish", "release"]


async def test_what_cannot_be_found_again_ends_with_a_reason(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    manager.run(system=mock(run_duration="10s"), reattach=True)
    manager.run(2, reattach=True)
    await inst.settle()
    assert manager.types() == ["exception", "release"]
    assert manager.data("exception")["note"] == "job is not recoverable: no recoverable event"
    assert manager.types(2) == ["exception", "release"]
    assert manager.data("exception", 2)["note"] == "lost contact with job shell on broker restart"
    assert await names(h, 2) == ["reattach", "done"]
    assert await namespaces(h) == []


async def test_a_full_content_store_does_not_keep_resources(inst: Instance, manager: Any, kvs: Any) -> None:
    manager.run(system=mock(run_duration="1s"))
    await inst.settle()
    kvs.failing = errno.ENOSPC
    await inst.advance(1.0)
    assert manager.types() == ["start", "finish", "release"]
    assert any("No space left" in line for line in inst.logged())
    assert inst.broker.modules["job-exec"].runs == {}  # type: ignore[attr-defined]


async def test_stats(inst: Instance, manager: Any) -> None:
    h = await inst.connect()
    manager.run(system=mock(run_duration="10s"))
    await inst.settle()
    stats = await h.rpc("job-exec.stats-get", {})
    assert stats["method"] == "bulk-exec"
    assert stats["effective-max-kill-timeout"] == 640.0
    assert stats["jobs"][f58()]["implementation"] == "testexec"
    assert stats["jobs"][f58()]["running"] == 1
