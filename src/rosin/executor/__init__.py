# SPDX-License-Identifier: LGPL-3.0-or-later
"""Python functions as jobs: a :class:`concurrent.futures.Executor` whose calls are jobs of an instance.

>>> with JobExecutor(cores_per_task=2, duration="10m") as executor:
...     future = executor.submit(math.factorial, 100)
...     print(future.result(), future.jobid())

A call, its result and its exception are pickled, by `cloudpickle` where that is installed. They pass through
the jobspec and the KVS of the job, so that a shared file system is not needed, and who can write there is the
user or the owner of the instance, who must be the same: nothing that somebody else wrote is unpickled.
"""

from __future__ import annotations

from rosin._lazy import on_first_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.executor.executor import JobExecutor
    from rosin.executor.future import JobFuture
    from rosin.executor.outcome import CallProgress, RemoteError, RemoteTraceback, WorkerLost
    from rosin.executor.report import progress

__all__ = [
    "CallProgress",
    "JobExecutor",
    "JobFuture",
    "RemoteError",
    "RemoteTraceback",
    "WorkerLost",
    "progress",
]

_WHERE = {
    "JobExecutor": "executor",
    "JobFuture": "future",
    "CallProgress": "outcome",
    "RemoteError": "outcome",
    "RemoteTraceback": "outcome",
    "WorkerLost": "outcome",
    "progress": "report",
}

__getattr__, __dir__ = on_first_use(__name__, _WHERE)
