# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 27, RFC 32: the conversations with scheduler and execution service, one message at a time."""

import pytest

R = {"version": 1, "execution": {"R_lite": [], "starttime": 1.0, "expiration": 0.0}}


def allocs(bench):
    bench.manager.flush()
    return [payload["id"] for payload in bench.port.take("sched.alloc")]


@pytest.mark.rfc(27, "alloc")
def test_alloc_request(bench, jobspec):
    bench.online()
    bench.submit(urgency=20)
    bench.manager.flush()
    (request,) = bench.port.take("sched.alloc")
    assert request == {
        "id": 1,
        "priority": 20,
        "userid": 1000,
        "t_submit": bench.port.time,
        "jobspec": jobspec(),
    }


def test_nothing_is_asked_before_the_scheduler_is_ready(bench):
    bench.submit()
    assert allocs(bench) == []
    bench.online()
    assert allocs(bench) == [1]


def test_order_is_priority_then_age(bench):
    for urgency in (5, 31, 16, 0, 16):
        bench.submit(urgency=urgency)
    bench.online()
    assert allocs(bench) == [2, 3, 5, 1]


@pytest.mark.rfc(27, "limited")
def test_limited_mode_overtakes(bench):
    bench.online("limited", 2)
    for _ in range(4):
        bench.submit()
    assert allocs(bench) == [1, 2]
    urgent = bench.submit(urgency=20)
    assert allocs(bench) == []
    assert bench.port.take("sched.cancel") == [{"id": 2}]
    bench.submit(urgency=18)
    bench.manager.flush()
    assert bench.port.take("sched.cancel") == [{"id": 1}]
    bench.alloc(2, type=3)
    assert allocs(bench) == [urgent]
    bench.alloc(1, type=3)
    assert allocs(bench) == [6]


@pytest.mark.rfc(27, "merge", "volatile", "annotate")
def test_annotations_merge_and_end_with_the_request(bench):
    bench.online()
    bench.submit()
    bench.settle()
    bench.alloc(1, type=1, annotations={"sched": {"reason_pending": "x", "t_estimate": 3.0}})
    bench.alloc(1, type=1, annotations={"sched": {"reason_pending": None}, "user": {"a": 1}})
    assert bench.job(1).annotations == {"sched": {"t_estimate": 3.0}, "user": {"a": 1}}
    bench.alloc(1, type=3)
    assert bench.job(1).annotations == {"user": {"a": 1}}
    assert "annotations" not in bench.names(1)


@pytest.mark.rfc(27, "deny", "errnum-zero", "volatile")
def test_deny_is_a_fatal_exception(bench):
    bench.online()
    bench.submit()
    bench.settle()
    bench.alloc(1, type=2, note="unsatisfiable request")
    bench.settle()
    assert bench.names(1)[4:] == ["exception", "clean"]
    assert bench.events(1)[4]["context"] == {
        "type": "alloc",
        "severity": 0,
        "note": "unsatisfiable request",
        "userid": 1000,
    }


@pytest.mark.rfc(27, "cancel")
def test_cancel_of_a_pending_job(bench):
    bench.online()
    bench.submit()
    bench.settle()
    bench.manager.except_(bench.job(1), "cancel", 0)
    assert bench.port.take("sched.cancel") == [{"id": 1}]
    bench.settle()
    assert bench.names(1)[4:] == ["exception", "clean"]
    bench.alloc(1)  # the success that crossed the cancel
    assert [payload["id"] for payload in bench.port.take("sched.free")] == [1]


@pytest.mark.rfc(33, "stop-cancels")
def test_a_stop_takes_the_requests_back(bench):
    bench.online()
    for _ in range(2):
        bench.submit()
    bench.settle()
    assert allocs(bench) == [1, 2]
    bench.manager.queues.request_start({"start": False, "reason": "later", "all": False})
    bench.manager.requeue_all()
    assert bench.port.take("sched.cancel") == [{"id": 1}, {"id": 2}]
    assert allocs(bench) == []


@pytest.mark.rfc(30, "held", "update")
def test_a_hold_takes_the_request_back(bench):
    bench.online()
    bench.submit()
    bench.settle()
    job = bench.job(1)
    bench.manager.post(job, "urgency", {"userid": 1000, "urgency": 0})
    assert bench.port.take("sched.cancel") == [{"id": 1}]
    bench.alloc(1)  # too late
    assert [payload["final"] for payload in bench.port.take("sched.free")] == [True]
    bench.port.take("sched.alloc")
    assert allocs(bench) == []
    assert bench.names(1)[-2:] == ["urgency", "priority"]
    bench.manager.post(job, "urgency", {"userid": 1000, "urgency": 16})
    assert allocs(bench) == [1]


