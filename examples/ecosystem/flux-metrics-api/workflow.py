# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux-metrics-api: the figures that an autoscaler asks for, while jobs run and wait, and after them."""

import flux
import flux.job
from flux_metrics_api import metrics


def main() -> None:
    handle = flux.Flux()
    cores = metrics.node_core_up_count()
    assert cores == metrics.node_core_free_count()
    assert metrics.node_up_count() == metrics.node_free_count() == 1
    spec = flux.job.JobspecV1.from_command(["sleep", "600"])
    jobs = [flux.job.submit(handle, spec) for _ in range(cores + 20)]
    for job in jobs[:cores]:
        flux.job.event_wait(handle, job, "start")
    assert metrics.node_core_free_count() == 0
    states = metrics.get_queue_metrics()
    assert (states["RUN"], states["SCHED"]) == (cores, 20), states
    for job in jobs:
        flux.job.cancel(handle, job)
    for job in jobs:
        flux.job.event_wait(handle, job, "clean", raiseJobException=False)
    assert metrics.get_queue_metrics()["INACTIVE"] == len(jobs)
    print(f"{cores} jobs ran and 20 waited; all are over")


if __name__ == "__main__":
    main()
