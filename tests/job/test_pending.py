# SPDX-License-Identifier: LGPL-3.0-or-later
"""The queue of pending jobs."""

from hypothesis import given
from hypothesis import strategies as st

from rosin.job.pending import PendingQueue, by_priority


class Job:
    def __init__(self, id, priority):
        self.id = id
        self.priority = priority


def youngest(job):
    return -job.id


IDS = st.integers(0, 8)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "new"]), IDS, st.integers(0, 3)),
        st.tuples(st.sampled_from(["pop", "head"]), IDS, st.just(0)),
    ),
    max_size=200,
)


@given(st.sampled_from([by_priority, youngest, lambda job: job.priority]), STEPS)
def test_order(order, steps):
    """Whatever is done, jobs come by their keys and then by id."""
    queue, model = PendingQueue(order), {}
    for step, jobid, value in steps:
        if step == "add" and jobid in model:
            model[jobid].priority = value
            queue.add(model[jobid])
        elif step in ("add", "new"):
            model[jobid] = Job(jobid, value)
            queue.add(model[jobid])
        elif step == "pop":
            assert queue.pop(jobid) is model.pop(jobid, None)
        expected = sorted(model.values(), key=lambda job: (order(job), job.id))
        assert queue.head(jobid) == expected[:jobid]
        assert queue.first() is (expected[0] if expected else None)
        assert list(queue) == expected
        assert len(queue) == len(model)
        assert [queue.get(number) for number in range(9)] == [model.get(number) for number in range(9)]
        assert [number in queue for number in range(9)] == [number in model for number in range(9)]
        assert [queue.ahead(job.id) for job in expected] == list(range(len(expected)))
        assert queue.ahead(99) == len(expected)


def test_reorder():
    """Keys that depend on something else are worked out again."""
    weight = {1: 5, 2: 1, 3: 3}
    queue = PendingQueue(lambda job: weight[job.id])
    for jobid in weight:
        queue.add(Job(jobid, 0))
    queue.pop(3)
    weight[1] = 0
    queue.reorder()
    assert [job.id for job in queue] == [1, 2]
    assert [job.id for job in queue.head(5)] == [1, 2]


def test_a_job_that_comes_back():
    """Its old entry is still there, and says the same."""
    queue = PendingQueue()
    jobs = [Job(jobid, 0) for jobid in range(4)]
    for job in jobs:
        queue.add(job)
    for job in jobs[1:3]:
        queue.pop(job.id)
        queue.add(job)
    assert queue.head(4) == jobs
    assert queue.head(4) == jobs


def test_the_usual_order():
    queue = PendingQueue()
    for jobid, priority in ((1, 5), (2, 7), (3, 7)):
        queue.add(Job(jobid, priority))
    assert [job.id for job in queue] == [2, 3, 1]


def test_many():
    """More than one piece holds, and pieces that become empty."""
    queue = PendingQueue(by_priority)
    jobs = [Job(jobid, jobid * 7919 % 5) for jobid in range(5000)]
    for job in jobs:
        queue.add(job)
    expected = sorted(jobs, key=by_priority)
    assert list(queue) == queue.head(5000) == expected
    assert queue.head(1500) == expected[:1500]
    assert [queue.ahead(job.id) for job in expected[::97]] == list(range(0, 5000, 97))
    for job in expected[:4000]:
        assert queue.first() is job
        queue.pop(job.id)
    assert list(queue) == expected[4000:]
    assert len(queue._pieces) == len(queue._lasts) <= 3


def test_many_changes_of_place():
    """What is held is one entry a job."""
    queue = PendingQueue(by_priority)
    job = Job(1, 0)
    for priority in range(3000):
        job.priority = priority
        queue.add(job)
    assert [len(piece) for piece in queue._pieces] == [1]


@given(st.lists(st.tuples(st.sampled_from(["next", "pop", "add"]), IDS, st.integers(0, 3)), max_size=60))
def test_a_walk_while_the_queue_changes(steps):
    """A walk meets each job behind its place that is there then, and none twice unless it moves back."""
    queue = PendingQueue(by_priority)
    for jobid in range(6):
        queue.add(Job(jobid, 1))
    walk, last = iter(queue), None
    for step, jobid, priority in steps:
        if step == "pop":
            queue.pop(jobid)
        elif step == "add":
            queue.add(Job(jobid, priority))
        else:
            behind = [
                job
                for job in sorted(queue.head(9), key=by_priority)
                if last is None or by_priority(job) > last
            ]
            job = next(walk, None)
            assert job is (behind[0] if behind else None)
            if job is None:
                return
            last = by_priority(job)


def test_keys_without_an_order():
    """A policy's mistake, which loses no job."""
    keys = {1: float("nan"), 2: 1.0, 3: float("nan"), 4: 0.0}
    queue = PendingQueue(lambda job: keys[job.id])
    for jobid in keys:
        queue.add(Job(jobid, 0))
    for jobid in (3, 1, 2):
        assert queue.pop(jobid).id == jobid
    assert [job.id for job in queue] == [4]