@pytest.mark.rfc(27, "prioritize")
def test_a_priority_event_reorders(bench):
    bench.online("limited", 1)
    bench.submit()
    bench.submit()
    assert allocs(bench) == [1]
    bench.manager.post(bench.job(1), "priority", {"priority": 40})
    bench.manager.flush()
    assert bench.port.take("sched.prioritize") == [{"jobs": [[1, 40]]}]
    bench.manager.post(bench.job(2), "priority", {"priority": 50})
    bench.manager.flush()
    assert bench.port.take("sched.cancel") == [{"id": 1}]


@pytest.mark.parametrize("payload", [{}, {"id": 1, "type": 9}, {"id": 1, "type": 0}, {"id": 1, "type": 1}])
def test_a_malformed_response_ends_the_conversation(bench, payload):
    bench.online()
    bench.submit()
    bench.settle()
    bench.manager.alloc.response(bench.response("sched.alloc", payload))
    assert not bench.manager.alloc.online
    bench.port.take("sched.alloc")
    bench.online(service=None)
    assert allocs(bench) == [1]


@pytest.mark.rfc(27, "error-ends")
def test_an_error_response_ends_the_conversation(bench):
    bench.online()
    bench.submit()
    bench.settle()
    bench.manager.alloc.response(bench.response("sched.alloc", None, errnum=38))
    assert not bench.manager.alloc.online
    assert len(bench.manager.alloc.queue) == 1


@pytest.mark.rfc(27, "one-in-flight")
@pytest.mark.rfc(32, "one-in-flight")
def test_one_request_of_each_kind_is_under_way(bench):
    bench.online()
    bench.submit()
    bench.settle()
    job = bench.job(1)
    for _ in range(2):
        bench.manager.alloc.enqueue(job)
        bench.settle()
    assert len(bench.port.take("sched.alloc")) == 1
    bench.alloc(1)
    bench.settle()
    for _ in range(2):
        bench.manager.start.request(job)
        bench.settle()
    assert len(bench.port.take("job-exec.start")) == 1
    assert not bench.port.take("sched.free")
    bench.exec(1, "finish", status=0)
    bench.exec(1, "release", ranks="0", final=True)
    bench.settle()
    assert len(bench.port.take("sched.free")) == 1


@pytest.mark.rfc(32, "error-ends")
def test_an_error_response_to_start_ends_the_service(bench):
    bench.online()
    for _ in range(2):
        bench.submit()
    bench.settle()
    bench.alloc(1)
    bench.settle()
    assert len(bench.port.take("job-exec.start")) == 1
    bench.manager.start.response(bench.response("job-exec.start", None, errnum=38))
    assert bench.manager.start.service is None
    bench.alloc(2)
    bench.settle()
    assert not bench.port.take("job-exec.start")
    bench.manager.start.hello(bench.request(payload={"service": "job-exec"}, sender=b"again"))
    bench.settle()
    assert [request["reattach"] for request in bench.port.take("job-exec.start")] == [True, False]


def test_start_waits_for_the_allocation_to_be_stored(bench):
    bench.online()
    bench.submit()
    bench.settle()
    bench.alloc(1, R={**R, "scheduling": {"x": 1}})
    bench.manager.flush()
    assert bench.port.take("job-exec.start") == []
    bench.store()
    (request,) = bench.port.take("job-exec.start")
    assert request["R"] == R
    assert (request["id"], request["userid"], request["reattach"]) == (1, 1000, False)


def test_start_waits_for_the_commit_that_succeeds(bench):
    bench.online()
    bench.submit()
    bench.settle()
    bench.alloc(1)
    bench.manager.store.take()
    bench.manager.store.failed(OSError(28, "full"))
    assert bench.port.take("job-exec.start") == []
    bench.store()
    assert len(bench.port.take("job-exec.start")) == 1


def test_cancel_before_the_start_was_sent(bench):
    bench.online()
    bench.submit()
    bench.settle()
    bench.alloc(1)
    bench.manager.except_(bench.job(1), "cancel", 0)
    bench.settle()
    assert bench.port.take("job-exec.start") == []
    assert bench.names(1)[5:] == ["exception", "free", "clean"]


@pytest.mark.rfc(32, "release")
def test_partial_release(bench):
    bench.online()
    bench.submit()
    bench.settle()
    bench.alloc(1)
    bench.settle()
    bench.exec(1, "start")
    bench.exec(1, "finish", status=0)
    bench.exec(1, "release", ranks="0", final=False)
    bench.settle()
    assert bench.names(1)[-1] == "release"
    bench.exec(1, "release", ranks="1", final=True)
    bench.settle()
    assert bench.names(1)[-3:] == ["release", "free", "clean"]


