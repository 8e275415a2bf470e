# SPDX-License-Identifier: LGPL-3.0-or-later
"""Priorities that plugins give to jobs."""

import pytest

from rosin.modules.job_manager.plugins import UNAVAILABLE, Plugin, callback

from .test_scheduling import allocs


class Fixed(Plugin):
    """Every job has the priority of ``conf``."""

    name = "fixed"

    @callback("job.state.priority", "job.priority.get")
    def priority(self, job):
        return self.conf["priority"]


@pytest.mark.parametrize(
    ("value", "priority"),
    [(7, 7), (None, 16), (0, 0), (2**32 - 1, 2**32 - 1), (2**32, 16), ("x", 16), (True, 16)],
)
def test_the_last_plugin_with_a_priority_wins(bench, use, value, priority):
    use(Fixed, priority=value)
    id = bench.submit()
    assert bench.job(id).priority == priority
    wrong = [entry["context"] for entry in bench.events(id) if entry["name"] == "exception"]
    assert [(found["type"], found["severity"]) for found in wrong] == (
        [("job.state.priority", 4)] if priority == 16 and value is not None else []
    )


def test_a_priority_that_comes_later(bench, use):
    plugin = use(Fixed, priority=UNAVAILABLE)
    bench.online()
    id = bench.submit()
    assert bench.names(id)[-1] == "depend"
    bench.manager.post(bench.job(id), "memo", {"a": 1})
    bench.manager.post(bench.job(id), "urgency", {"urgency": 3, "userid": 0})
    bench.settle()
    assert allocs(bench) == []
    plugin.reprioritize(bench.job(id), 9)
    bench.settle()
    assert allocs(bench) == [id]
    plugin.reprioritize(bench.job(id), 9)
    assert bench.names(id).count("priority") == 1
    plugin.conf["priority"] = 11
    plugin.reprioritize_all()
    assert bench.job(id).priority == 11
    with pytest.raises(ValueError, match="a priority is an integer"):
        plugin.reprioritize(bench.job(id), -1)


def test_priorities_that_change_together_are_one_message(bench, use):
    bench.online()
    ids = [bench.submit() for _ in range(3)]
    bench.settle()
    bench.alloc(ids[0])
    plugin = use(Fixed, priority=7)
    plugin.reprioritize_all()
    plugin.conf["priority"] = 8
    plugin.reprioritize_all()
    bench.settle()
    assert bench.port.take("sched.prioritize") == [{"jobs": [[ids[1], 8], [ids[2], 8]]}]
    assert bench.names(ids[0]).count("priority") == 1


def test_an_urgency_that_comes_before_the_priority_counts(bench, use):
    class Hold(Plugin):
        name = "hold"

        @callback("job.create")
        def create(self, job):
            self.subscribe(job)

        @callback("job.event.depend")
        def depend(self, job, entry):
            self.post(job, "urgency", {"urgency": 0, "userid": 0})

    use(Hold)
    bench.online()
    id = bench.submit()
    bench.settle()
    assert bench.names(id)[2:4] == ["depend", "urgency"]
    assert bench.job(id).priority == 0
    assert allocs(bench) == []
