# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is said about a job's end comes after its output; what never comes is not success."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from rosin.cli.job.afterwards import Afterwards
from rosin.cli.job.attach import Attach
from rosin.cli.job.output import Unwritable
from rosin.cli.watcher import JobWatcher


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
        self.reactor: Any = SimpleNamespace(defer=lambda callback: None)

    def rpc(self, topic, payload=None, nodeid=None, flags=0):
        self.rpcs.append(FakeRpc(topic, payload))
        return self.rpcs[-1]


def event(name, **context):
    return {"timestamp": 10.0, "name": name, "context": context}


def log(name, **context):
    return {"event": json.dumps(event(name, **context))}


class Timers:
    """A reactor whose timers the test lets expire."""

    def __init__(self):
        self.callbacks = []

    def timer(self, after, callback, repeat=0.0):
        timer = SimpleNamespace(cancel=lambda: self.callbacks.remove(callback))
        self.callbacks.append(callback)
        return timer

    def defer(self, callback):
        callback()

    def expire(self):
        for callback in list(self.callbacks):
            callback()


def test_news_of_a_running_job_wait_for_a_moment_only():
    timers, said = Timers(), []
    held = Afterwards(timers, lambda: None)
    held.add(lambda: said.append("exception"), over=False)
    held.add(lambda: said.append("more"), over=False)
    assert (bool(held), said, len(timers.callbacks)) == (True, [], 1)
    timers.expire()
    assert (bool(held), said, timers.callbacks) == (False, ["exception", "more"], [])


def test_the_end_waits_without_limit_and_in_order():
    timers, said = Timers(), []
    held = Afterwards(timers, lambda: None)
    held.add(lambda: said.append("exception"), over=False)
    held.add(lambda: said.append("finish"), over=True)
    assert timers.callbacks == []
    held.release()
    assert said == ["exception", "finish"]


def output_line(text):
    return log("data", stream="stdout", rank="0", data=text)


def ended():
    return OSError(61, "No data available")


ARGS = {
    "label_io": False,
    "quiet": False,
    "verbose": 0,
    "tail": None,
    "show_events": False,
    "show_exec": False,
    "read_only": True,
    "wait_event": "clean",
}


def follow(handle, **options):
    handle.reactor = Timers()
    handle.reactor_stop = lambda: None
    attach = Attach(handle, 7, "ƒ8", SimpleNamespace(**{**ARGS, **options}), "rosin-job")
    attach._watch("eventlog", attach._main_event)
    return attach


def feed_start(handle):
    main = handle.rpcs[0]
    main.feed(log("submit"), log("start"))
    execution = handle.rpcs[1]
    execution.feed(log("shell.init", service="s", **{"leader-rank": 0}))
    return main, execution, handle.rpcs[2]


def test_attach_prints_the_summary_behind_the_output(capfd):
    handle = FakeHandle()
    attach = follow(handle)
    main, execution, output = feed_start(handle)
    main.feed(log("exception", type="timeout", severity=0, note="late"), log("finish", status=3 << 8))
    main.feed(log("clean"))
    execution.feed(ended())
    assert capfd.readouterr().err == ""
    output.feed(output_line("late\n"), ended())
    out, err = capfd.readouterr()
    assert (out, attach.exit_code) == ("late\n", 3)
    assert [line.split()[1] for line in err.splitlines()] == ["job.exception", "task(s)"]


def test_attach_tells_of_an_exception_although_the_output_goes_on(capfd):
    handle = FakeHandle()
    follow(handle)
    main, _, _ = feed_start(handle)
    main.feed(log("exception", type="cancel", severity=0, note=""))
    assert capfd.readouterr().err == ""
    handle.reactor.expire()
    assert "job.exception ƒ8 type=cancel" in capfd.readouterr().err


def test_attach_tells_of_an_event_that_never_came(capfd):
    handle = FakeHandle()
    attach = follow(handle, wait_event="nosuch")
    handle.rpcs[0].feed(log("finish", status=0), log("clean"), ended())
    assert attach.exit_code == 1
    attach.output.flush()
    assert "event 'nosuch' never received" in capfd.readouterr().err


def watch(wait="clean", show=True):
    handle = FakeHandle()
    handle.reactor = Timers()
    out, err = io.BytesIO(), io.BytesIO()
    watcher = JobWatcher(handle, lambda: None, show, log_status=True)
    watcher.add(7, out, err, wait)
    return handle, watcher, out, err


def test_watch_prints_the_summary_behind_the_output():
    handle, watcher, out, err = watch()
    main = handle.rpcs[0]
    main.feed(log("submit"), log("start"))
    execution = handle.rpcs[1]
    execution.feed(log("shell.init"), ended())
    output = handle.rpcs[2]
    main.feed(log("finish", status=256), log("clean"))
    assert err.getvalue() == b""
    output.feed(output_line("late\n"), ended())
    assert out.getvalue() == b"late\n"
    assert err.getvalue().endswith(b"failed: status=256\n")
    assert (watcher.exitcode, watcher.jobs) == (1, {})


