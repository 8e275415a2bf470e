# SPDX-License-Identifier: LGPL-3.0-or-later
"""The executor."""

from __future__ import annotations

import atexit
import concurrent.futures
import inspect
import os
import sys
import threading
import time
import weakref
from collections import deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from rosin import _base64
from rosin.constants import FLUX_JOB_URGENCY_DEFAULT
from rosin.executor import call, pickled
from rosin.executor.course import Order
from rosin.executor.future import JobFuture
from rosin.executor.thread import ExecutorThread
from rosin.job.spec_v1 import JobspecV1
from rosin.rfc.jobspec import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

P = ParamSpec("P")
T = TypeVar("T")

_COMMAND = [sys.executable, "-P", "-m", "rosin.executor.program"]
_OPTIONS = ("urgency", *list(inspect.signature(JobspecV1.from_command).parameters)[1:])


class _Service:
    """What an executor shares with those that its :meth:`JobExecutor.options` makes."""

    def __init__(self, uri: str | None) -> None:
        self.lock = threading.Lock()
        self.closed = False
        self.thread = ExecutorThread(uri)
        self.thread.connect()
        self._finalizer = weakref.finalize(self, self.thread.finish)
        self._finalizer.atexit = False
        _threads.add(self.thread)


_threads: weakref.WeakSet[ExecutorThread] = weakref.WeakSet()


@atexit.register
def _wait_for_all() -> None:
    """A program ends when its calls have, as with the executors of the standard library."""
    for thread in list(_threads):
        thread.finish()
        thread.join()


class JobExecutor(concurrent.futures.Executor):
    """Carries out calls of Python functions as jobs of an instance, one job for each.

    ``uri``: the instance, as for :func:`rosin.connect`. ``options`` say what a job gets, as in
    :meth:`rosin.job.JobspecV1.from_command`: ``cores_per_task``, ``gpus_per_task``, ``num_nodes``,
    ``duration``, ``queue``, ``environment``, ``cwd``, ``output``...; and ``urgency``. With ``num_tasks`` each
    task carries out the call, as the program of an MPI job does, and the result is the list of what they
    return.

    The job runs this Python, finds modules where this program finds them, and works in its directory. The
    call, and what it returns, have pickles of at most 256 MiB. Raises OSError (PermissionError for an
    instance of another user), TypeError and ValueError for options.
    """

    def __init__(self, uri: str | None = None, **options: Any) -> None:
        self._options = _checked(options)
        self._service = _Service(uri)

    def options(self, **options: Any) -> JobExecutor:
        """The same executor with other options: ``executor.options(cores_per_task=8).submit(f, x)``.

        Both end with either's :meth:`shutdown`. Raises TypeError, ValueError.
        """
        other = object.__new__(type(self))
        other._options = _checked({**self._options, **options})
        other._service = self._service
        return other

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> JobFuture[T]:
        """Submit a job that calls ``fn(*args, **kwargs)``. They are pickled before this returns.

        Raises PicklingError with what cannot be pickled, ValueError for what is too long, BrokenExecutor
        when the instance is gone, and RuntimeError after :meth:`shutdown`.
        """
        service = self._service
        if service.closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: JobFuture[T] = JobFuture(service.thread.ident)
        order = self._order(pickled.dumps_call(fn, args, kwargs), pickled.name_of(fn))
        with service.lock:
            if service.closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            service.thread.put(future, order)
        return future

    def _order(self, data: bytes, name: str) -> Order:
        options = {"name": name, "cwd": os.getcwd(), **self._options}
        urgency = options.pop("urgency", FLUX_JOB_URGENCY_DEFAULT)
        spec = JobspecV1.from_command(_COMMAND, **options)
        long = None
        if len(data) > call.INLINE:
            long = self._service.thread.storage.place(data), data
        content = call.ShippedCall(
            long[0] if long else data, call.search_path(), pickled.main_file(), name
        ).encode()
        build.add_file(spec.jobspec, call.FILE, _base64.encode(content), 0o600, "base64")
        return Order(spec, urgency, options.get("num_tasks"), long)

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """The values of ``fn`` for the items of ``iterables``, in their order.

        ``chunksize``: items of a job; many when calls are short, as a job costs a start of Python.
        ``buffersize``: jobs submitted ahead of what is taken; None: all at once. ``timeout``: seconds from
        now on, TimeoutError beyond. Who leaves the iterator cancels what is left.
        """
        if chunksize < 1 or (buffersize is not None and buffersize < 1):
            raise ValueError(f"chunksize and buffersize are 1 or more; got {chunksize}, {buffersize}")
        deadline = None if timeout is None else time.monotonic() + timeout
        items = zip(*iterables, strict=False)
        chunks = iter(partial(_taken, items, chunksize), [])
        futures = deque(self.submit(_each, fn, chunk) for chunk in islice(chunks, buffersize))
        return self._results(fn, futures, chunks, deadline)

    def _results(
        self,
        fn: Callable[..., T],
        futures: deque[JobFuture[list[T]]],
        chunks: Iterator[list[tuple[Any, ...]]],
        deadline: float | None,
    ) -> Iterator[T]:
        try:
            while futures:
                left = None if deadline is None else deadline - time.monotonic()
                values = futures[0].result(left)
                futures.popleft()
                futures.extend(self.submit(_each, fn, chunk) for chunk in islice(chunks, 1))
                yield from values
        finally:
            for future in futures:
                future.cancel()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls. ``wait``: until all jobs are over. ``cancel_futures``: cancel those whose jobs
        do not run yet.
        """
        service = self._service
        with service.lock:
            service.closed = True
        if cancel_futures:
            for future in service.thread.pending():
                future.cancel()
        service.thread.finish()
        if wait:
            service.thread.join()

    def __repr__(self) -> str:
        words = [f"{name}={value!r}" for name, value in self._options.items()]
        return f"<JobExecutor {' '.join(words)}{' (shut down)' * self._service.closed}>"


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    """Options of jobs, as they are. Raises TypeError, ValueError."""
    unknown = [name for name in options if name not in _OPTIONS]
    if unknown:
        raise TypeError(f"no such option: {', '.join(unknown)}; there are {', '.join(_OPTIONS)}")
    JobspecV1.from_command(_COMMAND, **{name: options[name] for name in options if name != "urgency"})
    return options


def _taken(items: Iterator[tuple[Any, ...]], number: int) -> list[tuple[Any, ...]]:
    return list(islice(items, number))


def _each(fn: Callable[..., T], chunk: list[tuple[Any, ...]]) -> list[T]:
    """What the job of a chunk carries out."""
    return [fn(*args) for args in chunk]
