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
        assert len(queue._heap) <= 2 * len(queue) + 64


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


def test_outdated_entries_do_not_pile_up():
    queue = PendingQueue(by_priority)
    job = Job(1, 0)
    for priority in range(1000):
        job.priority = priority
        queue.add(job)
    assert len(queue._heap) <= 2 + 64
    for jobid in range(1000):
        queue.add(Job(jobid, 0))
    for jobid in range(1000):
        queue.pop(jobid)
    assert len(queue._heap) <= 64
