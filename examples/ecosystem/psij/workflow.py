# SPDX-License-Identifier: LGPL-3.0-or-later
"""PSI/J's flux executor: 20 jobs with arguments and files, one that fails, one that is cancelled."""

import tempfile
from datetime import timedelta
from pathlib import Path

from psij import Job, JobAttributes, JobExecutor, JobSpec, JobState, ResourceSpecV1


def spec(command: str, here: Path, name: str) -> JobSpec:
    return JobSpec(
        executable="/bin/sh",
        arguments=["-c", command],
        name=name,
        stdout_path=here / f"{name}.out",
        stderr_path=here / f"{name}.err",
        resources=ResourceSpecV1(process_count=1, cpu_cores_per_process=1),
        attributes=JobAttributes(duration=timedelta(minutes=5)),
    )


def main(here: Path) -> None:
    executor = JobExecutor.get_instance("flux")
    jobs = [
        Job(spec(f"echo job{number}; echo $FLUX_JOB_ID >&2", here, f"job{number}")) for number in range(20)
    ]
    failing = Job(spec("exit 7", here, "failing"))
    endless = Job(spec("sleep 600", here, "endless"))
    states = []
    endless.set_job_status_callback(lambda _job, status: states.append(status.state))
    for job in (*jobs, failing, endless):
        executor.submit(job)
    endless.wait(target_states=[JobState.ACTIVE])
    endless.cancel()
    for number, job in enumerate(jobs):
        status = job.wait()
        assert status is not None and status.state == JobState.COMPLETED, status
        assert (here / f"job{number}.out").read_text() == f"job{number}\n"
        assert (here / f"job{number}.err").read_text().strip() == str(job.native_id)
    failed = failing.wait()
    assert failed is not None and failed.state == JobState.FAILED, failed
    cancelled = endless.wait()
    assert cancelled is not None and cancelled.state == JobState.CANCELED, cancelled
    assert JobState.ACTIVE in states, states
    print("20 jobs completed, one failed, one was cancelled")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="psij-") as directory:
        main(Path(directory))
