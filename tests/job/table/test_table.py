# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job table, fed with a recorded journal and compared with flux-core's listing of the same jobs."""

import copy
import json
import random
import sys
from pathlib import Path

import pytest

from rosin.constants import FLUX_JOB_STATE_INACTIVE
from rosin.errors import FormatError
from rosin.job.table.attributes import ATTRIBUTES, Projection
from rosin.job.table.table import JobTable

HERE = Path(__file__).parent
SENTINEL = {"id": -1, "events": []}


def lines(name):
    return [json.loads(line) for line in (HERE / name).read_text().splitlines()]


def feed(responses):
    table = JobTable()
    for response in responses:
        table.process(response)
    return table


def listing(table, attrs=("all",), **kw):
    return Projection(list(attrs)).objects(table.index.select(lambda row: True, **kw))


def submit(jobid, t=1.0, urgency=16, userid=100, **system):
    jobspec = {
        "version": 1,
        "resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": ["true"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": 0, **system}},
    }
    context = {"userid": userid, "urgency": urgency, "flags": 0, "version": 1}
    return {"id": jobid, "events": [event("submit", t, **context)], "jobspec": jobspec}


def event(event_name, t=2.0, **context):
    return (
        {"timestamp": t, "name": event_name, "context": context}
        if context
        else {"timestamp": t, "name": event_name}
    )


def response(jobid, *events, **more):
    return {"id": jobid, "events": list(events), **more}


def pend(table, jobid, priority=16, t=1.0, **system):
    table.process(submit(jobid, t, **system))
    table.process(
        response(jobid, event("validate", t), event("depend", t), event("priority", t, priority=priority))
    )


def run(table, jobid, t=3.0):
    R = {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": "0-1", "children": {"core": "0-3"}}],
            "nodelist": ["a[0-1]"],
            "starttime": t,
            "expiration": t + 60,
        },
    }
    table.process(response(jobid, event("alloc", t), R=R))


def end(table, jobid, t=4.0, status=0):
    table.process(response(jobid, event("finish", t, status=status), event("clean", t)))


def ready_table():
    return feed([SENTINEL])


@pytest.mark.rfc(43, "attributes", "unset-omitted")
def test_recorded_backlog_gives_flux_cores_listing():
    table = feed(lines("journal.jsonl"))
    assert table.ready
    assert listing(table) == lines("listing.jsonl")
    assert [list(obj) for obj in listing(table)] == [list(obj) for obj in lines("listing.jsonl")]


def test_backlog_in_any_order_and_live_one_event_at_a_time_give_the_same():
    history = lines("journal.jsonl")[:-1]
    random.Random(5).shuffle(history)
    assert listing(feed([*history, SENTINEL])) == lines("listing.jsonl")
    live = ready_table()
    for job in history:
        for index, entry in enumerate(job["events"]):
            extra = {"jobspec": job["jobspec"]} if not index else {}
            if entry["name"] == "alloc":
                extra["R"] = job["R"]
            live.process({"id": job["id"], "events": [entry], **extra})
    assert listing(live) == lines("listing.jsonl")


def test_counts_follow_every_event():
    table = feed(lines("journal.jsonl"))
    stats = table.stats.encode()
    assert stats["job_states"] == {
        "depend": 0,
        "priority": 0,
        "sched": 2,
        "run": 2,
        "cleanup": 0,
        "inactive": 5,
        "total": 9,
    }
    results = {key: stats[key] for key in ("successful", "failed", "canceled", "timeout", "inactive_purged")}
    assert results == {"successful": 1, "failed": 2, "canceled": 1, "timeout": 1, "inactive_purged": 0}
    assert table.index.counts() == {"pending": 2, "running": 2, "inactive": 5}


def test_payloads_are_left_alone():
    history = lines("journal.jsonl")
    before = copy.deepcopy(history)
    table = feed(history)
    update = {"attributes.system.duration": 9.0, "attributes.system.queue": "q"}
    memo = {"x": {"y": 1}}
    for job in list(table.index.active):
        table.process(response(job, event("jobspec-update", **update), event("memo", **memo)))
        table.process(response(job, event("memo", x={"z": 2})))
        shown = Projection(["all"]).object(table.index.row(job))
        assert shown["annotations"]["user"]["x"] == {"y": 1, "z": 2}
        assert (shown["queue"], shown["duration"]) == ("q", 9.0)
    assert memo == {"x": {"y": 1}}
    assert history == before


