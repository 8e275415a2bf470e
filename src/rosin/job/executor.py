# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs as :mod:`concurrent.futures`: ``FluxExecutor().submit(jobspec)`` gives a future of the exit code."""

from __future__ import annotations

import concurrent.futures
import itertools
import logging
import os
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_POLLIN
from rosin.handle.flux import Flux
from rosin.job.events import MAIN_EVENTS, EventLogEvent, JobEventWatchFuture, JobException, event_watch_async
from rosin.job.jobid import JobID
from rosin.job.submission import SubmitFuture, submit_async
from rosin.process.outcome import return_code

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

_log = logging.getLogger(__name__)


class FluxExecutorFuture(concurrent.futures.Future[int]):
    """One job. ``result()`` is its exit code, or -N for signal N; it raises JobException when the job ended
    by a fatal exception. Events in ``EVENTS`` can be waited for with callbacks.
    """

    EVENTS = MAIN_EVENTS

    def __init__(self, owning_thread_id: int | None = None) -> None:
        super().__init__()
        self._owning_thread_id = owning_thread_id
        self._jobid_lock = threading.Condition()
        self._jobid: JobID | None = None
        self._jobid_error: BaseException | None = None
        self._jobid_known = False
        self._jobid_callbacks: list[Callable[[FluxExecutorFuture], Any]] = []
        self._event_lock = threading.RLock()
        self._events: dict[str, list[EventLogEvent]] = {name: [] for name in self.EVENTS}
        self._event_callbacks: dict[str, list[Callable[..., Any]]] = {name: [] for name in self.EVENTS}

    # -- job id -----------------------------------------------------------------------------------

    def jobid(self, timeout: float | None = None) -> JobID:
        """The id of the job, waited for if necessary.

        Raises concurrent.futures.TimeoutError after ``timeout`` seconds, CancelledError when the future was
        cancelled, and RuntimeError when the job could not be submitted.
        """
        with self._jobid_lock:
            if not self._jobid_lock.wait_for(lambda: self._jobid_known, timeout):
                raise concurrent.futures.TimeoutError
            if self._jobid_error is not None:
                raise self._jobid_error
            assert self._jobid is not None
            return self._jobid

    def add_jobid_callback(self, callback: Callable[[FluxExecutorFuture], Any]) -> Self:
        """Call ``callback(self)`` when the job has an id, at once if it has one."""
        with self._jobid_lock:
            if not self._jobid_known:
                self._jobid_callbacks.append(callback)
                return self
        self._call(callback)
        return self

    def _set_jobid(self, jobid: JobID | int | None, exc: BaseException | None = None) -> None:
        with self._jobid_lock:
            if self._jobid_known:
                raise RuntimeError("invalid state: jobid already set")
            self._jobid = None if jobid is None else JobID(jobid)
            self._jobid_error = exc
            self._jobid_known = True
            callbacks, self._jobid_callbacks = self._jobid_callbacks, []
            self._jobid_lock.notify_all()
        for callback in callbacks:
            self._call(callback)

    def _call(self, callback: Callable[..., Any], *args: Any) -> None:
        try:
            callback(self, *args)
        except Exception:
            _log.exception("exception calling callback for %r", self)

    # -- events -----------------------------------------------------------------------------------

    def add_event_callback(self, event: str, callback: Callable[..., Any]) -> Self:
        """Call ``callback(self, event)`` for every event of this name, past ones included.

        Raises ValueError for a name that is not in ``EVENTS``.
        """
        if event not in self.EVENTS:
            raise ValueError(event)
        with self._event_lock:
            self._event_callbacks[event].append(callback)
            for past in list(self._events[event]):
                self._call(callback, past)
        return self

    def _set_event(self, event: EventLogEvent) -> None:
        if event.name not in self.EVENTS:
            raise ValueError(event.name)
        with self._event_lock:
            self._events[event.name].append(event)
            for callback in list(self._event_callbacks[event.name]):
                self._call(callback, event)

    # -- concurrent.futures -----------------------------------------------------------------------

    def add_done_callback(self, fn: Callable[[Any], Any]) -> Self:  # type: ignore[override]
        """As in concurrent.futures; returns self."""
        super().add_done_callback(fn)
        return self

    def _check_thread(self) -> None:
        """A callback runs in the thread that fulfills the future, and would wait for itself."""
        if not self.done() and threading.get_ident() == self._owning_thread_id:
            raise RuntimeError("Cannot wait for future from inside callback")

    def result(self, timeout: float | None = None) -> int:
        self._check_thread()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._check_thread()
        return super().exception(timeout)

    def set_exception(self, exception: BaseException | None) -> None:
        if not self._jobid_known:
            reason = RuntimeError(f"job could not be submitted due to {exception!r}")
            reason.__cause__ = exception
            self._set_jobid(None, reason)
        super().set_exception(exception)

    def cancel(self) -> bool:
        """Cancel a job that has not been submitted yet; a submitted one is cancelled by
        ``rosin.job.cancel``.
        """
        if not super().cancel():
            return False
        if not self._jobid_known:
            self._set_jobid(None, concurrent.futures.CancelledError())
        return True


