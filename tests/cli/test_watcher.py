# SPDX-License-Identifier: LGPL-3.0-or-later
"""Watching many jobs: the journal, and what happens without it."""

from __future__ import annotations

import errno
import io
import json
from types import SimpleNamespace

from rosin.cli.watcher import InstanceEvents, JobWatcher


class FakeRpc:
    """A stream that the test feeds."""

    def __init__(self, topic, payload):
        self.topic = topic
        self.payload = payload
        self.results = []
        self.canceled = None
        self.callback = None

    def then(self, callback, *args):
        self.callback = lambda: callback(self, *args)

    def is_ready(self):
        return bool(self.results)

    def get(self):
        if isinstance(self.results[0], OSError):
            raise self.results[0]
        return self.results[0]

    def reset(self):
        self.results.pop(0)

    def cancel(self, topic):
        self.canceled = topic

    def abandon(self):
        self.callback = None

    def feed(self, *results):
        self.results += results
        if self.callback:
            self.callback()


class FakeHandle:
    def __init__(self):
        self.rpcs = []
        self.reactor = SimpleNamespace(defer=lambda callback: None)

    def rpc(self, topic, payload=None, nodeid=None, flags=0):
        self.rpcs.append(FakeRpc(topic, payload))
        return self.rpcs[-1]


def event(name, **context):
    return {"timestamp": 10.0, "name": name, "context": context}


def log(name, **context):
    return {"event": json.dumps(event(name, **context))}


def watcher(**options):
    finished = []
    handle = FakeHandle()
    watch = JobWatcher(handle, lambda: finished.append(True), **options)
    return watch, handle, finished


def end(status):
    return [event("submit"), event("alloc"), event("start"), event("finish", status=status), event("clean")]


def test_events_may_come_before_the_id():
    watch, handle, finished = watcher()
    journal = watch.journal = InstanceEvents(watch)
    stream = handle.rpcs[0]
    stream.feed(
        {"id": -1, "events": []}, {"id": 7, "events": end(512)}, {"id": 8, "events": [event("submit")]}
    )
    out = io.BytesIO()
    watch.add(7, out, out)
    assert (finished, watch.exitcode, watch.jobs) == ([True], 2, {})
    watch.add(9, out, out)
    journal.complete()
    stream.feed({"id": 8, "events": end(1024)}, {"id": 9, "events": end(0)})
    assert (len(finished), watch.exitcode) == (2, 2)
    journal.close()
    assert stream.canceled == "job-manager.events-journal-cancel"
    assert len(handle.rpcs) == 1


def test_without_permission_each_job_is_watched():
    watch, handle, finished = watcher()
    watch.journal = InstanceEvents(watch)
    out = io.BytesIO()
    watch.add(7, out, out)
    handle.rpcs[0].feed(OSError(errno.EPERM, "Request requires owner credentials"))
    watch.add(8, out, out)
    assert [(rpc.topic, rpc.payload["id"]) for rpc in handle.rpcs[1:]] == [
        ("job-info.eventlog-watch", 7),
        ("job-info.eventlog-watch", 8),
    ]
    for rpc in handle.rpcs[1:]:
        rpc.feed(log("submit"), log("finish", status=0), log("clean"))
        assert rpc.canceled == "job-info.eventlog-watch-cancel"
    assert (finished, watch.exitcode) == ([True], 0)


def test_output_is_read_to_its_end():
    watch, handle, finished = watcher(watch=True, labelio=True)
    out, err = io.BytesIO(), io.BytesIO()
    watch.add(1 << 24, out, err)
    main = handle.rpcs[0]
    main.feed(log("submit"), log("start"))
    execution = handle.rpcs[1]
    main.feed(log("finish", status=0), log("clean"))
    execution.feed(log("init"), log("shell.init"))
    assert execution.canceled
    output = handle.rpcs[2]
    assert output.payload["path"] == "guest.output"
    assert not finished
    output.feed(
        log("header"),
        log("data", stream="stdout", rank="0", data="a\nb\n"),
        log("log", level=3, rank=0, message="m"),
        OSError(errno.ENODATA, "end"),
    )
    label = next(iter({line.split(b": ")[0] for line in out.getvalue().splitlines()})).decode()
    assert out.getvalue().decode() == f"{label}: 0: a\n{label}: 0: b\n"
    assert err.getvalue().decode() == f"{label}: flux-shell[0]: ERROR: m\n"
    assert finished == [True]


def test_a_job_that_never_started_fails():
    watch, handle, finished = watcher()
    err = io.BytesIO()
    watch.add(7, io.BytesIO(), err)
    handle.rpcs[0].feed(log("submit"), log("exception", type="alloc", severity=0, note="no"), log("clean"))
    assert (finished, watch.exitcode) == ([True], 1)
    assert err.getvalue() == b"job.exception: type=alloc severity=0 no\n"


def test_a_warning_does_not_fail_a_job():
    watch, handle, _ = watcher()
    watch.add(7, io.BytesIO(), io.BytesIO())
    handle.rpcs[0].feed(
        log("submit"), log("exception", type="x", severity=5, note=""), log("finish", status=0), log("clean")
    )
    assert watch.exitcode == 0


def test_other_events_to_wait_for():
    watch, handle, finished = watcher()
    watch.add(7, io.BytesIO(), io.BytesIO(), "start")
    handle.rpcs[0].feed(log("submit"), log("start"))
    assert finished == [True]
    watch.add(8, io.BytesIO(), io.BytesIO(), "exec.shell.start")
    handle.rpcs[1].feed(log("start"))
    handle.rpcs[2].feed(log("init"), log("shell.init"), log("shell.start"))
    assert len(finished) == 2
    assert handle.rpcs[1].canceled
    assert handle.rpcs[2].canceled


def test_a_job_that_is_unknown():
    watch, handle, finished = watcher()
    err = io.BytesIO()
    watch.add(7, io.BytesIO(), err)
    handle.rpcs[0].feed(OSError(errno.ENOENT, "No such file or directory"))
    assert (finished, watch.exitcode) == ([True], 1)
    assert err.getvalue().endswith(b": eventlog: No such file or directory\n")