@pytest.mark.rfc(
    43, "order-classes", "order-pending", "order-running", "order-inactive", "since", "max-entries"
)
def test_order_is_priority_then_newest_start_then_newest_end():
    table = ready_table()
    for jobid, priority in ((1, 5), (2, 16), (3, 16), (4, 0)):
        pend(table, jobid, priority)
    for jobid, start in ((10, 3.0), (11, 5.0), (12, 4.0)):
        pend(table, jobid)
        run(table, jobid, start)
    for jobid, stop in ((20, 9.0), (21, 7.0), (22, 8.0), (23, 8.0)):
        pend(table, jobid)
        run(table, jobid)
        end(table, jobid, stop)
    ids = [obj["id"] for obj in listing(table, [])]
    assert ids == [2, 3, 1, 4, 11, 12, 10, 20, 23, 22, 21]
    assert [obj["id"] for obj in listing(table, [], since=7.5)] == [2, 3, 1, 4, 11, 12, 10, 20, 23, 22]
    assert [obj["id"] for obj in listing(table, [], since=8.0)] == [2, 3, 1, 4, 11, 12, 10, 20]
    assert [obj["id"] for obj in listing(table, [], max_entries=6)] == [2, 3, 1, 4, 11, 12]
    assert [obj["id"] for obj in listing(table, [], states=FLUX_JOB_STATE_INACTIVE, max_entries=1)] == [20]


@pytest.mark.rfc(21, "invalidate")
def test_new_job_is_not_listed_and_an_invalid_one_is_forgotten():
    table = ready_table()
    table.process(submit(7))
    assert listing(table) == []
    table.process(response(7, event("invalidate")))
    assert table.index.jobs == {} == table.index.active
    assert table.stats.encode()["job_states"]["total"] == 0


@pytest.mark.rfc(43, "first-times")
def test_held_job_falls_back_to_priority_and_keeps_its_first_times():
    table = ready_table()
    pend(table, 1, 0, t=1.0)
    assert listing(table, ["priority", "state", "t_sched"]) == [
        {"id": 1, "priority": 0, "state": 8, "t_sched": 1.0}
    ]
    table.process(response(1, event("urgency", 5.0, urgency=20, userid=0)))
    assert listing(table, ["priority", "state", "t_sched", "urgency"]) == [
        {"id": 1, "state": 4, "t_sched": 1.0, "urgency": 20}
    ]
    table.process(response(1, event("priority", 6.0, priority=20)))
    job = listing(table, ["priority", "t_priority", "t_sched"])[0]
    assert job == {"id": 1, "priority": 20, "t_priority": 1.0, "t_sched": 1.0}


def test_queue_change_moves_the_job_between_queue_counts():
    table = ready_table()
    table.stats.configure({"a": {}, "b": {}})
    pend(table, 1, queue="a")
    counts = {queue["name"]: queue["job_states"]["total"] for queue in table.stats.encode()["queues"]}
    assert counts == {"a": 1, "b": 0}
    table.process(response(1, event("jobspec-update", **{"attributes.system.queue": "b"})))
    queues = {queue["name"]: queue["job_states"] for queue in table.stats.encode()["queues"]}
    assert queues["a"]["total"] == 0
    assert queues["b"]["priority"] == queues["b"]["total"] == 1
    assert listing(table, ["queue"]) == [{"id": 1, "queue": "b"}]


def test_expiration_update_and_dependencies():
    table = ready_table()
    table.process(submit(1))
    table.process(response(1, event("dependency-add", description="a"), event("validate")))
    table.process(
        response(1, event("dependency-add", description="b"), event("dependency-add", description="a"))
    )
    assert listing(table, ["dependencies"]) == [{"id": 1, "dependencies": ["a", "b"]}]
    table.process(response(1, event("dependency-remove", description="a"), event("depend")))
    assert listing(table, ["dependencies"]) == [{"id": 1, "dependencies": ["b"]}]
    table.process(response(1, event("priority", priority=1)))
    run(table, 1)
    assert listing(table, ["expiration", "ncores", "ranks"]) == [
        {"id": 1, "expiration": 63.0, "ncores": 8, "ranks": "[0-1]"}
    ]
    table.process(response(1, event("resource-update", expiration=100)))
    assert listing(table, ["expiration"]) == [{"id": 1, "expiration": 100.0}]


@pytest.mark.parametrize(
    ("status", "exceptions", "result", "shown"),
    [
        (0, [], 1, None),
        (256, [], 2, None),
        (0, [("cancel", 0)], 4, "cancel"),
        (36352, [("timeout", 0)], 8, "timeout"),
        (0, [("mine", 3)], 1, "mine"),
        (0, [("mine", 3), ("exec", 0), ("cancel", 0)], 2, "exec"),
    ],
)
def test_result(status, exceptions, result, shown):
    table = ready_table()
    pend(table, 1)
    run(table, 1)
    for kind, severity in exceptions:
        table.process(response(1, event("exception", type=kind, severity=severity, note="")))
    end(table, 1, status=status)
    job = listing(table, ["result", "exception_type", "success"])[0]
    assert (job["result"], job.get("exception_type")) == (result, shown)
    assert job["success"] == (result == 1)