class _Worker(threading.Thread):
    """Submits jobs and follows their events, on a handle of its own, in a reactor of its own."""

    def __init__(self, name: str, handle_args: Sequence[Any], handle_kwargs: Mapping[str, Any]) -> None:
        super().__init__(name=name, daemon=True)
        self.handle = Flux(*handle_args, **handle_kwargs)
        self.inbox: deque[tuple[FluxExecutorFuture, int | None, tuple[Any, ...], dict[str, Any]]] = deque()
        self.broken: BaseException | None = None
        self._closing = False
        self._lock = threading.Lock()
        self._unfinished: set[FluxExecutorFuture] = set()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    # -- called by other threads --------------------------------------------------------------------

    def put(self, future: FluxExecutorFuture, jobid: int | None, args: Any, kwargs: Any) -> None:
        """Submit a job, or follow the job ``jobid``."""
        with self._lock:
            if self.broken is not None:
                raise RuntimeError(f"Executor is broken, new futures cannot be scheduled: {self.broken}")
            self.inbox.append((future, jobid, args, kwargs))
            self._wake()

    def finish(self) -> None:
        """End the thread once its jobs have ended."""
        with self._lock:
            self._closing = True
            self._wake()

    def _wake(self) -> None:
        if self._wake_write >= 0:
            try:
                os.write(self._wake_write, b"\0")
            except BlockingIOError:
                return  # the pipe is full of wake-ups already

    # -- the thread ---------------------------------------------------------------------------------

    def run(self) -> None:
        fault: BaseException = RuntimeError("executor thread ended")
        try:
            self.handle.fd_watcher_create(self._wake_read, self._woken, FLUX_POLLIN).start()
            self.handle.reactor_run()
        except Exception as exc:
            fault = exc
        with self._lock:
            self.broken = fault
            left = list(self.inbox)
            self.inbox.clear()
            os.close(self._wake_write)
            self._wake_write = -1
        for future in (*self._unfinished, *(package[0] for package in left)):
            if not future.done():
                future.set_exception(fault)
        self.handle.close()
        os.close(self._wake_read)

    def _woken(self, _handle: Any, _watcher: Any, fd: int, _revents: int, _args: Any) -> None:
        os.read(fd, 4096)
        while True:
            try:
                future, jobid, args, kwargs = self.inbox.popleft()
            except IndexError:
                break
            if future.set_running_or_notify_cancel():
                self._unfinished.add(future)
                try:
                    if jobid is None:
                        submit_async(self.handle, *args, **kwargs).then(self._submitted, future)
                    else:
                        self._follow(future, JobID(jobid))
                except Exception as exc:
                    self._fail(future, exc)
        self._check_end()

    def _submitted(self, answer: Any, future: FluxExecutorFuture) -> None:
        assert isinstance(answer, SubmitFuture)
        try:
            self._follow(future, answer.get_id())
        except Exception as exc:
            self._fail(future, exc)

    def _follow(self, future: FluxExecutorFuture, jobid: JobID) -> None:
        if not future._jobid_known:
            future._set_jobid(jobid)
        event_watch_async(self.handle, jobid).then(self._event, future)

    def _event(self, watch: Any, future: FluxExecutorFuture) -> None:
        assert isinstance(watch, JobEventWatchFuture)
        try:
            event = watch.get_event()
        except FileNotFoundError:
            self._fail(future, ValueError("job ID does not match any job"))
            return
        except OSError as exc:
            self._fail(future, exc)
            return
        if event is None:
            self._fail(future, RuntimeError("the job's event log ended without a result"))
            return
        if event.name in future.EVENTS:
            future._set_event(event)
        if not future.done():
            if event.name == "finish":
                self._finish(future, event.context["status"])
            elif event.name == "exception" and event.context["severity"] == 0:
                future.set_exception(JobException(event))

    def _finish(self, future: FluxExecutorFuture, status: int) -> None:
        code = return_code(status)
        if code is None:
            future.set_exception(ValueError(status))
        else:
            future.set_result(code)

    def _fail(self, future: FluxExecutorFuture, exc: BaseException) -> None:
        """The job needs no more attention; ``exc`` is its result if it has none yet."""
        self._unfinished.discard(future)
        if not future.done():
            future.set_exception(exc)
        self._check_end()

    def _check_end(self) -> None:
        if self._closing and not self.inbox and not self._unfinished:
            self.handle.reactor_stop()