@pytest.mark.parametrize(("wait", "code"), [("nosuch", 1), ("clean", 0), ("finish", 0)])
def test_an_event_that_never_came_is_no_success(wait, code):
    handle, watcher, _, err = watch(wait, show=False)
    handle.rpcs[0].feed(*[{"event": json.dumps(event(name, status=0))} for name in ("finish", "clean")])
    assert (watcher.exitcode, watcher.jobs) == (code, {})
    assert (b"event 'nosuch' never received" in err.getvalue()) == bool(code)


@pytest.mark.system
@pytest.mark.parametrize(
    ("code", "cancelled", "text"),
    [
        (errno.ENOSPC, None, "cannot write output: No space left on device, the job is canceled"),
        (errno.ENOSPC, errno.ENOENT, "cannot write output: No space left on device, the job has ended"),
        (
            errno.ENOSPC,
            errno.EPERM,
            "No space left on device, cannot cancel the job: Operation not permitted",
        ),
        (errno.EPIPE, None, "nobody reads the output any more, the job is canceled"),
        (errno.EPIPE, errno.ENOENT, ""),
    ],
)
def test_output_that_cannot_be_written_ends_a_job_that_is_ours(monkeypatch, capsys, code, cancelled, text):
    """Also one that ends by itself just then; only a reader who has gone is told nothing of that."""

    def cancel(_handle, _jobid, _why):
        return SimpleNamespace(get=lambda: None if cancelled is None else raising(cancelled))

    def raising(number):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("rosin.job.control.cancel_async", cancel)
    follower = Attach(FakeHandle(), 5, "f5", SimpleNamespace(**ARGS), "rosin-job")
    follower.cancel_if_unread = True
    assert follower._unwritable(Unwritable(code, os.strerror(code))) == (141 if code == errno.EPIPE else 1)
    err = capsys.readouterr().err
    assert text in err
    assert bool(err) is bool(text)


class TestReal:
    """The same with a real instance."""

    def script(self, real_instance, text):
        env = {**os.environ, "FLUX_URI": real_instance.uri, "ROSIN": f"{sys.executable} -m rosin"}
        return subprocess.run(["bash", "-c", text], env=env, capture_output=True, text=True, timeout=50)

    def test_a_job_whose_reader_has_gone_ends(self, real_instance):
        done = self.script(real_instance, "$ROSIN run yes | head -1; echo ${PIPESTATUS[0]}")
        assert done.stdout == "y\n141\n"
        found = re.fullmatch(r"rosin-job: (\S+): nobody reads the output any more, .*\n", done.stderr)
        assert found
        status = real_instance.run("job", "wait-event", "-q", found[1], "clean")
        assert status.returncode == 0

    def test_output_that_cannot_be_written_is_no_success(self, real_instance):
        done = self.script(real_instance, "$ROSIN run echo hi >/dev/full")
        assert done.returncode == 1
        assert "cannot write output: No space left on device" in done.stderr

    def test_bytes_that_are_not_text(self, real_instance):
        text = r"printf 'a\nb\377\nc\n' | $ROSIN bulksubmit --quiet echo {}"
        done = self.script(real_instance, text)
        assert (done.returncode, done.stdout) == (1, "")
        assert r"argument 1: 'b\xff' is not UTF-8" in done.stderr
        for option in ("--job-name", "--output", "--cwd", "--env"):
            done = self.script(real_instance, rf"$ROSIN run {option}=$'A=\377' true")
            assert done.returncode == 1
            assert rf"{option}: 'A=\xff' is not UTF-8" in done.stderr
        done = self.script(real_instance, r"BAD=$'\377' $ROSIN run true")
        assert (done.returncode, done.stderr.count("\n")) == (0, 1)
        assert "environment variable BAD is not UTF-8" in done.stderr

    def test_nothing_that_is_asked_for_is_no_success(self, real_instance):
        done = real_instance.run("watch", "123")
        assert (done.returncode, done.stderr) == (1, "rosin-watch: ERROR: JobID 123 unknown\n")
        done = real_instance.run("job", "raiseall", "bad type")
        assert (done.returncode, done.stderr) == (1, "rosin-job: raiseall: invalid exception type\n")
        done = real_instance.run("job", "raiseall", "--states=", "x")
        assert (done.returncode, done.stderr) == (1, "rosin-job: no states specified\n")
        done = real_instance.run("job", "memo", "123", "=3")
        assert (done.returncode, done.stderr) == (1, "rosin-job: memo: '=3': a key is missing, as in KEY=3\n")
