# SPDX-License-Identifier: LGPL-3.0-or-later
"""FluxExecutor: futures, callbacks, threads, shutdown, and a broker that goes away."""

import concurrent.futures
import threading

import pytest

from rosin import job

LONG = 30  # seconds; only a failing test waits for it


def spec(*words):
    return job.JobspecV1.from_command(list(words), environment={})


@pytest.fixture
def executor(served):
    with job.FluxExecutor(handle_args=(served.uri.encode(),)) as made:
        yield made


def test_results(executor):
    futures = {
        words: executor.submit(spec(*words)) for words in (("exit", "0"), ("exit", "3"), ("signal", "9"))
    }
    assert [future.result(LONG) for future in futures.values()] == [0, 3, -9]
    canceled = executor.submit(jobspec=spec("cancel"), urgency=20)
    with pytest.raises(job.JobException, match="type=cancel"):
        canceled.result(LONG)
    refused = executor.submit("{}")
    assert isinstance(refused.exception(LONG), OSError)
    with pytest.raises(RuntimeError, match="could not be submitted"):
        refused.jobid(LONG)


def test_callbacks(executor):
    seen, done = [], threading.Event()
    future = executor.submit(spec("exit", "1"))
    future.add_jobid_callback(lambda future: seen.append(("jobid", future.jobid())))
    future.add_event_callback("start", lambda future, event: seen.append((event.name, event.timestamp)))
    future.add_event_callback("clean", lambda _future, _event: done.set())
    assert future.add_done_callback(lambda future: seen.append(("done", future.result()))) is future
    assert done.wait(LONG)
    assert ("start", 3.0) in seen
    assert ("done", 1) in seen
    assert ("jobid", future.jobid()) in seen
    late = []
    future.add_event_callback("submit", lambda _future, event: late.append(event.name))
    future.add_jobid_callback(lambda future: late.append(future.jobid()))
    future.add_done_callback(lambda _future: 1 / 0)
    assert late == ["submit", future.jobid()]
    with pytest.raises(ValueError, match="nope"):
        future.add_event_callback("nope", print)


def test_waiting_inside_a_callback_is_refused():
    future = job.FluxExecutorFuture(threading.get_ident())
    for wait in (future.result, future.exception):
        with pytest.raises(RuntimeError, match="Cannot wait for future from inside callback"):
            wait()
    future.set_result(3)
    assert future.result() == 3


def job_canceled(executor, future):
    from rosin.handle.flux import Flux

    with Flux(executor._workers[0].handle.uri) as handle:
        job.cancel(handle, future.jobid(LONG))
    with pytest.raises(job.JobException):
        future.result(LONG)


def test_attach(executor):
    first = executor.submit(spec("exit", "4"))
    attached = executor.attach(first.jobid(LONG))
    assert attached.jobid() == first.jobid()
    assert attached.result(LONG) == 4
    with pytest.raises(ValueError, match="job ID does not match any job"):
        executor.attach(5).result(LONG)


def test_a_running_job_is_not_cancelled_by_its_future(executor):
    future = executor.submit(spec("sleep"))
    future.jobid(LONG)
    assert not future.cancel()
    assert future.running()
    with pytest.raises(concurrent.futures.TimeoutError):
        future.result(0)
    job_canceled(executor, future)


def test_a_future_that_is_cancelled_first():
    future = job.FluxExecutorFuture()
    with pytest.raises(concurrent.futures.TimeoutError):
        future.jobid(0)
    assert future.cancel()
    assert future.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        future.jobid(0)


def test_shutdown(served):
    executor = job.FluxExecutor(threads=3, handle_args=(served.uri,))
    futures = [executor.submit(spec("exit", "0")) for _ in range(50)]
    executor.shutdown(wait=True)
    assert [future.result(0) for future in futures] == [0] * 50
    assert not any(worker.is_alive() for worker in executor._workers)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(spec("exit", "0"))


def test_no_broker():
    with pytest.raises(OSError, match="was not found"):
        job.FluxExecutor(handle_args=("local:///no/such/socket",))
    with pytest.raises(ValueError, match="threads"):
        job.FluxExecutor(threads=0)


def test_a_broker_that_goes_away_fails_the_futures(served):
    executor = job.FluxExecutor(handle_args=(served.uri,))
    future = executor.submit(spec("sleep"))
    future.jobid(LONG)
    served.stop()
    assert isinstance(future.exception(LONG), OSError)
    assert isinstance(executor.submit(spec("exit", "0")).exception(LONG), OSError)
    executor.shutdown()
    assert not executor._workers[0].is_alive()
