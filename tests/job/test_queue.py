# SPDX-License-Identifier: LGPL-3.0-or-later
"""Queues: settings that a queue inherits, and the list of all queues of an instance."""

import copy
import math

import pytest

from rosin.queue import QueueInfo, QueueList

CONFIG = {
    "policy": {
        "limits": {"duration": "1h", "job-size": {"max": {"nnodes": 8, "ngpus": -1}, "min": {"ncores": 2}}},
        "jobspec": {"defaults": {"system": {"duration": 60, "queue": "batch"}}},
    },
    "queues": {
        "batch": {"requires": ["b"], "policy": {"limits": {"job-size": {"max": {"nnodes": 4}}}}},
        "debug": {"policy": {"limits": {"duration": "5m"}}},
        "small": {"parent": "batch", "policy": {"limits": {"duration": 10.0}}},
    },
}


class Resources:
    def __init__(self, constraint=None):
        self.constraint = constraint
        self.up = "up"

    def copy_constraint(self, constraint):
        return Resources(constraint)


def make(name, parent=""):
    return QueueInfo(name, CONFIG, Resources(), True, False, False, parent)


def test_settings_come_from_the_queue_its_parent_or_the_instance():
    batch, debug, small = make("batch"), make("debug"), make("small", "batch")
    assert [queue.limits.max.nnodes for queue in (batch, debug, small)] == [4, 8, 4]
    assert [queue.limits.timelimit for queue in (batch, debug, small)] == [3600.0, 300.0, 10.0]
    assert [queue.defaults.timelimit for queue in (batch, debug, small)] == [60.0, 60.0, 60.0]
    assert (batch.limits.max.ngpus, batch.limits.max.ncores) == (math.inf, math.inf)
    assert (batch.limits.min.ncores, batch.limits.min.nnodes) == (2, 0)


def test_resources_are_those_with_the_required_properties():
    assert make("batch").resources.constraint == {"properties": ["b"]}
    assert make("small", "batch").resources.constraint == {"properties": ["b"]}
    assert make("debug").resources.constraint is None
    assert make("debug").resources.up == "up"


def test_parent_must_exist():
    with pytest.raises(ValueError, match="queue 'small': parent queue 'nope' is not configured"):
        make("small", "nope")


class Answer:
    def __init__(self, value):
        self.value = value

    def __await__(self):
        return self.value
        yield


class Handle:
    def __init__(self, config):
        self.config = config
        self.asked = []

    def _wait(self, future, timeout):
        raise AssertionError("everything has been answered")

    def rpc(self, topic, payload=None):
        if topic == "config.get":
            return Answer(self.config)
        assert topic == "job-manager.queue-status"
        self.asked.append(payload)
        name = payload.get("name")
        state = {"enable": name != "debug", "start": True}
        if name == "small":
            state.update(parent="batch", blocked="parent")
        return Answer(state)


@pytest.fixture(autouse=True)
def resources(monkeypatch):
    monkeypatch.setattr("rosin.resource.resource_list", lambda handle: Answer(Resources()), raising=False)


def test_list_of_named_queues():
    handle = Handle(CONFIG)
    queues = QueueList(handle)
    assert handle.asked == [{"name": "batch"}, {"name": "debug"}, {"name": "small"}]
    assert [(queue.name, queue.enabled, queue.is_default) for queue in queues] == [
        ("batch", True, True),
        ("debug", False, False),
        ("small", True, False),
    ]
    assert (queues["small"].parent, queues.small.blocked, queues.default_queue) == (
        "batch",
        "parent",
        "batch",
    )
    assert [queue.name for queue in QueueList(handle, ["debug"])] == ["debug"]
    with pytest.raises(ValueError, match="No such queue: x"):
        QueueList(handle, ["x"])
    with pytest.raises(AttributeError):
        _ = queues.nope
    with pytest.raises(KeyError):
        _ = queues["nope"]


def test_the_anonymous_queue():
    queues = QueueList(Handle({}))
    (queue,) = queues
    assert (queue.name, queue.is_default, queue.started, len(queues)) == ("", True, True, 1)
    assert queues[""] is queues[None] is queue
    assert (queue.limits.duration, queue.defaults.duration) == (math.inf, math.inf)


def test_how_queues_are_printed_and_copied():
    queue = make("batch")
    assert repr(queue) == "<QueueInfo batch>"
    assert repr(make("")) == "<QueueInfo anonymous>"
    copied = copy.copy(queue.resources)  # asks for names that only the copy's class may have
    assert copied.up == "up"
