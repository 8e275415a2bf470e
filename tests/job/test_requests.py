# SPDX-License-Identifier: LGPL-3.0-or-later
"""The blocking job API over a socket: what it sends, and what it makes of the answers."""

import errno

import pytest

from rosin import job
from rosin.job import journal


def spec(*words):
    return job.JobspecV1.from_command(list(words), environment={})


def test_submit(served, h):
    made = spec("exit", "0")
    for form in (made, made.jobspec, made.dumps(), made.dumps().encode()):
        jobid = job.submit(h, form, urgency=20, waitable=True)
        assert isinstance(jobid, job.JobID)
        assert served.requests[-1] == ("submit", {"J": made.jobspec, "urgency": 20, "flags": 4})
    future = job.submit_async(h, made, debug=True, novalidate=True)
    assert future.get_id() == job.submit_get_id(future) == jobid + 1
    assert served.requests[-1][1]["flags"] == 10
    from rosin.rfc import sign

    job.submit(h, sign.wrap(made.encode(), 0), pre_signed=True)
    assert served.requests[-1] == ("submit", {"J": made.jobspec, "urgency": 16, "flags": 0})
    with pytest.raises(OSError, match="Missing key") as caught:
        job.submit(h, "{}")
    assert caught.value.errno == errno.EINVAL
    for bad, error in ((None, OSError), (5, TypeError)):
        with pytest.raises(error):
            job.submit(h, bad)


def test_control(served, h):
    jobid = job.submit(h, spec("sleep"))
    job.kill(h, jobid)
    job.kill(h, jobid.f58, 9)
    job.cancel(h, jobid, "why")
    job.job_raise(h, jobid, "mine", 3, "note")
    job.memo_async(h, jobid, {"a": 1}).get()
    job.update_async(h, jobid, {"attributes.system.duration": 1.0}).get()
    assert job.set_urgency(h, jobid, 31) == 16
    assert job.purge_async(h, num_limit=5, force=True).get() == {"count": 3}
    number = int(jobid)
    assert served.requests[1:] == [
        ("kill", {"id": number, "signum": 15}),
        ("kill", {"id": number, "signum": 9}),
        ("raise", {"id": number, "type": "cancel", "severity": 0, "note": "why"}),
        ("raise", {"id": number, "type": "mine", "severity": 3, "note": "note"}),
        ("memo", {"id": number, "volatile": False, "memo": {"a": 1}}),
        ("update", {"id": number, "updates": {"attributes.system.duration": 1.0}}),
        ("urgency", {"id": number, "urgency": 31}),
        ("purge", {"age_limit": -1.0, "num_limit": 5, "batch": 50, "force": True}),
    ]
    with pytest.raises(FileNotFoundError, match="unknown job id"):
        job.cancel(h, 5)


def test_wait(served, h):
    assert job.wait(h, 7) == (7, False, b"task(s) exited with exit code 3")
    with pytest.raises(ChildProcessError, match="no more waitable jobs"):
        job.wait(h)
    with pytest.raises(ChildProcessError):
        job.wait(h, 2**64 - 1)


@pytest.mark.parametrize(
    ("words", "code", "result"),
    [(("exit", "3"), 3, "FAILED"), (("exit", "0"), 0, "COMPLETED"), (("signal", "9"), -9, "FAILED")],
)
def test_result(h, words, code, result):
    info = job.result(h, job.submit(h, spec(*words)))
    assert (info.returncode, info.result, info.runtime) == (code, result, 2.0)


def test_result_of_a_canceled_job(h):
    jobid = job.submit(h, spec("cancel"))
    data = job.result_async(h, jobid).get_dict()
    assert (data["result"], data["exception_type"], data["exception_note"]) == (4, "cancel", "no")
    assert job.result(h, jobid).returncode == -128
    with pytest.raises(FileNotFoundError):
        job.result(h, 5)


def test_events(served, h):
    jobid = job.submit(h, spec("exit", "1"))
    events = list(job.event_watch(h, jobid))
    assert [event.name for event in events] == ["submit", "alloc", "start", "finish", "clean"]
    assert (events[3].context, events[3].timestamp, events[3].context_string) == (
        {"status": 256},
        4.0,
        '{"status":256}',
    )
    assert job.event_wait(h, jobid, "start").name == "start"
    with pytest.raises(OSError, match="event 'nope' did not occur") as caught:
        job.event_wait(h, jobid, "nope")
    assert caught.value.errno == errno.ENODATA
    canceled = job.submit(h, spec("cancel"))
    with pytest.raises(job.JobException, match="type=cancel: no") as exception:
        job.event_wait(h, canceled, "start")
    assert (exception.value.type, exception.value.note, exception.value.severity) == ("cancel", "no", 0)
    assert job.event_wait(h, canceled, "exception").name == "exception"
    assert job.event_wait(h, canceled, "clean", raiseJobException=False).name == "clean"


