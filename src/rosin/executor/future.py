# SPDX-License-Identifier: LGPL-3.0-or-later
"""The future of a call that is a job."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from rosin.executor.outcome import CallProgress
    from rosin.job.jobid import JobID

_log = logging.getLogger(__name__)
T = TypeVar("T")


class JobFuture(concurrent.futures.Future[T]):
    """A call, from its submission to its result.

    ``result()`` raises what the call raised, with the traceback of the job as its cause; JobException when a
    fatal one ended the job (canceled by somebody, out of time, a node lost); WorkerLost when the job ended
    without a result; OSError when the instance is gone. Callbacks run in a thread of the executor, which must
    not wait for other futures there.
    """

    def __init__(self, thread_id: int | None = None) -> None:
        super().__init__()
        self._thread_id = thread_id
        self._changed = threading.Condition()
        self._id: JobID | None = None
        self._no_job = False
        self._runs = False
        self._settled = False
        self._progress: CallProgress | None = None
        self._listeners: list[Callable[[Any], object]] = []
        self._end: Callable[[JobFuture[Any]], None] | None = None

    def __repr__(self) -> str:
        name = "job not submitted" if self._id is None else f"job {self._id.f58}"
        state = "cancelled" if self.cancelled() else "done" if self.done() else "running" * self._runs
        return f"<JobFuture {name} {state or 'pending'}>"

    # -- for programs ---------------------------------------------------------------------------------

    def jobid(self, timeout: float | None = None) -> JobID:
        """The id of the job, waited for. Raises TimeoutError after ``timeout`` seconds, and RuntimeError for
        a call that was never submitted.
        """
        self._check_thread(self._id is not None or self._no_job)
        with self._changed:
            if not self._changed.wait_for(lambda: self._id is not None or self._no_job, timeout):
                raise concurrent.futures.TimeoutError
        if self._id is None:
            raise RuntimeError("this call has no job: it was cancelled before, or could not be submitted")
        return self._id

    @property
    def progress(self) -> CallProgress | None:
        """What the call has told last of how far it is; None before (:func:`rosin.executor.progress`)."""
        return self._progress

    def add_progress_callback(self, fn: Callable[[Self], object]) -> Self:
        """Call ``fn(self)`` whenever the call tells how far it is, at once if it has; returns self."""
        with self._changed:
            self._listeners.append(fn)
            known = self._progress is not None
        if known:
            self._tell(fn)
        return self

    def running(self) -> bool:
        """Whether the job runs."""
        return self._runs and not self.done()

    def cancel(self) -> bool:
        """Cancel the call, also one that runs: its job is cancelled. False if it is over."""
        if not super().cancel():
            return False
        end = self._end
        if end is not None:
            end(self)
        return True

    def result(self, timeout: float | None = None) -> T:
        """The value that the call returned, waited for. Raises TimeoutError after ``timeout`` seconds,
        CancelledError, and what the class says.
        """
        self._check_thread(self.done())
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What :meth:`result` would raise, None for nothing; waited for."""
        self._check_thread(self.done())
        return super().exception(timeout)

    def _check_thread(self, known: bool) -> None:
        if not known and threading.get_ident() == self._thread_id:
            raise RuntimeError("a callback runs in the thread that fulfils futures, and cannot wait for one")

    # -- for the executor's thread -------------------------------------------------------------------

    def _submitted(self, jobid: JobID) -> None:
        with self._changed:
            self._id = jobid
            self._changed.notify_all()

    def _started(self) -> None:
        self._runs = True

    def _advanced(self, progress: CallProgress) -> None:
        with self._changed:
            self._progress = progress
            listeners = list(self._listeners)
        for fn in listeners:
            self._tell(fn)

    def _tell(self, fn: Callable[[Any], object]) -> None:
        try:
            fn(self)
        except Exception:
            _log.exception("exception calling callback for %r", self)

    def _settle(self, deliver: Callable[[], T]) -> None:
        """Take what ``deliver`` returns or raises as the result, unless there is one.

        The call counts as running only now, so that it can be cancelled up to here.
        """
        if self._settled:
            return
        self._settled = True
        with self._changed:
            self._no_job = self._id is None
            self._changed.notify_all()
        if not self.set_running_or_notify_cancel():
            return
        try:
            value = deliver()
        except BaseException as exc:
            self.set_exception(exc)
        else:
            self.set_result(value)

    def _fail(self, exc: BaseException) -> None:
        """Raise an exception for whoever wants the result."""

        def deliver() -> T:
            raise exc

        self._settle(deliver)
