# SPDX-License-Identifier: LGPL-3.0-or-later
"""Python functions as jobs of a real instance."""

import concurrent.futures
import gc
import os
import pickle
import subprocess
import sys
import threading
import time

import pytest

import rosin
from rosin.constants import FLUX_KVS_READDIR
from rosin.executor import JobExecutor, RemoteError, RemoteTraceback, WorkerLost
from rosin.job import JobException, JobList, cancel, event_wait, job_kvs_lookup
from rosin.kvs import lookup_async, namespace_list
from rosin.testing.process import RealInstance

from . import work

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def executor(real_instance):
    with JobExecutor(real_instance.uri) as executor:
        yield executor


@pytest.fixture
def h(real_instance):
    with rosin.Flux(real_instance.uri) as h:
        yield h


def test_a_call(executor, h, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLOUR", "amber")
    future = executor.submit(work.where)
    cwd, colour, jobid = future.result()
    assert (cwd, colour, jobid) == (str(tmp_path), "amber", future.jobid().f58)
    assert (future.done(), future.running(), future.cancel()) == (True, False, False)
    event_wait(h, future.jobid(), "clean")
    (job,) = JobList(h, ids=[future.jobid()]).jobs()
    assert (job.name, job.returncode) == ("where", 0)
    assert repr(future) == f"<JobFuture job {jobid} done>"


def test_what_a_call_raises(executor, h):
    future = executor.submit(work.fail, "amber")
    with pytest.raises(KeyError, match="amber") as caught:
        future.result()
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "raise KeyError(text)\nKeyError: 'amber'" in str(caught.value.__cause__)
    assert "rosin/executor" not in str(caught.value.__cause__)
    event_wait(h, future.jobid(), "clean")
    assert JobList(h, ids=[future.jobid()]).jobs()[0].returncode == 1
    odd = executor.submit(work.fail_oddly).exception()
    assert (type(odd), str(odd)) == (RemoteError, "Odd: odd")
    mute = executor.submit(work.fail_unspeakably).exception()
    assert str(mute) == "Unpicklable: <str() of it raised RuntimeError>"
    assert executor.submit(work.leave).exception().code == 7


def test_what_cannot_be_pickled(executor):
    with pytest.raises(pickle.PicklingError, match=r"^argument 2 of square \(lock\) cannot be pickled: "):
        executor.submit(work.square, 1, threading.Lock())
    with pytest.raises(pickle.PicklingError, match=r"^argument 'by' of square \(lock\) cannot be pickled: "):
        executor.submit(work.square, 1, by=threading.Lock())
    with pytest.raises(pickle.PicklingError, match=r"^the result of generator \(generator\) cannot be pickl"):
        executor.submit(work.generator).result()


def test_the_function_of_a_script_and_of_nowhere(real_instance, tmp_path):
    """Plain pickle names them; the job runs the script to find them, but not its main part."""
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    env = {**os.environ, "FLUX_URI": real_instance.uri}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=env, timeout=60)
    assert (done.stdout, done.stderr) == ("Point(x=1, y=4)\n", "")
    text = (
        _SCRIPT.replace("Point(1, 2)", "None")
        .replace("print(executor", "print(type(executor")
        .replace(".result())", ".exception()), executor.submit(shifted, None).exception())")
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=env, timeout=60)
    assert "the function is one of an interactive session" in done.stdout, done.stderr


_SCRIPT = """
import sys
sys.modules["cloudpickle"] = None  # as if it were not installed
from typing import NamedTuple
from rosin.executor import JobExecutor

class Point(NamedTuple):
    x: int
    y: int

def shifted(point):
    return Point(point.x, point.y + 2)

if __name__ == "__main__":
    with JobExecutor() as executor:
        print(executor.submit(shifted, Point(1, 2)).result())
"""


def test_cloudpickle(executor):
    pytest.importorskip("cloudpickle")
    number = 3
    assert executor.submit(lambda: number + 1).result() == 4


