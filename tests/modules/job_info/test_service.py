# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job-info service on a real KVS, with jobs whose logs a test writes."""

import errno
import json

import pytest

from rosin.constants import FLUX_JOB_INFO_LOOKUP_CURRENT, FLUX_ROLE_USER, FLUX_RPC_STREAMING
from rosin.job import (
    JobKVSLookup,
    event_watch_async,
    job_info_lookup,
    output_event_watch_async,
    output_watch_lines_async,
    result_async,
)
from rosin.rfc import sign

from .conftest import ENDED, ID, JOBSPEC, SENTINEL, STARTED, SUBMIT, WAITCREATE, R, line


def watch(h, path, flags=0, jobid=ID):
    payload = {"id": jobid, "path": path, "flags": flags}
    return h.rpc("job-info.eventlog-watch", payload, flags=FLUX_RPC_STREAMING)


def collect(rpc):
    """What a stream brings, as it comes: lines, None for an empty response, at last the errno."""
    got = []

    def arrived(rpc):
        while rpc.is_ready():
            try:
                data = rpc.get()
            except OSError as exc:
                got.append(exc.errno)
                return
            got.append(None if data is None else data.get("event", data))
            rpc.reset()

    rpc.listen(arrived)
    return got


async def fails(rpc, errnum, text=None):
    with pytest.raises(OSError) as caught:
        await rpc
    assert caught.value.errno == errnum
    if text is not None:
        assert caught.value.strerror == text


@pytest.mark.rfc(41, "lookup-request", "lookup-response", "json-decode", "keys-relative")
async def test_lookup(job):
    await job.submit()
    data = await job_info_lookup(job.h, ID, ["jobspec", "eventlog"])
    assert data == {"id": ID, "jobspec": json.dumps(JOBSPEC), "eventlog": SUBMIT}
    assert await job_info_lookup(job.h, ID, []) == {"id": ID}
    decoded = await job_info_lookup(job.h, ID, ["jobspec"], 1)
    assert decoded["jobspec"] == JOBSPEC
    original = await job_info_lookup(job.h, ID, ["J"])
    assert json.loads(sign.unwrap(original["J"])[0]) == JOBSPEC
    await job.start()
    await job.write("output", "one\n", "two\n")
    running = await job_info_lookup(job.h, ID, ["guest.output", "R"])
    assert running == {"id": ID, "guest.output": "one\ntwo\n", "R": json.dumps(R)}
    await job.end()
    assert (await job_info_lookup(job.h, ID, ["guest.output"]))["guest.output"] == "one\ntwo\n"


@pytest.mark.rfc(41, "all-or-nothing")
async def test_lookup_errors(job):
    await job.submit()
    await fails(job_info_lookup(job.h, 5, ["jobspec"]), errno.ENOENT, "invalid job id")
    await fails(job_info_lookup(job.h, 5, []), errno.ENOENT, "invalid job id")
    await fails(job_info_lookup(job.h, ID, ["jobspec", "zz"]), errno.ENOENT, "zz: key not found")
    await fails(
        job_info_lookup(job.h, ID, ["R"], 99), errno.EPROTO, "lookup request rejected with invalid flag"
    )
    await fails(job_info_lookup(job.h, ID, [5]), errno.EPROTO)  # type: ignore[list-item]
    await fails(job.h.rpc("job-info.lookup", {"id": "x", "keys": [], "flags": 0}), errno.EPROTO)
    await fails(job_info_lookup(job.h, ID, ["."]), errno.EISDIR)
    await job.commit(job.op(job.key("junk"), b"\xff\xfe"), job.op(job.key("empty"), b""))
    await fails(job_info_lookup(job.h, ID, ["junk"]), errno.EPROTO, "junk: value is not UTF-8 text")
    await fails(job_info_lookup(job.h, ID, ["empty"]), errno.EPROTO, "empty: value is unexpectedly empty")
    await job.commit(job.op(job.key("R"), "[]"))
    await fails(job_info_lookup(job.h, ID, ["R"], 1), errno.EPROTO, "R: value is not a JSON object")
    future = JobKVSLookup(job.h, [ID, 5]).fetch_data()
    await future
    assert [answer["id"] for answer in future.get()] == [ID]
    assert future.errors == ["JobID 5 unknown"]


