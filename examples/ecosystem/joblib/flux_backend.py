# SPDX-License-Identifier: LGPL-3.0-or-later
"""A backend of joblib whose batches are jobs: ``parallel_config("flux", n_jobs=-1)``."""

from typing import Any

from joblib import register_parallel_backend
from joblib.parallel import AutoBatchingMixin, ParallelBackendBase

import rosin
from rosin.executor import JobExecutor
from rosin.resource import resource_list


class FluxBackend(AutoBatchingMixin, ParallelBackendBase):
    """Options of the backend are those of JobExecutor: ``parallel_config("flux", cores_per_task=2)``."""

    supports_retrieve_callback = True
    MIN_IDEAL_BATCH_DURATION = 2.0  # seconds: a job costs a start of Python
    MAX_IDEAL_BATCH_DURATION = 60.0

    def __init__(
        self, nesting_level: int | None = None, inner_max_num_threads: int | None = None, **options: Any
    ):
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self._options = options
        self._executor: JobExecutor | None = None

    def effective_n_jobs(self, n_jobs: int) -> int:
        if n_jobs > 0:
            return n_jobs
        with rosin.Flux() as h:
            return max(1, resource_list(h).get().up.ncores + 1 + n_jobs)

    def configure(self, n_jobs: int = 1, parallel: Any = None, **_arguments: Any) -> int:
        self.parallel = parallel
        self._executor = JobExecutor(**self._options)
        return self.effective_n_jobs(n_jobs)

    def submit(self, func: Any, callback: Any = None) -> Any:
        assert self._executor is not None
        future = self._executor.submit(func)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: Any) -> Any:
        return out.result()

    def terminate(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None

    def abort_everything(self, ensure_ready: bool = True) -> None:
        self.terminate()
        if ensure_ready:
            self.configure(n_jobs=self.parallel.n_jobs, parallel=self.parallel)


register_parallel_backend("flux", FluxBackend)