@pytest.mark.rfc(43, "unset-omitted")
def test_fatal_exception_while_pending_ends_without_status():
    table = ready_table()
    pend(table, 1)
    table.process(response(1, event("exception", type="cancel", severity=0, note="no")))
    assert table.index.counts() == {"pending": 0, "running": 1, "inactive": 0}
    table.process(response(1, event("clean", 9.0)))
    job = listing(table)[0]
    assert {"waitstatus", "t_run", "ranks", "nodelist"}.isdisjoint(job)
    assert (job["result"], job["t_cleanup"], job["t_inactive"], job["exception_note"]) == (4, 2.0, 9.0, "no")


def test_bad_event_is_reported_and_the_rest_is_taken():
    table = ready_table()
    table.process(submit(1))
    with pytest.raises(FormatError, match="priority"):
        table.process(response(1, event("validate"), event("depend"), event("priority", priority="x")))
    assert listing(table, ["state"]) == [{"id": 1, "state": 4}]
    with pytest.raises(FormatError, match="job 9"):
        table.process(response(9, event("alloc")))
    assert 9 not in table.index.jobs


def test_broken_jobspec_and_R_are_listed_as_far_as_they_go():
    table = ready_table()
    table.process(
        {**submit(1), "jobspec": {"tasks": 5, "attributes": {"system": {"queue": "q", "duration": "x"}}}}
    )
    table.process(response(1, event("validate"), event("depend"), event("priority", priority=1)))
    table.process(response(1, event("alloc"), R={"execution": {"R_lite": [{"rank": "x"}], "expiration": 5}}))
    job = listing(table)[0]
    assert (job["queue"], job["state"], job["expiration"]) == ("q", 16, 5.0)
    assert {"name", "ntasks", "ranks", "nodelist", "duration"}.isdisjoint(job)


def test_purge_forgets_inactive_jobs_only():
    table = ready_table()
    for jobid in range(1, 2001):
        pend(table, jobid)
        run(table, jobid)
        end(table, jobid, float(jobid))
    pend(table, 5000)
    assert table.purge([5000, 77777, *range(1, 1501)]) == 1500
    assert [obj["id"] for obj in listing(table, [])] == [5000, *range(2000, 1500, -1)]
    assert [obj["id"] for obj in listing(table, [], since=1800.0)] == [5000, *range(2000, 1800, -1)]
    assert table.index.counts() == {"pending": 1, "running": 0, "inactive": 500}
    stats = table.stats.encode()
    assert (stats["inactive_purged"], stats["job_states"]["inactive"], stats["successful"]) == (
        1500,
        500,
        500,
    )
    table.purge(list(range(1501, 2001)))
    assert [obj["id"] for obj in listing(table, [])] == [5000]


@pytest.mark.rfc(43, "unknown-attribute", "id-always", "unset-omitted")
def test_projection_refuses_unknown_attributes():
    for bad in (["nope"], [5], [None], ["all", "ranks "]):
        with pytest.raises(OSError) as caught:
            Projection(bad)
        assert caught.value.errno == 22
    table = feed(lines("journal.jsonl"))
    for name in ATTRIBUTES:
        expected = [{key: obj[key] for key in ("id", name) if key in obj} for obj in lines("listing.jsonl")]
        assert listing(table, [name]) == expected
        assert listing(table, [name, name, "id"]) == expected


def test_inactive_job_takes_little_memory():
    table = feed(lines("journal.jsonl"))
    rows = [row for row in table.index.jobs.values() if isinstance(row, tuple)]
    for row in rows:
        shared = {"name", "cwd", "queue", "bank", "nodelist", "ranks"}
        own = [value for name, value in zip(("id", *ATTRIBUTES), row, strict=True) if name not in shared]
        size = sys.getsizeof(row) + sum(
            sys.getsizeof(value) for value in own if isinstance(value, (float, bytes, str))
        )
        assert size < 1000


def test_rows_in_the_order_that_is_asked_for():
    table = ready_table()
    for jobid in (5, 6, 7):
        pend(table, jobid)
    table.process(response(6, event("invalidate")))
    assert [row[0] for row in table.index.rows_of([7, 9, 6, 5])] == [7, 5]