@pytest.mark.rfc(41, "current")
async def test_current_applies_updates_in_order(job):
    await job.submit()
    await job.start()
    await job.post(
        line("jobspec-update", **{"attributes.system.duration": 60.0, "version": 9}),
        line("resource-update", expiration=100.0, other=1),
        line("jobspec-update", **{"attributes.system.duration": 70.0, "attributes.system.x.z": 2}),
    )
    answer = await job_info_lookup(job.h, ID, ["jobspec", "R"], 3)
    assert answer["jobspec"]["attributes"]["system"] == {"duration": 70.0, "x": {"y": 1, "z": 2}}
    assert answer["jobspec"]["version"] == 1
    assert answer["R"]["execution"] == {"R_lite": [], "expiration": 100.0}
    text = await job_info_lookup(job.h, ID, ["R"], 2)
    assert json.loads(text["R"])["execution"]["expiration"] == 100.0
    base = await job_info_lookup(job.h, ID, ["jobspec", "R"], 1)
    assert (base["jobspec"], base["R"]) == (JOBSPEC, R)
    legacy = await job.h.rpc("job-info.update-lookup", {"id": ID, "key": "R", "flags": 0})
    assert legacy == {"R": answer["R"]}
    bad = job.h.rpc("job-info.update-lookup", {"id": ID, "key": "zz", "flags": 0})
    await fails(bad, errno.EINVAL, "update-lookup unsupported key specified")


@pytest.mark.rfc(41, "owners-only", "owner-from-submit")
async def test_only_owners_have_access(job):
    await job.submit()
    owner = await job.inst.connect(userid=500, rolemask=FLUX_ROLE_USER)
    other = await job.inst.connect(userid=600, rolemask=FLUX_ROLE_USER)
    for _ in range(2):  # the second time from memory
        assert (await job_info_lookup(owner, ID, ["eventlog"]))["eventlog"] == SUBMIT
        text = "access is restricted to job/instance owner"
        await fails(job_info_lookup(other, ID, ["eventlog"]), errno.EPERM, text)
        await fails(watch(other, "eventlog"), errno.EPERM, text)
        await fails(watch(other, "guest.output"), errno.EPERM, text)
        update = {"id": ID, "key": "jobspec", "flags": 0}
        await fails(other.rpc("job-info.update-lookup", update), errno.EPERM)
        await fails(other.rpc("job-info.update-watch", update, flags=FLUX_RPC_STREAMING), errno.EPERM)
    await fails(job_info_lookup(other, 5, ["eventlog"]), errno.ENOENT, "invalid job id")
    await fails(watch(other, "eventlog", jobid=5), errno.ENOENT)
    assert (await watch(owner, "eventlog"))["event"] == SUBMIT


@pytest.mark.rfc(41, "watch-stream", "watch-request", "ends-main-clean")
async def test_main_log_until_clean(job):
    await job.submit()
    got = collect(watch(job.h, "eventlog"))
    await job.inst.settle()
    assert got == [SUBMIT]
    await job.start()
    await job.end()
    await job.inst.settle()
    assert got == [SUBMIT, *STARTED, *ENDED, errno.ENODATA]
    assert [item async for item in event_watch_async(job.h, ID)][-1].name == "clean"
    result = result_async(job.h, ID)
    await result
    assert (result.get_info().returncode, result.get_info().result) == (1, "FAILED")
    late = collect(watch(job.h, "eventlog", SENTINEL))
    await job.inst.settle()
    assert late == [SUBMIT, *STARTED, *ENDED, None, errno.ENODATA]
    assert (await job.h.rpc("job-info.stats-get"))["watchers"] == 0


async def test_sentinel_marks_the_end_of_what_was_there(job):
    await job.submit()
    got = collect(watch(job.h, "eventlog", SENTINEL))
    await job.inst.settle()
    await job.post(line("validate"))
    await job.inst.settle()
    assert got == [SUBMIT, None, line("validate")]


@pytest.mark.rfc(41, "guest-transition", "ends-when-inactive", "waitcreate")
async def test_guest_log_across_the_end_of_the_job(job):
    await job.submit()
    early = collect(watch(job.h, "guest.output", WAITCREATE))
    await job.inst.settle()
    await job.start()
    await job.write("output", "a\n", "b\n")
    middle = collect(watch(job.h, "guest.output"))
    await job.inst.settle()
    assert early == middle == ["a\n", "b\n"]
    assert (await job.h.rpc("job-info.stats-get"))["guest_watchers"] == 2
    await job.write("output", "c\nd\n")
    await job.end()
    late = collect(watch(job.h, "guest.output"))
    sentinel = collect(watch(job.h, "guest.output", SENTINEL))
    await job.inst.settle()
    everything = ["a\n", "b\n", "c\n", "d\n"]
    assert early == middle == late == [*everything, errno.ENODATA]
    assert sentinel == [*everything, None, errno.ENODATA]
    assert (await job.h.rpc("job-info.stats-get"))["guest_watchers"] == 0