def _finish_all(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.finish()


class FluxExecutor:
    """Submits jobs and watches them from ``threads`` threads, one Flux handle each.

    ``handle_args`` and ``handle_kwargs`` are the arguments of :class:`rosin.handle.flux.Flux`.
    ``poll_interval`` is accepted for compatibility; threads are woken at once.
    """

    EVENTS = MAIN_EVENTS
    _counter = itertools.count()

    def __init__(
        self,
        threads: int = 1,
        thread_name_prefix: str = "",
        poll_interval: float = 0.1,
        handle_args: Sequence[Any] = (),
        handle_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        if threads < 1:
            raise ValueError("the number of threads must be > 0")
        prefix = thread_name_prefix or f"{type(self).__name__}-{next(self._counter)}"
        self._workers = [_Worker(f"{prefix}-{n}", handle_args, handle_kwargs or {}) for n in range(threads)]
        self._turn = itertools.cycle(self._workers)
        self._lock = threading.Lock()
        self._closed = False
        for worker in self._workers:
            worker.start()
        self._finalizer = weakref.finalize(self, _finish_all, self._workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.shutdown(wait=True)

    def submit(self, *args: Any, **kwargs: Any) -> FluxExecutorFuture:
        """Submit a job; arguments as for :func:`rosin.job.submit` without the handle.

        Raises RuntimeError after :meth:`shutdown` or when the connection to the broker is lost.
        """
        return self._put(None, args, kwargs)

    def attach(self, jobid: int | str) -> FluxExecutorFuture:
        """A future of a job that was submitted elsewhere. Fails with ValueError if there is none."""
        return self._put(JobID(jobid), (), {})

    def _put(self, jobid: JobID | None, args: Any, kwargs: Any) -> FluxExecutorFuture:
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            worker = next(self._turn)
            future = FluxExecutorFuture(worker.ident)
            if jobid is not None:
                future._set_jobid(jobid)
            worker.put(future, jobid, args, kwargs)
            return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more jobs. ``wait``: block until all jobs have ended. ``cancel_futures``: drop those
        that have not been submitted yet.
        """
        with self._lock:
            self._closed = True
        if cancel_futures:
            for worker in self._workers:
                for package in list(worker.inbox):
                    package[0].cancel()
        _finish_all(self._workers)
        if wait:
            for worker in self._workers:
                worker.join()