def test_long_calls_and_results(executor, h):
    """They leave nothing in the KVS."""
    data = os.urandom(9 << 20)
    future = executor.submit(work.twice, data)
    assert future.result() == data + data
    (namespace,) = own_namespaces(h)
    event_wait(h, future.jobid(), "clean")
    assert executor.submit(work.square, 2).result() == 4
    path = f"{future.jobid().kvs}.guest"
    while any(name.startswith("rosin-result") for name in names_below(h, path)):
        time.sleep(0)
    while names_below(h, ".", namespace):
        time.sleep(0)
    with JobExecutor(h.uri) as other:
        assert other.submit(work.twice, b"x" * (1 << 20)).result() == b"x" * (2 << 20)
    assert own_namespaces(h) == [namespace]


def own_namespaces(h):
    return [name for name in namespace_list(h) if name.startswith("rosin-executor-")]


def names_below(h, key, namespace="primary"):
    found = lookup_async(h, key, namespace, FLUX_KVS_READDIR).get()["val"]["data"]
    return sorted(found)


def test_what_is_too_long(executor, monkeypatch):
    monkeypatch.setattr("rosin.executor.pickled.LIMIT", 1 << 20)
    with pytest.raises(ValueError, match="the call of square has 2 MiB, and at most 1 MiB are carried"):
        executor.submit(work.square, b"x" * (2 << 20))
    with pytest.raises(ValueError, match="malformed event result: a result of 1800009 bytes"):
        executor.submit(work.twice, b"x" * 900_000).result()


def test_progress(executor, tmp_path):
    go = tmp_path / "go"
    os.mkfifo(go)
    told = []
    future = executor.submit(work.wait_for, str(go))
    come = threading.Event()
    future.add_progress_callback(lambda _future: 1 / 0)  # is logged, and the others are called all the same
    future.add_progress_callback(lambda future: (told.append(future.progress), come.set()))
    assert come.wait(30)
    assert told == [(1, 4, "waiting", 0)]
    assert (future.running(), future.progress.fraction) == (True, 0.25)
    go.write_text("amber")
    assert future.result() == "amber"
    late = []
    future.add_progress_callback(lambda future: late.append(future.progress.text))
    assert late == ["waiting"]


def test_progress_of_a_loop_is_told_now_and_then(executor):
    told = []
    future = executor.submit(work.tell_often, 10_000)
    future.add_progress_callback(lambda future: told.append(future.progress.done))
    assert future.result() == 10_000
    assert 1 <= len(told) < 1000
    assert told == sorted(told)


def test_what_is_cancelled(executor, h):
    running = executor.submit(work.sleep)
    event_wait(h, running.jobid(), "start")
    held = executor.options(urgency=0).submit(work.sleep)
    held.jobid()
    for future in (running, held):
        assert future.cancel()
        with pytest.raises(concurrent.futures.CancelledError):
            future.result()
        event_wait(h, future.jobid(), "clean", raiseJobException=False)
        assert JobList(h, ids=[future.jobid()]).jobs()[0].result == "CANCELED"
    done, rest = concurrent.futures.wait([running, held], timeout=30)
    assert (len(done), len(rest)) == (2, 0)


def test_what_others_do_to_a_job(executor, h):
    future = executor.submit(work.sleep)
    cancel(h, future.jobid(), "not needed")
    with pytest.raises(JobException, match="not needed"):
        future.result()
    late = executor.options(duration=0.1).submit(work.sleep)
    with pytest.raises(JobException, match="timeout"):
        late.result()
    impossible = executor.options(cores_per_task=10**6).submit(work.sleep)
    with pytest.raises(JobException, match="unsatisfiable"):
        impossible.result()
    with pytest.raises(WorkerLost, match=r"without a result, exit code 137; it said:\namber$"):
        executor.submit(work.vanish, "amber").result()


def test_a_python_that_lacks_rosin(executor):
    future = executor.options(environment={"PYTHONHOME": "/nonexistent"}).submit(work.square, 2)
    with pytest.raises(WorkerLost, match="exit code 1; it said:"):
        future.result()


def test_many_tasks(executor):
    two = executor.options(num_tasks=2, cores_per_task=1)
    assert two.submit(work.rank).result() == [0, 1]
    with pytest.raises(ValueError, match="1"):
        two.submit(work.rank, failing=1).result()
    assert executor.options(num_tasks=1).submit(work.rank).result() == [0]