@pytest.mark.rfc(41, "waitcreate", "ends-when-inactive")
async def test_guest_log_of_a_job_that_never_starts(job):
    await job.submit()
    got = collect(watch(job.h, "guest.output", WAITCREATE))
    await job.inst.settle()
    await job.post(line("exception", type="cancel", severity=0, note=""), line("clean"))
    await job.inst.settle()
    assert got == [errno.ENODATA]
    await fails(watch(job.h, "guest.output"), errno.ENODATA)
    await fails(watch(job.h, "guest.output", jobid=5), errno.ENOENT)


async def test_missing_logs_and_bad_requests(job):
    await job.submit()
    await fails(watch(job.h, "eventlog", jobid=5), errno.ENOENT)
    await fails(watch(job.h, "zz"), errno.ENOENT)
    await fails(watch(job.h, "."), errno.EISDIR)
    text = "eventlog-watch request rejected with invalid flag"
    await fails(watch(job.h, "eventlog", 64), errno.EPROTO, text)
    await fails(
        job.h.rpc("job-info.eventlog-watch", {"id": ID, "path": "eventlog", "flags": 0}), errno.EPROTO
    )
    await job.start()
    await fails(watch(job.h, "guest.zz"), errno.ENOENT)


@pytest.mark.rfc(41, "ends-when-cancelled", "cancel-request")
async def test_cancel_and_disconnect(job):
    await job.submit()
    await job.start()
    await job.write("output", "a\n")
    for path in ("eventlog", "guest.output"):
        rpc = watch(job.h, path)
        got = collect(rpc)
        await job.inst.settle()
        rpc.cancel("job-info.eventlog-watch-cancel")
        await job.inst.settle()
        assert got[-1] == errno.ENODATA
    client = await job.inst.connect()
    for path in ("eventlog", "guest.output", "guest.input"):
        watch(client, path, WAITCREATE)
    client.rpc("job-info.update-watch", {"id": ID, "key": "R", "flags": 0}, flags=FLUX_RPC_STREAMING)
    await job.inst.settle()
    stats = await job.h.rpc("job-info.stats-get")
    assert (stats["watchers"], stats["guest_watchers"], stats["update_watchers"]) == (1, 2, 1)
    assert (await job.h.rpc("kvs-watch.stats-get"))["watchers"] > 0
    await client.close()
    await job.inst.settle()
    assert set((await job.h.rpc("job-info.stats-get")).values()) == {0}
    assert (await job.h.rpc("kvs-watch.stats-get"))["watchers"] == 0


async def test_update_watch(job):
    await job.submit()
    request = {"id": ID, "key": "R", "flags": 0}
    await fails(job.h.rpc("job-info.update-watch", request, flags=FLUX_RPC_STREAMING), errno.ENOENT)
    await job.start()
    await job.post(line("resource-update", expiration=20.0))
    got = collect(job.h.rpc("job-info.update-watch", request, flags=FLUX_RPC_STREAMING))
    await job.inst.settle()
    assert [item["R"]["execution"]["expiration"] for item in got] == [20.0]
    await job.post(line("memo", a=1), line("resource-update", expiration=30.0))
    await job.inst.settle()
    assert got[-1]["R"]["execution"]["expiration"] == 30.0
    await job.end()
    await job.inst.settle()
    assert len(got) == 3
    assert got[-1] == errno.ENODATA
    late = collect(job.h.rpc("job-info.update-watch", request, flags=FLUX_RPC_STREAMING))
    await job.inst.settle()
    assert [late[0]["R"]["execution"]["expiration"], *late[1:]] == [30.0, errno.ENODATA]
    bad = job.h.rpc("job-info.update-watch", {**request, "key": "J"}, flags=FLUX_RPC_STREAMING)
    await fails(bad, errno.EINVAL, "update-watch unsupported key specified")


@pytest.mark.rfc(41, "guest-transition")
async def test_many_watchers_see_the_same(job):
    await job.submit()
    await job.start()
    await job.write("output", "start\n")
    watchers = [collect(watch(job.h, "guest.output")) for _ in range(20)]
    await job.inst.settle()
    for number in range(50):
        await job.write("output", "".join(f"{number}.{n}\n" for n in range(number % 4 + 1)))
    await job.end()
    await job.inst.settle(200)
    expected = ["start\n", *(f"{number}.{n}\n" for number in range(50) for n in range(number % 4 + 1))]
    assert all(got == [*expected, errno.ENODATA] for got in watchers)