def test_a_watch_left_early_is_ended(served, h):
    jobid = job.submit(h, spec("sleep"))
    for _event in job.event_watch(h, jobid):
        break
    h.attr_get("rank")  # a round trip: the broker has seen the cancel
    assert served.requests[-1][0] == "watch-cancel"
    assert served.module.watchers == []


def test_reactor_and_callbacks(h):
    seen = []

    def event(watch):
        entry = watch.get_event()
        seen.append(entry.name if entry else None)
        if entry is None:
            h.reactor_stop()

    def submitted(future, label):
        seen.append(label)
        job.event_watch_async(h, future.get_id()).then(event)

    job.submit_async(h, spec("exit", "0")).then(submitted, "id")
    h.reactor_run()
    assert seen == ["id", "submit", "alloc", "start", "finish", "clean", None]


def test_listings(served, h):
    assert [item["id"] for item in job.job_list(h).get_jobs()] == [5, 6, 7]
    assert [item.id for item in job.job_list(h, max_entries=99).get_jobinfos()] == [5, 6, 7]
    assert job.job_list(h).get()["jobs"][0]["id"] == 5
    query = job.JobList(
        h,
        filters=["running,failed", "pending"],
        user="all",
        since=5,
        name="n",
        queue=["a", "b"],
        constraint={"x": []},
    )
    assert [info.returncode for info in query.jobs()] == [0, 0, 0]
    assert served.requests[-1][1] == {
        "max_entries": 1000,
        "attrs": ["all"],
        "since": 5.0,
        "constraint": {
            "and": [
                {"x": []},
                {"name": ["n"]},
                {"queue": ["a", "b"]},
                {"or": [{"states": [62]}, {"results": [2]}]},
            ]
        },
    }
    by_id = job.JobList(h, ids=["ƒH", 404])
    assert [info.id.orig for info in by_id.jobs()] == ["16"]
    assert by_id.errors == ["JobID 404 unknown"]
    assert job.get_job(h, 404) is None
    assert job.get_job(h, 16)["name"] == "x"  # type: ignore[index]
    for bad in ({"filters": ["nope"]}, {"filters": ["R"]}, {"user": "no such user"}):
        with pytest.raises(ValueError):
            job.JobList(h, **bad)


def test_lookups(h):
    jobid = job.submit(h, spec("exit", "0"))
    assert job.job_kvs_lookup(h, jobid, ["jobspec", "R"]) == {"id": jobid, "jobspec": {"version": 1}, "R": {}}
    assert job.job_kvs_lookup(h, jobid, decode=False)["jobspec"] == '{"version":1}'  # type: ignore[index]
    assert job.job_kvs_lookup(h, jobid, original=True) == {"id": jobid, "jobspec": {"env": 1}}
    assert set(job.job_kvs_lookup(h, jobid, ["J", "jobspec"], original=True)) == {"id", "J", "jobspec"}
    assert job.job_kvs_lookup(h, 5) is None
    many = job.JobKVSLookup(h, [jobid, 5], ["jobspec"], original=True)
    assert many.data() == [{"id": jobid, "jobspec": {"env": 1}}]
    assert many.errors == ["JobID 5 unknown"]


def test_journal(h):
    consumer = job.JournalConsumer(h, include_sentinel=True)
    with pytest.raises(RuntimeError):
        consumer.poll()
    consumer.start()
    events = [consumer.poll(timeout=30) for _ in range(6)]
    assert [event.timestamp for event in events if not event.is_empty()] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert events[4] is journal.SENTINEL_EVENT
    assert [(event.jobid, event.jobspec, event.R) for event in events[2:4]] == [
        (2, {"v": 1}, None),
        (2, None, {"r": 1}),
    ]
    with pytest.raises(TimeoutError):
        consumer.poll(timeout=0.0)
    consumer.stop()
    assert consumer.poll(timeout=30) is None
    since = job.JournalConsumer(h, since=3.5).start()
    assert [since.poll(30).timestamp for _ in range(2)] == [4.0, 5.0]
    since.stop()
    current = job.JournalConsumer(h, full=False)
    got = []

    def arrived(event, label):
        got.append((label, event and event.timestamp))
        if event is None:
            h.reactor_stop()
        else:
            current.stop()

    current.set_callback(arrived, "x").start()
    h.reactor_run()
    assert got == [("x", 5.0), ("x", None)]


def test_journal_events_can_be_pickled():
    import pickle

    event = job.JournalEvent(5, {"timestamp": 1.0, "name": "submit"}, {"j": 1})
    again = pickle.loads(pickle.dumps(event))
    assert (again, again.jobid, again.jobspec) == (event, 5, {"j": 1})
    assert str(event) == "ƒ6: 1.00000 submit jobspec={'j': 1}"


def test_timeleft(h, monkeypatch):
    monkeypatch.setenv("FLUX_JOB_ID", "ƒ6")
    assert job.timeleft(h) == float("inf")
    for text, error in (("8", "has not started"), ("404", "no such jobid"), ("!!", "failed to parse")):
        monkeypatch.setenv("FLUX_JOB_ID", text)
        with pytest.raises(OSError, match=error):
            job.timeleft(h)