@pytest.mark.rfc(32, "exception")
def test_exec_exceptions(bench):
    bench.online()
    bench.submit()
    bench.settle()
    bench.alloc(1)
    bench.settle()
    bench.exec(1, "exception", severity=1, type="exec", note="odd")
    bench.exec(1, "exception", severity=0, type="exec", note="lost", wait_status=11)
    bench.exec(1, "finish", status=35584)
    bench.exec(1, "release", ranks="all", final=True)
    bench.settle()
    exceptions = [entry["context"] for entry in bench.events(1) if entry["name"] == "exception"]
    assert exceptions == [
        {"type": "exec", "severity": 1, "userid": 1000, "note": "odd"},
        {"type": "exec", "severity": 0, "userid": 1000, "note": "lost", "wait_status": 11},
    ]
    assert bench.manager.inactive[1].result == 2


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"id": 1},
        {"id": 9, "type": "start", "data": {}},
        {"id": 1, "type": "reattached", "data": {}},
        {"id": 1, "type": "new", "data": {}},
        {"id": 1, "type": "release", "data": {}},
    ],
)
def test_malformed_exec_responses_are_logged(bench, payload):
    bench.online()
    bench.submit()
    bench.settle()
    bench.alloc(1)
    bench.settle()
    before = bench.names(1)
    bench.manager.start.response(bench.response("job-exec.start", payload))
    assert bench.names(1) == before
    assert bench.port.log.lines[-1][0] == "error"


def test_responses_of_a_service_that_was_replaced_are_logged_once(bench):
    bench.online()
    for topic in ("a.start", "a.start", "b.start", "b.start"):
        bench.manager.start.response(bench.response(topic, {}))
    assert [text for level, text in bench.port.log.lines if level == "error"] == [
        "start: response of a.start, which is not registered",
        "start: response of b.start, which is not registered",
    ]


def test_a_response_out_of_order_is_logged(bench):
    bench.online()
    bench.submit()
    bench.settle()
    bench.alloc(1)
    bench.settle()
    bench.exec(1, "start")
    bench.exec(1, "start")
    assert bench.names(1).count("start") == 1
    assert "start response: start occurs twice" in bench.port.log.lines[-1][1]
    bench.exec(1, "finish", status=0)
    bench.exec(1, "release", ranks="all", final=True)
    before = bench.names(1)
    bench.exec(1, "release", ranks="all", final=True)
    assert bench.names(1) == before
    assert "which is not being started" in bench.port.log.lines[-1][1]


def test_a_job_whose_start_was_lost_is_started_when_it_is_reattached(bench):
    bench.online()
    bench.submit()
    bench.settle()
    bench.alloc(1)
    bench.settle()
    bench.manager.start.response(bench.response("job-exec.start", None, errnum=38))
    bench.manager.start.hello(bench.request(payload={"service": "job-exec"}, sender=b"other"))
    bench.settle()
    bench.exec(1, "reattached")
    assert bench.names(1)[-1] == "start"


@pytest.mark.rfc(32, "replace", "reissue")
def test_another_service_takes_over(bench):
    bench.online()
    bench.submit()
    bench.settle()
    bench.alloc(1)
    bench.settle()
    bench.port.take("job-exec.start")
    bench.manager.start.hello(bench.request(payload={"service": "other"}, sender=b"other"))
    (request,) = bench.port.take("other.start")
    assert request["reattach"] is True


def test_an_expiration_that_is_not_taken_is_noted(bench):
    bench.online()
    bench.submit()
    bench.settle()
    bench.alloc(1)
    bench.settle()
    bench.manager.post(bench.job(1), "resource-update", {"expiration": 5.0})
    ((topic, payload, done),) = bench.port.rpcs
    assert (topic, payload) == ("job-exec.expiration", {"id": 1, "expiration": 5.0})
    done(None, OSError(38, "no such thing"))
    assert bench.events(1)[-1]["context"]["severity"] == 1


def finish(bench, id, how):
    if how == "canceled":
        bench.manager.except_(bench.job(id), "cancel", 0)
        bench.settle()
        return
    bench.settle()
    bench.alloc(id)
    bench.settle()
    bench.exec(id, "start")
    if how == "excepted":
        bench.exec(id, "exception", severity=0, type="exec", note="")
    bench.exec(id, "finish", status=0 if how == "ok" else 256)
    bench.exec(id, "release", ranks="all", final=True)
    bench.settle()