async def test_output_of_a_job_with_the_client_api(job):
    await job.submit()
    header = {"version": 1, "encoding": {"stdout": "UTF-8", "stderr": "UTF-8"}, "options": {}}
    output = [
        line("header", **header, count={"stdout": 1, "stderr": 1}),
        line("data", stream="stdout", rank="0", data="one\ntw"),
        line("data", stream="stderr", rank="0", encoding="base64", data="//4="),
        line("data", stream="stdout", rank="0", data="o\nthree"),
        line("log", level=3, rank=0, message="oops"),
        line("redirect", stream="stderr", rank="1", path="/x"),
        line("data", stream="stdout", rank="0", eof=True),
        line("data", stream="stderr", rank="0", eof=True),
    ]
    events = output_event_watch_async(job.h, ID)
    lines = output_watch_lines_async(job.h, ID, log_stderr_level=-1)
    await job.start()
    await job.write("output", *output)
    await job.end()
    assert [type(event).__name__ async for event in events] == [
        "OutputHeaderEvent",
        "OutputEvent",
        "OutputEvent",
        "OutputEvent",
        "LogEvent",
        "RedirectEvent",
        "OutputEvent",
        "OutputEvent",
    ]
    assert [item async for item in lines] == [
        ("stdout", "one"),
        ("stdout", "two"),
        ("log", "flux-shell[0]: ERROR: oops"),
        ("stdout", "three"),
        ("stderr", "\udcff\udcfe"),
    ]
    now = output_watch_lines_async(job.h, ID, nowait=True, labelio=True, keepends=True)
    assert [item async for item in now][:2] == [("stdout", "0: one\n"), ("stdout", "0: two\n")]


async def test_output_of_a_job_that_never_starts_tells_why(job):
    await job.submit()
    events = output_event_watch_async(job.h, ID)
    await job.inst.settle()
    await job.post(line("exception", type="cancel", severity=0, note="why"), line("clean"))
    assert (await events).render() == "job.exception: type=cancel severity=0 why"
    events.reset()
    with pytest.raises(OSError, match="never started") as caught:
        await events
    assert caught.value.errno == errno.EIO
    assert set((await job.h.rpc("job-info.stats-get")).values()) == {0}


@pytest.mark.rfc(41, "read-only")
async def test_reading_changes_nothing(job):
    await job.submit()
    await job.start()
    before = await job.h.rpc("kvs.getroot", {"namespace": "primary"})
    await job_info_lookup(job.h, ID, ["jobspec", "R", "eventlog"], 3)
    await fails(job_info_lookup(job.h, ID, ["zz"]), errno.ENOENT)
    rpc = watch(job.h, "guest.output", WAITCREATE)
    await job.inst.settle()
    rpc.cancel("job-info.eventlog-watch-cancel")
    await fails(rpc, errno.ENODATA)
    assert await job.h.rpc("kvs.getroot", {"namespace": "primary"}) == before


@pytest.mark.parametrize("key", ["output", "input"])
async def test_what_the_shell_creates_is_waited_for_from_the_start_on(job, key):
    await job.submit()
    early = collect(watch(job.h, f"guest.{key}"))
    await job.start()
    late = collect(watch(job.h, f"guest.{key}"))
    await job.inst.settle()
    assert (early, late) == ([], [])
    await job.write(key, "a\n")
    await job.end()
    await job.inst.settle()
    assert early == late == ["a\n", errno.ENODATA]


async def test_a_log_that_the_shell_never_made_ends_with_the_job(job):
    await job.submit()
    await job.start()
    got = collect(watch(job.h, "guest.output"))
    await job.inst.settle()
    await job.end()
    await job.inst.settle()
    assert got == [errno.ENOENT]


@pytest.mark.parametrize(
    "text", ["junk\n", "[1]\n", SUBMIT[:-1], SUBMIT[:-2], SUBMIT + "junk\n", "\n", b"\xff\n", ""]
)
async def test_a_malformed_main_log_keeps_nobody_waiting(job, text):
    await job.submit()
    await job.commit(job.op(job.key("eventlog"), text), job.op(job.key("R"), "{}"))
    for path in ("eventlog", "guest.output"):
        got = collect(watch(job.h, path))
        await job.inst.settle()
        assert got[-1:] in ([errno.EINVAL], [errno.EPROTO])
    if text:
        request = {"id": ID, "keys": ["R"], "flags": FLUX_JOB_INFO_LOOKUP_CURRENT}
        rpc = job.h.rpc("job-info.lookup", request)
        cause = "R: error applying eventlog to original value: error parsing eventlog: Invalid argument"
        await fails(rpc, errno.EINVAL, cause)


@pytest.mark.parametrize("text", ['{"name":3}\n', '{"timestamp":1,"name":"submit","context":[]}\n'])
async def test_a_main_log_of_other_objects_keeps_nobody_waiting(job, text):
    await job.submit()
    await job.commit(job.op(job.key("eventlog"), text))
    got = collect(watch(job.h, "guest.output"))
    await job.inst.settle()
    assert got == [errno.EINVAL]


async def test_a_release_without_a_context_is_not_the_last(job):
    await job.submit()
    await job.post(*STARTED, '{"timestamp":1,"name":"release","context":[]}\n')
    await fails(watch(job.h, "guest.output"), errno.ENOENT)