def test_map(executor):
    assert list(executor.map(work.square, range(7), chunksize=3)) == [n * n for n in range(7)]
    assert list(executor.map(pow, [2, 3], [3, 2], chunksize=2)) == [8, 9]
    numbers = iter(range(8))
    values = executor.map(work.square, numbers, chunksize=2, buffersize=1)
    assert next(values) == 0
    assert next(numbers) == 4  # two chunks have been taken
    values.close()
    with pytest.raises(KeyError):
        list(executor.map(work.fail, ["amber", "blue"]))
    with pytest.raises(TimeoutError):
        list(executor.map(work.sleep_for, [1], timeout=0))
    with pytest.raises(ValueError, match="1 or more; got 0"):
        executor.map(work.square, [], chunksize=0)


def test_options(executor):
    with pytest.raises(TypeError, match=r"no such option: cores; there are urgency, num_tasks, cores_per_"):
        executor.options(cores=1)
    with pytest.raises(ValueError, match="the number of tasks: expected an integer from 1"):
        executor.options(num_tasks=0)
    assert repr(executor.options(num_tasks=2)) == "<JobExecutor num_tasks=2>"


def test_shutdown(real_instance):
    executor = JobExecutor(real_instance.uri)
    calls = [executor.options(urgency=0).submit(work.sleep) for _ in range(3)]
    done = executor.submit(work.square, 3)
    assert done.result() == 9
    executor.shutdown(cancel_futures=True)
    assert [call.cancelled() for call in calls] == [True] * 3
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(work.square, 3)
    executor.shutdown()
    assert done.cancel() is False


def test_one_that_nobody_refers_to(real_instance):
    future = JobExecutor(real_instance.uri).submit(work.square, 3)
    gc.collect()
    assert future.result() == 9


def test_in_a_callback_nobody_waits(executor):
    held = executor.options(urgency=0).submit(work.sleep)
    caught = []

    def wait(_future):
        for ask in (held.result, held.exception):
            try:
                ask()
            except RuntimeError as exc:
                caught.append(str(exc))

    done = executor.submit(work.square, 3)
    done.add_done_callback(wait)
    done.result()
    executor.submit(work.square, 3).result()
    assert len(caught) == 2
    held.cancel()


def test_a_program_that_just_ends(real_instance):
    """It waits for its calls, as with the executors of the standard library."""
    text = "import math; from rosin.executor import JobExecutor as E; f = E().submit(math.factorial, 5);"
    text += " f.add_done_callback(lambda f: print(f.result()))"
    env = {**os.environ, "FLUX_URI": real_instance.uri}
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=env, timeout=60)
    assert (done.stdout, done.stderr) == ("120\n", "")


def test_after_a_fork(executor):
    child = os.fork()
    if not child:
        try:
            executor.submit(work.square, 2)
        except RuntimeError as exc:
            os._exit("does not survive a fork" not in str(exc))
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_instance_that_goes(caplog):
    with RealInstance() as instance:
        executor = JobExecutor(instance.uri)
        future = executor.submit(work.sleep)
        future.jobid()
        instance.kill()
        with pytest.raises(ConnectionResetError):
            future.result()
        executor.shutdown()
        with pytest.raises(RuntimeError):
            executor.submit(work.square, 2)
    with pytest.raises(FileNotFoundError):
        JobExecutor(instance.uri)
    assert not caplog.records


def test_an_instance_of_somebody_else(real_instance, monkeypatch):
    real = os.getuid()
    monkeypatch.setattr("rosin.executor.thread.os.getuid", lambda: real + 1)
    with pytest.raises(PermissionError, match=f"the instance is that of user {real}, who could change what"):
        JobExecutor(real_instance.uri)


def test_the_call_is_for_nobody_else(executor, h):
    future = executor.submit(work.square, 2)
    future.result()
    found = job_kvs_lookup(h, future.jobid())
    assert found is not None
    (entry,) = found["jobspec"]["attributes"]["system"]["files"].values()
    assert entry["mode"] == 0o100600
